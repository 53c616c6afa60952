"""Which difference is the likely cause that two results differ?

A difference can only explain a unit in which it was found. Of those, in this order:

1. what the unit's own reason names: a variable, a file;
2. what makes it another job (arguments, sources, files that git ignores), before what
   makes it another machine (locks, tools, interpreter, variables);
3. what the failing step is called like: black's version, when black failed;
4. what is not found in units that ended alike: there it did no harm;
5. the order of KINDS, by experience; a version that differs in its last number only
   comes last.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Set

import msgspec

from sametree.differences import Difference
from sametree.insight.compare import cures, sentences
from sametree.insight.compare.runs import Comparison, Finding, Verdict
from sametree.insight.compare.sentences import PHRASES, Names

JOB = ("session", "arguments", "input", "outside", "settings", "suite")
KINDS = (
    *JOB,
    *("lock", "interpreter", "platform", "tool", "database", "variable"),
    *("environment", "step", "fingerprint"),
)
ALLOWED = (
    *("audit", "workers", "host.cpu.count", "litter", "ambient", "memory", "libc"),
    *("host.arch", "os.release", "host.cpu.model", "state", "git", "host.name", "user"),
)
"""In which order what may differ is looked at, when nothing else does."""
LAST_LIKELY = ALLOWED.index("libc")
UNTOLD = ("cancellation", "skip")
"""Results that say nothing of the code or the machine."""
EVERYWHERE = frozenset({"__init__.py", "index.js", "index.ts"})
"""Names of files that are no evidence: every folder has one."""


class Cause(msgspec.Struct, frozen=True):
    """Why units differ, as a sentence; ``cure`` says what to do, ``finding`` is what it
    is about, if it is about one."""

    text: str
    units: tuple[str, ...]
    cure: str = ""
    finding: Finding | None = None


class Case(msgspec.Struct, frozen=True):
    """A unit whose results differ, and the evidence: the words of the reasons, the files
    that they name, and the steps that failed."""

    verdict: Verdict
    words: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    steps: frozenset[str] = frozenset()


def likely(found: Comparison) -> list[Cause]:
    """Return the likely causes: one for each unit whose results differ, grouped.

    Where no result differs, but something that must match does: that alone.
    """
    cases = _cases(found)
    if not cases:
        of = {each.unit: each for each in found.verdicts}
        return [_of(each, found, of[each.units[0]]) for each in ranked(found)[:1]]
    alike = _alike(found)
    causes: dict[Cause, list[str]] = {}
    for case in cases:
        causes.setdefault(_why(case, found, alike), []).append(case.verdict.unit)
    grouped = [msgspec.structs.replace(c, units=tuple(u)) for c, u in causes.items()]
    return sorted(grouped, key=lambda cause: -len(cause.units))


def ranked(found: Comparison) -> list[Finding]:
    """Return what must match and does not, the likely causes first."""
    cases, alike = _cases(found), _alike(found)

    def place(finding: Finding) -> tuple[object, ...]:
        here = [each for each in cases if each.verdict.unit in finding.units]
        best = min((_rank(finding, each, alike) for each in here), default=None)
        return not here, best or _rank(finding, None, alike), -len(finding.units)

    return sorted(found.must, key=place)


def ranked_allowed(found: Comparison) -> list[Finding]:
    """Return what may differ, what changes results most often first."""
    return sorted(found.allowed, key=lambda each: _allowed_rank(each.difference))


def _cases(found: Comparison) -> list[Case]:
    return [_case(each) for each in found.verdicts if each.differs]


def _case(verdict: Verdict) -> Case:
    bad = [r for r in (verdict.left, verdict.right) if r.result != "success"]
    told = re.findall(r"[\w./-]+", " ".join(record.reason for record in bad))
    words = frozenset(told) | {word.rstrip(".") for word in told}
    return Case(
        verdict,
        words,
        frozenset(posixpath.basename(word) for word in words) - EVERYWHERE,
        frozenset(step.name for r in bad for step in r.steps if step.code),
    )


def _alike(found: Comparison) -> frozenset[str]:
    return frozenset(each.unit for each in found.verdicts if not each.differs)


def _rank(finding: Finding, case: Case | None, alike: Set[str]) -> tuple[object, ...]:
    """Return what sorts findings as causes of ``case``: the smallest is likeliest."""
    difference = finding.difference
    kind = difference.kind
    return (
        case is None or not _named(difference, case),
        kind not in JOB,
        case is None or not _like_step(difference, case),
        not alike.isdisjoint(finding.units),
        _slight(difference),
        KINDS.index(kind) if kind in KINDS else len(KINDS),
        difference.name,
    )


def _named(difference: Difference, case: Case) -> bool:
    """Return whether the reason of the unit names what differs."""
    if difference.kind in ("variable", "environment"):
        return difference.name in case.words
    if difference.kind not in ("input", "outside"):
        return False
    paths = [file.path.rstrip("/") for file in difference.files]
    return any(
        path in case.words or posixpath.basename(path) in case.files for path in paths
    )


def _like_step(difference: Difference, case: Case) -> bool:
    """Return whether what differs has the name of a step that failed."""
    called = {pin.name for pin in difference.pins} | {difference.name}
    return not called.isdisjoint(case.steps | case.words)


def _slight(difference: Difference) -> bool:
    """Return whether only what follows the first two numbers of a version differs."""
    if difference.kind not in ("interpreter", "tool"):
        return False
    sides = (difference.old, difference.new)
    old, new = (re.findall(r"\d+", each)[:2] for each in sides)
    return old == new != []


def _why(case: Case, found: Comparison, alike: Set[str]) -> Cause:
    """Return the likely cause why the results of one unit differ."""
    verdict = case.verdict
    here = [each for each in found.must if verdict.unit in each.units]
    here.sort(key=lambda each: _rank(each, case, alike))
    if here and _named(here[0].difference, case):
        return _of(here[0], found, verdict)
    told = _told(verdict, found.names)
    if told and (not here or not {*UNTOLD}.isdisjoint(verdict.words)):
        return Cause(told, (), cures.repeat(verdict.unit))
    if here:
        best = _of(here[0], found, verdict)
        text = f"{told}. There, {best.text}" if told else best.text
        return msgspec.structs.replace(best, text=text)
    return _nothing(verdict, found)


def _told(verdict: Verdict, names: Names) -> str:
    """Return the cause where a record itself states it; else an empty string."""
    if verdict.words[0] == verdict.words[1]:
        return ""
    for side, word, record in (
        (names.left, verdict.words[0], verdict.left),
        (names.right, verdict.words[1], verdict.right),
    ):
        place, reason = PHRASES[side], sentences.first_line(record.reason)
        told = f": {reason}" if reason else ""
        if word == "cancellation":
            return f"{place} {record.unit} was stopped before it had an answer"
        if word == "timeout":
            return f"{place} {record.unit} took too long{told}"
        if word == "skip":
            return f"{place} {record.unit} was skipped{told}"
        if word == "error":
            return f"{place} the machine was at fault, not the code{told}"
    return ""


def _of(finding: Finding, found: Comparison, verdict: Verdict) -> Cause:
    said = sentences.sentence(finding.difference, found.names)
    cure = cures.of(finding.difference, found.names, verdict)
    return Cause(said, (), cure, finding)


def _nothing(verdict: Verdict, found: Comparison) -> Cause:
    """Return what to look at when nothing that must match differs in a unit."""
    here = [
        each.difference
        for each in ranked_allowed(found)
        if verdict.unit in each.units
        and _allowed_rank(each.difference)[0] <= LAST_LIKELY
    ]
    if here and here[0].kind == "audit":
        side = found.names.left if verdict.left.audited else found.names.right
        text = (
            f"{PHRASES[side]} it had its declared inputs alone (--audit): it may need"
            " a file that is none"
        )
        return Cause(text, (), cures.audit(verdict.unit))
    again = cures.repeat(verdict.unit)
    if here:
        shown = sentences.listed([_short(each, found.names) for each in here[:2]])
        text = f"nothing that must match differs there; of what may, look at {shown}"
        return Cause(text, (), cures.as_on_the_other(here[0], found.names) + again)
    both = sorted({*verdict.left.outside} & {*verdict.right.outside})
    if both:
        text = (
            f"nothing that is recorded differs there; git ignores {both[0]}, which both"
            " sides have: its content may not be the same"
        )
        return Cause(text, (), again)
    text = (
        "nothing that is recorded differs there, so the unit is not deterministic"
        " (order, time, network), or depends on something outside the tree"
    )
    return Cause(text, (), f"{again}, a few times")


def _allowed_rank(difference: Difference) -> tuple[int, bool, str]:
    kind = difference.name if difference.kind == "surroundings" else difference.kind
    place = ALLOWED.index(kind) if kind in ALLOWED else len(ALLOWED)
    return place, difference.name in cures.OF_CI, difference.name


def _short(difference: Difference, names: Names) -> str:
    if difference.kind in ("ambient", "litter"):
        return sentences.sentence(difference, names)
    what, old, new = sentences.row(difference)
    return f"{what} ({old or 'none'}, {new or 'none'})"
