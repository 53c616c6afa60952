"""What happened in a run? One JSON file a unit, under ``.sametree/runs/RUN/``.

Field names follow the OpenTelemetry conventions for CI/CD
(opentelemetry.io/docs/specs/semconv/registry/attributes/cicd).
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from sametree import files

RUN_VARIABLE = "SAMETREE_RUN_ID"
"""Set by the first process of a run, so that parallel sessions join the same run."""
KEPT_RUNS = 50

Result = Literal["success", "failure", "error", "skip", "cancellation", "timeout"]


class Covered(msgspec.Struct, frozen=True):
    """Measured coverage in percent; branches are None where there are none."""

    lines: float
    branches: float | None

    def __str__(self) -> str:
        shown = f"lines {self.lines:.1f} %"
        return shown + (
            "" if self.branches is None else f", branches {self.branches:.1f} %"
        )


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What happened to one unit in one run."""

    run: str = msgspec.field(name="cicd.pipeline.run.id")
    unit: str = msgspec.field(name="cicd.pipeline.task.name")
    result: Result = msgspec.field(name="cicd.pipeline.task.run.result")
    started: float  # seconds since 1970-01-01 UTC
    seconds: float
    covered: Covered | None = None
    notes: tuple[str, ...] = ()
    reason: str = ""
    mend: tuple[str, ...] = ()
    args: tuple[str, ...] = ()  # what followed --


def run_id() -> tuple[str, bool]:
    """Return the id of this run, and whether this very process began it."""
    known = os.environ.get(RUN_VARIABLE)
    if known:
        return known, False
    made = time.strftime("%Y%m%dT%H%M%S", time.gmtime()) + f"-{secrets.token_hex(3)}"
    os.environ[RUN_VARIABLE] = made
    return made, True


def write(state: Path, record: Record) -> None:
    """Write ``record`` below ``state``, whole or not at all; prune old runs.

    Raises OSError when it cannot be written.
    """
    folder = files.add_exclude_file(state) / "runs" / record.run
    name = "".join(c if c.isalnum() or c in "-_" else "." for c in record.unit)
    text = msgspec.json.format(msgspec.json.encode(record), indent=2).decode()
    files.write_atomically(folder / f"{name.strip('.')}.json", text + "\n")
    others = [path for path in folder.parent.iterdir() if path != folder]
    for old in sorted(others, key=_age)[: max(0, len(others) + 1 - KEPT_RUNS)]:
        shutil.rmtree(old, ignore_errors=True)


def read(state: Path, run: str) -> Sequence[Record]:
    """Return the records of ``run`` in the order in which its units began.

    A record that cannot be read (cut short, of another version) is left out.
    """
    found = []
    for path in (state / "runs" / run).glob("*.json"):
        try:
            found.append(msgspec.json.decode(path.read_bytes(), type=Record))
        except (msgspec.MsgspecError, UnicodeDecodeError, OSError):
            continue
    return sorted(found, key=lambda record: record.started)


def _age(run: Path) -> tuple[float, str]:
    """Return what sorts runs by age; another process may remove one meanwhile."""
    try:
        return run.stat().st_mtime, run.name
    except OSError:
        return 0.0, run.name
