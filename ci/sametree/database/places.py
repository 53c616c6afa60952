"""Where does a throw-away cluster live: in memory, where there is room, or on the disk?"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from sametree import terminal
from sametree.database import binaries
from sametree.errors import SurroundingsError

ROOM = 640 << 20
"""Bytes that a cluster may come to whose size nobody knows yet."""
MARGIN = 128 << 20
"""Bytes for what tests write, beside the databases and the log of changes."""
LOG = 256 << 20
"""Bytes to which the log of changes grows (``max_wal_size``)."""
MEMORY = Path("/dev/shm")

SCRATCH = "SAMETREE_SCRATCH"
"""Names another folder for throw-away clusters."""


def throw_away_base(needed: int = ROOM, *, say: bool = False) -> Path:
    """Return the folder in which this user's throw-away clusters live.

    It is where SAMETREE_SCRATCH says, else in memory where ``needed`` bytes are free,
    else with the other temporary files; to ``say`` so is one line.
    """
    named = os.environ.get(SCRATCH)
    free = _free_memory()
    if named:
        parent = Path(named)
        if not parent.is_dir():
            raise SurroundingsError(
                f"{SCRATCH}: {named} is no folder", f"make it, or unset {SCRATCH}"
            )
    elif free is not None and free >= needed:
        parent = MEMORY
    else:
        parent = Path(tempfile.gettempdir())
        if say and free is not None:
            terminal.say(
                f"  the database is on the disk: it may take {needed >> 20} MiB, and in"
                f" memory {free >> 20} MiB are free"
            )
    if binaries.unprivileged() and not binaries.may_enter(parent):
        parent = binaries.roots_place()
    base = parent / f"sametree-{os.geteuid()}"
    with suppress(FileExistsError):
        base.mkdir(mode=0o711)
    if base.is_symlink() or base.stat().st_uid != os.geteuid():
        raise SurroundingsError(
            f"{base} belongs to another user",
            "remove it, or set TMPDIR to a folder of your own",
        )
    return base


def room(seed: Path, clones: int) -> int:
    """Return how many bytes a cluster may come to that begins with the data in ``seed``
    and gets ``clones`` of its largest database."""
    sizes: dict[str, int] = {}
    for folder, _, names in os.walk(seed / "data"):
        for name in names:
            with suppress(OSError):
                size = os.stat(os.path.join(folder, name)).st_size
                sizes[folder] = sizes.get(folder, 0) + size
    databases = [sizes[each] for each in sizes if Path(each).parent.name == "base"]
    return sum(sizes.values()) + clones * max(databases, default=0) + LOG + MARGIN


def _free_memory() -> int | None:
    """Return how many bytes a cluster may take of the memory; None where that is no
    folder. Of what is free at all, half is left for the tests themselves."""
    if not MEMORY.is_dir() or not os.access(MEMORY, os.W_OK):
        return None
    free = shutil.disk_usage(MEMORY).free
    with suppress(OSError, AttributeError):
        told = re.search(r"MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text())
        free = min(free, int(told[1]) * 512) if told else free
    return free
