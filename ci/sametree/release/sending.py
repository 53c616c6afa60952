"""What does the remote have, and how do commit and tags get there, all or none?"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct

from sametree import git_calls
from sametree.errors import SurroundingsError, UsageError
from sametree.git_calls import Answer, ask, call, resolved
from sametree.release.claim import REF as CLAIM
from sametree.release.claim import WAY
from sametree.release.making import Prepared

SETTLE = 1.0
"""Seconds in which a server ends what it had taken when the connection broke."""
SHOWN = 3
"""Commits of somebody else that are named."""
_HEADS, _TAGS, _PEELED = "refs/heads/", "refs/tags/", "^{}"


class Seen(Struct, frozen=True, kw_only=True):
    """What a remote has, by ids: the commit of the branch, the objects of its tags and
    the commits that these name, the claim; "" where there is none."""

    head: str
    tags: dict[str, str]
    peeled: dict[str, str]
    claim: str


def look(root: Path, remote: str, branch: str) -> Seen:
    """Return what ``remote`` has; it is asked once.

    Raises UsageError when there is no such remote, SurroundingsError when it does not
    answer.
    """
    there = git_calls.target(root, remote, WAY)
    wanted = (f"{_HEADS}{branch}", f"{_TAGS}*", CLAIM)
    done = call(root, "ls-remote", "--quiet", there, *wanted, network=True)
    if done.code:
        problem = f"{git_calls.shown(there)} cannot be asked what it has"
        raise git_calls.refused(problem, done.said, branch)
    rows = (row.partition("\t") for row in os.fsdecode(done.output).splitlines())
    found = {name: id for id, _, name in rows}
    tags = {
        name.removeprefix(_TAGS): id
        for name, id in found.items()
        if name.startswith(_TAGS)
    }
    own = {name: id for name, id in tags.items() if not name.endswith(_PEELED)}
    return Seen(
        head=found.get(f"{_HEADS}{branch}", ""),
        tags=own,
        peeled={name: tags.get(f"{name}{_PEELED}", id) for name, id in own.items()},
        claim=found.get(CLAIM, ""),
    )


def apart(root: Path, remote: str, branch: str, ours: str, theirs: str) -> str:
    """Return how our branch and the remote's differ, and what to do about it."""
    if not resolved(root, f"{theirs}^{{commit}}"):
        return (
            f"{remote} has commits of {branch} that are not here:"
            f" `git pull --ff-only {remote} {branch}`, and prove what came: `nox`"
        )
    asked = ("rev-list", "--left-right", "--count", f"{ours}...{theirs}", "--")
    ahead, behind = map(int, ask(root, *asked).split())
    if ahead and behind:
        return (
            f"{branch} and {remote}'s have parted ({ahead} here, {behind} there):"
            f" `git pull --rebase {remote} {branch}`, and prove what comes out: `nox`"
        )
    if ahead:
        what = _commits(ahead, branch)
        return f"{what} not on {remote}: `git push {remote} {branch}`"
    what = _commits(behind, f"{remote}'s {branch}")
    return (
        f"{what} not here: `git pull --ff-only {remote} {branch}`, and prove what came:"
        " `nox`"
    )


def pushed(
    root: Path, remote: str, branch: str, made: Prepared
) -> Literal["all", "none", "other"]:
    """Return whether ``remote`` has what was made, or something else in its place.

    The branch may have gone on since then. Raises what :func:`look` raises.
    """
    return _state(root, remote, branch, made, look(root, remote, branch))


def push(root: Path, remote: str, branch: str, parent: str, made: Prepared) -> None:
    """Send commit and tags at once, if the branch still is ``parent`` and none of the
    tags is there. After any failure the remote is asked: it may have taken the push.

    Raises UsageError when somebody was faster or the server's rules forbid it, and
    SurroundingsError when the remote cannot be reached, or cannot take all or none.
    """
    there = git_calls.target(root, remote, WAY)
    wanted = {f"{_HEADS}{branch}": (made.commit, parent)}
    wanted |= {f"{_TAGS}{name}": (id, "") for name, id in made.tags.items()}
    leases = [f"--force-with-lease={ref}:{old}" for ref, (_, old) in wanted.items()]
    specs = [f"{new}:{ref}" for ref, (new, _) in wanted.items()]
    asked = (*git_calls.PUSH, "--atomic", *leases, there, *specs)
    try:
        done = call(root, *asked, network=True)
    except (SurroundingsError, KeyboardInterrupt):
        if _taken(root, remote, branch, made, certain=False):
            return
        raise
    if not done.code:
        return
    certain = bool(git_calls.rejected(done)) or _no_atomic(done)
    if not _taken(root, remote, branch, made, certain=certain):
        raise _refusal(root, remote, branch, parent, made, done)


def tagged(root: Path, remote: str, tag: str) -> str | None:
    """Return the message of ``tag``; None when there is no such tag, or it has none.

    One that is not here is fetched, as a tag. Raises SurroundingsError when that fails.
    """
    ref = f"{_TAGS}{tag}"
    if not resolved(root, ref):
        there = git_calls.target(root, remote, WAY)
        done = call(root, *git_calls.FETCH, there, f"{ref}:{ref}", network=True)
        if done.code and "couldn't find remote ref" in done.said:
            return None
        if done.code:
            problem = f"{git_calls.shown(there)} does not give the tag {tag}"
            raise git_calls.refused(problem, done.said, tag)
    shown = call(root, "cat-file", "tag", ref)
    text = shown.output.decode("utf-8", "surrogateescape").partition("\n\n")[2]
    return None if shown.code else text


