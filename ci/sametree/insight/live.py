"""How does a run show its progress on a terminal on which others write as well?

The last two rows are taken out of what scrolls (VT100: DECSTBM, "set top and bottom
margins"). All that Nox, our steps and their programs write stays above them, so it
needs neither our help nor our knowledge.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import FrameType
from typing import TextIO

from sametree.insight import progress
from sametree.insight.progress import Reader

VARIABLE = "SAMETREE_PROGRESS"
"""0 switches the view off."""
TICK = 0.25
"""Seconds between two looks; what has not changed is not painted again."""
QUIET = 3.0
"""Seconds without a running unit after which the rows are given back: a session that is
not ours may want them."""
PATIENCE = 1.0
"""Seconds for which nobody has read keys before the view comes back."""
LEAST = (30, 12)
"""Columns and rows of the smallest terminal that has room for a view."""
DUMB = ("", "dumb", "unknown")

Handler = Callable[[int, FrameType | None], None]

SAVE, RESTORE = "\0337", "\0338"
ALL_ROWS = "\033[r"
DOWN = "\033D"
CLEAR_ROW, CLEAR_BELOW = "\033[2K", "\033[J"


def wanted(environ: Mapping[str, str], *outputs: TextIO) -> bool:
    """Return whether somebody sits at the terminal that ``outputs`` write to."""
    return (
        environ.get(VARIABLE) != "0"
        and environ.get("TERM", "") not in DUMB
        and environ.get("CI", "").lower() in ("", "0", "false")
        and all(each is not None and each.isatty() for each in outputs)
    )


def beneath(reader: Reader, width: int) -> list[str]:
    """Return what stands below a list of running units that somebody else paints."""
    try:
        look = reader.look()
        return progress.beneath(look, time.time(), width) if look.running else []
    except Exception:
        return []  # a view is no reason to fail


class Rows:
    """The last rows of the terminal behind ``descriptor``, kept out of what scrolls.

    Each change is one write, so that no other program's output gets in between. The
    cursor stays with those who print.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._size = (0, 0)  # columns and rows when we took ours
        self._taken = 0
        self._shown: Sequence[str] = ()

    def show(self, lines: Sequence[str]) -> None:
        """Put ``lines`` into the last rows, after taking them where that is needed."""
        columns, height = os.get_terminal_size(self._descriptor)
        if columns < LEAST[0] or height < LEAST[1]:
            self.give_back()
            return
        same = (columns, height) == self._size and len(lines) == self._taken
        if same and list(lines) == list(self._shown):
            return
        text = "" if same else self._take(columns, height, len(lines))
        first = height - len(lines) + 1
        painted = [
            f"\033[{first + n};1H{CLEAR_ROW}{line}\033[m"
            for n, line in enumerate(lines)
        ]
        self._write(text + SAVE + "".join(painted) + RESTORE)
        self._shown = list(lines)

    def give_back(self) -> None:
        """Clear the rows and let all scroll again."""
        if not self._taken:
            return
        taken, self._taken, self._shown = self._taken, 0, ()
        text = SAVE + ALL_ROWS
        if os.get_terminal_size(self._descriptor) == self._size:
            first = self._size[1] - taken + 1
            text += "".join(f"\033[{first + n};1H{CLEAR_ROW}" for n in range(taken))
            text += RESTORE
        else:
            text += RESTORE + CLEAR_BELOW
        self._write(text)

    def _take(self, columns: int, height: int, rows: int) -> str:
        # After a change of size nobody knows which rows ours are by now: terminals keep
        # the first row or the last where it was. But nothing else is below the cursor.
        stale = CLEAR_BELOW if self._taken else ""
        self._size, self._taken = (columns, height), rows
        # Make room below the cursor, without moving it from its column; setting the
        # margins moves the cursor, hence saved and restored.
        return (
            f"{SAVE}{ALL_ROWS}{RESTORE}{stale}{DOWN * rows}\033[{rows}A"
            f"{SAVE}\033[1;{height - rows}r{RESTORE}"
        )

    def _write(self, text: str) -> None:
        encoding = sys.stdout.encoding or "utf-8"
        rest = text.encode(encoding, "backslashreplace")
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:  # Node makes the terminal we share non-blocking
                time.sleep(0.01)


class Live:
    """The view of a run on a terminal, as long as it is started; else it does nothing.

    ``start`` and ``stop`` are called in the main thread and never raise. Nothing is
    shown before a unit has really begun to run.
    """

    def __init__(self, reader: Reader, descriptor: int = 1) -> None:
        self.reader = reader
        self._descriptor = descriptor
        self._rows = Rows(descriptor)
        self._turn = threading.RLock()
        self._wake = threading.Event()
        self._ending = False
        self._thread: threading.Thread | None = None
        self._seen_running = 0.0
        self._seen_keys = 0.0
        self._answered: list[signal.Signals] = []

    def start(self) -> None:
        """Begin to look; the second time, do nothing."""
        if self._thread is not None:
            return
        self._thread = threading.Thread(
            target=self._run, name="sametree progress", daemon=True
        )
        with suppress(RuntimeError, ValueError, OSError):
            self._thread.start()
            atexit.register(self.stop)
            self._answer(signal.SIGWINCH, self._resized)
            self._answer(signal.SIGTSTP, self._suspended)

    def stop(self) -> None:
        """End the view, and leave the terminal as it was."""
        self._ending = True
        self._wake.set()
        if self._thread is None:
            return
        with suppress(RuntimeError):  # it could not be started
            self._thread.join(timeout=2.0)
        while self._answered:
            signal.signal(self._answered.pop(), signal.SIG_DFL)
        atexit.unregister(self.stop)

    def _run(self) -> None:
        try:
            while not self._ending:
                with self._turn:
                    self._look()
                self._wake.wait(TICK)
                self._wake.clear()
        except Exception:
            pass  # the terminal went away, mostly; a view is no reason to fail
        finally:
            with self._turn, suppress(OSError):
                self._rows.give_back()

    def _look(self) -> None:
        """Show how the run looks now, or give the rows back while others need them."""
        now = time.monotonic()
        if not self._ours():
            return
        if self._keys_are_read():
            self._seen_keys = now
        look = self.reader.look()
        if look.running:
            self._seen_running = now
        idle = now - self._seen_running > QUIET or not self._seen_running
        if idle or self._seen_keys and now - self._seen_keys < PATIENCE:
            self._rows.give_back()
            return
        columns = os.get_terminal_size(self._descriptor).columns
        shown = progress.lines(look, time.time(), columns)
        # One unit at a time runs in this process; between two, its row stays empty.
        self._rows.show(["", *shown][-2:])

    def _ours(self) -> bool:
        """Return whether we are in the foreground: else our writing would stop us."""
        return os.tcgetpgrp(self._descriptor) == os.getpgrp()

    def _keys_are_read(self) -> bool:
        """Return whether a program takes each key, as a debugger's prompt does."""
        return not termios.tcgetattr(self._descriptor)[3] & termios.ICANON

    def _answer(self, number: signal.Signals, handler: Handler) -> None:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, handler)
            self._answered.append(number)

    def _resized(self, number: int, frame: FrameType | None) -> None:
        self._wake.set()

    def _suspended(self, number: int, frame: FrameType | None) -> None:
        """Give the rows back before Ctrl-Z gives the terminal to the shell."""
        held = self._turn.acquire(timeout=1.0)
        try:
            with suppress(OSError):
                self._rows.give_back()
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)  # we stop here, and go on here
            signal.signal(number, self._suspended)
        finally:
            if held:
                self._turn.release()
