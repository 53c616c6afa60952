"""What does each statement of a migration do to tables that were there before it?

Listens to SQLAlchemy's own events, so that any ``env.py`` is heard, and asks the same
connection after each statement, inside its transaction: which locks are held, how many
rows were read and written, and which tables got a new file. All of these are facts,
which a slower machine does not change.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.pool import Pool

from . import statements
from .asking import run

READ_SHARE, WRITE_SHARE = 0.5, 0.25
"""A statement that reads, or writes, this share of a table takes longer when it grows."""
FEW = 0.1
"""A table with less than this share of the rows that were asked for tells nothing."""

LOCKS = (
    *("AccessShareLock", "RowShareLock", "RowExclusiveLock"),
    *("ShareUpdateExclusiveLock", "ShareLock", "ShareRowExclusiveLock"),
    *("ExclusiveLock", "AccessExclusiveLock"),
)
OBSERVE = """
WITH held AS (
  SELECT relation AS oid, mode FROM pg_locks
   WHERE pid = pg_backend_pid() AND locktype = 'relation' AND relation >= 16384
), told AS (
  SELECT c.oid, pg_relation_filenode(c.oid) AS file, pg_relation_size(c.oid) AS size,
         pg_stat_get_xact_tuples_returned(c.oid) + coalesce((
           SELECT sum(pg_stat_get_xact_tuples_returned(i.indexrelid))
             FROM pg_index i WHERE i.indrelid = c.oid), 0) AS read,
         pg_stat_get_xact_tuples_inserted(c.oid) AS inserted,
         pg_stat_get_xact_tuples_updated(c.oid)
           + pg_stat_get_xact_tuples_deleted(c.oid) AS changed
    FROM pg_class c
   WHERE c.relkind IN ('r', 'm') AND c.oid IN (SELECT oid FROM held)
)
SELECT json_build_object(
  'transaction', (SELECT virtualtransaction FROM pg_locks
                   WHERE pid = pg_backend_pid() LIMIT 1),
  'held', (SELECT json_agg(json_build_array(oid::bigint, mode)) FROM held),
  'told', (SELECT json_agg(json_build_array(
             oid::bigint, file::bigint, size, read, inserted, changed)) FROM told),
  'flush', pg_stat_force_next_flush()::text)::text
"""
SERIAL = """SELECT set_config('max_parallel_workers_per_gather', '0', false),
                   set_config('max_parallel_maintenance_workers', '0', false)"""
KNOWN = """
SELECT c.oid::bigint, CASE WHEN n.nspname = 'public' THEN '' ELSE n.nspname || '.' END
       || c.relname, c.relkind::text, coalesce(i.indrelid, 0)::bigint,
       coalesce(pg_relation_filenode(c.oid), 0)::bigint
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_index i ON i.indexrelid = c.oid
 WHERE c.relkind IN ('r', 'm', 'p', 'i', 'I') AND c.relpersistence <> 't'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
