"""What differs between two records of one unit: what must match, and what may differ?"""

from __future__ import annotations

import difflib
import posixpath
import re
import shlex
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from sametree import differences, records
from sametree.differences import Difference
from sametree.records import Record, StepRun
from sametree.surroundings import ALLOWED, ALLOWED_PREFIXES

SET = "set"
"""Stands for the value of a variable of which only the name is recorded."""
THERE = "there"
AUDITED = "declared inputs alone"

_LITTER = re.compile(
    r"(?:^|/)(?:\.DS_Store|Thumbs\.db|desktop\.ini|[^/]*~|[^/]*\.sw[op]|\.#[^/]*"
    r"|[^/]*\.log|\.idea|\.vscode|\.vs|[^/]*\.iml|\.coverage(?:\.[^/]*)?|[^/]*\.pyc)"
    r"(?:/|$)"
)
"""What editors, desktops and tools leave behind (a file, or a folder on its way)."""

WORKERS = {
    "pytest": ("-n", "--numprocesses"),
    "jest": ("-w", "--maxWorkers"),
    "vitest": ("--maxWorkers",),
    "mypy": ("-n", "--num-workers"),
    "flake8": ("-j", "--jobs"),
    "black": ("-W", "--workers"),
    "eslint": ("--concurrency",),
    "make": ("-j", "--jobs"),
}
"""How programs are told on how many processes they may work."""
ONLY_PARALLEL = ("--dist", "--maxprocesses")
"""Options of pytest that are given with workers, and not without."""


def must_match(left: Record, right: Record) -> Iterator[Difference]:
    """Yield what must be the same in two records for their results to be comparable.

    Beside the parts of the fingerprint: the steps' variables and arguments, and files
    that git ignores. What a record does not tell (it never came to that) is left out.
    """
    yield from _parts(left, right)
    if left.environment and right.environment:
        for name, (old, new) in _variables(left, right):
            if not (ambient(name) and not (old and new)):
                yield Difference("environment", name, old, new)
    for path, old, new in _outside(left, right):
        if not litter(path):
            yield Difference("outside", path, old, new)
    for name, old, new in _steps(left, right):
        yield Difference("step", name, old, new)


def may_differ(left: Record, right: Record) -> Iterator[Difference]:
    """Yield what differs between two records and should not change a result."""
    if left.audited != right.audited:
        old, new = (AUDITED if r.audited else "whole tree" for r in (left, right))
        yield Difference("audit", "audit", old, new)
    for name, one, other in _both(left.steps, right.steps):
        (_, workers), (_, others) = _split(one.argv), _split(other.argv)
        if workers != others:
            old, new = (shlex.join(each) or "one" for each in (workers, others))
            yield Difference("workers", name, old, new)
    if left.environment and right.environment:
        for name, (old, new) in _variables(left, right):
            if ambient(name) and not (old and new):
                yield Difference("ambient", name, old, new)
    if left.surroundings and right.surroundings:
        for each in differences.between(left.surroundings, right.surroundings):
            yield Difference("surroundings", each.name, each.old, each.new)
    for path, old, new in _outside(left, right):
        if litter(path):
            yield Difference("litter", path, old, new)
    old, new = (_database(record)[1] for record in (left, right))
    if old != new:
        yield Difference("state", "development database", old, new)


def ambient(name: str) -> bool:
    """Return whether a variable is the machine's affair: its terminal, home, network."""
    return name in ALLOWED or name.startswith(ALLOWED_PREFIXES)


def litter(path: str) -> bool:
    """Return whether a path is what tools leave behind and no program reads."""
    return bool(_LITTER.search(path))


def suspicion(path: str) -> tuple[int, str]:
    """Return what sorts ignored files: the sooner, the more a result depends on it."""
    name = posixpath.basename(path.rstrip("/")).lower()
    stem, _, kind = name.rpartition(".")
    if name.startswith(".env") or "local" in name or "secret" in name:
        return 0, path
    if name in ("conftest.py", "sitecustomize.py", "pytest.ini", ".npmrc"):
        return 0, path
    if stem and kind in ("py", "js", "ts", "jsx", "tsx", "mjs", "cjs", "sql", "sh"):
        return 1, path
    if stem and kind in ("toml", "yaml", "yml", "json", "ini", "cfg", "conf", "pem"):
        return 2, path
    return 3, path


def _parts(left: Record, right: Record) -> Iterator[Difference]:
    if not (left.parts and right.parts):
        old, new = ("recorded" if record.parts else "" for record in (left, right))
        yield Difference("fingerprint", "fingerprint", old, new)
        return
    for each in differences.between(left.parts, right.parts):
        if each.kind == "variable":
            yield _declared(each, left, right)
        elif each.kind != "database":
            yield each
        elif _database(left)[0] != _database(right)[0]:
            shown = (_database(left)[0], _database(right)[0])
            yield Difference("database", "database", *shown)


def _database(record: Record) -> tuple[str, str]:
    """Return which database it is, and the state of a development database.

    The latter is each machine's own, and never the same on two.
    """
    kind, _, state = record.parts.get("database", "").partition(", ")
    return kind, state


