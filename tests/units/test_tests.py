"""How a run of the tests is judged: which failed, whose fault it is, what was covered."""

import json
import sys

import pytest

from sametree.errors import SurroundingsError, UnitFailed
from sametree.records import Covered
from sametree.settings import Component, Project, Settings
from sametree.settings.model import Coverage
from sametree.steps import Outcome, Step
from sametree.units import Work, tests

CASES = """<testsuites><testsuite>
  <testcase classname="test_a" name="test_wrong" file="test_a.py" line="3">
    <failure message="assert 1 == 2">E   assert 1 == 2</failure>
  </testcase>
  <testcase classname="test_a" name="test_right" file="test_a.py" line="9" />
</testsuite></testsuites>
"""
LCOV = """SF:shop/a.py
DA:1,1
DA:2,0
DA:3,1
BRDA:1,0,0,1
BRDA:1,0,1,0
end_of_record
"""


@pytest.fixture
def work(tmp_path):
    """Return a way to make the unit's work; its gate is at 90 %."""

    def make(language="python", args=(), lines=90.0, branches=0.0):
        component = Component(
            name="shop",
            path="shop",
            language=language,
            coverage=Coverage(lines=lines, branches=branches),
        )
        (tmp_path / "shop").mkdir(exist_ok=True)
        project = Project(tmp_path, Settings(components=(component,)))
        made = Work(project, component, "tests", tmp_path / "venv", args=args)
        made.reports.mkdir(parents=True, exist_ok=True)
        return made

    return make


def ended(work, code, *argv, neutral=()):
    step = Step(name="pytest", argv=argv, cwd=work.folder, neutral=neutral)
    return Outcome(step, code, 0.1)


def test_a_failing_test_is_named_with_the_way_to_repeat_it(work, capsys):
    made = work()
    (made.reports / "junit.xml").write_text(CASES)
    with pytest.raises(UnitFailed) as caught:
        tests.judge(made, ended(made, 1), {}, "")
    told = str(caught.value)
    assert "1 of 2 tests failed" in told and "test_a::test_wrong" in told
    assert "nox -s 'tests(shop)' -- --lf" in told
    assert "::error" not in capsys.readouterr().out


