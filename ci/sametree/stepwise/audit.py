"""What happened to an environment, when, by whom and why? A chain that shows a change.

``audit.jsonl`` gets one line for each thing. Each line holds the SHA-256 of the line
before it, so that a line that is changed, moved or taken out afterwards is seen.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sametree import files, machine, masking

FILE = "audit.jsonl"
FIRST = "0" * 64
"""What the first line has before it."""


def append(folder: Path, event: str, **told: object) -> None:
    """Add what happened to the trail of the environment in ``folder``, without secrets.

    Raises OSError when it cannot be written.
    """
    who = machine.told()
    with files.locked(folder / "audit.lock"):
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "event": event,
            "user": who.get("user", ""),
            "host": who.get("host.name", ""),
            "place": machine.place().name,
            **told,
            "before": _last(folder / FILE),
        }
        text = json.dumps(masking.hide_in(line), ensure_ascii=False)
        files.append_line(folder / FILE, text)


def read(folder: Path) -> list[dict[str, Any]]:
    """Return the lines, the oldest first; one that was cut short is left out."""
    return files.lines_of(folder / FILE)


def broken(folder: Path) -> list[str]:
    """Return a sentence for each place in which the chain does not hold."""
    try:
        raw = (folder / FILE).read_bytes()
    except FileNotFoundError:
        return []
    found, before = [], FIRST
    for number, line in enumerate(raw.split(b"\n"), 1):
        told = _told(line)
        if told is None:
            continue  # cut short by a kill: nothing was said
        if told.get("before") != before:
            found.append(
                f"{FILE}, line {number}: the line before it is not the one that was"
                " there when it was written"
            )
        before = hashlib.sha256(line).hexdigest()
    return found


def _last(path: Path) -> str:
    """Return the digest of the last whole line."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return FIRST
    for line in reversed(raw.split(b"\n")):
        if _told(line) is not None:
            return hashlib.sha256(line).hexdigest()
    return FIRST


def _told(line: bytes) -> Mapping[str, Any] | None:
    try:
        told = json.loads(line)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None