def tag_ids(root: Path, tags: Sequence[str]) -> dict[str, str]:
    """Return the objects of those of ``tags`` that are here."""
    found = {name: resolved(root, f"{_TAGS}{name}") for name in tags}
    return {name: id for name, id in found.items() if id}


def _state(
    root: Path, remote: str, branch: str, made: Prepared, seen: Seen
) -> Literal["all", "none", "other"]:
    if not made.tags:
        has = bool(seen.head) and _holds(root, remote, branch, seen.head, made.commit)
        return "all" if has else "none"
    there = {name: seen.tags[name] for name in made.tags if name in seen.tags}
    if not there:
        return "none"
    return "all" if there == made.tags else "other"


def _holds(root: Path, remote: str, branch: str, head: str, commit: str) -> bool:
    """Return whether ``commit`` is ``head``, or in its history."""
    _fetch(root, remote, branch, head)
    return not call(root, "merge-base", "--is-ancestor", commit, head).code


def _fetch(root: Path, remote: str, branch: str, head: str) -> None:
    """Get the commits of the branch, if they are to be had."""
    if not resolved(root, f"{head}^{{commit}}"):
        there = git_calls.target(root, remote, WAY)
        call(root, *git_calls.FETCH, there, f"{_HEADS}{branch}", network=True)


def _taken(
    root: Path, remote: str, branch: str, made: Prepared, *, certain: bool
) -> bool:
    """Return whether the remote took a push that seemed to fail. Where git is not
    ``certain`` that it did, the server has a moment to end it."""
    try:
        if pushed(root, remote, branch, made) == "all":
            return True
        if certain:
            return False
        time.sleep(SETTLE)
        return pushed(root, remote, branch, made) == "all"
    except SurroundingsError as error:
        raise SurroundingsError(
            f"{error.problem}; so it cannot be told whether it took the push",
            error.cure,
        ) from None


def _no_atomic(done: Answer) -> bool:
    return "does not support --atomic" in done.said


def _refusal(
    root: Path, remote: str, branch: str, parent: str, made: Prepared, done: Answer
) -> SurroundingsError | UsageError:
    """Return the error that tells why the push was not taken, and what to do now."""
    said = f"{git_calls.rejected(done)}\n{done.said}".lstrip()
    place = git_calls.shown(remote)
    seen = look(root, remote, branch)
    if there := sorted(made.tags.keys() & seen.tags.keys()):
        return UsageError(
            f"{place} has {', '.join(there)} already, and it is not this release's;"
            " nothing was pushed",
            "`invoke release.status` shows whose it is; release again, as the next"
            " version",
        )
    if seen.head != parent:
        return UsageError(
            f"{branch} of {place} is not what was proven any more;"
            f" nothing was pushed\n{_came(root, remote, branch, parent, seen.head)}",
            f"`git pull --ff-only {remote} {branch}`, prove what came (`nox`), and"
            " release again",
        )
    if _no_atomic(done):
        return SurroundingsError(
            f"{place} cannot take branch and tags all or none; nothing was pushed",
            "on the server: git config receive.advertiseAtomic true; a git older than"
            " 2.4 there cannot",
        )
    if git_calls.declined(said):
        return UsageError(
            f"{place} refuses the push: {_words(done)}; nothing was pushed",
            f"let the server's rules for {branch} and the tags allow it to who releases,"
            " or release from a workflow that may",
        )
    if git_calls.busy(said):
        return SurroundingsError(
            f"{place} was busy: {git_calls.told(said)}; nothing was pushed",
            "try again; if it stays so, look there for a lock file that was left",
        )
    return git_calls.refused(f"{place} took no push", said, branch)


def _came(root: Path, remote: str, branch: str, parent: str, head: str) -> str:
    """Return who has changed the branch since ``parent``, in lines."""
    if not head:
        return "  the branch is gone there"
    _fetch(root, remote, branch, head)
    asked = ("log", "-z", "--format=%h %an: %s", f"{parent}..{head}", "--")
    done = call(root, *asked)
    if done.code or not done.output:
        return f"  it is at {head[:12]} there, and was at {parent[:12]}"
    rows = done.output.decode(errors="replace").rstrip("\0").split("\0")
    shown = ["  " + _plain(row) for row in rows[:SHOWN]]
    more = [f"  and {len(rows) - SHOWN} more"] if len(rows) > SHOWN else []
    return "\n".join(shown + more)


def _words(done: Answer) -> str:
    """Return what the server itself says, or else what git tells of it."""
    lines = [
        _plain(line.removeprefix("remote:")).strip()
        for line in done.said.splitlines()
        if line.startswith("remote:")
    ]
    told = "; ".join([line for line in lines if line][:6])
    reason = git_calls.rejected(done).replace("\n", "; ")
    return git_calls.shown(told) or reason or git_calls.told(done.said)


def _plain(text: str) -> str:
    """Return ``text`` without what could steer a terminal."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _commits(count: int, of: str) -> str:
    return f"a commit of {of} is" if count == 1 else f"{count} commits of {of} are"
