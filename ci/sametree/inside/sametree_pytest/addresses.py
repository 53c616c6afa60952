"""To which database does an address lead, and may tests work there?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .protocol import Told

if TYPE_CHECKING:
    from sqlalchemy import URL

LOCAL = {"localhost", "127.0.0.1", "::1"}
PORT = 5432


@dataclass(frozen=True)
class Place:
    """Where tests may work: a server and, where it is not ours, a family of databases.

    ``template`` itself is nobody's: while one is connected to it, it cannot be cloned.
    It is empty where the tests work on SQLite.
    """

    host: str
    port: str
    template: str
    own: bool

    def has(self, url: URL) -> bool | None:
        """Return whether ``url`` leads here; None when that cannot be told from it."""
        backend = url.get_backend_name()
        if backend == "sqlite":
            return True
        if backend != "postgresql" or not self.template:
            return False
        if not host(url) or not database(url):
            return None  # variables, a service file or a creator of connections decide
        if (host(url), port(url)) != (self.host, self.port):
            return False
        return self.admits(database(url))

    def admits(self, name: str) -> bool:
        """Return whether tests may work on the database ``name`` of this server."""
        if self.own:
            return name != self.template
        return name.startswith(f"{self.template}__")


def place_of(told: Told) -> Place:
    """Return where the tests may work."""
    if told.sqlite:
        return Place("", "", "", own=True)
    from sqlalchemy import make_url

    url = make_url(told.template)
    return Place(host(url), port(url), database(url), told.own)


def host(url: URL) -> str:
    """Return the host of ``url``, by one name where it has several."""
    named = url.host or _asked(url, "host")
    return "localhost" if named in LOCAL else named


def port(url: URL) -> str:
    """Return the port of ``url``."""
    return str(url.port or _asked(url, "port") or PORT)


def database(url: URL) -> str:
    """Return the database of ``url``."""
    return url.database or _asked(url, "dbname") or ""


def same(one: URL, other: URL) -> bool:
    """Return whether two addresses lead to one database, whoever connects and how."""
    if one.get_backend_name() != other.get_backend_name():
        return False
    if one.get_backend_name() == "sqlite":
        return one.database == other.database
    return all(part(one) == part(other) for part in (host, port, database))


def described(url: URL) -> str:
    """Return words for where ``url`` leads, without its user and password."""
    at = (
        f" on {host(url)}:{port(url)}" if url.get_backend_name() == "postgresql" else ""
    )
    if not at and (url.host or url.port):
        at = f" on {url.host}" + (f":{url.port}" if url.port else "")
    kind = "" if url.get_backend_name() == "postgresql" else f"{url.drivername} "
    return f"{kind}database {database(url)!r}{at}"


def _asked(url: URL, option: str) -> str:
    value = url.query.get(option, "")
    return value if isinstance(value, str) else ",".join(value)