def _declared(found: Difference, left: Record, right: Record) -> Difference:
    """Return a declared variable with its values, where these may be shown."""
    sides = ((found.old, left), (found.new, right))
    old, new = (
        record.environment.get(found.name) or (SET if part else "")
        for part, record in sides
    )
    # The values are no news, or secret: what the parts say of them is all there is.
    if old == new:
        old, new = found.old[:12], found.new[:12]
    return Difference("variable", found.name, old, new)


def _variables(left: Record, right: Record) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the variables that differ and are no declared ones (these are parts)."""
    for name in sorted(left.environment.keys() | right.environment.keys()):
        if f"variable:{name}" in left.parts.keys() | right.parts.keys():
            continue
        old, new = (
            (record.environment[name] or SET) if name in record.environment else ""
            for record in (left, right)
        )
        if old != new:
            yield name, (old, new)


def _outside(left: Record, right: Record) -> Iterator[tuple[str, str, str]]:
    """Yield the ignored files that one side had; nothing beyond the end of a cut list."""
    if not (left.parts and right.parts):
        return
    ends = [
        r.outside[-1] for r in (left, right) if len(r.outside) >= records.OUTSIDE_MOST
    ]
    for path in sorted(set(left.outside) ^ set(right.outside)):
        if ends and path > min(ends):
            break
        here = path in left.outside
        yield (path, THERE, "") if here else (path, "", THERE)


def _steps(left: Record, right: Record) -> Iterator[tuple[str, str, str]]:
    """Yield the steps called differently, but for arguments and workers."""
    if not (left.steps and right.steps):
        return
    for name, one, other in _both(left.steps, right.steps):
        old, new = _split(one.argv)[0], _split(other.argv)[0]
        if left.args != right.args:
            old, new = _without(old, left.args), _without(new, right.args)
        old, new = _parallel_alike(old, one.argv, new, other.argv)
        if old != new:
            yield name, *_only(old, new)
    if left.result == right.result == "success":
        # One that stopped early lacks steps for that reason alone.
        yield from _of_one_side(left.steps, right.steps)


def _of_one_side(
    left: Sequence[StepRun], right: Sequence[StepRun]
) -> Iterator[tuple[str, str, str]]:
    for one, other in _matched(left, right):
        if one is not None and other is None and not one.kept:
            yield one.name, THERE, ""
        elif one is None and other is not None and not other.kept:
            yield other.name, "", THERE


def _both(
    left: Sequence[StepRun], right: Sequence[StepRun]
) -> Iterator[tuple[str, StepRun, StepRun]]:
    for one, other in _matched(left, right):
        if one is not None and other is not None:
            yield one.name, one, other


def _matched(
    left: Sequence[StepRun], right: Sequence[StepRun]
) -> Iterator[tuple[StepRun | None, StepRun | None]]:
    """Yield the steps of both sides by name; of one name, the first with the first."""
    names = dict.fromkeys(step.name for step in (*left, *right))
    for name in names:
        yield from zip_longest(
            [step for step in left if step.name == name],
            [step for step in right if step.name == name],
        )


def _split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return ``argv`` without what says on how many processes to work, and that.

    >>> _split(("python", "-m", "pytest", "-n", "4", "-q"))
    (['python', '-m', 'pytest', '-q'], ['-n', '4'])
    """
    names = [posixpath.basename(word) for word in argv[:3]]
    options = next((WORKERS[name] for name in names if name in WORKERS), ())
    rest: list[str] = []
    workers: list[str] = []
    words = iter(argv)
    for word in words:
        option = next((o for o in options if word.startswith(o)), "")
        value = word.removeprefix(option).lstrip("=")
        if not option or value and not _count(value):
            rest.append(word)
        elif value:
            workers.append(word)
        else:
            value = next(words, "")
            (workers if _count(value) else rest).extend([word, value])
    return rest, workers


def _count(value: str) -> bool:
    return value.rstrip("%").isdigit() or value in ("auto", "logical")


def _parallel_alike(
    old: list[str], old_argv: Sequence[str], new: list[str], new_argv: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Take out what comes with workers, where only one side has workers."""
    if bool(_split(old_argv)[1]) == bool(_split(new_argv)[1]):
        return old, new
    old, new = (
        [word for word in argv if not word.startswith(ONLY_PARALLEL)]
        for argv in (old, new)
    )
    return old, new


def _without(argv: list[str], args: Sequence[str]) -> list[str]:
    """Return ``argv`` without the arguments of the unit, which are a part of their own."""
    size = len(args)
    for start in range(len(argv) - size + 1):
        if size and argv[start : start + size] == list(args):
            return argv[:start] + argv[start + size :]
    return argv


def _only(old: Sequence[str], new: Sequence[str]) -> tuple[str, str]:
    """Return the words of two command lines that only one of them has."""
    matcher = difflib.SequenceMatcher(a=old, b=new, autojunk=False)
    changed = [code for code in matcher.get_opcodes() if code[0] != "equal"]
    lost = [word for _, start, end, _, _ in changed for word in old[start:end]]
    made = [word for _, _, _, start, end in changed for word in new[start:end]]
    return shlex.join(lost), shlex.join(made)
