"""Has this very work been done before, and passed? The records that prove it.

A proof is the record of a unit that passed, in ``.sametree/proofs/UNIT/FINGERPRINT.json``.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from sametree import files, records
from sametree.fingerprint import digest
from sametree.records import Record

FOLDER = "proofs"
KEPT = 50
"""Proofs of a unit that are kept: going back to one of that many states costs nothing."""


def find(state: Path, unit: str, fingerprint: str) -> Record | None:
    """Return the record that proves ``unit`` for ``fingerprint``, or None."""
    found = records.load(_place(state, unit) / f"{fingerprint}.json")
    if found is None or not found.proves or found.result != "success":
        return None
    # The name of a file says nothing about what is in it.
    told = (found.unit, found.fingerprint, digest(found.parts))
    return found if told == (unit, fingerprint, fingerprint) else None


def keep(state: Path, record: Record) -> None:
    """Keep ``record`` as a proof; the oldest of its unit go. Raises OSError."""
    own = _place(state, record.unit) / f"{record.fingerprint}.json"
    files.write_atomically(own, records.encode(record))
    others = [path for path in own.parent.glob("*.json") if path != own]
    for old in sorted(others, key=records.age)[: max(0, len(others) + 1 - KEPT)]:
        with suppress(OSError):
            old.unlink()


def forget(state: Path, unit: str, fingerprint: str) -> None:
    """Take a proof back: the unit has failed since, with nothing changed."""
    with suppress(OSError):
        (_place(state, unit) / f"{fingerprint}.json").unlink()


def nearest(state: Path, unit: str, parts: Mapping[str, str]) -> Record | None:
    """Return the proof of ``unit`` that differs in the fewest parts, the newest of such."""
    known = [records.load(path) for path in _place(state, unit).glob("*.json")]
    proven = [each for each in known if each and each.proves and each.unit == unit]
    if not proven:
        return None
    return min(
        proven, key=lambda one: (len(_differing(one.parts, parts)), -one.started)
    )


def _differing(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    return [
        name for name in one.keys() | other.keys() if one.get(name) != other.get(name)
    ]


def place(state: Path, proof: Record) -> Path:
    """Return the file of ``proof``."""
    return _place(state, proof.unit) / f"{proof.fingerprint}.json"


def _place(state: Path, unit: str) -> Path:
    return state / FOLDER / records.file_name(unit)
