"""What is in a release: every file, what it was made from, and who proved its tree?

``release.json`` says it. Its digest names the release; beside it, and no part of it, are
the commit and the records that proved the tree: the same bytes keep their name when their
tree is committed, or proven once more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from sametree import files, fingerprint
from sametree.errors import UsageError
from sametree.settings.model import Language, Name, UrlPath

FILE = "release.json"
STATEMENT = "release.intoto.json"
BESIDE = frozenset({FILE, STATEMENT})
"""Files of a release that say what it is, and are not listed in it."""
SCHEMA = 1
SHORT = 12
"""Characters of a digest that name a release where people read it."""
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
GitId = Annotated[str, Meta(pattern="^([0-9a-f]{40}|[0-9a-f]{64})$")]
_BARE = {"proofs", "commit"}


class _Strict(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    pass


class File(_Strict, frozen=True):
    """A file of a release: its size in bytes, its digest, and whether it may be run."""

    size: Annotated[int, Meta(ge=0)]
    sha256: Sha256
    executable: bool = False


class Part(_Strict, frozen=True):
    """A component in a release.

    ``tree`` names its sources, ``wheel`` is the name of its own wheel ("" where it has
    none and runs from its sources). ``run``, ``routes`` and ``health`` are as in settings.
    """

    name: Name
    language: Language
    tree: str
    wheel: str = ""
    run: tuple[str, ...] = ()
    routes: tuple[UrlPath, ...] = ("/",)
    health: UrlPath = "/"


class Revision(_Strict, frozen=True):
    """A migration that a release knows; ``below`` has to run before it."""

    revision: Annotated[str, Meta(min_length=1)]
    phase: Literal["expand", "contract"] = "expand"
    below: tuple[str, ...] = ()


class Proof(_Strict, frozen=True):
    """A run in which a unit passed on the very tree of the release.

    ``args`` is what the unit was given; ``signer`` is the public key of who vouches for
    the record, "" where it was made on the machine that packed the release.
    """

    unit: str
    run: str
    place: str
    fingerprint: str
    args: tuple[str, ...] = ()
    signer: str = ""


class Manifest(_Strict, frozen=True):
    """A release. ``tree`` is the git tree of the whole project, ``commit`` one that has
    it ("" when none has: it is dirty). ``python`` and ``platform`` are where its wheels
    work, ``files`` is all of it by path, and ``locks`` what it was made with (path in the
    project, sha256). ``heads`` are the newest of ``revisions``.
    """

    schema: int
    tree: GitId
    python: str
    platform: str
    files: dict[str, File]
    locks: dict[str, Sha256]
    components: tuple[Part, ...]
    revisions: tuple[Revision, ...] = ()
    heads: tuple[str, ...] = ()
    commit: GitId | Literal[""] = ""
    proofs: tuple[Proof, ...] = ()

    @property
    def digest(self) -> str:
        """The name of the release: SHA-256 of all but the commit and the proofs, as JSON
        with sorted keys and no space."""
        told = {
            name: value
            for name, value in msgspec.to_builtins(self).items()
            if name not in _BARE
        }
        raw = msgspec.json.encode(told, order="sorted")
        return hashlib.sha256(raw).hexdigest()

    @property
    def size(self) -> int:
        """How many bytes its files have."""
        return sum(file.size for file in self.files.values())

    def part(self, name: str) -> Part | None:
        """Return the component called ``name``."""
        return next((each for each in self.components if each.name == name), None)


def python() -> str:
    """Return for which Python wheels are chosen: ``cpython 3.11``, ``cpython 3.14t``."""
    name, _, version = fingerprint.interpreter().partition(" ")
    major, minor, *rest = version.split(".")
    threads = "t" if rest and rest[-1].endswith("t") else ""
    return f"{name} {major}.{minor}{threads}"


def unfit(manifest: Manifest) -> str:
    """Return why a release cannot run on this machine; empty when it can."""
    theirs = (manifest.python, manifest.platform)
    ours = (python(), fingerprint.platform())
    if theirs == ours:
        return ""
    return f"it is for {' on '.join(theirs)}; this machine has {' on '.join(ours)}"


def write(folder: Path, manifest: Manifest) -> None:
    """Write ``release.json`` into the release's folder. Raises OSError."""
    files.write_atomically(folder / FILE, encode(manifest))


def encode(manifest: Manifest) -> str:
    """Return the text of ``release.json``."""
    told = {"digest": manifest.digest, **msgspec.to_builtins(manifest)}
    raw = msgspec.json.encode(told, order="sorted")
    return msgspec.json.format(raw, indent=2).decode() + "\n"


def read(folder: Path) -> Manifest:
    """Return the manifest of the release in ``folder``.

    Raises UsageError when there is none, or it is not what it should be; the message
    names the file and the key.
    """
    file = folder / FILE
    try:
        raw = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(
            f"{folder} is no release: it has no {FILE}",
            "`invoke artifacts.list` shows those that are here",
        ) from None
    return decode(raw, str(file))


def decode(raw: bytes, file: str) -> Manifest:
    """Return the manifest that ``raw`` is; ``file`` is what messages call it."""
    try:
        told = msgspec.json.decode(raw, type=dict[str, Any])
        said = told.pop("digest", None)
        _known_schema(told, file)
        found = msgspec.convert(told, Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _unusable(file, str(error)) from None
    for path in found.files:
        if reason := _outside(path):
            raise _unusable(file, f"files: {path!r} {reason}")
    if said != found.digest:
        raise _unusable(file, f"its digest is {said}, but its content's {found.digest}")
    return found


def _known_schema(told: Mapping[str, object], file: str) -> None:
    schema = told.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        raise _unusable(file, f"schema: {schema} is of a newer sametree than this one")


def _outside(path: str) -> str:
    """Return why a path may not be one of a release's files.

    >>> _outside("backend/lock.txt"), _outside("../secret")
    ('', 'leads out of the release')
    """
    parts = path.split("/")
    if path.startswith("/") or {"", ".", ".."}.intersection(parts) or "\0" in path:
        return "leads out of the release"
    return "is what the manifest itself is kept in" if path in BESIDE else ""


def _unusable(file: str, why: str) -> UsageError:
    return UsageError(
        f"{file} cannot be used: {why}",
        "it was changed, or is not whole: pack the release again, or copy it again",
    )
