"""How are databases made on a server that is not ours, and never one touched that is not?

Our databases have a name that starts with ``sametree_`` and a comment that says so, our
stamp. Two kinds there are:

- those of one run: while its owner lives, it holds an advisory lock for each. One whose
  lock is free is dropped by the next run.
- migrated templates, which stay for later runs. They get their name when they are whole,
  and from then on nobody can connect to them.
"""

from __future__ import annotations

import functools
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from sametree import files, terminal
from sametree.database import address
from sametree.database.address import VARIABLE, Address
from sametree.database.connections import CONNECT_TIMEOUT, connection
from sametree.errors import SurroundingsError

if TYPE_CHECKING:
    import psycopg

Migrate = Callable[[Address], None]
PREFIX = "sametree_"
TEMPLATE = f"{PREFIX}template_"
STAMP = "made by sametree; dropped when its owner is gone"
"""The comment on each database of a run; one without it is not ours."""
KEPT_STAMP = "made by sametree; a migrated template of project "
"""How the comment on a template begins; the project's name and the time follow."""
KEPT = 2
"""Templates that are kept for a project."""
UNUSED = 14 * 86_400
"""Seconds after which a template goes that no run has used."""
LOCK_CLASS = 0x5A3E
"""First key of our advisory locks; the second is the CRC-32 of the database's name."""

WITNESS = """
    SELECT current_setting('server_version') AS version, jsonb_build_array(
      (SELECT jsonb_object_agg(name, setting) FROM pg_settings
        WHERE category NOT LIKE 'Reporting%%' AND name = ANY(%s)),
      (SELECT to_jsonb(d) - 'oid' - 'datfrozenxid' - 'datminmxid' - 'datacl'
         FROM pg_database d WHERE datname = 'template1'),
      pg_database_size('template1'),
      (SELECT jsonb_build_array(rolsuper, rolcreaterole, rolbypassrls, rolconfig)
         FROM pg_roles WHERE rolname = current_user),
      (SELECT jsonb_object_agg(name, default_version) FROM pg_available_extensions)
    )::text AS told"""
SETTINGS = (
    "server_encoding TimeZone DateStyle IntervalStyle lc_messages lc_monetary lc_numeric"
    " lc_time default_transaction_isolation default_text_search_config search_path"
    " standard_conforming_strings row_security session_replication_role"
    " session_preload_libraries shared_preload_libraries wal_level"
).split()
"""Settings of a server that queries may answer by, or that let them do something."""


@contextmanager
def made(server: Address, name: str, like: str = "") -> Iterator[Address]:
    """Make a database on a given server, and drop it and its clones afterwards.

    It is a copy of the database ``like``, else what the server makes of itself. Raises
    SurroundingsError when the server refuses, or has one of that name.
    """
    import psycopg

    with connection(server) as admin:
        for stale in _stale(admin):
            _drop(admin, stale)
        # The lock comes first: a database without one is free to be dropped.
        _lock(admin, name)
        template = f' TEMPLATE "{like}"' if like else ""
        try:
            admin.execute(f'CREATE DATABASE "{name}"{template}'.encode())
            _comment(admin, name, STAMP)
        except psycopg.errors.InsufficientPrivilege:
            raise SurroundingsError(
                f"the role {server.user!r} of {VARIABLE} may not create databases",
                f"ALTER ROLE {server.user} CREATEDB; or unset {VARIABLE} to use an"
                " embedded server",
            ) from None
        except psycopg.errors.DuplicateDatabase:
            raise SurroundingsError(
                f"{server.named(name)} is there already, and we did not make it",
                "drop it by hand if nobody needs it, and run this again",
            ) from None
        try:
            yield server.named(name)
        finally:
            for each in _family(admin, name):
                _drop(admin, each)


@contextmanager
def migrated(
    server: Address, name: str, project: str, history: str, migrate: Migrate
) -> Iterator[tuple[Address, bool]]:
    """Give a migrated database ``name`` on a given server, and whether it is a copy of
    what an earlier run has migrated.

    ``history`` names what ``migrate`` does with an empty database (see
    ``history.digest``), ``project`` whose it is. Raises what ``migrate`` raises, and
    SurroundingsError when the server refuses.
    """
    _, told = witness(server)
    template = TEMPLATE + files.digest(history, told, server.user)[:16]
    with ExitStack() as stack:
        # While one makes the template or copies it, others wait.
        admin = stack.enter_context(connection(server))
        _lock(admin, template)
        stamp = _comment_of(admin, template)
        kept = bool(stamp and stamp.startswith(KEPT_STAMP))
        if stamp is None:
            _make(server, name, template, migrate, f"{KEPT_STAMP}{project}")
        elif not kept:
            terminal.say(f"  {template} is none of ours, so this run does without it")
            migrate(stack.enter_context(made(server, name)))
            yield server.named(name), False
            return
        _comment(admin, template, f"{KEPT_STAMP}{project} {int(time.time())}")
        copy = stack.enter_context(made(server, name, template))
        _prune(admin, project, template)
        admin.close()
        yield copy, kept


