"""How does a database in memory become again what it was before a test?

By copying it as a whole, which takes less than a millisecond, and only when somebody
has changed it: sqlite.org/pragma.html#pragma_data_version.
"""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING

from .reset import Left

if TYPE_CHECKING:
    from .clones import Sqlite
    from .process import Process

PATIENCE = 2.0
"""Seconds that a reset waits for a transaction which the test has left open."""


class SqliteReset:
    """Keeps a copy of the process's database, and puts it back."""

    def __init__(self, process: Process, databases: Sqlite) -> None:
        self._process = process
        self._main = databases.open(timeout=PATIENCE)
        self._copy = sqlite3.connect(":memory:", check_same_thread=False)
        self._version = -1

    def before(self) -> None:
        """Remember the database as it is: so it shall be again after the test."""
        if self._changed():
            copy(self._main, self._copy)

    def after(self) -> None:
        """Undo what has been committed since.

        Raises Left when the test has a transaction open. It is ended, and all is
        undone then, too.
        """
        try:
            self._put_back()
        except (TimeoutError, sqlite3.OperationalError):
            self._process.engines.let_go(self._process.url, in_use=True)
            self._put_back()
            raise Left(
                "the test left a transaction open, which was in the way\n"
                "  -> end it in the test: leave sessions and connections with `with`, and"
                " commit or roll back"
            ) from None

    def _put_back(self) -> None:
        if self._changed():
            self._version = -1
            copy(self._copy, self._main)
            self._changed()

    def close(self) -> None:
        """Let go of both databases."""
        self._main.close()
        self._copy.close()

    def _changed(self) -> bool:
        """Return whether there was a change since this was asked before."""
        (version,) = self._main.execute("PRAGMA data_version").fetchone()
        changed = bool(version != self._version)
        self._version = version
        return changed


def copy(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Copy a whole database. Raises TimeoutError when it stays locked."""
    deadline = time.monotonic() + PATIENCE

    def locked(_status: int, _remaining: int, _total: int) -> None:
        if time.monotonic() > deadline:
            raise TimeoutError

    source.backup(target, progress=locked, sleep=0.01)
