"""What does the environment say, and is all of it usable?"""

from __future__ import annotations

import pytest

from maria.settings import Settings, SettingsError, database_url_from

URL = "postgresql://maria:hunter2@db.internal:5433/maria"


@pytest.mark.parametrize(
    "scheme", ["postgresql://", "postgres://", "postgresql+psycopg://"]
)
def test_any_spelling_of_the_address_means_psycopg(scheme: str) -> None:
    url = Settings.from_environment({"DATABASE_URL": f"{scheme}u@h/d?a=b"}).database_url

    assert url.render_as_string() == "postgresql+psycopg://u@h/d?a=b"


def test_only_the_address_is_needed() -> None:
    settings = Settings.from_environment({"DATABASE_URL": URL, "MARIA_LOG_LEVEL": ""})

    assert settings.page_size == 20
    assert settings.pool_size == 5
    assert settings.statement_timeout_ms == 5000
    assert settings.log_level == "INFO"


def test_everything_can_be_set() -> None:
    settings = Settings.from_environment(
        {
            "DATABASE_URL": URL,
            "MARIA_PAGE_SIZE": "100",
            "MARIA_POOL_SIZE": "1",
            "MARIA_STATEMENT_TIMEOUT_MS": "250",
            "MARIA_LOG_LEVEL": "debug",
        }
    )

    assert settings.page_size == 100
    assert settings.pool_size == 1
    assert settings.statement_timeout_ms == 250
    assert settings.log_level == "DEBUG"


def test_all_problems_are_said_at_once() -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.from_environment(
            {
                "MARIA_PAGE_SIZE": "101",
                "MARIA_POOL_SIZE": "five",
                "MARIA_STATEMENT_TIMEOUT_MS": "0",
                "MARIA_LOG_LEVEL": "LOUD",
            }
        )

    assert raised.value.problems == (
        "DATABASE_URL is not set; "
        "for example DATABASE_URL=postgresql://maria@localhost/maria",
        "MARIA_PAGE_SIZE must be a whole number from 1 to 100, not '101'; "
        "for example MARIA_PAGE_SIZE=20",
        "MARIA_POOL_SIZE must be a whole number from 1 to 100, not 'five'; "
        "for example MARIA_POOL_SIZE=5",
        "MARIA_STATEMENT_TIMEOUT_MS must be a whole number from 1 to 600000, not '0'; "
        "for example MARIA_STATEMENT_TIMEOUT_MS=5000",
        "MARIA_LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL, "
        "not 'LOUD'; for example MARIA_LOG_LEVEL=INFO",
    )


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("hunter2", "is not an address"),
        ("postgresql://u:hunter2@h:port/d", "is not an address"),
        ("mysql://u:hunter2@h/d", "must begin with postgresql://, postgres://"),
        ("postgresql+asyncpg://u:hunter2@h/d", "must begin with postgresql://"),
        ("postgresql://u:hunter2@h", "names no database"),
    ],
)
def test_a_wrong_address_is_explained_but_not_shown(url: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=f"DATABASE_URL {problem}") as raised:
        Settings.from_environment({"DATABASE_URL": url})

    assert "hunter2" not in str(raised.value)


def test_the_password_is_in_no_representation() -> None:
    assert "hunter2" not in repr(Settings.from_environment({"DATABASE_URL": URL}))


def test_migrating_needs_the_address_only() -> None:
    environ = {"DATABASE_URL": URL, "MARIA_LOG_LEVEL": "LOUD"}

    assert database_url_from(environ).host == "db.internal"
