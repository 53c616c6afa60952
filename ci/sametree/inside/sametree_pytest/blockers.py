"""Which transactions has a test left open, that are in the way of the next test?"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

BLOCKED = {"55P03", "40P01"}
"""SQLSTATE of a lock that was not had in time, and of a deadlock."""
OPEN = "SELECT pid, state, application_name, query, seconds FROM sametree.open"
LONGEST = 300
"""Characters of a statement that are shown."""


def is_blocked(error: BaseException) -> bool:
    """Return whether a driver's ``error`` says that somebody else had the lock."""
    return sqlstate(error) in BLOCKED


def sqlstate(error: BaseException) -> str:
    """Return the SQLSTATE of an error of psycopg, psycopg2 or pg8000."""
    for name in ("sqlstate", "pgcode"):
        if code := getattr(error, name, None):
            return str(code)
    fields = error.args[0] if error.args else None
    return str(fields.get("C", "")) if isinstance(fields, dict) else ""


def end_open(rows: Callable[[str], list[Any]], patience: float) -> str:
    """End the transactions that the test has left open; return what they did.

    They have ``patience`` seconds to end by themselves: a server in a thread may be
    about to. ``rows`` runs a query on a connection of our own.
    """
    if not (found := _after(rows, patience)):
        return ""
    for row in found:
        rows(f"SELECT pg_terminate_backend({int(row[0])})")
    _after(rows, patience)
    return "\n".join(described(found))


def _after(rows: Callable[[str], list[Any]], patience: float) -> list[Any]:
    deadline = time.monotonic() + patience
    while (found := rows(OPEN)) and time.monotonic() < deadline:
        time.sleep(0.005)
    return found


def described(found: list[Any]) -> Iterator[str]:
    """Yield, for each session, what it is and which statement came last."""
    for _pid, state, application, query, seconds in found:
        named = f" of {application}" if application else ""
        text = " ".join(str(query).split())
        if len(text) > LONGEST:
            text = text[: LONGEST - 1] + "…"
        yield f"  {state}{named}, for {seconds:.1f} s, its last statement: {text}"
