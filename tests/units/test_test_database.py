"""The database that tests get: migrated once a history, on whichever server settings name."""

import json
import sqlite3
import sys
import uuid
from contextlib import closing
from pathlib import Path

import pytest
from conftest import environment, migration

from sametree.database import cluster, installed, server
from sametree.errors import UnitFailed
from sametree.settings import load
from sametree.units import test_database
from sametree.units.work import Work

READS = """
import os


def test_the_schema_is_there():
    import sqlalchemy as sa

    engine = sa.create_engine(os.environ["DATABASE_URL"])
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM people")).scalar() == 0
    engine.dispose()
"""
AGAIN = "template of an earlier run: no migration to run"


@pytest.fixture
def unit(with_database, monkeypatch):
    """The tests of a project, and an environment for them: ours."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with_database.write({"migrations/own.sql": f"-- {uuid.uuid4()}\n"})

    def make(settings=""):
        with_database.settings(settings)
        project = load(with_database.root)
        (component,) = project.components
        return Work(project, component, "tests", with_database.root / "none")

    return make, environment({"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"})


@pytest.mark.proof
def test_the_template_is_migrated_once_and_told_by_variables(unit, capsys):
    make, env = unit
    for said in ("sametree_template: 2 migrations in", AGAIN):
        with test_database.variables(make(), env) as told:
            address = server.address.parse(told["DATABASE_URL"])
            with server.connection(address) as template:
                rows = template.execute("SELECT version_num FROM alembic_version")
                assert rows.fetchall() == [("0002",)]
        assert said in capsys.readouterr().out
        assert told["SAMETREE_SERVER"] == "own"
        assert told["SAMETREE_TEMPLATE_URL"] == told["DATABASE_URL"]


@pytest.mark.proof
def test_on_sqlite_it_is_a_file(unit, with_database, capsys):
    make, env = unit
    work = make('tests = "sqlite"\n')
    for said in ("SQLite: 2 migrations in", AGAIN):
        with test_database.variables(work, env) as told:
            file = told["SAMETREE_SQLITE_TEMPLATE"]
            with closing(sqlite3.connect(file)) as connection:
                rows = connection.execute("SELECT version_num FROM alembic_version")
                assert rows.fetchall() == [("0002",)]
        assert said in capsys.readouterr().out
    up, down = 'op.execute("SELECT nothing")', "pass"
    bad = migration("0003", "0002", up, down)
    with_database.write({"migrations/versions/0003_bad.py": bad})
    with pytest.raises(UnitFailed, match="on SQLite: migration 0003"):
        with test_database.variables(work, env):
            pass


def test_a_component_without_a_database_gets_no_variables(sample):
    project = load(sample.root)
    work = Work(project, project.components[0], "tests", sample.root / "none")
    with test_database.variables(work, {}) as told:
        assert told == {}


@pytest.fixture
def shop(with_database):
    """A project whose tests read a table that migrations have made.

    No other test has these migrations: templates are kept for all of this user's runs.
    """
    with_database.write(
        {"test_schema.py": READS, "migrations/own.sql": f"-- {uuid.uuid4()}\n"}
    )
    with_database.commit("Read")
    return with_database


def record(sample, run=-1):
    """Return the record of a run of the tests."""
    state = load(sample.root).state
    folder = sorted((state / "runs").iterdir())[run]
    return json.loads((folder / "tests.sample.json").read_text())


@pytest.mark.proof
def test_migrations_run_once_a_history(shop):
    first = shop.nox("-s", "tests")
    assert first.code == 0, first
    assert "sametree_template: 2 migrations in" in first.output
    shop.write({"test_more.py": "def test_more():\n    pass\n"})
    second = shop.nox("-s", "tests")
    assert second.code == 0, second
    assert AGAIN in second.output and "migrations in" not in second.output
    shop.write(
        {
            "migrations/versions/0003_more.py": migration(
                "0003", "0002", "op.execute('SELECT 1')", "pass"
            )
        }
    )
    third = shop.nox("-s", "tests")
    assert third.code == 0, third
    assert "3 migrations in" in third.output
    assert record(shop)["parts"]["database"] == "embedded 18"


@pytest.mark.proof
def test_pg8000_logs_in_too(shop):
    text = shop.text("pyproject.toml").replace("psycopg[binary]", "pg8000")
    # With this driver Alembic's autocommit_block() does not leave the transaction.
    up, back = (
        'op.create_index("people_name", "people", ["name"])',
        'op.drop_index("people_name")',
    )
    index = migration("0002", "0001", up, back)
    allowed = "# sametree: allow blocks-writes: few rows\nrevision ="
    index = index.replace("revision =", allowed, 1)
    path = "migrations/versions/0002_index.py"
    shop.write({"pyproject.toml": text, path: index})
    shop.settings("rows = 50\n")
    shop.environments = shop.environments.with_name("pg8000")
    assert shop.nox("-s", "lock").code == 0
    assert "pg8000==" in shop.text("locks/sample.txt")
    for call in (("tests",), ("migrate", "--", "--check")):
        ran = shop.nox("-s", *call)
        assert ran.code == 0, ran


@pytest.mark.proof
def test_tests_on_sqlite_get_a_migrated_file_and_no_server(shop, folder):
    text = shop.text("pyproject.toml")
    table = '[tool.sametree.database]\ncomponent = "sample"\n'
    assert table in text
    checks = (
        READS + '\n\ndef test_it_is_sqlite():\n    url = os.environ["DATABASE_URL"]\n'
    )
    checks += '    assert url.startswith("sqlite")\n'
    shop.write(
        {
            "pyproject.toml": text.replace(table, f'{table}tests = "sqlite"\n'),
            "test_schema.py": checks,
        }
    )
    env = {cluster.SCRATCH: str(folder / "no such folder")}
    first = shop.nox("-s", "tests", env=env)
    assert first.code == 0, first
    assert "SQLite: 2 migrations in" in first.output
    assert record(shop)["parts"]["database"] == "sqlite"
    second = shop.nox("-s", "tests", "--", "--force", env=env)
    assert second.code == 0, second
    assert AGAIN in second.output
    shop.write(
        {
            "migrations/versions/0003_bad.py": migration(
                "0003", "0002", 'op.execute("SELECT nothing")', "pass"
            )
        }
    )
    broken = shop.nox("-s", "tests", env=env)
    assert broken.code == 1
    assert "on SQLite: migration 0003 (upgrade) failed" in broken.output


@pytest.mark.proof
def test_a_project_without_migrations_tests_on_an_empty_file(with_database):
    sample = with_database
    for name in ("migrations", "alembic.ini"):
        sample.git("rm", "-r", "--quiet", name)
    text = sample.text("pyproject.toml")
    sample.write(
        {
            "pyproject.toml": f'{text}tests = "sqlite"\n',
            "test_empty.py": """
            import os
            import sqlite3


            def test_nothing_is_there():
                file = os.environ["SAMETREE_SQLITE_TEMPLATE"]
                connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
                rows = connection.execute("SELECT * FROM sqlite_master").fetchall()
                connection.close()
                assert rows == []
            """,
        }
    )
    ran = sample.nox("-s", "tests")
    assert ran.code == 0, ran


@pytest.mark.proof
def test_on_a_given_server_units_are_proven_and_the_template_stays(shop, folder):
    with cluster.kept(folder / "theirs", 16) as theirs:
        env = {server.VARIABLE: theirs.url()}
        first = shop.nox("-s", "tests", env=env)
        assert first.code == 0, first
        assert "2 migrations in" in first.output
        told = record(shop)
        assert told["proves"] is True
        assert told["parts"]["tool:postgresql"].startswith("16.")
        assert told["parts"]["database"].startswith("given 16.")
        assert theirs.password not in json.dumps(told) + first.output
        again = shop.nox("-s", "tests", env=env)
        assert "proven" in again.output and "passed" in again.output
        assert not list(
            (load(shop.root).state / "answers").glob("*")
        ), "the server is asked each time"
        forced = shop.nox("-s", "tests", "--", "--force", env=env)
        assert AGAIN in forced.output
        with server.connection(theirs) as admin:
            query = "SELECT count(*) FROM pg_database WHERE datname ~ '^sametree_tests'"
            assert admin.execute(query).fetchone() == (0,)


@pytest.mark.proof
def test_an_installed_postgresql_runs_what_the_embedded_one_lacks(shop):
    known = [each for each in installed.find() if each.has("pg_trgm")]
    if not known:
        pytest.skip("no PostgreSQL with contrib is installed here (apt: postgresql)")
    shop.write(
        {
            "migrations/versions/0003_search.py": migration(
                "0003",
                "0002",
                'op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")',
                'op.execute("DROP EXTENSION pg_trgm")',
            )
        }
    )
    ran = shop.nox("-s", "tests")
    assert ran.code == 0, ran
    assert f"PostgreSQL is {known[0]}: the embedded one lacks pg_trgm" in ran.output
    parts = record(shop)["parts"]
    assert parts["database"] == str(known[0])
    assert parts["tool:postgresql"] == known[0].version
    again = shop.nox("-s", "tests", "--", "--force")
    assert AGAIN in again.output


@pytest.mark.proof
def test_an_extension_that_nobody_has_is_told_before_anything_starts(shop):
    shop.write(
        {"migrations/views.sql": "SELECT 1;\n\nCREATE EXTENSION none_here_has_this;\n"}
    )
    ran = shop.nox("-s", "tests")
    assert ran.code == 1  # Nox has no other
    assert "'none_here_has_this', which migrations/views.sql:3 creates" in ran.output
    assert "apt install postgresql-" in ran.output
    assert "Traceback" not in ran.output
