"""How did a run end? The few lines that stand last on the screen."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from sametree import terminal
from sametree.records import Record

WORDS = {
    "success": "passed",
    "failure": "failed",
    "error": "could not run",
    "skip": "skipped",
    "cancellation": "was stopped",
    "timeout": "took too long",
}


def lines(records: Sequence[Record], wall: float, hints: Iterable[str]) -> list[str]:
    """Return the summary of ``records``: a line each, the count, what to type next.

    ``wall`` is how long the run took, in seconds; ``hints`` are what to type when all
    is well.
    """
    rows = [_row(record) for record in records]
    bad = [r for r in records if r.result not in ("success", "skip")]
    passed = sum(1 for record in records if record.result == "success")
    count = f"{passed} of {len(records)} passed in {terminal.duration(wall)}"
    shade = "red" if bad else "green"
    shown = ["", *terminal.table(rows), "", f"  {terminal.colour(count, shade)}"]
    return [*shown, *_next(bad, hints)]


def _row(record: Record) -> tuple[str, ...]:
    kind = {"success": "passed", "skip": "skipped"}.get(record.result, "failed")
    measured = [str(record.covered)] if record.covered else []
    words = [] if record.result == "success" else [WORDS[record.result]]
    if record.reason and record.result != "success":
        words = [f"{words[0]}: {record.reason}"]
    return (
        terminal.mark(kind),
        record.unit,
        f"{terminal.duration(record.seconds):>11}",
        "; ".join([*measured, *words, *record.notes]),
    )


def _next(bad: Sequence[Record], hints: Iterable[str]) -> list[str]:
    """Return what to type: what mends, what repeats, or what one may do now."""
    if not bad:
        return [f"  next: {hint}" for hint in hints]
    mending = [command for record in bad for command in record.mend]
    shown = [f"  mend:   {command}" for command in dict.fromkeys(mending)]
    repeat = " ".join(f"'{record.unit}'" for record in bad)
    args = f" -- {shlex.join(bad[0].args)}" if bad[0].args else ""
    return [*shown, f"  repeat: nox -s {repeat}{args}"]
