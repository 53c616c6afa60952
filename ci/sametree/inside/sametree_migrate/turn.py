"""Whose turn is it to migrate the database, and who holds what we wait for?

The lock is held by this very program, on a connection of its own in autocommit mode: it
lives as long as the work does, whoever else is killed, and whatever ``env.py`` does.
"""

from __future__ import annotations

import getpass
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from .events import GAVE_UP, Stop, report

LOCK = (0x5A3E, 0)
"""Key of the advisory lock: our class, and 0 for "who changes the schema"."""
AT_WORK = "sametree migration"
"""Begins the application_name of each connection that migrates, never of one that only
waits: what bears it while we have the lock is what a killed run left on the server."""
OFTEN, SELDOM = 0.2, 5.0
"""Seconds between two looks: while a statement runs, and while none does."""

HOLDER = """
SELECT a.pid, a.application_name, a.usename,
       extract(epoch FROM clock_timestamp() - a.backend_start)::float AS seconds
  FROM pg_locks l JOIN pg_stat_activity a USING (pid)
 WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
   AND l.classid = {0} AND l.objid = {1}
   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
""".format(*LOCK)
# Not the text of anybody's statement: it may hold what nobody should read.
BLOCKERS = """
SELECT DISTINCT b.pid, b.application_name, b.usename, b.state,
       extract(epoch FROM clock_timestamp() - b.xact_start)::float AS seconds,
       l.mode, l.relation::regclass::text AS on
  FROM pg_stat_activity w
 CROSS JOIN LATERAL unnest(pg_blocking_pids(w.pid)) AS p (pid)
  JOIN pg_stat_activity b ON b.pid = p.pid
  LEFT JOIN pg_locks l ON l.pid = w.pid AND NOT l.granted
 WHERE w.pid IN ({})
"""
LEFT_BEHIND = f"""
SELECT pid FROM pg_stat_activity
 WHERE datname = current_database() AND application_name LIKE '{AT_WORK}%'
"""


def who() -> str:
    """Return who we are, as ``pg_stat_activity`` shall show it."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()} {os.getpid()}"


class Turn:
    """A connection that takes the lock, holds it, and looks around meanwhile."""

    def __init__(self, url: str) -> None:
        engine = create_engine(
            url, poolclass=NullPool, isolation_level="AUTOCOMMIT", future=True
        )
        self._connection = engine.connect()
        self._one = threading.Lock()
        name = f"sametree migrate, the turn of {who()}"[:63]
        self.ask("SELECT set_config('application_name', :name, false)", name=name)
        # A server that ends idle sessions must not take our lock (PostgreSQL 14).
        self.ask(
            "SELECT set_config(name, '0', false) FROM pg_settings"
            " WHERE name IN ('idle_session_timeout', 'statement_timeout')"
        )

    def ask(self, query: str, **values: object) -> list[dict[str, Any]]:
        """Return the rows of a query; one at a time, from whichever thread."""
        with self._one:
            rows = self._connection.execute(text(query), values)
            return [dict(row) for row in rows.mappings()] if rows.returns_rows else []

    def close(self) -> None:
        """Give up the lock, with the connection."""
        with self._one:
            self._connection.close()

    def take(self, patience: float) -> None:
        """Take the lock; report for whom we wait, and give up after ``patience`` seconds.

        It is tried again and again rather than waited for: a statement that waits is a
        transaction, for whose end CREATE INDEX CONCURRENTLY of the holder would wait.
        """
        began = time.monotonic()
        told, told_at = None, 0.0
        query = "SELECT pg_try_advisory_lock({}, {}) AS mine".format(*LOCK)
        while not self.ask(query)[0]["mine"]:
            holder = next(iter(self.ask(HOLDER)), None)
            waited = time.monotonic() - began
            if waited > patience:
                report("turn denied", holder=holder, waited=waited)
                raise Stop(GAVE_UP)
            if holder and (holder["pid"] != told or waited - told_at > 30):
                told, told_at = holder["pid"], waited
                report("turn waits", holder=holder, waited=waited)
            time.sleep(min(0.05 + waited / 10, 0.5))
        report("turn taken", waited=time.monotonic() - began)

    def held(self) -> bool:
        """Return whether the lock is still ours: the connection lives."""
        try:
            self.ask("SELECT 1")
        except Exception:  # of whichever driver
            return False
        return True

    def end_left_behind(self, patience: float = 10.0) -> None:
        """End what a killed run left on the server: statements run on without a client.

        We hold the lock, so nobody who migrates has a connection but such. Raises Stop
        when one does not end.
        """
        deadline = time.monotonic() + patience
        found = self.ask(LEFT_BEHIND)
        if found:
            report("left behind", pids=[row["pid"] for row in found])
        while found:
            for row in found:
                self._end(row["pid"])
            if time.monotonic() > deadline:
                report("stuck", pids=[row["pid"] for row in found])
                raise Stop(GAVE_UP)
            time.sleep(0.05)
            found = self.ask(LEFT_BEHIND)

    def _end(self, pid: int) -> None:
        try:
            self.ask(f"SELECT pg_terminate_backend({int(pid)})")
        except Exception:  # another role's: it has to end by itself
            pass

    def blockers(self, pids: Iterable[int]) -> list[dict[str, Any]]:
        """Return who holds what our connections wait for."""
        listed = ", ".join(str(int(pid)) for pid in pids)
        return self.ask(BLOCKERS.format(listed)) if listed else []


class Alone:
    """The turn of who migrates a file of SQLite: nobody else knows of it."""

    def take(self, patience: float) -> None:
        report("turn taken", waited=0.0)

    def held(self) -> bool:
        return True

    def end_left_behind(self) -> None:
        pass

    def ask(self, query: str) -> None:
        pass

    def blockers(self, pids: Iterable[int]) -> list[dict[str, Any]]:
        return []

    def close(self) -> None:
        pass


class Watch(threading.Thread):
    """Sees, while a statement runs, who holds what it waits for.

    ``busy`` returns the server's process ids of our connections while a statement runs,
    and for how many seconds it has; after ``long`` of them it is told who is waited for.
    """

    def __init__(
        self,
        turn: Turn | Alone,
        busy: Callable[[], tuple[list[int], float]],
        long: float,
    ) -> None:
        super().__init__(daemon=True, name="sametree-watch")
        self._turn = turn
        self._busy = busy
        self._long = long
        self._ending = threading.Event()
        self._seen: dict[int, dict[str, Any]] = {}
        self._told: set[int] = set()
        self._at = time.monotonic()

    def run(self) -> None:
        """Look; called by the thread."""
        while not self._ending.wait(OFTEN):
            pids, seconds = self._busy()
            if not pids and time.monotonic() - self._at < SELDOM:
                continue
            self._at = time.monotonic()
            try:
                if pids:
                    self._note(self._turn.blockers(pids), seconds)
                else:
                    self._turn.ask("SELECT 1")  # lest a firewall forgets us
            except Exception:  # the lock is lost: seen at the next border
                return

    def _note(self, found: list[dict[str, Any]], seconds: float) -> None:
        for each in found:
            self._seen[each["pid"]] = each
            if seconds > self._long and each["pid"] not in self._told:
                self._told.add(each["pid"])
                report("lock waits", blocker=each, waited=seconds)

    def taken(self) -> list[dict[str, Any]]:
        """Return who was seen since the last call."""
        seen, self._seen, self._told = list(self._seen.values()), {}, set()
        return seen

    def end(self) -> None:
        """Stop looking."""
        self._ending.set()
        self.join()
