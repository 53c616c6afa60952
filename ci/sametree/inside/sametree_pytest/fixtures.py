"""What can a test ask for? Databases, connections to them, and what becomes of writes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from . import isolation
from .process import Process, current
from .protocol import ADDRESS

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine
    from sqlalchemy.orm import Session

NOBODY = (
    "there is no database for the tests: the suite makes it where [tool.sametree.database]"
    " names this component\n"
    "  -> run `nox -s tests`, or pytest in an environment that has sametree"
)


def _process() -> Process:
    process = current()
    if process is None:
        pytest.fail(NOBODY, pytrace=False)
    return process


@pytest.fixture(autouse=True)
def _database_isolation(request: pytest.FixtureRequest) -> None:
    """What the test's marker or the project's option asks for, before all else."""
    chosen = isolation.of(request.node)
    if chosen != isolation.NONE:
        request.getfixturevalue(isolation.FIXTURES[chosen])


@pytest.fixture(scope="session")
def database_url() -> str:
    """The address of this process's own database, as DATABASE_URL has it."""
    return _process().address


@pytest.fixture(scope="session")
def database_engine(database_url: str) -> Iterator[Engine]:
    """An engine on this process's own database."""
    from sqlalchemy import create_engine

    engine = create_engine(database_url)
    _process().engines.note(engine, "the fixture database_engine")
    yield engine
    engine.dispose()


@pytest.fixture
def database_connection(request: pytest.FixtureRequest) -> Iterator[Connection]:
    """A connection in a transaction that is rolled back after the test."""
    # What the application does in its own transactions is seen only on one connection.
    if isolation.FIXTURES["transaction"] in request.fixturenames:
        request.getfixturevalue(isolation.FIXTURES["transaction"])
    engine: Engine = request.getfixturevalue("database_engine")
    with engine.connect() as connection, connection.begin() as outer:
        with _in_transaction(connection):
            yield connection
        if outer.is_active:
            outer.rollback()


@contextmanager
def _in_transaction(connection: Connection) -> Iterator[None]:
    """Begin where the driver would not: sqlite3 does so at the first INSERT only, and
    commits when a savepoint before it is released."""
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name != "sqlite" or driver.in_transaction:
        yield
        return
    level, driver.isolation_level = driver.isolation_level, None
    connection.exec_driver_sql("BEGIN")
    yield
    connection.rollback()
    driver.isolation_level = level


@pytest.fixture
def database_session(database_connection: Connection) -> Iterator[Session]:
    """A session on ``database_connection``; its commits release savepoints."""
    from sqlalchemy.orm import Session

    with Session(
        database_connection, join_transaction_mode="create_savepoint"
    ) as session:
        yield session


@pytest.fixture
def database_transaction() -> Iterator[None]:
    """One transaction for all that happens on this process's engines, commits included.

    Not for what happens in other processes, at the same time in several threads, or
    with the isolation level AUTOCOMMIT: ``database_reset`` allows these.
    """
    process = _process()
    from .transaction import joined

    with joined(process.url):
        yield


@pytest.fixture
def database_reset() -> Iterator[None]:
    """Real commits; afterwards the database is what it was before the test."""
    from .reset import Left

    process = _process()
    refused = ""
    try:
        process.reset.before()
    except Exception as error:
        refused = str(error).strip().partition("\n")[0]
    if refused:
        pytest.fail(f"the database cannot note what a test writes: {refused}", False)
    yield
    left = ""
    try:
        process.reset.after()
    except Left as error:
        left = str(error)
    if left:
        pytest.fail(left, pytrace=False)


@pytest.fixture
def own_database(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a fresh clone for this test alone; DATABASE_URL names it, too."""
    from sqlalchemy import make_url

    process = _process()
    number = process.databases.next()
    address = process.databases.url(number)
    process.databases.make(number)
    monkeypatch.setenv(ADDRESS, address)
    yield address
    process.engines.let_go(make_url(address))
    process.databases.drop(number)
