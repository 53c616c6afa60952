"""What do the timed commands work on? A git repository of components, made from nothing.

The same call writes the same bytes. A unit's test adds the name of its component to a
log, so the log tells which units really ran.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from sametree.settings import load
from sametree.toolchains import locks

LOCKS = Path(__file__).parent.parent / "ci" / "locks"
PACKAGES = frozenset(
    "coverage execnet iniconfig packaging pluggy pygments pytest pytest-cov"
    " pytest-xdist".split()
)
"""What the sample's tests install, out of our own lock: what is in the cache already."""

SESSIONS = ("lint", "format", "tests", "build")
NOXFILE = """\
import nox

from sametree import sessions

nox.options.sessions = ["tests"]
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
nox.options.allow_parallel = True

pipeline = sessions.load(__file__)
"""
SESSION = """

@nox.session
@pipeline.each("{name}")
def {name}(session, component):
    pipeline.run(session, component)
"""
BARE = """\
import nox

nox.options.sessions = {selected!r}
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"

NAMES = [nox.param(name, id=name) for name in {names!r}]
"""
BARE_SESSION = """

@nox.session{arguments}
@nox.parametrize("component", NAMES)
def {name}(session, component):
    pass
"""
COMPONENT = """\
[project]
name = "{name}"
version = "1.0"
requires-python = ">=3.11"

[tool.pytest.ini_options]
testpaths = ["tests"]

[tool.coverage.run]
source = ["{name}"]
relative_files = true
"""
MODULE = """\
def double(number):
    return 2 * number
"""
TEST = """\
from pathlib import Path

from {name} import double


def test_double():
    assert double(2) == 4
    with Path({log!r}).open("a") as log:
        log.write("{name}\\n")
"""
PROJECT = """\
[dependency-groups]
tests = ["pytest", "pytest-cov", "pytest-xdist"]
"""
LINE = "{:06d} the quick brown fox jumps over the lazy dog\n"
IN_A_FOLDER = 50
"""How many data files lie side by side."""


def names(count: int) -> list[str]:
    """Return the names of ``count`` components."""
    return [f"part{number:04d}" for number in range(1, count + 1)]


def components(units: Sequence[str], files: int, log: Path) -> dict[str, str]:
    """Return the components' files by path: ``files`` in all, about 1 kB each."""
    made: dict[str, str] = {}
    for index, name in enumerate(units):
        own = {
            "pyproject.toml": COMPONENT.format(name=name),
            f"{name}.py": MODULE,
            f"tests/test_{name}.py": TEST.format(name=name, log=str(log)),
        }
        share = files // len(units) + (index < files % len(units))
        for number in range(share - len(own)):
            lines = 1 + (number * 7919) % 40
            own[f"data/{number // IN_A_FOLDER:03d}/{number:05d}.txt"] = "".join(
                LINE.format(number * 40 + line) for line in range(lines)
            )
        made |= {f"{name}/{path}": text for path, text in own.items()}
    return made


def data_file(name: str) -> str:
    """Return a file of component ``name`` on which its unit depends."""
    return f"{name}/data/000/00000.txt"


def ours(units: Sequence[str]) -> dict[str, str]:
    """Return the files that sametree's user has, and noxfiles that do nothing.

    ``bare.py`` has the same sessions with empty bodies and no environment: Nox's own
    start-up. ``kept.py`` has them with environments that Nox makes and keeps.
    ``empty.py`` selects no session.
    """
    listed = "".join(
        f'\n[[tool.sametree.components]]\nname = "{name}"\npath = "{name}"\n'
        for name in units
    )
    sessions = "".join(SESSION.format(name=name) for name in SESSIONS)
    return {
        "pyproject.toml": PROJECT + listed,
        "noxfile.py": NOXFILE + sessions,
        "bare.py": _bare(units, ["tests"], "(venv_backend='none')"),
        "kept.py": _bare(units, ["tests"], ""),
        "empty.py": _bare(units, [], "(venv_backend='none')"),
        ".gitignore": ".nox/\ndist/\nreports/\n__pycache__/\n",
    }


def _bare(units: Sequence[str], selected: list[str], arguments: str) -> str:
    text = BARE.format(selected=selected, names=list(units))
    sessions = (BARE_SESSION.format(name=n, arguments=arguments) for n in SESSIONS)
    return text + "".join(sessions)


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write ``files``, named relative to ``folder``."""
    for path, text in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")


def lock(folder: Path) -> None:
    """Write the locks that the project in ``folder`` should have, out of our own."""
    text = locks.body_of((LOCKS / "tests.txt").read_text(encoding="utf-8"))
    entries = re.split(r"\n(?=[a-z])", text)
    chosen = [e for e in entries if re.split(r"[=\s]", e, maxsplit=1)[0] in PACKAGES]
    body = "".join(entry.rstrip("\n") + "\n" for entry in chosen)
    for each in locks.of_project(load(folder)):
        each.path.parent.mkdir(exist_ok=True)
        each.path.write_text(locks.text_of(each, body), encoding="utf-8")


def commit(folder: Path) -> None:
    """Make ``folder`` a git repository with one commit of all that is in it."""
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    author = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    git(folder, *author, "commit", "--quiet", "-m", "Begin")


def settle(folders: Iterable[Path]) -> None:
    """Bring the indexes to the state they have when one comes back to a working copy.

    Of files written in the second in which the index was, git trusts no time stamp and
    reads them again each time, until some ``git status`` writes the index anew. The
    disk is given time to write what was just made.
    """
    os.sync()
    time.sleep(1.1)
    for folder in folders:
        git(folder, "status", "--porcelain")


def git(folder: Path, *args: str) -> None:
    """Run git in ``folder``."""
    env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    out = subprocess.DEVNULL
    subprocess.run(["git", *args], cwd=folder, env=env, check=True, stdout=out)
