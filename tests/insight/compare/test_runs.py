"""Two runs, unit by unit: what must match, what may differ, how both ended."""

import time

import msgspec
import pytest
from comparing import UNITS, failed, record, run, step

from sametree.changes import Changed, Pin
from sametree.insight.compare.runs import compare, compare_runs, parity, where

GONE = {"interpreter": "cpython 3.12.1"}


def told(found):
    return [(each.difference.kind, each.difference.name, each.units) for each in found]


def with_files(*files):
    """Return an explanation that knows what changed in every input."""

    def explain(difference, left, right):
        if difference.kind == "input":
            return msgspec.structs.replace(difference, files=files)
        return difference

    return explain


def test_two_runs_of_one_tree_are_the_same():
    found = compare_runs(run(), run("github"))
    assert found.same
    assert found.must == ()
    assert found.units == UNITS
    assert (found.names.left, found.names.right) == ("local", "CI")


def test_two_records_are_compared_like_runs():
    found = compare(record("lint(a)"), record("lint(a)", "github", parts=GONE))
    assert told(found.must) == [("interpreter", "interpreter", ("lint(a)",))]
    assert not found.same


def test_the_same_difference_in_many_units_is_told_once():
    found = compare_runs(run(), run("github", parts=GONE))
    assert told(found.must) == [("interpreter", "interpreter", UNITS)]


def test_a_difference_is_told_with_the_units_in_which_it_is():
    found = compare_runs(run(), run("github", only="tests", parts=GONE))
    [(_, _, units)] = told(found.must)
    assert units == ("tests(backend)", "tests(frontend)")


def test_units_are_matched_by_name_whatever_their_order():
    found = compare_runs(run(), run("github")[::-1])
    assert found.same and len(found.verdicts) == len(UNITS)


def test_units_of_one_side_only_are_named_and_do_not_count():
    found = compare_runs(run(units=UNITS[:3]), run("github", UNITS[1:4]))
    assert found.units == UNITS[1:3]
    assert found.only_left == UNITS[:1]
    assert found.only_right == UNITS[3:4]
    assert found.same


def test_nothing_in_common_is_nothing_compared():
    found = compare_runs(run(units=["a"]), run(units=["b"]))
    assert found.verdicts == ()


def test_a_unit_that_was_run_again_counts_as_it_ended_at_last():
    first = record("a", "github", **failed(), started=1.0)
    again = record("a", "github", started=2.0)
    assert compare_runs([record("a")], [again, first]).same


@pytest.mark.parametrize(
    "places, names",
    [
        (("local", "github"), ("local", "CI")),
        (("github", "local"), ("CI", "local")),
        (("local", "local"), ("left", "right")),
        (("github", "github"), ("left", "right")),
    ],
)
def test_the_sides_are_called_by_their_places_where_these_differ(places, names):
    found = compare_runs(run(places[0]), run(places[1]))
    assert (found.names.left, found.names.right) == names


def test_files_of_the_inputs_are_told_one_by_one_over_units_that_share_folders():
    left = [record("lint(a)"), record("tests(a)", parts={"input:ci": "040000 1"})]
    right = [
        record("lint(a)", "github", parts={"input:app/backend": "040000 2"}),
        record(
            "tests(a)",
            "github",
            parts={"input:app/backend": "040000 2", "input:ci": "040000 2"},
        ),
    ]
    both, deep = Changed("app/backend/models.py", "M"), Changed("ci/x.py", "A")

    def explain(difference, left, right):
        file = both if difference.name == "app/backend" else deep
        return msgspec.structs.replace(difference, files=(file, both))

    found = compare_runs(left, right, explain)
    assert told(found.must) == [
        ("input", "app/backend/models.py", ("lint(a)", "tests(a)")),
        ("input", "ci/x.py", ("tests(a)",)),
    ]


def test_files_that_differ_in_the_same_units_are_told_together():
    files = (Changed("app/b.py", "M"), Changed("app/a.py", "M"))
    right = run("github", parts={"input:app/backend": "040000 2"})
    [found] = compare_runs(run(), right, with_files(*files)).must
    assert found.difference.files == files[::-1]


def test_a_lock_is_told_by_its_packages_and_not_as_a_file_too():
    lock = "ci/locks/lint.txt"
    parts = {"input:ci": "040000 1", f"lock:{lock}": "8" * 64}
    left = [record("lint(a)", parts={"input:ci": "040000 2"})]

    def explain(difference, left, right):
        if difference.kind == "lock":
            pins = (Pin("black", "26.1", "26.3"),)
            return msgspec.structs.replace(difference, pins=pins)
        return msgspec.structs.replace(difference, files=(Changed(lock, "M"),))

    found = compare_runs(left, [record("lint(a)", "github", parts=parts)], explain)
    assert told(found.must) == [("lock", lock, ("lint(a)",))]


def test_each_difference_is_explained_once():
    asked = []

    def explain(difference, left, right):
        asked.append(difference.name)
        return difference

    compare_runs(run(), run("github", parts=GONE), explain)
    assert asked == ["interpreter"]


