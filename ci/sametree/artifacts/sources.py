"""Which files has a git tree, and how do they come into a folder of their own?

git writes them, from its objects alone: with the conversions that the tree's
``.gitattributes`` ask for, and none that only this machine is set to.
"""

from __future__ import annotations

import posixpath
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from sametree import git
from sametree.errors import SurroundingsError, UsageError
from sametree.surroundings.env_files import NAME as ENV_FILE

LINK, SUBMODULE = "120000", "160000"


class Files:
    """The files of the git tree ``id``, which is that of the project in ``root``.

    ``env`` makes git find its objects (see ``trees.Tree``). Raises UsageError when git
    does not have the tree any more.
    """

    def __init__(self, root: Path, id: str, env: Mapping[str, str]) -> None:
        self.root = root
        self.id = id
        self._env = dict(env)
        listed = self._git("ls-tree", "-r", "-z", "--full-tree", id)
        entries = (line.partition("\t") for line in listed.split("\0") if line)
        self.modes = {path: told.partition(" ")[0] for told, _, path in entries}

    def below(self, folder: str, left_out: Iterable[str] = ()) -> list[str]:
        """Return the paths in ``folder`` ("" is the root), without those in the folders
        ``left_out`` (relative to it), and without ``.env``: that is a laptop's."""
        begin = f"{folder}/" if folder else ""
        outside = tuple(f"{begin}{each}/" for each in left_out)
        return [
            path
            for path in self.modes
            if path.startswith(begin)
            and not (outside and path.startswith(outside))
            and posixpath.basename(path) != ENV_FILE
        ]

    def write(self, paths: Sequence[str], folder: str, place: Path) -> None:
        """Write ``paths``, which lie in ``folder``, into ``place``: plain files alone.

        Where a link leads, its target's content is. Raises UsageError for what cannot
        be had: a submodule, a link out of the project, a name that is no UTF-8.
        """
        begin = len(folder) + 1 if folder else 0
        found: dict[str, str] = {}
        for path in paths:
            found |= self._followed(path, path[begin:], ())
        for name in found:
            self._check_name(posixpath.join(folder, name))
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=".files.") as made:
            self.check_out(sorted(set(found.values())), Path(made))
            for name, source in sorted(found.items()):
                target = place / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(Path(made, source), target)

    def check_out(self, paths: Sequence[str] | None, place: Path) -> None:
        """Write ``paths`` (None: all) as they are into ``place``."""
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="sametree-index-") as made:
            self._env["GIT_INDEX_FILE"] = str(Path(made, "index"))
            try:
                self._git("read-tree", self.id)
                wanted = self.modes if paths is None else paths
                asked = "".join(f"{path}\0" for path in wanted)
                options = ("-c", "core.autocrlf=false")
                argv = ("checkout-index", "-z", "--stdin", f"--prefix={place}/")
                self._git(*options, *argv, given=asked)
            finally:
                del self._env["GIT_INDEX_FILE"]

    def _followed(self, path: str, name: str, links: tuple[str, ...]) -> dict[str, str]:
        """Return for each file that stands for ``name`` the path with its content; we
        came to ``path`` by ``links``."""
        mode = self.modes.get(path, "")
        if mode == SUBMODULE:
            raise UsageError(
                f"{path} is a submodule: no tree of this project has its files, so no"
                " release can",
                "take the files into the project, or let a package bring them",
            )
        if mode != LINK:
            return {name: path}
        target = self._git("cat-file", "blob", f"{self.id}:{path}")
        whole = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        whole = "" if whole == "." else whole
        begin = f"{whole}/" if whole else ""
        circle = path in links or path.startswith(begin)
        if target.startswith("/") or whole.startswith("..") or circle:
            why = "leads in a circle" if circle else "leads out of the project"
            raise UsageError(
                f"the link {path} -> {target} {why}: a release holds plain files",
                "put the file itself there",
            )
        links = (*links, path)
        if whole in self.modes:
            return self._followed(whole, name, links)
        inside = [each for each in self.modes if each.startswith(begin)]
        if not inside:
            raise UsageError(
                f"the link {path} -> {target} leads to nothing that git knows",
                "add the file to git, or remove the link",
            )
        found: dict[str, str] = {}
        for each in inside:
            rest = each.removeprefix(begin)
            found |= self._followed(each, f"{name}/{rest}", links)
        return found

    def _check_name(self, path: str) -> None:
        try:
            path.encode()
        except UnicodeEncodeError:
            shown = path.encode(errors="surrogateescape").decode(errors="replace")
            raise UsageError(
                f"the name of {shown} is no UTF-8: a release cannot hold it",
                "give the file another name",
            ) from None

    def _git(self, *args: str, given: str = "") -> str:
        folder = git.run(self.root, "rev-parse", "--absolute-git-dir")
        if folder is None:
            raise UsageError(f"{self.root} is not in a git repository")
        # Named outright, so that also in a folder of a larger repository the paths are
        # those of the tree.
        where = {"GIT_DIR": folder.strip(), "GIT_WORK_TREE": str(self.root)}
        done = subprocess.run(
            ["git", *args],
            cwd=self.root,
            env=git.environment({**self._env, **where}),
            input=given.encode(errors="surrogateescape"),
            capture_output=True,
            check=False,
        )
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            if "ls-tree" in args or "Not a valid object" in said:
                raise UsageError(
                    f"git does not have the tree {self.id[:12]}: {said}",
                    "fetch the commit that has it; of work that was never committed it"
                    " is kept for 30 days, in the checkout where it was done",
                )
            raise SurroundingsError(f"git cannot write the files of a tree: {said}")
        return done.stdout.decode(errors="surrogateescape")
