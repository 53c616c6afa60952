"""How do projects whose tests work on SQLite get a migrated file, and pay for it once?

The file is kept beside the templates of PostgreSQL, under the same kind of name. Each
run gets a copy of its own.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from sametree import files, terminal
from sametree.database import templates
from sametree.errors import SurroundingsError

KEPT = 8
ENDING = ".sqlite"
Migrate = Callable[[str], None]


@contextmanager
def migrated(history: str, migrate: Migrate) -> Iterator[tuple[Path, bool]]:
    """Give a migrated SQLite file, and whether it is that of an earlier run.

    ``migrate`` is called with the URL of an empty one, unless one is kept for which
    ``history`` (see ``history.digest``) was the same. Who makes one is waited for. Where
    none can be kept, a line says so. Raises what ``migrate`` raises.
    """
    key = files.digest(sqlite3.sqlite_version, history)[:16]
    with tempfile.TemporaryDirectory(prefix="sametree-sqlite-") as scratch:
        own = Path(scratch, "template.sqlite")
        with ExitStack() as turn:
            place: Path | None = None
            try:
                turn.enter_context(files.locked(templates.base() / f"{key}.lock"))
                place = templates.base() / f"{key}{ENDING}"
                kept = _copied(place, own)
            except (OSError, SurroundingsError) as error:
                templates.say_not_kept(error)
                kept = False
            if not kept:
                sqlite3.connect(own).close()
                migrate(f"sqlite:///{own}")
                if place:
                    _keep(own, place)
        yield own, kept


def _copied(place: Path, own: Path) -> bool:
    """Copy what is kept at ``place``, if anything; mark it as used just now."""
    if not place.exists():
        return False
    shutil.copyfile(place, own)
    place.touch()
    return True


def _keep(own: Path, place: Path) -> None:
    """Keep a copy of ``own`` at ``place``: whole, on the disk, or not at all."""
    made = place.with_suffix(f".new-{os.urandom(4).hex()}")
    try:
        for left in place.parent.glob(f"{place.stem}.new-*"):  # by a kill
            left.unlink(missing_ok=True)
        # What stands in a log beside the file is copied too.
        with (
            closing(sqlite3.connect(own)) as source,
            closing(sqlite3.connect(made)) as target,
        ):
            source.backup(target)
        made.replace(place)
        others = [path for path in place.parent.glob(f"*{ENDING}") if path != place]
        for old in sorted(others, key=lambda path: -path.stat().st_mtime)[KEPT - 1 :]:
            old.unlink(missing_ok=True)
    except (OSError, sqlite3.Error) as error:
        terminal.say(f"  the migrated template is not kept: {error}")
    finally:
        made.unlink(missing_ok=True)
