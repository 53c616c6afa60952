"""How is an embedded PostgreSQL started, shared and stopped without a trace?

A cluster's folder holds ``data`` and these files::

    users.lock   held, shared, by everyone who uses the server
    guard.lock   held by the guard while it lives
    start.lock   held while somebody looks whether to start the server
    server.json  port and password
    server.log   what the server says

The guard (see ``sametree.guard``) stops the server once nobody holds ``users.lock``,
however the users ended.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from sametree import files, guard
from sametree.database import binaries, initdb, places
from sametree.database.address import Address
from sametree.database.binaries import Programs
from sametree.database.places import SCRATCH as SCRATCH  # noqa: F401 (for its users)
from sametree.database.places import throw_away_base as throw_away_base
from sametree.errors import SurroundingsError

START_TIMEOUT = 30.0
STOP_TIMEOUT = 60.0
"""Seconds for what migrations have written to get from memory into the files."""
DURABLE = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "200",
    "password_encryption": "scram-sha-256",
}
FLEETING = DURABLE | {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_wal_size": "256MB",
    "min_wal_size": "32MB",
    "log_checkpoints": "off",
}
"""For a cluster that is thrown away: nothing in it has to outlive a power cut.
(postgresql.org/docs/18/non-durability.html)"""


class State(msgspec.Struct, frozen=True):
    """What a later user has to know of a running server."""

    port: int
    password: str


@contextmanager
def throw_away(
    which: int | Programs, seed: Path | None = None, clones: int = 1
) -> Iterator[Address]:
    """Run a server of its own for the length of the block, in memory where there is room.

    ``which`` are its programs, or the major version of the embedded ones. Its data are a
    copy of those in the folder ``seed``, else new; room is left for ``clones`` databases.
    Nothing of it stays, also after a kill -9: its guard or else the next run cleans up.
    Raises SurroundingsError when it cannot be started.
    """
    with running(which, seed, clones) as (address, _):
        yield address


@contextmanager
def running(
    which: int | Programs, seed: Path | None = None, clones: int = 1
) -> Iterator[tuple[Address, Path]]:
    """Give what :func:`throw_away` gives, and the cluster's folder."""
    needed = places.room(seed, clones) if seed else places.ROOM
    base = throw_away_base(needed, say=True)
    sweep(base)
    folder = Path(tempfile.mkdtemp(dir=base, prefix="run-"))
    folder.chmod(0o711)
    users = files.lock(folder / ".users.lock", shared=True)
    # Locked from the beginning, or else another run takes it for one that was left.
    (folder / ".users.lock").rename(folder / "users.lock")
    guarded: subprocess.Popen[bytes] | None = None
    try:
        programs = binaries.of(which)
        state, guarded = _start(folder, programs, FLEETING, seed=seed, remove=True)
        yield _address(state), folder
    finally:
        os.close(users)
        if guarded is not None:
            _wait(guarded)
        shutil.rmtree(folder, ignore_errors=True)


def stop(folder: Path) -> None:
    """Stop the server of the throw-away cluster in ``folder`` in order; its data stay
    until the block of :func:`running` is left. Raises SurroundingsError when it dies.
    """
    data = folder / "data"
    with suppress(OSError, ProcessLookupError):
        pid = int((data / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGINT)
    deadline = time.monotonic() + STOP_TIMEOUT
    while (data / "postmaster.pid").exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    if not is_shut_down(data):
        said = (folder / "server.log").read_text(errors="replace")
        raise SurroundingsError(
            f"PostgreSQL did not stop in order; it says:\n{initdb.tail(said)}",
            initdb.cure(said, folder),
        )


def is_shut_down(data: Path) -> bool:
    """Return whether a server has left its ``data`` in order, as it does when stopped.

    The state is the fifth word of pg_control (``DBState`` in catalog/pg_control.h).
    """
    told = (data / "global" / "pg_control").read_bytes()
    return int.from_bytes(told[16:20], sys.byteorder) == 1


@contextmanager
def kept(folder: Path, which: int | Programs) -> Iterator[Address]:
    """Use the server whose data stay in ``folder``; start it when it does not run.

    Any number of users share it; it stops when the last one is gone. Raises
    SurroundingsError when it cannot be started.
    """
    folder.mkdir(parents=True, exist_ok=True)
    guarding: subprocess.Popen[bytes] | None = None
    with files.locked(folder / "start.lock"):
        users = files.lock(folder / "users.lock", shared=True)
        try:
            guarded = files.try_lock(folder / "guard.lock")
            if guarded is None and not (folder / "server.json").exists():
                # Its starter was killed before anybody knew the port.
                fcntl.flock(users, fcntl.LOCK_UN)
                files.wait_free(folder / "guard.lock", guard.PATIENCE + 5)
                fcntl.flock(users, fcntl.LOCK_SH)
                guarded = files.try_lock(folder / "guard.lock")
            if guarded is None:
                state = _read_state(folder)
            else:
                os.close(guarded)
                _end_orphan(folder / "data")
                programs = binaries.of(which)
                state, guarding = _start(folder, programs, DURABLE, remove=False)
        except BaseException:
            os.close(users)
            raise
    try:
        yield _address(state)
    finally:
        if files.last_holder(users):
            files.wait_free(folder / "guard.lock", guard.PATIENCE + 5)
        if guarding is not None:
            guarding.poll()


def lives(folder: Path) -> bool:
    """Return whether the server in ``folder`` runs under its guard."""
    descriptor = files.try_lock(folder / "guard.lock")
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is None


def address_of(folder: Path) -> Address | None:
    """Return where the kept server in ``folder`` is; None when it does not run."""
    if not (folder / "guard.lock").exists() or not lives(folder):
        return None
    try:
        return _address(_read_state(folder))
    except (OSError, msgspec.MsgspecError):
        return None  # it is just being started


def kept_folder(state: Path, version: int) -> Path:
    """Return where the development cluster of the project with ``state`` lives.

    It is in the checkout; for root, whose server runs as another user, it is below
    /var/lib when that user could not reach it in the checkout.
    """
    files.add_exclude_file(state)
    if binaries.unprivileged() and not binaries.may_enter(state):
        key = files.digest(str(state))[:12]
        return binaries.roots_place() / f"checkout-{key}" / f"postgres-{version}"
    return state / f"postgres-{version}"


def sweep(base: Path) -> list[Path]:
    """Remove the clusters in ``base`` whose users and guards are gone; return them."""
    removed = []
    for folder in base.glob("run-*"):
        lock = folder / "users.lock"
        try:
            if not lock.exists() and time.time() - folder.stat().st_mtime < 60:
                continue  # somebody makes it just now
            descriptor = files.try_lock(lock)
        except OSError:
            continue  # its own guard was faster
        if descriptor is None:
            continue
        _end_orphan(folder / "data")
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)
        removed.append(folder)
    return removed


