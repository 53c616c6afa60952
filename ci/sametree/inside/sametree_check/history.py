"""Which revisions are there, in which order do they run, and how is a single one run?"""

from __future__ import annotations

import heapq
import os
import traceback
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationStep
from alembic.script import Script, ScriptDirectory


def ordered(script: ScriptDirectory) -> list[Script]:
    """Return all revisions in an order in which they can run.

    It is told by the revisions alone, not by the order of files in a folder: of two
    that may run now, the one whose id comes first does.
    """
    all_of_them = {each.revision: each for each in script.walk_revisions()}
    waiting = {name: set(below(each)) for name, each in all_of_them.items()}
    above: dict[str, list[str]] = {}
    for name, needed in waiting.items():
        for each in needed:
            above.setdefault(each, []).append(name)
    ready = [name for name, needed in waiting.items() if not needed]
    heapq.heapify(ready)
    found = []
    while ready:
        name = heapq.heappop(ready)
        found.append(all_of_them[name])
        for other in above.get(name, ()):
            waiting[other].discard(name)
            if not waiting[other]:
                heapq.heappush(ready, other)
    return found


def below(revision: Script) -> tuple[str, ...]:
    """Return the revisions that have to run before one."""
    told: tuple[str, ...] = revision._normalized_down_revisions
    needed: tuple[str, ...] = revision._normalized_resolved_dependencies
    return tuple(dict.fromkeys((*told, *needed)))


def described(revision: Script) -> dict[str, Any]:
    """Return a revision as JSON can have it; its file relative to our folder."""
    title = (revision.doc or "").strip().splitlines()
    return {
        "revision": revision.revision,
        "title": title[0] if title else "",
        "file": os.path.relpath(revision.path),
        "below": list(below(revision)),
    }


def step(
    config: Config, script: ScriptDirectory, revision: Script, *, up: bool
) -> None:
    """Run one revision up or down, through the project's env.py, and nothing else.

    Alembic's commands take a target, which on a branch may mean several revisions.
    """
    make = (
        MigrationStep.upgrade_from_script if up else MigrationStep.downgrade_from_script
    )

    def only(heads: object, context: object) -> list[Any]:
        return [make(script.revision_map, revision)]

    target = revision.revision if up else "one below"
    with EnvironmentContext(
        config, script, fn=only, as_sql=False, destination_rev=target
    ):
        script.run_env()


def explained(error: BaseException, file: str) -> dict[str, Any]:
    """Return what a migration that failed did: error, statement, and its line."""
    line = 0
    for frame in traceback.extract_tb(error.__traceback__):
        if os.path.realpath(frame.filename) == os.path.realpath(file):
            line = frame.lineno or 0
    cause = getattr(error, "orig", None) or error
    return {
        "error": f"{type(cause).__name__}: {str(cause).strip()}",
        "statement": str(getattr(error, "statement", None) or "").strip(),
        "line": line,
        "state": str(
            getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", "") or ""
        ),
    }
