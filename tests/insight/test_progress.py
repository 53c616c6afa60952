"""How far a run is, and when it will be over."""

import doctest
import time

import pytest

from sametree import records
from sametree.insight import progress
from sametree.insight.progress import Look, Reader, Remaining
from sametree.records import Record


@pytest.fixture(autouse=True)
def no_colours(monkeypatch):
    """Show no colours, whatever this test run's own output is."""
    monkeypatch.setenv("NO_COLOR", "1")


USUAL = {"lint(a)": 5.0, "tests(a)": 30.0, "tests(b)": 20.0, "build(a)": 10.0}
PLANNED = list(USUAL)


def remaining(done=(), running=(), *, usual=USUAL, jobs=1, now=100.0, planned=PLANNED):
    return progress.remaining(planned, done, dict(running), usual, jobs, now)


def test_before_it_begins_all_is_left():
    assert remaining() == Remaining(65.0)


def test_what_is_done_takes_no_time_and_what_runs_its_rest():
    assert remaining(["lint(a)"], {"tests(a)": 88.0}) == Remaining(18.0 + 20.0 + 10.0)


def test_several_at_a_time_take_the_next_as_soon_as_one_has_ended():
    # tests(b) takes the place of lint(a) after 5 s, and build(a) that of tests(b).
    running = {"lint(a)": 100.0, "tests(a)": 100.0}
    assert remaining(running=running, jobs=2) == Remaining(35.0)
    assert remaining(jobs=4) == Remaining(30.0)
    assert remaining(jobs=0) == Remaining(65.0)


def test_more_that_run_than_jobs_are_known_count_all():
    running = {"tests(a)": 100.0, "tests(b)": 100.0}
    assert remaining(["lint(a)", "build(a)"], running, jobs=1) == Remaining(30.0)


def test_a_unit_that_takes_longer_than_ever_may_end_at_any_moment():
    late = remaining(["lint(a)", "tests(b)"], {"tests(a)": 10.0})
    assert late == Remaining(10.0, late=True)
    assert str(late) == "about 10 s left"
    last = remaining(["lint(a)", "tests(b)", "build(a)"], {"tests(a)": 10.0})
    assert str(last) == "taking longer than usual"


def test_units_that_never_ran_make_it_a_lower_bound():
    told = remaining(planned=[*PLANNED, "new(a)"], running={"newer(a)": 99.0})
    assert told == Remaining(65.0, unknown=2)
    assert str(told) == "more than 1 min 05 s left"
    assert str(remaining(planned=["new(a)"])) == ""


def test_a_clock_that_jumps_back_makes_nothing_longer_than_usual():
    assert remaining(planned=["tests(a)"], running={"tests(a)": 200.0}) == Remaining(30)


def test_where_nobody_knows_the_plan_nobody_knows_the_end():
    assert remaining(planned=None) is None


def test_an_empty_plan_is_over():
    assert str(remaining(planned=[])) == "nearly done"


def look(**more):
    told = {"planned": PLANNED, "usual": USUAL, "running": {"tests(a)": 88.0}, **more}
    return Look(**told)


def test_each_unit_that_runs_has_a_line_and_all_have_one():
    done = {"lint(a)": "success"}
    assert progress.lines(look(done=done), 100.0, 80) == [
        "  ·  tests(a)  12 s of about 30 s",
        "  1 of 4 done; about 48 s left",
    ]


def test_proven_and_failed_units_are_counted():
    done = {"lint(a)": "skip", "build(a)": "failure", "x": "error", "y": "success"}
    *_, last = progress.lines(look(done=done), 100.0, 80)
    told = "4 of 4 done, 1 of them proven, 2 not passed; about 38 s left"
    assert last.strip() == told


def test_a_unit_may_take_longer_than_usual_or_never_have_run():
    running = {"tests(a)": 10.0, "new": 99.0}
    assert progress.lines(look(running=running), 100.0, 80)[:2] == [
        "  ·  tests(a)  1 min 30 s, usually 30 s",
        "  ·  new  1 s",
    ]


def test_of_many_units_those_that_run_longest_have_a_line():
    running = {f"tests({n})": 90.0 + n for n in range(6)}
    shown = progress.lines(look(running=running), 100.0, 80)
    assert shown[:-1] == [
        "  ·  tests(0)  10 s",
        "  ·  tests(1)  9 s",
        "  ·  tests(2)  8 s",
        "    and 3 more: tests(3), tests(4), tests(5)",
    ]
    four = {unit: running[unit] for unit in list(running)[:4]}
    assert len(progress.lines(look(running=four), 100.0, 80)) == 5


def test_between_two_units_nobody_says_when_it_will_be_over():
    assert progress.lines(look(running={}), 100.0, 80) == ["  0 of 4 done"]


def test_without_a_plan_only_what_is_done_is_counted():
    shown = progress.lines(look(planned=None, done={"a": "success"}), 100.0, 80)
    assert shown[-1] == "  1 done"


def test_below_a_board_of_somebody_else_stands_what_it_does_not_tell():
    running = {"tests(a)": 88.0, "new": 99.0, "tests(b)": 90.0}
    assert progress.beneath(look(running=running), 100.0, 80) == [
        "  usually: tests(a) 30 s, tests(b) 20 s",
        "  0 of 4 done; more than 25 s left",
    ]
    assert progress.beneath(look(usual={}), 100.0, 80) == ["  0 of 4 done"]


