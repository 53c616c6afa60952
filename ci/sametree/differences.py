"""What differs between two identities of a unit, and how is it told to a person?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from sametree import changes
from sametree.changes import Changed, Pin

KINDS = (
    *("session", "arguments", "input", "settings", "suite", "lock", "interpreter"),
    *("platform", "tool", "database", "variable"),
)
"""The order in which differences are told: what decides what is done comes first."""
MISSING = "missing"
"""Says in parts that a path of the inputs, or a lock, is not there."""
LISTED = 8
"""Files or packages that the text of one difference names."""
BESIDE = "git was told not to look at it, or it is a submodule at work"


class Difference(msgspec.Struct, frozen=True):
    """One part that differs, from ``old`` to ``new``; "" where a side has no such part.

    ``files`` and ``pins`` are known when git has both versions; ``absent`` names the
    git objects that would tell more and are not in this repository.
    """

    kind: str
    name: str
    old: str
    new: str
    files: tuple[Changed, ...] = ()
    pins: tuple[Pin, ...] = ()
    absent: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.text

    @property
    def text(self) -> str:
        """What a person reads: a line, and one more for each further file or package."""
        if self.kind == "input":
            return _listed("", self.files) if self.files else self._of_input()
        if self.kind == "lock":
            return _listed(f"{self.name} {self._of_lock()}", self.pins)
        if self.kind == "settings":
            return "the settings ([tool.sametree]) differ"
        if self.kind == "suite":
            return "sametree itself differs"
        if self.kind == "variable":
            changed = "has another value" if self.old and self.new else "is set now"
            told = changed if self.new else "is no longer declared"
            return f"the variable {self.name} {told}"
        return f"{self.name}: {self.old or '(none)'} -> {self.new or '(none)'}"

    def _of_input(self) -> str:
        name = self.name or "the project"
        if not self.old or not self.new:
            return f"{name} is {'now' if self.new else 'no longer'} an input"
        lacking = ", ".join(each[:10] for each in self.absent)
        return f"{name} differs" + (f" (git has no {lacking} here)" if lacking else "")

    def _of_lock(self) -> str:
        if self.new in ("", MISSING):
            return "is gone" if self.new else "is no longer installed"
        if self.old in ("", MISSING):
            return "is new" if self.old else "is installed now"
        return "differs"


def differences(
    root: Path,
    old_parts: Mapping[str, str],
    new_parts: Mapping[str, str],
    at: Sequence[str] = (),
) -> list[Difference]:
    """Return what differs between two fingerprints' parts in the project at ``root``.

    ``at`` are ids of trees of the project, or of commits, in which locks may be found.
    """
    parts = (old_parts, new_parts)
    return [explained(root, each, parts, at) for each in between(*parts)]


def between(old: Mapping[str, str], new: Mapping[str, str]) -> list[Difference]:
    """Return the parts that differ, as far as the parts themselves tell."""
    found = [
        Difference(*named(part), old.get(part, ""), new.get(part, ""))
        for part in old.keys() | new.keys()
        if old.get(part, "") != new.get(part, "")
    ]
    return sorted(found, key=lambda each: (rank(each.kind), each.name))


def rank(kind: str) -> int:
    """Return where a kind of difference stands in the order of KINDS."""
    return KINDS.index(kind) if kind in KINDS else len(KINDS)


def named(part: str) -> tuple[str, str]:
    """Return kind and name of a part.

    >>> named("tool:uv"), named("interpreter")
    (('tool', 'uv'), ('interpreter', 'interpreter'))
    """
    kind, colon, name = part.partition(":")
    return kind, name if colon else kind


def explained(
    root: Path,
    difference: Difference,
    parts: Iterable[Mapping[str, str]] = (),
    at: Sequence[str] = (),
) -> Difference:
    """Return ``difference`` with the files or packages that git can name.

    ``parts`` are those of both sides, ``at`` trees or commits: places to find a lock.
    """
    if difference.kind == "input":
        return _with_files(root, difference)
    if difference.kind == "lock" and MISSING not in (difference.old, difference.new):
        path = difference.name
        places = [*_in_inputs(path, parts), *_at(path, at)]
        found = changes.pins(root, path, difference.old, difference.new, places)
        return msgspec.structs.replace(difference, pins=tuple(found))
    return difference


def _with_files(root: Path, found: Difference) -> Difference:
    path = found.name
    for status, side in (("A", found.old), ("D", found.new)):
        if side == MISSING:
            return msgspec.structs.replace(found, files=(Changed(path, status),))
    # MODE ID, and what the tree does not tell (see `trees`).
    old, new = found.old.split(" ", 2), found.new.split(" ", 2)
    if len(old) < 2 or len(new) < 2:
        return found
    if old[:2] == new[:2]:
        return msgspec.structs.replace(found, files=(Changed(path, "M", BESIDE),))
    listed = changes.files(root, path, " ".join(old[:2]), " ".join(new[:2]))
    if listed is None:
        absent = changes.absent(root, (old[1], new[1]))
        return msgspec.structs.replace(found, absent=absent)
    return msgspec.structs.replace(found, files=tuple(listed))


def _in_inputs(path: str, parts: Iterable[Mapping[str, str]]) -> Iterator[str]:
    """Yield git's names of ``path`` within the inputs, if it lies in one of them."""
    for each in parts:
        for part, told in each.items():
            kind, name = named(part)
            if kind != "input" or " " not in told:
                continue
            if path == name:
                yield told.split(" ")[1]
            elif path.startswith(f"{name}/"):
                yield f"{told.split(' ')[1]}:{path.removeprefix(f'{name}/')}"


def _at(path: str, at: Iterable[str]) -> Iterator[str]:
    for each in (*at, "HEAD"):
        # A tree is the project's own, a commit the whole repository's.
        yield from (f"{each}:{path}", f"{each}:./{path}")


def _listed(head: str, items: Sequence[object]) -> str:
    shown = [str(item) for item in items]
    if len(shown) > LISTED:
        shown = [*shown[: LISTED - 1], f"and {len(shown) - LISTED + 1} more"]
    return "\n".join([head, *(f"  {line}" for line in shown)] if head else shown)
