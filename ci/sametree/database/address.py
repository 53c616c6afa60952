"""What does a database's address hold, and how is it shown without its secret?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import msgspec

from sametree.errors import UsageError

VARIABLE = "DATABASE_URL"
"""Names the server that is used in place of our own."""


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
        options = f"?{urlencode(self.options, quote_via=quote)}" if self.options else ""
        at = f"{user}@" if user else ""
        return f"{scheme}://{at}{host}{port}/{quote(self.database, safe='')}{options}"

    def __str__(self) -> str:
        host = self.host or self.options.get("host", "local socket")
        port = f":{self.port}" if self.port else ""
        return f"database {self.database!r} on {host}{port}"

    def __repr__(self) -> str:
        return f"<Address of {self}>"

    def hide(self, text: str) -> str:
        """Return ``text`` without our password, in whichever way it is written."""
        forms = {self.password, quote(self.password, safe=""), quote(self.password)}
        for form in sorted(forms - {""}, key=len, reverse=True):
            text = text.replace(form, "***")
        return text

    def named(self, database: str) -> Address:
        """Return the address of another database of the same server."""
        return msgspec.structs.replace(self, database=database)


def parse(url: str) -> Address:
    """Return the parts of ``url`` (``postgresql://``, ``postgres://``, with or without
    ``+driver``). Raises UsageError, which never shows the URL's secrets."""
    where = VARIABLE
    cure = f"write {where}=postgresql://user:password@host:5432/database"
    scheme, found, _ = url.partition("://")
    if not found or not re.fullmatch(r"[a-z0-9+.-]{1,30}", scheme):
        raise UsageError(f"{where}: it is no address of a database", cure)
    if not re.fullmatch(r"postgres(ql)?(\+\w+)?", scheme):
        problem = f"{where}: {scheme!r} is no scheme of a PostgreSQL address"
        raise UsageError(problem, cure)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # whose words may hold the password
        raise UsageError(
            f"{where}: host and port cannot be told from the address",
            f"{cure}, with %-signs for special characters in the password (%23 for #)",
        ) from None
    database = unquote(parts.path.lstrip("/"))
    if not database:
        raise UsageError(f"{where}: the address names no database", cure)
    # As libpq has it: a plus is a plus, and a space is %20.
    options = dict(parse_qsl(parts.query.replace("+", "%2B")))
    return Address(
        host=unquote(parts.hostname or ""),
        port=port,
        user=unquote(parts.username or ""),
        password=options.pop("password", "") or unquote(parts.password or ""),
        database=database,
        options=options,
    )
