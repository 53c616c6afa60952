"""Real remotes and clones, and the records of what ran in them."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from repositories import NONE, Opened, Repository

from sametree import fingerprint, records
from sametree.records import Record
from sametree.sharing import notes

SERVER = "https://github.example"
WORKFLOW = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": SERVER,
    "GITHUB_REPOSITORY": "o/r",
    "GITHUB_RUN_ID": "7",
}
"""The environment of a step on GitHub."""
URL = f"{SERVER}/o/r/actions/runs/7"


class Hub:
    """A bare ``remote``, and ``first``, a clone of it with one commit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.remote = folder / "remote.git"
        self.first = Opened(folder / "first")

    @staticmethod
    def make(folder: Path) -> Hub:
        """Make both in ``folder``."""
        git(folder, "init", "--quiet", "--bare", "--initial-branch=main", "remote.git")
        first = Repository(folder / "first")
        first.write("app.py", "print(1)\n")
        first.write("locks/tests.txt", "pytest==9\n")
        first.write("sub/inner.py", "print(2)\n")
        first.commit()
        first.git("remote", "add", "origin", f"file://{folder}/remote.git")
        first.git("push", "--quiet", "--set-upstream", "origin", "main")
        return Hub(folder)

    def clone(self, name: str, *options: str) -> Repository:
        """Clone the remote, over the file protocol as from a server."""
        asked = ("clone", "--quiet", *options, f"file://{self.remote}", name)
        git(self.folder, *asked)
        return Opened(self.folder / name)

    def hook(self, name: str, text: str, of: Path | None = None) -> None:
        """Give the remote, or the repository whose folder is ``of``, a hook."""
        place = (of or self.remote) / "hooks" / name
        place.parent.mkdir(exist_ok=True)
        place.write_text(f"#!/bin/sh\n{text}\n")
        place.chmod(0o755)

    def put(self, entries: dict[str, bytes], mode: str = "100644") -> None:
        """Make the ref hold these files, by path, as another program would."""
        scratch = {"GIT_INDEX_FILE": str(self.folder / "index")}
        rows = b""
        for path, content in entries.items():
            asked = ("hash-object", "-w", "--no-filters", "--stdin")
            blob = git(self.remote, *asked, given=content).strip()
            rows += f"{mode} {blob.decode()}\t".encode() + os.fsencode(path) + b"\0"
        git(self.remote, "update-index", "-z", "--index-info", given=rows, env=scratch)
        tree = git(self.remote, "write-tree", env=scratch).decode().strip()
        made = git(self.remote, *AS_ADA, "commit-tree", "-m", "Foreign", tree)
        git(self.remote, "update-ref", notes.REF, made.decode().strip())

    def content(self, path: str) -> bytes:
        """Return the bytes of a file in the ref."""
        return git(self.remote, "cat-file", "blob", f"{notes.REF}:{path}")

    def paths(self) -> list[str]:
        """Return the paths of all files in the ref."""
        asked = ("ls-tree", "-r", "-z", "--name-only", notes.REF)
        return os.fsdecode(git(self.remote, *asked)).split("\0")[:-1]

    def tip(self) -> str:
        """Return what the ref is at the remote, "" for nothing."""
        told = git(self.remote, "for-each-ref", "--format=%(objectname)", notes.REF)
        return told.decode().strip()

    def runs(self) -> set[str]:
        """Return the runs whose records the remote has."""
        return {shared.record.run for shared in notes.known(self.remote)}


AS_ADA = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")


def git(
    folder: Path, *args: str, given: bytes = b"", env: dict[str, str] = {}
) -> bytes:
    """Run git without the reader's own configuration; return what it prints."""
    own = {n: os.environ[n] for n in os.environ if not n.startswith("GIT_")}
    done = subprocess.run(
        ["git", *args],
        cwd=folder,
        env={**own, **NONE, **env},
        input=given,
        check=True,
        capture_output=True,
    )
    return done.stdout


def record(of: Repository, run: str = "run-1", **more: Any) -> Record:
    """Return the record of a unit that passed in a clone as it is committed."""
    told = {
        "schema": records.SCHEMA,
        "unit": "tests(app)",
        "result": "success",
        "started": time.time() - 60,
        "seconds": 1.0,
        "revision": of.git("rev-parse", "HEAD"),
        "tree": of.committed,
        **more,
    }
    return Record(run=run, **told)


def of_ci(of: Repository, run: str = "run-1", **more: Any) -> Record:
    """Return the record that a step of ``WORKFLOW`` would leave of a unit."""
    lock = (of.root / "locks" / "tests.txt").read_bytes()
    parts = {
        "session": "tests",
        "arguments": "",
        "suite": fingerprint.suite(),
        "interpreter": "cpython 3.11.7",
        "input:app.py": f"100644 {of.git('rev-parse', 'HEAD:app.py')}",
        "input:sub": f"040000 {of.git('rev-parse', 'HEAD:sub')}",
        "input:gone.py": "missing",
        "lock:locks/tests.txt": hashlib.sha256(lock).hexdigest(),
        **more.pop("parts", {}),
    }
    usual = {
        "place": "github",
        "url": URL,
        "parts": parts,
        "fingerprint": fingerprint.digest(parts),
        "proves": True,
    }
    return record(of, run, **{**usual, **more})


def line_of(told: Record) -> bytes:
    """Return the line of a note with a record, as another program may write it."""
    return json.dumps({"record": json.loads(records.encode(told))}).encode()


def known(of: Repository) -> set[str]:
    """Return the runs whose records a clone has."""
    return {shared.record.run for shared in notes.known(of.root)}