def test_ignored_files_of_a_side_are_told_together_the_suspicious_first():
    outside = ("app/data.bin", "app/local_settings.py", "app/x.py")
    [found] = compare_runs(run(outside=outside), run("github")).must
    assert [file.path for file in found.difference.files] == [
        "app/local_settings.py",
        "app/x.py",
        "app/data.bin",
    ]
    assert found.units == UNITS


def test_ignored_files_of_both_sides_are_told_apart():
    found = compare_runs(run(outside=("a.py",)), run("github", outside=("b.py",)))
    assert told(found.must) == [("outside", "a.py", UNITS), ("outside", "b.py", UNITS)]


@pytest.mark.parametrize(
    "result", ["failure", "error", "cancellation", "timeout", "skip"]
)
def test_another_result_is_a_difference(result):
    found = compare_runs(run(), run("github", only="tests(backend)", result=result))
    assert [v.unit for v in found.verdicts if v.differs] == ["tests(backend)"]
    assert not found.same


def test_the_same_failure_on_both_sides_is_the_same_result():
    assert compare_runs(run(**failed()), run("github", **failed())).same


def test_another_exit_code_of_a_step_is_a_difference():
    sides = [
        record("lint(a)", **failed(), steps=(step("black", code), step("flake8", 1)))
        for code in (0, 1)
    ]
    found = compare(*sides)
    assert found.verdicts[0].steps == (("black", 0, 1),)
    assert not found.same


def test_what_is_made_must_be_the_same_byte_for_byte():
    sides = [
        record("build(a)", outputs={"dist/a.whl": digest, f"dist/{digest}": "x"})
        for digest in ("1", "2")
    ]
    found = compare(*sides)
    assert found.verdicts[0].outputs == ("dist/a.whl",)
    assert not found.same


def test_a_proven_unit_counts_as_passed():
    skipped = run(result="skip", proof="earlier", steps=())
    found = compare_runs(skipped, run("github"))
    assert found.same
    assert found.verdicts[0].words == ("success", "success")
    assert found.verdicts[0].proven == (True, False)


def test_a_proven_unit_is_compared_as_it_was_when_it_passed():
    skipped = record("tests(a)", result="skip", proof="earlier", steps=())
    proven = record("tests(a)", run="earlier", outside=("app/.env",))
    found = compare_runs(
        [skipped], [record("tests(a)", "github")], None, lambda r: proven
    )
    assert told(found.must) == [("outside", "app/.env", ("tests(a)",))]
    assert found.verdicts[0].left is proven


def test_a_proof_that_is_nowhere_leaves_what_the_skipped_unit_tells():
    skipped = run(result="skip", proof="gone", steps=())
    assert compare_runs(skipped, run("github"), None, lambda record: None).same


def test_a_unit_skipped_without_a_proof_is_another_result():
    assert not compare_runs(run(result="skip"), run("github")).same


@pytest.mark.parametrize(
    "left, right, ratio",
    [(12.0, 31.0, 2.6), (0.1, 0.9, 0), (20.0, 25.0, 0), (0.0, 5.0, 0)],
)
def test_times_are_told_only_when_they_differ_notably(left, right, ratio):
    found = compare(record("a", seconds=left), record("a", seconds=right))
    assert round(found.verdicts[0].ratio, 1) == ratio


def test_the_time_until_a_failure_is_no_time_of_the_unit():
    found = compare(record("a", seconds=1.0), record("a", seconds=60.0, **failed()))
    assert found.verdicts[0].ratio == 0


def test_parity_of_a_laptop_and_a_rehearsed_ci_holds():
    assert parity(run(), run("github")) == []


def test_parity_names_all_that_breaks_it():
    files = (Changed("app/a.py", "M"),)
    right = run("github", parts={"input:app/backend": "040000 2"})
    right[1] = record("tests(backend)", "github", **failed(), parts=right[1].parts)
    lines = parity(run(), [*right[:-1], record("plan", "github")], with_files(*files))
    assert lines == [
        "all 5 units: the file app/a.py is not the same",
        "tests(backend): success in the local run, failure in CI (2 of 40 tests failed)",
        "build(frontend): ran in the local run only",
        "plan: ran in CI only",
    ]


def test_parity_tells_exit_codes_and_outputs_where_nobody_gave_a_reason():
    left = [record("a", steps=(step("black", 5),)), record("b", outputs={"x.whl": "1"})]
    right = [record("a", steps=(step("black"),)), record("b", outputs={"x.whl": "2"})]
    assert parity(left, right) == [
        "a: success on the left, success on the right (black ended with 5 and 0)",
        "b: success on the left, success on the right (x.whl differs)",
    ]


def test_two_runs_of_200_units_take_no_time():
    units = [f"tests(c{number})" for number in range(200)]
    outside = tuple(f"app/{number}.py" for number in range(99))
    began = time.monotonic()
    found = compare_runs(
        run(units=units, outside=outside), run("github", units, parts=GONE)
    )
    assert time.monotonic() - began < 2
    assert [each.units for each in found.must] == [tuple(units)] * 2


def test_units_are_told_in_few_words():
    assert where(["a"], ["a"]) == "a"
    assert where(UNITS, UNITS) == "all 6 units"
    assert where(UNITS[:2], UNITS) == "2 of 6 units"
