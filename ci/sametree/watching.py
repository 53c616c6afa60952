"""How does the person at the terminal see how far a run of Nox is?

Sessions run one after the other in Nox's own process: then a view stands at the bottom
of the terminal. Under ``-j`` they run in child processes, and Nox paints a board of its
own: then our lines stand at the end of that.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sametree.errors import SametreeError

if TYPE_CHECKING:
    from sametree.insight.live import Live

PARALLEL = ("-j", "--parallel")
Planned = Callable[[], Sequence[str]]


class Watch:
    """The view of run ``run``, for the process that began it; without somebody at a
    terminal it does nothing. ``planned`` names the units, none where nobody knows."""

    def __init__(self, state: Path, run: str, planned: Planned) -> None:
        self._planned = planned
        self._live: Live | None = None
        if not (sys.stdout.isatty() and sys.stderr.isatty()):
            return
        from sametree.insight import live, progress

        if live.wanted(os.environ, sys.stdout, sys.stderr):
            reader = progress.Reader(state, run)
            self._live = live.Live(reader)
            if any(arg.startswith(PARALLEL) for arg in sys.argv[1:]):
                _add_to_board(lambda width: live.beneath(reader, width), self._plan)

    def start(self) -> None:
        """Begin to watch: a unit may run from now on, in this process."""
        if self._live is not None:
            self._plan()
            self._live.start()

    def stop(self) -> None:
        """End the view, and leave the terminal as it was."""
        if self._live is not None:
            self._live.stop()

    def _plan(self) -> None:
        assert self._live is not None
        if self._live.reader.planned is None:
            with suppress(SametreeError):  # the session itself will tell it
                self._live.reader.planned = list(self._planned()) or None


def _add_to_board(
    lines: Callable[[int], list[str]], before: Callable[[], None]
) -> None:
    """Add ``lines`` of a width to the board that Nox paints under ``-j``.

    Nox has no hook for that: its inside is changed, and where that is not what it was,
    nothing is added. ``before`` is called before the first of them.
    """
    from nox import _parallel

    board: Any = getattr(_parallel, "_Reporter", None)
    render = getattr(board, "_render", None)
    if render is None:
        return

    def with_ours(self: Any, now: float, width: int) -> list[str]:
        shown: list[str] = render(self, now, width)
        if shown:
            before()
            shown = [*shown, *lines(width)]
        return shown

    board._render = with_ours
