"""Which migrations of a release does a database lack, and which of them may run now?

A pure function of the manifest and of what the database says: it is told in the plan,
without running any code of the release.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec import Struct

from sametree.artifacts.manifest import Revision


class Lacking(Struct, frozen=True):
    """What a database lacks. ``expand`` runs before the new code; ``contract`` later,
    when nobody needs the old schema; ``behind`` are expand migrations that come after
    such a one, and so cannot run now. ``unknown`` are heads of newer code.
    """

    expand: tuple[str, ...] = ()
    contract: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def lacking(revisions: Sequence[Revision], heads: Collection[str]) -> Lacking:
    """Return what a database at ``heads`` lacks of ``revisions``.

    A head that the release does not know is of newer code, whose migrations come after
    all of ours: then nothing is lacking.
    """
    known = {each.revision: each for each in revisions}
    if unknown := tuple(sorted(set(heads) - known.keys())):
        return Lacking(unknown=unknown)
    had = _below(known, heads)
    expand: list[str] = []
    contract: list[str] = []
    behind: list[str] = []
    for each in _in_order(revisions):
        if each.revision in had:
            continue
        if each.phase == "contract":
            contract.append(each.revision)
        elif {*each.below} & {*contract, *behind}:
            behind.append(each.revision)
        else:
            expand.append(each.revision)
    return Lacking(tuple(expand), tuple(contract), tuple(behind))


def _below(known: dict[str, Revision], heads: Collection[str]) -> set[str]:
    """Return ``heads`` and all that has run before them."""
    found: set[str] = set()
    todo = list(heads)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += known[name].below
    return found


def _in_order(revisions: Sequence[Revision]) -> list[Revision]:
    """Return the revisions, each after those that come before it."""
    placed: dict[str, Revision] = {}
    rest = sorted(revisions, key=lambda each: each.revision)
    names = {each.revision for each in revisions}
    while rest:
        ready = [
            each for each in rest if names.intersection(each.below) <= placed.keys()
        ]
        if not ready:
            break  # a circle, which Alembic will refuse by itself
        placed |= {each.revision: each for each in ready}
        rest = [each for each in rest if each.revision not in placed]
    return [*placed.values(), *rest]
