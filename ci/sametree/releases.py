"""Which release came before this tree, and what did its files hold?"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from sametree import git
from sametree.errors import SurroundingsError, UsageError


class Release(msgspec.Struct, frozen=True):
    """A release: what it is called here, and its commit."""

    name: str
    commit: str


def before(root: Path, named: str = "", *, fetch: bool = True) -> Release | None:
    """Return the release before the tree in ``root``: ``named``, else the last tag.

    A tag of this very commit is the release itself, not the one before it. None when
    there is none. Raises UsageError when ``named`` is no revision, or nothing is named
    in a shallow clone, which cannot tell; SurroundingsError when it cannot be fetched.
    Only a shallow clone fetches, and not without ``fetch``.
    """
    shallow = _said(root, "rev-parse", "--is-shallow-repository") == "true"
    if named:
        commit = _resolved(root, named)
        if not commit and shallow and fetch:
            _fetch(root, named)
            commit = _resolved(root, "FETCH_HEAD")
        if not commit:
            raise UsageError(
                f"git knows no revision {named!r}, the previous release in settings",
                "correct `previous` in [tool.sametree.database], or `git fetch --tags`",
            )
        return Release(named, commit)
    if shallow:
        raise UsageError(
            "a shallow clone cannot tell the previous release",
            "name it as `previous` in [tool.sametree.database]",
        )
    ours = (_said(root, "tag", "--points-at", "HEAD") or "").split()
    left_out = [f"--exclude={tag}" for tag in ours]
    name = _said(root, "describe", "--tags", "--abbrev=0", *left_out)
    commit = _resolved(root, name) if name else ""
    return Release(name, commit) if name and commit else None


@contextmanager
def checked_out(root: Path, release: Release) -> Iterator[Path]:
    """Give what ``root`` was in ``release``, in a folder for the length of the block.

    The repository, its index and its working copy stay as they are. Raises
    SurroundingsError when git cannot read the files.
    """
    within = _said(root, "rev-parse", "--show-prefix") or ""
    with tempfile.TemporaryDirectory(prefix="sametree-release-") as made:
        folder = Path(made, "tree")
        folder.mkdir()
        index = {"GIT_INDEX_FILE": str(Path(made, "index"))}
        for args in (
            ("read-tree", release.commit),
            ("checkout-index", "--all", f"--prefix={folder}/"),
        ):
            top = _said(root, "rev-parse", "--show-toplevel") or str(root)
            code, _, said = git.Call(top, *args, env=index).result()
            if code:
                raise SurroundingsError(
                    f"git cannot read {release.name}: {said.strip()}",
                    "`git fsck` tells whether the repository is whole",
                )
        yield (folder / within).resolve()


def _fetch(root: Path, name: str) -> None:
    """Fetch one commit into a clone that is shallow anyway."""
    code, _, said = git.Call(
        root, "fetch", "--quiet", "--depth=1", "--no-tags", "origin", name
    ).result()
    if code:
        raise SurroundingsError(
            f"the previous release {name} cannot be fetched: {said.strip()}",
            "look whether `origin` answers and has it",
        )


def _resolved(root: Path, name: str) -> str:
    return (
        _said(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^0")
        or ""
    )


def _said(root: Path, *args: str) -> str | None:
    said = git.run(root, *args)
    return None if said is None else said.strip()
