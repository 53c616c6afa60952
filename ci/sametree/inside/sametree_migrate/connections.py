"""What do the connections of a migration need, whoever makes them?

SQLAlchemy tells of every connection and statement of its engines, so ``env.py`` stays as
it is. Each connection gets a limit on how long it waits for a lock, and a name; before
CREATE INDEX CONCURRENTLY the INVALID index that an earlier try left is removed.
"""

from __future__ import annotations

import re
import time
from typing import Any

from sqlalchemy import create_engine, event
from sqlalchemy.engine import Engine
from sqlalchemy.pool import NullPool

from .events import report
from .turn import AT_WORK, who

CHECK = "client_connection_check_interval"
"""Lets a statement end whose client was killed, instead of running on (PostgreSQL 14)."""
COMMENTS = re.compile(r"\s*(?:--[^\n]*(?:\n|$)|/\*.*?\*/)", re.S)
NAME = r'(?:"(?:[^"]|"")+"|[^\s"(.;]+)'
INDEX = re.compile(
    r"\s*create\s+(?:unique\s+)?index\s+concurrently\s+(?:if\s+not\s+exists\s+)?"
    rf"(?:(?P<name>{NAME})\s+)?on\s+(?:only\s+)?(?P<table>{NAME}(?:\.{NAME})?)",
    re.I,
)
PATIENT = re.compile(
    r"\s*(?:create\s+(?:unique\s+)?index|drop\s+index|reindex\b[^;]*?)\s+concurrently\b",
    re.I,
)
"""Statements that may wait long: nobody who reads or writes queues behind them."""
WRITES = re.compile(
    rf"\b(?:update|insert\s+into|delete\s+from)\s+(?:only\s+)?"
    rf"(?P<table>{NAME}(?:\.{NAME})?)",
    re.I,
)
INVALID = """
SELECT i.indexrelid::regclass::text,
       EXISTS (
         SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid)
          WHERE l.relation = i.indrelid AND l.granted AND l.pid <> pg_backend_pid()
            AND l.mode IN ('ShareUpdateExclusiveLock', 'ShareLock',
              'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
            AND a.usesysid IS NOT NULL),
       i.indexrelid
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
 WHERE i.indrelid = %s AND NOT i.indisvalid AND (c.relname = %s::text OR %s::text IS NULL)
"""
"""INVALID indexes of a table, and whether somebody (autovacuum has no user) is building
one just now. Everybody may read this, other than pg_stat_progress_create_index."""


class BeingBuilt(Exception):
    """Somebody else builds the index that we want to make; so we come again later."""

    sqlstate = "55P03"


class Building:
    """The index that a statement builds: the table's oid, the name where there is one,
    and which INVALID indexes were there before."""

    def __init__(self, table: int, name: str | None, before: set[int]) -> None:
        self.table = table
        self.name = name
        self.before = before


