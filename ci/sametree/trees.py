"""Which git tree is this working copy now, with all that is not committed?

The tree is written by git itself, with an index and an object store of our own, so the
repository's stay untouched. What no git tree holds (work inside a submodule, files
that git was told not to look at, where links lead) is found and told beside it.

Imports as little as it can: a proven tree is answered for in milliseconds.
"""

from __future__ import annotations

import os

from sametree import beside, git

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

OBJECTS = "objects"
"""Folder in the state folder with the objects of trees that were never committed; so
it can be told later which files have changed since."""
KEPT_DAYS = 30
_LINK, _INNER = b"\0\0\xa0\0", b"\0\0\xe0\0"
"""How an index has the modes 120000 and 160000, of a symbolic link and of a repository
inside this one (gitformat-index)."""
_FOLDER = "040000 "
_OURS = (
    # A split index would write its shared half beside the repository's own.
    *("-c", "core.splitIndex=false"),
    # A hook would be told of an index that is not the repository's.
    *("-c", "core.hooksPath=/dev/null"),
    # Said to people who may still change line ends; here they are as they are.
    *("-c", "core.safecrlf=false", "-c", "advice.addEmbeddedRepo=false"),
)
"""Settings for the calls that write our own index."""


class Unreadable(Exception):
    """Git is there, but cannot write the tree; the text is what git said."""