@pytest.mark.parametrize("width", [1, 5, 10, 20, 40])
def test_no_line_is_as_wide_as_the_terminal(width):
    running = {f"tests(component-{n})": 1.0 for n in range(6)}
    for line in progress.lines(look(running=running), 100.0, width):
        assert len(line) < max(width, 6)


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("plain", 10, "plain"),
        ("plain", 5, "plai"),
        ("日本語", 6, "日本"),
        ("日本語", 5, "日本"),
        ("u\u0308ber", 4, "u\u0308be"),
        ("a\033[2Jb\nc\x07", 10, "a[2Jbc"),
        ("", 3, ""),
    ],
)
def test_a_line_is_cut_by_columns_and_holds_no_commands(text, width, shown):
    assert progress.fit(text, width) == shown


def record(state, unit, run="now", result="success", **more):
    told = {"started": 1.0, "seconds": 10.0, **more}
    made = Record(run=run, unit=unit, result=result, **told)
    records.write(state, made)
    return made


def test_a_run_is_read_from_its_marks_and_records(tmp_path):
    record(tmp_path, "lint(a)", result="skip")
    record(tmp_path, "tests(a)", run="earlier", seconds=30.0)
    begun = Record(
        run="now", unit="tests(a)", result="cancellation", started=88.0, seconds=0.0
    )
    other = Record(
        run="other", unit="lint(a)", result="cancellation", started=1.0, seconds=0.0
    )
    reader = Reader(tmp_path, "now", ["lint(a)", "tests(a)"])
    with records.running(tmp_path, begun), records.running(tmp_path, other):
        assert reader.look() == Look(
            running={"tests(a)": 88.0},
            done={"lint(a)": "skip"},
            planned=["lint(a)", "tests(a)"],
            usual={"tests(a)": 30.0},
        )
        record(tmp_path, "tests(a)")  # written before the mark goes
        assert reader.look().running == {}
    assert reader.look().done == {"lint(a)": "skip", "tests(a)": "success"}


def test_how_many_run_at_a_time_is_seen(tmp_path):
    reader = Reader(tmp_path, "now")
    one, two = (
        Record(run="now", unit=unit, result="success", started=1.0, seconds=0.0)
        for unit in ("lint(a)", "lint(b)")
    )
    with records.running(tmp_path, one), records.running(tmp_path, two):
        assert reader.look().jobs == 2
    assert reader.look().jobs == 2


def test_where_nothing_has_run_there_is_nothing_to_see(tmp_path):
    assert Reader(tmp_path, "now").look() == Look()
    assert list(tmp_path.iterdir()) == []


def test_a_record_that_cannot_be_read_is_left_out_and_read_when_it_is_whole(tmp_path):
    folder = tmp_path / "runs" / "now"
    folder.mkdir(parents=True)
    path = folder / "lint.a.json"
    path.write_bytes(b'{"cut')
    (folder / ".lint.a.json.1234").write_bytes(b"{}")
    (folder / "notes.txt").write_bytes(b"{}")
    reader = Reader(tmp_path, "now")
    assert reader.look().done == {}
    time.sleep(0.01)
    record(tmp_path, "lint(a)")
    assert reader.look().done == {"lint(a)": "success"}


def test_a_unit_usually_takes_the_median_of_its_runs_that_passed(tmp_path):
    for n, seconds in enumerate([10.0, 900.0, 20.0, 30.0]):
        record(tmp_path, "tests(a)", run=f"run-{n}", seconds=seconds)
    record(tmp_path, "tests(a)", run="run-4", seconds=0.1, result="failure")
    record(tmp_path, "tests(a)", run="run-5", seconds=0.1, result="skip")
    record(tmp_path, "lint(a)", run="run-6", seconds=3.0)
    assert progress.usual(tmp_path) == {"tests(a)": 25.0, "lint(a)": 3.0}


def test_only_runs_with_the_same_arguments_tell_how_long_it_takes(tmp_path):
    record(tmp_path, "tests(a)", run="run-0", seconds=60.0)
    record(tmp_path, "tests(a)", run="run-1", seconds=2.0, args=("-k", "one"))
    assert progress.usual(tmp_path) == {"tests(a)": 60.0}
    assert progress.usual(tmp_path, ("-k", "one")) == {"tests(a)": 2.0}
    assert progress.usual(tmp_path, ("-k", "two")) == {}


def test_old_runs_and_this_one_are_not_asked(tmp_path):
    for n in range(progress.REMEMBERED + 5):
        seconds = 1000.0 if n < 5 else 10.0
        record(tmp_path, "tests(a)", run=f"run-{n:02}", seconds=seconds)
    assert progress.usual(tmp_path) == {"tests(a)": 10.0}
    newest = f"run-{progress.REMEMBERED + 4}"
    record(tmp_path, "lint(a)", run=newest)
    assert progress.usual(tmp_path, without=newest) == {"tests(a)": 10.0}


def test_the_examples_in_the_text_hold():
    assert doctest.testmod(progress).failed == 0
