"""Which database does a session get? A fresh one for a run, a kept one for development.

The server is embedded, or the one that DATABASE_URL names. On a server that is not
ours we touch only databases that we made: they have a name that starts with
``sametree_``, and as long as one is in use its owner holds an advisory lock for it.
"""

from __future__ import annotations

import os
import secrets
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sametree.database import address, cluster
from sametree.database.address import Address
from sametree.errors import SurroundingsError
from sametree.settings import Project

if TYPE_CHECKING:
    import psycopg

VARIABLE = "DATABASE_URL"
PREFIX = "sametree_"
STAMP = "made by sametree; dropped when its owner is gone"
"""The comment on each database that we make; one without it is not ours."""
LOCK_CLASS = 0x5A3E
"""First key of our advisory locks; the second is the CRC-32 of the database's name."""
CONNECT_TIMEOUT = 5  # seconds


def given(environ: Mapping[str, str] = os.environ) -> Address | None:
    """Return the server that DATABASE_URL names, or None when it is not set.

    Raises UsageError when the variable is no PostgreSQL address.
    """
    url = environ.get(VARIABLE)
    return address.parse(url) if url else None


@contextmanager
def fresh(project: Project, purpose: str) -> Iterator[Address]:
    """Give an empty database that nobody else has, for the length of the block.

    Raises SurroundingsError when there is no server, or it refuses.
    """
    name = f"{PREFIX}{purpose}_{secrets.token_hex(4)}"
    named = given()
    if named is not None:
        with _made_on(named, name) as made:
            yield made
        return
    with cluster.throw_away(version_of(project)) as own:
        with connection(own) as admin:
            admin.execute(f'CREATE DATABASE "{name}"'.encode())
        yield own.named(name)


@contextmanager
def development(project: Project) -> Iterator[Address]:
    """Give the development database, made when missing, for the length of the block.

    It is the very database that DATABASE_URL names, else one of the embedded server
    whose data are kept in the checkout.
    """
    named = given()
    if named is not None:
        with connection(named):
            yield named
        return
    version = version_of(project)
    folder = cluster.kept_folder(project.state, version)
    with cluster.kept(folder, version) as own:
        name = f"{database_name(project)}_development"
        with connection(own) as admin, _turn(admin):
            query = "SELECT 1 FROM pg_database WHERE datname = %s"
            if not admin.execute(query, [name]).fetchone():
                admin.execute(f'CREATE DATABASE "{name}"'.encode())
        yield own.named(name)


@contextmanager
def alone(where: Address) -> Iterator[None]:
    """Be the only one who migrates the database ``where``; others wait for their turn.

    Alembic itself has no such lock: of four upgrades at once three would die.
    """
    with connection(where) as own, _turn(own):
        yield


def version_of(project: Project) -> int:
    """Return the major version of the embedded server."""
    database = project.settings.database
    return database.version if database else 18


def database_name(project: Project) -> str:
    """Return the stem of the project's database names."""
    database = project.settings.database
    return (database.component if database else "app").replace("-", "_")


@contextmanager
def connection(where: Address) -> Iterator[psycopg.Connection]:
    """Connect to ``where`` in autocommit mode.

    Raises SurroundingsError, with what the server said, when it refuses.
    """
    import psycopg

    try:
        opened = psycopg.connect(
            where.url(), autocommit=True, connect_timeout=CONNECT_TIMEOUT
        )
    except psycopg.Error as error:
        said = str(error).strip().splitlines()
        raise SurroundingsError(
            f"cannot connect to {where}: {said[-1] if said else error}",
            f"is the server of {VARIABLE} running, and are name and password right?"
            f" Without {VARIABLE} an embedded server is used",
        ) from None
    with opened:
        try:
            yield opened
        except psycopg.Error as error:
            first = str(error).strip().partition("\n")[0]
            raise SurroundingsError(f"{where} refused: {first}") from None


@contextmanager
def _made_on(server: Address, name: str) -> Iterator[Address]:
    """Make a database on a given server, and drop it and its clones afterwards."""
    import psycopg

    with connection(server) as admin:
        for stale in _stale(admin):
            _drop(admin, stale)
        # The lock comes first: a database without one is free to be dropped.
        _lock(admin, name)
        try:
            admin.execute(f'CREATE DATABASE "{name}"'.encode())
            admin.execute(f"COMMENT ON DATABASE \"{name}\" IS '{STAMP}'".encode())
        except psycopg.errors.InsufficientPrivilege:
            raise SurroundingsError(
                f"the role {server.user!r} of {VARIABLE} may not create databases",
                f"ALTER ROLE {server.user} CREATEDB; or unset {VARIABLE} to use an"
                " embedded server",
            ) from None
        try:
            yield server.named(name)
        finally:
            for each in _family(admin, name):
                _drop(admin, each)


def _stale(admin: psycopg.Connection) -> list[str]:
    """Return our databases whose owner is gone: nobody holds their lock.

    Only databases count that bear our stamp and that we may drop. pg_locks shows the
    advisory locks of all databases of the server. A clone, which bears no stamp,
    belongs to the database whose name its own begins with.
    """
    held = {
        row[0]
        for row in admin.execute(
            "SELECT objid::bigint FROM pg_locks"
            " WHERE locktype = 'advisory' AND classid = %s",
            [LOCK_CLASS],
        )
    }
    stamped = admin.execute(
        "SELECT datname FROM pg_database"
        " WHERE shobj_description(oid, 'pg_database') = %s"
        " AND pg_has_role(current_user, datdba, 'MEMBER')",
        [STAMP],
    )
    gone = [name for (name,) in stamped if zlib.crc32(name.encode()) not in held]
    return [each for name in gone for each in _family(admin, name)]


def _family(admin: psycopg.Connection, name: str) -> list[str]:
    """Return a database and the clones that tests made of it, the clones first."""
    query = (
        "SELECT datname FROM pg_database"
        " WHERE datname = %s OR starts_with(datname, %s) ORDER BY datname DESC"
    )
    return [row[0] for row in admin.execute(query, [name, f"{name}__"])]


@contextmanager
def _turn(own: psycopg.Connection) -> Iterator[None]:
    """Hold the database's one lock for changes; it goes with the connection at last."""
    own.execute("SELECT pg_advisory_lock(%s, 0)", [LOCK_CLASS])
    try:
        yield
    finally:
        own.execute("SELECT pg_advisory_unlock(%s, 0)", [LOCK_CLASS])


def _lock(admin: psycopg.Connection, name: str) -> None:
    # The key is shown as an unsigned 32-bit number, but given as a signed one.
    key = zlib.crc32(name.encode())
    signed = key - (1 << 32) if key >= 1 << 31 else key
    admin.execute("SELECT pg_advisory_lock(%s, %s)", [LOCK_CLASS, signed])


def _drop(admin: psycopg.Connection, name: str) -> None:
    admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())