def witness(server: Address) -> tuple[str, str]:
    """Return the version of a given server, and a digest of what else its answers depend
    on: settings, locale, the role's rights, extensions, what a new database begins with.

    It is asked once a process. Raises SurroundingsError when it does not answer.
    """
    return _witness(server.url())


def extensions(server: Address) -> frozenset[str]:
    """Return the extensions that databases of a given server can have."""
    with connection(server) as admin:
        rows = admin.execute("SELECT name FROM pg_available_extensions")
        return frozenset(name for (name,) in rows)


@functools.lru_cache(maxsize=8)
def _witness(url: str) -> tuple[str, str]:
    with connection(address.parse(url)) as admin:
        found = admin.execute(WITNESS, [SETTINGS]).fetchone()
        assert found is not None
        version, told = found
        return version.partition(" ")[0], files.digest(version, told)[:8]


def _make(
    server: Address, name: str, template: str, migrate: Migrate, stamp: str
) -> None:
    """Migrate a database of this run; then let it be the template, in one step."""
    import psycopg

    with made(server, name) as empty:
        migrate(empty)
        with connection(server) as admin:
            _alone(admin, name)
            # Who is connected to another database than we does not wait for our lock.
            with suppress(psycopg.errors.DuplicateDatabase), admin.transaction():
                _comment(admin, name, f"{stamp} {int(time.time())}")
                admin.execute(
                    f'ALTER DATABASE "{name}" RENAME TO "{template}"'.encode()
                )
                # Nobody may connect, so it stays what its name says.
                closed = f'ALTER DATABASE "{template}" ALLOW_CONNECTIONS false'
                admin.execute(closed.encode())


def _alone(admin: psycopg.Connection, name: str) -> None:
    """Wait until those are gone who have migrated; their servers take a moment."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
    deadline = time.monotonic() + CONNECT_TIMEOUT
    while time.monotonic() < deadline:
        if admin.execute(query, [name]).fetchone() == (0,):
            return
        time.sleep(0.01)


def _prune(admin: psycopg.Connection, project: str, newest: str) -> None:
    """Drop our templates that others have replaced, or that nobody uses any more."""
    rows = admin.execute(
        "SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database"
        " WHERE starts_with(datname, %s) AND datname <> %s"
        " AND starts_with(shobj_description(oid, 'pg_database'), %s)"
        " AND pg_has_role(current_user, datdba, 'MEMBER')",
        [TEMPLATE, newest, KEPT_STAMP],
    ).fetchall()
    known = []
    for name, stamp in rows:
        whose, _, used = stamp.removeprefix(KEPT_STAMP).partition(" ")
        known.append((int(used) if used.isdigit() else 0, whose, name))
    left, held = KEPT - 1, _held(admin)
    for used, whose, name in sorted(known, reverse=True):
        spare = whose == project and left <= 0
        left -= whose == project
        if spare or time.time() - used > UNUSED:
            if zlib.crc32(name.encode()) not in held:
                _drop(admin, name)


def _held(admin: psycopg.Connection) -> set[int]:
    """Return the keys of the locks that are held, whichever database of the server their
    owners are connected to (a lock itself is for one database's connections only)."""
    rows = admin.execute(
        "SELECT objid::bigint FROM pg_locks"
        " WHERE locktype = 'advisory' AND classid = %s",
        [LOCK_CLASS],
    )
    return {key for (key,) in rows}


def _stale(admin: psycopg.Connection) -> list[str]:
    """Return our databases whose owner is gone: nobody holds their lock.

    Only databases count that bear our stamp and that we may drop. A clone, which bears no stamp,
    belongs to the database whose name its own begins with.
    """
    held = _held(admin)
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


def _comment(admin: psycopg.Connection, name: str, text: str) -> None:
    admin.execute(f"COMMENT ON DATABASE \"{name}\" IS '{text}'".encode())


def _comment_of(admin: psycopg.Connection, name: str) -> str | None:
    """Return the comment on a database, "" without one; None when it is not there."""
    query = (
        "SELECT coalesce(shobj_description(oid, 'pg_database'), '')"
        " FROM pg_database WHERE datname = %s"
    )
    found = admin.execute(query, [name]).fetchone()
    return None if found is None else str(found[0])


def _lock(admin: psycopg.Connection, name: str) -> None:
    admin.execute("SELECT pg_advisory_lock(%s, %s)", [LOCK_CLASS, _signed(name)])


def _signed(name: str) -> int:
    """Return the key of a name's lock: pg_locks shows it as an unsigned 32-bit number,
    but it is given as a signed one."""
    key = zlib.crc32(name.encode())
    return key - (1 << 32) if key >= 1 << 31 else key


def _drop(admin: psycopg.Connection, name: str) -> None:
    admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())
