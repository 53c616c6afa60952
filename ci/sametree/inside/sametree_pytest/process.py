"""Which database is this process's own, and what works on it?

There is one :class:`Process` in each process that runs tests. It is made before any
conftest is loaded, so that the application can be imported anywhere.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .addresses import place_of
from .clones import Postgres, Sqlite, databases
from .engines import Engines
from .protocol import ADDRESS, INSIDE, Told, told

if TYPE_CHECKING:
    from sqlalchemy import URL

    from .reset import Reset
    from .sqlite_reset import SqliteReset


class Process:
    """The databases of this process, and the engines that are made in it.

    ``problem`` says why no test may run; it is empty when they may.
    """

    def __init__(self, given: Told) -> None:
        from sqlalchemy import make_url

        self.databases: Postgres | Sqlite = databases(given)
        self.engines = Engines(place_of(given), self.databases.identity)
        self.address = self.databases.url()
        self.url: URL = make_url(self.address)
        self.problem = ""
        self._made = False
        self._reset: Reset | SqliteReset | None = None

    def begin(self, *, at_once: bool) -> None:
        """Point DATABASE_URL at the process's database, and watch the engines.

        The database is made ``at_once``, or when the first engine connects to it:
        the controller of pytest-xdist runs no test, and seldom needs one.
        """
        os.environ[ADDRESS] = self.address
        self.engines.watch()
        if at_once:
            os.environ[INSIDE] = "1"
            self._make()
        else:
            self.engines.before_connecting = self._make

    def _make(self) -> None:
        self.engines.before_connecting = None
        if not self._made:
            self._made = True
            self.databases.make()

    def replace(self) -> None:
        """Put a fresh clone in the place of the process's database.

        Engines that lead there connect anew when they are used next.
        """
        self.engines.let_go(self.url)
        self.databases.make()

    @property
    def reset(self) -> Reset | SqliteReset:
        """What makes the database again what it was before a test."""
        if self._reset is None:
            if isinstance(self.databases, Sqlite):
                from .sqlite_reset import SqliteReset

                self._reset = SqliteReset(self, self.databases)
            else:
                from .reset import Reset

                self._reset = Reset(self)
        return self._reset

    def end(self) -> None:
        """Let go of what this process holds; its databases go with their server."""
        if self._reset is not None:
            self._reset.close()
        self.databases.close()


_current: Process | None = None


def begin(*, at_once: bool = True) -> None:
    """Give this process its database, when the suite has made a template for it."""
    global _current
    given = told()
    if given is not None and _current is None:
        _current = Process(given)
        _current.begin(at_once=at_once)


def current() -> Process | None:
    """Return what :func:`begin` has made, if anything."""
    return _current


def end() -> None:
    """Put away what :func:`begin` has made."""
    global _current
    if _current is not None:
        _current.end()
        _current = None
    os.environ.pop(INSIDE, None)
