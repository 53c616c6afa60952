"""What is this clone, and what do its commits hold? Also the one door to all that a
release asks of git: making commit and tags, sending them, catching up.
"""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct

from sametree import git_calls
from sametree.errors import SurroundingsError, UsageError
from sametree.git_calls import ask, call, resolved
from sametree.release import making
from sametree.release.catching_up import catch_up as catch_up  # noqa: F401
from sametree.release.making import Prepared as Prepared  # noqa: F401
from sametree.release.making import forget as forget  # noqa: F401
from sametree.release.making import prepare as prepare  # noqa: F401
from sametree.release.making import prepared as prepared  # noqa: F401
from sametree.release.making import tag as tag  # noqa: F401
from sametree.release.sending import Seen as Seen  # noqa: F401
from sametree.release.sending import apart as apart  # noqa: F401
from sametree.release.sending import look as look  # noqa: F401
from sametree.release.sending import push as push  # noqa: F401
from sametree.release.sending import pushed as pushed  # noqa: F401
from sametree.release.sending import tag_ids as tag_ids  # noqa: F401
from sametree.release.sending import tagged as tagged  # noqa: F401


class Local(Struct, frozen=True, kw_only=True):
    """What this clone is: its commit ("" before the first), its branch ("" where none is
    checked out), whether its history is cut off, the project's files that are not
    committed, and the objects of its tags."""

    head: str
    branch: str
    shallow: bool
    changed: tuple[str, ...]
    tags: dict[str, str]


def state(root: Path) -> Local:
    """Return what this clone is.

    Raises UsageError where there is no working copy that git opens.
    """
    inside = call(root, "rev-parse", "--is-inside-work-tree")
    if inside.code or inside.output.strip() != b"true":
        why = git_calls.told(inside.said) if inside.code else "it is a bare repository"
        raise UsageError(
            f"a release is a commit and a tag, and {root} is no working copy that git"
            f" opens: {why}",
            "release from a clone of the project",
        )
    branch = call(root, "symbolic-ref", "--quiet", "HEAD")
    asked = ("status", "--porcelain=v1", "-z", "--no-renames")
    listed = os.fsdecode(ask(root, *asked, "--untracked-files=normal", "--", "."))
    return Local(
        head=resolved(root, "HEAD^{commit}"),
        branch=os.fsdecode(branch.output).strip().removeprefix("refs/heads/"),
        shallow=ask(root, "rev-parse", "--is-shallow-repository").strip() == b"true",
        changed=tuple(row[3:] for row in listed.split("\0")[:-1]),
        tags=making.refs(root, "refs/tags/"),
    )


def read_file(root: Path, commit: str, path: str) -> str | None:
    """Return the text of the file ``path`` (in the repository) as ``commit`` has it, line
    ends and all; None when it has no such file.

    Raises SurroundingsError when there is no such commit here.
    """
    done = call(root, "cat-file", "blob", f"{commit}:{path}")
    if not done.code:
        return done.output.decode("utf-8", "surrogateescape")
    if not resolved(root, f"{commit}^{{commit}}"):
        raise SurroundingsError(
            f"the commit {commit[:12]} is not in this clone",
            "`git fetch` brings it where the remote has it",
        )
    return None
