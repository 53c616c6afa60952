"""What do GitHub's actions do, in a rehearsal, where their code cannot be had?

A rehearsal maps each action to a composite action that runs this file, as
``python standins.py ACTION STORE``. STORE is the folder that stands for GitHub: the
repository ``remote.git``, the ``artifacts`` of the run, and the program ``uv``. It
imports the standard library only. What each input means, and what is refused, is as in
the real action's own ``action.yml``.
"""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

INPUTS: Mapping[str, Mapping[str, str]] = {
    "actions/checkout": {
        "ref": "",
        "fetch-depth": "1",
        "fetch-tags": "false",
        "persist-credentials": "true",
    },
    "astral-sh/setup-uv": {
        "version": "",
        "version-file": "",
        "python-version": "",
        "activate-environment": "false",
        "venv-path": ".venv",
        "enable-cache": "auto",
        "cache-dependency-glob": "",
        "cache-suffix": "",
        "prune-cache": "false",
    },
    "actions/upload-artifact": {
        "name": "artifact",
        "path": "",
        "if-no-files-found": "warn",
        "include-hidden-files": "false",
        "retention-days": "",
        "compression-level": "6",
    },
    "actions/download-artifact": {
        "name": "",
        "pattern": "",
        "path": "",
        "merge-multiple": "false",
    },
}
"""The inputs that a stand-in takes, with the real action's defaults."""

FORBIDDEN = '":<>|*?\r\n'
"""What no path in an artifact may hold; its name has no slashes either."""


class Refused(Exception):
    """The real action would have failed here, or the stand-in cannot do the like."""


def checkout(store: Path) -> None:
    """Fetch the commit as deep as is asked for, into the empty workspace."""
    depth = int(_input("fetch-depth") or "1")
    wanted = _input("ref") or os.environ["GITHUB_SHA"]
    branch = os.environ["GITHUB_REF"].removeprefix("refs/heads/")
    _git("init", "--quiet", f"--initial-branch={branch}", ".")
    _git("remote", "add", "origin", (store / "remote.git").as_uri())
    fetch = ["fetch", "--quiet", "--no-recurse-submodules"]
    if depth:
        tags = "--tags" if _is_true("fetch-tags") else "--no-tags"
        refs = [f"+{wanted}:refs/remotes/origin/{branch}"]
        _git(*fetch, tags, f"--depth={depth}", "origin", *refs)
    else:
        refs = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"]
        _git(*fetch, "origin", *refs)
    if _input("ref"):
        _git("checkout", "--quiet", "--force", "--detach", "FETCH_HEAD")
    else:
        place = f"refs/remotes/origin/{branch}"
        _git("checkout", "--quiet", "--force", "-B", branch, place)
    print(f"checked out {wanted}")


def setup_uv(store: Path) -> None:
    """Put uv on PATH and, when asked for, a new environment of the wanted Python."""
    pins = _input("version-file")
    if pins and not Path(pins).is_file():
        raise Refused(f"there is no {pins}, which shall name the version of uv")
    programs = store / "programs"
    _say_to("GITHUB_PATH", str(programs))
    python = _input("python-version")
    if python:
        _say_to("GITHUB_ENV", f"UV_PYTHON={python}")
    if not _is_true("activate-environment"):
        return
    own = ".".join(str(number) for number in sys.version_info[:3])
    base = str(getattr(sys, "_base_executable", sys.executable))
    chosen = base if python and f"{own}.".startswith(f"{python}.") else python
    venv = Path(_input("venv-path")).absolute()
    argv = [str(programs / "uv"), "venv", "--quiet", str(venv)]
    subprocess.run([*argv, *(["--python", chosen] if chosen else [])], check=True)
    _say_to("GITHUB_PATH", str(venv / "bin"))
    _say_to("GITHUB_ENV", f"VIRTUAL_ENV={venv}")


