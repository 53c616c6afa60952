"""How is git asked to share records? Nothing but our own ref is written, and whatever
git refuses, a person is told that no record is lost.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sametree import git_calls
from sametree.errors import SurroundingsError, UsageError
from sametree.git_calls import Busy as Busy  # noqa: F401 (calls.Busy)
from sametree.git_calls import resolved as resolved  # noqa: F401
from sametree.git_calls import shown as shown  # noqa: F401

LOST = "nothing is lost: the records stay in .sametree/runs"


def ask(
    root: Path, *args: str, given: bytes = b"", env: Mapping[str, str] = {}
) -> bytes:
    """Return what ``git ARGS`` prints in ``root``, given ``given``.

    Raises SurroundingsError, with what git said, when it fails.
    """
    with _nothing_is_lost():
        return git_calls.ask(root, *args, given=given, env=env)


def repository(root: Path) -> Path:
    """Return the folder that all worktrees of the repository of ``root`` have in common.

    Raises UsageError where there is no repository that git will open.
    """
    done = git_calls.call(root, "rev-parse", "--git-common-dir")
    if done.code:
        raise UsageError(
            f"records are shared by git, and {root} is in no repository that git"
            f" opens: {git_calls.told(done.said)}",
            "share them from a clone of the project",
        )
    return root / os.fsdecode(done.output.removesuffix(b"\n"))


def target(root: Path, remote: str) -> str:
    """Return what to fetch from, and push to (see ``git_calls.target``).

    Raises UsageError when there is no such remote.
    """
    with _nothing_is_lost():
        return git_calls.target(root, remote, "name another with --remote")


def fetch(root: Path, remote: str, ref: str, own: str) -> str:
    """Make our ref ``own`` what ``remote`` has as ``ref``; return the id, "" for none.

    Raises SurroundingsError when the remote cannot be reached.
    """
    with _nothing_is_lost():
        spec = f"+{ref}:{own}"
        done = git_calls.call(root, *git_calls.FETCH, remote, spec, network=True)
        if not done.code:
            return resolved(root, own)
        if "couldn't find remote ref" not in done.said:
            problem = f"{shown(remote)} cannot be asked for records"
            raise git_calls.refused(problem, done.said, ref)
        if resolved(root, own):
            git_calls.ask(root, "update-ref", "-d", own)
        return ""


def push(root: Path, remote: str, ref: str, new: str, old: str) -> None:
    """Make ``ref`` of ``remote`` the commit ``new``, if it still is ``old`` ("": none).

    Raises Busy when it is not, and SurroundingsError when the remote cannot be reached
    or refuses.
    """
    with _nothing_is_lost():
        git_calls.push(root, remote, ref, new, old, "records")


@contextmanager
def _nothing_is_lost() -> Iterator[None]:
    """Tell with every refusal that no record is lost."""
    try:
        yield
    except SurroundingsError as error:
        cure = f"{error.cure}; {LOST}" if error.cure else LOST
        raise SurroundingsError(error.problem, cure) from None
