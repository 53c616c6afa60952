"""A comparison on one screen of 80 columns, the likely cause first."""

import functools
import io
import re
import sys

import msgspec
import pytest
from comparing import BEGAN, UNITS, failed, record, run
from conftest import REPOSITORY

from sametree.changes import Changed, Pin
from sametree.insight.compare import columns, screen
from sametree.insight.compare.runs import compare_runs
from sametree.insight.compare.screen import Heading

SETTINGS = "app/backend/local_settings.py"


@pytest.fixture(autouse=True)
def plain_output(monkeypatch):
    """Show signs, and no colours, whatever this test run's own output is."""
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "utf-8"))
    monkeypatch.setattr(columns.time, "localtime", columns.time.gmtime)


def shown(left, right, explain=None, *, notes=(), changes=None, found=None, **how):
    found = found or compare_runs(left, right, explain)
    headings = (Heading(left, changes, notes), Heading(right))
    return screen.lines(found, *headings, **how)


def failing(*units, place="github", **more):
    return [record(u, place, **(failed(**more) if u in units else {})) for u in UNITS]


def test_the_same_runs_take_little_room():
    assert shown(run(), run("github")) == [
        "  local  20261122T211231-473095  21 Sep 14:13  cccccccc  6 units",
        "  CI     18837                   21 Sep 14:23  cccccccc  6 units",
        "",
        "  ✓ 6 units: the same results, and all that must match does",
        "",
        "    may differ  cores 8 | 4; memory 31.2 GiB | 15.6 GiB;",
        "                kernel 6.1.0-18 | 6.11.0-azure; COLORTERM, CI, ...",
        "",
        "    results  local    CI",
        "  ✓ 6 units  success  success",
    ]


def test_the_likely_cause_comes_first_and_what_to_do_with_it():
    left = run(outside=(SETTINGS,), only="(backend)")
    lines = shown(left, failing("tests(backend)"))
    assert lines[2:9] == [
        "",
        "  ✗ 1 of 6 units ended differently; 1 thing that must match differs",
        "",
        "  Likely cause in tests(backend): the file app/backend/local_settings.py is",
        "  there in the local run only, and git ignores it",
        "  -> commit it (git add -f app/backend/local_settings.py), or do without it",
        "",
    ]


def test_what_must_match_what_may_differ_and_results_follow_in_this_order():
    lines = shown(run(parts={"tool:uv": "0.8"}), failing("tests(backend)"))
    order = [
        "must match",
        "✗ uv",
        "may differ",
        "results",
        "✗ tests(backend)",
        "✓ 5 other",
    ]
    places = [next(n for n, line in enumerate(lines) if w in line) for w in order]
    assert places == sorted(places)
    assert "  ✗ uv              0.8      0.9.1    all 6 units" in lines
    assert "  ✗ tests(backend)  success  failure  2 of 40 tests failed" in lines


def test_drift_without_another_result_is_told_as_such():
    lines = shown(run(parts={"tool:uv": "0.8"}), run("github"))
    assert "  ! 6 units: the same results, but 1 thing that must match differs" in lines
    head = "  No result suffers yet; in all 6 units: uv is 0.8 in the local run, 0.9.1 in CI"
    assert head in lines


def test_units_that_fail_for_two_reasons_show_both():
    left = run(environment={"DEBUG": ""}, only="lint")
    right = [
        msgspec.structs.replace(each, outside=(SETTINGS,) * ("tests" in each.unit))
        for each in failing("lint(backend)", "tests(backend)")
    ]
    text = "\n".join(shown(left, right))
    assert "  Likely cause in lint(backend): the variable DEBUG is set in" in text
    assert "  Another in tests(backend): the file app/backend/local_settings.py" in text


def widest(lines):
    """Return the length of the longest line, but for commands to copy."""
    return max(len(line) for line in lines if not line.startswith("  ->"))


@functools.cache
def crowd():
    """Return two runs that differ in everything, in 100 units."""
    units = [f"tests(component{number:03})" for number in range(100)]
    parts = {f"tool:t{number}": "1" for number in range(40)}
    parts |= {"lock:ci/locks/lint.txt": "1" * 64, "platform": "darwin arm64"}
    told = failed("x" * 300)
    left = run(
        units=units,
        parts=parts,
        outside=tuple(f"{'deep/' * 20}{number}.py" for number in range(90)),
        surroundings={f"what.{number}": "a" * 70 for number in range(30)},
        environment={f"EXTRA_{number}": "" for number in range(30)},
    )
    left += [record("only(a)", seconds=1.0)]
    return left, run("github", units, **told)


@functools.cache
def crowd_compared(explain=None):
    return compare_runs(*crowd(), explain)


def shown_crowd(explain=None, **how):
    return shown(*crowd(), found=crowd_compared(explain), **how)


def explain_by_many(difference, left, right):
    pins = tuple(Pin(f"package{n}", "1", "2") for n in range(50))
    return msgspec.structs.replace(difference, pins=pins)


@pytest.mark.parametrize("width", [76, 80, 120])
def test_whatever_differs_it_fits_on_one_screen(width):
    how = {"width": width, "notes": ["n" * 200] * 9, "changes": True}
    lines = shown_crowd(explain_by_many, **how)
    assert len(lines) <= 24
    assert widest(lines) <= width
    assert sum(1 for line in lines if "more: --full" in line) == 2


