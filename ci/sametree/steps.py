"""What is one command of a unit, and how is it run so that nothing of it is left?"""

from __future__ import annotations

import codecs
import os
import select
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import NoReturn

import msgspec

from sametree import masking, relay
from sametree.errors import SurroundingsError

GRACE = (1.0, 0.5)
"""Seconds that a step has to end after SIGINT, and then after SIGTERM.

Their sum stays below the two seconds that Nox gives a session it interrupts.
"""

LEFT_BEHIND = 0.2
"""Seconds of silence after which we look whether a step has ended all the same."""

DRAIN = 10.0
"""Seconds after the end of a step in which its last lines are still read."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One command: what is run, where, and with which variables added.

    ``mend`` is the command for a person to type when the step fails; ``reader`` is
    the name of the program whose output it is (see ``toolchains.findings``);
    ``neutral`` are exit codes that are no failure though they are not 0. Of a ``kept``
    step the result is kept, so that a later run does without it.
    """

    name: str
    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str] = {}
    mend: str = ""
    reader: str = ""
    neutral: tuple[int, ...] = ()
    kept: bool = False

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
    lines: list[str] = []

    def take(line: str) -> None:
        lines.append(line)
        if on_line:
            on_line(line.rstrip("\n"))

    process: subprocess.Popen[bytes] | None = None
    with relay.relayed(LEFT_BEHIND, DRAIN) if live else nullcontext(None) as ends:
        try:
            with _signals_wait():
                process = _start(step, env, ends)
            code = _finish(process, take)
        except BaseException:
            if process is not None:
                _stop([process])
            raise
    return Outcome(step, code, time.monotonic() - started, "".join(lines))


def run_together(
    steps: Sequence[Step], env: Mapping[str, str], jobs: int
) -> Iterator[Outcome]:
    """Run ``steps``, ``jobs`` at a time, and yield each outcome as it comes.

    Steps started together must not depend on each other. When the caller stops
    early, or on Ctrl-C, all that still run are stopped.
    """
    running: list[subprocess.Popen[bytes]] = []
    stopping = threading.Event()

    def one(step: Step) -> Outcome:
        started = time.monotonic()
        lines: list[str] = []
        process = _start(step, env)
        running.append(process)
        if stopping.is_set():
            _stop([process])
        code = _finish(process, lines.append)
        running.remove(process)
        return Outcome(step, code, time.monotonic() - started, "".join(lines))

    with ThreadPoolExecutor(max_workers=max(1, jobs)) as threads:
        try:
            futures = [threads.submit(one, step) for step in steps]
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            stopping.set()
            threads.shutdown(wait=False, cancel_futures=True)
            _stop(list(running))
            raise


def stop_on_sigterm() -> None:
    """End by SIGTERM as by Ctrl-C, so that steps and servers are stopped."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, frame: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _start(
    step: Step, env: Mapping[str, str], ends: relay.Ends | None = None
) -> subprocess.Popen[bytes]:
    """Start a step, a live one with the ``ends`` that it writes to."""
    live = ends is not None
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
            stdout=ends.stdout if ends else subprocess.PIPE,
            stderr=ends.stderr if ends else subprocess.STDOUT,
            bufsize=0,
            process_group=None if interactive else 0,
        )
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
        raise SurroundingsError(
            f"{step.name}: cannot start `{step.argv[0]}` in {step.cwd}:"
            f" {error.strerror}",
            "is it pinned in the session's lock? see docs/settings.md, and"
            " `nox -s lock`",
        ) from None


def _finish(process: subprocess.Popen[bytes], take: Callable[[str], None]) -> int:
    """Hand each line to ``take``, without secrets, until the process has ended; return
    its exit code.

    The end of the process counts, not that of its output: what it left behind may
    hold that open, and is killed.
    """
    try:
        if process.stdout is not None:
            with process.stdout as output:
                for line in _until_end(process, output.fileno()):
                    take(masking.hide(line))
        return process.wait()
    except BaseException:
        _stop([process])
        raise
    finally:
        _sweep(process)


def _until_end(process: subprocess.Popen[bytes], output: int) -> Iterator[str]:
    """Yield the lines of a process, until it has ended and nothing more comes.

    What it left behind is killed, so its output ends; where that is out of our reach
    (a session of its own), silence, or at last the time, ends it.
    """
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    rest = ""
    deadline = None
    while deadline is None or time.monotonic() < deadline:
        ready, _, _ = select.select([output], [], [], LEFT_BEHIND)
        read = os.read(output, 1 << 16) if ready else b""
        if ready and not read or deadline is not None and not ready:
            break
        *lines, rest = (rest + decoder.decode(read)).split("\n")
        for line in lines:
            yield line.removesuffix("\r") + "\n"
        if deadline is None and process.poll() is not None:
            _sweep(process)
            deadline = time.monotonic() + DRAIN
    rest += decoder.decode(b"", final=True)
    if rest:
        yield rest


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Let SIGINT and SIGTERM wait until the block is left.

    In the instant in which a process starts, nobody could stop it yet. (Blocking
    the signals instead would block them in the process as well.)
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, frame: came.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for each in came:
            signal.raise_signal(each)


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """End ``processes``, all at once: first kindly, so that they can clean up."""
    for sent, patience in zip((signal.SIGINT, signal.SIGTERM), GRACE, strict=True):
        deadline = time.monotonic() + patience
        for process in processes:
            if process.poll() is None:
                _signal(process, sent)
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
    for process in processes:
        if process.poll() is None:
            _signal(process, signal.SIGKILL)
            process.wait()
        _sweep(process)


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        own_group = os.getpgid(process.pid) == process.pid
    except ProcessLookupError:
        return
    if own_group:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)


def _sweep(process: subprocess.Popen[bytes]) -> None:
    """Kill what an ended step left running in its group (servers, workers)."""
    try:
        if process.pid != os.getpgrp():
            os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # nothing was left, or the number is somebody else's by now
