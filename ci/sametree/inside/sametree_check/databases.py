"""How is one database of ours kept in two states at once, under one address?

An application may have taken the address when it was imported, so the database that
work is done on keeps its name: others are put in its place.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from .asking import run


class Places:
    """The database of ``url``, and copies of it whose names begin with its own.

    ``maintenance`` is the address of another database of the server. ``own`` says that
    the server is thrown away afterwards: then copying files is the fastest.
    """

    def __init__(self, url: str, maintenance: str, *, own: bool) -> None:
        self.name = make_url(url).database or ""
        self._url = url
        self._engine = create_engine(
            maintenance, poolclass=NullPool, isolation_level="AUTOCOMMIT"
        )
        self._strategy = " STRATEGY FILE_COPY" if own else ""
        query = f"""SELECT shobj_description(oid, 'pg_database') FROM pg_database
                     WHERE datname = {_text(self.name)}"""
        self._connection = self._engine.connect()
        self._stamp = run(self._connection, query).scalar() or ""

    def close(self) -> None:
        """Leave the server."""
        self._connection.close()

    def copy(self, source: str, target: str) -> None:
        """Make ``target`` out of ``source``; empty stands for the database itself."""
        self._leave(source)
        names = self._named(target), self._named(source)
        sql = f"CREATE DATABASE {names[0]} TEMPLATE {names[1]}{self._strategy}"
        run(self._connection, sql)
        self._mark(target)

    def rename(self, source: str, target: str) -> None:
        """Give ``source`` the name of ``target``, which is not there."""
        self._leave(source)
        names = self._named(source), self._named(target)
        run(self._connection, f"ALTER DATABASE {names[0]} RENAME TO {names[1]}")
        self._mark(target)

    def drop(self, name: str) -> None:
        """Drop a database, where it is there."""
        sql = f"DROP DATABASE IF EXISTS {self._named(name)} WITH (FORCE)"
        run(self._connection, sql)

    @contextlib.contextmanager
    def connection(self) -> Iterator[Any]:
        """Connect to the database itself, in autocommit mode."""
        engine = create_engine(
            self._url, poolclass=NullPool, isolation_level="AUTOCOMMIT"
        )
        with engine.connect() as connection:
            yield connection

    def _leave(self, name: str) -> None:
        """End other connections to a database: it is to be copied, or named anew."""
        wanted = _text(self._named(name).strip('"'))
        query = f"""SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
                     WHERE datname = {wanted} AND pid <> pg_backend_pid()"""
        run(self._connection, query).all()

    def _mark(self, name: str) -> None:
        """Tell whose the database is, as its maker told of the first one."""
        if self._stamp and not name:
            told = f"COMMENT ON DATABASE {self._named(name)} IS {_text(self._stamp)}"
            run(self._connection, told)

    def _named(self, suffix: str) -> str:
        return f'"{self.name}__{suffix}"' if suffix else f'"{self.name}"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
