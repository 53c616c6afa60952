"""What does git know of this working copy: its files, what changed?"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

HOOKS_OWN = frozenset(
    "GIT_DIR GIT_COMMON_DIR GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_PREFIX GIT_WORK_TREE"
    " GIT_LITERAL_PATHSPECS".split()
)
"""Set while git runs a hook; they would point us at the hook's repository."""


def environment(more: Mapping[str, str] = {}) -> dict[str, str]:
    """Return the environment for git: ours, without what a hook has, and ``more``."""
    kept = {name: os.environ[name] for name in os.environ if name not in HOOKS_OWN}
    return {**kept, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C", **more}


def run(root: Path, *args: str, env: dict[str, str] | None = None) -> str | None:
    """Return what ``git ARGS`` prints in ``root``; None where git cannot answer.

    None stands for: no git on this machine, not a repository, or a failed command.
    """
    try:
        done = subprocess.run(
            ["git", *args],
            cwd=root,
            env=environment(env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
        )
    except FileNotFoundError:
        return None
    return done.stdout.decode(errors="surrogateescape") if not done.returncode else None


def files(root: Path) -> list[str] | None:
    """Return the files below ``root``, tracked or not yet ignored; None outside git."""
    listed = run(
        root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "."
    )
    return None if listed is None else [name for name in listed.split("\0") if name]


def changed_since(root: Path, branch: str) -> set[str]:
    """Return the files (relative to ``root``) changed since ``branch`` was left.

    Uncommitted and untracked files count. On the branch itself, or where it is not
    known, only uncommitted changes are left.
    """
    base = None
    for name in (f"origin/{branch}", branch):
        base = base or run(root, "merge-base", "HEAD", name)
    diff = run(
        root, "diff", "--name-only", "--relative", "-z", (base or "HEAD").strip()
    )
    new = run(root, "ls-files", "-z", "--others", "--exclude-standard", ".")
    listed = (diff or "").split("\0") + (new or "").split("\0")
    return {name for name in listed if name}
