"""How does a whole test, commits included, happen in one transaction?

While it runs, every engine that leads to the process's database hands out the same
driver connection. What the application takes for its transactions are savepoints on it:
begun at the first statement, released by a commit, rolled back to by a rollback.

The connection is the pool's own, so that what the application sets up for connections
holds here too. Engines of another driver or other options have another connection,
which does not see what happens on the first.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, event
from sqlalchemy.pool import PoolProxiedConnection

from .addresses import same

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection

READS = ("select", "show", "values", "table", "explain")
"""How statements begin that are no reason to take others' work back."""
RAW = "raw_connection"
INSTEAD = '@pytest.mark.database("reset") allows it'


class NotIsolated(Exception):
    """The test does what cannot be had in one transaction."""


class Outer:
    """One driver connection, in a transaction that is never committed.

    ``open`` are the savepoints that stand, the oldest first. Those that are committed
    while a younger one is open stay until that one is gone.
    """

    def __init__(self, engine: Engine, connection: PoolProxiedConnection) -> None:
        self.engine = engine
        self.connection = connection
        self.open: list[Savepoint] = []
        self.ended = False
        self.lock = threading.RLock()
        self._count = 0
        self._sqlite = engine.dialect.name == "sqlite"
        driver: Any = connection.driver_connection
        if self._sqlite:
            # sqlite3 would begin no transaction for a savepoint, and commit at others.
            self._level, driver.isolation_level = driver.isolation_level, None
            self.execute("BEGIN")
        elif getattr(driver, "autocommit", False):
            connection.close()
            _refuse_level({"isolation_level": "AUTOCOMMIT"})

    def execute(self, statement: str) -> None:
        """Send a statement of our own; the application's events do not see it."""
        cursor = self.connection.cursor()
        try:
            cursor.execute(statement)
        finally:
            cursor.close()

    def begin(self) -> Savepoint:
        """Set a savepoint."""
        with self.lock:
            self._count += 1
            made = Savepoint(f"sametree_{self._count}")
            self.execute(f"SAVEPOINT {made.name}")
            self.open.append(made)
            return made

    def commit(self, savepoint: Savepoint) -> None:
        """Keep what happened since ``savepoint``."""
        with self.lock:
            savepoint.kept = True
            if savepoint.wrote or savepoint.holds:
                for older in self.open[: self._place(savepoint)]:
                    if not older.kept:
                        older.holds = True
            while self.open and self.open[-1].kept:
                self.execute(f"RELEASE SAVEPOINT {self.open[-1].name}")
                self.open.pop()

    def rollback(self, savepoint: Savepoint) -> None:
        """Undo what happened since ``savepoint``.

        Raises NotIsolated when another transaction's commit would be undone with it.
        """
        with self.lock:
            if savepoint not in self.open:
                return  # gone with an older one
            place = self._place(savepoint)
            holds = savepoint.holds or any(
                younger.kept and younger.wrote for younger in self.open[place + 1 :]
            )
            if holds and not savepoint.wrote:
                return self.commit(savepoint)  # it has nothing to undo
            self.execute(f"ROLLBACK TO SAVEPOINT {savepoint.name}")
            del self.open[place + 1 :]
            savepoint.kept, savepoint.wrote = True, False
            self.commit(savepoint)
            if holds:
                raise NotIsolated(
                    "two transactions were open at once; the later one was committed,"
                    " the earlier one is rolled back now. Both are one connection in"
                    f" this test, so the commit is undone, too: {INSTEAD}"
                )

    def end(self) -> None:
        """Roll all back, and give the connection to its pool again."""
        self.ended = True
        with suppress(Exception):  # a connection that broke has nothing to roll back
            if self._sqlite:
                self.execute("ROLLBACK")
                setattr(
                    self.connection.driver_connection, "isolation_level", self._level
                )
            else:
                self.engine.dialect.do_rollback(self.connection)
        self.connection.close()

    def _place(self, savepoint: Savepoint) -> int:
        return self.open.index(savepoint) if savepoint in self.open else 0