def test_on_github_a_failing_test_is_an_annotation(work, capsys, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    made = work()
    (made.reports / "junit.xml").write_text(CASES)
    with pytest.raises(UnitFailed):
        tests.judge(made, ended(made, 1), {}, "")
    said = capsys.readouterr().out
    assert "::error file=shop/test_a.py,line=4,title=test_a%3A%3Atest_wrong::" in said


def test_jest_repeats_the_file_that_failed(work):
    made = work("node")
    (made.reports / "junit.xml").write_text(CASES)
    with pytest.raises(UnitFailed, match=r"nox -s 'tests\(shop\)' -- test_a.py"):
        tests.judge(made, ended(made, 1), {}, "")


def test_choosing_no_test_is_no_failure(work):
    made = work()
    tests.judge(made, ended(made, 5, neutral=(5,)), {}, "")
    assert made.notes == ["no test was selected"]
    tests.judge(made, ended(made, 0), {}, "")
    assert len(made.notes) == 1


def test_what_kept_pytest_from_beginning_is_told_apart(work):
    made = work()
    with pytest.raises(UnitFailed, match="exit code 4 before it ran the tests"):
        tests.judge(made, ended(made, 4), {}, "no such option: --nope")
    with pytest.raises(SurroundingsError, match="before it ran the tests: it was kill"):
        tests.judge(made, ended(made, -9), {}, "")


def test_pytest_is_asked_once_more_why_it_could_not_begin(work):
    made = work()
    # What stands for pytest prints what it was called with.
    argv = (sys.executable, "-c", "import sys; print(sys.argv[1:])", "-n", "4")
    said = tests._said_before_tests(made, ended(made, 4, *argv), {})
    assert said == "['-n', '4', '-n0', '--collect-only', '--quiet', '--no-cov']\n"


@pytest.mark.parametrize("code", [0, -15])
def test_who_has_passed_or_was_killed_is_not_asked(work, code):
    made = work()
    assert tests._said_before_tests(made, ended(made, code, "no program"), {}) == ""


def test_who_has_begun_and_jest_are_not_asked(work):
    node = work("node")
    assert tests._said_before_tests(node, ended(node, 1, "no program"), {}) == ""
    made = work()
    (made.reports / "junit.xml").write_text(CASES)
    assert tests._said_before_tests(made, ended(made, 1, "no program"), {}) == ""


def test_coverage_below_the_gate_names_the_lines_that_nobody_ran(work, capsys):
    made = work()
    (made.reports / "lcov.info").write_text(LCOV)
    with pytest.raises(UnitFailed) as caught:
        tests._judge_coverage(made)
    assert "coverage is below the gate: lines" in str(caught.value)
    assert "  shop/shop/a.py: 1-2" in str(caught.value)
    assert "whole picture is in reports/shop/html/index.html" in str(caught.value)
    assert made.covered == Covered(lines=pytest.approx(66.67, abs=0.01), branches=50.0)
    assert "coverage  lines 66.7 %, branches 50.0 %" in capsys.readouterr().out


def test_coverage_above_the_gate_is_all_that_is_asked(work):
    made = work(lines=60.0, branches=50.0)
    (made.reports / "lcov.info").write_text(LCOV)
    tests._judge_coverage(made)
    assert made.covered is not None and made.notes == []


def test_where_arguments_chose_the_tests_coverage_is_shown_and_not_judged(work):
    made = work(args=("-k", "one"))
    tests._judge_coverage(made)  # coverage was switched off
    assert made.covered is None
    (made.reports / "lcov.info").write_text(LCOV)
    tests._judge_coverage(made)
    assert made.notes == ["coverage not judged: arguments chose the tests"]


def test_tests_that_leave_no_coverage_are_a_fault_of_what_is_around(work):
    with pytest.raises(SurroundingsError, match="the tests left no coverage"):
        tests._judge_coverage(work())


JEST = """
import json, pathlib, sys
told = {"testResults": [{"name": sys.argv[1], "status": "passed", "startTime": 0,
  "endTime": 5, "message": "", "assertionResults": [
    {"fullName": "adds", "status": "passed", "duration": 1}]}]}
place = next(a for a in sys.argv if a.startswith("--outputFile=")).partition("=")[2]
pathlib.Path(place).write_text(json.dumps(told))
pathlib.Path(place).with_name("lcov.info").write_text(LCOV)
"""


def test_what_jest_writes_becomes_the_reports_that_every_component_has(work):
    """Its program is found where npm puts it; here it is a small one of ours."""
    made = work("node", lines=0.0)
    folder = made.folder
    package = {"name": "shop", "version": "1.0.0", "devDependencies": {"jest": "1"}}
    (folder / "package.json").write_text(json.dumps({**package, "devDependencies": {}}))
    lock = {"name": "shop", "version": "1.0.0", "lockfileVersion": 3, "packages": {}}
    lock["packages"] = {"": {"name": "shop", "version": "1.0.0"}}
    (folder / "package-lock.json").write_text(json.dumps(lock))
    tests_env = made.install("tests")  # the real npm; nothing is to be installed
    assert f"{folder}/node_modules/.bin:" in tests_env["PATH"]
    program = folder / "node_modules" / ".bin" / "jest"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!{sys.executable}\nLCOV = {LCOV!r}\n{JEST}")
    program.chmod(0o755)
    (folder / "package.json").write_text(json.dumps(package))
    tests.tests(made)
    assert (made.reports / "junit.xml").exists()
    assert made.covered == Covered(lines=pytest.approx(66.67, abs=0.01), branches=50.0)
