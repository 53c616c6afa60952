"""How are requests read and answers written? In JSON, after :mod:`maria.contract`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
from flask import Response, current_app, request
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from maria import paging
from maria.paging import K, Page
from maria.settings import MAX_PAGE_SIZE, whole_number
from maria.validation import Finding, S, refuse, validated

T = TypeVar("T")


@dataclass(frozen=True)
class Window(Generic[T]):
    """Which part of a list is asked for: at most ``limit`` rows behind a key."""

    limit: int
    after: T | None


def read_body(kind: type[S]) -> S:
    """Return the request's body as a ``kind``, or raise all that is wrong with it."""
    if request.mimetype != "application/json":
        raise UnsupportedMediaType("The body has to be application/json.")
    try:
        value = msgspec.json.decode(request.get_data())
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadRequest(f"The body is not usable JSON: {error}.") from None
    return validated(value, kind)


def read_window(kind: type[K]) -> Window[K]:
    """Return what ``limit`` and ``cursor`` ask for, or raise what is wrong there."""
    limit, after = current_app.config["PAGE_SIZE"], None
    findings: list[Finding] = []
    try:
        if (asked := request.args.get("limit")) is not None:
            limit = whole_number(1, MAX_PAGE_SIZE)(asked)
    except ValueError as error:
        findings.append(Finding(parameter="limit", detail=str(error)))
    try:
        if (cursor := request.args.get("cursor")) is not None:
            after = paging.decode(cursor, kind)
    except ValueError as error:
        findings.append(Finding(parameter="cursor", detail=str(error)))
    refuse(findings)
    return Window(limit, after)


def answer(
    model: object, kind: type[S], status: int = 200, location: str | None = None
) -> Response:
    """Return ``model`` as a ``kind`` in JSON."""
    response = _json(msgspec.convert(model, kind, from_attributes=True), status)
    if location:
        response.headers["Location"] = location
    return response


def answer_page(page: Page[Any], kind: type[S]) -> Response:
    """Return a page of models, each as a ``kind``, and the next page's cursor."""
    items = [msgspec.convert(item, kind, from_attributes=True) for item in page.items]
    return _json({"items": items, "next": page.next}, 200)


def _json(value: object, status: int) -> Response:
    return Response(msgspec.json.encode(value), status, mimetype="application/json")
