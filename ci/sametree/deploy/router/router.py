"""How does the traffic of an environment get where it should go, and do we know it?

What it shall do is written to files, which Envoy reads whenever they are replaced, and
each time it starts. Then it is asked until it works by them. In the folder::

    desired.json   what was asked for last, in our words
    fence          the highest fencing token that was shown
    lock           held by whoever writes
    envoy/         Envoy's files, and the socket on which it is asked
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from sametree import files
from sametree.deploy.router import envoy, takeover
from sametree.deploy.router.admin import Admin
from sametree.deploy.router.desired import Desired
from sametree.deploy.router.stats import EMPTY, PoolStats
from sametree.errors import SurroundingsError, UsageError

ENVOY, STATE, FENCE, LOCK = "envoy", "desired.json", "fence", "lock"
STILL = 0.02
"""Seconds between two looks at what is at work."""
THREADS = 8
"""The most threads that Envoy works with: each has connections of its own."""

_CUT_OFF = "was changed by hand, or a deployment was cut off while it wrote it"


class State(Struct, frozen=True):
    """What was asked for; ``rollout`` counts how often traffic was shared anew."""

    desired: Desired
    rollout: int

    def followed_by(self, desired: Desired) -> State:
        """Return the state after this one."""
        anew = len(desired.shares) > 1 and len(self.desired.shares) < 2
        return State(desired, self.rollout + anew)

    def files(self) -> dict[str, str]:
        """Return what Envoy is told, by file."""
        return envoy.files(self.desired, self.rollout)


class Router:
    """The router of one environment, whose files are in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.envoy = folder / ENVOY
        self.admin = Admin(self.envoy)

    def prepare(self, desired: Desired) -> None:
        """Write what Envoy needs to start; what it was told before stands.

        ``desired`` is what it does when it was never told anything. Raises UsageError
        when that could lose requests, and OSError.
        """
        desired.checked()
        with self._locked():
            state = self._state(heal=True) or _first(desired)
            name = self.folder.resolve().parent.name
            told = {envoy.BOOTSTRAP: envoy.bootstrap(name), **state.files()}
            for file, text in told.items():
                if takeover.read(self.envoy, file) != text:
                    takeover.write(self.envoy, file, text)
            self._keep(state)

    def argv(self) -> tuple[str, ...]:
        """Return the command that Envoy is started with, once it is prepared.

        It stays in the foreground, prints what goes wrong, and ends on SIGTERM. Raises
        SurroundingsError when it is not installed.
        """
        threads = max(2, min(THREADS, os.cpu_count() or 1))
        launch = Path(__file__).with_name("launch.py")
        begin = (sys.executable, "-I", "-S", str(launch), str(self.envoy.absolute()))
        options = ("-c", envoy.BOOTSTRAP, "--disable-hot-restart", "-l", "warn")
        tuned = ("--concurrency", str(threads), "--drain-time-s", "30")
        return (*begin, str(envoy.program()), *options, *tuned)

    def ready(self) -> bool:
        """Return whether it answers, and listens; ``drift`` says why it does not."""
        try:
            return self.admin.ready()
        except OSError:
            return False

    def apply(
        self, desired: Desired, patience: float = 5.0, fence: int | None = None
    ) -> float:
        """Have the router do what is ``desired``; return the seconds that it took.

        Clusters are added before routes name them, and removed after no route does;
        each step is read back. ``fence`` is the fencing token of the lease under which
        this is done. While Envoy is down all is written nevertheless, for it to do when
        it is back.

        Raises UsageError when the state could lose requests, or a higher token has been
        shown; SurroundingsError when Envoy refuses it (then all is as it was) or has
        not taken it over after ``patience`` seconds; OSError when the disk is full.
        """
        began = time.monotonic()
        desired.checked()
        with self._locked():
            self._show(fence)
            old = self._state(heal=True)
            state = old.followed_by(desired) if old else _first(desired)
            before = old.files() if old else {}
            deadline = began + patience
            late = takeover.take_over(self.admin, state.files(), before, deadline)
            self._keep(state)
        if late:
            raise late
        return time.monotonic() - began

    def desired(self) -> Desired | None:
        """Return what was asked for last; None before anything was.

        Raises SurroundingsError when the file is there and cannot be read.
        """
        state = self._state()
        return state.desired if state else None

    def drift(self) -> list[str]:
        """Return sentences on where the router is not as it was asked to be."""
        state = self._state()
        if state is None:
            return []
        wanted = state.files()
        found = [
            f"{self.envoy / name} {_CUT_OFF if text else 'is gone'}"
            for name in wanted
            if (text := takeover.read(self.envoy, name)) != wanted[name]
        ]
        try:
            return found + self._unlike(state.desired, wanted)
        except OSError as error:
            return [*found, f"the router does not run: {_reason(error)}"]

    def stats(self) -> dict[str, PoolStats]:
        """Return what each colour has answered since Envoy began, and is at.

        Raises SurroundingsError when Envoy does not answer.
        """
        state = self._state()
        idle = dict.fromkeys(state.desired.pools if state else (), EMPTY)
        try:
            return idle | self.admin.stats()
        except OSError as error:
            raise SurroundingsError(
                f"the router does not answer: {_reason(error)}",
                "`invoke status` shows whether it runs",
            ) from None

    def drained(self, pool: str, patience: float) -> bool:
        """Wait until no request is at work in ``pool``; False when there still is one
        after ``patience`` seconds. Where Envoy is down, none is."""
        deadline = time.monotonic() + patience
        still = (
            0  # looks in a row: a request may just be on its way from one to another
        )
        try:
            while True:
                still = 0 if self.admin.active(pool) else still + 1
                if still == 2:
                    return True
                if time.monotonic() > deadline:
                    return False
                time.sleep(STILL)
        except OSError:
            return True

    def _unlike(self, desired: Desired, wanted: Mapping[str, str]) -> list[str]:
        """Return where Envoy works otherwise than it is wanted. Raises OSError."""
        found = []
        listening = self.admin.listening()
        if str(desired.listen) not in listening:
            said = self.admin.why_not()
            found.append(
                f"the router listens on {' and '.join(listening) or 'no address'}, not"
                f" on {desired.listen}" + (f": {said}" if said else "")
            )
        taken = self.admin.taken()
        for name, text in wanted.items():
            runs = taken.versions[name]
            # Where it does not listen it has no routes either.
            if runs != envoy.version(text) and (listening or name == envoy.CLUSTERS):
                found.append(
                    f"Envoy works by version {runs or 'none'} of {name}, not by"
                    f" {envoy.version(text)}"
                )
        return found

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        # Others' users could read what is deployed here, and open Envoy's socket.
        self.envoy.mkdir(mode=0o700, exist_ok=True)
        with files.locked(self.folder / LOCK):
            yield

    def _show(self, token: int | None) -> None:
        """Show a fencing token. Raises UsageError when a higher one has been shown."""
        if token is None:
            return
        path = self.folder / FENCE
        try:
            seen = int(path.read_text())
        except (FileNotFoundError, ValueError):
            seen = 0
        if token < seen:
            raise UsageError(
                f"the router obeys the lease with token {seen} now, not {token}: this"
                " one was taken over",
                "nothing was changed; `invoke status` shows by whom",
            )
        if token > seen:
            files.write_atomically(path, f"{token}\n")

    def _state(self, *, heal: bool = False) -> State | None:
        """Return what was asked for last; with ``heal``, None where that is unreadable.

        Raises SurroundingsError where it is.
        """
        path = self.folder / STATE
        try:
            return msgspec.json.decode(path.read_bytes(), type=State)
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError as error:
            if heal:
                return None
            raise SurroundingsError(
                f"{path}: {error}",
                "it was changed by hand: the next `invoke deploy` writes it anew",
            ) from None

    def _keep(self, state: State) -> None:
        text = msgspec.json.format(msgspec.json.encode(state)).decode()
        files.write_atomically(self.folder / STATE, text + "\n")


def _first(desired: Desired) -> State:
    """Return a state of which none before is known, so that its cookies are new."""
    return State(desired, int(time.time()))


def _reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError | ConnectionRefusedError):
        return "nobody listens on its socket"
    return str(error.strerror or error)
