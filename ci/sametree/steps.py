"""What is one command of a unit, and how is it run so that nothing of it is left?"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import msgspec

from sametree.errors import SurroundingsError

GRACE = (1.0, 0.5)
"""Seconds that a step has to end after SIGINT, and then after SIGTERM.

Their sum stays below the two seconds that Nox gives a session it interrupts.
"""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One command: what is run, where, and with which variables added.

    ``mend`` is the command for a person to type when the step fails; ``reader`` is
    the name of the program whose output it is (see ``toolchains.findings``);
    ``neutral`` are exit codes that are no failure though they are not 0.
    """

    name: str
    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str] = {}
    mend: str = ""
    reader: str = ""
    neutral: tuple[int, ...] = ()

    def __str__(self) -> str:
        return shlex.join(self.argv)


class Outcome(msgspec.Struct, frozen=True):
    """How a step ended: exit code, seconds, and its output where it was captured."""

    step: Step
    code: int
    seconds: float
    output: str = ""

    @property
    def passed(self) -> bool:
        """Whether the step did what it should."""
        return self.code == 0 or self.code in self.step.neutral


def run(
    step: Step,
    env: Mapping[str, str],
    *,
    on_line: Callable[[str], None] | None = None,
    live: bool = False,
) -> Outcome:
    """Run ``step`` with ``env`` and its own variables; wait for its end.

    A ``live`` step writes to our own output and may read from the terminal; of any
    other the output is captured and handed to ``on_line`` line by line. On Ctrl-C
    and SIGTERM the step, and all that it started, is stopped before we are.

    Raises SurroundingsError when the program is not there.
    """
    started = time.monotonic()
    process = _start(step, env, live=live)
    lines: list[str] = []
    try:
        for line in process.stdout or ():
            lines.append(line)
            if on_line:
                on_line(line.rstrip("\n"))
        code = process.wait()
    except BaseException:
        _stop(process)
        raise
    finally:
        _sweep(process)
    return Outcome(step, code, time.monotonic() - started, "".join(lines))


def run_together(
    steps: Sequence[Step], env: Mapping[str, str], jobs: int
) -> Iterator[Outcome]:
    """Run ``steps``, ``jobs`` at a time, and yield each outcome as it comes.

    Steps started together must not depend on each other. When the caller stops
    early, or on Ctrl-C, all that still run are stopped.
    """
    running: list[subprocess.Popen[str]] = []

    def one(step: Step) -> Outcome:
        started = time.monotonic()
        process = _start(step, env, live=False)
        running.append(process)
        output, _ = process.communicate()
        _sweep(process)
        return Outcome(step, process.returncode, time.monotonic() - started, output)

    with ThreadPoolExecutor(max_workers=max(1, jobs)) as threads:
        futures = [threads.submit(one, step) for step in steps]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            for process in running:
                _stop(process)
            raise


def _start(step: Step, env: Mapping[str, str], *, live: bool) -> subprocess.Popen[str]:
    # A step that may use the terminal stays in the foreground group, where Ctrl-C
    # reaches it; any other gets a group of its own, which can be stopped as a whole.
    interactive = live and sys.stdin is not None and sys.stdin.isatty()
    if live:
        sys.stdout.flush()
    try:
        return subprocess.Popen(
            step.argv,
            cwd=step.cwd,
            env={**env, **step.env},
            stdin=None if interactive else subprocess.DEVNULL,
            stdout=None if live else subprocess.PIPE,
            stderr=None if live else subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            process_group=None if interactive else 0,
        )
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
        raise SurroundingsError(
            f"{step.name}: cannot start `{step.argv[0]}` in {step.cwd}:"
            f" {error.strerror}",
            "is it pinned in the session's lock? see docs/settings.md, and"
            " `nox -s lock`",
        ) from None


def _stop(process: subprocess.Popen[str]) -> None:
    """End ``process``: first kindly, so that it can clean up after itself."""
    for sent, patience in zip((signal.SIGINT, signal.SIGTERM), GRACE, strict=True):
        if process.poll() is not None:
            return
        _signal(process, sent)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue
    _signal(process, signal.SIGKILL)
    process.wait()


def _signal(process: subprocess.Popen[str], number: signal.Signals) -> None:
    try:
        own_group = os.getpgid(process.pid) == process.pid
    except ProcessLookupError:
        return
    if own_group:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)


def _sweep(process: subprocess.Popen[str]) -> None:
    """Kill what an ended step left running in its group (servers, workers)."""
    try:
        if process.pid != os.getpgrp():
            os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # nothing was left, or the number is somebody else's by now
