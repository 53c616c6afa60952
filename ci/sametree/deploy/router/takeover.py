"""How does Envoy come to work by new files, with no request lost on the way?"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from sametree import files
from sametree.deploy.router import envoy, refusal
from sametree.deploy.router.admin import Admin, Taken
from sametree.errors import SurroundingsError

LOOKS = 0.002
"""Seconds between two looks whether a file was taken over; Envoy needs some 3 ms."""
SETTLES = 0.25
"""Seconds after a refusal, in which it may turn out to be that of the file before."""


class Refused(SurroundingsError):
    """Envoy does not take what we wrote; it was taken back."""


class _No(Exception):
    """Envoy says no to a file."""


def read(place: Path, name: str) -> str:
    """Return what is in file ``name`` of Envoy's folder; empty when it is not there."""
    try:
        return (place / name).read_text("utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def write(place: Path, name: str, text: str) -> None:
    """Replace file ``name`` of Envoy's folder, also by the same: then Envoy looks at it
    again. Raises OSError."""
    files.write_atomically(place / name, text, 0o600)


def plan(wanted: Mapping[str, str], clusters: str) -> list[tuple[str, str]]:
    """Return the files to write, in order, when ``clusters`` is the file of them now.

    At no time does a route name a cluster that is not there: those that leave are left
    in until no route names them any more.
    """
    both = envoy.with_leaving(wanted[envoy.CLUSTERS], clusters)
    order = [(envoy.CLUSTERS, both)]
    order += [(name, wanted[name]) for name in (envoy.LISTENERS, envoy.ROUTES)]
    if both != wanted[envoy.CLUSTERS]:
        order.append((envoy.CLUSTERS, wanted[envoy.CLUSTERS]))
    return order


def take_over(
    admin: Admin,
    wanted: Mapping[str, str],
    before: Mapping[str, str],
    deadline: float,
) -> SurroundingsError | None:
    """Write the files ``wanted``, and have Envoy work by them.

    Returns why it does not by ``deadline`` (a monotonic time), with all of it written;
    None when it does. Raises Refused when Envoy says no, with its words; then all is as
    it was ``before``. Raises OSError when a file cannot be written.
    """
    place, waits, name = admin.folder, True, ""
    try:
        for name, text in plan(wanted, read(place, envoy.CLUSTERS)):
            if waits:
                waits = _step(admin, name, text, deadline)
            else:
                write(place, name, text)
    except _No:
        said = why_not(admin, name, wanted)
        for old, text in reversed(list(before.items())):
            write(place, old, text)
        raise Refused(
            f"Envoy refuses {name}: {said}",
            "it was taken back: the router goes on as before" if before else "",
        ) from None
    return None if waits else _await_all(admin, wanted, deadline)


def why_not(admin: Admin, name: str, wanted: Mapping[str, str]) -> str:
    """Return why Envoy does not take file ``name``, in its words. Raises OSError."""
    said = admin.why_not() if name == envoy.LISTENERS else ""
    return said or refusal.words(envoy.program(), wanted)


def _step(admin: Admin, name: str, text: str, deadline: float) -> bool:
    """Write a file; return whether Envoy works by it in time. Raises _No."""
    version = envoy.version(text)
    before = _taken(admin)
    if before and before.versions[name] == version and read(admin.folder, name) == text:
        return True
    write(admin.folder, name, text)
    if before is None:
        return False
    refused = 0.0
    while (now := _taken(admin)) and time.monotonic() < deadline:
        if now.versions[name] == version:
            return True
        if now.refused[name] > before.refused[name]:
            refused = refused or time.monotonic()
            if time.monotonic() - refused > SETTLES:
                raise _No
        time.sleep(LOOKS)
    return False


def _await_all(
    admin: Admin, wanted: Mapping[str, str], deadline: float
) -> SurroundingsError | None:
    """Wait until Envoy works by all files; return why it does not."""
    while True:
        now = _taken(admin)
        late = [
            name
            for name, text in wanted.items()
            if now and now.versions[name] != envoy.version(text)
        ]
        if now and not late:
            return None
        if time.monotonic() > deadline:
            break
        time.sleep(LOOKS)
    if now is None:
        return SurroundingsError(
            "the router does not run, or does not answer",
            "what it shall do is written: it does it as soon as it is back",
        )
    why = why_not(admin, late[0], wanted) if now.refused[late[0]] else "it is busy"
    return SurroundingsError(
        f"Envoy does not work by {' and '.join(late)} yet: {why}",
        "what it shall do is written; do the same again",
    )


def _taken(admin: Admin) -> Taken | None:
    try:
        return admin.taken()
    except OSError:
        return None
