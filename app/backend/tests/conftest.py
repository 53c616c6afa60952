"""The application on a real PostgreSQL, where each test leaves nothing behind.

The database, and the fixtures ``database_…``, come from sametree's pytest plug-in.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

from maria import create_app
from maria.database import Database, connect
from maria.settings import Settings
from tests.api import Api


def pytest_configure(config: pytest.Config) -> None:
    try:
        config.getini("database_isolation")
    except ValueError:
        pytest.exit(
            "These tests need the database that the pipeline makes for them. Run"
            '\n\n    nox -s "tests(backend)"\n\n'
            "or pytest in an environment that has sametree.",
            returncode=2,
        )


@pytest.fixture(scope="session")
def settings(database_url: str) -> Settings:
    """The database of the tests; everything else as it is by default."""
    return Settings.from_environment({"DATABASE_URL": database_url})


@pytest.fixture(scope="session")
def database(settings: Settings) -> Iterator[Database]:
    """The database as the application connects to it."""
    database = connect(settings)
    yield database
    database.engine.dispose()


@pytest.fixture(scope="session")
def running(settings: Settings, database: Database) -> Flask:
    """The application, made once: it takes longer than most of what is asked of it."""
    return create_app(settings, database)


@pytest.fixture
def client(running: Flask, database_transaction: None) -> FlaskClient:
    """A client of the application; all of its commits are taken back afterwards."""
    return running.test_client()


@pytest.fixture
def app(settings: Settings, database: Database, database_transaction: None) -> Flask:
    """An application of this test's own, which it may change."""
    return create_app(settings, database)


@pytest.fixture
def api(client: FlaskClient) -> Api:
    return Api(client)


@pytest.fixture
def statements(database: Database) -> Iterator[list[str]]:
    """The SQL that the application sends."""
    sent: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        sent.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    yield sent
    event.remove(database.engine, "before_cursor_execute", note)
