"""Which database does a session get? A fresh one for a run, a kept one for development.

The server is embedded, or an installed PostgreSQL where the embedded one lacks an
extension, or the one that DATABASE_URL names (see ``given``).
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from sametree import files, terminal
from sametree.database import (
    address,
    choice,
    cluster,
    extensions,
    templates,
)
from sametree.database import given as on_given
from sametree.database.address import VARIABLE as VARIABLE
from sametree.database.address import Address
from sametree.database.binaries import Programs
from sametree.database.connections import connection as connection
from sametree.database.given import LOCK_CLASS, PREFIX
from sametree.errors import SametreeError, SurroundingsError
from sametree.settings import Project

if TYPE_CHECKING:
    import psycopg


STRICT = "pg8000"
"""The driver that does not log in where a password is cheap to guess."""


class Template(msgspec.Struct, frozen=True):
    """A migrated database that tests clone.

    Clones are made from ``maintenance``. ``own`` tells that the server is ours, and gone
    after the run; ``kept`` that no migration had to be run.
    """

    address: Address
    maintenance: Address
    own: bool
    kept: bool


def given(environ: Mapping[str, str] = os.environ) -> Address | None:
    """Return the server that DATABASE_URL names, or None when it is not set.

    Raises UsageError when the variable is no PostgreSQL address.
    """
    url = environ.get(VARIABLE)
    return address.parse(url) if url else None


def url(where: Address, driver: str | None) -> str:
    """Return the address ``where`` for ``driver``, once the server takes that driver.

    pg8000 refuses a password that was hashed in fewer than 4096 rounds (as RFC 7677
    has it). On servers of ours it is one round, so that connecting is fast.
    """
    if driver == STRICT and given() is None:
        with connection(where) as admin:
            admin.execute("SELECT set_config('scram_iterations', '4096', false)")
            password = where.password.replace("'", "''")
            admin.execute(f"ALTER ROLE CURRENT_USER PASSWORD '{password}'".encode())
    return where.url(driver)


@contextmanager
def fresh(project: Project, purpose: str) -> Iterator[Address]:
    """Give an empty database that nobody else has, for the length of the block.

    Raises SurroundingsError when there is no server, it refuses, or it lacks an extension.
    """
    name = f"{PREFIX}{purpose}_{secrets.token_hex(4)}"
    if (named := given()) is not None:
        _has_extensions(project, named)
        with on_given.made(named, name) as made:
            yield made
        return
    with cluster.throw_away(_chosen(project)) as own:
        with connection(own) as admin:
            admin.execute(f'CREATE DATABASE "{name}"'.encode())
        yield own.named(name)


@contextmanager
def migrated(
    project: Project,
    history: str,
    migrate: Callable[[Address], None],
    clones: int = 1,
) -> Iterator[Template]:
    """Give a migrated database that nobody else has, for the length of the block.

    ``migrate`` is called with an empty database, unless one is kept of an earlier run for
    which ``history`` (see ``history.digest``) was the same. ``clones`` is how many
    databases will be made of it. Raises what ``migrate`` and :func:`fresh` raise.
    """
    if (named := given()) is not None:
        _has_extensions(project, named)
        name = f"{PREFIX}tests_{secrets.token_hex(4)}"
        whose = files.digest(str(project.base))[:8]
        with on_given.migrated(named, name, whose, history, migrate) as (there, kept):
            yield Template(there, named, own=False, kept=kept)
        return
    own = templates.migrated(project.base, _chosen(project), history, migrate, clones)
    with own as (there, kept):
        yield Template(there, there.named("postgres"), own=True, kept=kept)


@contextmanager
def development(project: Project) -> Iterator[Address]:
    """Give the development database, made when missing, for the length of the block.

    It is the very database that DATABASE_URL names, else one of our own server, whose
    data are kept in the checkout.
    """
    if (named := given()) is not None:
        with connection(named):
            yield named
        return
    programs = _chosen(project)
    folder = cluster.kept_folder(project.state, programs.major)
    _tell_other(project, programs)
    with cluster.kept(folder, programs) as own:
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


def programs_of(project: Project) -> Programs:
    """Return the programs that run the project's own servers.

    Raises SurroundingsError when none here has all extensions that it creates.
    """
    return choice.choose(project).programs


def version_of(project: Project) -> int:
    """Return the major version of the project's own servers; that of the settings where
    none can be started."""
    database = project.settings.database
    try:
        return programs_of(project).major
    except SametreeError:
        return database.version if database else 18


def database_name(project: Project) -> str:
    """Return the stem of the project's database names."""
    database = project.settings.database
    return (database.component if database else "app").replace("-", "_")


def _chosen(project: Project) -> Programs:
    """Return the programs that run the project's servers; say so where these are not
    the embedded ones."""
    chosen = choice.choose(project)
    if chosen.why:
        terminal.say(f"  PostgreSQL is {chosen.why}")
    return chosen.programs


def _has_extensions(project: Project, server: Address) -> None:
    """Raise SurroundingsError when a given server lacks an extension that is created."""
    needed = extensions.of_project(project)
    known = on_given.extensions(server) if needed else frozenset()
    for each in needed:
        if each.name not in known:
            raise SurroundingsError(
                f"the server of {VARIABLE} has no extension {each.name!r}, which"
                f" {each.reason}",
                f"install it there, or unset {VARIABLE} to use a server of our own",
            )


def _tell_other(project: Project, programs: Programs) -> None:
    """Say where the development data are that another major version has written."""
    own = cluster.kept_folder(project.state, programs.major)
    if (own / "data").exists():
        return
    for other in sorted(own.parent.glob("postgres-*/data")):
        terminal.say(
            f"  the development database begins anew on PostgreSQL {programs.version};"
            f" the data of {other.parent.name} stay where they are"
        )


@contextmanager
def _turn(own: psycopg.Connection) -> Iterator[None]:
    """Hold the database's one lock for changes; it goes with the connection at last."""
    own.execute("SELECT pg_advisory_lock(%s, 0)", [LOCK_CLASS])
    try:
        yield
    finally:
        own.execute("SELECT pg_advisory_unlock(%s, 0)", [LOCK_CLASS])
