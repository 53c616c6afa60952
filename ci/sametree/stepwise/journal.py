"""What was begun, done and undone in one change of an environment? A line for each.

``journals/RUN.jsonl``: the first line holds the plan, then one line before and one after
each step, at last one that says how it ended. Each is on the disk before what it tells
of begins; so after a kill the file tells what may be half done.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from sametree import files, masking

FOLDER = "journals"
KEPT = 100
"""Journals that are kept: the audit trail, which tells less of each, keeps all."""
Event = Literal["begin", "done", "failed", "undo", "undone", "end"]


class Journal:
    """The journal of one run. ``lines`` are what it says so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = files.lines_of(path)

    @property
    def run(self) -> str:
        """The run that it is of."""
        return self.path.stem

    @property
    def plan(self) -> Mapping[str, Any]:
        """The plan; empty when a kill came before it was written."""
        first = self.lines[0] if self.lines else {}
        plan: Mapping[str, Any] = first.get("plan") or {}
        return plan

    @property
    def result(self) -> str:
        """How it ended; empty while it has not."""
        last = self.lines[-1] if self.lines else {}
        return str(last.get("result", "")) if last.get("event") == "end" else ""

    def begin(self, kind: str, plan: Mapping[str, Any]) -> None:
        """Write the plan of a new run."""
        self._add(event="plan", kind=kind, plan=plan)

    def write(self, event: Event, step: int | None = None, **told: object) -> None:
        """Write what happens to a step. Raises OSError when that cannot be."""
        where = {} if step is None else {"step": step}
        self._add(event=event, **where, **told)

    def last(self, step: int) -> str:
        """Return the last event of a step; empty when it was never begun."""
        events = [line["event"] for line in self.lines if line.get("step") == step]
        return str(events[-1]) if events else ""

    def _add(self, **told: object) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = masking.hide_in({"time": now, **told})
        files.append_line(self.path, json.dumps(line, ensure_ascii=False))
        self.lines.append(line)


def new(folder: Path, run: str) -> Journal:
    """Return the empty journal of ``run`` in the environment's ``folder``; the oldest
    ones go."""
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    for path in sorted((folder / FOLDER).glob("*.jsonl"))[: -KEPT + 1]:
        path.with_suffix(".release.json").unlink(missing_ok=True)
        path.unlink(missing_ok=True)
    return Journal(folder / FOLDER / f"{run}.jsonl")


def open_one(folder: Path) -> Journal | None:
    """Return the journal of the change that has not ended; None when there is none."""
    for path in sorted((folder / FOLDER).glob("*.jsonl"), reverse=True):
        found = Journal(path)
        if not found.lines:
            with suppress(OSError):
                path.unlink()  # killed before the plan was written: nothing was done
            continue
        return None if found.result else found
    return None
