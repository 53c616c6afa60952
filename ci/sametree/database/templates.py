"""How is a migrated database kept, so that the next run pays for no migration at all?

A cluster whose template was migrated is stopped, and its data are kept under the name of
what they depend on: the build of PostgreSQL and the history of the migrations. Later runs
start their throw-away clusters from a copy. What is kept is a folder ``templates/KEY``::

    data         of the stopped cluster
    password     of its superuser
    about.json   the project for which it was made, and in which life of the machine

It comes into being by a rename, so there is all of it or none. Who makes one holds
``KEY.lock`` alone, and others wait; who uses one shares it, so that it is not removed.
"""

from __future__ import annotations

import fcntl
import functools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import msgspec

from sametree import files, terminal
from sametree.database import cluster, initdb
from sametree.database.address import Address
from sametree.database.binaries import Programs
from sametree.database.connections import connection
from sametree.errors import SurroundingsError

FOLDER = "templates"
KEPT = 3
"""Templates that are kept for a project: people switch between branches."""
KEPT_IN_ALL = 12
SETTLED = 60.0
"""Seconds after which the system has written to the disk what it was given."""
WAITING = "  another run migrates the template; waiting"
NAME = "sametree_template"
"""The template in a cluster of our own, where it can meet no other."""

Migrate = Callable[[Address], None]


class About(msgspec.Struct, frozen=True):
    """What is to be known of a kept template: for which project (its folder) it was
    made, and during which life of the machine; empty once it is surely on the disk."""

    project: str
    life: str = ""


@contextmanager
def migrated(
    project: Path, programs: Programs, history: str, migrate: Migrate, clones: int = 1
) -> Iterator[tuple[Address, bool]]:
    """Give a server of its own with a migrated template, and whether it was kept.

    ``project`` is the project's folder, ``history`` names what ``migrate`` does with the
    empty database that it gets (see ``history.digest``): it is called only when nothing
    is kept. ``clones`` is how many databases will be made of it. Where nothing can be
    kept, a line says so, and the template goes with its server. Raises what ``migrate``
    raises, and SurroundingsError when the server cannot be started.
    """
    key = files.digest(initdb.identity(programs), _extensions(programs), history)[:16]
    with _seed(project, programs, key, migrate) as (seed, kept):
        with cluster.throw_away(programs, seed, clones) as server:
            yield server.named(NAME), kept


@contextmanager
def _seed(
    project: Path, programs: Programs, key: str, migrate: Migrate
) -> Iterator[tuple[Path, bool]]:
    """Give the data of a stopped cluster to be copied, and whether they were kept."""
    place = base() / key if (lock := _lock(key)) is not None else None
    with ExitStack() as stack:
        if place is None or lock is None:
            yield stack.enter_context(_stopped(programs, migrate)), False
            return
        stack.callback(os.close, lock)
        if _stands(place):
            yield place, True
            return
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _stands(place):  # somebody else has made it meanwhile
            fcntl.flock(lock, fcntl.LOCK_SH)
            yield place, True
            return
        making = stack.enter_context(ExitStack())
        seed = making.enter_context(_stopped(programs, migrate))
        if _keep(seed, place, project):
            seed = place
            making.close()
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield seed, False


@contextmanager
def _stopped(programs: Programs, migrate: Migrate) -> Iterator[Path]:
    """Give the folder of a cluster that was stopped after its template was migrated."""
    with cluster.running(programs) as (server, folder):
        with connection(server) as admin:
            admin.execute(f'CREATE DATABASE "{NAME}"'.encode())
        migrate(server.named(NAME))
        cluster.stop(folder)
        yield folder


def base() -> Path:
    """Return the folder of this user's templates."""
    return initdb.cache() / FOLDER


def _lock(key: str) -> int | None:
    """Return a descriptor that shares the lock of template ``key``; None, after a line
    that says why, where nothing can be kept."""
    try:
        place = base()
        place.mkdir(mode=0o711, exist_ok=True)
        lock = files.try_lock(place / f"{key}.lock", shared=True)
        if lock is None:
            terminal.say(WAITING)
            lock = files.lock(place / f"{key}.lock", shared=True)
        return lock
    except (OSError, SurroundingsError) as error:
        say_not_kept(error)
        return None


