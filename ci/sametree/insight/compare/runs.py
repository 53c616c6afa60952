"""Why do two runs differ? What must match, what may differ, and how both ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from sametree.changes import Changed
from sametree.differences import Difference
from sametree.insight.compare import pairs, sentences
from sametree.insight.compare.columns import clean
from sametree.insight.compare.sentences import Names
from sametree.records import Record

SLOWER = 1.5
"""From this ratio on, and a second, two durations are notably different."""

Explain = Callable[[Difference, Record, Record], Difference]
"""Names the files and packages of a difference, as far as git knows both sides."""
Proof = Callable[[Record], Record | None]
"""Returns the record that a skipped unit was proven by."""


class Finding(msgspec.Struct, frozen=True):
    """A difference, and the units in which it was found, in the order of the run."""

    difference: Difference
    units: tuple[str, ...]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """How one unit ended on both sides. A proven one stands for the run that proved it.

    ``steps`` are those that ended with another exit code (name, left, right),
    ``outputs`` the files that both made and that are not the same.
    """

    unit: str
    left: Record
    right: Record
    proven: tuple[bool, bool] = (False, False)
    steps: tuple[tuple[str, int, int], ...] = ()
    outputs: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether the two results are not the same."""
        return bool(self.words[0] != self.words[1] or self.steps or self.outputs)

    @property
    def words(self) -> tuple[str, str]:
        """The results; what was skipped because it had passed counts as passed."""
        left, right = (
            "success" if proven else record.result
            for record, proven in zip((self.left, self.right), self.proven, strict=True)
        )
        return left, right

    @property
    def ratio(self) -> float:
        """How much longer the slower side took, where that is notable; else 0."""
        if self.words != ("success", "success"):
            return 0.0
        fast, slow = sorted((self.left.seconds, self.right.seconds))
        notable = slow - fast >= 1 and slow >= SLOWER * fast > 0
        return slow / fast if notable else 0.0


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """All that two runs can be told apart by. ``must`` should be empty."""

    names: Names
    verdicts: tuple[Verdict, ...]
    must: tuple[Finding, ...]
    allowed: tuple[Finding, ...]
    only_left: tuple[str, ...] = ()
    only_right: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether all that must match does, and the results are the same."""
        return not self.must and not any(each.differs for each in self.verdicts)

    @property
    def units(self) -> tuple[str, ...]:
        """The units that ran on both sides."""
        return tuple(each.unit for each in self.verdicts)


def compare(left: Record, right: Record, explain: Explain | None = None) -> Comparison:
    """Return how two records of one unit differ."""
    return compare_runs([left], [right], explain)


def compare_runs(
    left: Sequence[Record],
    right: Sequence[Record],
    explain: Explain | None = None,
    proof: Proof | None = None,
) -> Comparison:
    """Return how two runs differ, unit by unit; the same difference is told once.

    Without ``explain`` nothing is known beyond the records themselves. Of a unit that
    one side has twice (it was run again), the later record counts.
    """
    sides = [_by_unit(records) for records in (left, right)]
    common = [unit for unit in sides[0] if unit in sides[1]]
    verdicts = [_verdict(sides[0][u], sides[1][u], proof) for u in common]
    must = _found(verdicts, pairs.must_match, explain)
    return Comparison(
        names=sentences.names(left, right),
        verdicts=tuple(verdicts),
        must=tuple(_settled(must, common)),
        allowed=tuple(_together(_found(verdicts, pairs.may_differ, None), common)),
        only_left=tuple(unit for unit in sides[0] if unit not in sides[1]),
        only_right=tuple(unit for unit in sides[1] if unit not in sides[0]),
    )


def parity(
    left: Sequence[Record],
    right: Sequence[Record],
    explain: Explain | None = None,
    proof: Proof | None = None,
) -> list[str]:
    """Return what breaks parity of two runs of the same units; nothing when it holds.

    What may differ between two places is no breach: variables of the CI and of the
    terminal, the machine, its name and its size.
    """
    found = compare_runs(left, right, explain, proof)
    names = found.names
    lines = [
        f"{where(each.units, found.units)}: {sentences.sentence(each.difference, names)}"
        for each in found.must
    ]
    for verdict in found.verdicts:
        if verdict.differs:
            told = names.both(*verdict.words)
            lines.append(f"{verdict.unit}: {told}{_reason(verdict)}")
    for side, units in ((names.left, found.only_left), (names.right, found.only_right)):
        lines += [f"{unit}: ran {sentences.PHRASES[side]} only" for unit in units]
    return [clean(line) for line in lines]


def where(units: Sequence[str], all_units: Sequence[str]) -> str:
    """Return in which units something is, in few words.

    >>> where(["a", "b"], ["a", "b"]), where(["a"], ["a", "b"])
    ('all 2 units', 'a')
    >>> where(["a", "b"], ["a", "b", "c"])
    '2 of 3 units'
    """
    if len(units) == 1:
        return units[0]
    if len(units) == len(all_units):
        return f"all {len(units)} units"
    return f"{len(units)} of {len(all_units)} units"


def why(verdict: Verdict) -> str:
    """Return in a line why a unit's results differ, as far as its records say."""
    for record in (verdict.right, verdict.left):
        if record.reason and record.result not in ("success", "skip"):
            return sentences.first_line(record.reason)
    if verdict.steps:
        name, *codes = verdict.steps[0]
        return f"{name} ended with {codes[0]} and {codes[1]}"
    return f"{sentences.listed(verdict.outputs)} differs" if verdict.outputs else ""


