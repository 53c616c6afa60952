"""How does a unit run: only when nothing proves it yet, and so that a record tells it?"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from sametree import (
    answers,
    files,
    git,
    proofs,
    records,
    surroundings,
    terminal,
)
from sametree.records import Record
from sametree.settings import Project
from sametree.units import doubts, identity, recording
from sametree.units.identity import Identity, Unit
from sametree.units.work import Work

FLAGS = ("--force", "--why", "--audit")
"""What follows ``--`` and is for us, not for the unit."""
PRODUCED = (
    *("node_modules/", "__pycache__/", ".nox/", ".venv/", "venv/", ".sametree/"),
    *(".mypy_cache/", ".pytest_cache/", ".ruff_cache/", ".eslintcache", ".coverage"),
    *(".egg-info/", ".pyc", ".DS_Store"),
)
"""Ends of ignored paths that tools make anew; they are no reason for a difference."""


class Wishes(msgspec.Struct, frozen=True):
    """How a unit shall run: in any case, not at all but explained, or audited."""

    force: bool = False
    why: bool = False
    audit: bool = False


def wishes(args: Sequence[str]) -> tuple[Wishes, tuple[str, ...]]:
    """Take what is for us out of ``args``; return it, and the arguments of the unit."""
    told = {flag.lstrip("-"): flag in args for flag in FLAGS}
    return Wishes(**told), tuple(arg for arg in args if arg not in FLAGS)


def run(
    work: Work,
    unit: Unit,
    do: Callable[[Work], None],
    wish: Wishes,
    known: Identity | None = None,
) -> bool:
    """Run ``unit`` with ``do``, unless it is proven; return whether it ran.

    How it ended is recorded. ``known`` is what the unit depends on, when nothing has
    run since it was asked. Raises what ``do`` raises: UnitFailed, UsageError, SurroundingsError.
    """
    state = work.project.state
    now = known or identify(work.project, unit, work.declared)
    if wish.why:
        for line in why(work, unit, now):
            terminal.say(line)
        return False
    if not wish.force and _is_proven(work, unit, now, audited=wish.audit):
        return False
    turn = (
        files.add_exclude_file(state) / "locks" / f"{records.file_name(unit.name)}.unit"
    )
    turn.parent.mkdir(exist_ok=True)
    descriptor = files.try_lock(turn)
    waited = descriptor is None
    if waited:
        terminal.say(
            f"  another run of {unit.name} is at work in this checkout; waiting"
        )
    with files.locked(turn) if descriptor is None else files.holding(descriptor):
        if waited:
            now = identify(work.project, unit, work.declared)
            if not wish.force and _is_proven(work, unit, now, audited=wish.audit):
                return False
        records.complete(state)
        _recorded(work, unit, do, wish, now)
    return True


def identify(
    project: Project, unit: Unit, declared: surroundings.Declared | None = None
) -> Identity:
    """Return what ``unit`` depends on at this moment, with the variables ``declared``
    that its steps get, or as they are now."""
    return identity.identify(project, [unit], declared)[0]


def proven(work_state: Path, root: Path, unit: Unit, now: Identity) -> Record | None:
    """Return the record that proves ``unit`` as it is ``now``; its outputs are there."""
    if now.unprovable:
        return None
    found = proofs.find(work_state, unit.name, now.fingerprint)
    if found is None or not _stand(root, found.outputs):
        return None
    old = time.time() - found.started > answers.PROOF_DAYS * 86_400
    return None if old else found


def why(work: Work, unit: Unit, now: Identity) -> list[str]:
    """Return the lines that explain whether ``unit`` would run, and for which reason."""
    state, root = work.project.state, work.project.root
    if found := proven(state, root, unit, now):
        return [f"  {unit.name} is proven: {passed(found)}", _named(now)]
    if now.unprovable:
        return [f"  {unit.name} would run: {now.unprovable}"]
    if found := proofs.find(state, unit.name, now.fingerprint):
        gone = [path for path in found.outputs if not (root / path).is_file()]
        what = f"{gone[0]} is gone" if gone else "what it made was changed"
        return [f"  {unit.name} would run: {what}", f"  it {passed(found)}"]
    near = proofs.nearest(state, unit.name, now.parts)
    if near is None:
        return [f"  {unit.name} would run: it has not passed here yet", _named(now)]
    from sametree import differences

    lines = [f"  {unit.name} would run; since it {passed(near)}:"]
    at = (near.tree, now.tree)
    for each in differences.differences(root, near.parts, now.parts, at):
        lines += [f"    {line}" for line in str(each).splitlines()]
    return [*lines, _named(now)]


def passed(record: Record) -> str:
    """Return when and where ``record``'s unit passed."""
    ago = time.time() - record.started - record.seconds
    return answers.passed(record.place, ago, record.run)


def _named(now: Identity) -> str:
    return terminal.colour(f"  fingerprint {now.fingerprint[:12]}", "grey")


def _is_proven(work: Work, unit: Unit, now: Identity, *, audited: bool) -> bool:
    """Say and record that ``unit`` need not run, where that is so.

    Who asks for an audit is not content with a proof without one.
    """
    found = proven(work.project.state, work.project.root, unit, now)
    if found is None or (audited and not found.audited):
        return False
    terminal.say(f"  {terminal.mark('proven')} {unit.name} {passed(found)}")
    told = msgspec.structs.replace(
        _begun(work, unit, now),
        result="skip",
        proof=found.run,
        covered=found.covered,
        notes=(passed(found),),
    )
    recording.write(work, told)
    return True