def _stands(place: Path) -> bool:
    """Return whether the template at ``place`` can be used; mark it as used just now."""
    try:
        about = msgspec.json.decode((place / "about.json").read_bytes(), type=About)
        if not cluster.is_shut_down(place / "data"):
            return False
        if about.life:
            if about.life != life():
                return False  # the power may have gone before it was on the disk
            if time.time() - (place / "about.json").stat().st_mtime > SETTLED:
                _synchronise(place)
                _tell(place, About(about.project))
        os.utime(place)
    except (OSError, msgspec.MsgspecError):
        return False
    return True


def _keep(folder: Path, place: Path, project: Path) -> bool:
    """Keep the data of the stopped cluster in ``folder`` at ``place``; False, after a
    line that says why, where that cannot be."""
    try:
        with files.locked(place.parent / "all.lock"):
            _tidy(place.parent)
            made = Path(tempfile.mkdtemp(dir=place.parent, prefix="new-"))
            try:
                made.chmod(0o711)
                for name in ("password", "data"):
                    initdb.copy(folder / name, made / name)
                _tell(made, About(str(project), life()))
                _remove(place)
                made.rename(place)
            finally:
                shutil.rmtree(made, ignore_errors=True)
            _prune(place.parent, place)
    except (OSError, SurroundingsError) as error:
        say_not_kept(error)
        return False
    return True


def _prune(folder: Path, newest: Path) -> None:
    """Remove the templates that are one too many, or of a project that is gone."""
    seen: dict[str, int] = {}
    found = [path for path in folder.glob("?" * 16) if path.is_dir()]
    for count, place in enumerate(sorted(found, key=_age, reverse=True)):
        project = _project_of(place)
        seen[project] = seen.get(project, 0) + 1
        spare = seen[project] > KEPT or count >= KEPT_IN_ALL
        if place == newest or not (spare or not Path(project).is_dir()):
            continue
        with suppress(OSError):
            lock = place.with_suffix(".lock")
            if (descriptor := files.try_lock(lock)) is not None:
                _remove(place)
                lock.unlink()
                os.close(descriptor)


def _tidy(folder: Path) -> None:
    """Remove what killed runs have left."""
    for pattern in ("new-*", "gone-*"):
        for left in folder.glob(pattern):
            shutil.rmtree(left, ignore_errors=True)


def _remove(place: Path) -> None:
    """Remove a template so that a kill leaves all of it, or none under its name."""
    if place.exists():
        gone = Path(tempfile.mkdtemp(dir=place.parent, prefix="gone-"))
        place.rename(gone / place.name)
        shutil.rmtree(gone, ignore_errors=True)


def _tell(place: Path, about: About) -> None:
    files.write_atomically(place / "about.json", msgspec.json.encode(about).decode())


def _project_of(place: Path) -> str:
    try:
        found = msgspec.json.decode((place / "about.json").read_bytes(), type=About)
    except (OSError, msgspec.MsgspecError):
        return ""
    return found.project


def _age(place: Path) -> float:
    try:
        return place.stat().st_mtime
    except OSError:
        return 0.0


def _synchronise(place: Path) -> None:
    """Have all files of a template on the disk; by now the system has done it already."""
    for folder, _, names in os.walk(place):
        for name in names:
            descriptor = os.open(os.path.join(folder, name), os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


@functools.cache
def life() -> str:
    """Return what names the time since the machine was started."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    argv = ["sysctl", "-n", "kern.bootsessionuuid"]  # macOS
    with suppress(OSError):
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        return done.stdout.strip() or "unknown"
    return "unknown"


def _extensions(programs: Programs) -> str:
    """Return what names the installed extensions, which have packages of their own."""
    found = sorted((programs.share / "extension").glob("*.control"))
    return files.digest(*(part for p in found for part in (p.name, p.read_bytes())))


def say_not_kept(error: OSError | SurroundingsError) -> None:
    """Say in one line why nothing is kept."""
    said = error.problem if isinstance(error, SurroundingsError) else str(error)
    first, *rest = said.splitlines()
    last = f" {rest[-1].strip()}" if rest else ""
    terminal.say(f"  the migrated template is not kept: {first}{last}")
