"""The few lines that stand last on the screen."""

import io
import sys

import pytest

from sametree.insight import summary
from sametree.records import Covered, Record


@pytest.fixture(autouse=True)
def plain_output(monkeypatch):
    """Show signs, and no colours, whatever this test run's own output is."""
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "utf-8"))


def record(unit, result="success", **more):
    told = {"run": "run", "started": 0.0, "seconds": 2.5, **more}
    return Record(unit=unit, result=result, **told)


def test_each_unit_has_a_line_and_all_have_a_count():
    records = [
        record("lint(suite)"),
        record("tests(suite)", covered=Covered(91.26, 85.0), notes=("a note",)),
        record("tests(page)", covered=Covered(91.0, None), seconds=59),
    ]
    assert summary.lines(records, 80.0, []) == [
        "",
        "  ✓  lint(suite)         2.5 s",
        "  ✓  tests(suite)        2.5 s  lines 91.3 %, branches 85.0 %; a note",
        "  ✓  tests(page)        59.0 s  lines 91.0 %",
        "",
        "  3 of 3 passed in 1 min 20 s",
    ]


def test_a_unit_that_failed_says_why_what_mends_and_how_to_repeat_it():
    records = [
        record("build(suite)"),
        record(
            "lint(suite)",
            "failure",
            reason="black failed",
            mend=("nox -s 'format(suite)'", "nox -s lock"),
        ),
        record("lint(page)", "failure", mend=("nox -s lock",)),
    ]
    shown = summary.lines(records, 1.0, ["a hint"])
    assert "  ✗  lint(suite)         2.5 s  failed: black failed" in shown
    assert "  ✗  lint(page)          2.5 s  failed" in shown
    assert shown[-4:] == [
        "  1 of 3 passed in 1.0 s",
        "  mend:   nox -s 'format(suite)'",
        "  mend:   nox -s lock",
        "  repeat: nox -s 'lint(suite)' 'lint(page)'",
    ]


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ("failure", "failed"),
        ("error", "could not run"),
        ("cancellation", "was stopped"),
        ("timeout", "took too long"),
    ],
)
def test_what_did_not_pass_is_marked_and_says_how_it_ended(result, words):
    shown = summary.lines([record("tests(suite)", result)], 1.0, [])
    assert f"  ✗  tests(suite)        2.5 s  {words}" in shown
    assert shown[-1] == "  repeat: nox -s 'tests(suite)'"


def test_a_skipped_unit_is_no_failure():
    records = [record("tests(suite)", "skip", reason="proven by run 7")]
    assert summary.lines(records, 1.0, ["invoke up"])[-4:] == [
        "  -  tests(suite)        2.5 s  skipped: proven by run 7",
        "",
        "  0 of 1 passed in 1.0 s",
        "  next: invoke up",
    ]


def test_when_all_is_well_the_hints_say_what_may_come_next():
    shown = summary.lines([record("lint(suite)")], 1.0, ["invoke up", "invoke down"])
    assert shown[-2:] == ["  next: invoke up", "  next: invoke down"]


def test_a_reason_of_what_passed_is_not_shown():
    shown = summary.lines([record("lint(suite)", reason="left over")], 1.0, [])
    assert not any("left over" in line for line in shown)


@pytest.mark.parametrize(("result", "code"), [("success", "32"), ("failure", "31")])
def test_the_count_is_green_when_all_is_well_and_red_when_not(
    monkeypatch, result, code
):
    monkeypatch.setenv("FORCE_COLOR", "1")
    shown = summary.lines([record("lint(suite)", result)], 1.0, [])
    (count,) = [line for line in shown if "of 1 passed" in line]
    assert f"\033[{code}m" in count


def test_a_run_without_records_has_an_empty_count():
    assert summary.lines([], 0.0, []) == ["", "", "  0 of 0 passed in 0.0 s"]
