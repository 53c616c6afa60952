"""Where is the database in the history of revisions, and what does it lack?"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import Script, ScriptDirectory

from .events import Stop, report


def current(config: Config, script: ScriptDirectory) -> tuple[str, ...]:
    """Return the revisions that the database is at, through the project's env.py."""
    heads: list[str] = []

    def note(revision: tuple[str, ...], context: object) -> list[object]:
        heads.extend(revision)
        return []

    # Without dont_mutate Alembic makes its table where there is none.
    with EnvironmentContext(config, script, fn=note, dont_mutate=True):
        script.run_env()
    return tuple(heads)


def unknown(script: ScriptDirectory, heads: tuple[str, ...]) -> list[str]:
    """Return those of ``heads`` that no file of this tree has."""
    known = {each.revision for each in script.walk_revisions()}
    return [head for head in heads if head not in known]


def pending(script: ScriptDirectory, heads: tuple[str, ...]) -> list[Script]:
    """Return the revisions that the database lacks, in the order in which they run."""
    applied: set[str] = set()
    for head in heads:
        applied |= {each.revision for each in script.walk_revisions("base", head)}
    lacking = [r for r in script.walk_revisions() if r.revision not in applied]
    return lacking[::-1]


def one_head(script: ScriptDirectory) -> None:
    """Refuse a history with several heads: nobody can say which order is meant."""
    heads = script.get_heads()
    if len(heads) > 1:
        files = {h: os.path.relpath(script.get_revision(h).path) for h in heads}
        report("heads", heads=files)
        raise Stop


def here(script: ScriptDirectory, heads: tuple[str, ...]) -> None:
    """Refuse a database that is at a revision which this tree does not have."""
    if lost := unknown(script, heads):
        report("ahead", revisions=lost, head=script.get_current_head() or "")
        raise Stop


def described(revision: Script) -> dict[str, str]:
    """Return a revision's id and first line."""
    title = (revision.doc or "").strip().splitlines()
    return {"revision": revision.revision, "title": title[0] if title else ""}


def digest(revision: Script) -> str:
    """Return the SHA-256 of a revision's file."""
    return hashlib.sha256(Path(revision.path).read_bytes()).hexdigest()


def listed(revision: Script) -> dict[str, object]:
    """Return what a plan has to know of a revision."""
    down = revision.down_revision or ()
    return described(revision) | {
        "down": [down] if isinstance(down, str) else list(down),
        "file": os.path.relpath(revision.path),
        "digest": digest(revision),
    }
