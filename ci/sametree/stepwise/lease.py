"""Who may change an environment now, and what if nobody hears of him any more?

``lease.json`` says who. Its owner renews it as long as he lives; where he does not, the
next one takes it over. Each lease has a number, the fencing token, higher than all
before it: whoever has an older one changes nothing any more (M. Kleppmann, "How to do
distributed locking", 2016).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from sametree import files, machine, processes, terminal
from sametree.stepwise import audit
from sametree.errors import SurroundingsError, UsageError

FILE, FENCE, LOCK = "lease.json", "fence", "lease.lock"
EXPIRY = 15.0
"""Seconds after which an owner of whom nothing is heard counts as gone."""
BEAT = 3.0
"""Seconds between two renewals."""


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """Who changes an environment: ``run`` is his run, ``what`` he does in words."""

    token: int
    run: str
    what: str
    user: str
    host: str
    pid: int
    born: str
    since: float
    beat: float

    def who(self) -> str:
        """Return the owner in words."""
        return f"{self.user}@{self.host} (process {self.pid})"

    def stale(self, now: float) -> str:
        """Return why its owner counts as gone; empty when he does not."""
        here = self.host == machine.told().get("host.name", "")
        if here and not processes.lives(self.pid, self.born):
            return "its process is gone"
        silent = now - self.beat
        return f"silent for {silent:.0f} s" if silent > EXPIRY else ""


class Lost(SurroundingsError):
    """Somebody else has the lease now: nothing more may be changed."""


class Held:
    """A lease that is ours."""

    def __init__(self, folder: Path, lease: Lease) -> None:
        self.folder = folder
        self.lease = lease

    @property
    def token(self) -> int:
        """The fencing token."""
        return self.lease.token

    def check(self) -> None:
        """Raise Lost when the lease is not ours any more."""
        now = read(self.folder)
        if now is None or now.token != self.lease.token:
            whose = f"{now.who()} has it" if now else "it was broken"
            raise Lost(
                f"the lease of {self.folder.name} was lost: {whose}",
                "nothing more was changed; `invoke status` shows what stands",
            )

    def renew(self) -> None:
        """Say that we are still here. Raises Lost, and OSError."""
        with files.locked(self.folder / LOCK):
            self.check()
            self.lease = msgspec.structs.replace(self.lease, beat=time.time())
            _write(self.folder, self.lease)


def read(folder: Path) -> Lease | None:
    """Return the lease of the environment in ``folder``; None when it is free."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Lease)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


@contextmanager
def held(folder: Path, run: str, what: str, way_out: str = "") -> Iterator[Held]:
    """Have the lease for the length of the block; it is given back however that ends.

    ``way_out`` tells who does not get it what to do. A stale one is taken over, which
    the audit trail tells. Raises UsageError, which names the owner, when somebody has it.
    """
    files.add_exclude_file(folder)  # it may be anywhere in the project
    ours = _take(folder, run, what, way_out)
    ended = threading.Event()
    beating = threading.Thread(target=_beat, args=(ours, ended.wait), daemon=True)
    beating.start()
    try:
        yield ours
    finally:
        ended.set()
        beating.join()
        with files.locked(folder / LOCK):
            if (now := read(folder)) and now.token == ours.token:
                (folder / FILE).unlink(missing_ok=True)


def break_(folder: Path) -> Lease | None:
    """Take the lease from whoever has it, who then changes nothing any more; return it.

    None when nobody had it.
    """
    with files.locked(folder / LOCK):
        if (found := read(folder)) is None:
            return None
        (folder / FILE).unlink()
    audit.append(folder, "lease broken", run=found.run, of=found.who(), what=found.what)
    return found


def _take(folder: Path, run: str, what: str, way_out: str) -> Held:
    now, told = time.time(), machine.told()
    with files.locked(folder / LOCK):
        old = read(folder)
        gone = old.stale(now) if old else ""
        if old and not gone:
            since = terminal.duration(now - old.since)
            raise UsageError(
                f"{folder.name} is being changed: {old.what}, by {old.who()},"
                f" since {since}",
                way_out
                or f"wait for it, or `invoke lock.break {folder.name}` when you know that"
                " it is dead",
            )
        pid = os.getpid()
        lease = Lease(
            token=_next(folder),
            run=run,
            what=what,
            user=told.get("user", ""),
            host=told.get("host.name", ""),
            pid=pid,
            born=processes.born(pid),
            since=now,
            beat=now,
        )
        if old:
            audit.append(
                folder,
                "lease taken over",
                run=run,
                of=old.who(),
                what=old.what,
                why=gone,
            )
            terminal.say(
                f"  the lease of {old.who()} is taken over: {gone}"
                f" (it was to {old.what})"
            )
        _write(folder, lease)
    return Held(folder, lease)


def _next(folder: Path) -> int:
    """Return the next fencing token; no two are ever the same."""
    try:
        last = int((folder / FENCE).read_text())
    except (FileNotFoundError, ValueError):
        last = 0
    files.write_atomically(folder / FENCE, f"{last + 1}\n")
    return last + 1


def _write(folder: Path, lease: Lease) -> None:
    text = msgspec.json.format(msgspec.json.encode(lease)).decode()
    files.write_atomically(folder / FILE, text + "\n")


def _beat(ours: Held, over: Callable[[float], bool]) -> None:
    """Renew until it is over, or the lease is lost: each step finds that by itself."""
    while not over(BEAT):
        try:
            ours.renew()
        except Lost:
            return
        except OSError:
            continue  # a full disk: it may have room again before the lease expires
