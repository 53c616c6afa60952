"""Declared variables in a whole run: what is missing, who gets what, what is never shown."""

import textwrap

import pytest

from sametree import records

LEAK = """
import os

from sample import double


def test_double():
    assert double(2) == 4
    assert os.environ["PORT"] == "8080"
    assert "EXTRA" not in os.environ


def test_leak():
    print(f"the key is {os.environ['KEY']}")
    assert os.environ["KEY"] == "other"
"""
VARIABLES = """
[tool.sametree.variables.KEY]
type = "secret"
[tool.sametree.variables.PORT]
type = "int"
"""
SECRET = "hunter22-<&>"


@pytest.fixture
def leaking(sample):
    """A project that needs two variables, and whose tests print one of them."""
    sample.settings(VARIABLES)
    sample.write({"test_sample.py": LEAK})
    return sample


def test_all_that_is_missing_is_told_before_anything_runs(leaking):
    ran = leaking.nox("-s", "tests", env={"PORT": "http"})
    assert ran.code == 1, ran
    assert "KEY: is missing; expected a secret" in ran.output
    assert "PORT: expected a whole number, such as 8080 (it is 'http')" in ran.output
    assert "test session starts" not in ran.output


GITHUB = {"GITHUB_ACTIONS": "true", "CI": "true", "KEY": SECRET, "PORT": "08080"}


@pytest.mark.proof
@pytest.mark.parametrize("options", [(), ("-j2",)], ids=["in turn", "side by side"])
@pytest.mark.parametrize("where", ["at home", "on GitHub"])
def test_no_secret_is_shown_or_written_wherever_the_run_is(leaking, where, options):
    if where == "at home":
        leaking.write({".env": f"KEY='{SECRET}'\nPORT=08080\nEXTRA=1\n"})
    ran = leaking.nox(
        *options, "-s", "tests", "lint", env=GITHUB if where == "on GitHub" else {}
    )
    assert ran.code == 1, ran
    told = [line for line in ran.output.splitlines() if "::add-mask::" in line]
    assert told == ([f"::add-mask::{SECRET}"] if where == "on GitHub" else [])
    shown = ran.output.replace(f"::add-mask::{SECRET}", "")
    assert "the key is ***" in shown
    assert "hunter22" not in shown
    for folder in (".sametree", "reports"):
        for path in (leaking.root / folder).rglob("*"):
            assert not path.is_file() or b"hunter22" not in path.read_bytes(), path
    if where == "at home":
        assert "no step gets EXTRA" in ran.output
    state = leaking.root / ".sametree"
    (run,) = records.runs(state)
    (record,) = [r for r in records.read(state, run) if r.unit.startswith("tests")]
    assert record.parts["variable:KEY"] == "set"
    assert (record.environment["KEY"], record.environment["PORT"]) == ("", "8080")


@pytest.mark.proof
def test_another_value_is_another_run_and_another_secret_is_not(leaking):
    passing = textwrap.dedent(LEAK).partition("\n\n\ndef test_leak")[0] + "\n"
    leaking.write({"test_sample.py": passing.replace(' == "8080"', "")})
    leaking.commit()
    env = {"KEY": SECRET, "PORT": "1"}
    options = ("-s", "tests", "--", "--no-cov")
    assert leaking.nox(*options, env=env).code == 0
    assert "proven" in leaking.nox(*options, env={**env, "KEY": "renewed"}).output
    assert "1 passed" in leaking.nox(*options, env={**env, "PORT": "2"}).output
