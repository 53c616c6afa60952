"""Fresh and kept databases, on embedded servers and on a given one."""

import subprocess
import sys
import textwrap

import pytest
from conftest import environment, eventually

from sametree.database import cluster, server
from sametree.errors import SurroundingsError, UsageError
from sametree.settings import Database, Project, Settings


@pytest.fixture
def project(folder):
    return Project(folder, Settings(database=Database(component="my-app")))


@pytest.fixture(scope="module")
def given():
    """A server that is not ours, as far as the suite can tell."""
    with cluster.throw_away(18) as address:
        yield address


@pytest.fixture
def named(given, monkeypatch):
    monkeypatch.setenv(server.VARIABLE, given.url())
    return given


def databases(address):
    with server.connection(address) as connection:
        rows = connection.execute("SELECT datname FROM pg_database").fetchall()
    return {row[0] for row in rows}


def test_a_fresh_database_is_empty_and_goes_with_the_block(project, monkeypatch):
    monkeypatch.delenv(server.VARIABLE, raising=False)
    with server.fresh(project, "tests") as address:
        assert address.database.startswith("sametree_tests_")
        with server.connection(address) as connection:
            query = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            assert connection.execute(query).fetchone() == (0,)
    with pytest.raises(SurroundingsError, match="cannot connect"):
        with server.connection(address):
            pass


def test_the_development_database_is_named_after_its_component(project, monkeypatch):
    monkeypatch.delenv(server.VARIABLE, raising=False)
    with server.development(project) as address:
        assert address.database == "my_app_development"
        assert str(address.port) in str(address)
        assert address.password not in f"{address} {address!r}"


def test_on_a_given_server_a_fresh_database_is_dropped_with_its_clones(project, named):
    before = databases(named)
    with server.fresh(project, "tests") as address:
        name = address.database
        with server.connection(named) as connection:
            connection.execute(f'CREATE DATABASE "{name}__gw0"'.encode())
        assert databases(named) - before == {name, f"{name}__gw0"}
    assert databases(named) == before


def test_on_a_given_server_development_is_the_very_database_that_is_named(
    project, named
):
    with server.development(project) as address:
        assert address == named


OWNER = """
import sys, time
from pathlib import Path
from sametree.database import server
from sametree.settings import Database, Project, Settings
project = Project(Path(sys.argv[1]), Settings(database=Database(component="app")))
with server.fresh(project, "tests") as address:
    print(address.database, flush=True)
    time.sleep(60)
"""


def test_a_database_whose_owner_was_killed_is_dropped_by_the_next_run(project, named):
    owner = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(OWNER), str(project.root)],
        env=environment({server.VARIABLE: named.url()}),
        stdout=subprocess.PIPE,
        text=True,
    )
    name = owner.stdout.readline().strip()
    with server.fresh(project, "other"):
        assert name in databases(named), "it is in use"
    owner.kill()
    owner.communicate()

    def gone():
        with server.fresh(project, "other"):
            return name not in databases(named)

    assert eventually(gone)


def test_databases_of_others_are_never_touched(project, named):
    with server.connection(named) as connection:
        connection.execute("CREATE DATABASE samet")
        connection.execute('CREATE DATABASE "my_sametree_x"')
        connection.execute('CREATE DATABASE "sametree_production"')
        connection.execute('CREATE DATABASE "sametree_tests_0badcafe"')
    theirs = {
        "samet",
        "my_sametree_x",
        "sametree_production",
        "sametree_tests_0badcafe",
    }
    with server.fresh(project, "tests"):
        assert theirs <= databases(named)
    assert theirs <= databases(named)


def test_a_role_that_may_not_create_databases_is_told_what_it_lacks(
    project, named, monkeypatch
):
    with server.connection(named) as connection:
        connection.execute("CREATE ROLE clerk LOGIN PASSWORD 'clerk'")
    url = f"postgresql://clerk:clerk@{named.host}:{named.port}/postgres"
    monkeypatch.setenv(server.VARIABLE, url)
    with pytest.raises(SurroundingsError, match="may not create databases") as caught:
        with server.fresh(project, "tests"):
            pass
    assert "ALTER ROLE clerk CREATEDB" in caught.value.cure


def test_an_address_without_a_database_is_refused(project, monkeypatch):
    monkeypatch.setenv(server.VARIABLE, "postgresql://ada:secret@localhost")
    with pytest.raises(UsageError, match="names no database") as caught:
        with server.fresh(project, "tests"):
            pass
    assert "secret" not in str(caught.value)


def test_what_the_server_refuses_is_told_in_its_words(named):
    with pytest.raises(SurroundingsError, match="division by zero"):
        with server.connection(named) as connection:
            connection.execute("SELECT 1/0")