class Savepoint:
    """What the application takes for a transaction.

    ``wrote`` says that it did more than read, ``kept`` that it is committed, and
    ``holds`` that another one which began later has been committed since.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.wrote = self.kept = self.holds = False


class Joined(PoolProxiedConnection):
    """What an engine hands out: a connection of its own, as far as it can tell."""

    def __init__(self, outer: Outer) -> None:
        self._outer = outer
        self._savepoint: Savepoint | None = None
        self._cursors: weakref.WeakSet[Any] = weakref.WeakSet()
        self._closed = False

    @property
    def dbapi_connection(self) -> Any:  # type: ignore[override]
        """The driver's connection, as the dialect sees it."""
        return None if self._closed else self._outer.connection.dbapi_connection

    @property
    def driver_connection(self) -> Any:  # type: ignore[override]
        """The driver's connection."""
        return None if self._closed else self._outer.connection.driver_connection

    @property
    def connection(self) -> Any:
        """The name that SQLAlchemy 1 had for it."""
        return self.dbapi_connection

    @property
    def is_valid(self) -> bool:
        return not self._closed and not self._outer.ended

    @property
    def is_detached(self) -> bool:
        return False

    @property
    def info(self) -> Any:
        return self._outer.connection.info

    @property
    def record_info(self) -> Any:
        return self._outer.connection.record_info

    def began(self) -> Savepoint:
        """Return the savepoint that the next statement belongs to."""
        if self._outer.ended:
            raise NotIsolated(
                "a connection or session of an earlier test is used, whose transaction"
                " is over: close it in the test that opens it"
            )
        if self._savepoint is None:
            self._savepoint = self._outer.begin()
        return self._savepoint

    def cursor(self, *args: Any, **kwargs: Any) -> Any:
        self.began()
        cursor = self._outer.connection.cursor(*args, **kwargs)
        with suppress(TypeError):
            self._cursors.add(cursor)
        return cursor

    def commit(self) -> None:
        if (ended := self._savepoint) is not None and not self._outer.ended:
            self._savepoint = None
            self._outer.commit(ended)
            self._go_on()

    def rollback(self) -> None:
        if (ended := self._savepoint) is not None and not self._outer.ended:
            self._savepoint = None
            self._outer.rollback(ended)
            self._go_on()

    def _go_on(self) -> None:
        """Begin at once for a cursor that is still open: its next statement passes by."""
        if any(not getattr(each, "closed", False) for each in self._cursors):
            self.began()

    def close(self) -> None:
        if not self._closed:
            self._cursors.clear()
            self.rollback()
            self._closed = True

    def _close_special(self, transaction_reset: bool = False) -> None:
        self.close()

    def detach(self) -> None:
        raise NotIsolated(f"the connection of a test cannot be detached: {INSTEAD}")

    def invalidate(self, e: BaseException | None = None, soft: bool = False) -> None:
        self._closed = True
        if self._outer.connection.is_valid:
            self._outer.connection.invalidate(e, soft)
        self._outer.ended = True

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._outer.connection, name)
        if not name.startswith("_") and callable(found):
            self.began().wrote = True  # a statement past cursor(), as psycopg has it
        return found


@contextmanager
def joined(url: URL) -> Iterator[None]:
    """Let all engines of this process that lead to ``url`` share one transaction.

    It is rolled back at the end of the block.
    """
    connect = Engine.raw_connection
    outers: dict[tuple[str, str], Outer] = {}
    lock = threading.RLock()

    def raw_connection(engine: Engine) -> PoolProxiedConnection:
        if not same(engine.url, url):
            return connect(engine)
        if engine.dialect.is_async:
            raise NotIsolated(f"an asynchronous engine cannot share it: {INSTEAD}")
        _refuse_level(engine.get_execution_options())
        kind = (engine.dialect.driver, str(sorted(engine.url.query.items())))
        with lock:
            outer = outers.get(kind)
            if outer is None or outer.ended:
                outer = outers[kind] = Outer(engine, connect(engine))
            return Joined(outer)

    setattr(Engine, RAW, raw_connection)
    event.listen(Engine, "before_cursor_execute", _note_writing)
    event.listen(Engine, "set_connection_execution_options", _refuse_levels)
    try:
        yield
    finally:
        event.remove(Engine, "set_connection_execution_options", _refuse_levels)
        event.remove(Engine, "before_cursor_execute", _note_writing)
        setattr(Engine, RAW, connect)
        for outer in outers.values():
            outer.end()


def _note_writing(
    connection: Connection, _cursor: object, statement: str, *_more: object
) -> None:
    handed_out = connection.connection
    if isinstance(handed_out, Joined):
        if not statement.lstrip(" \t\r\n(").lower().startswith(READS):
            handed_out.began().wrote = True


def _refuse_levels(connection: Connection, options: Mapping[str, Any]) -> None:
    if isinstance(connection.connection, Joined):
        _refuse_level(options)


def _refuse_level(options: Mapping[str, Any]) -> None:
    if level := options.get("isolation_level"):
        raise NotIsolated(
            f"the isolation level {level} cannot be had within a transaction: {INSTEAD}"
        )
