"""Whose fault is a failure: the code's, or that of what surrounds it?

A test's assertion is the code's fault. A refused or missing database, a missing
variable, a full disk, the network, too little memory, a folder that one may not enter
are not. What the code or a mock raises on purpose is the code's own, whatever its type.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence, Set
from pathlib import Path
from typing import Literal

import msgspec

from sametree.errors import SametreeError, SurroundingsError, UnitFailed
from sametree.testing import signs, traces
from sametree.testing.junit import Failure
from sametree.testing.traces import Raised

Blame = Literal["failure", "error"]
KILLED = (-9, 137)
"""Exit codes of what SIGKILL ended: ours, and a shell's."""
ENDED = (-15, 143)
ASSERTIONS = frozenset({"AssertionError", "Failed", "JestAssertionError"})
JUDGEMENTS = re.compile(r"(?:Error: )?(?:assert |expect\(|thrown: |Cannot find module)")
MISTAKES = frozenset(
    "TypeError AttributeError NameError UnboundLocalError IndexError SyntaxError "
    "IndentationError ImportError ModuleNotFoundError NotImplementedError "
    "RecursionError ReferenceError".split()
)
"""Mistakes of a program, also of one that just handles somebody else's fault."""
VALUES = frozenset({"KeyError", "ValueError", "LookupError", "StopIteration"})
"""What these say are values, which may be any words."""
MOCKS = re.compile(
    r"unittest[/\\]mock\.py|jest-mock|[/\\](?:pytest_mock|responses|requests_mock|respx"
    r"|httpretty|pytest_httpx|aioresponses|nock|msw|sinon|fetch-mock)[/\\.]"
)
LIBRARIES = re.compile(
    r"site-packages|dist-packages|node_modules|node:|<frozen|[/\\]lib\d*[/\\]python3"
)
ASKED = re.compile(r"<frozen os>|[/\\]python[\d.]+[/\\]os\.py$")
SHOWN = 10
"""Causes that are shown; of each, as many tests as NAMED."""
NAMED = 3
TEXT_MOST = 400
READ = (100, 500)
"""Last lines of a step's output that are read, and characters of each."""


class Around(msgspec.Struct, frozen=True):
    """What a unit had around it: the project's folder, and the names of the variables
    that its steps had, and of those that the settings declare."""

    root: Path
    environment: Set[str] = frozenset()
    declared: Set[str] = frozenset()


class Cause(msgspec.Struct, frozen=True):
    """Why tests failed: ``kind`` is that of a sign, or ``code``; ``text`` is what
    happened, ``cure`` what to do now (empty for the code's own); ``tests`` by name."""

    kind: str
    text: str
    cure: str = ""
    tests: tuple[str, ...] = ()


class Verdict(msgspec.Struct, frozen=True):
    """Whose fault it is that tests failed, and why: the code's causes come first, then
    those that most tests share."""

    blame: Blame
    causes: tuple[Cause, ...]

    @property
    def count(self) -> str:
        """How many causes there are, where that says more than the failures do."""
        failed = sum(len(cause.tests) for cause in self.causes)
        if failed < 2 or len(self.causes) == failed:
            return ""
        return "1 cause" if len(self.causes) == 1 else f"{len(self.causes)} causes"

    def lines(self) -> list[str]:
        """Return the causes as lines for people, each with what to do about it."""
        code = [cause for cause in self.causes if cause.kind == "code"]
        around = [cause for cause in self.causes if cause.kind != "code"]
        return [*_listed(code), *_listed(around)]

    def problem(self, summary: str, repeat: str) -> SametreeError:
        """Return the error of a unit whose tests failed, as ``summary`` counts them.

        ``repeat`` says how to run them again.
        """
        told = "\n".join([f"{self._headline(summary)}:", *self.lines()])
        kind = SurroundingsError if self.blame == "error" else UnitFailed
        return kind(told, repeat)

    def _headline(self, summary: str) -> str:
        """Return the line that stands alone where there is room for one."""
        parts = [summary, self.count]
        if self.blame == "error":
            only = f": {self.causes[0].text}" if len(self.causes) == 1 else ""
            parts.append(f"not by the code{only}")
        return ", ".join(filter(None, parts))


def blame(failures: Iterable[Failure], around: Around) -> Verdict:
    """Return whose fault ``failures`` are; the code's when one of them is."""
    groups: dict[tuple[str, str], list[tuple[Cause, str]]] = {}
    for failure in failures:
        cause = of_failure(failure, around)
        key = (cause.kind, _alike(cause.text))
        groups.setdefault(key, []).append((cause, failure.name))
    causes = [
        msgspec.structs.replace(
            members[0][0], tests=tuple(dict.fromkeys(name for _, name in members))
        )
        for members in groups.values()
    ]
    causes.sort(key=lambda cause: (cause.kind != "code", -len(cause.tests)))
    ours = not causes or causes[0].kind == "code"
    return Verdict("failure" if ours else "error", tuple(causes))


def of_failure(failure: Failure, around: Around) -> Cause:
    """Return why one test failed."""
    links = traces.chain(failure.detail, failure.message)
    if not links:
        first = failure.message.strip().partition("\n")[0]
        return Cause("code", first or "it failed and said nothing")
    found = _surroundings(failure.detail, links, around)
    return found or Cause("code", links[0].first[:TEXT_MOST])


