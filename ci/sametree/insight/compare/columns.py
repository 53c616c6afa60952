"""How are rows set in columns of a terminal, so that none is too wide?"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence

import msgspec

from sametree import terminal

NARROWEST = (
    *((1, 18), (2, 18), (0, 40), (3, 20)),
    *((0, 26), (3, 12), (1, 12), (2, 12), (0, 12)),
)
"""To which width columns (the first is 0) are cut one after the other, as needed."""
GAP = 2


class Row(msgspec.Struct, frozen=True):
    """A line of the table: a sign and its colour, what, two values, and where."""

    sign: str
    cells: tuple[str, str, str, str]
    shade: str = ""


def table(rows: Sequence[Row], width: int) -> Iterator[str]:
    """Yield ``rows`` as lines with aligned columns, cut where they would be too wide.

    A row without a sign is a heading, coloured as a whole.
    """
    cells = [[clean(cell) for cell in row.cells] for row in rows]
    sign = max((len(row.sign) for row in rows), default=0)
    natural = [max(map(len, column)) for column in zip(*cells, strict=True)]
    widths = _widths(natural, width - GAP - sign - 1)
    for row, texts in zip(rows, cells, strict=True):
        shown = [
            (tail if number == 0 else cut)(text, size).ljust(size)
            for number, (text, size) in enumerate(zip(texts, widths, strict=True))
        ]
        text = (" " * GAP).join(shown).rstrip()
        if row.sign:
            head = terminal.colour(row.sign, row.shade)
            yield f"{' ' * GAP}{head}{' ' * (sign - len(row.sign) + 1)}{text}"
        else:
            text = f"{' ' * (GAP + sign + 1)}{text}"
            yield terminal.colour(text, row.shade) if row.shade else text


def sign_of(kind: str) -> str:
    """Return the sign of a verdict without its colour, so that it can be measured."""
    sign, word, _ = terminal.MARKS[kind]
    return sign if _can_show(sign) else word


def cut(text: str, size: int) -> str:
    """Return ``text`` cut to ``size`` columns."""
    return text if len(text) <= size else text[: size - 1].rstrip() + _dots()


def tail(text: str, size: int) -> str:
    """Return ``text`` cut to ``size``; of a path the end is kept, which tells more."""
    if len(text) <= size or "/" not in text:
        return cut(text, size)
    return _dots() + text[len(text) - size + 1 :]


def moment(seconds: float) -> str:
    """Return a time of this machine's clock; a record may hold any number."""
    try:
        return time.strftime("%d %b %H:%M", time.localtime(seconds))
    except (ValueError, OverflowError, OSError):
        return "at no time"


def clean(text: str) -> str:
    """Return ``text`` without what would steer the terminal: others wrote records."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _widths(natural: Sequence[int], width: int) -> list[int]:
    widths = list(natural)
    over = sum(widths) + GAP * (len(widths) - 1) - width
    for column, least in NARROWEST:
        less = max(0, min(over, widths[column] - least))
        widths[column] -= less
        over -= less
    return widths


def _can_show(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _dots() -> str:
    return "…" if _can_show("…") else "~"
