"""What do ``invoke records.push``, ``pull`` and ``key`` do, and what do they say of it?"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from sametree import machine, signatures, terminal
from sametree.errors import UsageError
from sametree.settings import Project
from sametree.sharing import notes
from sametree.sharing.notes import Pushed

ENVIRONMENT = "records"
"""GitHub's environment that holds the key (see ``workflows.write``)."""
ADVICE = {notes.IN_NO_COMMIT: "commit, run it again, and push"}


def push(project: Project, *, remote: str = "origin", folder: str = "") -> None:
    """Share the records of this checkout, or those in artifacts below ``folder``.

    They are signed where the environment holds a key, and so far as they are what this
    CI run did. Raises UsageError and SurroundingsError as ``notes.push`` does.
    """
    key = signatures.given()
    if key:
        terminal.keep_secret([key])
    if folder and not Path(folder).is_dir():
        raise UsageError(f"there is no folder {folder}")
    found, left = (
        notes.below(Path(folder)) if folder else (notes.local(project.state), [])
    )
    for line in left:
        terminal.say(f"  left out: {line}")
    days = max(notes.DAYS, project.settings.ci.proof_days)
    done = notes.push(project.root, found, remote=remote, days=days, key=key)
    for line in _lines(done, remote, days):
        terminal.say(f"  {line}")
    for line in _doubts(project, done, key):
        terminal.say(f"  {line}")


def pull(project: Project, *, remote: str = "origin") -> None:
    """Fetch the records that ``remote`` has; say how many CI believes."""
    before = {(each.commit, each.line) for each in notes.known(project.root)}
    found = notes.pull(project.root, remote=remote)
    new = sum((each.commit, each.line) not in before for each in found)
    signers = project.settings.ci.signers
    believed = len(notes.trusted(found, signers)) if signers else 0
    signed = f", {believed} signed by CI" if signers else ""
    terminal.say(f"  {_records(len(found))}, {new} of them new{signed}")


def key(project: Project) -> None:
    """Make the key with which CI signs; say where its two halves go.

    Raises UsageError where there is no terminal: what is printed into a file or a log
    is no secret.
    """
    if not sys.stdout.isatty() or machine.in_ci():
        raise UsageError(
            "a private key is shown on a terminal, and nowhere else",
            "call `invoke records.key` yourself, in a terminal",
        )
    private, public = signatures.new_key()
    known = project.settings.ci.signers
    listed = ", ".join(f'"{each}"' for each in (*known, public))
    for line in (
        "The public key, for pyproject.toml:",
        "",
        "  [tool.sametree.ci]",
        f"  signers = [{listed}]",
        "",
        f"The private key, for the secret {signatures.VARIABLE} of CI's environment",
        f"`{ENVIRONMENT}`. It is shown only now, and kept nowhere:",
        "",
        f"  {private}",
        "",
        f"  gh secret set {signatures.VARIABLE} --env {ENVIRONMENT}",
    ):
        terminal.say(f"  {line}".rstrip())
    if known:
        days = project.settings.ci.proof_days
        terminal.say("\n  Take the old one out when CI has not signed with it for")
        terminal.say(f"  {days} days (ci.proof-days): until then, its records count.")


def _lines(done: Pushed, remote: str, days: int) -> Iterator[str]:
    """Yield what a push did, and what it left."""
    counts = {
        f"new ({done.signed} signed)" if done.signed else "new": done.new,
        "known already": done.known,
        f"older than {days} days removed": done.pruned,
    }
    told = [f"{count} {what}" for what, count in counts.items() if count]
    yield f"{remote} {notes.REF}: {', '.join(told) or 'nothing to share'}"
    for reason, count in done.left.items():
        yield f"{_records(count)} not shared: {reason}"
        if advice := ADVICE.get(reason):
            yield f"  -> {advice}"
    for reason, count in done.unsigned.items():
        yield f"{_records(count)} not signed: {reason}"


def _doubts(project: Project, done: Pushed, key: str | None) -> Iterator[str]:
    """Yield why CI will not believe what was pushed, as far as that can be mended."""
    if not key and done.new and machine.place().name != "local":
        yield f"not signed: {signatures.VARIABLE} is not set, so CI believes none of it"
        yield "  -> make a key with `invoke records.key`"
    elif key and done.signed:
        public = signatures.public_of(key)
        if public not in project.settings.ci.signers:
            yield f"signed by {public}, whom {signatures.SETTING} does not name"
            yield "  -> add it there, so that CI believes what it signs"


def _records(count: int) -> str:
    return f"{count} record{'' if count == 1 else 's'}"