def upload_artifact(store: Path) -> None:
    """Keep files under a name that no other artifact of the run has."""
    name = _input("name")
    if wrong := sorted(set(name) & set(FORBIDDEN + "\\/")):
        raise Refused(f"the artifact's name {name!r} may not hold {' '.join(wrong)}")
    patterns = [line.strip() for line in _input("path").splitlines() if line.strip()]
    if any(pattern.startswith("!") for pattern in patterns):
        raise Refused("the stand-in takes no pattern that leaves files out (!)")
    found = sorted({path for pattern in patterns for path in _matching(pattern)})
    if not found:
        text = f"No files were found with the provided path: {_input('path')}"
        if _input("if-no-files-found") == "error":
            raise Refused(text)
        print(f"::warning::{text}")
        return
    place = store / "artifacts" / name
    try:
        place.mkdir(parents=True)
    except FileExistsError:
        raise Refused(f"an artifact with the name {name!r} exists already") from None
    top = _common(patterns)
    for path in found:
        if set(str(path.relative_to(top))) & set(FORBIDDEN):
            raise Refused(f"no artifact may hold a file called {str(path)!r}")
        copy = place / path.relative_to(top)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    print(f"artifact {name}: {len(found)} files")


def download_artifact(store: Path) -> None:
    """Bring artifacts back: one, or all that match, each in a folder of its name."""
    place = Path(_input("path") or ".")
    name, pattern = _input("name"), _input("pattern")
    found = sorted((store / "artifacts").glob(name or pattern or "*"))
    if name and not found:
        raise Refused(f"there is no artifact {name!r}")
    flat = bool(name) or _is_true("merge-multiple")
    for artifact in found:
        goal = place if flat else place / artifact.name
        shutil.copytree(artifact, goal, dirs_exist_ok=True)
        print(f"artifact {artifact.name}")
    place.mkdir(parents=True, exist_ok=True)


ACTIONS: Mapping[str, Callable[[Path], None]] = {
    "actions/checkout": checkout,
    "astral-sh/setup-uv": setup_uv,
    "actions/upload-artifact": upload_artifact,
    "actions/download-artifact": download_artifact,
}


def _matching(pattern: str) -> Iterator[Path]:
    """Yield the files that a path or pattern names; hidden ones when asked for."""
    hidden = _is_true("include-hidden-files")
    for name in glob.glob(pattern, recursive=True, include_hidden=True):
        path = Path(name).absolute()
        inner = path.rglob("*") if path.is_dir() else iter([path])
        for each in inner:
            parts = each.relative_to(Path.cwd()).parts if _below(each) else each.parts
            if each.is_file() and (hidden or not any(p[0] == "." for p in parts)):
                yield each


def _common(patterns: list[str]) -> Path:
    """Return the folder that an artifact's paths are relative to: of several search
    paths the one that they share, whether they are there or not."""
    places = [Path(os.path.abspath(_without_wildcard(each))) for each in patterns]
    if len(places) == 1:
        return places[0].parent if places[0].is_file() else places[0]
    return Path(os.path.commonpath(places))


def _without_wildcard(pattern: str) -> str:
    parts = Path(pattern).parts
    wild = next((n for n, part in enumerate(parts) if set(part) & set("*?[")), None)
    return str(Path(*parts[:wild])) if wild is not None else pattern


def _below(path: Path) -> bool:
    return path.is_relative_to(Path.cwd())


def _input(name: str) -> str:
    return os.environ.get(f"INPUT_{name.upper()}", "").strip()


def _is_true(name: str) -> bool:
    return _input(name).lower() == "true"


def _say_to(variable: str, line: str) -> None:
    """Append a line to one of the files in which a step tells GitHub something."""
    with open(os.environ[variable], "a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def _git(*args: str) -> None:
    subprocess.run(["git", *args], check=True)


def main(action: str, store: str) -> int:
    """Do what ``action`` does; return an exit code."""
    try:
        ACTIONS[action](Path(store))
    except Refused as error:
        print(f"::error::{action}: {error}")
        return 1
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
