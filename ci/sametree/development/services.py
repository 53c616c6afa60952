"""How does the whole application run while somebody works on it, and end as a whole?

``up`` holds ``users.lock``; each service runs under a guard that waits for this lock.
So all of them end when ``up`` does, however it does.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from sametree import files, guard
from sametree.errors import SurroundingsError, UsageError
from sametree.settings import Component, Project

FIRST_PORT = {"python": 8000, "node": 5173}
"""Where a service is looked for first: what Flask's and Vite's users are used to."""
START_TIMEOUT = 60.0
STOP_TIMEOUT = 15.0


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """A command that serves a component at ``url``."""

    name: str
    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]
    port: int

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"


class State(msgspec.Struct, frozen=True):
    """Who runs the services, and where they are."""

    pid: int
    urls: Mapping[str, str]


def folder_of(project: Project) -> Path:
    """Return where the state and logs of the services are."""
    folder = files.add_exclude_file(project.state) / "up"
    folder.mkdir(exist_ok=True)
    return folder


def ports(components: Sequence[Component]) -> dict[str, int]:
    """Return a free port of the loopback for each component, the usual ones first."""
    chosen: dict[str, int] = {}
    for component in components:
        first = FIRST_PORT[component.language or "python"]
        for port in range(first, first + 100):
            if port not in chosen.values() and _is_free(port):
                chosen[component.name] = port
                break
        else:
            raise SurroundingsError(f"no port from {first} to {first + 99} is free")
    return chosen


def service(
    component: Component,
    folder: Path,
    env: Mapping[str, str],
    urls: Mapping[str, int],
) -> Service:
    """Return what serves ``component``; it gets the others' addresses as NAME_URL."""
    port = urls[component.name]
    others = {
        f"{name.upper().replace('-', '_')}_URL": f"http://127.0.0.1:{other}"
        for name, other in urls.items()
    }
    return Service(
        name=component.name,
        argv=tuple(part.replace("{port}", str(port)) for part in component.serve),
        cwd=folder,
        env={**env, **others},
        port=port,
    )


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Be the only one who runs the services of a checkout.

    Raises UsageError, which says who else does, when there is one.
    """
    descriptor = files.try_lock(folder / "users.lock")
    if descriptor is None:
        state = read_state(folder)
        who = f" (process {state.pid})" if state else ""
        raise UsageError(
            f"the application of this checkout runs already{who}",
            "`invoke down` stops it",
        )
    try:
        _write_state(folder, {})  # so that `down` knows whom to stop from now on
        yield
    finally:
        os.close(descriptor)
        for guard_lock in folder.glob("*.guard"):
            files.wait_free(guard_lock, STOP_TIMEOUT)
        (folder / "state.json").unlink(missing_ok=True)


@contextmanager
def running(
    services: Sequence[Service], folder: Path
) -> Iterator[Mapping[str, subprocess.Popen[bytes]]]:
    """Start ``services`` and wait until each answers; the caller holds :func:`alone`.

    Raises SurroundingsError with a service's last words when it ends instead.
    """
    guards: dict[str, subprocess.Popen[bytes]] = {}
    for each in services:
        log = folder / f"{each.name}.log"
        log.write_bytes(b"")
        guards[each.name] = guard.start(
            list(each.argv),
            lock=str(folder / "users.lock"),
            own_lock=str(folder / f"{each.name}.guard"),
            log=str(log),
            stop_signal=signal.SIGTERM,
            cwd=str(each.cwd),
            env=dict(each.env),
        )
    _write_state(folder, {each.name: each.url for each in services})
    for each in services:
        _await(each, guards[each.name], folder / f"{each.name}.log")
    try:
        yield guards
    finally:  # before the database that they use
        for one in guards.values():
            one.terminate()
        for one in guards.values():
            with suppress(subprocess.TimeoutExpired):
                one.wait(STOP_TIMEOUT)


def watch(
    guards: Mapping[str, subprocess.Popen[bytes]],
    folder: Path,
    show: Callable[[str, str], None],
) -> str:
    """Show what the services print until one of them ends; return its name."""
    logs = {name: (folder / f"{name}.log").open("rb") for name in guards}
    rest = dict.fromkeys(guards, b"")
    try:
        while True:
            ended = [name for name, each in guards.items() if each.poll() is not None]
            for name, log in logs.items():
                *lines, rest[name] = (rest[name] + log.read()).split(b"\n")
                for line in lines:
                    show(name, line.decode(errors="replace"))
            if ended:
                return ended[0]
            time.sleep(0.1)
    finally:
        for log in logs.values():
            log.close()


def stop(folder: Path) -> bool:
    """End the ``up`` of a checkout, and wait for all of it to be gone.

    Returns whether one ran. Raises SurroundingsError when it does not end.
    """
    free = files.try_lock(folder / "users.lock")
    if free is not None:
        os.close(free)
        return False
    if state := read_state(folder):
        with suppress(ProcessLookupError):
            os.kill(state.pid, signal.SIGTERM)
    if not files.wait_free(folder / "users.lock", STOP_TIMEOUT):
        raise SurroundingsError(
            f"the application did not end within {STOP_TIMEOUT:.0f} seconds",
            f"kill {state.pid}" if state else "end the terminal in which it runs",
        )
    return True


def _write_state(folder: Path, urls: Mapping[str, str]) -> None:
    text = msgspec.json.encode(State(os.getpid(), urls)).decode()
    files.write_atomically(folder / "state.json", text)


def read_state(folder: Path) -> State | None:
    """Return who runs the services, or None when that cannot be told."""
    try:
        return msgspec.json.decode((folder / "state.json").read_bytes(), type=State)
    except (OSError, msgspec.MsgspecError):
        return None


def _await(each: Service, running: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while running.poll() is None and time.monotonic() < deadline:
        if _answers(each.port):
            return
        time.sleep(0.05)
    said = log.read_text(errors="replace").strip().splitlines()[-15:]
    listed = "\n".join(f"  {line}" for line in said) or "  (it printed nothing)"
    raise SurroundingsError(
        f"{each.name} does not answer at {each.url}; it printed:\n{listed}",
        f"it was started in {each.cwd.name} as: {' '.join(each.argv)}",
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a port whose last connections are just ending is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
