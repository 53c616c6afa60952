"""What is asked of the release before this tree, and what is left out of the schema.

That its tests run on the schema is tried by whole runs of Nox (``test_previous``).
"""

import pytest
from repositories import Repository, without_configuration
from telling import Told, event

from sametree import releases
from sametree.database.address import parse
from sametree.errors import UnitFailed, UsageError
from sametree.settings import load
from sametree.testing import junit
from sametree.units import previous

WHERE = parse("postgresql://ada:s3cret@db.example.org/shop")
PYPROJECT = """
[project]
name = "shop"

[tool.sametree.database]
component = "shop"
"""


@pytest.fixture
def repository(tmp_path, monkeypatch):
    without_configuration(monkeypatch, tmp_path)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    made = Repository(tmp_path / "shop")
    made.write("pyproject.toml", PYPROJECT)
    made.write("alembic.ini", "[alembic]\nscript_location = migrations\n")
    made.write("locks/shop.txt", "psycopg==3.2\n")
    made.write("migrations/0001.py", "")
    made.write("migrations/0002.py", "")
    made.write("migrations/0003.py", 'phase = "contract"\n')
    made.write(".gitignore", ".sametree/\nreports/\n")
    made.commit()
    return made


def work_of(repository):
    project = load(repository.root)
    (component,) = project.components
    return Told(project, component, "previous", repository.root.parent / "venv")


def looks(work, *pending):
    listed = [
        {
            "revision": name,
            "title": name,
            "file": f"migrations/{name}.py",
            "digest": "d",
            "needs": [],
        }
        for name in pending
    ]
    known = ["0001", "0002", "0003"]
    told = {"current": [], "known": known, "pending": listed, "tables": {}}
    work.answer("look", event("state", **told))


def test_without_a_release_there_is_nothing_to_try(repository, capsys):
    work = work_of(repository)
    previous.previous(work)
    assert work.notes == ["no release before this tree"]
    assert "there is no release before this tree" in capsys.readouterr().out


def test_a_release_without_settings_of_its_own_is_told(repository):
    repository.write("pyproject.toml", "[tool.sametree]\nnone = 1\n")
    repository.commit()
    release = releases.Release("v1", repository.git("rev-parse", "HEAD"))
    repository.write("pyproject.toml", PYPROJECT)
    work = work_of(repository)
    with releases.checked_out(repository.root, release) as folder:
        with pytest.raises(UsageError, match="v1 cannot be tried") as caught:
            previous.as_it_was(work, release, folder, ())
    assert "name another release as `previous`" in str(caught.value)


def test_the_old_code_is_tried_from_its_own_files_and_told_as_ours(repository):
    work = work_of(repository)
    release = releases.Release("v1", repository.git("rev-parse", "HEAD"))
    with releases.checked_out(repository.root, release) as folder:
        then = previous.as_it_was(work, release, folder, ("-k", "one"))
        assert then.folder == folder
        assert then.name == work.name == "previous(shop)"
        assert then.args == ("-k", "one", "--no-cov")
        assert then.venv.name == "venv-before"
        assert then.reports == work.reports
        then.venv.mkdir()
        looks(then, "0001")
        env = then.install("tests")
        assert previous.known(then, env, WHERE) == {"0001", "0002", "0003"}
        pytest_ = then.program / "pytest"
        pytest_.write_text('#!/bin/sh\necho "$DATABASE_URL"\nexit 3\n')
        pytest_.chmod(0o755)
        outcome, given = previous._tested(then, env, WHERE)
    assert outcome.code in (3, 66)
    assert given["DATABASE_URL"].startswith("postgresql+psycopg://")
    assert junit.read(work.reports / "junit.xml").tests == 0
    assert [each.name for each in work.ran][0].startswith("migrations look")


@pytest.mark.parametrize(
    "before, left_out",
    [({"0001"}, ["0003"]), ({"0001", "0003"}, [])],
    ids=["new", "known to it"],
)
def test_what_contracts_the_schema_is_held_back(repository, before, left_out):
    work = work_of(repository)
    looks(work, "0001", "0002", "0003")
    work.answer("apply", event("plan", current=[], pending=2, verb="run"))
    assert previous.expand(work, WHERE, before) == left_out
    plan = (work.project.state / "cache" / "previous" / "plan.json").read_text()
    assert ("0003" in plan) == (not left_out)


def test_a_migration_that_fails_ends_it(repository):
    work = work_of(repository)
    looks(work, "0001")
    work.answer("apply", "boom", code=1)
    with pytest.raises(UnitFailed, match="boom"):
        previous.expand(work, WHERE, set())
