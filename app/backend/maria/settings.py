"""What does the environment say, and is all of it usable?"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Self

from click import ClickException
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")
MAX_PAGE_SIZE = 100
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class SettingsError(ClickException):
    """The environment cannot be used; ``problems`` lists all that is wrong with it.

    Being a click exception, it is printed by ``flask`` without a traceback.
    """

    exit_code = 2

    def __init__(self, problems: list[str]) -> None:
        listed = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(f"maria cannot start, the environment is wrong:{listed}")
        self.problems = tuple(problems)


def database_url(text: str) -> URL:
    """Return the address of a PostgreSQL database, for the psycopg driver."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ValueError("is not an address") from None
    if url.drivername not in SCHEMES:
        raise ValueError(f"must begin with {'://, '.join(SCHEMES)}://")
    if not url.database:
        raise ValueError("names no database")
    return url.set(drivername="postgresql+psycopg")


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Return a reader of whole numbers from ``least`` to ``most``."""

    def read(text: str) -> int:
        if text.isascii() and text.isdigit() and len(text) < 10:
            if least <= int(text) <= most:
                return int(text)
        raise ValueError(f"must be a whole number from {least} to {most}")

    return read


def log_level(text: str) -> str:
    """Return the name of a log level."""
    if text.upper() not in LOG_LEVELS:
        raise ValueError(f"must be one of {', '.join(LOG_LEVELS)}")
    return text.upper()


def variable(
    name: str,
    read: Callable[[str], Any],
    example: str,
    default: Any = MISSING,
    secret: bool = False,
) -> Any:
    """Declare a setting: its variable, reader, example and default, in one place."""
    metadata = {"name": name, "read": read, "example": example, "secret": secret}
    return field(default=default, repr=not secret, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All that can be set from outside. The address may hold a password: no repr."""

    database_url: URL = variable(
        "DATABASE_URL",
        database_url,
        example="postgresql://maria@localhost/maria",
        secret=True,
    )
    page_size: int = variable(
        "MARIA_PAGE_SIZE", whole_number(1, MAX_PAGE_SIZE), example="20", default=20
    )
    pool_size: int = variable(
        "MARIA_POOL_SIZE", whole_number(1, 100), example="5", default=5
    )
    statement_timeout_ms: int = variable(
        "MARIA_STATEMENT_TIMEOUT_MS",
        whole_number(1, 600_000),
        example="5000",
        default=5000,
    )
    log_level: str = variable(
        "MARIA_LOG_LEVEL", log_level, example="INFO", default="INFO"
    )

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read all settings, or raise one error that lists all problems."""
        return cls(**_read(environ, [setting.name for setting in fields(cls)]))


def database_url_from(environ: Mapping[str, str] = os.environ) -> URL:
    """Return the one setting that migrating needs; the others may be wrong."""
    url: URL = _read(environ, ["database_url"])["database_url"]
    return url


def _read(environ: Mapping[str, str], wanted: list[str]) -> dict[str, Any]:
    """Read the ``wanted`` settings; those that are absent or empty keep a default."""
    values: dict[str, Any] = {}
    problems: list[str] = []
    for setting in fields(Settings):
        if setting.name not in wanted:
            continue
        name, example = setting.metadata["name"], setting.metadata["example"]
        text = environ.get(name, "")
        if not text:
            if setting.default is MISSING:
                problems.append(f"{name} is not set; for example {name}={example}")
            continue
        try:
            values[setting.name] = setting.metadata["read"](text)
        except ValueError as error:
            met = "" if setting.metadata["secret"] else f", not {text!r}"
            problems.append(f"{name} {error}{met}; for example {name}={example}")
    if problems:
        raise SettingsError(problems)
    return values