def _reason(verdict: Verdict) -> str:
    return f" ({why(verdict)})" if why(verdict) else ""


def _by_unit(records: Iterable[Record]) -> dict[str, Record]:
    ordered = sorted(records, key=lambda record: record.started)
    return {record.unit: record for record in ordered}


def _verdict(left: Record, right: Record, proof: Proof | None) -> Verdict:
    proven = tuple(each.result == "skip" and bool(each.proof) for each in (left, right))
    if proof is not None:
        left, right = (
            proof(record) or record if was else record
            for record, was in zip((left, right), proven, strict=True)
        )
    codes = [
        {step.name: step.code for step in record.steps} for record in (left, right)
    ]
    return Verdict(
        unit=left.unit,
        left=left,
        right=right,
        proven=(proven[0], proven[1]),
        steps=tuple(
            (name, code, codes[1][name])
            for name, code in codes[0].items()
            if codes[1].get(name, code) != code
        ),
        outputs=tuple(
            path
            for path, digest in left.outputs.items()
            if right.outputs.get(path, digest) != digest
        ),
    )


def _found(
    verdicts: Iterable[Verdict],
    look: Callable[[Record, Record], Iterator[Difference]],
    explain: Explain | None,
) -> list[Finding]:
    """Return the differences of all units, each once, and with what git knows of it."""
    units: dict[Difference, list[str]] = {}
    first: dict[Difference, tuple[Record, Record]] = {}
    for verdict in verdicts:
        for difference in dict.fromkeys(look(verdict.left, verdict.right)):
            units.setdefault(difference, []).append(verdict.unit)
            first.setdefault(difference, (verdict.left, verdict.right))
    return [
        Finding(explain(each, *first[each]) if explain else each, tuple(units[each]))
        for each in units
    ]


def _settled(found: Sequence[Finding], units: Sequence[str]) -> list[Finding]:
    """Return the findings, the files of the inputs one by one: units share folders."""
    locks = {each.difference.name for each in found if each.difference.kind == "lock"}
    changed: dict[Changed, set[str]] = {}
    rest = []
    for each in found:
        if each.difference.kind == "input" and each.difference.files:
            for file in each.difference.files:
                if file.path not in locks:  # its packages are told already
                    changed.setdefault(file, set()).update(each.units)
        else:
            rest.append(each)
    files = [
        Finding(Difference("input", files[0].path, "", "", files=tuple(files)), where)
        for where, files in _by_units(changed, units).items()
    ]
    return [*files, *_together(rest, units)]


def _together(found: Sequence[Finding], units: Sequence[str]) -> list[Finding]:
    """Return the findings, with the ignored files of a side told together."""
    rest = []
    sides: dict[tuple[str, str, str], dict[Changed, set[str]]] = {}
    for each in found:
        kind, name = each.difference.kind, each.difference.name
        if kind not in ("outside", "litter"):
            rest.append(each)
            continue
        old, new = each.difference.old, each.difference.new
        file = Changed(name, "D" if old else "A")
        sides.setdefault((kind, old, new), {})[file] = set(each.units)
    for (kind, old, new), changed in sides.items():
        for where, files in _by_units(changed, units).items():
            files.sort(key=lambda file: pairs.suspicion(file.path))
            whole = Difference(kind, files[0].path, old, new, files=tuple(files))
            rest.append(Finding(whole, where))
    return rest


def _by_units(
    changed: dict[Changed, set[str]], units: Sequence[str]
) -> dict[tuple[str, ...], list[Changed]]:
    """Return the files by the units in which they differ."""
    found: dict[tuple[str, ...], list[Changed]] = {}
    for file in sorted(changed):
        where = tuple(unit for unit in units if unit in changed[file])
        found.setdefault(where, []).append(file)
    return found
