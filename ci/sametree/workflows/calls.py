"""What does the shell line of a step call, and is that there to be called?"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import msgspec

PROGRAMS = {"nox": "nox", "invoke": "invoke", "inv": "invoke"}
PATIENCE = 60
"""Seconds in which a noxfile has to list its sessions."""
EVERY = "not no_session_has_this_name"
"""A keyword that makes nox list every session, not only those that it runs by default."""
CHOOSING = frozenset({"NOXSESSION", "NOXPYTHON", "NOXFORCEPYTHON", "FORCE_COLOR"})
"""Variables that would change the list."""
_NAMING = frozenset(("-s", "-e", "--session", "--sessions"))
_ELSEWHERE = frozenset(("-f", "--noxfile", "-c", "--collection", "-r", "--search-root"))
"""Options after which the names are those of another file than the project's."""
_WITH_VALUE = frozenset(("-D", "--list-depth", "-F", "--list-format", "-T"))
_VARIABLE = re.compile(r"\$\{?([A-Za-z_]\w*)\}?")
_OPERATORS = frozenset("();<>|&")


class Call(msgspec.Struct, frozen=True):
    """A call of nox or invoke: which sessions or tasks it names (none: the defaults).

    A name that begins with ``$`` is that of a variable.
    """

    program: Literal["nox", "invoke"]
    names: tuple[str, ...] = ()


class Listing(msgspec.Struct, frozen=True):
    """What can be called: sessions and tasks; ``problems`` says what cannot be listed,
    by file."""

    sessions: frozenset[str] = frozenset()
    tasks: frozenset[str] = frozenset()
    problems: dict[str, str] = {}

    def has(self, call: Call, name: str) -> bool:
        """Return whether ``name`` is there; true when that cannot be known."""
        known = self.sessions if call.program == "nox" else self.tasks
        return name in known or file_of(call) in self.problems


def parse(run: str) -> Call | None:
    """Return the one call that ``run`` is, or None when it is anything else.

    >>> parse('nox -s "tests(backend)" -- --audit').names
    ('tests(backend)',)
    >>> parse("invoke deploy staging && echo done") is None
    True
    """
    words = split(run)
    if words is None:
        return None
    if words[:2] in (["python", "-m"], ["python3", "-m"]):
        words = words[2:]
    program = PROGRAMS.get(words[0]) if words else None
    if program == "nox":
        return Call("nox", tuple(_sessions(words[1:])))
    if program == "invoke":
        return Call("invoke", tuple(_tasks(words[1:])))
    return None


def split(run: str) -> list[str] | None:
    """Return the words of one plain command; None when a shell has more to do."""
    if "\n" in run.strip() or "`" in run or "$(" in run:
        return None
    lexer = shlex.shlex(run.strip(), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError:
        return None
    return None if any(set(word) <= _OPERATORS for word in words if word) else words


def variable(name: str) -> str:
    """Return the variable that the name of a session is, or an empty string."""
    found = _VARIABLE.fullmatch(name)
    return found[1] if found else ""


def file_of(call: Call) -> str:
    """Return the file in which what ``call`` names has to be."""
    return "noxfile.py" if call.program == "nox" else "tasks.py"


def listing(root: Path) -> Listing:
    """Return what the noxfile and the tasks of ``root`` define, as nox and invoke say."""
    problems: dict[str, str] = {}

    def names(program: str) -> frozenset[str]:
        file, args, read = _LISTS[program]
        try:
            return read(_ask(root, file, program, *args))
        except _Silent as error:
            problems[file] = str(error)
            return frozenset()

    with ThreadPoolExecutor() as threads:
        sessions, tasks = threads.map(names, _LISTS)
    return Listing(sessions, tasks, problems)


class _Silent(Exception):
    """A program does not list what it has; the text is the last thing that it said."""


def _ask(root: Path, file: str, program: str, *args: str) -> str:
    if not (root / file).exists():
        raise _Silent("there is no such file")
    try:
        done = subprocess.run(
            [sys.executable, "-m", program, *args],
            cwd=root,
            env={name: os.environ[name] for name in os.environ if name not in CHOOSING},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        raise _Silent(f"its list took more than {PATIENCE} seconds") from None
    if done.returncode:
        said = (done.stderr + done.stdout).decode(errors="replace").strip()
        raise _Silent(said.splitlines()[-1] if said else f"exit {done.returncode}")
    return done.stdout.decode(errors="replace")


def _all_sessions(listed: str) -> frozenset[str]:
    try:
        entries = json.loads(listed[listed.index("[") :])
    except ValueError:
        raise _Silent("nox lists no sessions") from None
    return frozenset(entry[key] for entry in entries for key in ("name", "session"))


def _all_tasks(listed: str) -> frozenset[str]:
    """Return the names in a flat list of Invoke: two spaces, the name, its aliases."""
    found: set[str] = set()
    for line in re.findall(r"^  (\S.*)$", listed, re.MULTILINE):
        names = re.match(r"(\S+)(?: \(([^)]*)\))?", line)
        assert names is not None
        found |= {names[1], *(names[2] or "").replace(",", " ").split()}
    return frozenset(found)


_LISTS: Mapping[str, tuple[str, tuple[str, ...], Callable[[str], frozenset[str]]]] = {
    "nox": ("noxfile.py", ("--list", "--json", "-k", EVERY), _all_sessions),
    "invoke": ("tasks.py", ("--list", "--list-format=flat"), _all_tasks),
}
"""Of a program: the file that it reads, how it lists, and what the list says."""


def _sessions(words: Sequence[str]) -> list[str]:
    """Return the sessions that nox's arguments name: all words after ``-s``."""
    found: list[str] = []
    naming = False
    for word in words:
        option, equals, value = word.partition("=")
        if word == "--" or option in _ELSEWHERE:
            return found if word == "--" else []
        if word.startswith("-"):
            naming = option in _NAMING
            found += [value] if naming and equals else []
        elif naming:
            found.append(word)
    return found


def _tasks(words: Sequence[str]) -> list[str]:
    """Return the first task that invoke's arguments name.

    What comes after it may be a task or the value of an option: only Invoke knows.
    """
    left = iter(words)
    for word in left:
        if word in _ELSEWHERE:
            return []
        if word in _WITH_VALUE:
            next(left, None)
        elif not word.startswith("-"):
            return [word]
    return []