@pytest.mark.parametrize("size", [20, 100, 300])
def test_two_causes_with_long_paths_leave_room_for_the_rest(size):
    deep = "d" * size
    left = run(units=UNITS[:1], outside=tuple(f"app/{deep}/{n}.py" for n in range(9)))
    left += run(units=UNITS[1:], environment={f"X{deep}": ""})
    right = failing(*UNITS[:2], outside=("x" * size,))
    lines = shown(left, right, notes=["n" * size] * 4)
    height = sum(1 + (len(line) - 1) // 80 if line else 1 for line in lines)
    assert height <= 24
    text = "\n".join(lines)
    assert "Likely cause in" in text and "results" in text and "must match" in text


def test_all_is_shown_on_demand():
    lines = shown_crowd(full=True, notes=["n"] * 9)
    assert sum(1 for line in lines if "tests(component" in line) >= 100
    assert sum(1 for line in lines if " EXTRA_" in line) == 30
    assert sum(1 for line in lines if line == "  note: n") == 9
    assert not any("--full" in line for line in lines)


@pytest.mark.parametrize("width, most", [(10, 76), (500, 120)])
def test_no_terminal_is_too_narrow_or_too_wide(width, most):
    assert widest(shown_crowd(width=width)) <= most


def test_a_command_to_copy_is_never_cut():
    path = f"app/{'long' * 30}/settings.py"
    lines = shown(run(outside=(path,)), failing("tests(backend)"))
    assert f"  -> commit it (git add -f {path}), or do without it" in lines
    assert len(lines) < 24


def test_a_run_with_changes_is_told_apart():
    lines = shown(run(), run("github"), changes=True)
    assert "cccccccc and changes  6 units" in lines[0]
    assert "changes" not in lines[1]


def test_runs_of_many_attempts_are_told_as_one():
    right = [*run("github"), record("lint(backend)", "github", run="1", started=1.0)]
    assert "18837 +1" in shown(run(), right)[1]


def test_a_record_without_a_commit_and_with_an_impossible_time_can_be_shown():
    odd = [record("a", revision="", started=1e300)]
    assert shown(odd, run("github", ["a"]))[0] == (
        "  local  20261122T211231-473095  at no time    no commit  1 unit"
    )


def test_units_of_one_side_and_what_could_not_be_read_are_noted():
    right = [*run("github"), record("plan", "github")]
    lines = shown(run(), right, notes=["a.json is left out: it is damaged"])
    assert lines[-2:] == [
        "  note: a.json is left out: it is damaged",
        "  note: plan ran in CI only",
    ]


def test_slow_units_are_told_with_how_much_slower_they_are():
    lines = shown(run(), run("github", only="tests(backend)", seconds=61.0))
    assert any(
        re.fullmatch(
            r"  · time of tests\(backend\) +12\.0 s +1 min 01 s +5\.1 times", line
        )
        for line in lines
    )


def test_proven_units_are_counted():
    left = run(only="lint", result="skip", proof="earlier")
    assert any(line.endswith("2 proven before") for line in shown(left, run("github")))


def test_nobody_steers_the_terminal_with_a_record():
    bad = "\x1b[31mred\x1b[0m\r\u202eevil\n::error::x"
    left = run(parts={f"tool:{bad}": bad}, outside=(bad,), environment={bad: bad})
    right = [record(u, "github", **failed(bad), run=bad) for u in UNITS]
    for line in shown(left, right, notes=[bad], full=True):
        assert line.isprintable()


def test_paths_keep_their_end_and_texts_their_beginning():
    assert columns.tail("app/backend/deep/settings.py", 12) == "…settings.py"
    assert columns.tail("no path at all", 8) == "no path…"
    assert columns.cut("2 of 40 tests failed", 11) == "2 of 40 te…"


def test_an_output_that_knows_no_signs_gets_words(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "ascii"))
    lines = shown_crowd()
    assert all(line.isascii() for line in lines)
    assert any(line.startswith("  FAILED tests(component") for line in lines)
    assert widest(lines) <= 80


def test_colours_take_no_room(monkeypatch):
    sides = run(parts={"tool:uv": "0.8"}), failing("tests(backend)")
    plain = shown(*sides)
    monkeypatch.setenv("FORCE_COLOR", "1")
    coloured = shown(*sides)
    assert [re.sub(r"\033\[\d+m", "", line) for line in coloured] == plain
    assert any("\033[31m✗\033[0m" in line for line in coloured)
    head = "\033[1mLikely cause in tests(backend): \033[0m"
    assert any(head in line for line in coloured)
    monkeypatch.setenv("NO_COLOR", "1")
    assert shown(*sides) == plain


def test_files_and_packages_are_shown_by_their_names():
    files = (Changed("app/a.py", "M", "only line ends"), Changed("app/b.py", "A"))
    pins = (Pin("black", "26.1.0", "26.3.1"), Pin("click", "", "1"))
    left = run(parts={"input:app/backend": "040000 2", "lock:ci/locks/lint.txt": "2"})

    def explain(difference, left, right):
        return msgspec.structs.replace(difference, files=files, pins=pins)

    lines = shown(left, run("github"), explain)
    assert "  ✗ app/a.py +1          differ   differ   all 6 units" in lines
    assert "  ✗ black +1 (lint.txt)  26.1.0   26.3.1   all 6 units" in lines


def test_the_time_is_that_of_this_machine():
    assert columns.moment(BEGAN) == "21 Sep 14:13"


def test_the_picture_in_the_docs_is_what_is_shown():
    commit = {"revision": "8402361d" * 5}
    left = [
        record(unit, **commit, outside=(SETTINGS,) * ("(backend)" in unit))
        for unit in UNITS
    ]
    right = [
        record(
            unit, "github", **commit, **(failed() if unit == "tests(backend)" else {})
        )
        for unit in UNITS
    ]
    page = (REPOSITORY / "docs" / "compare.md").read_text(encoding="utf-8")
    picture = page.partition("$ invoke compare\n")[2].partition("\n```")[0]
    assert picture.splitlines() == shown(left, right)
