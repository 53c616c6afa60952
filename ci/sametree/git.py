"""What does git know of this working copy: its files, what changed?"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # typing itself takes longer to import than an answer may take
if TYPE_CHECKING:
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


class Missing(Exception):
    """There is no git on this machine."""


class Call:
    """A ``git ARGS`` in ``root`` that runs, maybe beside others, until it is asked.

    Started without the subprocess module, whose import takes longer than git does.
    Raises Missing when there is no git.
    """

    def __init__(
        self, root: str | Path, *args: str, env: Mapping[str, str] = {}
    ) -> None:
        self._output, writing = os.pipe()
        errors = os.memfd_create("git") if hasattr(os, "memfd_create") else None
        nothing = os.devnull
        actions: list[tuple[int, int, str, int, int] | tuple[int, int, int]] = [
            (os.POSIX_SPAWN_OPEN, 0, nothing, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, writing, 1),
            (os.POSIX_SPAWN_OPEN, 2, nothing, os.O_WRONLY, 0),
        ]
        if errors is not None:
            actions[-1] = (os.POSIX_SPAWN_DUP2, errors, 2)
        self._errors = errors
        try:
            argv = ["git", "-C", str(root), *args]
            self._pid = os.posix_spawnp(
                "git", argv, environment(env), file_actions=actions
            )
        except FileNotFoundError:
            os.close(self._output)
            if errors is not None:
                os.close(errors)
            raise Missing from None
        finally:
            os.close(writing)

    def result(self) -> tuple[int, bytes, str]:
        """Wait for the end; return exit code, output, and what git said beside it."""
        parts = []
        while part := os.read(self._output, 1 << 20):
            parts.append(part)
        os.close(self._output)
        _, status = os.waitpid(self._pid, 0)
        said = b""
        if self._errors is not None:
            said = os.pread(self._errors, 1 << 16, 0)
            os.close(self._errors)
        code = os.waitstatus_to_exitcode(status)
        return code, b"".join(parts), said.decode(errors="replace")


def run(root: str | Path, *args: str, env: dict[str, str] | None = None) -> str | None:
    """Return what ``git ARGS`` prints in ``root``; None where git cannot answer.

    None stands for: no git on this machine, not a repository, or a failed command.
    """
    if not os.path.isdir(root):
        return None
    try:
        code, output, _ = Call(root, *args, env=env or {}).result()
    except Missing:
        return None
    return None if code else output.decode(errors="surrogateescape")


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
