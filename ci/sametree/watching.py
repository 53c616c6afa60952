"""How does the person at the terminal see how far a run of Nox is?

Sessions run one after the other in Nox's own process: then a view stands at the bottom
of the terminal. Under ``-j`` they run in child processes, and Nox paints a board of its
own: then our lines stand at the end of that.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sametree.insight.live import Live
    from sametree.insight.progress import Reader

PARALLEL = ("-j", "--parallel")
Planned = Callable[[], Sequence[str]]


class Watch:
    """The view of run ``run``, for the process that began it; without somebody at a
    terminal it does nothing. ``planned`` names the units, none where nobody knows.

    Before the first unit it costs nothing: Nox may only have been asked for a list.
    """

    def __init__(self, state: Path, run: str, planned: Planned) -> None:
        self._state = state
        self._run = run
        self._planned = planned
        self._live: Live | None = None
        if any(arg.startswith(PARALLEL) for arg in sys.argv[1:]) and _somebody():
            _add_to_board(self._beneath)

    def start(self) -> None:
        """Begin to watch: a unit may run from now on, in this process."""
        if self._live is None and _somebody():
            from sametree.insight.live import Live

            self._live = Live(self._reader)
            self._live.start()

    def stop(self) -> None:
        """End the view, and leave the terminal as it was."""
        if self._live is not None:
            self._live.stop()

    def _beneath(self, width: int) -> list[str]:
        from sametree.insight import live

        return live.beneath(self._reader, width)

    @functools.cached_property
    def _reader(self) -> Reader:
        from sametree.insight.progress import Reader

        names: Sequence[str] = ()
        with suppress(Exception):  # the session itself will tell what is wrong
            names = self._planned()
        return Reader(self._state, self._run, names or None)


def _somebody() -> bool:
    """Return whether somebody sits at a terminal, and wants to see how far we are."""
    if not (sys.stdout.isatty() and sys.stderr.isatty()):
        return False
    from sametree.insight import live

    return live.wanted(os.environ, sys.stdout, sys.stderr)


def _add_to_board(lines: Callable[[int], list[str]]) -> None:
    """Add ``lines`` of a width to the board that Nox paints under ``-j``.

    Nox has no hook for that: its inside is changed, and where that is not what it was,
    nothing is added.
    """
    from nox import _parallel

    board: Any = getattr(_parallel, "_Reporter", None)
    render = getattr(board, "_render", None)
    if render is None:
        return

    def with_ours(self: Any, now: float, width: int) -> list[str]:
        shown: list[str] = render(self, now, width)
        return [*shown, *lines(width)] if shown else shown

    board._render = with_ours
