"""The environment of a step: what is allowed of the outer one, and what is fixed."""

import pytest

from sametree import surroundings


def test_a_variable_that_nobody_declared_does_not_reach_a_step():
    outer = {"EDITOR": "vi", "PYTHONPATH": "/elsewhere", "DATABASE_URL": "secret"}
    assert surroundings.clean(outer) == surroundings.FIXED


@pytest.mark.parametrize(
    "name",
    [
        *("HOME", "PATH", "CI", "GITHUB_ACTIONS", "NO_COLOR", "HTTPS_PROXY"),
        *("SSL_CERT_FILE", "UV_INDEX_URL", "npm_config_registry", "SAMETREE_RUN_ID"),
    ],
)
def test_what_the_machine_needs_to_work_stays(name):
    assert surroundings.clean({name: "value"})[name] == "value"


@pytest.mark.parametrize("name", ["TZ", "LC_ALL", "LANG", "PYTHONHASHSEED"])
def test_no_machine_has_its_own_time_zone_language_or_hash_seed(name):
    assert surroundings.clean({name: "its own"}) == surroundings.FIXED
    assert surroundings.FIXED[name] != "its own"


def test_our_own_environment_is_meant_unless_another_is_given(monkeypatch):
    monkeypatch.setenv("TERM", "set by the test")
    monkeypatch.setenv("UNDECLARED", "set by the test")
    assert surroundings.clean()["TERM"] == "set by the test"
    assert "UNDECLARED" not in surroundings.clean()


def test_what_is_returned_may_be_changed_without_harm():
    surroundings.clean({})["TZ"] = "Mars/Olympus"
    assert surroundings.clean({})["TZ"] == "UTC"
