"""Which database an environment has."""

import pytest

from sametree.database import environments
from sametree.errors import SurroundingsError, UsageError
from sametree.settings.model import Environment, Settings

STAGING = Environment(database="STAGING_DATABASE_URL")
SETTINGS = Settings(environments={"staging": STAGING})


def test_the_development_database_is_always_there():
    assert environments.find(SETTINGS, "local").database == "DATABASE_URL"


def test_a_wrong_name_is_told_with_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'staging'") as told:
        environments.find(SETTINGS, "stagin")
    assert "[tool.sametree.environments.stagin]" in told.value.cure
    with pytest.raises(UsageError) as told:
        environments.find(SETTINGS, "--help")
    assert told.value.cure == "invoke --help migrate"


def test_a_variable_that_is_not_set_is_named():
    with pytest.raises(SurroundingsError, match="STAGING_DATABASE_URL is not set"):
        environments.address_of("staging", STAGING, {})


def test_a_malformed_address_is_told_with_the_variable_and_without_the_secret():
    environ = {"STAGING_DATABASE_URL": "mysql://ada:secret@host/x"}
    with pytest.raises(UsageError) as told:
        environments.address_of("staging", STAGING, environ)
    assert "STAGING_DATABASE_URL" in str(told.value)
    assert "STAGING_STAGING" not in str(told.value)
    assert "secret" not in str(told.value)


def test_the_password_is_hidden_in_each_form():
    url = "postgresql://ada:a%2Fb%20c@host/x"
    where = environments.address_of("s", STAGING, {"STAGING_DATABASE_URL": url})
    assert environments.secrets_of(where) == {"a/b c", "a%2Fb%20c", "a/b%20c"}