def of_step(code: int, output: str, around: Around) -> Cause | None:
    """Return what in the surroundings ended a step with ``code``; None when the code
    of the project did, or nobody can tell.

    Ask only for a step that told no finding: findings are the code's.
    """
    if code in KILLED:
        return Cause(
            "memory",
            "it was killed (SIGKILL); mostly that is a machine whose memory is used up",
            "end what needs much of it, or run fewer processes: SAMETREE_JOBS=1",
        )
    if code in ENDED:
        return Cause("ended", "it was ended from outside (SIGTERM)", "run it again")
    text = re.sub(r"\033\[[0-9;]*m", "", output)
    if re.search(r"^E\s|^\s*File \"", text, re.MULTILINE):
        links = traces.chain(text)
        if links:
            return _surroundings(text, links, around)
    lines = [line[: READ[1]] for line in text.splitlines()[-READ[0] :]]
    for line in reversed(lines):
        # Lines of sources and differences may say anything.
        if re.match(r"\s*(?:[-+@>|]|\d+ ?[|:])", line):
            continue
        said = re.sub(r"^\s*(?:npm )?(?:[Ee]rror|ERR!?|fatal)\b:?\s*", "", line).strip()
        if found := _sign_in(Raised("", said), around, anywhere=line != said):
            return found
    return None


def _surroundings(text: str, links: Sequence[Raised], around: Around) -> Cause | None:
    """Return what in the surroundings led to the first of ``links``, or None."""
    if "Exception Group Traceback" in text and (within := traces.members(text)):
        each = [
            _surroundings("", traces.chain(member), around) if member else None
            for member in within
        ]
        return each[0] if all(each) else None
    last = links[0]
    if last.type in ASSERTIONS or JUDGEMENTS.match(last.said):
        return None
    if last.type in MISTAKES and not last.said.startswith("TypeError: fetch failed"):
        return None
    # The first cause tells most, and what was made of it at last tells least.
    for link in reversed(links):
        if found := _variable(link, around) or _sign_in(link, around):
            return found
    return None


def _variable(link: Raised, around: Around) -> Cause | None:
    for n, pattern in enumerate(signs.VARIABLES):
        if not (found := pattern.search(link.said)):
            continue
        name = found["name"].upper() if "Field required" in link.said else found["name"]
        asked = ASKED.search(link.file) or re.search(
            rf"environ\[\s*['\"]{re.escape(name)}", link.source
        )
        if n == 0 and not asked:
            return None
        if name in around.environment:
            return None  # it was there: a test, or the code, took it away
        cure = f"set {name}: in .env at home, as a variable of the job in CI"
        if name not in around.declared:
            cure = (
                f"declare it in pyproject.toml, [tool.sametree.variables]: {name} ="
                ' { default = "..." }; undeclared variables never reach a unit'
            )
        return Cause("variable", f"the variable {name} is not set", cure)
    return None


def _sign_in(link: Raised, around: Around, *, anywhere: bool = True) -> Cause | None:
    if link.type in VALUES or _on_purpose(link):
        return None
    for sign in signs.SIGNS:
        found = sign.pattern.search(link.said)
        if not found or not anywhere and not _exact(link.said):
            continue
        if sign.kind == "permission" and _own(found, around):
            continue
        if sign.kind == "program" and not _started(link):
            continue
        text, cure = sign.told(found)
        return Cause(sign.kind, text, cure)
    return None


def _on_purpose(link: Raised) -> bool:
    """Return whether the project's code, or a mock, raised ``link`` itself."""
    if any(MOCKS.search(frame) for frame in link.frames):
        return True
    if not link.file or LIBRARIES.search(link.file):
        return False
    node = re.search(r":\d+:\d+\)?$", link.file)
    return bool(node) or bool(re.search(r"\braise\b", link.source))


def _own(found: re.Match[str], around: Around) -> bool:
    """Return whether a path is the project's, or one that pytest made for a test."""
    path = next((value for value in found.groupdict().values() if value), "")
    if found["path3"]:
        return False
    return Path(path).is_relative_to(around.root) or "pytest-of-" in path


def _started(link: Raised) -> bool:
    """Return whether ``link`` is about a program that could not be started."""
    return "spawn" in link.said or bool(re.search(r"subprocess\.py$", link.file))


def _exact(said: str) -> bool:
    """Return whether a line of output is what a system, or a server, refuses with."""
    return bool(
        re.search(r"\[Errno \d+\]|\bE[A-Z]{4,}\b|\bFATAL: |: [A-Z][a-z ]+$", said)
    )


def _alike(text: str) -> str:
    """Return ``text`` without what differs from test to test for the same reason."""
    text = re.sub(r"0x[0-9a-f]+", "0x", text)
    text = re.sub(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", "UUID", text)
    text = re.sub(r"__gw\d+|\bgw\d+\b", "gw", text)
    return re.sub(r"\S*pytest-of-\S+", "TMP", text)


def _listed(causes: Sequence[Cause]) -> list[str]:
    shown = [line for cause in causes[:SHOWN] for line in _lines(cause)]
    more = len(causes) - SHOWN
    return [*shown, f"  and {more} more causes"] if more > 0 else shown


def _lines(cause: Cause) -> list[str]:
    fault = "" if cause.kind == "code" else "not the code: "
    cure = [f"      -> {cause.cure}"] if cause.cure else []
    if len(cause.tests) == 1:
        return [f"  {cause.tests[0]}: {fault}{cause.text}", *cure]
    named = [f"      {name}" for name in cause.tests[:NAMED]]
    more = len(cause.tests) - NAMED
    named += [f"      and {more} more"] if more > 0 else []
    return [f"  {len(cause.tests)} tests: {fault}{cause.text}", *named, *cure]