def _start(
    folder: Path,
    programs: Programs,
    settings: Mapping[str, str],
    *,
    seed: Path | None = None,
    remove: bool,
) -> tuple[State, subprocess.Popen[bytes]]:
    """Start a server on ``folder``'s data, which are made when there are none."""
    data = folder / "data"
    if not (data / "PG_VERSION").exists():
        initdb.fill(folder, programs, seed)
    password = (folder / "password").read_text()
    known = folder / "server.json"
    previous = _read_state(folder).port if known.exists() else None
    known.unlink(missing_ok=True)
    log = folder / "server.log"
    said = ""
    for _ in range(5):
        port = _free_port(previous)
        previous = None
        log.write_bytes(b"")
        options = [f"--{name}={value}" for name, value in settings.items()]
        running = guard.start(
            [str(programs.folder / "postgres"), "-D", str(data), f"--port={port}"]
            + options,
            lock=str(folder / "users.lock"),
            own_lock=str(folder / "guard.lock"),
            log=str(log),
            stop_signal=signal.SIGINT if not remove else signal.SIGQUIT,
            remove=str(folder) if remove else "",
            user=binaries.owner(data),
            env=initdb.ENVIRONMENT,
        )
        if _ready(data, running, log):
            state = State(port, password)
            text = msgspec.json.encode(state).decode()
            files.write_atomically(known, text, mode=0o600)
            return state, running
        said = log.read_text(errors="replace")
        _end_orphan(data)
        running.kill()
        running.wait()
        if "could not bind" not in said and "Address already in use" not in said:
            break
    raise SurroundingsError(
        f"PostgreSQL {programs.version} did not start in {folder}; it says:\n{initdb.tail(said)}",
        initdb.cure(said, folder),
    )


def _ready(data: Path, running: subprocess.Popen[bytes], log: Path) -> bool:
    """Wait until the server takes connections; False when it ended instead.

    The eighth line of postmaster.pid is the server's state, as pg_ctl(1) reads it.
    """
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        with suppress(OSError):
            lines = (data / "postmaster.pid").read_text().splitlines()
            if len(lines) >= 8 and lines[7].strip() == "ready":
                return True
        if running.poll() is not None:
            return False
        said = log.read_text(errors="replace")
        if "FATAL" in said and not (data / "postmaster.pid").exists():
            return False  # the guard stays to remove the folder, the server is gone
        time.sleep(0.005)
    return False


def _end_orphan(data: Path) -> None:
    """Stop a server whose guard was killed, before its data are touched."""
    try:
        pid = int((data / "postmaster.pid").read_text().splitlines()[0])
    except (OSError, ValueError, IndexError):
        return
    command = _command_of(pid)
    if str(data) not in command:
        # It died without a word (a reboot, a kill), so its file still says "ready".
        if command or not _lives(pid):
            (data / "postmaster.pid").unlink(missing_ok=True)
        return
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGQUIT)
    deadline = time.monotonic() + 10
    while (data / "postmaster.pid").exists() and time.monotonic() < deadline:
        if not _lives(pid):
            break
        time.sleep(0.01)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's, but alive
    return True


def _command_of(pid: int) -> str:
    """Return the command line of a process; empty when there is none."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    with suppress(OSError):  # no /proc on macOS
        argv = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout
    return ""


def _wait(running: subprocess.Popen[bytes]) -> None:
    """Wait for the guard to have stopped its server."""
    with suppress(subprocess.TimeoutExpired):
        running.wait(guard.PATIENCE + 5)


def _read_state(folder: Path) -> State:
    return msgspec.json.decode((folder / "server.json").read_bytes(), type=State)


def _address(state: State) -> Address:
    return Address(
        host="127.0.0.1",
        port=state.port,
        user=initdb.USER,
        password=state.password,
        database="postgres",
    )


def _free_port(wanted: int | None) -> int:
    """Return a port of the loopback that nobody listens on, ``wanted`` if possible."""
    for candidate in (wanted, 0):
        if candidate is None:
            continue
        with socket.socket() as probe, suppress(OSError):
            # As PostgreSQL does: connections that just ended do not take the port.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", candidate))
            return int(probe.getsockname()[1])
    raise SurroundingsError("no port of 127.0.0.1 is free")
