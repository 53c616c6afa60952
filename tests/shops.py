"""A project that is released for real: to a bare remote, from a clone that is proven."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

from conftest import NOXFILE, SESSION, Sample, environment

from sametree import settings
from sametree.settings import Project

ROOT = """
[project]
name = "shop"
version = "1"

[tool.sametree.ci]
sessions = ["build"]

[[tool.sametree.components]]
name = "api"
path = "api"

[tool.sametree.release]
components = ["api"]
smoke = { api = ["python", "-c", "import shop_api; print(shop_api.hello())"] }
"""
API = """
[build-system]
requires = ["hatchling>=1"]
build-backend = "hatchling.build"

[project]
name = "{name}"
version = "0.1.0"  # as of the last release
description = "Says hello."
readme = "README.md"
requires-python = ">=3.11"

[dependency-groups]
build = ["build", "hatchling"]
"""
CODE = """
def hello():
    return "hello"
"""
PLAN = """

@nox.session(venv_backend="none")
def plan(session):
    pipeline.plan(session)
"""
TASKS = """
from invoke import Collection, task

from sametree import tasks

project = tasks.load(__file__)
"""


class Shop(Sample):
    """The project. ``remote`` is its bare remote."""

    @property
    def remote(self) -> Path:
        """The bare repository that it is pushed to."""
        return self.root.parent / "remote.git"

    @property
    def project(self) -> Project:
        """The project, as its settings are now."""
        return settings.load(self.root)

    def begin(self, *, more: str = "", components: tuple[str, ...] = ("api",)) -> None:
        """Write and commit it, make its remote, and prove it."""
        self.root.mkdir()
        self.write(
            {
                "pyproject.toml": ROOT + textwrap.dedent(more),
                "noxfile.py": NOXFILE + SESSION.format(name="build") + PLAN,
                "tasks.py": tasks_file(),
                ".gitignore": "/.nox/\n/.sametree/\n/dist/\n/reports/\n__pycache__/\n",
            }
        )
        for name in components:
            self.component(name)
        self.lock()
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("config", "user.name", "Ada")
        self.git("config", "user.email", "ada@example.org")
        self.git("config", "commit.gpgSign", "false")
        self.git("config", "tag.gpgSign", "false")
        self.commit("chore: begin")
        self.git("init", "--quiet", "--bare", "--initial-branch=main", str(self.remote))
        self.git("remote", "add", "origin", "../remote.git")
        self.git("push", "--quiet", "origin", "main")
        self.prove()

    def component(self, name: str) -> None:
        """Write a component that is released."""
        self.write(
            {
                f"{name}/pyproject.toml": API.format(name=f"shop-{name}"),
                f"{name}/README.md": "# Hello\n\nSays hello.\n",
                f"{name}/shop_{name}/__init__.py": CODE,
            }
        )

    def change(self, message: str, files: Mapping[str, str] | None = None) -> None:
        """Commit a change of the component, push it, and prove it."""
        count = self.git("rev-list", "--count", "HEAD").strip()
        text = f"{CODE}\n\ndef number_{count}():\n    return {count}\n"
        self.write(files or {"api/shop_api/__init__.py": text})
        self.commit(message)
        self.git("push", "--quiet", "origin", "HEAD:main")

    def prove(self) -> None:
        """Run what CI runs."""
        ran = self.nox("-s", "build")
        assert ran.code == 0, ran

    def copy(self, folder: Path) -> Shop:
        """Return a copy of it, with its remote, in ``folder``."""
        shutil.copytree(self.root.parent, folder, symlinks=True, dirs_exist_ok=True)
        return Shop(folder / self.root.name, self.environments)

    def clone(self, name: str) -> Shop:
        """Return another clone of its remote, beside it."""
        other = Shop(self.root.parent / name, self.environments)
        self.git("clone", "--quiet", str(self.remote), str(other.root))
        other.git("config", "user.name", "Bob")
        other.git("config", "user.email", "bob@example.org")
        return other

    def invoke(self, *args: str, env: Mapping[str, str] = {}) -> subprocess.Popen[str]:
        """Start ``invoke ARGS``, as a maintainer does."""
        return subprocess.Popen(
            [sys.executable, "-m", "invoke", *args],
            cwd=self.root,
            env=environment({"NOX_ENVDIR": str(self.environments), **env}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        )

    def at_remote(self, *args: str) -> str:
        """Return what git says of the remote."""
        argv = ["git", "-C", str(self.remote), *args]
        done = subprocess.run(argv, check=True, capture_output=True, text=True)
        return done.stdout.strip()


def tasks_file() -> str:
    """Return a tasks.py with the release's tasks of this repository."""
    own = Path(__file__).parent.parent.joinpath("tasks.py").read_text(encoding="utf-8")
    begin, end = own.index('@task(\n    name="make"'), own.index("namespace =")
    names = "release, release_status, release_notes, release_yank, release_unlock"
    namespace = f'namespace = Collection(Collection("release", {names}))\n'
    return TASKS + "\n\n" + own[begin:end] + namespace
