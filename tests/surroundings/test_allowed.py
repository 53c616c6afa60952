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


def test_the_suite_keeps_the_key_that_signs_records_from_steps():
    outer = {"SAMETREE_RECORDS_KEY": "k", "SAMETREE_MASKED": "x", "SAMETREE_JOBS": "2"}
    assert surroundings.clean(outer) == {"SAMETREE_JOBS": "2", **surroundings.FIXED}


@pytest.mark.parametrize(
    ("outer", "found"),
    [
        ({"SAMETREE_RECORDS_KEY": "the-key"}, {"the-key"}),
        ({"DATABASE_URL": "postgresql://ada:hunter22@db/app"}, {"hunter22"}),
        ({"UV_INDEX_OWN_PASSWORD": "hunter22"}, {"hunter22"}),
        ({"UV_PUBLISH_TOKEN": "tok-en"}, {"tok-en"}),
        ({"npm_config_//host/:_authToken": "tok-en"}, {"tok-en"}),
        ({"UV_INDEX_URL": "https://ada:hunter22@host/simple"}, {"hunter22"}),
        ({"HTTPS_PROXY": "http://ada:hunter22@proxy:3128"}, {"hunter22"}),
        ({"PATH": "/bin", "UV_INDEX_URL": "https://host/simple"}, set()),
        ({"GITHUB_TOKEN": "no step gets it"}, set()),
        ({"SAMETREE_RECORDS_KEY": "", "UV_PUBLISH_TOKEN": ""}, set()),
    ],
)
def test_the_secrets_among_what_is_allowed_are_known(outer, found):
    assert surroundings.credentials(outer) == found
