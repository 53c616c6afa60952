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
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from sametree import files, guard
from sametree.database import binaries, initdb
from sametree.database.address import Address
from sametree.errors import SurroundingsError

START_TIMEOUT = 30.0
ROOM = 1 << 30
"""Bytes that have to be free in memory for a throw-away cluster to live there."""

SCRATCH = "SAMETREE_SCRATCH"
"""Names another folder for throw-away clusters."""

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
    "log_checkpoints": "off",
}
"""For a cluster that is thrown away: nothing in it has to outlive a power cut.
(postgresql.org/docs/18/non-durability.html)"""


class State(msgspec.Struct, frozen=True):
    """What a later user has to know of a running server."""

    port: int
    password: str


@contextmanager
def throw_away(version: int) -> Iterator[Address]:
    """Run a server of its own for the length of the block, in memory where there is room.

    Nothing of it stays, also after a kill -9: its guard or else the next run cleans up.
    Raises SurroundingsError when it cannot be started.
    """
    base = throw_away_base()
    sweep(base)
    folder = Path(tempfile.mkdtemp(dir=base, prefix="run-"))
    folder.chmod(0o711)
    users = files.lock(folder / "users.lock", shared=True)
    running: subprocess.Popen[bytes] | None = None
    try:
        state, running = _start(folder, version, FLEETING, remove=True)
        yield _address(state)
    finally:
        os.close(users)
        if running is not None:
            _wait(running)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def kept(folder: Path, version: int) -> Iterator[Address]:
    """Use the server whose data stay in ``folder``; start it when it does not run.

    Any number of users share it; it stops when the last one is gone. Raises
    SurroundingsError when it cannot be started.
    """
    folder.mkdir(parents=True, exist_ok=True)
    running: subprocess.Popen[bytes] | None = None
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
                state, running = _start(folder, version, DURABLE, remove=False)
        except BaseException:
            os.close(users)
            raise
    try:
        yield _address(state)
    finally:
        if files.last_holder(users):
            files.wait_free(folder / "guard.lock", guard.PATIENCE + 5)
        if running is not None:
            running.poll()


def throw_away_base() -> Path:
    """Return the folder in which this user's throw-away clusters live.

    It is where SAMETREE_SCRATCH says, else in memory where there is room, else with
    the other temporary files.
    """
    memory, named = Path("/dev/shm"), os.environ.get(SCRATCH)
    if named:
        parent = Path(named)
        if not parent.is_dir():
            raise SurroundingsError(
                f"{SCRATCH}: {named} is no folder", f"make it, or unset {SCRATCH}"
            )
    elif (
        memory.is_dir()
        and os.access(memory, os.W_OK)
        and shutil.disk_usage(memory).free >= ROOM
    ):
        parent = memory
    else:
        parent = Path(tempfile.gettempdir())
    if binaries.unprivileged() and not binaries.may_enter(parent):
        parent = binaries.roots_place()
    base = parent / f"sametree-{os.geteuid()}"
    with suppress(FileExistsError):
        base.mkdir(mode=0o711)
    if base.is_symlink() or base.stat().st_uid != os.geteuid():
        raise SurroundingsError(
            f"{base} belongs to another user",
            "remove it, or set TMPDIR to a folder of your own",
        )
    return base


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
    folder: Path, version: int, settings: Mapping[str, str], *, remove: bool
) -> tuple[State, subprocess.Popen[bytes]]:
    """Start a server on ``folder``'s data, which are made when there are none."""
    programs = binaries.folder(version)
    data = folder / "data"
    if not (data / "PG_VERSION").exists():
        initdb.fill(folder, programs)
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
            [str(programs / "postgres"), "-D", str(data), f"--port={port}", *options],
            lock=str(folder / "users.lock"),
            own_lock=str(folder / "guard.lock"),
            log=str(log),
            stop_signal=signal.SIGINT if not remove else signal.SIGQUIT,
            remove=str(folder) if remove else "",
            user=binaries.unprivileged(),
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
        f"PostgreSQL {version} did not start in {folder}; it says:\n{initdb.tail(said)}",
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
            probe.bind(("127.0.0.1", candidate))
            return int(probe.getsockname()[1])
    raise SurroundingsError("no port of 127.0.0.1 is free")
