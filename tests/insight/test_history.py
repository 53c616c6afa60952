"""Which runs a list names, and how it tells where they were and how they ended."""

import time

import pytest

from sametree.insight import history
from sametree.records import Record


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")


def record(run, unit="tests(app)", result="success", ago=60.0, **more):
    started = time.time() - ago
    told = {"run": run, "unit": unit, "result": result, "started": started, **more}
    return Record(seconds=1.0, **told)


def shown(*found, believed=(), count=10):
    return [line.split(None, 1) for line in history.lines(found, believed, count)]


def test_without_a_run_it_is_said_how_one_comes_to_be():
    (line,) = history.lines([], (), 10)
    assert "no run is known yet; `nox` makes the first" in line


def test_the_newest_runs_stand_last_and_older_ones_are_left_out():
    found = [record("c", ago=10), record("a", ago=3000), record("b", ago=2000)]
    lines = history.lines(found, (), 2)
    assert [line.split()[1] for line in lines] == ["b", "c"]
    assert "no commit" in lines[0] and "33 min ago" in lines[0]


def test_a_run_counts_its_units_by_how_they_ended_and_names_the_bad_ones():
    units = [
        record("one", "lint(app)", ago=90, revision="0123456789abcdef"),
        record("one", "tests(app)", "skip"),
        record("one", "build(app)", "failure"),
        record("one", "migrate(app)", "cancellation"),
        record("one", "previous(app)", "error"),
        record("one", "deploy", "timeout"),
    ]
    (line,) = history.lines(units, (), 10)
    assert line.split()[1:3] == ["one", "0123456789"]
    assert line.endswith(
        "1 passed, 1 proven, 1 failed, 3 not finished:"
        " build(app), migrate(app), previous(app)"
    )
    assert line.split()[0] != shown(record("two"))[0][0]


def test_a_unit_that_ran_again_counts_once():
    ((_, line),) = shown(record("one", result="failure"), record("one"))
    assert line.endswith("1 passed")


def test_a_run_elsewhere_is_told_apart_unless_somebody_trusted_has_signed_it():
    there = record("ci", place="github")
    ((_, line),) = shown(there)
    assert "github, not signed" in line
    ((_, line),) = shown(there, believed={"ci"})
    assert "github" in line and "not signed" not in line
    ((_, line),) = shown(record("here"))
    assert "local" in line