class Connections:
    """Cares for all connections that are made from now until :meth:`close`.

    ``lock_timeout`` is in seconds; ``patience`` is for statements that may wait long.
    """

    def __init__(self, lock_timeout: float, patience: float) -> None:
        self.lock_timeout = lock_timeout
        self.patience = max(patience, lock_timeout)
        self.pids: dict[int, int] = {}  # by identity of the driver's connection
        self.revision = ""
        self.building: Building | None = None
        self._began: float | None = None
        self._rows: dict[str, list[int]] = {}
        self._told = 0.0
        self._engines: set[Engine] = set()
        self._heard = (
            (Engine, "connect", self._connected),
            (Engine, "close", self._closed),
            (Engine, "before_cursor_execute", self._before),
            (Engine, "after_cursor_execute", self._after),
        )
        for target, name, function in self._heard:
            event.listen(target, name, function)

    def close(self) -> None:
        """Leave new connections alone from now on."""
        for target, name, function in self._heard:
            event.remove(target, name, function)

    def begin(self, revision: str) -> None:
        """Count anew, for ``revision``."""
        self.revision, self.building = revision, None
        self._rows, self._told, self._began = {}, time.monotonic(), None

    def leave(self) -> None:
        """Close what pools keep: many an env.py makes an engine for each revision, and
        the server has but a hundred connections."""
        for engine in self._engines:
            engine.dispose()
        self._engines.clear()

    def busy(self) -> tuple[list[int], float]:
        """Return the server's processes of our connections while a statement runs, and
        for how many seconds it has."""
        began = self._began
        if began is None:
            return [], 0.0
        return list(self.pids.values()), time.monotonic() - began

    def end_statement(self) -> float:
        """Know that the statement has failed; return for how many seconds it ran."""
        began, self._began = self._began, None
        return 0.0 if began is None else time.monotonic() - began

    def rows(self) -> dict[str, list[int]]:
        """Return how many rows and statements each table had, outside transactions."""
        return dict(self._rows)

    def _connected(self, connection: Any, record: Any) -> None:
        if type(connection).__module__.startswith("sqlite3"):
            return  # some env.py keeps notes in a file
        cursor = connection.cursor()
        try:
            cursor.execute("SELECT pg_backend_pid()")
            self.pids[id(connection)] = cursor.fetchone()[0]
            settings = {
                "application_name": f"{AT_WORK} by {who()}"[:63],
                "lock_timeout": _milliseconds(self.lock_timeout),
                # The role's limit is meant for requests, not for building an index.
                "statement_timeout": "0",
            }
            for name, value in settings.items():
                cursor.execute("SELECT set_config(%s, %s, false)", (name, value))
            connection.commit()  # else a rollback would take it back
            try:
                cursor.execute(
                    "SELECT set_config(name, '1000', false) FROM pg_settings"
                    " WHERE name = %s",
                    (CHECK,),
                )
                connection.commit()
            except Exception:  # a system that cannot ask whether a client lives
                connection.rollback()
        finally:
            cursor.close()

    def _closed(self, connection: Any, record: Any) -> None:
        self.pids.pop(id(connection), None)

    def _before(
        self,
        conn: Any,
        cursor: Any,
        statement: str,
        values: Any,
        context: Any,
        many: Any,
    ) -> None:
        raw = conn.connection.dbapi_connection
        if id(raw) not in self.pids:
            return
        self._engines.add(conn.engine)
        plain = without_comments(statement)
        patient = bool(PATIENT.match(plain))
        self._wait_at_most(
            raw, conn.info, self.patience if patient else self.lock_timeout
        )
        if found := INDEX.match(plain):
            self._make_room(raw, unquoted(found["name"]), found["table"])
        self._began = time.monotonic()

    def _after(
        self,
        conn: Any,
        cursor: Any,
        statement: str,
        values: Any,
        context: Any,
        many: Any,
    ) -> None:
        raw = conn.connection.dbapi_connection
        if id(raw) not in self.pids:
            return
        self._began = None
        self.building = None
        if getattr(raw, "autocommit", False):
            self._count(statement, cursor.rowcount)

    def _wait_at_most(self, raw: Any, info: dict[Any, Any], seconds: float) -> None:
        """Set the lock_timeout of a connection, unless it has it."""
        if info.get("sametree_lock_timeout", self.lock_timeout) == seconds:
            return
        cursor = raw.cursor()
        value = _milliseconds(seconds)
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", (value,))
        cursor.close()
        info["sametree_lock_timeout"] = seconds

    def _make_room(self, raw: Any, name: str | None, table: str) -> None:
        """Remove the INVALID index of an earlier try that is in the way of a new one."""
        cursor = raw.cursor()
        try:
            cursor.execute("SELECT to_regclass(%s)::oid::bigint", (table,))
            oid = cursor.fetchone()[0]
            if oid is None:
                return  # the statement itself will say so
            cursor.execute(INVALID, (oid, name, name))
            found = cursor.fetchall()
            if name is not None:
                self._drop(cursor, found)
                found = []
            self.building = Building(oid, name, {row[2] for row in found})
        finally:
            cursor.close()

    def clean(self, url: str) -> None:
        """Remove the INVALID index that the statement which just failed has left."""
        building, self.building = self.building, None
        if building is None:
            return
        engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                cursor = connection.connection.cursor()
                cursor.execute(INVALID, (building.table, building.name, building.name))
                rows = cursor.fetchall()
                self._drop(
                    cursor, [row for row in rows if row[2] not in building.before]
                )
        except Exception as error:  # the next try, or run, removes it
            report("left invalid", error=type(error).__name__)
        finally:
            engine.dispose()

    def _drop(self, cursor: Any, rows: list[Any]) -> None:
        for index, built, _ in rows:
            if built:
                raise BeingBuilt(f"somebody else is at work on the index {index}")
            cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index}")
            report("removed", index=index, revision=self.revision)

    def _count(self, statement: str, rows: int) -> None:
        """Count the rows that a statement outside a transaction has changed."""
        found = WRITES.search(without_comments(statement))
        if not found:
            return
        table = ".".join(unquoted(part) or "" for part in found["table"].split("."))
        known = self._rows.setdefault(table, [0, 0])
        known[0] += max(rows, 0)
        known[1] += 1
        if time.monotonic() - self._told > 0.25:
            self._told = time.monotonic()
            report(
                "rows",
                revision=self.revision,
                table=table,
                rows=known[0],
                times=known[1],
            )


def without_comments(statement: str) -> str:
    """Return a statement without the comments that it begins with."""
    while found := COMMENTS.match(statement):
        statement = statement[found.end() :]
    return statement


def unquoted(name: str | None) -> str | None:
    """Return an identifier as the catalogue has it: People is people, "People" stays."""
    if name is None:
        return None
    return name[1:-1].replace('""', '"') if name[0] == '"' else name.lower()


def _milliseconds(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}ms"
