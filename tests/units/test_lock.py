"""How locks are made: what is asked for, and what is told when one cannot be made."""

import json

import pytest

from sametree.errors import SurroundingsError, UsageError
from sametree.settings import Component, Project, Settings
from sametree.units import lock

PYPROJECT = '[project]\nname = "shop"\nversion = "1"\n\n[dependency-groups]\n'


@pytest.fixture
def project(tmp_path):
    """A Python component whose groups ask for nothing, and a page."""
    (tmp_path / "page").mkdir()
    (tmp_path / "locks").mkdir()
    (tmp_path / "pyproject.toml").write_text(f"{PYPROJECT}lint = []\ntests = []\n")
    package = {"name": "page", "version": "1.0.0", "private": True}
    (tmp_path / "page" / "package.json").write_text(json.dumps(package))
    shop = Component(name="shop", path=".", language="python")
    page = Component(name="page", path="page", language="node")
    return Project(tmp_path, Settings(components=(shop, page)))


def test_locks_are_made_and_then_stay(project, capsys):
    lock.lock(project, ())
    said = capsys.readouterr().out
    assert "locks/lint.txt  changed" in said and "locks/tests.txt  changed" in said
    assert "page/package-lock.json  made" in said
    made = json.loads((project.root / "page" / "package-lock.json").read_text())
    assert made["packages"][""]["name"] == "page"
    (project.root / "locks" / "tests.txt").unlink()
    package = project.root / "page" / "package.json"
    wrong = {"dependencies": {"other": "file:./nowhere.tgz"}}
    package.write_text(json.dumps({**json.loads(package.read_text()), **wrong}))
    with pytest.raises(SurroundingsError, match="page/package-lock.json cannot be"):
        lock.lock(project, ("--upgrade",))
    assert not (project.root / "locks" / "tests.txt").exists()


def test_a_lock_that_says_the_same_is_not_written_again(project, capsys):
    only = Settings(components=project.components[:1])
    project = Project(project.root, only)
    text = f"{PYPROJECT}lint = []\n"
    (project.root / "pyproject.toml").write_text(text)
    lock.lock(project, ())
    lock.lock(project, ())
    said = capsys.readouterr().out
    assert said == "  locks/lint.txt  changed\n  locks/lint.txt  unchanged\n"


def test_only_what_a_lock_has_can_be_upgraded(project, capsys):
    with pytest.raises(UsageError, match="no lock has blakc, page"):
        lock.lock(project, ("--upgrade", "blakc", "page"))
    with pytest.raises(UsageError, match="lock does not know --upgarde"):
        lock.lock(project, ("--upgarde",))
    (project.root / "locks" / "lint.txt").write_text("black==26.0\n")
    lock._node(project, project.components[1], ["black"], {})
    assert capsys.readouterr().out == ""  # nothing of it is the page's


def test_a_requirement_that_cannot_be_is_told_and_no_lock_is_written(project):
    text = f'{PYPROJECT}lint = ["black <1, >2"]\n'
    (project.root / "pyproject.toml").write_text(text)
    with pytest.raises(SurroundingsError, match="lint.txt cannot be resolved"):
        lock.lock(project, ())
    assert list((project.root / "locks").iterdir()) == []
