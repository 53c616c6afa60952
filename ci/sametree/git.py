"""What does git know of this working copy: its tree, its files, what changed?"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

_HOOKS_OWN = frozenset(
    "GIT_DIR GIT_COMMON_DIR GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_PREFIX GIT_WORK_TREE"
    " GIT_LITERAL_PATHSPECS".split()
)
"""Set while git runs a hook; they would point us at the hook's repository."""


def run(root: Path, *args: str, env: dict[str, str] | None = None) -> str | None:
    """Return what ``git ARGS`` prints in ``root``; None where git cannot answer.

    None stands for: no git on this machine, not a repository, or a failed command.
    """
    kept = {name: os.environ[name] for name in os.environ if name not in _HOOKS_OWN}
    try:
        done = subprocess.run(
            ["git", *args],
            cwd=root,
            env={**kept, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C", **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
        )
    except FileNotFoundError:
        return None
    return done.stdout.decode(errors="surrogateescape") if not done.returncode else None


def tree_id(root: Path) -> str | None:
    """Return the id of the git tree of ``root`` as it stands, or None outside git.

    Tracked and untracked files count, ignored ones do not. The repository's index
    and object store stay untouched: both are stood in for by temporary ones.
    """
    found = run(
        root,
        "rev-parse",
        *("--git-path", "index", "--git-path", "objects", "--show-prefix"),
    )
    if found is None:
        return None
    index_path, objects_path, prefix = found.split("\n")[:3]
    index, objects = root / index_path, (root / objects_path).resolve()
    with tempfile.TemporaryDirectory(prefix="sametree-tree-") as scratch:
        own_index = Path(scratch, "index")
        if index.exists():
            # The file times in it spare git from reading every file. Its own time
            # has to stay: git reads again what is as young as the index.
            shutil.copy2(index, own_index)
        quoted = str(objects).replace("\\", "\\\\").replace('"', '\\"')
        env = {
            "GIT_INDEX_FILE": str(own_index),
            "GIT_OBJECT_DIRECTORY": scratch,
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{quoted}"',
        }
        # A split index would write its shared half beside the repository's own.
        whole = ("-c", "core.splitIndex=false")
        if run(root, *whole, "add", "--all", ":/", env=env) is None:
            return None
        written = run(root, *whole, "write-tree", f"--prefix={prefix}", env=env)
    return written.strip() if written else None


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
