"""Which git tree is this working copy now, with all that is not committed?

The tree is written by git itself, with an index and an object store of our own, so the
repository's stay untouched. What no git tree holds (work inside a submodule, files
that git was told not to look at) is found and told beside it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from sametree import files, git

OBJECTS = "objects"
"""Folder in the state folder with the objects of trees that were never committed; so
it can be told later which files have changed since."""
KEPT_DAYS = 30
_PLAIN = b"\0H "
"""How `git ls-files -z -v` begins the line of a file that git looks at, and ends the
one before."""
_LINK, _INNER = b"\0\0\xa0\0", b"\0\0\xe0\0"
"""How an index has the modes 120000 and 160000, of a symbolic link and of a repository
inside this one (gitformat-index)."""


class Unreadable(Exception):
    """Git is there, but cannot write the tree; the text is what git said."""


class Tree(msgspec.Struct, frozen=True):
    """A working copy as a git tree. ``id`` names it; ``env`` makes git find its objects.

    ``beside`` is what the tree does not tell, by path: the tree of a submodule's own
    working copy, the content of a file that git was told to take for unchanged, or
    ``absent`` for one that a sparse checkout leaves out. ``links`` are the symbolic
    links and where they lead.
    """

    root: Path
    id: str
    env: Mapping[str, str]
    beside: Mapping[str, str] = {}
    links: Mapping[str, str] = {}

    def entries(self, folders: Iterable[str]) -> dict[str, dict[str, str]]:
        """Return, for each of ``folders`` ("" is the root), its entries.

        An entry is ``NAME -> "MODE ID"``; a folder that does not exist has none.
        """
        wanted = list(folders)
        asked = "".join(f"{self.id}:{folder}\n" for folder in wanted)
        done = subprocess.run(
            ["git", "cat-file", "--batch"],
            cwd=self.root,
            env=git.environment(self.env),
            input=asked.encode(errors="surrogateescape"),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        return dict(zip(wanted, _listings(done.stdout), strict=True))


def read(root: Path, state: Path | None = None) -> Tree | None:
    """Return the tree of ``root`` as it stands; None outside git.

    Tracked and untracked files count, ignored ones do not. New objects are kept below
    ``state``, where one is given; else they are gone when we return.

    Raises Unreadable when git cannot write the tree (a full disk, a file that may not
    be read, an empty repository inside this one).
    """
    places = _places(root) if shutil.which("git") else None
    if places is None:
        return None
    index, objects, prefix = places
    with tempfile.TemporaryDirectory(prefix="sametree-tree-") as scratch:
        own_index = Path(scratch, "index")
        if index.exists():
            # The file times in it spare git from reading every file. Its own time
            # has to stay: git reads again what is as young as the index.
            shutil.copy2(index, own_index)
        store = _store(state) if state else Path(scratch)
        quoted = str(objects).replace("\\", "\\\\").replace('"', '\\"')
        found = {
            "GIT_OBJECT_DIRECTORY": str(store),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{quoted}"',
        }
        env = {**found, "GIT_INDEX_FILE": str(own_index)}
        # A split index would write its shared half beside the repository's own.
        whole = ("-c", "core.splitIndex=false", "-c", "advice.addEmbeddedRepo=false")
        with _hidden(root, index) as hidden:
            _git(root, *whole, "add", "--all", ":/", env=env)
            written = _git(root, *whole, "write-tree", f"--prefix={prefix}", env=env)
        beside = dict(_contents(root, prefix, hidden))
        links: dict[str, str] = {}
        raw = own_index.read_bytes() if own_index.exists() else b""
        if _LINK in raw or _INNER in raw:
            listed = _git(root, "ls-files", "-z", "-s", ".", env=env).split("\0")
            beside |= _inner(root, _paths(listed, "160000"))
            links = dict(_links(root, _paths(listed, "120000")))
    return Tree(root, written.strip(), found, beside, links)


def tree_id(root: Path) -> str | None:
    """Return the id of the git tree of ``root`` as it stands, or None where it has none."""
    try:
        tree = read(root)
    except Unreadable:
        return None
    return tree.id if tree else None


def prune(state: Path, days: float = KEPT_DAYS) -> None:
    """Remove objects below ``state`` that are older than ``days``."""
    oldest = time.time() - days * 86400
    for path in (state / OBJECTS).glob("??/*"):
        with suppress(OSError):
            if path.stat().st_mtime < oldest:
                path.unlink()


def _places(root: Path) -> tuple[Path, Path, str] | None:
    """Return index, object store, and the folder of ``root`` in its repository."""
    own = root / ".git"
    plain = (own / "HEAD").is_file() and not (own / "commondir").exists()
    if plain and not any(name in os.environ for name in git.HOOKS_OWN):
        # What `git rev-parse` would say, three milliseconds sooner.
        return own / "index", own / "objects", ""
    asked = ("--git-path", "index", "--git-path", "objects", "--show-prefix")
    found = git.run(root, "rev-parse", *asked)
    if found is None:
        return None
    index, objects, prefix = found.split("\n")[:3]
    return root / index, (root / objects).resolve(), prefix


def _store(state: Path) -> Path:
    store = files.add_exclude_file(state) / OBJECTS
    store.mkdir(exist_ok=True)
    return store


def _git(root: Path, *args: str, env: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(
            ["git", *args],
            cwd=root,
            env=git.environment(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        raise Unreadable("git is not installed") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        told = [line for line in said if line.startswith(("error:", "fatal:"))]
        raise Unreadable("; ".join(told[:2] or said[:1]) or "git failed")
    return done.stdout.decode(errors="surrogateescape")


@contextmanager
def _hidden(root: Path, index: Path) -> Iterator[list[tuple[str, str]]]:
    """List, beside the block, the files that git was told not to look at.

    The list (tag, path) is filled when the block is left.
    """
    listed: list[tuple[str, str]] = []
    if not index.exists():
        yield listed
        return
    with subprocess.Popen(
        ["git", "ls-files", "-z", "-v", ":/"],
        cwd=root,
        env=git.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as listing:
        yield listed
        assert listing.stdout is not None
        output = b"\0" + listing.stdout.read()
    if output.count(_PLAIN) == output.count(b"\0") - 1:
        return
    for line in output[1:-1].decode(errors="surrogateescape").split("\0"):
        tag, _, path = line.partition(" ")
        if tag != "H":
            listed.append((tag, path))


def _contents(
    root: Path, prefix: str, hidden: Iterable[tuple[str, str]]
) -> Iterator[tuple[str, str]]:
    """Yield what the ``hidden`` files (tag, path in the repository) really hold."""
    top = root / Path(*[".."] * prefix.count("/"))
    for tag, path in hidden:
        place = top / path
        inside = path if not prefix else os.path.relpath(path, prefix)
        if tag.upper() == "S" and not os.path.lexists(place):
            yield inside, "absent"
        elif tag.islower() or tag == "S":
            with suppress(OSError):
                yield inside, files.digest(place.read_bytes())


def _paths(listed: Iterable[str], mode: str) -> Iterator[str]:
    """Yield the paths of ``mode`` among the lines of `git ls-files -s`."""
    for line in listed:
        head, _, path = line.partition("\t")
        if head.startswith(mode):
            yield path


def _inner(root: Path, paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the trees of the repositories at ``paths``, as their files stand."""
    for path in paths:
        if (root / path / ".git").exists():
            inner = read(root / path)
            yield path, inner.id if inner else "unreadable"


def _links(root: Path, paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    for path in paths:
        with suppress(OSError):
            yield path, os.readlink(root / path)


def _listings(output: bytes) -> Iterator[dict[str, str]]:
    """Yield the entries of each tree in the output of `git cat-file --batch`."""
    position = 0
    while position < len(output):
        end = output.index(b"\n", position)
        head = output[position:end].rsplit(b" ", 2)
        position = end + 1
        if head[-1] == b"missing" or len(head) < 3:
            yield {}
            continue
        size, width = int(head[2]), len(head[0]) // 2
        if head[1] == b"tree":
            yield dict(_tree_entries(output[position : position + size], width))
        else:
            yield {}
        position += size + 1


def _tree_entries(body: bytes, width: int) -> Iterator[tuple[str, str]]:
    """Yield the entries of a tree object (gitformat: ``MODE NAME NUL ID`` each)."""
    position = 0
    while position < len(body):
        end = body.index(b"\0", position)
        mode, _, name = body[position:end].partition(b" ")
        position = end + 1 + width
        shown = f"{mode.decode():0>6} {body[end + 1 : position].hex()}"
        yield name.decode(errors="surrogateescape"), shown
