"""How a component is linted: all checks run, and what mends is told."""

import json

import pytest
from telling import Told

from sametree.errors import SurroundingsError, UnitFailed
from sametree.settings import Component, Project, Settings
from sametree.toolchains import locks
from sametree.units import lint

PYPROJECT = """
[project]
name = "shop"
version = "1"

[dependency-groups]
lint = ["black", "flake8"]
"""
FINDING = "a.py:1:1: F401 'os' imported but unused"


@pytest.fixture
def work(tmp_path, monkeypatch):
    """Return a way to make the unit's work; programs do what a test says."""
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)

    def make(**programs):
        component = Component(name="shop", path=".", language="python")
        project = Project(tmp_path, Settings(components=(component,)))
        (tmp_path / "pyproject.toml").write_text(PYPROJECT)
        (tmp_path / "locks").mkdir(exist_ok=True)
        for lock in locks.of_project(project):
            lock.path.write_text(locks.text_of(lock, "black==26.0\n"))
        made = Told(project, component, "lint", tmp_path / "venv")
        made.program.mkdir(exist_ok=True)
        for name in ("black", "flake8"):
            program = made.program / name
            program.write_text(f"#!/bin/sh\n{programs.get(name, 'exit 0')}\n")
            program.chmod(0o755)
        return made

    return make


def test_every_check_runs_and_what_mends_is_named(work, capsys):
    made = work(
        black="echo 'would reformat a.py'; exit 1",
        flake8=f'echo "{FINDING}"; exit 1',
    )
    with pytest.raises(UnitFailed, match="black, flake8 failed") as caught:
        lint.lint(made)
    assert made.mend == ["nox -s 'format(shop)'"]
    assert "mend with: nox -s 'format(shop)'" in str(caught.value)
    said = capsys.readouterr().out
    assert "a.py:1:1  'os' imported but unused  (F401)" in said
    lint.lint(work())


def test_what_only_a_person_can_mend_is_in_the_lines_above(work):
    made = work(flake8=f'echo "{FINDING}"; exit 1')
    with pytest.raises(UnitFailed, match="flake8 failed") as caught:
        lint.lint(made)
    assert made.mend == [] and "see the lines above" in str(caught.value)


def test_checks_that_could_not_run_are_no_fault_of_the_code(work):
    made = work(black="kill -9 $$", flake8="kill -9 $$")
    with pytest.raises(SurroundingsError, match="black, flake8 could not run: it was"):
        lint.lint(made)


def test_a_lock_that_is_out_of_date_is_told_with_what_makes_it(
    work, capsys, monkeypatch
):
    made = work()
    lock = made.project.root / "locks" / "lint.txt"
    lock.write_text(f"{lock.read_text()}click==8\n")
    with pytest.raises(UnitFailed, match="locks failed"):
        lint.lint(made)
    said = capsys.readouterr().out
    assert "locks/lint.txt was changed by hand, or by a merge" in said
    assert "::error" not in said
    assert made.mend == ["nox -s lock"]
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    text = PYPROJECT.replace('"black"', '"black>=26"')
    (made.project.root / "pyproject.toml").write_text(text)
    with pytest.raises(UnitFailed):
        lint.lint(made)
    told = "locks/lint.txt was made from another pyproject.toml"
    assert f"::error title=locks::{told}" in capsys.readouterr().out


def test_the_lock_of_a_node_component_is_looked_at_too(tmp_path, capsys):
    component = Component(name="page", path=".", language="node")
    project = Project(tmp_path, Settings(components=(component,)))
    made = Told(project, component, "lint", tmp_path / "venv")
    (tmp_path / "package.json").write_text("{}")
    with pytest.raises(UnitFailed, match="locks failed"):
        lint.lint(made)
    assert "package-lock.json is missing" in capsys.readouterr().out
    (tmp_path / "package-lock.json").write_text(json.dumps({"packages": {"": {}}}))
    lint.lint(made)


def test_each_tool_that_formats_runs_until_one_fails(work):
    lint.format(made := work())
    assert [step.name for step in made.ran] == ["black"]
    with pytest.raises(UnitFailed, match="black failed"):
        lint.format(work(black="exit 123"))
