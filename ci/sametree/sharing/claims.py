"""What may CI's key sign: is a record about this very run, commit and tree?

The job that signs is given what other jobs made, and those run code of the commit under
test. So nothing is taken from a record that can be known without it: place, run and
commit are those of this job, the inputs are what git has in the commit, and the artifact
that a record came in belongs to its unit. What a unit's own code does to the unit's own
result, no signature can tell.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from sametree import fingerprint, machine
from sametree.digests import readable
from sametree.records import Record
from sametree.sharing import calls

_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
ARTIFACT = "unit-"
"""How the names of artifacts begin that hold a unit's records (see ``workflows.write``)."""
_MISSING = "missing"
_REPOSITORY = "160000"


def trees(root: Path, commits: Collection[str]) -> dict[str, str]:
    """Return the tree of the project in each of ``commits``; without those that are not
    in this clone, or no commits at all."""
    asked = sorted(commit for commit in commits if _ID.fullmatch(commit))
    if not asked:
        return {}
    prefix = calls.ask(root, "rev-parse", "--show-prefix").removesuffix(b"\n")
    folder = prefix.removesuffix(b"/")
    found = _objects(root, [commit.encode() + b"^{commit}" for commit in asked])
    there = [c for c, told in zip(asked, found, strict=True) if told[:1] == (c,)]
    names = [commit.encode() + b":" + folder for commit in there]
    listed = zip(there, _objects(root, names), strict=True)
    return {commit: told[0] for commit, told in listed if told[1:2] == ("tree",)}


def refused(root: Path, found: Sequence[Record]) -> dict[int, str]:
    """Return the reason for each record, by its place in ``found``, that is not signed.

    The tree of each is that of its commit.
    """
    here = machine.place()
    head = calls.resolved(root, "HEAD^{commit}")
    tree = trees(root, {head}).get(head, "")
    entries = _entries(root, tree) if tree else {}
    locks = _sums(root, entries, found)
    reasons = {}
    for number, record in enumerate(found):
        if record.place == "local":
            reasons[number] = "made on a laptop"
        elif (record.place, record.url) != (here.name, here.url):
            reasons[number] = "made in another run, as the record says"
        elif record.revision != head:
            reasons[number] = "of another commit"
        elif any(_differing(record.parts, entries, locks)):
            reasons[number] = "of other inputs than the commit has"
        elif record.fingerprint and record.fingerprint != fingerprint.digest(
            record.parts
        ):
            reasons[number] = "with a fingerprint of other parts"
    return reasons


def is_of_artifact(record: Record, path: Path) -> bool:
    """Return whether a record may come from the job whose artifact its ``path`` is in.

    The artifact of a unit's job is named for the unit, so no unit speaks for another.
    """
    own = ARTIFACT + re.sub(r"[^A-Za-z0-9_.]+", "-", record.unit).strip("-")
    named = [part for part in path.parts[:-1] if part.startswith(ARTIFACT)]
    return all(name == own for name in named)


def _differing(
    parts: Mapping[str, str], entries: Mapping[str, str], locks: Mapping[str, str]
) -> Iterator[str]:
    """Yield the names of the parts that are not what the commit has."""
    for name, told in parts.items():
        kind, _, path = name.partition(":")
        if kind == "input" and not _is_input(told, entries.get(path)):
            yield name
        elif kind == "lock" and told != locks.get(path, _MISSING):
            yield name
        elif kind == "suite" and told != fingerprint.suite():
            yield name


def _is_input(told: str, entry: str | None) -> bool:
    """Return whether an input is the ``entry`` that git has at its path.

    Of another repository inside this one the record names the tree as well.
    """
    if entry is None:
        return told == _MISSING
    mode, _, rest = told.partition(" ")
    id, _, more = rest.partition(" ")
    return f"{mode} {id}" == entry and (not more or mode == _REPOSITORY)


def _entries(root: Path, tree: str) -> dict[str, str]:
    """Return ``PATH -> "MODE ID"`` of all that is in ``tree``, as records write paths."""
    asked = ("ls-tree", "-r", "-t", "-z", "--full-tree", tree)
    listed = calls.ask(root, *asked).decode(errors="surrogateescape")
    rows = (row.partition("\t") for row in listed.split("\0")[:-1])
    return {
        readable(path): f"{head.split()[0]} {head.split()[2]}" for head, _, path in rows
    }


def _sums(
    root: Path, entries: Mapping[str, str], found: Sequence[Record]
) -> dict[str, str]:
    """Return the SHA-256 of each lock, in the commit, that a record names."""
    named = {
        name.partition(":")[2] for r in found for name in r.parts if name[:5] == "lock:"
    }
    paths = sorted(named & entries.keys())
    given = "".join(f"{entries[path].partition(' ')[2]}\n" for path in paths).encode()
    output = calls.ask(root, "cat-file", "--batch", given=given) if paths else b""
    sums, position = {}, 0
    for path in paths:
        end = output.index(b"\n", position)
        size = int(output[position:end].rpartition(b" ")[2])
        sums[path] = hashlib.sha256(output[end + 1 : end + 1 + size]).hexdigest()
        position = end + size + 2
    return sums


def _objects(root: Path, names: Sequence[bytes]) -> list[tuple[str, ...]]:
    """Return id and kind of each object; one that is not there has neither."""
    given = b"".join(name + b"\n" for name in names)
    asked = ("cat-file", "--batch-check=%(objectname) %(objecttype)")
    output = calls.ask(root, *asked, given=given).decode(errors="replace")
    rows = [tuple(row.rsplit(" ", 1)) for row in output.split("\n")[: len(names)]]
    return [() if row[-1:] == ("missing",) else row for row in rows]
