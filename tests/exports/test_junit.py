"""Does a record as JUnit XML say what happened, to readers of JUnit XML?"""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from comparing import BEGAN, TREE, failed, record, step

from sametree.exports import junit
from sametree.records import Covered
from sametree.testing import junit as reader


def suite_of(*found):
    return ElementTree.fromstring(junit.text(found))


def cases_of(suite):
    """Return name and verdict of each test case."""
    return [
        (case.get("name"), *(child.tag for child in case))
        for case in suite.iter("testcase")
    ]


def counts_of(suite):
    return tuple(int(suite.get(name)) for name in ("tests", "failures", "errors"))


def test_a_record_is_a_test_suite_whose_steps_are_test_cases():
    done = (step("black"), step("flake8"))
    suite = suite_of(record("lint(backend)", steps=done, seconds=12.3456))
    assert suite.tag == "testsuite" and suite.get("name") == "lint(backend)"
    assert cases_of(suite) == [("black",), ("flake8",)]
    assert counts_of(suite) == (2, 0, 0) and suite.get("skipped") == "0"
    assert suite.get("time") == "12.346"
    assert suite.get("timestamp") == "2026-09-21T14:13:20"
    assert suite.get("hostname") == "ada"
    case = suite.find("testcase")
    assert (case.get("classname"), case.get("time")) == ("lint(backend)", "3.000")


def test_several_records_are_test_suites_that_sum_up():
    suites = suite_of(
        record("lint(backend)", seconds=1.0),
        record("tests(backend)", steps=(step("pytest", 1),), **failed(), seconds=2.0),
        record("build(backend)", result="error", steps=(), seconds=3.0),
    )
    assert suites.tag == "testsuites"
    assert [suite.get("name") for suite in suites] == [
        "lint(backend)",
        "tests(backend)",
        "build(backend)",
    ]
    assert counts_of(suites) == (3, 1, 1) and suites.get("time") == "6.000"


def test_the_step_that_failed_is_the_failure_and_says_why():
    done = (step("black"), step("flake8", 1))
    told = record("lint(backend)", steps=done, mend=("nox -s fix",), **failed("no"))
    suite = suite_of(told)
    assert cases_of(suite) == [("black",), ("flake8", "failure")]
    failure = suite.find("testcase/failure")
    assert failure.get("message") == "flake8 ended with exit code 1"
    assert failure.text == "no\nto mend it: nox -s fix"


@pytest.mark.parametrize("result", ["error", "timeout", "cancellation"])
def test_what_is_not_the_fault_of_the_code_is_an_error(result):
    suite = suite_of(record("tests(backend)", result=result, steps=(step("a", -15),)))
    assert cases_of(suite) == [("a", "error")]
    assert suite.find("testcase/error").get("type") == result
    assert counts_of(suite) == (1, 0, 1)


def test_a_unit_whose_steps_all_passed_fails_by_itself():
    suite = suite_of(record("tests(backend)", **failed("coverage is 80 %\n  -> test")))
    assert cases_of(suite) == [("pytest",), ("tests(backend)", "failure")]
    failure = suite.find("testcase/failure")
    assert failure.get("message") == "coverage is 80 %"
    assert failure.text == "coverage is 80 %\n  -> test"


def test_a_unit_without_a_reason_still_says_how_it_ended():
    suite = suite_of(record("tests(backend)", result="timeout", steps=()))
    error = suite.find("testcase/error")
    assert error.get("message") == error.text == "tests(backend): timeout"


def test_a_proven_unit_is_skipped_and_names_its_proof():
    suite = suite_of(record("tests(backend)", result="skip", proof="R1", steps=()))
    assert cases_of(suite) == [("tests(backend)", "skipped")]
    assert suite.find("testcase/skipped").get("message") == "proven by run R1"
    assert suite.get("skipped") == "1" and counts_of(suite) == (1, 0, 0)
    told = record("tests(backend)", result="skip", steps=())
    assert suite_of(told).find("testcase/skipped").get("message") == "skipped"


def test_a_unit_that_passed_without_steps_is_a_case():
    suite = suite_of(record("migrate(backend)", steps=()))
    assert cases_of(suite) == [("migrate(backend)",)]


def test_an_exit_code_that_is_no_failure_does_not_become_one():
    suite = suite_of(record("tests(backend)", steps=(step("pytest", 5),)))
    assert cases_of(suite) == [("pytest",)] and counts_of(suite) == (1, 0, 0)


def test_what_else_is_known_are_properties_and_output():
    covered = Covered(lines=97.5, branches=None)
    suite = suite_of(record("tests(backend)", covered=covered, notes=("one", "two")))
    told = {each.get("name"): each.get("value") for each in suite.iter("property")}
    assert told["tree"] == TREE and told["covered"] == "lines 97.5 %"
    assert told["cicd.pipeline.task.run.result"] == "success"
    assert "cicd.pipeline.run.url.full" not in told  # there is none
    assert suite.find("system-out").text == "one\ntwo"
    bare = suite_of(record("tests(backend)", surroundings={"host.name": None}))
    assert bare.find("system-out") is None and bare.get("hostname") is None


def test_any_character_gives_xml_that_can_be_read():
    every = "".join(map(chr, (*range(0x3000), *range(0xD7FE, 0x10400), 0x10FFFF)))
    told = record(every, run=every, notes=(every,), steps=(step(every, 1),))
    other = record("lint(backend)", result="failure", reason=every, steps=())
    suites = suite_of(told, other)
    shown = suites.find("testsuite").get("name")
    assert shown == "".join(
        c
        for c in every
        if c in "\t\n\r"
        or " " <= c <= "~"
        or "\xa0" <= c <= "\ud7ff"
        or "\ue000" <= c <= "\ufdcf"
        or "\ufdf0" <= c <= "\ufffd"
        or c >= "\U00010000"
    )


def test_colours_and_links_of_a_terminal_are_taken_out_whole():
    said = "\x1b[1;31mred\x1b[0m \x1b]8;;http://a\x1b\\link\x1b]8;;\x07 ]]> <b>"
    suite = suite_of(record("lint(backend)", **failed(said)))
    assert suite.find("testcase/failure").text == "red link ]]> <b>"


@pytest.mark.parametrize("started", [-1.0, 0.0, 1e300])
def test_a_clock_that_was_wrong_gives_a_date_all_the_same(started):
    suite = suite_of(record("lint(backend)", started=started, seconds=-5.0))
    assert suite.get("timestamp")[:4] in ("1970", "9999")
    assert suite.get("time") == "0.000"


def test_our_own_reader_of_test_reports_finds_the_failure(tmp_path):
    found = record("tests(backend)", steps=(step("pytest", 1),), **failed("why"))
    path = tmp_path / "unit.xml"
    path.write_text(junit.text([found, record("lint(backend)", started=BEGAN)]))
    results = reader.read(path)
    assert results.tests == 2
    (failure,) = results.failures
    assert failure.name == "tests(backend)::pytest" and failure.kind == "failure"
