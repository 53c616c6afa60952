"""jest's results become the reports that every component has."""

import json
from pathlib import Path

import pytest

from sametree.testing import jest, junit

FOLDER = Path("/project/page")


def case(name, status="passed", messages=(), duration=3):
    """Return a test as jest 30 writes it with ``--json`` (what we do not read is cut)."""
    return {
        "ancestorTitles": [],
        "duration": duration,
        "failureMessages": list(messages),
        "fullName": name,
        "location": {"column": 5, "line": 2},
        "status": status,
        "title": name,
    }


def suite(name, *cases, status="passed", message=""):
    return {
        "assertionResults": list(cases),
        "endTime": 1795374509201,
        "message": message,
        "name": name,
        "startTime": 1795374508718,
        "status": status,
        "summary": "",
    }


FAILED = suite(
    "/project/page/src/App.test.tsx",
    case("App adds", "failed", ["Error: expected 2\n    at src/App.test.tsx:2:36"], 17),
    case("App <shows> & hides"),
    case("App later", "pending", duration=None),
    case("App some day", "todo", duration=None),
    status="failed",
)
BROKEN = suite(
    "/project/page/src/load.test.tsx",
    status="failed",
    message="Cannot find module './nowhere' from 'src/load.test.tsx'",
)
PASSED = suite("/elsewhere/x.test.ts", case("x"))


@pytest.fixture
def reports(tmp_path):
    """Return a function that writes jest's results and collects them."""

    def collected(*suites):
        path = tmp_path / "jest.json"
        path.write_text(json.dumps({"testResults": suites}), encoding="utf-8")
        jest.collect(tmp_path, FOLDER)
        return tmp_path

    return collected


def attributes(suites, *names):
    root = jest.junit({"testResults": suites}, FOLDER).getroot()
    return [tuple(element.get(name) for name in names) for element in root]


def test_each_file_is_a_suite_with_its_counts():
    found = attributes(
        [FAILED, BROKEN, PASSED], "name", "tests", "failures", "errors", "skipped"
    )
    assert found == [
        ("src/App.test.tsx", "4", "1", "0", "2"),
        ("src/load.test.tsx", "1", "0", "1", "0"),
        ("/elsewhere/x.test.ts", "1", "0", "0", "0"),
    ]


def test_times_are_in_seconds():
    root = jest.junit({"testResults": [FAILED]}, FOLDER).getroot()
    assert root[0].get("time") == "0.483"
    assert [each.get("time") for each in root[0]] == [
        "0.017",
        "0.003",
        "0.000",
        "0.000",
    ]


def test_failures_are_read_back_with_name_file_and_message(reports):
    results = junit.read(reports(FAILED, PASSED) / "junit.xml")
    assert results.tests == 5
    (failure,) = results.failures
    assert failure.name == "src/App.test.tsx::App adds"
    assert failure.file == "src/App.test.tsx"
    assert failure.kind == "failure"
    assert failure.message.startswith("Error: expected 2")


def test_a_file_that_could_not_be_loaded_is_an_error(reports):
    (failure,) = junit.read(reports(BROKEN) / "junit.xml").failures
    assert failure.kind == "error"
    assert failure.file == "src/load.test.tsx"
    assert "Cannot find module" in failure.message


def test_results_with_coloured_messages_are_read_back(reports):
    message = "Error: \033[2mexpect(\033[22m\033[31mreceived\033[39m"
    told = suite("/project/page/a.test.ts", case("a", "failed", [message]))
    results = junit.read(reports(told) / "junit.xml")
    assert "received" in results.failures[0].message


def test_a_name_with_special_characters_is_read_back(reports):
    path = reports(FAILED) / "junit.xml"
    assert "App &lt;shows&gt; &amp; hides" in path.read_text(encoding="utf-8")


def test_coverage_gets_the_names_that_pytest_gives(tmp_path):
    (tmp_path / "cobertura-coverage.xml").write_text("new")
    (tmp_path / "coverage.xml").write_text("old")
    (tmp_path / "html").mkdir()
    (tmp_path / "html" / "old.html").touch()
    (tmp_path / "lcov-report").mkdir()
    (tmp_path / "lcov-report" / "index.html").touch()
    jest.collect(tmp_path, FOLDER)
    assert (tmp_path / "coverage.xml").read_text() == "new"
    assert [path.name for path in (tmp_path / "html").iterdir()] == ["index.html"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["coverage.xml", "html"]


def test_where_jest_wrote_nothing_there_is_nothing_to_collect(tmp_path):
    jest.collect(tmp_path, FOLDER)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_is_found_at_its_line(reports):
    told = suite("/project/page/a.test.ts", case("a", "failed", ["Error: no"]))
    told["assertionResults"][0]["location"] = {"line": 7, "column": 3}
    (failure,) = junit.read(reports(told) / "junit.xml").failures
    assert (failure.file, failure.line) == ("a.test.ts", 7)
