"""Records of two sides, as units on a laptop and in CI would leave them; a repository."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from typing import Any

from sametree import fingerprint
from sametree.records import Record, StepRun

UNITS = tuple(
    f"{session}({component})"
    for component in ("backend", "frontend")
    for session in ("lint", "tests", "build")
)
LOCK = """\
# Made by `nox -s lock`
black==26.1.0 \\
    --hash=sha256:1
click==8.3 ; sys_platform == "win32" \\
    --hash=sha256:2
click==8.2 ; sys_platform != "win32"
uvicorn[standard]==1.0
# flask==1.0
"""
BEGAN = 1_790_000_000.0
COMMIT, TREE = "c" * 40, "d" * 40
FIXED = {"TZ": "UTC", "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"}
SIDES: Mapping[str, Mapping[str, Any]] = {
    "local": {
        "run": "20261122T211231-473095",
        "started": BEGAN,
        "environment": {**FIXED, "HOME": "", "PATH": "", "COLORTERM": ""},
        "surroundings": {
            "host.cpu.count": "8",
            "host.name": "ada",
            "os.release": "6.1.0-18",
            "memory": "32768000 kB",
        },
    },
    "github": {
        "run": "18837",
        "started": BEGAN + 600,
        "url": "https://github.com/acme/maria/actions/runs/18837",
        "environment": {
            **FIXED,
            "HOME": "",
            "PATH": "",
            "CI": "",
            "GITHUB_ACTIONS": "",
        },
        "surroundings": {
            "host.cpu.count": "4",
            "host.name": "runner",
            "os.release": "6.11.0-azure",
            "memory": "16384000 kB",
        },
    },
}


def step(name="pytest", code=0, *args, workers=()):
    """Return a step that ran, called with ``args``."""
    program = ("python", "-m", "pytest") if name == "pytest" else (name,)
    argv = (*program, *workers, *args)
    return StepRun(name=name, argv=argv, code=code, seconds=3.0)


def record(unit, place="local", **more):
    """Return the record of a unit that passed, but for ``more``.

    ``parts``, ``environment`` and ``surroundings`` are changes of the usual ones; None
    takes one out. ``parts`` that are None as a whole are none.
    """
    kind = unit.partition("(")[0]
    told = {**SIDES[place], "place": place}
    parts = {
        "session": kind,
        "arguments": "",
        "settings": "5" * 64,
        "suite": "6" * 64,
        "interpreter": "cpython 3.11.7",
        "platform": "linux x86_64 glibc",
        "tool:uv": "0.9.1",
        "input:app/backend": f"040000 {'a' * 40}",
        "lock:ci/locks/lint.txt": "7" * 64,
    }
    if "tests" in unit:
        parts["database"] = "embedded 18"
    changed = more.pop("parts", {})
    parts = {} if changed is None else _changed(parts, changed)
    for key in ("environment", "surroundings"):
        told[key] = _changed(told[key], more.pop(key, {}))
    steps = {"lint": step("black"), "tests": step(), "build": step("build")}
    usual = {
        "schema": 1,
        "result": "success",
        "seconds": 12.0,
        "revision": COMMIT,
        "tree": TREE,
        "steps": (steps[kind],) if kind in steps else (),
    }
    digest = fingerprint.digest(parts) if parts else ""
    return Record(
        unit=unit, parts=parts, fingerprint=digest, **{**usual, **told, **more}
    )


def run(place="local", units=UNITS, only=None, **more):
    """Return the records of a run; ``more`` is of the units that have ``only`` in their
    name, or of all."""
    return [
        record(unit, place, **(more if only is None or only in unit else {}))
        for unit in units
    ]


def failed(
    reason="2 of 40 tests failed:\n  tests/test_people.py: assert 1 == 2", **more
):
    """Return what tells a unit that failed from one that passed."""
    return {"result": "failure", "reason": reason, **more}


def _changed(usual, changes):
    whole = {**usual, **changes}
    return {name: value for name, value in whole.items() if value is not None}


class Repository:
    """A git repository in a folder."""

    def __init__(self, root):
        self.root = root
        root.mkdir(exist_ok=True)
        self.git("init", "--quiet")

    def git(self, *args):
        told = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
        done = subprocess.run(
            ["git", *told, *args], cwd=self.root, check=True, capture_output=True
        )
        return done.stdout.decode().strip()

    def write(self, **files):
        for name, text in files.items():
            path = self.root / name.replace("__", "/").replace("_txt", ".txt")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())

    def tree(self, path=""):
        """Return the entry of a folder or file as it now is: ``MODE ID``."""
        self.git("add", "--all")
        whole = self.git("write-tree")
        if not path:
            return f"040000 {whole}"
        mode, _, name = self.git("ls-tree", whole, path).split()[:3]
        return f"{mode} {name}"
