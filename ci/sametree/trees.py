"""Which git tree is this working copy now, with all that is not committed?

The tree is written by git itself, with an index and an object store of our own, so the
repository's stay untouched. What no git tree holds (work inside a submodule, files
that git was told not to look at) is found and told beside it.

Imports as little as it can: a proven tree is answered for in milliseconds.
"""

from __future__ import annotations

import os

from sametree import git
from sametree.digests import digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

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


class Tree:
    """A working copy as a git tree. ``id`` names it; ``env`` makes git find its objects.

    ``beside`` is what the tree does not tell, by path: the tree of a submodule's own
    working copy, the content of a file that git was told to take for unchanged, or
    ``absent`` for one that a sparse checkout leaves out. ``links`` are the symbolic
    links and where they lead.
    """

    def __init__(
        self,
        root: str | Path,
        id: str,
        env: Mapping[str, str],
        beside: Mapping[str, str],
        links: Mapping[str, str],
    ) -> None:
        self.root = root
        self.id = id
        self.env = env
        self.beside = beside
        self.links = links

    def entries(self, folders: Iterable[str]) -> dict[str, dict[str, str]]:
        """Return, for each of ``folders`` ("" is the root), its entries.

        An entry is ``NAME -> "MODE ID"``; a folder that does not exist has none.
        """
        import subprocess

        wanted = list(folders)
        done = subprocess.run(
            ["git", "-C", str(self.root), "cat-file", "--batch"],
            env=git.environment(self.env),
            input="".join(f"{self.id}:{folder}\n" for folder in wanted).encode(
                errors="surrogateescape"
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        return dict(zip(wanted, _listings(done.stdout), strict=True))


def read(root: str | Path, state: str | Path | None = None) -> Tree | None:
    """Return the tree of ``root`` as it stands; None outside git.

    Tracked and untracked files count, ignored ones do not. New objects are kept below
    ``state``, where one is given; else they are gone when we return.

    Raises Unreadable when git cannot write the tree (a full disk, a file that may not
    be read, an empty repository inside this one).
    """
    places = _places(root)
    try:
        return _written(root, state, *places) if places else None
    except git.Missing:
        return None


def tree_id(root: Path) -> str | None:
    """Return the id of the git tree of ``root`` as it stands, or None where it has none."""
    try:
        tree = read(root)
    except Unreadable:
        return None
    return tree.id if tree else None


def prune(state: Path, days: float = KEPT_DAYS) -> None:
    """Remove objects below ``state`` that are older than ``days``, and what a kill left."""
    import shutil
    import time
    from contextlib import suppress

    now = time.time()
    for path in (state / OBJECTS).glob("??/*"):
        with suppress(OSError):
            if path.stat().st_mtime < now - days * 86400:
                path.unlink()
    for left in state.glob("tree-*"):
        with suppress(OSError):
            if left.stat().st_mtime < now - 3600:
                shutil.rmtree(left)


def _written(
    root: str | Path, state: str | Path | None, index: str, objects: str, prefix: str
) -> Tree:
    """Have git write the tree of ``root``; return it."""
    with _Scratch(state) as scratch:
        own_index = os.path.join(scratch, "index")
        raw = _copied(index, own_index)
        store = os.path.join(state or scratch, OBJECTS)
        os.makedirs(store, exist_ok=True)
        quoted = objects.replace("\\", "\\\\").replace('"', '\\"')
        env = {
            "GIT_OBJECT_DIRECTORY": store,
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{quoted}"',
        }
        own = {**env, "GIT_INDEX_FILE": own_index}
        # A split index would write its shared half beside the repository's own.
        whole = ("-c", "core.splitIndex=false", "-c", "advice.addEmbeddedRepo=false")
        flags = git.Call(root, "ls-files", "-z", "-v", ":/") if raw else None
        try:
            _git(root, *whole, "add", "--all", ":/", env=own)
            written = _git(root, *whole, "write-tree", f"--prefix={prefix}", env=own)
        finally:
            hidden = _hidden(flags.result()[1]) if flags else []
        beside = dict(_contents(root, prefix, hidden))
        links: dict[str, str] = {}
        raw = _read(own_index)
        if _LINK in raw or _INNER in raw:
            listed = _git(root, "ls-files", "-z", "-s", ".", env=own).split("\0")
            beside |= _inner(root, _paths(listed, "160000"))
            links = dict(_links(root, _paths(listed, "120000")))
    return Tree(root, written.strip(), env, beside, links)


class _Scratch:
    """A folder for an index of our own, and for objects where nobody keeps them.

    It lies in the state folder, where there is one: beside the files, on the same disk.
    """

    def __init__(self, state: str | Path | None) -> None:
        base = str(state) if state else _temporary()
        self.path = os.path.join(base, f"tree-{os.urandom(6).hex()}")

    def __enter__(self) -> str:
        os.makedirs(self.path)
        return self.path

    def __exit__(self, *error: object) -> None:
        for folder, _, names in os.walk(self.path, topdown=False):
            for name in names:
                os.unlink(os.path.join(folder, name))
            os.rmdir(folder)


def _temporary() -> str:
    import tempfile

    return tempfile.gettempdir()


def _places(root: str | Path) -> tuple[str, str, str] | None:
    """Return index, object store, and the folder of ``root`` in its repository."""
    own = os.path.join(root, ".git")
    plain = os.path.isfile(f"{own}/HEAD") and not os.path.exists(f"{own}/commondir")
    if plain and not any(name in os.environ for name in git.HOOKS_OWN):
        # What `git rev-parse` would say, three milliseconds sooner.
        return f"{own}/index", os.path.realpath(f"{own}/objects"), ""
    asked = ("--git-path", "index", "--git-path", "objects", "--show-prefix")
    found = git.run(root, "rev-parse", *asked)
    if found is None:
        return None
    index, objects, prefix = found.split("\n")[:3]
    return (
        os.path.join(root, index),
        os.path.realpath(os.path.join(root, objects)),
        prefix,
    )


def _git(root: str | Path, *args: str, env: Mapping[str, str]) -> str:
    code, output, errors = git.Call(root, *args, env=env).result()
    if code:
        said = errors.strip().splitlines()
        told = [line for line in said if line.startswith(("error:", "fatal:"))]
        raise Unreadable("; ".join(told[:2] or said[:1]) or "git failed")
    return output.decode(errors="surrogateescape")


def _copied(index: str, place: str) -> bytes:
    """Copy the repository's index, if it has one; return its bytes.

    The file times in it spare git from reading every file. Its own time has to stay:
    git reads again what is as young as the index.
    """
    try:
        raw, told = _read(index), os.stat(index)
    except FileNotFoundError:
        return b""
    with open(place, "wb") as file:
        file.write(raw)
    os.utime(place, ns=(told.st_atime_ns, told.st_mtime_ns))
    return raw


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def _hidden(output: bytes) -> list[tuple[str, str]]:
    """Return the files (tag, path) that git was told not to look at."""
    output = b"\0" + output
    if output.count(_PLAIN) == output.count(b"\0") - 1:
        return []
    lines = output[1:-1].decode(errors="surrogateescape").split("\0")
    tagged = (line.partition(" ") for line in lines)
    return [(tag, path) for tag, _, path in tagged if tag != "H"]


def _contents(
    root: str | Path, prefix: str, hidden: Iterable[tuple[str, str]]
) -> Iterator[tuple[str, str]]:
    """Yield what the ``hidden`` files (tag, path in the repository) really hold."""
    top = os.path.join(root, *[".."] * prefix.count("/"))
    for tag, path in hidden:
        place = os.path.join(top, path)
        inside = path if not prefix else os.path.relpath(path, prefix)
        if tag.upper() == "S" and not os.path.lexists(place):
            yield inside, "absent"
        elif tag.islower() or tag == "S":
            try:
                with open(place, "rb") as file:
                    yield inside, digest(file.read())
            except OSError:
                yield inside, "absent"


def _paths(listed: Iterable[str], mode: str) -> Iterator[str]:
    """Yield the paths of ``mode`` among the lines of `git ls-files -s`."""
    for line in listed:
        head, _, path = line.partition("\t")
        if head.startswith(mode):
            yield path


def _inner(root: str | Path, paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the trees of the repositories at ``paths``, as their files stand."""
    for path in paths:
        if os.path.exists(os.path.join(root, path, ".git")):
            inner = read(os.path.join(root, path))
            yield path, inner.id if inner else "unreadable"


def _links(root: str | Path, paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    for path in paths:
        try:
            yield path, os.readlink(os.path.join(root, path))
        except OSError:
            continue


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
