"""Tests that would work on another database than ours do not run."""

import os

import pytest

from sametree.database import server

SECRET = "hunter2"
AT_IMPORT = """
import os
import sqlalchemy as sa

os.environ["DATABASE_URL"] = "{url}"
engine = sa.create_engine(
    os.environ["DATABASE_URL"]
)
"""
ARGS = [(), pytest.param(("-n2",), marks=pytest.mark.proof)]
TEST = """
import application


def test_it():
    raise SystemError("a test was run")
"""


@pytest.mark.parametrize("args", ARGS, ids=["alone", "workers"])
def test_an_engine_made_at_import_stops_the_run_before_the_first_test(project, args):
    url = f"postgresql+psycopg://me:{SECRET}@db.example.org:5433/development"
    project.write(application=AT_IMPORT.format(url=url), test_it=TEST)
    code, said = project.run(*args)
    assert code == 4, said
    named = "database 'development' on db.example.org:5433, made at application.py:6"
    assert said.count(named) == 1, said
    assert "read the address from the variable DATABASE_URL" in said
    assert "Traceback" not in said and "INTERNALERROR" not in said
    assert SECRET not in said and "a test was run" not in said


def test_an_engine_made_later_is_refused_when_it_connects(project, template):
    project.env |= template.variables(given=True)
    other = template.given.named("postgres").url("psycopg")
    project.write(test_it=f"""
        import os
        import psycopg
        import pytest
        import sqlalchemy as sa


        def test_by_its_address():
            with pytest.raises(Exception, match="made at test_it.py:.*") as refused:
                sa.create_engine({other!r}).connect()
            assert "database 'postgres'" in str(refused.value)


        def test_whatever_the_address_says():
            hidden = sa.create_engine(
                "postgresql+psycopg://",
                creator=lambda: psycopg.connect({template.given.named("postgres").url()!r}),
            )
            with pytest.raises(Exception, match="the tests would work on a database"):
                hidden.connect()


        def test_ours_by_another_way():
            plain = os.environ["DATABASE_URL"].replace("+psycopg", "")
            ours = sa.create_engine(
                "postgresql+psycopg://", creator=lambda: psycopg.connect(plain)
            )
            with ours.connect() as connection:
                assert connection.scalar(sa.text("SELECT 1")) == 1


        def test_nothing_at_all_is_an_error_of_the_driver():
            with pytest.raises(sa.exc.OperationalError):
                sa.create_engine("postgresql+psycopg://u@127.0.0.1:1/nowhere").connect()


        def test_what_create_engine_takes():
            url = os.environ["DATABASE_URL"]
            known = sa.create_engine(url, pool_size=1, hide_parameters=True, echo=False)
            assert known.hide_parameters
            with pytest.raises(TypeError, match="Invalid argument.*pool_sise"):
                sa.create_engine(url, pool_sise=1)


        def test_sqlite():
            sa.create_engine("sqlite://").connect().close()
        """)
    code, said = project.run()
    assert "6 passed" in said, said


@pytest.mark.proof
def test_an_engine_that_is_gone_does_no_harm(project):
    text = "import sqlalchemy\nsqlalchemy.create_engine('postgresql+psycopg://h/d')\n"
    project.write(
        application=text, test_it="import application\n\ndef test_it(): pass\n"
    )
    code, said = project.run()
    assert code == 0, said


def test_a_project_may_allow_a_database(project, template):
    other = (
        template.own.named("x").url("psycopg").replace("127.0.0.1", "db.example.org")
    )
    project.write(
        application=AT_IMPORT.format(url=other), test_it="def test_it(): pass\n"
    )
    allowed = f"database_allowed = database 'x' on db.example.org:{template.own.port}"
    (project.folder / "pytest.ini").write_text(f"[pytest]\n{allowed}\n")
    code, said = project.run()
    assert code == 0, said


@pytest.mark.proof
def test_an_engine_of_a_plug_in_that_came_first_is_known(project):
    project.write(
        early="import sqlalchemy\n"
        "engine = sqlalchemy.create_engine('postgresql+psycopg://h/d')\n",
        test_it="def test_it(): pass\n",
    )
    code, said = project.run("-p", "early", PYTHONPATH=_with(project))
    assert code == 4 and "an import before pytest's plug-ins" in said, said


def _with(project):
    return os.pathsep.join([project.env["PYTHONPATH"], str(project.folder)])


def test_what_was_refused_is_unharmed(template):
    with server.connection(template.given.named("postgres")) as connection:
        assert connection.execute("SELECT to_regclass('people')").fetchone() == (None,)
