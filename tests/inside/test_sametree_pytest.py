"""The plug-in that gives each test process a database of its own."""

import subprocess
import sys

import pytest
from conftest import environment

from sametree.database import cluster, server

TEST = """
import os
import pytest
import sqlalchemy as sa


@pytest.mark.parametrize("number", range(4))
def test_it(number, worker_id):
    engine = sa.create_engine(os.environ["DATABASE_URL"])
    with engine.begin() as connection:
        assert connection.scalar(sa.text("SELECT current_database()")).endswith(worker_id)
        connection.execute(sa.text("INSERT INTO given VALUES (1)"))
    engine.dispose()
"""


@pytest.fixture(scope="module")
def template():
    with cluster.throw_away(18) as address:
        with server.connection(address) as connection:
            connection.execute("CREATE DATABASE template_of_tests")
        made = address.named("template_of_tests")
        with server.connection(made) as connection:
            connection.execute("CREATE TABLE given (n int)")
        yield made


def run(folder, text, template, *args):
    """Run pytest on ``text`` with the plug-in."""
    (folder / "test_it.py").write_text(text)
    variables = {
        "SAMETREE_TEMPLATE_URL": template.url("psycopg"),
        "SAMETREE_MAINTENANCE_URL": template.named("postgres").url("psycopg"),
    }
    plugin = ("-p", "sametree.inside.sametree_pytest")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugin, *args],
        cwd=folder,
        env=environment(variables),
        capture_output=True,
        text=True,
    )


@pytest.mark.proof
def test_each_worker_has_a_clone_and_the_template_stays_clean(tmp_path, template):
    done = run(tmp_path, TEST, template, "-n", "2")
    assert "4 passed" in done.stdout, done.stdout + done.stderr
    with server.connection(template) as connection:
        assert connection.execute("SELECT count(*) FROM given").fetchone() == (0,)
        found = connection.execute(
            "SELECT datname FROM pg_database WHERE datname LIKE 'template_of_tests__%%'"
        )
        names = {row[0].rpartition("__")[2] for row in found}
    assert names == {"main", "gw0", "gw1"}


def test_a_process_alone_has_a_clone_too(tmp_path, template):
    text = TEST.replace(", worker_id", "").replace("worker_id", '"main"')
    done = run(tmp_path, text, template)
    assert "4 passed" in done.stdout, done.stdout + done.stderr


def test_without_a_template_nothing_is_changed():
    code = (
        "import sametree.inside.sametree_pytest, os; print(os.environ['DATABASE_URL'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment({"DATABASE_URL": "as it was"}),
        capture_output=True,
        text=True,
    )
    assert done.stdout == "as it was\n"
