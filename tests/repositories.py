"""Real git repositories for tests, without the reader's own configuration."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

LONG_AGO = (1_000_000_000, 1_000_000_000)
NOBODY = 65534
NONE = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
"""Keeps the reader's own configuration of git out."""
AUTHOR = "[user]\nname = Ada\nemail = ada@example.org\n"


def without_configuration(monkeypatch: pytest.MonkeyPatch, ceiling: Path) -> None:
    """Keep the reader's own git configuration, and hooks that run us, out; git looks
    for no repository in ``ceiling`` and above."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for name, value in NONE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(ceiling))


class Repository:
    """A real git repository in ``root``."""

    def __init__(self, root: Path, *options: str) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        plain = ("--quiet", "--template=", "--initial-branch=main")
        self.git("init", *plain, *options)
        with (self.root / ".git" / "config").open("a") as file:
            file.write(AUTHOR)

    def git(self, *args: str) -> str:
        argv = ["git", "-c", "protocol.file.allow=always", *args]
        own = {n: os.environ[n] for n in os.environ if not n.startswith("GIT_")}
        done = subprocess.run(
            argv, cwd=self.root, env={**own, **NONE}, check=True, capture_output=True
        )
        return done.stdout.decode(errors="surrogateescape").strip()

    def write(self, name: str, text: str | bytes = "") -> Path:
        """Write a file, named relative to the root; its bytes are those of ``text``."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def link(self, name: str, target: str) -> Path:
        """Make a symbolic link."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(target)
        return path

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", "Change")

    def submodule(self, path: str, of: Repository) -> Repository:
        """Add a submodule that is a clone of ``of``, and commit; return it."""
        self.git("submodule", "--quiet", "add", str(of.root), path)
        self.commit()
        return Opened(self.root / path)

    def clone(self, root: Path, *options: str) -> Repository:
        """Clone into ``root``, over the file protocol as from a server."""
        url = self.root.as_uri()
        self.git("clone", "--quiet", *options, url, str(root))
        return Opened(root)

    @property
    def committed(self) -> str:
        return self.git("rev-parse", "HEAD^{tree}")

    def snapshot(self) -> dict[str, bytes]:
        """Return the bytes of every file that git keeps."""
        kept = (path for path in (self.root / ".git").rglob("*") if path.is_file())
        return {str(path): path.read_bytes() for path in kept}


class Opened(Repository):
    """A repository that is there already."""

    def __init__(self, root: Path) -> None:
        self.root = root
        common = Path(self.git("rev-parse", "--git-common-dir"))
        with (root / common / "config").open("a") as file:
            file.write(AUTHOR)


class Copied(Repository):
    """A copy of ``source``, byte for byte: quicker than making it again."""

    def __init__(self, source: Repository, root: Path) -> None:
        self.root = root
        shutil.copytree(source.root, root, symlinks=True)
