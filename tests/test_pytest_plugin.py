"""Plain pytest, in an environment with the suite, gets the database of the settings."""

import os
import subprocess
import sys
import textwrap
from contextlib import ExitStack

import pytest
from conftest import environment

from sametree import pytest_plugin
from sametree.database import cluster, server

BY_HAND = ("-p", "sametree.pytest_plugin")
TEST = """
import os
import sqlalchemy as sa

assert "DATABASE_URL" in os.environ
engine = sa.create_engine(os.environ["DATABASE_URL"])


def test_it():
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO people (name) VALUES ('Ada')"))
        print("it is", engine.url.database, os.environ.get("SAMETREE_SERVER"))


def test_another_time(database_transaction):
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO people (name) VALUES ('Ada')"))
"""


@pytest.fixture
def project(with_database, folder, monkeypatch):
    """A project with a database, whose templates are kept in a place of its own."""
    with_database.write({"test_sample.py": TEST})
    return with_database


def run(folder, *args, **variables):
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *args]
    done = subprocess.run(
        argv,
        cwd=folder,
        env=environment(variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout


@pytest.fixture
def installed(tmp_path):
    """A folder that makes the plug-in an installed one."""
    about = tmp_path / "installed" / "face-1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Name: face\nVersion: 1\n")
    (about / "entry_points.txt").write_text(
        "[pytest11]\nsametree = sametree.pytest_plugin\n"
    )
    return f"{about.parent}:{environment()['PYTHONPATH']}"


@pytest.mark.proof
def test_it_is_on_by_itself_and_can_be_switched_off(project, installed):
    code, said = run(project.root, "-s", PYTHONPATH=installed)
    assert code == 0 and "2 passed" in said, said
    assert "it is sametree_" in said and "__main own" in said
    code, said = run(project.root, "-p", "no:sametree", PYTHONPATH=installed)
    assert code == 2 and 'assert "DATABASE_URL" in os.environ' in said, said


@pytest.mark.proof
def test_workers_get_clones_of_one_template(project):
    code, said = run(project.root, *BY_HAND, "-n2")
    assert code == 0 and "2 passed" in said, said


@pytest.mark.proof
def test_a_given_server_is_left_without_clones(project):
    with cluster.throw_away(18) as address, server.connection(address) as admin:
        admin.execute("CREATE ROLE plain LOGIN CREATEDB PASSWORD 'hunter2'")
        admin.execute("CREATE DATABASE theirs OWNER plain")
        url = f"postgresql://plain:hunter2@{address.host}:{address.port}/theirs"
        code, said = run(project.root, *BY_HAND, "-s", DATABASE_URL=url)
        assert code == 0 and "__main given" in said, said
        names = [row[0] for row in admin.execute("SELECT datname FROM pg_database")]
        assert not [name for name in names if "__" in name]
        assert "hunter2" not in said


@pytest.mark.proof
def test_on_sqlite(project):
    project.settings('tests = "sqlite"\n')
    code, said = run(project.root, *BY_HAND, "-s")
    assert code == 0 and "it is file:/sametree_main" in said, said


@pytest.mark.proof
def test_a_migration_that_fails_is_a_message(project):
    text = project.text("migrations/versions/0002_index.py")
    project.write(
        {"migrations/versions/0002_index.py": text.replace('["name"]', '["nome"]')}
    )
    code, said = run(project.root, *BY_HAND)
    assert (
        code == 4 and "ERROR: sametree: migration 0002 (upgrade) failed" in said
    ), said
    assert "nome" in said and "Traceback" not in said


def test_settings_that_are_wrong_are_a_message(project):
    project.settings("verison = 18\n")
    code, said = run(project.root, *BY_HAND)
    assert code == 4 and "ERROR: sametree: pyproject.toml: the settings" in said, said
    assert "Traceback" not in said


LOOK = """
import sys
import pytest
code = pytest.main(["-q", "-p", "sametree.pytest_plugin"])
print(code, [n for n in ("msgspec", "sametree.settings", "sqlalchemy") if n in sys.modules])
"""


@pytest.mark.parametrize(
    "pyproject", ["", "[tool.sametree]\n", "[project]\nname = 'database'\n"]
)
def test_where_no_database_is_named_nothing_is_imported(tmp_path, pyproject):
    (tmp_path / "pyproject.toml").write_text(pyproject)
    (tmp_path / "test_it.py").write_text("def test_it(): pass\n")
    done = subprocess.run(
        [sys.executable, "-c", LOOK],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert "0 []" in done.stdout, done.stdout + done.stderr


COMPONENTS = """
[tool.sametree.database]
component = "backend"

[[tool.sametree.components]]
name = "backend"
path = "backend"
language = "python"

[[tool.sametree.components]]
name = "inner"
path = "backend/inner"
language = "python"

[[tool.sametree.components]]
name = "suite"
path = "."
language = "python"
"""


@pytest.mark.parametrize("place", [".", "backend/inner", "backend/inner/tests"])
def test_other_components_get_no_database(tmp_path, place):
    (tmp_path / "pyproject.toml").write_text(textwrap.dedent(COMPONENTS))
    (tmp_path / "backend/inner/tests").mkdir(parents=True)
    with ExitStack() as stack:
        assert not pytest_plugin.begin(tmp_path, tmp_path / place, stack)


def test_the_tests_of_the_component_get_a_migrated_database(
    project, postgres, monkeypatch
):
    """On a server that is given, which is the quickest to be had."""
    for name in pytest_plugin.MADE:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(server.VARIABLE, postgres.url())
    with ExitStack() as stack:
        assert pytest_plugin.begin(project.root, project.root, stack)
        told = dict(os.environ)
        address = server.address.parse(told["SAMETREE_TEMPLATE_URL"])
        with server.connection(address) as template:
            rows = template.execute("SELECT version_num FROM alembic_version")
            assert rows.fetchall() == [("0002",)]
    assert told["SAMETREE_SERVER"] == "given"
    assert pytest_plugin.INSIDE in told["PYTEST_PLUGINS"].split(",")
    assert os.environ[server.VARIABLE] == postgres.url()
    assert "SAMETREE_TEMPLATE_URL" not in os.environ


def test_a_database_that_was_found_by_looking_is_not_asked_for(with_database):
    text = with_database.text("pyproject.toml").partition("[tool.sametree.database]")[0]
    with_database.write({"pyproject.toml": text + "[tool.sametree]\nlocks = 'locks'\n"})
    assert pytest_plugin.settings_say_nothing(with_database.root)
    with ExitStack() as stack:
        assert not pytest_plugin.begin(with_database.root, with_database.root, stack)


def test_variables_are_what_they_were_afterwards(monkeypatch):
    monkeypatch.setenv("SAMPLE_ONE", "before")
    monkeypatch.delenv("SAMPLE_TWO", raising=False)
    with pytest_plugin.variables_set({"SAMPLE_ONE": "1", "SAMPLE_TWO": "2"}):
        assert environment()["SAMPLE_TWO"] == "2"
    assert environment()["SAMPLE_ONE"] == "before"
    assert "SAMPLE_TWO" not in environment()


def test_what_somebody_else_has_made_is_taken(tmp_path):
    code, said = run(
        tmp_path, *BY_HAND, SAMETREE_SQLITE_TEMPLATE=str(tmp_path / "no such file")
    )
    assert code == 5, said
