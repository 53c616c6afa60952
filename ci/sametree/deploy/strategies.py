"""By which moves does traffic get from the old colour to the new one?

Pure functions: what is seen goes in, the next move comes out. So a plan is the list of
moves until none is left, and a resumed deployment goes on from what it finds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from msgspec import Struct, structs

from sametree.settings.model import Environment

WHOLE = 10_000
"""All of the traffic, in the router's parts."""
Colour = Literal["blue", "green"]
COLOURS: tuple[Colour, Colour] = ("blue", "green")


class Seen(Struct, frozen=True):
    """How many replicas run of the old and the new colour, and the new one's share.

    ``old`` is None where no colour is in use: then there is nothing to move from.
    """

    old: int | None
    new: int
    share: int


class Start(Struct, frozen=True, tag=True):
    """Have ``replicas`` of the new colour run."""

    replicas: int


class Shift(Struct, frozen=True, tag=True):
    """Give the new colour ``share`` parts, and judge it for ``bake`` seconds."""

    share: int
    bake: float


class Stop(Struct, frozen=True, tag=True):
    """Leave ``replicas`` of the old colour."""

    replicas: int


Move = Start | Shift | Stop


def other(colour: str | None) -> Colour:
    """Return the colour that ``colour`` is not; the first one for None."""
    return "green" if colour == "blue" else "blue"


def next_move(environment: Environment, seen: Seen) -> Move | None:
    """Return what to do now with an environment that is as ``seen``; None when all of
    the traffic is where it should be."""
    if environment.strategy == "rolling" and seen.old is not None:
        return _rolling(environment, seen, seen.old)
    if seen.new < environment.replicas:
        return Start(environment.replicas)
    if seen.share >= WHOLE:
        return None
    if environment.strategy == "canary" and seen.old is not None:
        for step in sorted(environment.steps):
            if seen.share < (share := parts(step)):
                return Shift(share, environment.bake)
    return Shift(WHOLE, environment.bake)


def moves(environment: Environment, seen: Seen) -> Iterator[Move]:
    """Yield all moves from ``seen`` to the end."""
    while (move := next_move(environment, seen)) is not None:
        yield move
        seen = after(seen, move)


def after(seen: Seen, move: Move) -> Seen:
    """Return what is seen once ``move`` is done."""
    if isinstance(move, Start):
        return structs.replace(seen, new=move.replicas)
    if isinstance(move, Shift):
        return structs.replace(seen, share=move.share)
    return structs.replace(seen, old=move.replicas)


def parts(percent: float) -> int:
    """Return a share in parts of WHOLE.

    >>> parts(1), parts(12.5)
    (100, 1250)
    """
    return round(percent * WHOLE / 100)


def shares(new: Colour, share: int, old: str | None) -> Mapping[str, int]:
    """Return the share of each colour.

    >>> shares("green", 100, "blue")
    {'green': 100, 'blue': 9900}
    """
    return {new: share, **({old: WHOLE - share} if old else {})}


def _rolling(environment: Environment, seen: Seen, old: int) -> Move | None:
    """One replica after the other: start it, give it its share, stop an old one.

    So never fewer replicas work than before, and never more than one beyond.
    """
    wanted = environment.replicas
    if seen.new == 0:
        return Start(1)
    if seen.share < (share := WHOLE * seen.new // wanted):
        # The stages share the time to bake: the wave as a whole takes it once.
        return Shift(share, environment.bake / wanted)
    if old > (left := max(wanted - seen.new, 0)):
        return Stop(left)
    return Start(seen.new + 1) if seen.new < wanted else None