"""


@dataclass
class Touched:
    """What a statement did to one table."""

    lock: str = ""
    held: str = ""
    rows: int = 0
    read: int = 0
    written: int = 0
    work: set[str] = field(default_factory=set)


@dataclass
class Statement:
    """One statement, or several in a row that are the same but for constants."""

    sql: str
    line: int
    transaction: int
    autocommit: bool
    seconds: float = 0.0
    times: int = 1
    tables: dict[str, Touched] = field(default_factory=dict)


@dataclass
class Known:
    """The relations that were there before the revision, and their rows."""

    names: dict[int, str] = field(default_factory=dict)
    tables: dict[int, int] = field(default_factory=dict)  # of an index, its table
    files: dict[int, int] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    few: int = 1

    def table(self, oid: int) -> str:
        """Return the name of a table that was there, of an index that of its table."""
        return self.names.get(self.tables.get(oid, oid), "")


@dataclass
class Seen:
    """What one transaction holds and has done so far."""

    transaction: str = ""
    held: dict[str, str] = field(default_factory=dict)
    done: dict[int, tuple[int, int, int]] = field(default_factory=dict)


def known(connection: Any, tables: dict[str, int], size: int) -> Known:
    """Return what is there now; ``tables`` are those that were filled, with their rows.

    Verdicts on a table with few of the ``size`` rows that were asked for are withheld.
    """
    found = Known(rows=dict(tables), few=max(1, int(size * FEW)))
    for oid, name, kind, table, file in run(connection, KNOWN):
        if kind in "iI":
            found.tables[oid] = table
        elif not name.rpartition(".")[2].startswith("alembic_version"):
            found.names[oid] = name
            found.files[oid] = file
    return found


class Observer:
    """Hears every statement of all engines within :meth:`listening`.

    ``statements`` is what the migration file ``file`` sent since :meth:`begin`.
    """

    def __init__(self) -> None:
        self.file = ""
        self.known = Known()
        self.statements: list[Statement] = []
        self.engines: set[Engine] = set()
        self._seen: dict[int, Seen] = {}
        self._transactions: dict[str, int] = {}
        self._started = 0.0
        self._wrapped = False
        self._alone: re.Match[str] | None = None

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Hear what is sent within the block."""
        heard = (
            (Engine, "before_cursor_execute", self._before),
            (Engine, "after_cursor_execute", self._after),
            (Engine, "handle_error", self._failed),
            (Pool, "connect", _serial),
        )
        for each in heard:
            event.listen(*each)
        try:
            yield
        finally:
            for each in heard:
                event.remove(*each)
            self.dispose()

    def begin(self, file: str, before: Known) -> None:
        """Observe from now on what ``file`` sends; an empty name stops it."""
        self.file, self.known = file, before
        self.statements, self._seen, self._transactions = [], {}, {}

    def dispose(self) -> None:
        """Close the idle connections of all engines that were heard."""
        for engine in self.engines:
            engine.dispose()
        self.engines.clear()

    def _before(
        self, connection: Any, cursor: Any, sql: str, parameters: Any, *rest: Any
    ) -> None:
        self.engines.add(connection.engine)
        self._wrapped, self._alone = False, statements.ALONE.match(sql)
        if not self.file or statements.OUTSIDE.match(sql):
            return
        raw = connection.connection.dbapi_connection
        if self._alone is None:
            now = _ask(raw)
            if getattr(raw, "autocommit", False):
                again = _ask(raw)
                if again["transaction"] != now["transaction"]:
                    # Held together by a transaction, what it did can still be asked.
                    _send(raw, "BEGIN")
                    self._wrapped, now = True, _ask(raw)
            self._settle(raw, now)
        self._started = time.perf_counter()

    def _after(
        self, connection: Any, cursor: Any, sql: str, parameters: Any, *rest: Any
    ) -> None:
        if not self.file or statements.OUTSIDE.match(sql):
            return
        seconds = time.perf_counter() - self._started
        raw = connection.connection.dbapi_connection
        line = _line(self.file)
        if connection.dialect.paramstyle in ("format", "pyformat"):
            sql = sql.replace("%%", "%")
        if self._alone is not None:
            if line and not self._alone["other"]:
                self._take(self._by_itself(sql, line, seconds, raw))
            return
        now = _ask(raw)
        number = self._number(now["transaction"])
        made = Statement(sql.strip(), line, number, self._wrapped, seconds)
        made.tables = self._compare(raw, now)
        if self._wrapped:
            self._wrapped = False
            _send(raw, "COMMIT")
        if line:
            self._take(made)

    def _failed(self, context: Any) -> None:
        if self._wrapped and context.connection is not None:
            self._wrapped = False
            _send(context.connection.connection.dbapi_connection, "ROLLBACK")

    def _settle(self, raw: Any, now: dict[str, Any]) -> None:
        """Take what happened past SQLAlchemy since the last statement (COPY, say)."""
        seen = self._seen.get(id(raw))
        if seen is None or seen.transaction != now["transaction"]:
            self._seen[id(raw)] = Seen(now["transaction"])
            self._compare(raw, now)
            return
        tables = self._compare(raw, now)
        if any(each.lock or each.work or each.written for each in tables.values()):
            number = self._number(now["transaction"])
            sql = "-- sent to the driver itself, past SQLAlchemy"
            self._take(Statement(sql, _line(self.file), number, False, tables=tables))

    def _compare(self, raw: Any, now: dict[str, Any]) -> dict[str, Touched]:
        """Return what is new since the last look at this connection's transaction."""
        seen = self._seen.get(id(raw))
        if seen is None or seen.transaction != now["transaction"]:
            seen = self._seen[id(raw)] = Seen(now["transaction"])
        before, held = seen.held, _strongest(self.known, now["held"] or ())
        found: dict[str, Touched] = {}
        for name, mode in held.items():
            new = mode if LOCKS.index(mode) > _rank(before.get(name, "")) else ""
            found[name] = Touched(new, mode, self.known.rows.get(name, 0))
        for oid, file, size, read, inserted, changed in now["told"] or ():
            was = seen.done.get(oid, (0, 0, 0))
            seen.done[oid] = done = (int(read), int(inserted), int(changed))
            if not (name := self.known.table(oid)) or name not in found:
                continue
            new_file = file != self.known.files.get(oid)
            self.known.files[oid] = file
            _judge(found[name], was, done, new_file and size > 0, self.known.few)
        seen.held = held
        return found

    def _by_itself(self, sql: str, line: int, seconds: float, raw: Any) -> Statement:
        """Return a statement that had to be a transaction of its own."""
        assert self._alone is not None
        made = Statement(sql.strip(), line, 0, True, seconds)
        lock, work = "ShareUpdateExclusiveLock", set[str]()
        if self._alone["rewrite"]:
            lock, work = "AccessExclusiveLock", {"rewrite"}
        if self._alone["opaque"]:
            return made
        for name in statements.targets(sql, set(self.known.names.values())):
            rows = self.known.rows.get(name, 0)
            counted = work if rows >= self.known.few else set[str]()
            made.tables[name] = Touched(lock, lock, rows, work=set(counted))
        return made

    def _number(self, transaction: str) -> int:
        return self._transactions.setdefault(transaction, len(self._transactions) + 1)

    def _take(self, made: Statement) -> None:
        last = self.statements[-1] if self.statements else None
        if (
            last
            and last.line == made.line
            and statements.shape(last.sql) == statements.shape(made.sql)
        ):
            if last.autocommit == made.autocommit and (
                made.autocommit or last.transaction == made.transaction
            ):
                last.times += 1
                last.seconds += made.seconds
                for name, each in made.tables.items():
                    _add(last.tables.setdefault(name, Touched(rows=each.rows)), each)
                return
        self.statements.append(made)


