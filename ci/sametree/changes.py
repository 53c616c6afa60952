"""Which files changed between two git objects, and which packages between two locks?"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from sametree import git, trees

TREE = "040000"
"""The mode of a folder in git."""
_LINE_ENDS_LOOKED_AT = 200
_OBJECT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_PINNED = re.compile(r"^([\w.-]+)(?:\[[^\]]*\])?\s*==\s*([^\s;\\]+)", re.MULTILINE)


class Changed(msgspec.Struct, frozen=True, order=True):
    """A file that differs: ``status`` as git has it (A, D, M, T), from old to new.

    ``note`` says when it is not the content: only the mode, or only the line ends.
    """

    path: str
    status: str
    note: str = ""

    def __str__(self) -> str:
        return f"{self.status} {self.path}{f' ({self.note})' if self.note else ''}"


class Pin(msgspec.Struct, frozen=True):
    """A package whose version differs between two locks; "" where it is not there."""

    name: str
    old: str
    new: str

    def __str__(self) -> str:
        if not self.old or not self.new:
            return f"{'+' if self.new else '-'}{self.name} {self.new or self.old}"
        return f"{self.name} {self.old} -> {self.new}"


def files(root: Path, path: str, old: str, new: str) -> list[Changed] | None:
    """Return what changed at ``path`` from ``old`` to ``new`` (each ``MODE ID``).

    None when it is a folder and git does not have both trees here.
    """
    (mode, old_id), (new_mode, new_id) = old.split(" "), new.split(" ")
    if mode == new_mode == TREE:
        found = _between_trees(root, path, old_id, new_id)
        if found is None:
            return None
    else:
        status = "M" if mode[:3] == new_mode[:3] else "T"
        found = [_noted(path, status, (mode, new_mode), (old_id, new_id))]
    return sorted(_with_line_ends(root, found, path, (mode, old_id, new_id)))


def absent(root: Path, ids: Iterable[str]) -> tuple[str, ...]:
    """Return those of ``ids`` that git does not have here."""
    return tuple(i for i in ids if _ask(root, [i], "cat-file", "-e", i) is None)


def pins(root: Path, path: str, old: str, new: str, places: Iterable[str]) -> list[Pin]:
    """Return what differs between two versions of the lock at ``path``.

    ``old`` and ``new`` are the SHA-256 of the files. They are looked for in the file as
    it is, and in ``places``: ``ID`` of a file, or ``ID:PATH`` within a tree or commit.
    Nothing is returned when one of them is not found.
    """
    texts = _versions(root, path, {old, new}, places)
    if len(texts) < 2:
        return []
    one, other = pinned(texts[old]), pinned(texts[new])
    return [
        Pin(name, one.get(name, ""), other.get(name, ""))
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name)
    ]


def pinned(text: str) -> dict[str, str]:
    """Return the packages that a lock pins: requirements, or npm's package-lock.json.

    A package pinned more than once (for several platforms) has all its versions.
    """
    found: dict[str, set[str]] = {}
    for name, version in _pinned(text):
        found.setdefault(name, set()).add(version)
    return {name: " / ".join(sorted(versions)) for name, versions in found.items()}


def _between_trees(root: Path, folder: str, old: str, new: str) -> list[Changed] | None:
    asked = ("-r", "-z", "--raw", "--no-renames", "--no-abbrev", old, new)
    listed = _ask(root, (old, new), "diff-tree", *asked)
    if listed is None:
        return None
    words = listed.split("\0")
    found = []
    for head, path in zip(words[::2], words[1::2], strict=False):
        mode, new_mode, one, other, status = head.lstrip(":").split(" ")
        path = posixpath.join(folder, path)
        found.append(_noted(path, status, (mode, new_mode), (one, other)))
    return found


def _noted(
    path: str, status: str, modes: tuple[str, str], ids: tuple[str, str]
) -> Changed:
    only_mode = status == "M" and ids[0] == ids[1]
    return Changed(path, status, f"mode {modes[0]} -> {modes[1]}" if only_mode else "")


def _with_line_ends(
    root: Path, found: Sequence[Changed], path: str, entry: tuple[str, str, str]
) -> list[Changed]:
    """Note which files differ in nothing but the carriage returns at line ends."""
    mode, *ids = entry
    asked = [each for each in found if each.status == "M" and not each.note]
    if not asked or len(asked) > _LINE_ENDS_LOOKED_AT:
        return list(found)
    # diff-tree compares trees, diff files; the latter would call a user's programs.
    command = ["diff-tree", "-r"] if mode == TREE else ["diff"]
    command += ["--no-ext-diff", "--no-textconv", "--numstat", "-z", "--no-renames"]
    listed = _ask(root, ids, *command, "--ignore-cr-at-eol", *ids)
    if listed is None:
        return list(found)
    lines = [line for line in listed.split("\0") if line]
    counted = {line for line in lines if not line.startswith("0\t0\t")}
    if mode == TREE:
        other = {posixpath.join(path, line.split("\t", 2)[2]) for line in counted}
    else:
        other = {path} if counted else set()
    return [
        (
            msgspec.structs.replace(each, note="only line ends")
            if each in asked and each.path not in other
            else each
        )
        for each in found
    ]


def _versions(
    root: Path, path: str, wanted: set[str], places: Iterable[str]
) -> dict[str, str]:
    """Return the texts of a lock by SHA-256, as many of the ``wanted`` as are found."""
    found: dict[str, str] = {}
    for text in _texts(root, path, places):
        digest = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
        if digest in wanted:
            found[digest] = text
        if len(found) == len(wanted):
            break
    return found


def _texts(root: Path, path: str, places: Iterable[str]) -> Iterator[str]:
    file = root / path
    # The path may come from somebody else's record: only a file of the project.
    if ".." not in file.parts and root in file.parents and file.is_file():
        yield file.read_bytes().decode(errors="surrogateescape")
    for place in dict.fromkeys(places):
        text = _ask(root, [place.partition(":")[0]], "cat-file", "blob", place)
        if text is not None:
            yield text


def _pinned(text: str) -> Iterator[tuple[str, str]]:
    if not text.lstrip().startswith("{"):
        yield from _PINNED.findall(text)
        return
    try:
        packages = json.loads(text)["packages"].items()
    except (ValueError, KeyError, AttributeError):
        return
    for path, entry in packages:
        name = path.rpartition("node_modules/")[2]
        if name and isinstance(entry, dict) and "version" in entry:
            yield name, str(entry["version"])


def _ask(root: Path, ids: Iterable[str], *args: str) -> str | None:
    """Return what git prints; None when an id is none, or git does not know it.

    Ids come from records that others wrote: what is no id never reaches git.
    """
    if any("\0" in arg for arg in args):
        return None
    if not all(_OBJECT.fullmatch(each) or each == "HEAD" for each in ids):
        return None
    env = {"GIT_NO_LAZY_FETCH": "1"}
    store = root / ".sametree" / trees.OBJECTS
    if store.is_dir():
        quoted = str(store).replace("\\", "\\\\").replace('"', '\\"')
        env["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = f'"{quoted}"'
    return git.run(root, *args, env=env)
