"""The application on a real PostgreSQL, where each test leaves nothing behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Connection, delete, event
from sqlalchemy.orm import Session, sessionmaker

from maria import create_app
from maria.database import Database, connect
from maria.models import Base
from maria.settings import Settings
from tests.api import Api


@pytest.fixture(scope="session")
def settings() -> Settings:
    """The database of the environment; everything else as it is by default."""
    url = os.environ.get("DATABASE_URL")
    if not url:
        pytest.exit(
            "These tests need a PostgreSQL database, migrated to head, in "
            "DATABASE_URL. The pipeline makes one:\n\n"
            '    nox -s "tests(backend)"\n',
            returncode=2,
        )
    return Settings.from_environment({"DATABASE_URL": url})


@pytest.fixture(scope="session")
def database(settings: Settings) -> Iterator[Database]:
    """The database as the application connects to it, commits included."""
    database = connect(settings)
    yield database
    database.engine.dispose()


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    """A connection to tables that look empty, in a transaction that is rolled back."""
    with database.engine.connect() as connection, connection.begin() as outer:
        for table in reversed(Base.metadata.sorted_tables):
            connection.execute(delete(table))
        yield connection
        outer.rollback()


@pytest.fixture
def rolled_back(database: Database, connection: Connection) -> Database:
    """A database in which a commit only releases a savepoint."""
    sessions = sessionmaker(connection, join_transaction_mode="create_savepoint")
    return replace(database, sessions=sessions)


@pytest.fixture
def session(rolled_back: Database) -> Iterator[Session]:
    with rolled_back.sessions() as session:
        yield session


@pytest.fixture
def app(settings: Settings, rolled_back: Database) -> Flask:
    return create_app(settings, rolled_back)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def api(client: FlaskClient) -> Api:
    return Api(client)


@pytest.fixture
def statements(connection: Connection) -> Iterator[list[str]]:
    """The SQL that is sent; savepoints are the tests' own and do not count."""
    sent: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "SAVEPOINT" not in statement:
            sent.append(statement)

    event.listen(connection, "before_cursor_execute", note)
    yield sent
    event.remove(connection, "before_cursor_execute", note)
