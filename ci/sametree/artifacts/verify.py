"""Is a release, byte for byte, what its manifest and its statement say?"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from sametree.artifacts import manifest as manifests
from sametree.artifacts import statement
from sametree.artifacts.manifest import BESIDE, STATEMENT, File, Manifest
from sametree.artifacts.statement import Signed
from sametree.artifacts.wheels import sha256
from sametree.errors import UsageError


def verify(
    folder: Path, signers: Iterable[str] = (), *, beside: Collection[str] = ()
) -> list[str]:
    """Return a sentence for each thing that is not as it should be; none: all is well.

    ``signers`` are the public keys of those whose signature counts; where some are
    given, one of anybody else is a problem, none at all is not (see :func:`signed`).
    ``beside`` names what an installed release has beside its files; then bytecode that
    Python has written there is no problem either.
    """
    try:
        found = manifests.read(folder)
    except UsageError as error:
        return [error.problem]
    problems = of_files(folder, found, beside)
    return problems + of_statement(folder, found, signers)


def of_files(
    folder: Path, manifest: Manifest, beside: Collection[str] = ()
) -> list[str]:
    """Return what is wrong with the files of a release: every byte is read."""
    there = dict(_walked(folder, beside))
    problems = []
    for path, file in manifest.files.items():
        kind = there.pop(path, "")
        if not kind:
            problems.append(f"{path} is missing")
        elif kind != "file":
            problems.append(f"{path} is {kind}, and should be a plain file")
        elif reason := _differs(folder / path, file):
            problems.append(f"{path} {reason}")
    for path, kind in there.items():
        what = "a file" if kind == "file" else kind
        problems.append(f"{path} is {what} that the manifest does not name")
    return problems


def of_statement(
    folder: Path, manifest: Manifest, signers: Iterable[str] = ()
) -> list[str]:
    """Return what is wrong with the statement of a release; see :func:`verify`."""
    signers = list(signers)
    try:
        told, who = statement.read(folder, signers)
    except FileNotFoundError:
        return [f"{STATEMENT} is missing"]
    except (OSError, ValueError) as error:
        return [f"{STATEMENT} cannot be read: {error}"]
    problems = []
    if who.kind == "broken":
        problems.append(f"{STATEMENT}: its signature is not of these bytes")
    if who.kind == "unknown" and signers:
        problems.append(
            f"{STATEMENT} is signed by {who.key}, whom settings (ci.signers) do not name"
        )
    if told.get("_type") != statement.TYPE:
        return [*problems, f"{STATEMENT} is no in-toto statement of version 1"]
    return problems + _of_subjects(told, statement.made(manifest, "")["subject"])


def signed(folder: Path, signers: Iterable[str] = ()) -> Signed:
    """Return who signed the statement of the release in ``folder``."""
    try:
        return statement.read(folder, signers)[1]
    except (OSError, ValueError):
        return Signed("broken")


def differences(one: Manifest, other: Manifest) -> list[str]:
    """Return a sentence for each file in which ``other`` differs from ``one``."""
    found = []
    for path in sorted(one.files.keys() | other.files.keys()):
        here, there = one.files.get(path), other.files.get(path)
        if here is None:
            found.append(f"{path} is new")
        elif there is None:
            found.append(f"{path} is not made any more")
        elif here != there:
            sizes = f"{here.size:,} bytes, {there.size:,} when built again"
            same = here.size == there.size
            found.append(f"{path} differs: {'as many bytes' if same else sizes}")
    if not found and one.digest != other.digest:
        found.append(
            "all files are the same, but not what the manifest says beside them"
            " (components, locks, migrations)"
        )
    return found


def _walked(folder: Path, beside: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield path and kind of all in a release but its folders; no link is followed."""
    left_out = {*BESIDE, *beside}
    asked = [folder]
    while asked:
        with os.scandir(asked.pop()) as entries:
            for entry in entries:
                path = Path(entry.path).relative_to(folder).as_posix()
                if path in left_out or (beside and entry.name == "__pycache__"):
                    continue
                if entry.is_symlink():
                    yield path, "a symbolic link"
                elif entry.is_dir():
                    asked.append(Path(entry.path))
                else:
                    yield path, "file" if entry.is_file() else "no file"


def _differs(path: Path, file: File) -> str:
    """Return how a file differs from what the manifest says of it; empty if it is it."""
    try:
        told = path.stat()
        if told.st_size != file.size:
            return f"has {told.st_size:,} bytes, and should have {file.size:,}"
        if sha256(path) != file.sha256:
            return "was changed: it has other bytes than the manifest says"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if bool(told.st_mode & 0o100) != file.executable:
        return f"should {'' if file.executable else 'not '}be executable"
    return ""


def _of_subjects(told: dict[str, Any], wanted: list[dict[str, Any]]) -> list[str]:
    """Return where a statement is not about the very files that the manifest names."""
    try:
        said = {each["name"]: dict(each["digest"]) for each in told["subject"]}
    except (KeyError, TypeError, ValueError):
        return [f"{STATEMENT}: subject: it is no list of names and digests"]
    ours = {each["name"]: each["digest"] for each in wanted}
    return [
        f"{STATEMENT}: it says of {name} {_shown(said.get(name))},"
        f" the manifest {_shown(ours.get(name))}"
        for name in sorted(said.keys() | ours.keys())
        if said.get(name) != ours.get(name)
    ]


def _shown(digest: object) -> str:
    if not isinstance(digest, dict):
        return "nothing"
    return ", ".join(f"{kind} {str(text)[:12]}" for kind, text in digest.items())
