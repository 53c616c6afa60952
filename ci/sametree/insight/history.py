"""Which runs are known, when and where were they, and how did they end?"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable

from sametree import terminal
from sametree.records import Record

WORDS = {"success": "passed", "skip": "proven", "failure": "failed"}


def lines(found: Iterable[Record], believed: Collection[str], count: int) -> list[str]:
    """Return a line for each of the newest ``count`` runs among the records ``found``.

    ``believed`` are the runs that somebody has signed whom CI trusts.
    """
    runs: dict[str, dict[str, Record]] = {}
    for record in found:
        runs.setdefault(record.run, {})[record.unit] = record
    if not runs:
        return [
            "  no run is known yet; `nox` makes the first, `invoke records.pull` gets others'"
        ]
    newest = sorted(runs.values(), key=_began)[-count:]
    return terminal.table(_row(list(units.values()), believed) for units in newest)


def _began(units: dict[str, Record]) -> float:
    return min(record.started for record in units.values())


def _row(units: list[Record], believed: Collection[str]) -> tuple[str, ...]:
    first = min(units, key=lambda record: record.started)
    bad = [r.unit for r in units if r.result not in ("success", "skip")]
    where = (
        first.place
        if first.place == "local" or first.run in believed
        else (f"{first.place}, not signed")
    )
    counts = [
        f"{number} {word}"
        for result, word in WORDS.items()
        if (number := sum(record.result == result for record in units))
    ]
    others = sum(record.result not in WORDS for record in units)
    counts += [f"{others} not finished"] if others else []
    return (
        terminal.mark("failed" if bad else "passed"),
        first.run,
        first.revision[:10] or "no commit",
        where,
        terminal.ago(time.time() - first.started),
        ", ".join(counts) + (f": {', '.join(bad[:3])}" if bad else ""),
    )
