"""Which pages does an environment serve, and who serves them?

One process an environment serves the pages of all its colours (see ``page_handler``):
run as a program, ``python -m sametree.deploy.pages FOLDER PORT``. ``pages.json`` in the
folder says where they are, and counts from the next request on.
"""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from sametree import files
from sametree.errors import UsageError

FILE = "pages.json"
INDEX = "index.html"
HOST = "127.0.0.1"
CONNECTIONS = 5_000
"""Clients at once: the router's, which keeps connections open for a second."""


class Pages(Struct, frozen=True):
    """Folders of pages: of each colour, and of older releases, whose hashed assets are
    still asked for by pages that are open. ``active`` is the colour of a request that
    names none that has pages."""

    colours: Mapping[str, str]
    active: str
    assets: tuple[str, ...] = ()


def argv(folder: Path, port: int) -> tuple[str, ...]:
    """Return the command that serves the pages of ``folder`` on ``port``."""
    return (sys.executable, "-m", "sametree.deploy.pages", str(folder), str(port))


def point(
    folder: Path, colours: Mapping[str, Path], active: str, assets: Sequence[Path]
) -> None:
    """Have the handler of ``folder`` serve these pages from its next request on.

    A colour that is left out has no pages: it is shown those of ``active``, if there
    are any. Raises UsageError when a folder holds no page, and OSError.
    """
    for colour, place in colours.items():
        if not (place / INDEX).is_file():
            raise UsageError(
                f"the pages of {colour} have no {INDEX}: {place}",
                "`nox -s build` makes it; is it the folder of the built page?",
            )
    told = Pages(
        {colour: str(place.absolute()) for colour, place in colours.items()},
        active,
        tuple(str(place.absolute()) for place in assets),
    )
    text = msgspec.json.format(msgspec.json.encode(told)).decode()
    files.write_atomically(folder / FILE, text + "\n")


def read(folder: Path) -> Pages | None:
    """Return what is served; None where nothing is yet.

    Raises msgspec.MsgspecError when the file is none of ours, and OSError.
    """
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Pages)
    except FileNotFoundError:
        return None


def main(folder: Path, port: int) -> None:
    """Serve the pages until SIGTERM."""
    import waitress  # type: ignore[import-untyped]

    from sametree.deploy.page_handler import Handler

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # It warns whenever a request has to wait for another.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    waitress.serve(
        Handler(folder),
        host=HOST,
        port=port,
        threads=8,
        connection_limit=CONNECTIONS,
        asyncore_use_poll=True,  # select() ends at 1,024 connections
        backlog=4096,
        max_request_body_size=1 << 20,  # nobody has anything to send
        ident=None,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
