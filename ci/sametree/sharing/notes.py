"""How do records reach other clones? As git notes, in a ref of our own at the remote.

A note hangs on the commit whose tree its records are about; it has a record a line. The
ref is written by comparing and swapping: to what the remote has now, our lines are
added; when somebody else was faster, once more. So no line is ever lost, and lines that
are no records of ours are never touched.
"""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from sametree import files, records
from sametree.errors import SurroundingsError, UsageError
from sametree.records import Record
from sametree.sharing import calls, claims, lines
from sametree.sharing.lines import Shared
from sametree.sharing.store import Notes

REF = "refs/notes/sametree"
"""Where a remote has the records."""
TRACKED = "refs/notes/remotes/{}/sametree"
"""Where a clone has what it last saw of a remote."""
DAYS = 90
"""Age at which a shared record may go."""
SLACK = 0.1
"""Share of that age by which the oldest has to exceed it before anything goes. Pruning
begins the ref afresh, which no push should have to do."""
PATIENCE = 180.0
"""Seconds for which a push is tried again while others are faster."""
STILL = 20.0
"""Seconds after which nobody else can be at work where the remote has not changed: a
lock was left there, or another ref is in the way."""
PAUSE = (0.05, 2.0)
"""Seconds: the first and the longest pause between two tries, at most."""
LOCK = "sametree-notes.lock"
"""File in the repository that keeps two of our own processes apart."""
DAY = 86_400.0
IN_NO_COMMIT = "made of work that is in no commit"
NO_COMMIT = "of a commit that is not in this clone"
NO_ROOM = "no room in the note of the commit"

trusted = lines.trusted


class Pushed(msgspec.Struct, frozen=True):
    """What a push did, in records: how many are new at the remote, how many it had, how
    many of the new are signed, how many old ones went. ``left`` and ``unsigned`` count,
    by reason, those that stayed here and those that the key did not sign."""

    new: int
    known: int
    signed: int = 0
    pruned: int = 0
    left: Mapping[str, int] = {}
    unsigned: Mapping[str, int] = {}

    @property
    def private(self) -> int:
        """How many stayed here because they are of work that is in no commit."""
        return self.left.get(IN_NO_COMMIT, 0)


def push(
    root: Path,
    found: Iterable[Record],
    *,
    remote: str = "origin",
    days: float = DAYS,
    key: str | None = None,
) -> Pushed:
    """Add records to those that ``remote`` has; take out those older than ``days``.

    With a private ``key`` what this CI run did is signed (see ``claims``). A record of
    a tree that is in no commit stays here, and so does one that tells only of another.

    Raises UsageError when there is no such remote, or something else under our ref, and
    SurroundingsError when the remote cannot be reached or refuses.
    """
    common = calls.repository(root)
    there = calls.target(root, remote)
    ready, left = _ready(root, found)
    refused = claims.refused(root, ready) if key else {}
    shared = [
        lines.written(record, None if number in refused else key)
        for number, record in enumerate(ready)
    ]
    with files.locked(common / LOCK):
        done = _swapped(root, there, TRACKED.format(remote), shared, days)
    return msgspec.structs.replace(
        done,
        left={**left, **done.left},
        unsigned=dict(Counter(refused.values())),
    )


def pull(root: Path, *, remote: str = "origin") -> list[Shared]:
    """Fetch the records that ``remote`` has, and return them.

    Raises UsageError when there is no such remote, and SurroundingsError when it cannot
    be reached.
    """
    common = calls.repository(root)
    calls.target(root, remote)
    own = TRACKED.format(remote)
    with files.locked(common / LOCK):
        calls.fetch(root, remote, REF, own)
    return _read(root, [own])


def known(root: Path) -> list[Shared]:
    """Return the shared records that are here already, of any remote; [] outside git."""
    asked = ("for-each-ref", "--format=%(refname)", "refs/notes")
    try:
        listed = calls.ask(root, *asked).decode(errors="surrogateescape").split("\n")
    except SurroundingsError:
        return []
    tracked = re.compile(TRACKED.format(".+"))
    return _read(root, [ref for ref in listed if ref == REF or tracked.fullmatch(ref)])


def local(state: Path, runs: Sequence[str] | None = None) -> list[Record]:
    """Return the records of ``runs`` (all by default) that were made in this checkout."""
    chosen = records.runs(state) if runs is None else runs
    return [record for run in chosen for record in records.read(state, run)]


def below(folder: Path) -> tuple[list[Record], list[str]]:
    """Return the records in the files ``runs/RUN/*.json`` below ``folder``, at any depth,
    and a line for each file that is left out: its path, and why.

    So come the artifacts of CI's jobs, each in a folder of its own.
    """
    found, left = [], []
    for path in sorted(folder.rglob("*.json")):
        if path.parent.parent.name != records.RUNS or path.is_symlink():
            continue
        record = records.load(path)
        if record is None:
            left.append(f"{path}: it was cut short, or a newer sametree wrote it")
        elif not claims.is_of_artifact(record, path.relative_to(folder)):
            left.append(f"{path}: it is not about the unit of its artifact")
        else:
            found.append(record)
    return found, left


