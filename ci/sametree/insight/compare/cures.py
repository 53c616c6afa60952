"""What can one do about a difference between two runs: a command, or an advice?"""

from __future__ import annotations

import re
import shlex

from sametree.differences import Difference
from sametree.insight.compare.runs import Verdict
from sametree.insight.compare.sentences import Names
from sametree.records import Record
from sametree.surroundings import FIXED

OF_CI = ("CI", "GITHUB_ACTIONS")
"""Variables that a CI sets, and that tools look at."""

_ADVICE = {
    "interpreter": "make .venv with the other Python, or set python in"
    " [tool.sametree.ci]",
    "tool": "install what the lock dev.txt pins where nox itself is installed",
    "database": "set version in [tool.sametree.database], and commit it",
    "variable": "set it alike on both sides, or give it one default in"
    " [tool.sametree.variables.{name}]",
}


def of(difference: Difference, names: Names, verdict: Verdict) -> str:
    """Return what to do about what differs in a unit; empty where nothing can be said."""
    kind, name = difference.kind, difference.name
    if kind in ("input", "settings", "suite", "lock"):
        return _of_sources(difference, verdict)
    if kind == "outside":
        if (names.left if difference.old else names.right) == "CI":
            return "let a session make it, so that it is made everywhere"
        return f"commit it (git add -f {shlex.quote(name)}), or do without it"
    sides = (difference.old, difference.new)
    if kind == "database" and any(side.startswith("given") for side in sides):
        return "unset DATABASE_URL, so that the suite starts its own server"
    if kind == "environment" and name in FIXED:
        return "sametree sets it for every step: do both sides run the same sametree?"
    if kind == "environment":
        return f"unset {name}, or declare it: [tool.sametree.variables.{name}]"
    if kind == "arguments":
        return repeat(verdict.unit)
    return _ADVICE.get(kind, "").format(name=name)


def repeat(unit: str) -> str:
    """Return the command that runs a unit once more."""
    return f"nox -s {shlex.quote(unit)} -- --force"


def audit(unit: str) -> str:
    """Return the command that runs a unit with its declared inputs alone."""
    return f"nox -s {shlex.quote(unit)} -- --audit"


def as_on_the_other(difference: Difference, names: Names) -> str:
    """Return what goes before a command, so that it runs as it did in CI."""
    there = difference.old if names.left == "CI" else difference.new
    if difference.name in OF_CI and there:
        return f"{difference.name}=true "
    if difference.kind == "workers" or difference.name == "host.cpu.count":
        counted = re.search(r"\d+", there)
        return f"SAMETREE_JOBS={counted[0] if counted else 1} "
    return ""


def _of_sources(difference: Difference, verdict: Verdict) -> str:
    left, right = verdict.left, verdict.right
    if difference.absent:
        lacking = _lacking(difference, verdict).revision[:10]
        fetch = f"git fetch origin {lacking}" if lacking else "it was in no commit"
        return f"{fetch} (what was not committed is on its own machine alone)"
    paths = [file.path for file in difference.files] or [difference.name]
    if difference.kind in ("settings", "suite"):
        paths = ["pyproject.toml"] if difference.kind == "settings" else []
    names = f" -- {shlex.join(paths[:3])}" if paths else ""
    if left.revision and right.revision and left.revision != right.revision:
        return f"git diff {left.revision[:10]} {right.revision[:10]}{names}"
    if left.revision and left.tree != right.tree:
        return f"the commit is the same, so one had changes: git diff HEAD{names}"
    return ""


def _lacking(difference: Difference, verdict: Verdict) -> Record:
    """Return the record of the side whose objects git does not have here."""
    of_left = any(each and each in difference.old for each in difference.absent)
    return verdict.left if of_left else verdict.right
