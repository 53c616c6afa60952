"""How does a database become again what it was before a test, in a millisecond?

The database itself notes which tables are written (see ``reset.sql``). Putting them back
is one call of a function in it. After DDL it is replaced by a fresh clone.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import blockers

if TYPE_CHECKING:
    from sqlalchemy.pool import PoolProxiedConnection

    from .process import Process

PREPARE = Path(__file__).with_name("reset.sql")
PATIENCE = 2
"""Seconds that a reset waits for a transaction which the test has left open."""
ROOM = 1 << 16
"""Bytes that a table may grow before its dead rows are cleared away."""


class Left(Exception):
    """The test left something behind that was in the way of the next one."""


class Reset:
    """Puts the process's database back, over one connection of its own."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._connection: PoolProxiedConnection | None = None
        self._sizes: dict[str, int] = {}

    def before(self) -> None:
        """Remember the database as it is: so it shall be again after the test."""
        try:
            prepared = self._connection is not None and self._ask("before") != "ddl"
        except Exception:  # a test has ended our connection, or dropped what is ours
            self.close()
            prepared = False
        if not prepared:
            self._prepare()

    def after(self) -> None:
        """Undo what has been committed since.

        Raises Left when a transaction that the test had not ended was in the way. It is
        ended, and all is undone then, too.
        """
        left = ""
        answer = self._answer()
        if answer == "open":
            if left := blockers.end_open(self._rows, PATIENCE):
                self._process.engines.let_go(self._process.url)
            answer = self._answer()
            if answer == "open":
                left = left or "  it was begun before the test"
        if answer in ("ddl", "open"):
            self._replace()
        elif answer:
            self._clear(answer)
        if left:
            raise Left(
                f"the test left a transaction open, which was in the way:\n{left}\n"
                "  -> end it in the test: leave sessions and connections with `with`, and"
                " commit or roll back"
            )

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _answer(self) -> str:
        """Put back; what cannot be put back is replaced. On a given server nobody notes
        DDL, but it shows in that a table is not as it was."""
        try:
            return self._ask("after")
        except Exception as error:
            return "open" if blockers.is_blocked(error) else "ddl"

    def _prepare(self) -> None:
        if self._connection is None:
            self._connection = self._connect()
        self._execute(PREPARE.read_text(encoding="utf-8"))

    def _connect(self) -> PoolProxiedConnection:
        from sqlalchemy import create_engine
        from sqlalchemy.pool import NullPool

        engine = create_engine(
            self._process.url, poolclass=NullPool, isolation_level="AUTOCOMMIT"
        )
        connection = engine.raw_connection()
        cursor = connection.cursor()
        cursor.execute(f"SET lock_timeout = '{PATIENCE}s'")
        cursor.close()
        return connection

    def _replace(self) -> None:
        self.close()
        self._sizes.clear()
        self._process.replace()

    def _clear(self, grown: str) -> None:
        """Clear dead rows away: nobody else does where autovacuum is off."""
        for each in grown.split():
            table, _, size = each.partition(":")
            if int(size) <= 2 * self._sizes.get(table, 0) + ROOM:
                continue
            name = "SELECT name FROM sametree.tables WHERE relation = "
            for statement in (
                f"VACUUM {self._rows(name + table)[0][0]}",
                "VACUUM sametree.written",
            ):
                self._execute(statement)
            left = self._rows(f"SELECT pg_relation_size({table}::oid)")
            self._sizes[table] = left[0][0]

    def _ask(self, function: str) -> str:
        return str(self._rows(f"SELECT sametree.{function}()")[0][0])

    def _execute(self, statement: str) -> None:
        self._rows(statement)

    def _rows(self, statement: str) -> list[Any]:
        assert self._connection is not None
        cursor = self._connection.cursor()
        try:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []
        finally:
            cursor.close()