class Tree:
    """A working copy as a git tree. ``id`` names it; ``env`` makes git find its objects.

    ``beside`` is what the tree does not tell, by path: the tree of a submodule's own
    working copy, the content of a file that git was told to take for unchanged, or
    ``absent`` for one that a sparse checkout leaves out, and what a link to outside the
    project leads to. ``links`` has, for each symbolic link, the paths in the project
    that it leads to: further links, and at last where it ends.
    """

    def __init__(
        self,
        root: str | Path,
        id: str,
        env: Mapping[str, str],
        beside: Mapping[str, str],
        links: Mapping[str, Sequence[str]],
    ) -> None:
        self.root = root
        self.id = id
        self.env = env
        self.beside = beside
        self.links = links

    def entries(self, folders: Iterable[str]) -> dict[str, dict[str, str]]:
        """Return, for each of ``folders`` ("" is the root), its entries.

        An entry is ``NAME -> "MODE ID"``; a folder that does not exist has none. Raises
        Unreadable when git does not find its own objects again.
        """
        wanted = list(folders)
        found: dict[str, dict[str, str] | None] = dict.fromkeys(wanted)
        plain = [name for name in wanted if "\n" not in name and not _leaves(name)]
        found |= self._listed(plain)
        for name in wanted:
            if "\n" in name:  # cannot be asked for line by line
                found[name] = self._one(name)
        for name, listing in found.items():
            above, _, own = name.rpartition("/")
            listed = (found.get(above) or {}).get(own, "")
            if listing is None and (not name or listed.startswith(_FOLDER)):
                raise self._damaged(f"there is no tree {listed.partition(' ')[2]}")
        return {name: listing or {} for name, listing in found.items()}

    def _listed(self, folders: Sequence[str]) -> dict[str, dict[str, str] | None]:
        import subprocess

        asked = "".join(f"{self.id}:{folder}\n" for folder in folders)
        done = subprocess.run(
            ["git", "-C", str(self.root), "cat-file", "--batch"],
            env=git.environment(self.env),
            input=asked.encode(errors="surrogateescape"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            check=False,
        )
        if done.returncode:
            raise self._damaged(done.stderr.decode(errors="replace"))
        return dict(zip(folders, _listings(done.stdout), strict=True))

    def _one(self, folder: str) -> dict[str, str] | None:
        asked = ("cat-file", "tree", f"{self.id}:{folder}")
        code, body, _ = git.Call(self.root, *asked, env=self.env).result()
        return None if code else dict(_tree_entries(body, len(self.id) // 2))

    def _damaged(self, said: str) -> Unreadable:
        """Return the error for objects that git cannot read; ours are removed, so that
        the next question makes them anew (a power cut leaves empty ones)."""
        import shutil

        shutil.rmtree(self.env["GIT_OBJECT_DIRECTORY"], ignore_errors=True)
        return Unreadable(_first(said))


def read(root: str | Path, state: str | Path | None = None) -> Tree | None:
    """Return the tree of ``root`` as it stands; None outside git.

    Tracked and untracked files count, ignored ones do not. New objects are kept below
    ``state``, where one is given; else they are gone when we return.

    Raises Unreadable when the tree cannot be written (a full disk, a file that may not
    be read, an empty repository inside this one).
    """
    try:
        tree, links = _found(root, state) or (None, {})
    except git.Missing:
        return None
    except OSError as error:
        raise Unreadable(f"{error.strerror} ({error.filename or root})") from None
    if tree and links:
        inside, outside = beside.led(str(root), links)
        return Tree(root, tree.id, tree.env, {**tree.beside, **outside}, inside)
    return tree


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
    objects = state / OBJECTS
    for path in (*objects.glob("??/*"), *objects.glob("pack/*")):
        with suppress(OSError):
            if path.stat().st_mtime < now - days * 86400:
                path.unlink()
    for left in state.glob("tree-*"):
        with suppress(OSError):
            if left.stat().st_mtime < now - 3600:
                shutil.rmtree(left)


def _found(
    root: str | Path, state: str | Path | None = None
) -> tuple[Tree, dict[str, str]] | None:
    """Return the tree of ``root``, and its links with what is written in them."""
    places = _places(root)
    return _written(root, state, *places) if places else None


def _written(
    root: str | Path, state: str | Path | None, index: str, objects: str, prefix: str
) -> tuple[Tree, dict[str, str]]:
    """Have git write the tree of ``root``; return it, and the links."""
    with _Scratch(state) as scratch:
        own_index = os.path.join(scratch, "index")
        raw = _copied(index, own_index)
        store = os.path.join(state or scratch, OBJECTS)
        os.makedirs(store, exist_ok=True)
        quoted = objects.replace("\\", "\\\\").replace('"', '\\"')
        env = {
            "GIT_OBJECT_DIRECTORY": store,
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{quoted}"',
            # With `git replace` one tree would be taken for another.
            "GIT_NO_REPLACE_OBJECTS": "1",
        }
        own = {**env, "GIT_INDEX_FILE": own_index}
        flags = git.Call(root, "ls-files", "-z", "-v") if raw else None
        try:
            _add(root, index, own)
            written = _git(root, *_OURS, "write-tree", f"--prefix={prefix}", env=own)
        finally:
            told = flags.result() if flags else (0, b"", "")
        hidden = beside.hidden(_output(*told))
        links = beside.targets(str(root), [path for _, path in hidden])
        found = dict(beside.contents(str(root), hidden))
        raw = _read(own_index)
        if _LINK in raw or _INNER in raw:
            listed = _git(root, "ls-files", "-z", "-s", env=own)
            links |= beside.targets(str(root), _paths(listed, "120000"))
            for path in _paths(listed, "160000"):
                inner_beside, inner_links = _inner(str(root), path)
                found |= inner_beside
                links |= inner_links
    return Tree(root, written.strip(), env, found, {}), links


def _add(root: str | Path, index: str, env: Mapping[str, str]) -> None:
    """Take all files of the working copy into the index of ``env``.

    In a sparse checkout git passes over files outside of it, without a word, unless it
    is told not to; before version 2.34 it did not, nor does it know the word.
    """
    words = ("add", "--all", ":/")
    if os.path.exists(os.path.join(os.path.dirname(index), "info", "sparse-checkout")):
        try:
            _git(root, *_OURS, *words, "--sparse", env=env)
            return
        except Unreadable as error:
            if "unknown option" not in str(error):
                raise
    _git(root, *_OURS, *words, env=env)


def _inner(root: str, path: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return what the tree does not tell of the repository at ``path``, and its links.

    Raises Unreadable when it is none.
    """
    place = os.path.join(root, path)
    if not os.path.lexists(os.path.join(place, ".git")):
        if not os.path.isdir(place) or not os.listdir(place):
            return {}, {}
        return {path: beside.content(place)}, {}  # git takes it for unchanged
    found = _found(place)
    if found is None:
        raise Unreadable(f"{path} is no repository that git can read")
    inner, links = found
    told = {f"{path}/{name}": text for name, text in inner.beside.items()}
    return {path: inner.id, **told}, {f"{path}/{name}": links[name] for name in links}


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
    # Another work tree than this folder may be named in the configuration.
    if plain and b"worktree" not in _read(f"{own}/config").lower():
        if not any(name in os.environ for name in git.HOOKS_OWN):
            # What `git rev-parse` would say, three milliseconds sooner.
            return f"{own}/index", os.path.realpath(f"{own}/objects"), ""
    asked = ("--git-path", "index", "--git-path", "objects", "--show-prefix")
    found = git.run(root, "rev-parse", *asked, "--is-inside-work-tree")
    if found is None:
        return None
    lines = found.split("\n")
    if len(lines) != 5:
        raise Unreadable(
            "the path of the project, or of its repository, has a line end"
        )
    index, objects, prefix, inside, _ = lines
    if inside != "true":
        return None
    return (
        os.path.join(root, index),
        os.path.realpath(os.path.join(root, objects)),
        prefix,
    )


def _git(root: str | Path, *args: str, env: Mapping[str, str]) -> str:
    return _output(*git.Call(root, *args, env=env).result()).decode(
        errors="surrogateescape"
    )


def _output(code: int, output: bytes, errors: str) -> bytes:
    """Return what git printed; raises Unreadable, with what it said, when it failed."""
    if code:
        raise Unreadable(_first(errors))
    return output


def _first(errors: str) -> str:
    """Return what matters of what git said when it failed."""
    said = errors.strip().splitlines()
    told = [line for line in said if line.startswith(("error:", "fatal:"))]
    return "; ".join(told[:2] or said[:2]) or "git failed"


def _copied(index: str, place: str) -> bytes:
    """Copy the repository's index, if it has one; return its bytes.

    The file times in it spare git from reading every file. Its own time has to stay:
    git reads again what is as young as the index.
    """
    try:
        told = os.stat(index)  # first: too old a time costs time, too young a one truth
    except FileNotFoundError:
        return b""
    raw = _read(index)
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


def _paths(listed: str, mode: str) -> Iterator[str]:
    """Yield the paths of ``mode`` among the lines of `git ls-files -z -s`.

    >>> [*_paths("100644 2a.. 0\\tfile\\x00120000 5f.. 0\\tlink\\x00", "120000")]
    ['link']
    """
    for line in f"\0{listed}".split(f"\0{mode} ")[1:]:
        yield line.partition("\0")[0].partition("\t")[2]


def _leaves(folder: str) -> bool:
    """Return whether a path leads out of the project; git would end instead of answer."""
    return folder.startswith(("../", "/")) or folder == ".."


def _listings(output: bytes) -> Iterator[dict[str, str] | None]:
    """Yield the entries of each tree in the output of `git cat-file --batch`, or None
    where there is no such object."""
    position = 0
    while position < len(output):
        end = output.index(b"\n", position)
        head = output[position:end].rsplit(b" ", 2)
        position = end + 1
        if head[-1] == b"missing" or len(head) < 3:
            yield None
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
