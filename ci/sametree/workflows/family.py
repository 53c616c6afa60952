"""Which processes has a rehearsal started, and how do they all end with it?

act gives each step of a job a terminal and a session of its own, so neither Ctrl-C nor
the end of act reaches what a step has started. All of them have the HOME that was made
for this rehearsal, and nobody else has it: that is how they are known.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

PATIENCE = 3.0
"""Seconds in which a session may clean up after Ctrl-C; Nox itself takes up to two."""

Handler = Callable[[int, FrameType | None], Any] | int | None
"""What the standard library takes for a signal's handler."""


class Process(msgspec.Struct, frozen=True):
    """A living process: its id, its parent's, and its group's."""

    pid: int
    parent: int
    group: int


@contextmanager
def ending_with_us(home: Path) -> Iterator[None]:
    """End all that has ``home`` as its HOME when the block is left.

    On Ctrl-C and SIGTERM the steps of jobs are told first, so that they clean up as
    they do at home, and only then the block is interrupted, in which act runs.
    """

    def interrupted(number: int, frame: FrameType | None) -> None:
        _set({each: signal.SIG_IGN for each in before})
        _signal(_of(home, steps_only=True), signal.SIGINT)
        _wait(lambda: not _of(home, steps_only=True))
        _set(before)
        raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM)
    ours = threading.current_thread() is threading.main_thread()
    before = {each: signal.getsignal(each) for each in numbers} if ours else {}
    _set({each: interrupted for each in before})
    try:
        yield
    finally:
        _set(before)
        end_all(home)


def end_all(home: Path) -> None:
    """End every process that has ``home`` as its HOME; returns when they are gone."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if not (left := _of(home)):
            return
        _signal(left, number)
        _wait(lambda: not _of(home))


def _of(home: Path, *, steps_only: bool = False) -> list[Process]:
    """Return the living processes of a rehearsal; of ``steps_only``, without act."""
    mark = f"HOME={home}"
    found = _from_proc(mark) if Path("/proc/self/environ").exists() else _from_ps(mark)
    own = os.getpid()
    return [
        each
        for each in found
        if each.pid != own and not (steps_only and each.parent == own)
    ]


def _from_proc(mark: str) -> Iterator[Process]:
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError):
            if mark.encode() not in (entry / "environ").read_bytes().split(b"\0"):
                continue
            # The name, in brackets, may hold anything: read from its end (proc(5)).
            rest = (entry / "stat").read_text().rpartition(")")[2].split()
            if rest[0] != "Z":
                yield Process(int(entry.name), int(rest[1]), int(rest[2]))


def _from_ps(mark: str) -> Iterator[Process]:
    argv = ["ps", "-A", "-E", "-ww", "-o", "pid=,ppid=,pgid=,command="]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        numbers = line.split(maxsplit=3)
        if len(numbers) == 4 and f" {mark} " in f"{numbers[3]} ":
            yield Process(*map(int, numbers[:3]))


def _signal(processes: list[Process], number: signal.Signals) -> None:
    own = os.getpgrp()
    for group in {each.group for each in processes} - {own}:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)


def _wait(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not done() and time.monotonic() < deadline:
        time.sleep(0.05)


def _set(handlers: Mapping[signal.Signals, Handler]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
