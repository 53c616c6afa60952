"""How does what a live step writes pass us by, so that its secrets are taken out?

Where we write to a terminal, the step gets a terminal as well, so that it keeps its
colours and its progress: one of our own, which changes no byte and has the same size.
Its input stays what it was, so a debugger can be used. What a step writes to
``/dev/tty`` itself does not pass us.
"""

from __future__ import annotations

import math
import os
import select
import termios
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple

from sametree import masking
from sametree.masking import Stream

OUTPUT, ERRORS = 1, 2


class Ends(NamedTuple):
    """The descriptors that a live step writes to; None is our own."""

    stdout: int | None = None
    stderr: int | None = None


class Channel:
    """What the step writes to ``end`` comes out of ``target``, without secrets."""

    def __init__(self, target: int, hiding: Stream) -> None:
        self.target = target
        self.hiding = hiding
        self.is_terminal = os.isatty(target)
        if self.is_terminal:
            self.source, self.end = os.openpty()
            kind = termios.tcgetattr(self.end)
            kind[1] &= ~termios.OPOST  # the real one behind us does that
            termios.tcsetattr(self.end, termios.TCSANOW, kind)
            self.follow_size()
        else:
            self.source, self.end = os.pipe()

    def follow_size(self) -> None:
        """Have the size of the terminal behind us, which a person may change."""
        with suppress(termios.error, ValueError):
            size = termios.tcgetwinsize(self.target)
            if size != termios.tcgetwinsize(self.source):
                termios.tcsetwinsize(self.source, size)

    def pass_on(self) -> bool:
        """Pass on what was written; return whether more may come."""
        try:
            piece = os.read(self.source, 1 << 16)
        except OSError:  # EIO: nobody has this terminal open any more
            piece = b""
        return bool(piece) and self._write(self.hiding.feed(piece))

    def close(self) -> None:
        """Pass on what was held back, and let the step notice that nobody reads."""
        self._write(self.hiding.end())
        os.close(self.source)

    def _write(self, text: bytes) -> bool:
        while text:
            try:
                text = text[os.write(self.target, text) :]
            except BlockingIOError:
                select.select([], [self.target], [])
            except OSError:
                return False  # our reader is gone, so the step's is too
        return True


@contextmanager
def relayed(silence: float, longest: float) -> Iterator[Ends]:
    """Give a live step what it shall write to, for the length of the block.

    Without secrets that is our own output. At the end of the block the step has ended;
    what it left behind may write on, until it is silent for ``silence`` seconds, and
    for ``longest`` seconds at most.
    """
    if not masking.active():
        yield Ends()
        return
    out = Channel(OUTPUT, masking.stream())
    one = os.path.sameopenfile(OUTPUT, ERRORS)
    err = out if one else Channel(ERRORS, masking.stream())
    pump = Pump((out,) if one else (out, err), silence, longest)
    pump.start()
    try:
        yield Ends(out.end, err.end)
    finally:
        pump.finish()


class Pump(threading.Thread):
    """Passes on what comes through ``channels`` until all are closed."""

    def __init__(
        self, channels: Sequence[Channel], silence: float, longest: float
    ) -> None:
        super().__init__(daemon=True, name="sametree-relay")
        self._channels = channels
        self._silence = silence
        self._longest = longest
        self._deadline = math.inf

    def run(self) -> None:
        """Pass on; called by the thread."""
        open_now = {channel.source: channel for channel in self._channels}
        try:
            while open_now:
                # Looked at first: what was written before the end is still to come.
                ended = self._deadline < math.inf
                ready, _, _ = select.select(list(open_now), [], [], self._silence)
                began = time.monotonic()
                for source in ready:
                    if not open_now[source].pass_on():
                        open_now.pop(source).close()
                if (blocked := time.monotonic() - began) > self._silence:
                    self._deadline += blocked  # by our reader, not by what writes
                for channel in open_now.values():
                    if channel.is_terminal:
                        channel.follow_size()
                if ended and (not ready or time.monotonic() > self._deadline):
                    break
        finally:
            for channel in open_now.values():
                channel.close()

    def finish(self) -> None:
        """Wait until all that the ended step wrote is passed on."""
        self._deadline = time.monotonic() + self._longest
        for channel in self._channels:
            os.close(channel.end)
        self.join()
