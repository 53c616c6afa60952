"""Which isolation does a test have? Its marker says it, or the project's pytest option."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import pytest

OPTION = "database_isolation"
ALLOWED = "database_allowed"
MARKER = "database"
FIXTURES = {
    "transaction": "database_transaction",
    "reset": "database_reset",
    "own": "own_database",
}
NONE = "none"
USAGE = '@pytest.mark.database("transaction" | "reset" | "own" | "none")'


def add_options(parser: pytest.Parser) -> None:
    """Declare what a project can say for all its tests."""
    parser.addini(
        OPTION,
        f"isolation of tests without a marker: {', '.join(FIXTURES)} or {NONE}",
        default=NONE,
    )
    parser.addini(
        ALLOWED,
        "databases that tests may use although they were not made for them, in the words"
        " of the message that refuses them",
        type="linelist",
        default=[],
    )


def of(item: pytest.Item) -> str:
    """Return the isolation of a test; raises UsageError when its marker is wrong."""
    marker = item.get_closest_marker(MARKER)
    if marker is None:
        return str(item.config.getini(OPTION))
    if len(marker.args) != 1 or marker.kwargs:
        raise pytest.UsageError(f"{item.nodeid}: write {USAGE}")
    return checked(marker.args[0], f"{item.nodeid}: @pytest.mark.{MARKER}")


def checked(value: object, where: str) -> str:
    """Return ``value`` when it is an isolation; raises UsageError with the choices."""
    choices = [*FIXTURES, NONE]
    if value in choices:
        return str(value)
    near = difflib.get_close_matches(str(value), choices, n=1)
    meant = f"; did you mean {near[0]!r}?" if near else ""
    raise pytest.UsageError(
        f"{where}: there is no isolation {value!r}{meant}"
        f" There is {', '.join(choices[:-1])} or {choices[-1]}"
    )


def check_all(items: Iterable[pytest.Item]) -> None:
    """Raise UsageError when the marker of one of the tests is wrong."""
    for item in items:
        of(item)
