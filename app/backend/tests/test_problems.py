"""How does a client learn what went wrong?"""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from maria import create_app
from maria.database import connect, unit_of_work
from maria.settings import Settings

PARTICIPANTS = "/api/participants"


@pytest.mark.parametrize(
    ("method", "path", "status", "title"),
    [
        ("GET", "/nowhere", 404, "Not Found"),
        ("GET", "/api/participants/1", 404, "Not Found"),
        ("DELETE", PARTICIPANTS, 405, "Method Not Allowed"),
    ],
)
def test_http_errors_are_problems(
    client: FlaskClient, method: str, path: str, status: int, title: str
) -> None:
    response = client.open(path, method=method)
    problem = response.get_json()

    assert response.status_code == status
    assert response.content_type == "application/problem+json"
    assert problem == {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": problem["detail"],
        "instance": path,
    }


def test_a_405_says_what_is_allowed(client: FlaskClient) -> None:
    allowed = client.delete(PARTICIPANTS).headers["Allow"]

    assert set(allowed.split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"{'a': 1}", b"\xff", b'"\\ud800"', b"[" * 9_000, b"9" * 5_000, b"NaN"],
    ids=lambda body: repr(body[:8]),
)
def test_a_body_that_is_no_json_is_refused(client: FlaskClient, body: bytes) -> None:
    response = client.post(PARTICIPANTS, data=body, content_type="application/json")

    assert response.status_code == 400
    assert response.content_type == "application/problem+json"
    assert response.get_json()["detail"].startswith("The body is not usable JSON")


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/xml"])
def test_a_body_of_another_type_is_refused(
    client: FlaskClient, content_type: str | None
) -> None:
    response = client.post(PARTICIPANTS, data=b"{}", content_type=content_type)

    assert response.status_code == 415
    assert response.content_type == "application/problem+json"


def test_a_charset_does_no_harm(client: FlaskClient) -> None:
    json = "application/json; charset=utf-8"

    assert client.post(PARTICIPANTS, data=b"{}", content_type=json).status_code == 422


def test_a_body_that_is_too_large_is_refused(client: FlaskClient) -> None:
    response = client.post(PARTICIPANTS, json={"name": "x" * 65_536})

    assert response.status_code == 413
    assert response.get_json()["title"] == "Request Entity Too Large"


@pytest.mark.parametrize("limit", ["0", "101", "-1", "x", "", "1.5", "٣", "9" * 5_000])
def test_a_limit_is_from_1_to_100(client: FlaskClient, limit: str) -> None:
    response = client.get(PARTICIPANTS, query_string={"limit": limit})

    assert response.status_code == 422
    assert response.get_json()["errors"] == [
        {"parameter": "limit", "detail": "must be a whole number from 1 to 100"}
    ]


@pytest.mark.parametrize(
    "cursor", ["", "x", "ü", "e30", "WzBd", "WzEsMV0", "WyJhIl0", "Wzdd!", "-" * 999]
)
@pytest.mark.parametrize("path", [PARTICIPANTS, "/api/conversations"])
def test_a_cursor_is_one_that_was_given(
    client: FlaskClient, path: str, cursor: str
) -> None:
    response = client.get(path, query_string={"cursor": cursor})

    assert response.status_code == 422
    assert response.get_json()["errors"] == [
        {"parameter": "cursor", "detail": "is not a cursor of this list"}
    ]


def test_all_that_is_wrong_with_a_query_is_said_at_once(client: FlaskClient) -> None:
    problem = client.get("/api/conversations?limit=0&cursor=x").get_json()

    assert problem["title"] == "The request is not valid"
    assert problem["detail"] == "2 things are wrong."
    assert [error["parameter"] for error in problem["errors"]] == ["limit", "cursor"]


def test_an_unforeseen_error_tells_nothing_to_the_client(
    app: Flask, capsys: pytest.CaptureFixture[str]
) -> None:
    @app.get("/broken")
    def broken() -> str:
        raise RuntimeError("the password is hunter2")

    response = app.test_client().get("/broken")

    assert response.status_code == 500
    assert response.content_type == "application/problem+json"
    assert response.get_json()["title"] == "Internal Server Error"
    assert "hunter2" not in response.text
    assert "hunter2" in capsys.readouterr().err


def test_nothing_of_a_failed_request_is_kept(app: Flask) -> None:
    @app.post("/half")
    def half() -> str:
        with unit_of_work() as work:
            work.participants.add("Ada", "ada@example.org")
            raise RuntimeError

    assert app.test_client().post("/half").status_code == 500
    assert app.test_client().get(PARTICIPANTS).get_json()["items"] == []


class TestWithoutDatabase:
    @pytest.fixture
    def client(self) -> FlaskClient:
        """A client of an application whose database is nowhere."""
        url = "postgresql://maria:hunter2@127.0.0.1:1/maria"
        return create_app(
            Settings.from_environment({"DATABASE_URL": url})
        ).test_client()

    @pytest.mark.parametrize("path", ["/readyz", PARTICIPANTS, "/api/conversations/1"])
    def test_a_request_is_asked_to_come_again(
        self, client: FlaskClient, path: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        response = client.get(path)

        assert response.status_code == 503
        assert response.content_type == "application/problem+json"
        assert response.headers["Retry-After"] == "5"
        assert response.get_json()["type"] == "urn:maria:problem:database-unavailable"
        assert "127.0.0.1" not in response.text
        assert "hunter2" not in response.text + capsys.readouterr().err

    def test_the_process_still_says_that_it_lives(self, client: FlaskClient) -> None:
        assert client.get("/healthz").status_code == 200


def test_a_statement_that_takes_too_long_is_given_up(settings: Settings) -> None:
    url = settings.database_url.render_as_string(hide_password=False)
    hasty = Settings.from_environment(
        {"DATABASE_URL": url, "MARIA_STATEMENT_TIMEOUT_MS": "10"}
    )
    database = connect(hasty)
    app = create_app(hasty, database)

    @app.get("/slow")
    def slow() -> str:
        with unit_of_work() as work:
            work.session.execute(text("SELECT pg_sleep(5)"))
        return "done"

    assert app.test_client().get("/slow").status_code == 503
    database.engine.dispose()
