"""Which databases do tests get, and what becomes of what they write? A pytest plug-in.

Loaded with PYTEST_PLUGINS or ``-p``. Where the suite has made a migrated template (see
``protocol``), each process clones it before any conftest is loaded, and points
DATABASE_URL at its clone: none can meet the rows of another. See docs/testing.md.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

from . import isolation
from .engines import refusal
from .fixtures import (
    _database_isolation,
    database_connection,
    database_engine,
    database_reset,
    database_session,
    database_transaction,
    database_url,
    own_database,
)
from .process import begin, current, end
from .protocol import WORKER

__all__ = [
    "_database_isolation",
    "database_connection",
    "database_engine",
    "database_reset",
    "database_session",
    "database_transaction",
    "database_url",
    "own_database",
]
PROBLEM = "sametree_problem"
"""The key under which a worker of pytest-xdist tells its controller why it stops."""


def pytest_addoption(parser: pytest.Parser) -> None:
    isolation.add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    start(early_config)


def start(config: pytest.Config) -> None:
    """Give this process its database, before any conftest is loaded."""
    options = config.known_args_namespace
    if options.help or options.version:
        return
    many = getattr(options, "numprocesses", None) or getattr(options, "tx", None)
    try:
        begin(at_once=not many or WORKER in os.environ)
    except Exception as error:
        raise pytest.UsageError(cannot_clone(error)) from None
    if (process := current()) is not None:
        process.engines.allowed = config.getini(isolation.ALLOWED)


def cannot_clone(error: Exception) -> str:
    """Return a message for a process that gets no database."""
    said = str(getattr(error, "orig", None) or error).strip()
    return (
        f"the tests get no database of their own: {type(error).__name__}: {said}\n"
        "  -> is the server that made the template still running? Start the tests anew"
    )


def is_worker(config: pytest.Config) -> bool:
    """Return whether this is a worker of pytest-xdist."""
    return hasattr(config, "workerinput")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "database(isolation): what becomes of what the test writes: transaction, reset,"
        " own or none",
    )
    isolation.checked(config.getini(isolation.OPTION), isolation.OPTION)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Stop before the first test when one of them would work on another database."""
    process = current()
    try:
        isolation.check_all(session.items)
        if process is not None and (wrong := process.engines.wrong()):
            raise pytest.UsageError(refusal(wrong))
    except pytest.UsageError as problem:
        if not is_worker(session.config):
            raise
        told: dict[str, str] = getattr(session.config, "workeroutput")
        told[PROBLEM] = str(problem)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Let a worker that has a problem run no test: its controller hears of it."""
    told = getattr(session.config, "workeroutput", {})
    return True if PROBLEM in told else None


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Stop the whole run, with the message that one of the workers has sent."""
    if problem := getattr(node, "workeroutput", {}).get(PROBLEM):
        raise pytest.UsageError(problem)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    end()
