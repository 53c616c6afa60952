"""What is known already about a revision, from an earlier check of the same history?

What a revision does depends on all that runs before it. So each has a digest of the
chain up to it; with the same digest it does the same again, and need not be tried.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from sametree import files
from sametree.database.check_report import Known, Result
from sametree.database.phases import Said

MOST = 2_000
"""How many revisions are kept; the ones longest not asked for go first."""


def folder(state: Path) -> Path:
    """Return where all of this is kept."""
    return files.add_exclude_file(state) / "cache" / "migrations"


def digests(
    component: Path,
    own: Path,
    history: Sequence[Known],
    said: Mapping[str, Said],
    around: Sequence[str],
    tree: str,
) -> dict[str, str]:
    """Return the digest of each revision in ``history``, which is in running order.

    ``own`` is the folder of the migrations: its other files (env.py, SQL) count for all
    of them, and so does ``around``. Who imports the application, or reads files, depends on ``tree``,
    the git tree of all sources; without one nothing can be told, and the digest of that
    revision and of all after it is empty.
    """
    names = {(component / each.file).resolve() for each in history}
    beside = sorted(path for path in own.rglob("*") if _counts(path, names))
    parts: list[str | bytes] = [*around]
    for path in beside:
        parts += [str(path.relative_to(own)), _bytes(path)]
    chain = files.digest(*parts)
    found = {}
    for each in history:
        if chain:
            parts = [chain, each.revision, each.file, _bytes(component / each.file)]
            outside = said[each.revision].imports or said[each.revision].reads
            if outside:
                parts.append(tree)
            known = tree or not outside
            chain = files.digest(*parts) if known else ""
        found[each.revision] = chain
    return found


def read(state: Path, digest: str) -> Result | None:
    """Return what is kept under ``digest``, or None."""
    if not digest:
        return None
    path = folder(state) / f"{digest}.json"
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Result)
        os.utime(path)  # it was asked for
    except (OSError, msgspec.DecodeError):
        return None
    return found


def write(state: Path, digest: str, found: Result) -> None:
    """Keep what was found out; without a digest nothing is."""
    if digest:
        text = msgspec.json.encode(found).decode()
        files.write_atomically(folder(state) / f"{digest}.json", text)


def prune(state: Path) -> None:
    """Remove what has not been asked for the longest, beyond the most that is kept."""
    found = []
    for path in folder(state).glob("*.json"):
        with suppress(OSError):  # another run may remove it at the same time
            found.append((path.stat().st_mtime_ns, path))
    for _, path in sorted(found)[:-MOST]:
        path.unlink(missing_ok=True)


def took_all_back(state: Path, digest: str) -> bool:
    """Return whether the chain with ``digest`` was taken back as a whole before."""
    return bool(digest) and (folder(state) / f"{digest}.whole.json").exists()


def keep_taken_back(state: Path, digest: str) -> None:
    """Remember that the chain with ``digest`` was taken back as a whole."""
    if digest:
        files.write_atomically(folder(state) / f"{digest}.whole.json", "{}")


def _counts(path: Path, known: set[Path]) -> bool:
    return (
        path.is_file()
        and "__pycache__" not in path.parts
        and path.suffix != ".pyc"
        and path.resolve() not in known
    )


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
