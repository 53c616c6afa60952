"""What did the pipeline leave in a checkout, and what of it may go?"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from sametree import files
from sametree.database import cluster, server
from sametree.errors import UsageError
from sametree.settings import Project

KEPT = frozenset({"environments", "restore-points"})
"""Folders of the state that cannot be made again: what was deployed and how it got there,
and what one returns to after a migration."""


def plan(project: Project, *, database: bool) -> list[Path]:
    """Return the folders that ``remove`` would remove: all that can be made again.

    The development database cannot; it counts only when asked for.
    """
    settings, root = project.settings, project.root
    places = [root / ".nox", root / settings.dist, root / settings.reports]
    for component in project.components:
        if component.language == "node":
            places.append(project.folder(component) / "node_modules")
    kept = cluster.kept_folder(project.state, server.version_of(project))
    places += [
        place
        for place in sorted(project.state.iterdir())
        if place.is_dir()
        and place.name not in KEPT
        and not place.name.startswith("postgres-")
    ]
    if database:
        places.append(kept)
    return [place for place in places if place.exists()]


def remove(project: Project, places: Sequence[Path]) -> None:
    """Remove ``places``; raises UsageError when one is in use."""
    locks = [project.state / "up" / "users.lock"]
    locks += [place / "users.lock" for place in places]
    for lock in locks:
        if not lock.exists():
            continue
        descriptor = files.try_lock(lock)
        if descriptor is None:
            raise UsageError(
                f"{lock.parent.name} is in use in this checkout",
                "`invoke down` stops the application",
            )
        os.close(descriptor)
    for place in places:
        if place.is_symlink():
            place.unlink()  # what it points to is somebody else's
        else:
            shutil.rmtree(place)
