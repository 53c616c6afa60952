"""Whether the tests ran enough of the code, and which lines they missed."""

import pytest

from sametree.records import Covered
from sametree.settings import Coverage
from sametree.testing import coverage
from sametree.testing.coverage import FileCoverage

# As coverage.py 7 writes it: four fields a branch, the third of which is free text.
PYTHON = """\
SF:pkg/app.py
DA:1,1,+XiH8OSo9r7mtKCCyJ7vZA
DA:2,1,0CU0YX4GFX4rjMEHPKcNkg
DA:3,0,1CU0YX4GFX4rjMEHPKcNkg
DA:5,1,2CU0YX4GFX4rjMEHPKcNkg
LF:4
LH:3
BRDA:2,0,jump to line 3,0
BRDA:2,0,jump to line 5,1
BRF:2
BRH:1
end_of_record
SF:pkg/empty.py
end_of_record
"""
# As jest (istanbul) writes it: no checksums, and '-' where a branch was never reached.
NODE = """\
TN:
SF:src/App.tsx
FN:1,App
FNF:1
FNH:1
FNDA:3,App
DA:1,3
DA:2,0
DA:4,2
BRDA:1,0,0,3
BRDA:1,0,1,0
BRDA:2,1,0,-
BRDA:2,1,1,-
end_of_record
"""


def file(lines, branches=None):
    return FileCoverage(dict.fromkeys(lines, 1), branches or {})


def test_python_coverage_is_read_file_by_file():
    assert coverage.read_lcov(PYTHON) == {
        "pkg/app.py": FileCoverage({1: 1, 2: 1, 3: 0, 5: 1}, {2: (False, True)}),
        "pkg/empty.py": FileCoverage({}, {}),
    }


def test_jest_coverage_is_read_with_branches_that_were_never_reached():
    assert coverage.read_lcov(NODE) == {
        "src/App.tsx": FileCoverage(
            {1: 3, 2: 0, 4: 2}, {1: (True, False), 2: (False, False)}
        )
    }


def test_a_line_that_is_named_twice_was_run_when_one_says_so():
    text = "SF:a\nDA:1,0\nDA:1,2\nDA:2,0\nDA:2,0\nend_of_record\n"
    assert coverage.read_lcov(text)["a"].missed == [2]


def test_an_empty_report_has_no_files():
    assert coverage.read_lcov("") == {}


def test_a_report_is_read_from_its_file(tmp_path):
    (tmp_path / "lcov.info").write_text("SF:Grüße.py\nDA:1,1\nend_of_record\n", "utf-8")
    assert list(coverage.read(tmp_path / "lcov.info")) == ["Grüße.py"]


def test_a_report_that_is_not_there_has_no_files(tmp_path):
    assert coverage.read(tmp_path / "lcov.info") == {}


def test_missed_are_lines_never_run_and_lines_with_a_branch_never_taken():
    measured = FileCoverage({1: 1, 2: 0, 3: 1, 4: 1}, {3: (True, False), 4: (True,)})
    assert measured.missed == [2, 3]


def test_the_total_is_the_share_of_all_lines_and_all_branches():
    measured = {**coverage.read_lcov(PYTHON), **coverage.read_lcov(NODE)}
    total = coverage.totals(measured.values())
    assert total.lines == pytest.approx(100 * 5 / 7)
    assert total.branches == pytest.approx(100 * 2 / 6)


def test_code_without_branches_has_no_share_of_branches():
    assert coverage.totals([file([1, 2])]) == Covered(100.0, None)


def test_nothing_to_run_is_covered():
    assert coverage.totals([]) == Covered(100.0, None)


@pytest.mark.parametrize(
    ("lines", "branches", "short"),
    [
        (80.0, 90.0, []),
        (100.0, None, []),
        (79.9, 90.0, ["lines 79.9 % of 80 %"]),
        (80.0, 89.0, ["branches 89 % of 90 %"]),
        (0.0, 0.0, ["lines 0 % of 80 %", "branches 0 % of 90 %"]),
        (79.9999, 90.0, ["lines 79.99 % of 80 %"]),
    ],
)
def test_a_shortfall_names_each_gate_that_was_missed(lines, branches, short):
    gate = Coverage(lines=80, branches=90)
    assert coverage.shortfall(Covered(lines, branches), gate) == short


def test_no_share_is_rounded_up_to_the_gate_it_has_missed():
    (told,) = coverage.shortfall(Covered(89.99999, None), Coverage(lines=90))
    assert told == "lines 89.99 % of 90 %"


def test_a_share_is_shown_as_it_is():
    (told,) = coverage.shortfall(Covered(64.1, None), Coverage(lines=90))
    assert told == "lines 64.1 % of 90 %"


def test_changed_files_come_first_then_those_with_the_most_missed_lines():
    def missing(count):
        return FileCoverage(dict.fromkeys(range(1, count + 1), 0), {})

    measured = {
        "b": missing(1),
        "a": missing(1),
        "many": missing(5),
        "changed": missing(1),
        "whole": file([1]),
    }
    assert coverage.missed_lines(measured, {"changed", "whole"}) == [
        ("changed", "1", True),
        ("many", "1-5", False),
        ("a", "1", False),
        ("b", "1", False),
    ]


def test_of_many_files_only_the_first_are_shown():
    measured = {f"{number:02}": FileCoverage({1: 0}, {}) for number in range(30)}
    shown = coverage.missed_lines(measured, set())
    assert [name for name, _, _ in shown] == sorted(measured)[: coverage.SHOWN_FILES]


@pytest.mark.parametrize(
    ("numbers", "shown"),
    [
        ([], ""),
        ([7], "7"),
        ([1, 2, 3], "1-3"),
        ([1, 3, 4, 9], "1, 3-4, 9"),
        (list(range(1, 21, 2)), "1, 3, 5, 7, 9, 11, 13, 15, 17, 19"),
        (
            list(range(1, 25, 2)),
            "1, 3, 5, 7, 9, 11, 13, 15, 17, 19 and 2 more places",
        ),
    ],
)
def test_lines_are_shown_as_people_write_them(numbers, shown):
    assert coverage.ranges(numbers) == shown
