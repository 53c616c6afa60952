"""Did the tests run enough of the code, and if not, which lines first?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Set
from pathlib import Path

import msgspec

from sametree.records import Covered
from sametree.settings import Coverage

SHOWN_FILES = 8
SHOWN_RANGES = 10


class FileCoverage(msgspec.Struct, frozen=True):
    """What was run of one file: hits by line, and for each line its branches taken."""

    lines: Mapping[int, int]
    branches: Mapping[int, tuple[bool, ...]]

    @property
    def missed(self) -> list[int]:
        """Lines never run, and lines with a branch never taken."""
        never = {line for line, hits in self.lines.items() if not hits}
        partly = {line for line, taken in self.branches.items() if not all(taken)}
        return sorted(never | partly)


def read_lcov(text: str) -> dict[str, FileCoverage]:
    """Return the coverage of each file in an lcov tracefile (geninfo(1), "FILES")."""
    found: dict[str, FileCoverage] = {}
    lines: dict[int, int] = {}
    branches: dict[int, list[bool]] = {}
    name = ""
    for record in text.splitlines():
        key, _, value = record.partition(":")
        if key == "SF":
            name, lines, branches = value, {}, {}
        elif key == "DA":
            number, hits = value.split(",")[:2]
            lines[int(number)] = lines.get(int(number), 0) + int(hits)
        elif key == "BRDA":
            number, _, rest = value.partition(",")
            taken = rest.rpartition(",")[2]
            branches.setdefault(int(number), []).append(taken not in ("-", "0"))
        elif record == "end_of_record":
            taken_all = {number: tuple(taken) for number, taken in branches.items()}
            found[name] = FileCoverage(dict(lines), taken_all)
    return found


def totals(measured: Iterable[FileCoverage]) -> Covered:
    """Return what share of all lines and of all branches was run, in percent."""
    lines = hit = branches = taken = 0
    for file in measured:
        lines += len(file.lines)
        hit += sum(1 for hits in file.lines.values() if hits)
        branches += sum(len(each) for each in file.branches.values())
        taken += sum(sum(each) for each in file.branches.values())
    return Covered(
        lines=100 * hit / lines if lines else 100.0,
        branches=100 * taken / branches if branches else None,
    )


def shortfall(covered: Covered, gate: Coverage) -> list[str]:
    """Return in what the coverage stays below the gate; nothing when it does not.

    >>> shortfall(Covered(79.96, 91.0), Coverage(lines=80.0, branches=90.0))
    ['lines 79.96 % of 80 %']
    """
    measured = {"lines": covered.lines, "branches": covered.branches}
    wanted = {"lines": gate.lines, "branches": gate.branches}
    return [
        f"{kind} {_floor(share)} % of {wanted[kind]:g} %"
        for kind, share in measured.items()
        if share is not None and share < wanted[kind]
    ]


def missed_lines(
    measured: Mapping[str, FileCoverage], changed: Set[str]
) -> list[tuple[str, str, bool]]:
    """Return (file, missed lines, whether it was changed): changed files first,
    then those with the most missed lines. Only the first SHOWN_FILES are given."""
    missed = [(name, file.missed) for name, file in measured.items() if file.missed]
    missed.sort(key=lambda each: (each[0] not in changed, -len(each[1]), each[0]))
    return [
        (name, ranges(lines), name in changed) for name, lines in missed[:SHOWN_FILES]
    ]


def ranges(numbers: list[int]) -> str:
    """Return line numbers as people write them.

    >>> ranges([3, 4, 5, 9])
    '3-5, 9'
    """
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    shown = [f"{a}" if a == b else f"{a}-{b}" for a, b in found[:SHOWN_RANGES]]
    rest = len(found) - SHOWN_RANGES
    return ", ".join(shown) + (f" and {rest} more places" if rest > 0 else "")


def read(path: Path) -> dict[str, FileCoverage]:
    """Return the coverage in the lcov file ``path``; nothing when it is not there."""
    return read_lcov(path.read_text(encoding="utf-8")) if path.exists() else {}


def _floor(share: float) -> str:
    """Return a percentage that is never rounded up to the gate it has missed."""
    return re.sub(r"\.?0+$", "", f"{int(round(share * 100, 6)) / 100:.2f}")
