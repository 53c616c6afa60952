"""What did each statement of a migration do, when it ran on tables of a given size?

The figures of `nox -s check`, as data: who plans a migration shows them. Times are for
people; nothing is decided by them.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Phase = Literal["expand", "contract"]

LOCKS = (
    *("AccessShareLock", "RowShareLock", "RowExclusiveLock"),
    *("ShareUpdateExclusiveLock", "ShareLock", "ShareRowExclusiveLock"),
    *("ExclusiveLock", "AccessExclusiveLock"),
)
"""Modes of a table's lock as ``pg_locks`` names them, the weakest first.
(postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES)"""
BLOCKS_WRITES = frozenset(LOCKS[4:])
"""Modes in which nobody else can write rows (they conflict with RowExclusiveLock)."""
BLOCKS_READS = frozenset(LOCKS[7:])
"""Modes in which nobody else can read (they conflict with AccessShareLock)."""


def stronger(one: str, other: str) -> str:
    """Return the stronger of two modes; an empty one is the weakest.

    >>> stronger("", "ShareLock"), stronger("AccessExclusiveLock", "ShareLock")
    ('ShareLock', 'AccessExclusiveLock')
    """
    order = ("", *LOCKS)
    return max(one, other, key=order.index)


class Table(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one statement did to one table that was there before its revision.

    ``lock`` is the strongest mode that it took itself, ``held`` what its transaction
    held on the table when it ended. ``rows`` is how many rows the table had, ``read``
    how many were read by whole scans, ``written`` how many were inserted, changed or
    deleted. ``work`` says what it did that takes the longer the more rows there are:
    ``rewrite`` (a new file for the table), ``scan``, ``write`` (of rows that are there),
    ``insert``.
    """

    name: str  # schema.table; without the schema in "public"
    lock: str = ""
    held: str = ""
    rows: int = 0
    read: int = 0
    written: int = 0
    work: tuple[str, ...] = ()

    @property
    def blocks(self) -> Literal["reads", "writes", ""]:
        """What others could not do to the table while the statement ran."""
        if self.held in BLOCKS_READS:
            return "reads"
        return "writes" if self.held in BLOCKS_WRITES else ""


class Statement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One statement of an upgrade: text without values of parameters, and what it did.

    ``line`` is the line of the migration file that sent it, 0 when it was none.
    ``transaction`` counts the transactions of the revision; a statement with
    ``autocommit`` was one by itself. ``times`` is how often in a row it was sent, by
    the same line; ``seconds`` is for all of them. Several, as in a loop, that differ in
    constants only count as the same.
    """

    sql: str
    seconds: float = 0.0
    line: int = 0
    transaction: int = 0
    autocommit: bool = False
    times: int = 1
    tables: tuple[Table, ...] = ()

    @property
    def lock(self) -> str:
        """The strongest mode that the statement took on a table, or nothing."""
        found = ""
        for table in self.tables:
            found = stronger(found, table.lock)
        return found

    @property
    def rewrite(self) -> bool:
        """Whether a table was written anew."""
        return any("rewrite" in table.work for table in self.tables)

    @property
    def rows(self) -> int:
        """How many rows were inserted, changed or deleted in tables that were there."""
        return sum(table.written for table in self.tables)


class Revision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one revision's upgrade did, on tables of ``size`` rows.

    ``file`` is relative to the component's folder. ``down_seconds`` is what its
    downgrade took. ``notes`` tell what could not be measured.
    """

    revision: str
    title: str
    phase: Phase = "expand"
    file: str = ""
    size: int = 0
    seconds: float = 0.0
    down_seconds: float = 0.0
    statements: tuple[Statement, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def lock(self) -> str:
        """The strongest mode that a statement took on a table, or nothing."""
        found = ""
        for statement in self.statements:
            found = stronger(found, statement.lock)
        return found

    @property
    def rewrite(self) -> bool:
        """Whether a table was written anew."""
        return any(statement.rewrite for statement in self.statements)