def _recorded(
    work: Work, unit: Unit, do: Callable[[Work], None], wish: Wishes, now: Identity
) -> None:
    """Run the unit and write its record, however it ends."""
    state = work.project.state
    begun = _begun(work, unit, now)
    work.tree, work.anew = now.sources, wish.force or wish.audit
    with records.running(state, begun) as mark:
        since = mark.stat().st_ctime_ns
        told = recording.Ending()
        try:
            with recording.ending(work) as told:
                if wish.audit:
                    from sametree.units import audit

                    audit.audited(work, unit, now, do)
                else:
                    do(work)
        finally:
            ended = msgspec.structs.replace(told.of(begun, work), audited=wish.audit)
            _settle(work, unit, now, ended, since)


def _settle(
    work: Work, unit: Unit, before: Identity, ended: Record, since: int
) -> None:
    """Write the record, and keep it as a proof when it is one."""
    if ended.result == "success":
        ended = _judged(work, unit, before, ended, since)
    written = recording.write(work, ended)
    if ended.proves and written:
        try:
            proofs.keep(work.project.state, ended)
        except OSError as error:
            terminal.say(f"  the proof could not be kept: {error}")
    elif ended.result == "failure" and ended.fingerprint:
        proofs.forget(work.project.state, unit.name, ended.fingerprint)


def _judged(
    work: Work, unit: Unit, before: Identity, ended: Record, since: int
) -> Record:
    """Return the record of a unit that passed, with whether it proves anything.

    ``since`` is when it began, as the file system tells it, in nanoseconds.
    """
    after = identify(work.project, unit)
    changed = _moved(before.parts, after.parts)
    if not changed and not after.unprovable:
        changed = _written(work.project.root, after.parts, since)
    if after.unprovable or before.unprovable or not changed:
        reason = after.unprovable or before.unprovable
        proves = not reason
        if reason and unit.kind not in doubts.NO_PROOFS:
            ended = msgspec.structs.replace(
                ended, notes=(*ended.notes, f"proves nothing: {reason}")
            )
        return _proving(ended, after, proves)
    names = ", ".join(each.partition(":")[2] or each for each in changed[:3])
    note = f"proves nothing: {names} changed while it ran"
    return msgspec.structs.replace(ended, notes=(*ended.notes, note))


def _written(root: Path, parts: Mapping[str, str], since: int) -> list[str]:
    """Return the inputs that were written ``since``: they may have been another thing
    for a while, though they are now what they were."""
    taken = {name[6:] for name in parts if name.startswith("input:")}
    found = []
    for path in git.files(root) or ():
        above = path
        while above and above not in taken:
            above = above.rpartition("/")[0]
        try:
            if above and os.lstat(root / path).st_ctime_ns > since:
                found.append(f"input:{path}")
        except OSError:
            continue
    return found


def _moved(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Return the parts that changed; a development database changes by being used, and
    an environment by being deployed to."""
    return sorted(
        name
        for name in before.keys() | after.keys()
        if before.get(name) != after.get(name)
        and name not in ("database", "environment")
    )


def _proving(ended: Record, after: Identity, proves: bool) -> Record:
    return msgspec.structs.replace(
        ended,
        proves=proves,
        parts=dict(after.parts),
        fingerprint=after.fingerprint if proves else "",
    )


def _begun(work: Work, unit: Unit, now: Identity) -> Record:
    """Return the record of a unit that begins now."""
    return msgspec.structs.replace(
        recording.begun(work, now.tree),
        unit=unit.name,
        fingerprint="" if now.unprovable else now.fingerprint,
        parts=dict(now.parts),
        outside=_outside(work, now),
        args=unit.args,
    )


def _outside(work: Work, now: Identity) -> tuple[str, ...]:
    """Return the files among the inputs that git ignores: no tree tells of them."""
    taken = [n.removeprefix("input:") for n in now.parts if n.startswith("input:")]
    asked = ("--others", "--ignored", "--exclude-standard", "--directory", "-z")
    folder = work.component.path
    listed = (
        git.run(work.project.root, "ls-files", *asked, "--", folder) if taken else ""
    )
    found = [
        path
        for path in (listed or "").split("\0")
        if path and not path.endswith(PRODUCED) and not _made(work, path)
    ]
    return tuple(sorted(found)[: records.OUTSIDE_MOST])


def _made(work: Work, path: str) -> bool:
    """Return whether ``path`` lies in a folder that we write, or in another component."""
    settings = work.project.settings
    places = [settings.reports, settings.dist, work.project.state.name]
    own = work.component.path
    inner = [c.path for c in work.project.components if c.path != own]
    nested = [each for each in inner if own == "." or each.startswith(f"{own}/")]
    return any(
        path.rstrip("/") == place or path.startswith(f"{place}/")
        for place in (*places, *nested)
    )


def _stand(root: Path, outputs: Mapping[str, str]) -> bool:
    """Return whether all that a unit made is there, byte for byte."""
    for path, digest in outputs.items():
        try:
            found = hashlib.sha256((root / path).read_bytes()).hexdigest()
        except OSError:
            return False
        if found != digest:
            return False
    return True
