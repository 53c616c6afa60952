"""How does a client learn what went wrong? As problem details, after RFC 9457."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import cast

import msgspec
from flask import Flask, Response, current_app, request
from sqlalchemy import exc
from werkzeug.exceptions import (
    Conflict,
    HTTPException,
    NotFound,
    ServiceUnavailable,
    UnprocessableEntity,
)

from maria.repositories import EmailTaken
from maria.validation import Finding, Invalid


class InvalidRequest(UnprocessableEntity):
    """The body or the query cannot be accepted; ``errors`` say all that is wrong."""

    type = "urn:maria:problem:invalid-request"
    title = "The request is not valid"
    errors: Sequence[Finding] = ()


class EmailInUse(Conflict):
    """Somebody else has this e-mail address."""

    type = "urn:maria:problem:email-taken"
    title = "The e-mail address is taken"


class DatabaseUnavailable(ServiceUnavailable):
    """There is no connection, it was lost, or an answer took too long."""

    type = "urn:maria:problem:database-unavailable"
    title = "The database is not available"
    description = "The database did not answer. Try again in a few seconds."


class MigrationMismatch(ServiceUnavailable):
    """The database has not the schema which this code was written for."""

    type = "urn:maria:problem:migration-mismatch"
    title = "The database has another schema"


def no_such(thing: str, id: int) -> NotFound:
    """Return a 404 that says what is not there."""
    return NotFound(f"There is no {thing} {id}.")


def install(app: Flask) -> None:
    """Turn every error that leaves a view into problem details."""
    app.register_error_handler(HTTPException, _answer)
    app.register_error_handler(Invalid, _invalid)
    app.register_error_handler(EmailTaken, _email_taken)
    for error in (exc.OperationalError, exc.InterfaceError, exc.TimeoutError):
        app.register_error_handler(error, _database_unavailable)


def _answer(error: HTTPException) -> Response:
    """Say it as JSON, keeping headers like ``Allow`` of a 405."""
    response = cast(Response, error.get_response())
    status = response.status_code
    body: dict[str, object] = {
        "type": getattr(error, "type", "about:blank"),
        "title": getattr(error, "title", HTTPStatus(status).phrase),
        "status": status,
        "detail": error.description,
        "instance": request.path,
    }
    if errors := getattr(error, "errors", ()):
        body["errors"] = errors
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = "5"
    response.data = msgspec.json.encode(body)
    response.content_type = "application/problem+json"
    return response


def _invalid(error: Invalid) -> Response:
    count = len(error.findings)
    problem = InvalidRequest(
        "One thing is wrong." if count == 1 else f"{count} things are wrong."
    )
    problem.errors = error.findings
    return _answer(problem)


def _email_taken(error: EmailTaken) -> Response:
    return _answer(EmailInUse(f"There is a participant with the address {error}."))


def _database_unavailable(error: exc.SQLAlchemyError) -> Response:
    cause = getattr(error, "orig", None) or error
    # The class alone: a driver's message may tell address and user of the database.
    current_app.logger.error("database unavailable: %s", type(cause).__name__)
    return _answer(DatabaseUnavailable())
