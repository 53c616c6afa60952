"""What is a deployment going to do? A plan that is printed, kept, and then done."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from sametree.deploy.colours import Colours
from sametree.deploy.strategies import WHOLE, Colour, Move, Shift, Start, Stop


class Plan(Struct, frozen=True, kw_only=True):
    """A deployment of one release to one environment.

    ``release`` is the folder that it comes from. ``old`` is the colour that has the
    traffic now, with its release. ``expand`` are the migrations that run first, as far
    as they are known (``looked``): a database that is not there yet tells nothing.
    ``waiting`` are those that run later, when nobody needs the old schema. ``notes``
    are what the operator should know: drift, what could not be looked at. ``retires`` is
    what the new side has until now, in words, ``before`` what was decided before.
    ``back`` says that it returns to a release which was there before: nothing is judged then.
    """

    run: str
    kind: str
    environment: str
    address: str
    release: str
    digest: str
    tree: str
    commit: str
    strategy: str
    replicas: int
    old: Colour | None
    old_tree: str
    old_digest: str
    old_replicas: int
    new: Colour
    moves: tuple[Move, ...]
    own_database: bool
    before: Colours
    expand: tuple[str, ...] = ()
    looked: bool = True
    waiting: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    retires: str = ""
    back: bool = False
    why: str = ""

    def title(self) -> str:
        """Return what it does, in words."""
        return f"{self.kind} {self.tree[:12]} to {self.environment}"

    def lines(self) -> Iterator[str]:
        """Yield what the operator has to know before he agrees."""
        commit = f"commit {self.commit[:12]}" if self.commit else "no commit: dirty"
        yield f"release      {self.digest[:12]}  tree {self.tree[:12]}, {commit}"
        yield f"environment  {self.environment}  http://{self.address}"
        if self.old:
            yield f"now there    tree {self.old_tree[:12]} on {self.old}"
        else:
            yield "now there    nothing"
        if self.expand:
            yield f"migrations   {self.expand[0]}"
            for each in self.expand[1:]:
                yield f"             {each}"
        elif not self.looked:
            yield "migrations   told when the database runs"
        for each in self.waiting:
            yield f"later        {each}  (contract; `invoke migrate {self.environment}`)"
        for note in self.notes:
            yield f"note         {note}"


def words(move: Move, new: str, old: str | None) -> str:
    """Return what a move does, in words."""
    if isinstance(move, Start):
        return f"start {_count(move.replicas)} of {new}"
    if isinstance(move, Stop):
        if not move.replicas:
            return f"stop {old}"
        return f"leave {_count(move.replicas)} of {old}"
    return f"give {new} {percent(move)}" + (
        f", and judge it for {move.bake:.3g} s" if move.bake else ""
    )


def percent(move: Shift) -> str:
    """Return a share for people.

    >>> percent(Shift(100, 0)), percent(Shift(WHOLE, 0))
    ('1 %', '100 %')
    """
    return f"{move.share * 100 / WHOLE:g} %"


def _count(replicas: int) -> str:
    return f"{replicas} replica{'' if replicas == 1 else 's'}"
