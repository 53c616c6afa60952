"""Which release is on which side of an environment, and which side has the traffic?

``colours.json`` is what was decided; what really runs is asked of runner and router.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct, structs

from sametree import files
from sametree.deploy.strategies import Colour
from sametree.errors import SurroundingsError

FILE = "colours.json"


class Side(Struct, frozen=True, kw_only=True):
    """One side of an environment: a release, since when (Unix time), and by whom.

    ``baked`` is when it had all traffic and its time to bake was over; 0.0 before.
    ``revisions`` are the migrations that its code knows.
    """

    digest: str
    tree: str
    commit: str
    replicas: int
    since: float
    by: str
    run: str
    baked: float = 0.0
    revisions: tuple[str, ...] = ()


class Colours(Struct, frozen=True, kw_only=True):
    """Both sides. ``active`` has the traffic, None before the first deployment.

    ``contracts`` are the contract migrations that the database has had: code that does
    not know one of them does not work on it any more. ``kept`` are the digests of
    releases that can be returned to, the newest first. ``port`` is where it is reached
    when settings left that open.
    """

    active: Colour | None = None
    blue: Side | None = None
    green: Side | None = None
    contracts: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    port: int = 0

    def side(self, colour: str | None) -> Side | None:
        """Return what is on one side."""
        return {"blue": self.blue, "green": self.green}.get(colour or "")

    def having(self, colour: Colour, side: Side | None) -> Colours:
        """Return these colours with another ``side``."""
        if colour == "blue":
            return structs.replace(self, blue=side)
        return structs.replace(self, green=side)

    def broken_for(self, revisions: tuple[str, ...]) -> list[str]:
        """Return the contract migrations that code which knows ``revisions`` does not
        know, but the database has had."""
        return [each for each in self.contracts if each not in revisions]


def read(folder: Path) -> Colours:
    """Return the colours of the environment in ``folder``; none where there are none.

    Raises SurroundingsError when the file is there and cannot be read.
    """
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Colours)
    except FileNotFoundError:
        return Colours()
    except msgspec.MsgspecError as error:
        raise SurroundingsError(
            f"{folder / FILE}: {error}",
            "it was changed by hand; put it back, or deploy into another folder",
        ) from None


def write(folder: Path, colours: Colours) -> None:
    """Write the colours, in one step. Raises OSError."""
    files.write_atomically(folder / FILE, text(colours))


def text(colours: Colours) -> str:
    """Return the text of the file."""
    return msgspec.json.format(msgspec.json.encode(colours)).decode() + "\n"