def _judge(
    table: Touched,
    was: tuple[int, int, int],
    done: tuple[int, int, int],
    rewritten: bool,
    few: int,
) -> None:
    """Write down what was done to ``table`` between ``was`` and ``done``.

    What a whole transaction did counts as well as what one statement did: ten updates
    of a tenth each are one of all rows.
    """
    read, inserted, changed = (max(0, d - w) for d, w in zip(done, was, strict=True))
    table.read, table.written = read, inserted + changed
    if table.rows < few:
        return
    for kind, new, old, all_of_it, share in (
        ("scan", read, was[0], done[0], READ_SHARE),
        ("insert", inserted, was[1], done[1], WRITE_SHARE),
        ("write", changed, was[2], done[2], WRITE_SHARE),
    ):
        bound = table.rows * share
        if new >= bound or new and old < bound <= all_of_it:
            table.work.add(kind)
    if rewritten:
        table.work.add("rewrite")


def _add(to: Touched, more: Touched) -> None:
    to.lock = max(to.lock, more.lock, key=_rank)
    to.held = max(to.held, more.held, key=_rank)
    to.read += more.read
    to.written += more.written
    to.work |= more.work


def _strongest(known: Known, held: Any) -> dict[str, str]:
    """Return the strongest lock on each table that was there, by name."""
    found: dict[str, str] = {}
    for oid, mode in held:
        if (name := known.table(oid)) and mode in LOCKS:
            # Who may not use an index can neither read nor write its table.
            if oid in known.tables and mode != "AccessExclusiveLock":
                continue
            found[name] = max(found.get(name, ""), mode, key=_rank)
    return found


def _rank(mode: str) -> int:
    return LOCKS.index(mode) if mode else -1


def _line(file: str) -> int:
    """Return the line of ``file`` that is being executed, 0 when none is."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename == file:
            return frame.f_lineno
        frame = frame.f_back  # type: ignore[assignment]
    return 0


def _ask(raw: Any) -> dict[str, Any]:
    cursor = raw.cursor()
    try:
        cursor.execute(OBSERVE)
        answer: dict[str, Any] = json.loads(cursor.fetchone()[0])
        return answer
    finally:
        cursor.close()


def _send(raw: Any, sql: str) -> None:
    cursor = raw.cursor()
    try:
        cursor.execute(sql)
    finally:
        cursor.close()


def _serial(raw: Any, record: Any) -> None:
    """Have the server do all work in the one process whose statistics we read."""
    _send(raw, SERIAL)
    if not getattr(raw, "autocommit", False):
        raw.commit()
