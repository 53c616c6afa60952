"""The plug-in that gives each test process a database of its own."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import environment

INSIDE = Path(__file__).parents[2] / "ci" / "sametree" / "inside"
ARGS = [(), pytest.param(("-n2",), marks=pytest.mark.proof)]
TEST = """
import os
import pytest
import sqlalchemy as sa


@pytest.mark.parametrize("number", range(4))
def test_it(number):
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    engine = sa.create_engine(os.environ["DATABASE_URL"])
    with engine.begin() as connection:
        assert connection.scalar(sa.text("SELECT current_database()")).endswith(worker)
        connection.execute(sa.text("INSERT INTO people (name) VALUES (:n)"), {"n": number})
    engine.dispose()
"""


@pytest.mark.proof
def test_each_worker_has_a_clone_and_the_controller_none(project, template):
    project.write(test_it=TEST)
    before = template.clones()
    code, said = project.run("-n2")
    assert "4 passed" in said, said
    assert template.clones() - before - {"gw0", "gw1"} == set()


@pytest.mark.proof
def test_a_controller_that_connects_gets_one_then(project, template):
    text = "import os, sqlalchemy\n\nURL = os.environ['DATABASE_URL']\n"
    text += "sqlalchemy.create_engine(URL).connect().close()\n"
    project.write(test_it=TEST, conftest=text)
    code, said = project.run("-n1")
    assert "4 passed" in said, said
    assert {"main", "gw0"} <= template.clones()


@pytest.mark.proof
def test_loaded_by_variables_as_the_suite_does(project):
    project.write(test_it=TEST)
    code, said = project.run(PYTHONPATH=str(INSIDE), PYTEST_PLUGINS="sametree_pytest")
    assert "4 passed" in said, said


def test_without_a_template_nothing_is_changed(project):
    text = "import os\ndef test_it(): assert os.environ['DATABASE_URL'] == 'as it was'"
    project.write(test_it=text)
    for name in ("SAMETREE_TEMPLATE_URL", "SAMETREE_MAINTENANCE_URL"):
        project.env.pop(name)
    code, said = project.run(DATABASE_URL="as it was")
    assert code == 0, said


def test_without_a_template_fixtures_say_what_to_do(project):
    project.env.pop("SAMETREE_TEMPLATE_URL")
    project.write(test_it="def test_it(database_session): pass")
    code, said = project.run()
    assert code == 1 and "-> run `nox -s tests`, or pytest" in said, said


@pytest.mark.proof
def test_a_server_that_is_gone_is_a_message(project):
    project.write(test_it=TEST)
    gone = "postgresql+psycopg://me:hunter2@127.0.0.1:1/postgres"
    code, said = project.run(SAMETREE_MAINTENANCE_URL=gone)
    assert code == 4 and "the tests get no database of their own" in said, said
    assert "Traceback" not in said and "hunter2" not in said


@pytest.mark.proof
def test_pytest_within_a_test_gets_another_database(project):
    project.write(
        inner="import os\ndef test_it(): print(os.environ['DATABASE_URL'])",
        test_it="""
        import os, subprocess, sys
        import sqlalchemy as sa


        def test_it():
            url = os.environ["DATABASE_URL"]
            with sa.create_engine(url).connect() as connection:
                argv = [sys.executable, "-m", "pytest", "-sq", "inner.py"]
                said = subprocess.run(argv, capture_output=True, text=True).stdout
                assert "__main_" in said and "1 passed" in said
                assert connection.scalar(sa.text("SELECT 1")) == 1
        """,
    )
    code, said = project.run()
    assert code == 0, said


def test_an_own_database_for_a_test(project, template):
    project.write(test_it="""
        import os
        import pytest
        import sqlalchemy as sa

        processes = os.environ["DATABASE_URL"]


        @pytest.mark.parametrize("n", range(2))
        def test_it(own_database, n):
            assert os.environ["DATABASE_URL"] == own_database != processes
            with sa.create_engine(own_database).begin() as connection:
                connection.execute(sa.text("DROP TABLE letters, people"))


        @pytest.mark.database("own")
        def test_by_its_marker():
            assert os.environ["DATABASE_URL"] != processes


        def test_afterwards():
            assert os.environ["DATABASE_URL"] == processes
        """)
    code, said = project.run()
    assert "4 passed" in said, said
    assert not [name for name in template.clones() if re.fullmatch(r"main_\d\d?", name)]


@pytest.mark.parametrize("args", ARGS, ids=["alone", "workers"])
def test_an_unknown_isolation_is_a_usage_error_that_names_the_choices(project, args):
    project.write(
        test_it="import pytest\n"
        "@pytest.mark.database('transacton')\ndef test_it(): pass\n"
    )
    code, said = project.run(*args)
    assert code == 4, said
    assert "test_it.py::test_it: @pytest.mark.database: there is no isolation" in said
    assert "'transacton'; did you mean 'transaction'?" in said
    assert "There is transaction, reset, own or none" in said
    assert "Traceback" not in said and "INTERNALERROR" not in said


@pytest.mark.proof
def test_a_marker_without_a_word_is_one_too(project):
    project.write(test_it="import pytest\n@pytest.mark.database\ndef test_it(): pass\n")
    code, said = project.run()
    assert code == 4 and 'write @pytest.mark.database("transaction"' in said, said


@pytest.mark.proof
def test_an_option_for_all_tests(project):
    project.write(test_it="""
        import os
        import pytest
        import sqlalchemy as sa

        engine = sa.create_engine(os.environ["DATABASE_URL"])


        @pytest.mark.parametrize("n", range(2))
        def test_it(n):
            with engine.begin() as connection:
                connection.execute(sa.text("INSERT INTO countries VALUES ('fr', '')"))
        """)
    ini = project.folder / "pytest.ini"
    ini.write_text(
        "[pytest]\ndatabase_isolation = transaction\naddopts = --strict-config"
    )
    code, said = project.run()
    assert code == 0, said
    ini.write_text("[pytest]\ndatabase_isolation = rest\n")
    code, said = project.run()
    assert (
        code == 4 and "database_isolation: there is no isolation 'rest'" in said
    ), said


def test_it_imports_nothing_of_the_suite():
    code = (
        "import sametree_pytest, sys;"
        "print([n for n in sys.modules if n.partition('.')[0] in ('sametree', 'msgspec')],"
        " 'sqlalchemy' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment({"PYTHONPATH": str(INSIDE)}),
        capture_output=True,
        text=True,
    )
    assert done.stdout == "[] False\n", done.stderr
