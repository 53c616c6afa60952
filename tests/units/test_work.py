"""What a unit has at hand."""

import os
import sys

import pytest

from sametree.settings import Component, Project, Settings
from sametree.steps import Outcome, Step
from sametree.units import Work
from sametree.units.work import JOBS, cores


@pytest.fixture
def work(tmp_path):
    component = Component(name="app", path=".", language="python")
    project = Project(tmp_path, Settings(components=(component,)))
    return Work(project, component, "tests", tmp_path / "venv")


def test_a_unit_is_named_as_nox_names_it(work):
    assert work.name == "tests(app)"


def test_a_session_beside_tests_has_reports_of_its_own(work, tmp_path):
    assert work.reports == tmp_path / "reports" / "app"
    work.session = "proofs"
    assert work.reports == tmp_path / "reports" / "app-proofs"


def test_a_unit_uses_all_our_processors_unless_told_otherwise(monkeypatch):
    monkeypatch.delenv(JOBS, raising=False)
    assert cores() == len(os.sched_getaffinity(0))
    monkeypatch.setenv(JOBS, "3")
    assert cores() == 3
    monkeypatch.setenv(JOBS, "0")
    assert cores() == 1
    monkeypatch.setenv(JOBS, "many")
    assert cores() == len(os.sched_getaffinity(0))


def test_where_no_affinity_is_known_all_processors_count(monkeypatch):
    monkeypatch.delenv(JOBS, raising=False)
    monkeypatch.delattr(os, "sched_getaffinity")
    assert cores() == os.cpu_count()


def test_the_record_of_a_step_names_no_folder_of_this_machine(tmp_path):
    project = Project(tmp_path, Settings())
    component = Component(name="app", path=".")
    work = Work(project, component, "check", tmp_path / ".nox" / "check")
    own = f"{sys.prefix}/bin/squawk"
    argv = (own, f"{tmp_path}/.nox/check/bin/x", f"{tmp_path}/file", "--plain")
    work.note(Outcome(Step(name="a", argv=argv, cwd=tmp_path, kept=True), 0, 0.1))
    (ran,) = work.ran
    assert ran.argv == ("{suite}/bin/squawk", "{venv}/bin/x", "{root}/file", "--plain")
    assert ran.kept
