"""What do the notes of a commit hold, and how is a commit with more of them written?

Notes are a git tree: the path of each, without its slashes, is the id of what it hangs
on (git-notes). What else is in that tree stays as it is, byte for byte.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from sametree.sharing import calls

LARGEST = 8 << 20
"""Bytes; a larger note is none of ours and is not read, nor made by us."""
IDENTITY = {
    f"GIT_{who}_{what}": text
    for who in ("AUTHOR", "COMMITTER")
    for what, text in (("NAME", "sametree"), ("EMAIL", "records@sametree.invalid"))
}
"""Who writes the notes: CI has told git no name, and a person's is not needed."""
_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_FILE, _FOLDER = "100644", "040000"


class _Entry(msgspec.Struct, frozen=True):
    mode: str
    kind: str
    id: str


class Notes:
    """The notes of commit ``tip`` ("": none yet), read at once, and what changes."""

    def __init__(self, root: Path, tip: str) -> None:
        self._root = root
        self._tip = tip
        self._entries: dict[str, _Entry] = {}
        self._paths: dict[str, list[str]] = {}
        self._bodies: dict[str, bytes] = {}
        self._more: dict[str, list[bytes]] = {}  # for each changed note: new lines
        self._lines: dict[str, set[bytes]] = {}
        if tip:
            self._read()

    def lines(self) -> Iterator[tuple[str, bytes]]:
        """Yield every line of every note, with the id of what the note hangs on."""
        for path in self._bodies:
            for line in self._body(path).split(b"\n"):
                if line:
                    yield path.replace("/", ""), line

    def add(self, commit: str, line: bytes) -> bool | None:
        """Add ``line`` to the note on ``commit``; return whether it is new.

        None when there is no place for it: the note is too big, or something else is
        where it would be.
        """
        for path in self._paths.get(commit, []):
            if line in self._known(path):
                return False
        place = self._place(commit)
        if place is None or self._size(place) + len(line) > LARGEST:
            return None
        self._bodies.setdefault(place, b"")
        self._more.setdefault(place, []).append(line)
        self._known(place).add(line)
        if place not in self._paths.setdefault(commit, []):
            self._paths[commit].append(place)
        return True

    def remove(self, commit: str, gone: set[bytes]) -> None:
        """Take lines out of the notes on ``commit``."""
        for path in self._paths.get(commit, []):
            lines = self._body(path).split(b"\n")
            kept = [line for line in lines if line not in gone]
            if len(kept) < len(lines):
                self._bodies[path] = b"\n".join(kept)
                self._more[path] = []
                self._lines.pop(path, None)

    def commit(self, message: str, *, afresh: bool = False) -> str:
        """Write a commit with the notes as they are now; return its id.

        It goes on from the old one, or begins ``afresh``: then the old notes can be
        forgotten by git.
        """
        parent = ("-p", self._tip) if self._tip and not afresh else ()
        asked = ("commit-tree", "--no-gpg-sign", *parent, "-m", message, self._tree())
        return calls.ask(self._root, *asked, env=IDENTITY).decode().strip()

    def _read(self) -> None:
        """Read the listing, and then all notes with one more call of git."""
        listing = ("ls-tree", "-r", "-t", "-z", "-l", "--full-tree", self._tip)
        listed = calls.ask(self._root, *listing).decode(errors="surrogateescape")
        wanted = []
        for row in listed.split("\0")[:-1]:
            head, _, path = row.partition("\t")
            mode, kind, id, size = head.split()
            self._entries[path] = _Entry(mode, kind, id)
            name = path.replace("/", "")
            if kind == "blob" and _ID.fullmatch(name):
                self._paths.setdefault(name, []).append(path)
                if size.isdigit() and int(size) <= LARGEST:
                    wanted.append(path)
        ids = "".join(f"{self._entries[path].id}\n" for path in wanted)
        asked = ("cat-file", "--batch", "--buffer")
        output = calls.ask(self._root, *asked, given=ids.encode())
        position = 0
        for path in wanted:
            end = output.index(b"\n", position)
            length = int(output[position:end].rpartition(b" ")[2])
            self._bodies[path] = output[end + 1 : end + 1 + length]
            position = end + length + 2

    def _known(self, path: str) -> set[bytes]:
        if path not in self._lines:
            self._lines[path] = set(self._body(path).split(b"\n"))
        return self._lines[path]

    def _size(self, path: str) -> int:
        more = self._more.get(path, [])
        return len(self._bodies.get(path, b"")) + sum(map(len, more)) + len(more)

    def _body(self, path: str) -> bytes:
        """Return a note as it is now."""
        body, more = self._bodies.get(path, b""), self._more.get(path)
        if not more:
            return body
        ended = not body or body.endswith(b"\n")
        return body + (b"" if ended else b"\n") + b"\n".join(more) + b"\n"

    def _place(self, commit: str) -> str | None:
        """Return the path of the note on ``commit``, or where to put one."""
        there = self._paths.get(commit, [])
        if there:
            return next((path for path in there if path in self._bodies), None)
        fan = commit[:2]
        if (entry := self._entries.get(fan)) is None or entry.kind == "tree":
            if (path := f"{fan}/{commit[2:]}") not in self._entries:
                return path
        return None if commit in self._entries else commit

    def _tree(self) -> str:
        """Write the changed notes, and the folders they are in; return the tree's id."""
        entries = dict(self._entries)
        kept = sorted(path for path in self._more if self._body(path).strip())
        for path in self._more:
            entries.pop(path, None)
        for path, id in zip(kept, self._written(kept), strict=True):
            mode = self._entries[path].mode if path in self._entries else _FILE
            entries[path] = _Entry(mode, "blob", id)
        stale = {folder for path in self._more for folder in _above(path)}
        rows: dict[str, list[str]] = {folder: [] for folder in stale}
        for path, entry in entries.items():
            folder, _, name = path.rpartition("/")
            if folder in rows and path not in stale:
                rows[folder].append(f"{entry.mode} {entry.kind} {entry.id}\t{name}\0")
        for depth in sorted({folder.count("/") for folder in stale if folder})[::-1]:
            level = [f for f in stale if f and rows[f] and f.count("/") == depth]
            for folder, id in zip(level, self._folders(level, rows), strict=True):
                above, _, name = folder.rpartition("/")
                rows[above].append(f"{_FOLDER} tree {id}\t{name}\0")
        return self._made(("mktree", "-z", "--missing"), "".join(rows[""]))[0]

    def _folders(self, level: list[str], rows: Mapping[str, list[str]]) -> list[str]:
        """Write folders that are not inside each other; return their ids."""
        listed = "\0".join("".join(rows[folder]) for folder in level)
        asked = ("mktree", "-z", "--missing", "--batch")
        return self._made(asked, listed) if level else []

    def _written(self, paths: list[str]) -> list[str]:
        """Write the notes at ``paths`` as blobs, with one call of git; return their ids."""
        with tempfile.TemporaryDirectory(prefix="sametree-notes-") as scratch:
            files = [Path(scratch, str(number)) for number in range(len(paths))]
            for file, path in zip(files, paths, strict=True):
                file.write_bytes(self._body(path))
            asked = ("hash-object", "-w", "--no-filters", "--stdin-paths")
            return self._made(asked, "".join(f"{file}\n" for file in files))

    def _made(self, asked: Sequence[str], given: str) -> list[str]:
        """Return the ids of the objects that a call of git has written."""
        raw = given.encode(errors="surrogateescape")
        return calls.ask(self._root, *asked, given=raw).decode().split()


def _above(path: str) -> list[str]:
    """Return the folders that ``path`` lies in, "" among them.

    >>> _above("ab/cdef")
    ['', 'ab']
    """
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(len(parts))]
