"""Is all that this very command would do proven already? Answered before Nox is imported.

When a run ends and every unit of it is proven, its verdicts are kept as an answer: under
the git tree of the whole project, the command line, and what else of the machine they
rest on. The same command on the same tree is then a look into one file. Anything that is
not as it was leads to the long way, which looks at each unit.

Imports as little as it can (see ``benchmarks/unchanged.py``).
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time

from sametree import terminal, trees
from sametree.digests import digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    Row = tuple[str, str, float, str, str]
    """A proven unit: its name, the place, the time of its end, the run, its coverage."""

FOLDER = "answers"
KEPT = 50
PROOF_DAYS = 30
"""How long a proof on this machine counts: not all that a result depends on (the date,
what is installed beside us) is told by a fingerprint."""
RUN_VARIABLE = "SAMETREE_RUN_ID"
OURS = ("--force", "--why", "--audit")
"""Options after ``--`` that ask for more than the verdict."""
_COUNTS = ("SAMETREE_", "NOX", "UV_", "PYTHON", "DATABASE_URL", "CI", "GITHUB_")
"""How the names of variables begin that may change what a run does or shows."""


class Answer:
    """The question whether ``nox ARGS`` in ``root`` would have nothing to do."""

    def __init__(self, root: str | Path, args: Sequence[str]) -> None:
        self.root = root
        self.args = list(args)
        self.state = os.path.join(root, ".sametree")
        self._began = time.monotonic()

    def told(self) -> bool:
        """Print the verdicts of all units, if all are proven; return whether they are."""
        inside = RUN_VARIABLE in os.environ  # a child of a run, which sums it up
        if inside or not self._may_ask() or not os.path.isdir(self._folder):
            return False
        try:
            place = self._place()
            with open(place, encoding="utf-8") as file:
                kept = json.load(file)
            if kept["watched"] != watched(self.root, kept["watched"]):
                return False
            if not all(is_held(self.root, lock) for lock in kept["held"]):
                return False
            if kept["variables"] != told_variables(kept["variables"]):
                return False
            if kept["secrets"] != set_variables(kept["secrets"]):
                return False
            rows = [tuple(row) for row in kept["units"]]
            if any(time.time() - row[2] > PROOF_DAYS * 86_400 for row in rows):
                return False
        except (OSError, ValueError, KeyError, TypeError, trees.Unreadable):
            return False
        for line in self._lines(rows):
            terminal.say(line)
        return True

    def keep(
        self,
        place: str,
        rows: Sequence[Row],
        files: dict[str, list[int] | None],
        variables: Iterable[str],
        secrets: Iterable[str] = (),
        held: Iterable[str] = (),
    ) -> None:
        """Keep the verdicts of proven units at ``place`` (see :meth:`place`).

        They hold while ``files`` (as by :func:`watched`) and the declared ``variables``
        stay as they are, those that are ``secrets`` are set or not, and somebody holds
        each of the locks ``held``: what keeps a deployed service running does.
        """
        if not self._may_ask():
            return
        kept = {
            "units": list(rows),
            "watched": files,
            "variables": told_variables(variables),
            "secrets": set_variables(secrets),
            "held": list(held),
        }
        try:
            os.makedirs(self._folder, exist_ok=True)
            scratch = f"{place}.{os.urandom(4).hex()}"
            with open(scratch, "w", encoding="utf-8") as file:
                json.dump(kept, file)
            os.replace(scratch, place)
            self._prune()
        except OSError:
            return  # it would only have been faster

    def place(self) -> str | None:
        """Return the file of the answer for the tree as it is; None where git has none."""
        try:
            return self._place()
        except (OSError, trees.Unreadable):
            return None

    @property
    def _folder(self) -> str:
        return os.path.join(self.state, FOLDER)

    def _may_ask(self) -> bool:
        """Return whether there may be an answer: CI wants records, and some options more."""
        return not terminal.on_github() and not set(OURS) & set(self.args)

    def _place(self) -> str:
        """Return the file of the answer; raises OSError outside git."""
        tree = trees.read(self.root, self.state)
        if tree is None:
            raise OSError("outside git")
        beside = [text for item in sorted(tree.beside.items()) for text in item]
        variables = {
            name: value
            for name, value in os.environ.items()
            if name.startswith(_COUNTS) and name != RUN_VARIABLE
        }
        told = [text for item in sorted(variables.items()) for text in item]
        python = [sys.executable, sys.version, os.uname().machine, str(self.root)]
        parts = [tree.id, *beside, "--", *self.args, "--", *told, "--", *python]
        return os.path.join(self._folder, digest(*parts, *_suite()) + ".json")

    def _lines(self, rows: Sequence[Row]) -> list[str]:
        now = time.time()
        shown = [
            (
                terminal.mark("proven"),
                name,
                "     proven",
                "; ".join(filter(None, [passed(place, now - ended, run), covered])),
            )
            for name, place, ended, run, covered in rows
        ]
        seconds = time.monotonic() - self._began
        count = f"all {len(rows)} proven" if len(rows) > 1 else "proven"
        count = terminal.colour(f"{count} in {seconds:.2f} s", "green")
        return ["", *terminal.table(shown), "", f"  {count}"]

    def _prune(self) -> None:
        found = [entry for entry in os.scandir(self._folder) if entry.is_file()]
        found.sort(key=lambda entry: entry.stat().st_mtime)
        for old in found[:-KEPT]:
            os.unlink(old.path)


def passed(place: str, seconds: float, run: str) -> str:
    """Return when and where a unit passed: ``seconds`` ago, at ``place``, in ``run``."""
    where = "here" if place == "local" else f"on {place}"
    return f"passed {terminal.ago(seconds)} {where} (run {run})"


def watched(root: str | Path, paths: Iterable[str]) -> dict[str, list[int] | None]:
    """Return size and times of files and folders as they are; None where there is none."""
    found: dict[str, list[int] | None] = {}
    for path in paths:
        try:
            told = os.stat(os.path.join(root, path))
            found[path] = [told.st_size, told.st_mtime_ns, told.st_ctime_ns]
        except OSError:
            found[path] = None
    return found


def is_held(root: str | Path, path: str) -> bool:
    """Return whether somebody holds the lock ``path``; the kernel tells, also after a
    kill or a reboot. Raises OSError when there is no such file."""
    descriptor = os.open(os.path.join(root, path), os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def told_variables(names: Iterable[str]) -> dict[str, str]:
    """Return a digest of each variable's value; no value is ever kept."""
    return {name: digest(os.environ.get(name, "")) for name in names}


def set_variables(names: Iterable[str]) -> dict[str, bool]:
    """Return whether each variable is set: even a digest may betray a secret."""
    return {name: bool(os.environ.get(name)) for name in names}


def installed_in() -> list[str]:
    """Return the folders whose change means that other packages are installed."""
    return [path for path in sys.path if path.endswith("-packages")]


def _suite() -> list[str]:
    """Return what changes when our own code does: names, sizes and times of its files."""
    found = []
    for folder, folders, names in os.walk(os.path.dirname(__file__)):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.name.endswith(".py"):
                    told = entry.stat()
                    found.append(f"{entry.name} {told.st_size} {told.st_mtime_ns}")
    return found
