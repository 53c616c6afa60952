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
    count = f"{_count(records)} in {terminal.duration(wall)}"
    shade = "red" if bad else "green"
    shown = ["", *terminal.table(rows), "", f"  {terminal.colour(count, shade)}"]
    return [*shown, *_next(bad, hints)]


def _count(records: Sequence[Record]) -> str:
    """Return how many units passed, and how many need not run."""
    passed = sum(1 for record in records if record.result == "success")
    proven = sum(1 for record in records if record.proof)
    if proven and proven == len(records):
        return f"all {proven} proven" if proven > 1 else "proven"
    told = f"{passed} of {len(records) - proven} passed"
    return f"{told}, {proven} proven" if proven else told


def _row(record: Record) -> tuple[str, ...]:
    kind = {"success": "passed", "skip": "skipped"}.get(record.result, "failed")
    measured = [str(record.covered)] if record.covered else []
    words = [] if record.result == "success" else [WORDS[record.result]]
    if record.proof:
        kind, words = "proven", []
    elif record.reason and record.result != "success":
        first = record.reason.strip().partition("\n")[0].rstrip(":")
        words = [f"{words[0]}: {first}"]
    time = "proven" if record.proof else terminal.duration(record.seconds)
    return (
        terminal.mark(kind),
        record.unit,
        f"{time:>11}",
        "; ".join(
            [*record.notes, *measured]
            if record.proof
            else [*measured, *words, *record.notes]
        ),
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
