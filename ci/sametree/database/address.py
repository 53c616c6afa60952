"""What does a database's address hold, and how is it shown without its secret?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import msgspec

from sametree.errors import UsageError

DRIVERS = ("psycopg", "psycopg2", "asyncpg", "pg8000")


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where a PostgreSQL database is: the parts of a connection URI.

    (postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS)
    """

    host: str = ""
    port: int | None = None
    user: str = ""
    password: str = ""
    database: str = ""
    options: Mapping[str, str] = {}

    def url(self, driver: str | None = None) -> str:
        """Return the address as a URL, for SQLAlchemy with ``driver``, else for libpq.

        It holds the password: for the environment of a step, never for a log.
        """
        scheme = f"postgresql+{driver}" if driver else "postgresql"
        user = quote(self.user, safe="")
        user += f":{quote(self.password, safe='')}" if self.password else ""
        host = f"[{self.host}]" if ":" in self.host else quote(self.host, safe="")
        port = f":{self.port}" if self.port else ""
        options = f"?{urlencode(self.options)}" if self.options else ""
        at = f"{user}@" if user else ""
        return f"{scheme}://{at}{host}{port}/{quote(self.database, safe='')}{options}"

    def __str__(self) -> str:
        host = self.host or self.options.get("host", "local socket")
        port = f":{self.port}" if self.port else ""
        return f"database {self.database!r} on {host}{port}"

    def __repr__(self) -> str:
        return f"<Address of {self}>"

    def named(self, database: str) -> Address:
        """Return the address of another database of the same server."""
        return msgspec.structs.replace(self, database=database)


def parse(url: str) -> Address:
    """Return the parts of ``url`` (``postgresql://``, ``postgres://``, with or without
    ``+driver``). Raises UsageError, which never shows the URL's secrets."""
    where = "DATABASE_URL"
    scheme = url.partition("://")[0]
    if not re.fullmatch(r"postgres(ql)?(\+\w+)?", scheme):
        raise UsageError(
            f"{where}: {scheme[:20]!r} is no scheme of a PostgreSQL address",
            f"write {where}=postgresql://user:password@host:5432/database",
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from None
    database = unquote(parts.path.lstrip("/"))
    if not database:
        raise UsageError(
            f"{where}: the address names no database",
            f"write {where}=postgresql://user:password@host:5432/database",
        )
    return Address(
        host=unquote(parts.hostname or ""),
        port=port,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        database=database,
        options=dict(parse_qsl(parts.query)),
    )
