"""How does a stage look to the one who watches it, on a terminal and in a log?"""

from __future__ import annotations

import os
import shutil
import sys
import time
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import suppress

from sametree import terminal
from sametree.deploy.gate.watch import Shown, View

SILENCE = 10.0
"""Seconds between two lines in a log."""
LEAST = (30, 8)
"""Columns and rows of the smallest terminal that has room for the view."""
DUMB = ("", "dumb", "unknown")
SHADES = {"pass": "green", "fail": "red", "wait": "yellow"}

Column = tuple[str, Callable[[Shown], str]]


def _percent(shown: Shown) -> str:
    return f"{shown.figures.percent:.2f} %" if shown.figures.requests else "-"


def _ms(value: float | None) -> str:
    """
    >>> _ms(None), _ms(0.0), _ms(3.14159), _ms(1234.5)
    ('-', '<1 ms', '3.1 ms', '1234 ms')
    """
    if value is None:
        return "-"
    if value < 1:
        return "<1 ms"  # Envoy counts whole milliseconds
    return f"{value:.1f} ms" if value < 10 else f"{value:.0f} ms"


COLUMNS: Sequence[Column] = (
    ("", lambda shown: shown.name),
    ("errors", _percent),
    ("req/s", lambda shown: f"{shown.rate:.1f}"),
    ("p90", lambda shown: _ms(shown.figures.p90)),
    ("active", lambda shown: f"{shown.active}"),
    ("p50", lambda shown: _ms(shown.figures.p50)),
    ("p99", lambda shown: _ms(shown.figures.p99)),
)
"""The most important first: a narrow terminal shows those for which it has room."""
ORDER = ("", "req/s", "errors", "p50", "p90", "p99", "active")


def lines(view: View, width: int) -> list[str]:
    """Return the view as lines that are narrower than ``width`` columns: the stage, both
    colours, and the verdict so far."""
    title = terminal.colour(_cut(f"  {headline(view)}", width), "bold")
    said = f"  {view.verdict.kind}: {view.verdict.reason}".splitlines()
    shade = SHADES[view.verdict.kind]
    told = [terminal.colour(_cut(line, width), shade) for line in said]
    return [title, *_table(view.colours, width), *told]


def headline(view: View) -> str:
    """Return in a line what is judged, and how long still."""
    stage = view.stage
    if view.verdict.kind != "wait":
        left = f"after {terminal.duration(view.elapsed)}"
    elif view.left:
        left = f"{terminal.duration(view.left)} to bake"
    else:
        left = f"waits for {terminal.duration(view.patience)} more at most"
    name = view.colours[0].name
    return f"{stage.name}: {name} has {stage.share / 100:g} %, {left}"


def line(view: View) -> str:
    """Return the view as one line for a log."""
    told = [headline(view)]
    for shown in view.colours:
        figures = shown.figures
        parts = [f"{shown.name} {shown.rate:.1f}/s", f"{_percent(shown)} errors"]
        for name in ("p50", "p90", "p99"):
            value = getattr(figures, name)
            parts += [f"{name} {_ms(value)}"] if value is not None else []
        told.append(", ".join(parts))
    return f"  {'; '.join(told)}; {view.verdict.kind}: {view.verdict.reason}"


class Log:
    """Says a line at the beginning of a stage, every 10 s, and at its end."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._stage: object = None
        self._said = 0.0

    def __call__(self, view: View) -> None:
        now = self._clock()
        begins = view.stage is not self._stage
        if begins or view.verdict.kind != "wait" or now - self._said >= SILENCE:
            self._stage, self._said = view.stage, now
            with suppress(OSError):  # nobody reads it; the watch goes on
                terminal.say(line(view))


class Live:
    """Paints the view over the one before it; the last one of a stage stays.

    Nobody else may print while a stage is watched.
    """

    def __init__(self) -> None:
        self._painted = 0
        self._columns = 0

    def __call__(self, view: View) -> None:
        columns = shutil.get_terminal_size().columns
        shown = lines(view, columns)
        # After a change of width the terminal may have folded what is there: leave it.
        up = self._painted if columns == self._columns else 0
        back = f"\033[{up}F" if up else ""
        painted = "\n".join(f"{each}\033[K" for each in shown)
        with suppress(OSError):  # the terminal is gone; the watch goes on
            terminal.say(f"{back}{painted}\033[J")
        over = view.verdict.kind != "wait"
        self._painted, self._columns = 0 if over else len(shown), columns


def for_reader() -> Callable[[View], None]:
    """Return what shows a view to whoever reads our output: a person at a terminal, or
    a log."""
    columns, rows = shutil.get_terminal_size()
    person = (
        sys.stdout.isatty()
        and os.environ.get("TERM", "") not in DUMB
        and os.environ.get("CI", "").lower() in ("", "0", "false")
    )
    return Live() if person and columns >= LEAST[0] and rows >= LEAST[1] else Log()


def _table(colours: Sequence[Shown], width: int) -> list[str]:
    """Return as many columns as there is room for, numbers to the right."""
    for many in range(len(COLUMNS), 0, -1):
        chosen = sorted(COLUMNS[:many], key=lambda column: ORDER.index(column[0]))
        columns = [[name, *map(told, colours)] for name, told in chosen]
        sizes = [max(map(len, cells)) for cells in columns]
        rows = [
            "  "
            + "  ".join(
                cell.rjust(size) if number else cell.ljust(size)
                for number, (cell, size) in enumerate(zip(row, sizes, strict=True))
            )
            for row in zip(*columns, strict=True)
        ]
        if all(len(row) < width for row in rows):
            return rows
    return []


def _cut(text: str, width: int) -> str:
    """Return ``text`` as one line that is narrower than ``width`` columns, of what the
    terminal knows: an escape would be wider.

    >>> _cut("canary", 5)
    'c...'
    """
    encoding = sys.stdout.encoding or "ascii"
    known = text.encode(encoding, "replace").decode(encoding)
    plain = "".join(c if c.isprintable() else " " for c in known)
    if sum(map(_columns, plain)) < width:
        return plain
    used, kept = 0, ""
    for character in plain:
        used += _columns(character)
        if used > width - 4:
            break
        kept += character
    return f"{kept}..."


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
