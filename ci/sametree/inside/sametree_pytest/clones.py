"""How is a database made for this process, or for one test, out of the template?"""

from __future__ import annotations

import itertools
import sqlite3
from typing import TYPE_CHECKING

from .engines import IDENTITY
from .protocol import Told

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine

FILE_COPY_SINCE = 150_000
"""The first server_version_num whose CREATE DATABASE knows STRATEGY."""


class Postgres:
    """Clones of a template on a PostgreSQL server."""

    def __init__(self, told: Told) -> None:
        from sqlalchemy import make_url

        self.told = told
        self.template: URL = make_url(told.template)
        self._numbers = itertools.count(1)
        self._engine: Engine | None = None
        self._strategy: str | None = None

    def name(self, number: int = 0) -> str:
        """Return a name that the template's owner knows as that of a clone."""
        own = f"{self.template.database}__{self.told.worker}"
        return f"{own}_{number}" if number else own

    def url(self, number: int = 0) -> str:
        """Return the address of the process's database, or of its clone ``number``."""
        # Not by SQLAlchemy, which leaves spaces as they are: libpq wants them encoded.
        address, mark, options = self.told.template.partition("?")
        server, _, _ = address.rpartition("/")
        return f"{server}/{self.name(number)}{mark}{options}"

    def next(self) -> int:
        """Return a number that no clone of this process has."""
        return next(self._numbers)

    def make(self, number: int = 0) -> None:
        """Make that database out of the template; one that is there already goes."""
        name = self.name(number)
        with self._admin().connect() as admin:
            if self._strategy is None:
                # A copy of files is faster only where fsync is off: on our own servers.
                version = admin.exec_driver_sql("SHOW server_version_num").scalar_one()
                copies = self.told.own and int(version) >= FILE_COPY_SINCE
                self._strategy = " STRATEGY FILE_COPY" if copies else ""
            admin.exec_driver_sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            admin.exec_driver_sql(
                f'CREATE DATABASE "{name}" TEMPLATE "{self.template.database}"'
                + self._strategy
            )

    def drop(self, number: int = 0) -> None:
        """Drop that database, and end whoever is connected to it."""
        with self._admin().connect() as admin:
            admin.exec_driver_sql(
                f'DROP DATABASE IF EXISTS "{self.name(number)}" WITH (FORCE)'
            )

    def identity(self) -> str:
        """Return what no other server says of itself."""
        with self._admin().connect() as admin:
            return str(admin.exec_driver_sql(IDENTITY).scalar_one())

    def close(self) -> None:
        """Close the connection with which databases are made."""
        if self._engine is not None:
            self._engine.dispose()

    def _admin(self) -> Engine:
        from sqlalchemy import create_engine

        if self._engine is None:
            # Tests that ask for clones ask for many: its one connection stays open.
            self._engine = create_engine(
                self.told.maintenance, isolation_level="AUTOCOMMIT", pool_pre_ping=True
            )
        return self._engine


class Sqlite:
    """Databases in this process's memory, filled from the template's file.

    Each lives as long as the connection that is kept here.
    """

    def __init__(self, told: Told) -> None:
        self.told = told
        self._numbers = itertools.count(1)
        self._kept: dict[int, sqlite3.Connection] = {}

    def name(self, number: int = 0) -> str:
        """Return the name of the database among those in memory."""
        own = f"sametree_{self.told.worker}"
        return f"{own}_{number}" if number else own

    def _file(self, number: int) -> str:
        # Not ``mode=memory&cache=shared``: there, whoever reads a table locks it against
        # writers, and SQLAlchemy says that its pool for it goes.
        return f"file:/{self.name(number)}?vfs=memdb"

    def url(self, number: int = 0) -> str:
        """Return the address of the process's database, or of its clone ``number``."""
        return f"sqlite:///{self._file(number)}&uri=true"

    def next(self) -> int:
        return next(self._numbers)

    def make(self, number: int = 0) -> None:
        self.drop(number)
        self._kept[number] = kept = self.open(number)
        template = sqlite3.connect(f"file:{self.told.sqlite}?mode=ro", uri=True)
        try:
            template.backup(kept)
        finally:
            template.close()

    def drop(self, number: int = 0) -> None:
        if kept := self._kept.pop(number, None):
            kept.close()

    def identity(self) -> str:
        """Return nothing: no server is asked who it is."""
        return ""

    def close(self) -> None:
        """Let all databases go."""
        for number in list(self._kept):
            self.drop(number)

    def open(self, number: int = 0, timeout: float = 5.0) -> sqlite3.Connection:
        """Return another connection to the database."""
        return sqlite3.connect(
            self._file(number),
            uri=True,
            timeout=timeout,
            isolation_level=None,
            check_same_thread=False,
        )


def databases(told: Told) -> Postgres | Sqlite:
    """Return where databases are made."""
    return Sqlite(told) if told.sqlite else Postgres(told)
