"""Each way to give a test a database of its own, as a project would write it."""

import json
import os
import statistics
from pathlib import Path

import psycopg
import pytest
import schema
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, make_url

WAY = os.environ["WAY"]
HERE = Path(__file__).parent
SERVER = make_url(
    os.environ.get("SAMETREE_MAINTENANCE_URL", os.environ["DATABASE_URL"])
)
TEMPLATE = os.environ.get("SAMETREE_TEMPLATE_URL", "")
STRATEGIES = {
    "clone, WAL_LOG": "STRATEGY WAL_LOG",
    "clone, FILE_COPY": "STRATEGY FILE_COPY",
    "clone, FILE_COPY by reflink": "STRATEGY FILE_COPY",
}
COUNT = {"create and migrate": 12, "pytest-postgresql": 40, "nothing": 400}
"""Tests a way; those that take longest get fewer."""


def pytest_generate_tests(metafunc):
    if "number" in metafunc.fixturenames:
        scale = float(os.environ.get("SCALE", "1"))
        usual = 60 if "clone" in WAY or "TRUNCATE" in WAY else 300
        count = max(4, int(COUNT.get(WAY, usual) * scale))
        metafunc.parametrize("number", range(count))


@pytest.fixture(scope="session")
def application():
    """The application's own engine, made once from the environment."""
    engine = create_engine(os.environ["DATABASE_URL"])
    yield engine
    engine.dispose()


@pytest.fixture
def engine(request):
    """An engine on a database that no other test has written to."""
    if WAY in ("transaction", "reset", "nothing"):
        if WAY != "nothing":
            request.getfixturevalue(f"database_{WAY}")
        yield request.getfixturevalue("application")
        return
    if WAY == "TRUNCATE":
        own = request.getfixturevalue("application")
        yield own
        tables = ", ".join(schema.tables())
        with own.begin() as connection:
            connection.exec_driver_sql(f"TRUNCATE {tables} RESTART IDENTITY CASCADE")
        return
    if WAY == "pytest-postgresql":
        made = request.getfixturevalue("postgresql").info
        url = SERVER.set(database=made.dbname)
    elif WAY == "own clone":
        url = make_url(request.getfixturevalue("own_database"))
    else:
        url = request.getfixturevalue("by_hand")
    own = create_engine(url)
    yield own
    own.dispose()


@pytest.fixture
def by_hand():
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    name = f"{make_url(TEMPLATE).database}__by_hand_{worker}"
    url = SERVER.set(database=name)
    plain = SERVER.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as server:
        if WAY.endswith("reflink"):
            server.execute("SET file_copy_method = clone")
        if WAY == "create and migrate":
            server.execute(f'CREATE DATABASE "{name}"')
            migrate(url)
        else:
            template = make_url(TEMPLATE).database
            strategy = STRATEGIES[WAY]
            server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" {strategy}')
        yield url
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def migrate(url):
    config = Config(HERE / "alembic.ini")
    config.attributes["url"] = url
    command.upgrade(config, "head")


if WAY == "pytest-postgresql":
    from pytest_postgresql import factories

    def load(**where):
        migrate(SERVER.set(database=where["dbname"]))

    noproc = factories.postgresql_noproc(
        host=SERVER.host,
        port=SERVER.port,
        user=SERVER.username,
        password=SERVER.password,
        dbname="peer",
        load=[load],
    )
    postgresql = factories.postgresql("noproc")


TOOK = {}


def pytest_runtest_logreport(report):
    TOOK[report.nodeid] = TOOK.get(report.nodeid, 0.0) + report.duration


def pytest_sessionfinish(session):
    if not hasattr(session.config, "workerinput") and TOOK:
        later = list(TOOK.values())[2:]  # the first ones open what all use
        told = {"median": statistics.median(later), "tests": len(TOOK)}
        Path(os.environ["FIGURES"]).write_text(json.dumps(told))
