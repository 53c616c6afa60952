"""migrate.new: write the file of a new migration, with safe idioms to begin with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from sametree import files, steps
from sametree.database import migrations, new_revision
from sametree.database.applying import Applying, Event
from sametree.errors import UnitFailed, UsageError
from sametree.units.work import Work


def new(
    work: Work,
    message: str,
    *,
    contract: bool = False,
    backfill: str = "",
    index: str = "",
) -> Path:
    """Write a revision that follows the newest one; return its path in the project.

    Raises UsageError for a call that makes no sense, UnitFailed when the history has
    several heads or cannot be read.
    """
    new_revision.check(message, contract=contract, backfill=backfill, index=index)
    env = work.install("run")
    # Two at once would take the same number.
    turn = files.add_exclude_file(work.project.state) / "locks" / "migrate.new.lock"
    with files.locked(turn):
        told = _history(work, env, message)
        path = work.folder / told["file"]
        text = new_revision.text(
            message,
            told["revision"],
            told["head"],
            contract=contract,
            backfill=backfill,
            index=index,
        )
        if path.exists() or told["taken"]:
            raise UsageError(f"there is {path.name} already", "take another title")
        files.write_atomically(path, text)
    return Path(os.path.relpath(path, work.project.root))


def _history(work: Work, env: Mapping[str, str], message: str) -> Event:
    progress = Applying()

    def listen(line: str) -> None:
        progress.take(line)

    path = env.get("PYTHONPATH", "")
    step = migrations.program("history", work.folder, message, path=path)
    outcome = steps.run(step, env, on_line=listen)
    if not outcome.passed:
        said = progress.problem or "\n".join(progress.other[-15:])
        raise UnitFailed(said, progress.cure)
    return progress.history
