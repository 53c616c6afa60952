"""How is the development database copied under a name, and brought back in an instant?

PostgreSQL copies a database as files, when nobody is connected to it. While it does, it
lets new connections wait; those that are there are ended, and the application connects
again. A copy, and the way back, is there whole or not at all: it is made under another
name, and gets its own by renaming, in one transaction.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from sametree.database import server
from sametree.database.address import Address
from sametree.database.given import LOCK_CLASS
from sametree.errors import SurroundingsError, UsageError
from sametree.settings import Project
from sametree.settings.decode import nearest

if TYPE_CHECKING:
    import psycopg

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,20}")
COPY, MAKING, OLD = "__copy_", "__making", "__old"
"""Ends of our databases' names: a named copy, one that is being made, one replaced."""
TRIES = 5
IN_USE = "55006"
TURN = (LOCK_CLASS, 1)
"""Advisory lock of who copies; two at once would end each other's connections."""


class Snapshot(msgspec.Struct, frozen=True):
    """A named copy: when it was taken (seconds since 1970 UTC), its size in bytes."""

    name: str
    taken: float
    size: int


@contextmanager
def at_hand(project: Project) -> Iterator[Copies]:
    """Give the copies of the development database, for the length of the block.

    Raises UsageError for a database on a given server: we did not make it, and others
    may be at work there.
    """
    if server.given() is not None:
        raise UsageError(
            f"{server.VARIABLE} names a server that is not ours: copies are of the"
            " development database on the checkout's own server only",
            f"unset {server.VARIABLE}, or use pg_dump there",
        )
    with server.development(project) as address:
        maintenance = address.named("postgres")
        with server.connection(maintenance) as admin:
            admin.execute("SELECT pg_advisory_lock(%s, %s)", TURN)
            copies = Copies(admin, maintenance, address.database)
            copies.sweep()
            yield copies


class Copies:
    """The development database ``database`` and its copies, on one server of ours."""

    def __init__(
        self, admin: psycopg.Connection, maintenance: Address, database: str
    ) -> None:
        self._admin = admin
        self._maintenance = maintenance
        self.database = database
        self._making = f"{database}{MAKING}"
        self._old = f"{database}{OLD}"

    def taken(self) -> list[Snapshot]:
        """Return the copies, the newest first."""
        rows = self._admin.execute(
            "SELECT datname, shobj_description(oid, 'pg_database'),"
            " pg_database_size(oid) FROM pg_database WHERE starts_with(datname, %s)",
            [f"{self.database}{COPY}"],
        )
        stem = len(self.database) + len(COPY)
        found = [Snapshot(name[stem:], _taken(told), size) for name, told, size in rows]
        return sorted(found, key=lambda each: -each.taken)

    def snapshot(self, name: str) -> None:
        """Copy the database under ``name``. Raises UsageError when that is taken."""
        place = self._named(name)
        if self._is_there(place):
            raise UsageError(
                f"there is a copy {name} already",
                f"take another name, or `invoke db.drop {name}`",
            )
        self._clone(self.database, self._making)
        self._admin.execute(
            f"COMMENT ON DATABASE \"{self._making}\" IS 'taken {time.time():.3f}'".encode()
        )
        self._rename([(self._making, place)])

    def restore(self, name: str) -> None:
        """Make the database what the copy ``name`` is; the copy stays."""
        place = self._known(name)
        self._clone(place, self._making)
        self._rename([(self.database, self._old), (self._making, self.database)])
        self._drop(self._old)

    def drop(self, name: str) -> None:
        """Remove the copy ``name``."""
        self._drop(self._known(name))

    def sweep(self) -> None:
        """Remove what a killed call has left."""
        for left in (self._making, self._old):
            self._drop(left)

    def _known(self, name: str) -> str:
        place = self._named(name)
        if not self._is_there(place):
            known = [each.name for each in self.taken()]
            raise UsageError(
                f"there is no copy {name!r}: {nearest(name, known, 'copies')}",
                "`invoke db.list` lists them",
            )
        return place

    def _named(self, name: str) -> str:
        if not NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} cannot be the name of a copy",
                "small letters, digits, - and _, at most 21",
            )
        place = f"{self.database}{COPY}{name}"
        if len(place) > 63:
            raise UsageError(f"{name!r} is too long: {place} has over 63 characters")
        return place

    def _is_there(self, database: str) -> bool:
        query = "SELECT 1 FROM pg_database WHERE datname = %s"
        return self._admin.execute(query, [database]).fetchone() is not None

    def _clone(self, source: str, target: str) -> None:
        self._undisturbed(
            [source],
            lambda: self._do(f'CREATE DATABASE "{target}" TEMPLATE "{source}"'),
        )

    def _rename(self, names: list[tuple[str, str]]) -> None:
        def rename() -> None:
            with self._admin.transaction():
                for old, new in names:
                    self._do(f'ALTER DATABASE "{old}" RENAME TO "{new}"')

        self._undisturbed([old for old, _ in names], rename)

    def _drop(self, database: str) -> None:
        self._do(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    def _do(self, statement: str) -> None:
        self._admin.execute(statement.encode())

    def _undisturbed(self, databases: list[str], do: object) -> None:
        """Call ``do`` while nobody is connected to ``databases``.

        Once the statement has its lock, new connections wait for it, and it waits five
        seconds for those that are there: so they are ended while it does.
        """
        import psycopg

        assert callable(do)
        for _ in range(TRIES):
            ended = threading.Event()
            one = threading.Thread(
                target=_end_sessions, args=(self._maintenance, databases, ended)
            )
            one.start()
            try:
                do()
                return
            except psycopg.Error as error:
                if error.sqlstate != IN_USE:
                    raise
            finally:
                ended.set()
                one.join()
        raise SurroundingsError(
            f"{self.database} is always in use: sessions come back at once",
            "stop what connects to it, and run this again",
        )


def _end_sessions(
    maintenance: Address, databases: list[str], ended: threading.Event
) -> None:
    """End the sessions on ``databases``, again and again, until the event is set."""
    query = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = ANY(%s) AND pid <> pg_backend_pid()"
    )
    with server.connection(maintenance) as admin:
        while True:
            admin.execute(query, [databases])
            if ended.wait(0.01):
                return


def _taken(comment: str | None) -> float:
    found = re.fullmatch(r"taken ([0-9.]+)", comment or "")
    return float(found[1]) if found else 0.0
