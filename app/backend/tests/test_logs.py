"""What is written down about a request?"""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_every_request_is_one_line_of_json(
    client: FlaskClient, capsys: pytest.CaptureFixture[str]
) -> None:
    response = client.get("/healthz?token=hunter2")

    (line,) = lines(capsys)
    assert line.pop("ms") >= 0
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "INFO",
        "logger": "maria.access",
        "message": "request",
        "request_id": response.headers["X-Request-ID"],
        "method": "GET",
        "path": "/healthz",
        "status": 200,
    }


def test_bodies_are_not_logged(
    client: FlaskClient, capsys: pytest.CaptureFixture[str]
) -> None:
    client.post("/api/participants", json={"name": "hunter2", "email": "hunter2"})

    assert "hunter2" not in capsys.readouterr().err


def test_a_request_keeps_the_id_it_came_with(client: FlaskClient) -> None:
    response = client.get("/healthz", headers={"X-Request-ID": "edge-01.a_B"})

    assert response.headers["X-Request-ID"] == "edge-01.a_B"


@pytest.mark.parametrize("given", ["", "a b", 'a"b', "ü", "x" * 65])
def test_an_id_that_is_not_well_formed_is_replaced(
    client: FlaskClient, given: str
) -> None:
    response = client.get("/healthz", headers={"X-Request-ID": given})

    assert len(response.headers["X-Request-ID"]) == 32


def test_ids_differ(client: FlaskClient) -> None:
    ids = {client.get("/healthz").headers["X-Request-ID"] for _ in range(3)}

    assert len(ids) == 3


def test_an_error_is_logged_with_the_id_of_its_request(
    app: Flask, capsys: pytest.CaptureFixture[str]
) -> None:
    @app.get("/broken")
    def broken() -> str:
        raise RuntimeError("oh")

    response = app.test_client().get("/broken")

    error, access = lines(capsys)
    assert error["level"] == "ERROR"
    assert "RuntimeError: oh" in error["exception"]
    assert error["request_id"] == response.headers["X-Request-ID"]
    assert access["status"] == 500


def test_what_happens_outside_of_requests_has_no_id(
    app: Flask, capsys: pytest.CaptureFixture[str]
) -> None:
    app.logger.warning("starting")

    (line,) = lines(capsys)
    assert line["message"] == "starting"
    assert "request_id" not in line
