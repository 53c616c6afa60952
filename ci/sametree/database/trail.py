"""What was done to an environment's database, when, by whom? Lines that stay.

``migrations.jsonl`` in the environment's folder gets a line for each thing that happens.
Each is on the disk before the next thing begins. No line holds a secret.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sametree import files, masking

FILE = "migrations.jsonl"
STARTED, ENDED = "started", "ended"


def append(folder: Path, run: str, event: str, **told: object) -> None:
    """Add a line, and have it on the disk. Raises OSError when the disk is full."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    line = {"time": now, "run": run, "event": event, **told}
    text = json.dumps(masking.hide_in(line), ensure_ascii=False)
    files.append_line(folder / FILE, text)


def read(folder: Path) -> list[dict[str, Any]]:
    """Return the lines, the oldest first; one that was cut short is left out."""
    return files.lines_of(folder / FILE)


@contextmanager
def run(folder: Path) -> Iterator[str]:
    """Give a run its name, by which others can tell whether it is still at work."""
    made = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    name = f"{made}-{secrets.token_hex(3)}"
    lock = folder / f"{name}.lock"
    descriptor = files.lock(lock)
    try:
        yield name
    finally:
        lock.unlink(missing_ok=True)
        os.close(descriptor)


def killed(folder: Path) -> list[str]:
    """Return the runs that began, did not end, and of which nobody is at work."""
    lines = read(folder)
    begun = [each["run"] for each in lines if each.get("event") == STARTED]
    ended = {each.get("run") for each in lines if each.get("event") == ENDED}
    return [name for name in begun if name not in ended and _gone(folder, str(name))]


def complete(folder: Path, by: str, at: str) -> list[str]:
    """Write the end of runs that were killed, where the database is ``at`` now; return
    their names. Who calls it knows that no program of theirs is at work any more."""
    found = killed(folder)
    for name in found:
        append(folder, name, ENDED, result="killed", at=at, told_by=by)
        (folder / f"{name}.lock").unlink(missing_ok=True)
    return found


def _gone(folder: Path, name: str) -> bool:
    lock = folder / f"{name}.lock"
    if not lock.exists():
        return True
    descriptor = files.try_lock(lock)
    if descriptor is None:
        return False
    os.close(descriptor)
    return True
