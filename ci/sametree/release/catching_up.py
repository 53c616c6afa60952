"""How does this clone get what was pushed, without losing what the user does in it?"""

from __future__ import annotations

import os
from pathlib import Path

from sametree import git_calls
from sametree.git_calls import ask, call, resolved
from sametree.release.making import Prepared

SHOWN = 3
"""Files in the way that are named."""
_MERGE = (
    *("-c", "submodule.recurse=false"),
    *("merge", "--ff-only", "--quiet", "--no-stat", "--no-autostash"),
    "--no-verify-signatures",
)
"""Moves branch, index and files; it refuses before it changes a thing where a change of
the user's is in the way, and can be done again after it was cut off."""


def catch_up(root: Path, branch: str, parent: str, made: Prepared) -> list[str]:
    """Let tags, branch, index and working copy here be what was pushed; return, in
    words, what could not be done because the user has something else there."""
    left = []
    for name, id in made.tags.items():
        ref = f"refs/tags/{name}"
        if resolved(root, ref) == id or not call(root, "update-ref", ref, id, "").code:
            continue
        left.append(
            f"the tag {name} is another one here, and stays:"
            f" `git tag -d {name}`, then `git fetch --tags`"
        )
    told = _branch(root, branch, parent, made.commit)
    return [*left, told] if told else left


def _branch(root: Path, branch: str, parent: str, commit: str) -> str:
    """Let the branch be ``commit``; return what is in the way, "" for nothing."""
    ref = f"refs/heads/{branch}"
    ours = resolved(root, ref)
    if not ours or not call(root, "merge-base", "--is-ancestor", commit, ours).code:
        return ""  # CI has no branches; or it has the commit, and maybe more
    if call(root, "merge-base", "--is-ancestor", ours, commit).code:
        return (
            f"{branch} has commits of its own here, and stays as it is:"
            f" `git switch {branch}`, then `git rebase {commit[:12]}`"
        )
    if _head(root) == ref:
        done = call(root, *_MERGE, commit)
        cure = f"clear that up, then `git merge --ff-only {commit[:12]}`"
        why = _why(done.said)
        return f"{branch} stays as it is here: {why}; {cure}" if done.code else ""
    if elsewhere := _elsewhere(root, ref):
        return (
            f"{branch} is checked out in {elsewhere}, and stays as it is there:"
            f" `git merge --ff-only {commit[:12]}` in that folder"
        )
    done = call(root, "update-ref", "-m", "release", ref, commit, ours)
    why = git_calls.told(done.said)
    return f"{branch} stays as it is here: {why}" if done.code else ""


def _why(said: str) -> str:
    """Return what is in the way of a merge, with the files that git names."""
    files = [line.strip() for line in said.splitlines() if line.startswith("\t")]
    more = f" and {len(files) - SHOWN} more" * (len(files) > SHOWN)
    return f"{git_calls.told(said)} {', '.join(files[:SHOWN])}{more}".strip()


def _head(root: Path) -> str:
    """Return the ref of the branch that is checked out here; "" for none."""
    done = call(root, "symbolic-ref", "--quiet", "HEAD")
    return os.fsdecode(done.output).strip()


def _elsewhere(root: Path, ref: str) -> str:
    """Return the folder of another working copy that has ``ref`` checked out."""
    folder = ""
    for line in os.fsdecode(ask(root, "worktree", "list", "--porcelain")).splitlines():
        kind, _, value = line.partition(" ")
        if kind == "worktree":
            folder = value
        elif kind == "branch" and value == ref:
            return folder
    return ""
