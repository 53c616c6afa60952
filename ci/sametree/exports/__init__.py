"""How do other programs read what happened in a run?

``otlp`` are traces for OpenTelemetry, ``junit`` is what CI servers show of tests, and
``intoto`` a statement that somebody may sign.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from sametree import git, records
from sametree.errors import UsageError
from sametree.records import Record

FORMATS = ("otlp", "junit", "in-toto")
NAMED = 5
"""How many known runs an error names."""


def export(state: Path, run: str, unit: str, format: str) -> str:
    """Return the records of ``run`` below ``state`` as the text of another format.

    An empty ``run`` is the newest one, an empty ``unit`` all of its units. Raises
    UsageError when there is no such record, run or format, or when the format cannot
    say what happened.
    """
    if format not in FORMATS:
        near = get_close_matches(format, FORMATS, 1, 0.3)
        meant = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(
            f"there is no format {format!r}{meant}",
            f"choose one with --format: {', '.join(FORMATS)}",
        )
    found = _of_run(state, run) if run else _newest(state)
    # What began at the same moment has an order too, so the text is always the same.
    found = sorted(found, key=lambda record: (record.started, record.unit))
    chosen = [record for record in found if not unit or record.unit == unit]
    if not chosen:
        known = ", ".join(record.unit for record in found)
        raise UsageError(
            f"there is no record of {unit} in run {found[0].run}",
            f"choose one of its units with --unit: {known}",
        )
    if format == "junit":
        from sametree.exports import junit

        return junit.text(chosen)
    if format == "otlp":
        from sametree.exports import otlp

        return otlp.text(found, chosen)
    from sametree.exports import intoto

    return intoto.text(chosen, _commit(state, chosen[0]))


def _newest(state: Path) -> Sequence[Record]:
    """Return the records of the newest run that has any."""
    for run in reversed(records.runs(state)):
        if found := records.read(state, run):
            return found
    raise UsageError("no run is recorded here yet", "`nox` makes the first")


def _of_run(state: Path, run: str) -> Sequence[Record]:
    known = records.runs(state)  # so that no text leads out of the folder
    found = records.read(state, run) if run in known else []
    if not found:
        why = f"run {run} has no record that can be read"
        newest = ", ".join(reversed(known[-NAMED:]))
        raise UsageError(
            why if run in known else f"there is no run {run!r} in this checkout",
            f"choose one with --run: {newest}" if known else "`nox` makes the first",
        )
    return found


def _commit(state: Path, record: Record) -> str:
    """Return the commit of ``record`` if it has the very tree that was tested, else "".

    What is not committed was tested too, and of that the commit knows nothing.
    """
    if not record.revision.isalnum():  # no words of a forged record reach git
        return ""
    tree = git.run(state.parent, "rev-parse", "--verify", f"{record.revision}:./")
    return record.revision if tree and tree.strip() == record.tree else ""
