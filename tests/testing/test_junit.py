"""Which tests failed, and where."""

import pytest

from sametree.testing import junit
from sametree.testing.junit import Failure, Results

# As pytest 9 writes it with junit_family=xunit1.
PYTEST = """\
<?xml version="1.0" encoding="utf-8"?>
<testsuites name="pytest tests">
<testsuite name="pytest" errors="1" failures="1" skipped="1" tests="4" time="0.073">
<testcase classname="tests.test_app" name="test_good" file="tests/test_app.py" line="0"
 time="0.001"/>
<testcase classname="tests.test_app" name="test_bad[ü]" file="tests/test_app.py"
 line="6" time="0.001"><failure message="assert 1 == 2&#10; +  where 1 = f()">def
test_bad():
&gt;       assert f() == 2</failure></testcase>
<testcase classname="tests.test_app" name="test_broken" file="tests/test_app.py"
 line="9" time="0.000"><error message="failed on setup with &quot;boom&quot;">trace
</error></testcase>
<testcase classname="tests.test_app" name="test_skipped" file="tests/test_app.py"
 line="12" time="0.000"><skipped type="pytest.skip" message="why"/></testcase>
</testsuite></testsuites>
"""


@pytest.fixture
def read(tmp_path):
    def read_text(text):
        path = tmp_path / "junit.xml"
        path.write_text(text, encoding="utf-8")
        return junit.read(path)

    return read_text


def test_failures_and_errors_are_found_with_their_places(read):
    assert read(PYTEST) == Results(
        tests=4,
        failures=(
            Failure(
                name="tests.test_app::test_bad[ü]",
                kind="failure",
                message="assert 1 == 2\n +  where 1 = f()",
                file="tests/test_app.py",
                line=7,  # pytest counts from 0
                detail="def\ntest_bad():\n>       assert f() == 2",
            ),
            Failure(
                name="tests.test_app::test_broken",
                kind="error",
                message='failed on setup with "boom"',
                file="tests/test_app.py",
                line=10,
                detail="trace\n",
            ),
        ),
    )


def test_a_test_that_failed_and_then_could_not_be_cleaned_up_is_told_twice(read):
    text = (
        "<testsuite><testcase name='t'><failure message='a'/><error message='b'/>"
        "</testcase></testsuite>"
    )
    assert [failure.kind for failure in read(text).failures] == ["failure", "error"]


def test_without_file_and_line_the_class_says_where(read):
    text = (
        "<testsuites><testsuite><testcase classname='src/a.test.ts' name='adds'>"
        "<failure>Error: no</failure></testcase></testsuite></testsuites>"
    )
    (failure,) = read(text).failures
    assert (failure.name, failure.file) == ("src/a.test.ts::adds", "src/a.test.ts")
    assert failure.line is None


def test_without_a_message_the_text_is_the_message(read):
    text = "<t><testcase name='a'><failure>Error: no</failure></testcase></t>"
    (failure,) = read(text).failures
    assert (failure.message, failure.detail) == ("Error: no", "Error: no")


@pytest.mark.parametrize("line", ["", "x", "-1"])
def test_a_line_that_is_no_number_is_no_line(read, line):
    text = f"<t><testcase name='a' line='{line}'><failure/></testcase></t>"
    (failure,) = read(text).failures
    assert failure == Failure("a", "failure", "")


@pytest.mark.parametrize("text", ["", "<testsuites><cut", "no XML at all"])
def test_a_file_that_cannot_be_read_has_no_results(read, text):
    assert read(text) == Results(0, ())


def test_a_file_that_is_not_there_has_no_results(tmp_path):
    assert junit.read(tmp_path / "junit.xml") == Results(0, ())


@pytest.mark.parametrize(
    ("kinds", "summary"),
    [
        ([], ""),
        (["failure"], "1 of 9 tests failed"),
        (["failure", "failure"], "2 of 9 tests failed"),
        (["error"], "1 could not run (error outside the test itself)"),
        (
            ["failure", "error"],
            "1 of 9 tests failed, 1 could not run (error outside the test itself)",
        ),
    ],
)
def test_the_summary_tells_failed_tests_from_those_that_could_not_run(kinds, summary):
    failures = tuple(Failure("t", kind, "") for kind in kinds)
    assert Results(9, failures).summary == summary


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("assert 1 == 2\nmore", "t: assert 1 == 2"),
        ("\n  first\n", "t: first"),
        ("", "t"),
    ],
)
def test_a_failure_is_shown_with_the_first_line_of_its_message(message, shown):
    assert str(Failure("t", "failure", message)) == shown
