"""How do services run as processes of this machine, without root and without Docker?

Each has a folder ``services/NAME`` and a keeper (see ``deploy.keeper``), which outlives
us and starts it again when it ends.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from sametree import files, processes
from sametree.deploy import keeper
from sametree.deploy.router.desired import Endpoint
from sametree.deploy.runners import Running, Service
from sametree.errors import SurroundingsError

FOLDER = "services"
HOST = "127.0.0.1"
START = 10.0
"""Seconds that a keeper has to say what it started."""

_started: list[subprocess.Popen[bytes]] = []
"""Kept, since keepers outlive our interest in them."""


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """What a keeper runs; the names of the variables are for people."""

    argv: tuple[str, ...]
    cwd: str
    port: int
    stop: int
    patience: float
    user: tuple[int, int] | None
    labels: Mapping[str, str]
    variables: tuple[str, ...]


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What a keeper says of its service."""

    keeper: int
    pid: int
    born: str
    since: float
    restarts: int
    exit: int | None
    stopped: bool


class Processes:
    """The services of the environment in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / FOLDER

    def port(self) -> int:
        """Return a free port of the loopback, none that another service has."""
        taken = {each.port for each in self.inspect().values()}
        for _ in range(100):
            with socket.socket() as probe:
                probe.bind((HOST, 0))
                found = int(probe.getsockname()[1])
            if found not in taken:
                return found
        raise SurroundingsError(f"no port of {HOST} is free")

    def start(self, service: Service) -> None:
        """Have ``service`` run from now on. Raises SurroundingsError."""
        place = self.folder / service.name
        spec = _spec(service)
        running = self._one(place)
        if running and running.kept and _read(place / "spec.json", Spec) == spec:
            return
        self.stop([service.name])
        place.mkdir(parents=True, exist_ok=True)
        text = msgspec.json.format(msgspec.json.encode(spec)).decode()
        files.write_atomically(place / "spec.json", text + "\n")
        process = subprocess.Popen(
            [*keeper.PROGRAM, str(place)],
            cwd="/",
            env=dict(service.env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        _started.append(process)
        deadline = time.monotonic() + START
        while not (place / "state.json").exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise SurroundingsError(
                    f"{service.name} could not be started (its keeper ended with"
                    f" {process.poll()})",
                    f"is there room on the disk of {place}?",
                )
            time.sleep(0.002)

    def stop(self, names: Sequence[str]) -> None:
        """Stop services, all at once, and forget them."""
        places = [self.folder / name for name in names]
        for place in places:
            if (pid := _keeper(place)) is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
        for place in places:
            spec = _read(place / "spec.json", Spec)
            patience = spec.patience if spec else 0.0
            if place.exists():
                files.wait_free(place / "keeper.lock", patience + 5)
            _end_orphan(place, spec)
            shutil.rmtree(place, ignore_errors=True)
        for each in _started:
            each.poll()

    def endpoint(self, name: str) -> Endpoint:
        """Return where a service that was started listens."""
        spec = _read(self.folder / name / "spec.json", Spec)
        if spec is None:
            raise SurroundingsError(f"{name} does not run")
        return Endpoint(HOST, spec.port)

    def inspect(self) -> Mapping[str, Running]:
        """Return what is known of every service, by name."""
        found = {}
        for place in sorted(self.folder.glob("*/")):
            if (running := self._one(place)) is not None:
                found[place.name] = running
        return found

    def logs(self, name: str, lines: int = 50) -> list[str]:
        """Return the last lines that a service printed."""
        said: list[str] = []
        for file in ("log.1", "log"):
            with suppress(OSError):
                raw = _end_of(self.folder / name / file, 200 * lines)
                said += raw.decode(errors="replace").splitlines()
        return said[-lines:]

    def _one(self, place: Path) -> Running | None:
        spec = _read(place / "spec.json", Spec)
        if spec is None:
            return None
        state = _read(place / "state.json", State)
        alive = bool(state and state.pid and processes.lives(state.pid, state.born))
        return Running(
            name=place.name,
            alive=alive,
            kept=_keeper(place) is not None,
            pid=state.pid if state and alive else 0,
            port=spec.port,
            restarts=state.restarts if state else 0,
            exit=state.exit if state else None,
            since=state.since if state else 0.0,
            labels=spec.labels,
        )


def _spec(service: Service) -> Spec:
    return Spec(
        argv=service.argv,
        cwd=str(service.cwd),
        port=service.port,
        stop=service.stop,
        patience=service.patience,
        user=service.user,
        labels=service.labels,
        variables=tuple(sorted(service.env)),
    )


def _keeper(place: Path) -> int | None:
    """Return the process of a living keeper."""
    if not (place / "keeper.lock").exists():
        return None
    descriptor = files.try_lock(place / "keeper.lock")
    if descriptor is not None:
        os.close(descriptor)
        return None
    # It writes its number right after it has the lock.
    deadline = time.monotonic() + START
    while time.monotonic() < deadline:
        if (state := _read(place / "state.json", State)) is not None:
            return int(state.keeper)
        time.sleep(0.002)
    return None


def _end_orphan(place: Path, spec: Spec | None) -> None:
    """Stop a service whose keeper was killed."""
    state = _read(place / "state.json", State)
    if state is None or not processes.lives(state.pid, state.born):
        return
    number = spec.stop if spec else signal.SIGTERM
    with suppress(ProcessLookupError):
        os.kill(state.pid, number)
    deadline = time.monotonic() + (spec.patience if spec else 0.0)
    while processes.lives(state.pid, state.born) and time.monotonic() < deadline:
        time.sleep(0.02)
    processes.signal_group(state.pid, signal.SIGKILL)


def _read(path: Path, kind: Any) -> Any:
    """Return what a file of ours says; None when it is not there, or is no such file."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError):
        return None


def _end_of(path: Path, most: int) -> bytes:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - most))
        return file.read()
