"""How do lines look on a terminal, in a log, and on GitHub?"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from sametree import masking

COLOURS = {"red": "31", "green": "32", "yellow": "33", "grey": "90", "bold": "1"}
MARKS = {"passed": ("✓", "ok", "green"), "failed": ("✗", "FAILED", "red")}
MARKS |= {"proven": ("=", "=", "green")}
MARKS |= {"skipped": ("-", "-", "yellow"), "running": ("·", "..", "grey")}
ANNOTATIONS = 10
"""GitHub shows this many errors a step; more would only be lost."""
MASKED = "SAMETREE_MASKED"
"""Set by the process that told GitHub what to hide."""


def colour(text: str, name: str) -> str:
    """Return ``text`` coloured, where the reader's terminal and wishes allow it.

    NO_COLOR (no-color.org) and FORCE_COLOR have the last word.
    """
    wanted = sys.stdout.isatty() or os.environ.get("FORCE_COLOR", "0") not in ("", "0")
    if not wanted or os.environ.get("NO_COLOR"):
        return text
    return f"\033[{COLOURS[name]}m{text}\033[0m"


def mark(kind: str) -> str:
    """Return the sign of a verdict; a word where the output knows no such sign."""
    sign, word, shade = MARKS[kind]
    try:
        sign.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        sign = word
    return colour(sign, shade)


def say(text: str = "") -> None:
    """Print a line at once, without secrets, escaping what the output's encoding does
    not know.

    A reader that has gone (``| head``) stops nothing: a deployment is not left half done
    for it. All that is said after that goes nowhere.
    """
    encoding = sys.stdout.encoding or "utf-8"
    shown = masking.hide(text).encode(encoding, "backslashreplace")
    try:
        print(shown.decode(encoding), flush=True)
    except BrokenPipeError:
        # docs.python.org/3/library/signal.html#note-on-sigpipe
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def duration(seconds: float) -> str:
    """Return a duration for people.

    >>> duration(0.84), duration(75)
    ('0.8 s', '1 min 15 s')
    """
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s"


def ago(seconds: float) -> str:
    """Return how long ago something was; a clock may have jumped back since.

    >>> ago(-5), ago(59), ago(7200), ago(200_000)
    ('just now', '59 s ago', '2 h ago', '2 days ago')
    """
    for size, unit in ((172_800, "days"), (5_400, "h"), (90, "min"), (5, "s")):
        length = {"days": 86_400, "h": 3_600, "min": 60, "s": 1}[unit]
        if seconds >= size:
            return f"{int(seconds // length)} {unit} ago"
    return "just now"


def table(rows: Iterable[Iterable[str]], indent: str = "  ") -> list[str]:
    """Return ``rows`` as lines with aligned columns; colours do not count as width."""
    cells = [list(row) for row in rows]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    return [
        indent
        + "  ".join(
            cell + " " * (width - _width(cell))
            for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in cells
    ]


def on_github() -> bool:
    """Return whether a GitHub runner reads our output."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def annotate(file: str, line: int | None, title: str, text: str) -> None:
    """Print a GitHub annotation (docs: workflow commands, ``::error``)."""
    file, title, text = (masking.hide(part) for part in (file, title, text))
    place = f"file={_property(file)}" if file else ""
    if file and line:
        place += f",line={line}"
    comma = "," if place else ""
    print(f"::error {place}{comma}title={_property(title)}::{_data(text)}", flush=True)


def keep_secret(secrets: Iterable[str]) -> None:
    """Hide ``secrets`` from now on in all that this process shows, and on GitHub in the
    whole log (docs: workflow commands, ``::add-mask``; its runner reads both outputs).

    GitHub is told by the first call in a tree of processes, and by no other: later its
    commands may be stopped, and what should be hidden would be printed.
    """
    new = masking.register(secrets)
    if not on_github() or MASKED in os.environ:
        return
    os.environ[MASKED] = "told"
    for line in new:
        print(f"::add-mask::{_data(line)}", file=sys.stderr, flush=True)


def _width(text: str) -> int:
    plain = text
    for code in (*COLOURS.values(), "0"):
        plain = plain.replace(f"\033[{code}m", "")
    return len(plain)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
