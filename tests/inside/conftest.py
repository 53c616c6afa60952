"""A template on a real server, and pytest runs with the plug-in on it."""

import contextlib
import sqlite3
import subprocess
import sys
import textwrap

import msgspec
import pytest
from conftest import environment

from sametree.database import cluster, server

PLUGIN = "sametree.inside.sametree_pytest"

SCHEMA = """
CREATE TABLE countries (code text PRIMARY KEY, name text NOT NULL);
INSERT INTO countries VALUES ('de', 'Germany'), ('mt', 'Malta');
CREATE TABLE people (
  id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  name text NOT NULL UNIQUE,
  shouted text GENERATED ALWAYS AS (upper(name)) STORED,
  country text REFERENCES countries ON DELETE CASCADE
);
INSERT INTO people (name, country) VALUES ('Ada', 'mt');
CREATE TABLE letters (
  id serial PRIMARY KEY, person int NOT NULL REFERENCES people ON DELETE RESTRICT
);
CREATE TABLE "Odd ""table" ("a column" int PRIMARY KEY);
CREATE TABLE hens (id int PRIMARY KEY, egg int);
CREATE TABLE eggs (id int PRIMARY KEY, hen int NOT NULL REFERENCES hens);
INSERT INTO hens VALUES (1, 1);
INSERT INTO eggs VALUES (1, 1);
ALTER TABLE hens ADD FOREIGN KEY (egg) REFERENCES eggs;
CREATE TABLE days (day date NOT NULL, what text) PARTITION BY RANGE (day);
CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE days_2 PARTITION OF days FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
INSERT INTO days VALUES ('2026-01-31', 'kept');
CREATE TABLE history (what text);
CREATE FUNCTION chronicle() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN INSERT INTO history VALUES (TG_OP); RETURN NULL; END';
CREATE TRIGGER chronicle AFTER INSERT OR DELETE ON countries FOR EACH ROW
  EXECUTE FUNCTION chronicle();
CREATE SCHEMA aside;
CREATE TABLE aside.notes (id bigserial, text text);
"""
HELPERS = '''
"""What the tests of this project have at hand."""

import os

import pytest
import sqlalchemy as sa

EVERYTHING = """
SELECT c.oid::regclass::text FROM pg_class AS c JOIN pg_namespace AS n
    ON n.oid = c.relnamespace
 WHERE relkind = ANY (:kinds) AND relpersistence <> 't'
   AND nspname NOT IN ('sametree', 'pg_catalog', 'information_schema', 'pg_toast')
 ORDER BY 1
"""
engine = sa.create_engine(os.environ["DATABASE_URL"])
differences = []


def run(statement, on=engine):
    with on.begin() as connection:
        connection.exec_driver_sql(statement)


def ask(statement, on=engine):
    with on.connect() as connection:
        return connection.exec_driver_sql(statement).scalar()


def state():
    """All that the database holds, read past the engine."""
    own = sa.create_engine(os.environ["DATABASE_URL"], poolclass=sa.NullPool)
    with own.connect() as connection:
        names = connection.scalars(sa.text(EVERYTHING), {"kinds": list("rSv")}).all()
        return {
            name: sorted(
                str(row[:2] if name.endswith("_seq") else row)
                for row in connection.exec_driver_sql(
                    "SELECT last_value, is_called FROM " + name
                    if name.endswith("_seq")
                    else "SELECT * FROM " + name
                )
            )
            for name in names
        }


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    before = state()
    answer = yield
    after = state()
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            differences.append(
                f"{item.name} left {name}: {before.get(name)} -> {after.get(name)}"
            )
    return answer


def pytest_terminal_summary(terminalreporter):
    for each in differences:
        terminalreporter.write_line(f"DIFFERENT {each}")
'''


class Project:
    """A folder with tests, and the variables that tell where the template is."""

    def __init__(self, folder, variables):
        self.folder = folder
        self.variables = variables
        self.env = environment(variables | {"PYTEST_PLUGINS": PLUGIN})

    def write(self, **files):
        for name, text in files.items():
            path = self.folder / f"{name}.py"
            path.write_text(textwrap.dedent(text))

    def run(self, *args, **variables):
        """Run pytest and return (exit code, all that it prints)."""
        argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        try:
            done = subprocess.run(
                [*argv, "-o", "faulthandler_timeout=50", *args],
                cwd=self.folder,
                env=self.env | variables,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=60,
            )
        except subprocess.TimeoutExpired as error:
            raise AssertionError((error.stdout or b"").decode()) from None
        return done.returncode, done.stdout


class Template:
    """A template on a server of ours, for the superuser and for a plain role."""

    def __init__(self, own, given):
        self.own = own
        self.given = given

    def variables(self, *, driver="psycopg", given=False):
        address = self.given if given else self.own
        return {
            "SAMETREE_TEMPLATE_URL": address.url(driver),
            "SAMETREE_MAINTENANCE_URL": address.named("postgres").url(driver),
            "SAMETREE_SERVER": "given" if given else "own",
            "DATABASE_URL": address.url(driver),
        }

    def clones(self):
        """Return the names of the clones, without that of the template."""
        with server.connection(self.own) as connection:
            rows = connection.execute("SELECT datname FROM pg_database").fetchall()
        start = f"{self.own.database}__"
        return {row[0].removeprefix(start) for row in rows if row[0].startswith(start)}


@pytest.fixture(scope="session")
def template():
    with cluster.throw_away(18) as address:
        own = address.named("template_of_tests")
        given = msgspec.structs.replace(
            address.named("template_of_given"), user="plain", password="p#/ss wörd"
        )
        with server.connection(address) as connection:
            connection.execute("CREATE DATABASE template_of_tests")
            connection.execute(
                "CREATE ROLE plain LOGIN CREATEDB PASSWORD 'p#/ss wörd'".encode()
            )
            connection.execute("CREATE DATABASE template_of_given OWNER plain")
            # The suite's own servers ask for fewer iterations than pg8000 believes in.
            connection.execute("SET scram_iterations = 4096")
            connection.execute(
                f"ALTER ROLE {address.user} PASSWORD '{address.password}'".encode()
            )
        for each in (own, given):
            with server.connection(each) as connection:
                connection.execute(SCHEMA.encode())
        yield Template(own, given)


@pytest.fixture
def project(tmp_path, template):
    """An empty project on the template, on a server of ours."""
    return Project(tmp_path, template.variables())


@pytest.fixture
def with_helpers(project):
    """A project whose conftest has an engine and says what tests leave behind."""
    project.write(conftest=HELPERS)
    return project


@pytest.fixture
def sqlite_template(tmp_path):
    """A migrated SQLite file."""
    path = tmp_path / "template.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as made:
        made.executescript(
            "CREATE TABLE people (id integer PRIMARY KEY, name text UNIQUE);"
            "INSERT INTO people (name) VALUES ('Ada');"
        )
    return path
