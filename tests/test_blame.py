"""Failure or error? A whole run of Nox says whose fault it is, also on GitHub's page."""

import json
import os
import re

import pytest

pytestmark = pytest.mark.proof

REFUSED = """
import socket

import pytest


@pytest.mark.parametrize("number", range(5))
def test_server(number):
    socket.create_connection(("127.0.0.1", 1))
"""
HOOK = """
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Hook(BuildHookInterface):
    def initialize(self, version, build_data):
        with open("/dev/full", "w") as file:
            file.write("x")
"""


def last_records(sample):
    """Return the records of the last run, by unit."""
    run = max((sample.root / ".sametree" / "runs").iterdir(), key=lambda p: p.name)
    told = [json.loads(path.read_text()) for path in run.glob("*.json")]
    return {each["cicd.pipeline.task.name"]: each for each in told}


def result(sample, unit="tests(sample)"):
    record = last_records(sample)[unit]
    return record["cicd.pipeline.task.run.result"], record["reason"]


def test_a_refused_server_is_an_error_and_an_assertion_beside_it_a_failure(sample):
    sample.write({"test_server.py": REFUSED})
    ran = sample.nox("-s", "tests")
    assert ran.code == 1
    told, reason = result(sample)
    assert told == "error"
    assert reason.startswith(
        "5 of 7 tests failed, 1 cause, not by the code: a connection was refused:"
    )
    assert "-> start what should listen there" in reason
    assert "could not run" in ran.output
    sample.write({"test_wrong.py": "def test_wrong():\n    assert 1 == 2\n"})
    sample.nox("-s", "tests")
    told, reason = result(sample)
    assert told == "failure"
    assert reason.splitlines()[:3] == [
        "6 of 8 tests failed, 2 causes:",
        "  test_wrong::test_wrong: assert 1 == 2",
        "  5 tests: not the code: a connection was refused",
    ]


def test_a_variable_missing_in_conftest_is_an_error_that_says_what_to_do(sample):
    sample.write({"conftest.py": 'import os\n\nKEY = os.environ["API_KEY"]\n'})
    ran = sample.nox("-s", "tests")
    told, reason = result(sample)
    assert (ran.code, told) == (1, "error")
    assert "the variable API_KEY is not set" in reason
    assert "[tool.sametree.variables]: API_KEY" in reason


def test_a_mistake_in_conftest_is_a_failure(sample):
    sample.write({"conftest.py": "import no_such_module\n"})
    sample.nox("-s", "tests")
    assert result(sample)[0] == "failure"


def test_tests_that_the_machine_kills_are_an_error(sample):
    killed = "import os\n\n\ndef test_killed():\n    os.kill(os.getpid(), 9)\n"
    sample.write({"test_killed.py": killed})
    sample.nox("-s", "tests")
    told, reason = result(sample)
    assert told == "error" and "SIGKILL" in reason


def test_a_build_on_a_full_disk_is_an_error(sample):
    if not os.path.exists("/dev/full"):
        pytest.skip("needs a device of Linux")
    sample.write({"hatch_build.py": HOOK})
    sample.settings("\n[tool.hatch.build.hooks.custom]\n")
    sample.nox("-s", "build")
    told, reason = result(sample, "build(sample)")
    assert told == "error" and "the disk is full" in reason


def test_a_migration_that_finds_no_variable_is_an_error(with_database):
    env = with_database.text("migrations/env.py")
    asks = 'import os\n\nKEY = os.environ["API_KEY"]\n'
    with_database.write({"migrations/env.py": asks + env})
    with_database.nox("-s", "migrate")
    told, reason = result(with_database, "migrate(sample)")
    assert told == "error" and "the variable API_KEY is not set" in reason


def test_a_page_on_github_tells_verdicts_failing_lines_and_how_to_repeat_it(sample):
    sample.write(
        {
            "test_wrong.py": "def test_wrong():\n    print('::error::no')\n"
            "    assert '`|<b>' == 2\n",
            "bad.py": "import os\n",
        }
    )
    sample.commit()
    page = sample.root.parent / "page.md"
    env = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(page), "CI": "true"}
    ran = sample.nox("-s", "lint", "tests", "build", env=env)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("### 1 of 3 passed, in ")
    revision = sample.git("rev-parse", "HEAD").strip()
    assert (
        f"git fetch origin {revision} && git checkout {revision}"
        " && nox -s 'tests(sample)'"
    ) in text
    assert "bad.py:1:1  'os' imported but unused" in text
    assert "assert '`|<b>' == 2" in text
    # The step's own output is folded, and what it says is not obeyed.
    word = re.search(r"::group::pytest\n::stop-commands::(\w+)\n", ran.output)
    assert word, ran
    folded, _, after = ran.output[word.end() :].partition(f"\n::{word[1]}::\n")
    assert "::error::no" in folded and "::endgroup::" not in folded
    assert after.startswith("::endgroup::\n")
    assert "::error file=test_wrong.py,line=1" in after