def _read(root: Path, refs: Iterable[str]) -> list[Shared]:
    """Return the records in ``refs``, each line once."""
    found: dict[tuple[str, bytes], Shared] = {}
    for ref in refs:
        for commit, line in Notes(root, _commit(root, ref)).lines():
            if (commit, line) not in found and (told := lines.read(line, commit)):
                found[commit, line] = told
    return list(found.values())


def _commit(root: Path, ref: str) -> str:
    """Return the id of the commit that ``ref`` is, "" when it is none."""
    return calls.resolved(root, f"{ref}^{{commit}}")


def _ready(
    root: Path, found: Iterable[Record]
) -> tuple[list[Record], Mapping[str, int]]:
    """Return the records that can be shared; count the others, by reason."""
    ready, left = [], Counter[str]()
    told = [record for record in found if record.result != "skip"]
    trees = claims.trees(root, {record.revision for record in told})
    for record in told:
        tree = trees.get(record.revision)
        if not tree:
            left[NO_COMMIT] += 1
        elif tree != record.tree:
            left[IN_NO_COMMIT] += 1
        else:
            ready.append(record)
    return ready, left


def _swapped(
    root: Path, remote: str, own: str, shared: Sequence[Shared], days: float
) -> Pushed:
    """Compare and swap until our lines are at the remote; return what that did."""
    began = moved = time.monotonic()
    pause, longest = PAUSE
    seen: str | None = None
    may_begin_afresh = True
    while True:
        old = calls.fetch(root, remote, REF, own)
        if old != seen:
            seen, moved = old, time.monotonic()
        if old and _commit(root, own) != old:
            raise UsageError(
                f"{REF} of {calls.shown(remote)} is no commit, so it holds no notes",
                f"if nobody needs it, remove it: git push {calls.shown(remote)} :{REF}",
            )
        notes = Notes(root, old)
        done, added = _added(notes, shared)
        gone = _prune(notes, days)
        if not added and not gone:
            return done
        afresh = may_begin_afresh and gone > 0
        new = notes.commit(_message(added, gone), afresh=afresh)
        try:
            calls.push(root, remote, REF, new, old)
        except calls.Busy as busy:
            _give_up(remote, began, moved, str(busy))
        except SurroundingsError:
            if not afresh:
                raise
            may_begin_afresh = False  # a server may take only what goes on
            continue
        else:
            calls.ask(root, "update-ref", own, new)
            return msgspec.structs.replace(done, pruned=gone)
        time.sleep(random.uniform(0, pause))
        pause = min(longest, pause * 1.6)


def _give_up(remote: str, began: float, moved: float, said: str) -> None:
    """Raise SurroundingsError when it makes no sense to try once more."""
    now, place = time.monotonic(), f"{REF} of {calls.shown(remote)}"
    if now - moved > STILL:
        problem = f"{place} cannot be written, though nobody else does: {said}"
        cure = "look there for a lock file that was left, or for refs below that name"
        raise SurroundingsError(problem, f"{cure}; {calls.LOST}")
    if now - began > PATIENCE:
        problem = f"others have written {place} for {PATIENCE:.0f} s: {said}"
        raise SurroundingsError(problem, f"try again later; {calls.LOST}")


def _added(notes: Notes, shared: Sequence[Shared]) -> tuple[Pushed, int]:
    """Add the lines of ``shared``; return what that did, and how many are new."""
    answers = [notes.add(each.commit, each.line) for each in shared]
    signed = sum(
        1 for each, new in zip(shared, answers, strict=True) if new and each.signature
    )
    full = answers.count(None)
    left = {NO_ROOM: full} if full else {}
    new = answers.count(True)
    return Pushed(new, answers.count(False), signed, left=left), new


def _prune(notes: Notes, days: float) -> int:
    """Take out records older than ``days``; return how many.

    Our clock alone does not decide: where it goes ahead, all would be old. Nothing is
    older than it is beside the newest record that others have made.
    """
    found = [
        (told.record.started, commit, line)
        for commit, line in notes.lines()
        if (told := lines.read(line, commit))
    ]
    if not found:
        return 0
    now = min(time.time(), max(started for started, _, _ in found))
    if now - min(started for started, _, _ in found) <= days * (1 + SLACK) * DAY:
        return 0
    gone: dict[str, set[bytes]] = {}
    for started, commit, line in found:
        if now - started > days * DAY:
            gone.setdefault(commit, set()).add(line)
    for commit, old in gone.items():
        notes.remove(commit, old)
    return sum(map(len, gone.values()))


def _message(added: int, gone: int) -> str:
    parts = [f"Add {added} run records"] if added else []
    parts += [f"take out {gone} old ones"] if gone else []
    text = ", ".join(parts)
    return text[0].upper() + text[1:]
