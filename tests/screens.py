"""A terminal for tests: a real pty, and an emulator that knows what a person would see."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import pyte


class Terminal:
    """A program on a terminal of its own, of which it is the controlling one.

    ``raw`` is all that was written to it, ``lines`` what has scrolled out above and what
    is on the screen, ``screen`` the emulator.
    """

    def __init__(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        *,
        rows: int = 24,
        columns: int = 80,
        cwd: Path | None = None,
    ) -> None:
        self._ours, self._theirs = os.openpty()
        self.screen = pyte.HistoryScreen(columns, rows, history=1000)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self._set_size(rows, columns)
        # A leader of a session gets the first terminal that it opens as its own.
        opened = ("sh", "-c", 'exec "$@" <>"$0" >&0 2>&1', os.ttyname(self._theirs))
        self.process = subprocess.Popen(
            [*opened, *argv], env=dict(env), cwd=cwd, start_new_session=True
        )

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)

    @property
    def display(self) -> list[str]:
        """The rows of the screen, without spaces at their ends."""
        return [row.rstrip() for row in self.screen.display]

    @property
    def lines(self) -> list[str]:
        """What scrolled out above, and what is on the screen."""
        above = [
            "".join(row[n].data for n in range(self.screen.columns)).rstrip()
            for row in self.screen.history.top
        ]
        return above + self.display

    @property
    def whole(self) -> bool:
        """Whether all rows scroll."""
        return self.screen.margins is None

    def send(self, keys: str) -> None:
        """Press keys."""
        os.write(self._ours, keys.encode())

    def resize(self, rows: int, columns: int) -> None:
        """Change the size, as dragging a window's corner does."""
        self.screen.resize(rows, columns)
        self._set_size(rows, columns)

    def read(self, seconds: float) -> None:
        """Take what is written in this time."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self._ours], [], [], left)[0]:
                piece = os.read(self._ours, 1 << 16)
                self.raw += piece
                self._stream.feed(piece)

    def until(self, seen: Callable[[], object], seconds: float = 20.0) -> bool:
        """Take what is written until ``seen`` is true, or the time is over."""
        deadline = time.monotonic() + seconds
        while not seen() and time.monotonic() < deadline:
            self.read(0.03)
        return bool(seen())

    def end(self, seconds: float = 20.0) -> int:
        """Wait for the end of the program; return its exit code."""
        assert self.until(lambda: self.process.poll() is not None, seconds), self
        self.read(0.05)
        return self.process.returncode

    def __repr__(self) -> str:
        border = "-" * self.screen.columns
        rows = "\n".join(f"|{row}|" for row in self.screen.display)
        return f"{self.screen.margins}\n+{border}+\n{rows}\n+{border}+"

    def _set_size(self, rows: int, columns: int) -> None:
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, size)
