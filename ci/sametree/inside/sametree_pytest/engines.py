"""Which engines were made in this process, where, and do they work on our database?

A project that makes its engine before the tests can name their database works, with
passing tests, on its development database, and may drop its tables. Two nets catch
that: the addresses of all engines are looked at before the first test, and a connection
to another address is asked which database it is before anybody uses it.
"""

from __future__ import annotations

import gc
import os
import sys
import sysconfig
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from .addresses import Place, described, same

if TYPE_CHECKING:
    from sqlalchemy import Engine

HERE = str(Path(__file__).parent)
IDENTITY = (
    "SELECT extract(epoch FROM pg_postmaster_start_time())::text"
    " || ' ' || current_database()"
)
"""What no two servers and databases have in common. The identifier of the system would
not do: embedded servers are made of copies."""
EARLY = "an import before pytest's plug-ins"


class WrongDatabase(Exception):
    """An engine has connected to a database that was not made for the tests."""


class Engines:
    """The engines of this process, each with the file and line that made it.

    ``allowed`` are databases, in the words of ``described``, that tests may use although
    we did not make them. ``before_connecting`` is called before each connection.
    """

    def __init__(self, place: Place, ask: Callable[[], str]) -> None:
        self.place = place
        self.made: weakref.WeakKeyDictionary[Engine, str] = weakref.WeakKeyDictionary()
        self.allowed: Sequence[str] = ()
        self.before_connecting: Callable[[], None] | None = None
        self._open: weakref.WeakKeyDictionary[Engine, weakref.WeakSet[Any]]
        self._open = weakref.WeakKeyDictionary()
        self._ask = ask
        self._identity = ""

    def watch(self) -> None:
        """Learn of each engine from now on, and of those that there are already."""
        there = "sqlalchemy" in sys.modules
        from sqlalchemy import Engine
        from sqlalchemy.engine.interfaces import Dialect

        if there:
            for each in [it for it in gc.get_objects() if isinstance(it, Engine)]:
                self.note(each, EARLY)

        # A hook of SQLAlchemy's dialects, called by create_engine for each engine.
        def noted(_dialect: type[Dialect], engine: Engine) -> None:
            if where := caller(sys._getframe(1)):
                self.note(engine, where)

        setattr(Dialect, "engine_created", classmethod(noted))

    def note(self, engine: Engine, where: str) -> None:
        """Remember who made ``engine``, and look at each connection that it makes."""
        from sqlalchemy import event

        if engine in self.made:
            return
        self.made[engine] = where
        looked = partial(self._connected, weakref.ref(engine), where)
        event.listen(engine.pool, "connect", looked, insert=True)
        event.listen(engine, "do_connect", self._connecting)

    def wrong(self) -> list[str]:
        """Return, for each living engine that leads elsewhere, whither and who made it."""
        if any(self._elsewhere()):
            gc.collect()  # an engine that nobody has any more does no harm
        found = self._elsewhere()
        return sorted({f"{described(each.url)}, made at {at}" for each, at in found})

    def of(self, url: Any) -> Iterator[Engine]:
        """Yield the engines that lead to the database of ``url``."""
        for engine in list(self.made):
            if same(engine.url, url):
                yield engine

    def let_go(self, url: Any, *, in_use: bool = False) -> None:
        """Close the idle connections of the engines that lead to ``url``.

        Those that are in use break, too, where that is asked for.
        """
        for engine in self.of(url):
            if engine.dialect.is_async:
                continue
            for record in list(self._open.get(engine, ())) if in_use else ():
                with suppress(Exception):
                    record.dbapi_connection.close()
            engine.dispose()

    def _elsewhere(self) -> Iterator[tuple[Engine, str]]:
        for engine, where in list(self.made.items()):
            if self.place.has(engine.url) is False and not self._allowed(engine):
                yield engine, where

    def _allowed(self, engine: Engine) -> bool:
        return described(engine.url) in self.allowed

    def _connecting(self, *_about: object) -> None:
        if self.before_connecting is not None:
            self.before_connecting()

    def _connected(
        self, engine: weakref.ref[Engine], where: str, connection: Any, record: Any
    ) -> None:
        """Close ``connection`` and raise WrongDatabase when it leads elsewhere.

        By now it is open: whether an address can be reached at all is the tests' own
        affair, and some of them try what happens when it cannot.
        """
        made = engine()
        if made is not None and made.dialect.name == "sqlite":
            self._open.setdefault(made, weakref.WeakSet()).add(record)
        if made is None or self.place.has(made.url) or self._allowed(made):
            return
        if made.dialect.name == "postgresql" and self._is_here(connection):
            return
        connection.close()
        raise WrongDatabase(refusal([f"{described(made.url)}, made at {where}"]))

    def _is_here(self, connection: Any) -> bool:
        if not self.place.template:
            return False
        cursor = connection.cursor()
        cursor.execute(IDENTITY)
        row = cursor.fetchone()
        cursor.close()
        connection.rollback()
        said = str(next(iter(row.values())) if isinstance(row, dict) else row[0])
        server, _, name = said.partition(" ")
        self._identity = self._identity or self._ask().partition(" ")[0]
        return server == self._identity and self.place.admits(name)


def refusal(found: Sequence[str]) -> str:
    """Return the message that stops tests which work on other databases."""
    listed = "\n".join(f"  {each}" for each in found)
    several = len(found) > 1
    return (
        f"the tests would work on {'databases' if several else 'a database'} that"
        f" {'were' if several else 'was'} not made for them:\n{listed}\n"
        "  -> read the address from the variable DATABASE_URL, which names the tests'"
        " own database\n"
        "     before the application is imported; let it win over .env and"
        " configuration files. When the\n"
        "     tests shall use that database too, list it in pytest's option"
        " database_allowed"
    )


def caller(frame: FrameType | None) -> str:
    """Return the file and line from which ``frame`` was called, as a person sees it.

    That is the first that is not of an installed package, else the first outside of
    SQLAlchemy. Empty when it is this plug-in that calls.
    """
    standard = sysconfig.get_path("stdlib")
    outside = ""
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(HERE):
            return outside
        parts = Path(file).parts
        if not file.startswith("<") and "sqlalchemy" not in parts:
            where = f"{_shortened(file)}:{frame.f_lineno}"
            if "site-packages" not in parts and not file.startswith(standard):
                return where
            outside = outside or where
        frame = frame.f_back
    return outside or EARLY


def _shortened(file: str) -> str:
    try:
        return str(Path(file).relative_to(os.getcwd()))
    except ValueError:
        return file
