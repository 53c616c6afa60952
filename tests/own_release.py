"""This repository releases itself, to local servers: what ``.ci/run`` rehearses.

``python tests/own_release.py`` clones the checkout beside a bare remote, with what is
proven and built here, serves a package index and a stand-in for GitHub, and calls what
README shows there: the release itself is killed in the middle, and finished.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import github_api
import indexes

ROOT = Path(__file__).resolve().parent.parent
KEPT = ("proofs", "built", "runs", "answers")
"""Of ``.sametree``: what tells which work is proven."""
INVOKE = shutil.which("invoke") or "invoke"
"""That of the environment which README's first command makes."""


def main() -> int:
    """Rehearse the release; return the exit code."""
    with (
        tempfile.TemporaryDirectory(prefix="sametree-own-") as made,
        indexes.index(Path(made, "index")) as index,
        github_api.github() as hub,
    ):
        clone = cloned(Path(made))
        env = surroundings(clone, index, hub)
        began = time.monotonic()
        for command in shown():
            args = command.split()[1:]
            if args == ["release"]:
                killed(clone, env)
                args += ["--resume", "--yes"]
            if code := invoke(clone, env, *args):
                return code
        seconds = time.monotonic() - began
        check(clone, index, hub)
        print(f"\n  planned, released, killed and resumed in {seconds:.1f} s")
    return 0


def shown() -> list[str]:
    """Return the commands of README on releases: with its plan, itself, with a look."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.findall(r"^\$ (invoke release.*)$", text, re.MULTILINE)
    assert found[0].endswith("--dry-run") and "invoke release" in found, found
    return found


def cloned(folder: Path) -> Path:
    """Return a clone of this checkout whose remote is a bare one, proven as this is."""
    remote, clone = folder / "remote.git", folder / "clone"
    git(ROOT, "clone", "--quiet", "--bare", str(ROOT), str(remote))
    commit = git(ROOT, "rev-parse", "HEAD")
    git(remote, "update-ref", "refs/heads/main", commit)
    git(remote, "symbolic-ref", "HEAD", "refs/heads/main")
    for tag in git(remote, "tag").split():
        git(remote, "tag", "-d", tag)
    git(ROOT, "clone", "--quiet", str(remote), str(clone))
    git(clone, "config", "user.name", "Ada")
    git(clone, "config", "user.email", "ada@example.org")
    for name in KEPT:
        if (ROOT / ".sametree" / name).exists():
            shutil.copytree(ROOT / ".sametree" / name, clone / ".sametree" / name)
    for name in ("dist", "reports"):
        if (ROOT / name).exists():
            shutil.copytree(ROOT / name, clone / name, symlinks=True)
    return clone


def surroundings(
    clone: Path, index: indexes.Index, hub: github_api.GitHub
) -> Mapping[str, str]:
    """Return the environment of a maintainer at home, for the servers."""
    left_out = ("GITHUB_", "SAMETREE_", "NOX_", "PYTEST_")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(left_out) and name not in ("CI", "VIRTUAL_ENV")
    }
    return {
        **kept,
        "NO_PROXY": "127.0.0.1",
        "PYTHONPATH": str(clone / "ci"),
        "TWINE_REPOSITORY_URL": index.address,
        "TWINE_PASSWORD": indexes.TOKEN,
        "GITHUB_API_URL": hub.api,
        "GITHUB_REPOSITORY": hub.repository,
        "GITHUB_TOKEN": hub.token,
    }


def killed(clone: Path, env: Mapping[str, str]) -> None:
    """Release, and kill it when the tag is out and the first file is not yet."""
    call = (INVOKE, "release", "--yes")
    print("$ invoke release --yes  # killed after the push", flush=True)
    process = subprocess.Popen(
        call, cwd=clone, env=env, stdout=subprocess.PIPE, text=True, process_group=0
    )
    assert process.stdout
    for line in process.stdout:
        print(line, end="", flush=True)
        if line.lstrip(" ✓ok").startswith("catch up"):
            os.killpg(process.pid, signal.SIGKILL)
    process.stdout.close()
    if process.wait() != -signal.SIGKILL:
        raise SystemExit("it did not get as far as the push")


def invoke(clone: Path, env: Mapping[str, str], *args: str) -> int:
    """Call a task of the clone; return its exit code."""
    print(f"\n$ invoke {' '.join(args)}", flush=True)
    return subprocess.call([INVOKE, *args], cwd=clone, env=env)


def check(clone: Path, index: indexes.Index, hub: github_api.GitHub) -> None:
    """Raise AssertionError when the release is not whole."""
    tags = git(clone, "ls-remote", "--tags", "origin")
    version = tags.rpartition("refs/tags/v")[2].removesuffix("^{}")
    names = {f"sametree-{version}-py3-none-any.whl", f"sametree-{version}.tar.gz"}
    assert index.names() == names, index.names()
    (release,) = hub.of_tag(f"v{version}")
    assert not release["draft"], release
    assert {each["name"] for each in release["assets"]} == names
    assert not hub.wrong, hub.wrong
    assert git(clone, "status", "--porcelain") == ""
    assert not git(clone, "ls-remote", "origin", "refs/sametree/*")


def git(folder: Path, *args: str) -> str:
    """Return what ``git ARGS`` prints in ``folder``."""
    done = subprocess.run(
        ["git", *args], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
