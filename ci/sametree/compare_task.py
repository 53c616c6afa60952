"""What does ``invoke compare`` show, and with which exit code does it end?"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from sametree import differences, terminal
from sametree.differences import Difference
from sametree.errors import FAILURE, UsageError
from sametree.records import Record
from sametree.settings import Project


def run(
    project: Project,
    left: str = "",
    right: str = "",
    *,
    unit: str = "",
    folder: str = "",
    full: bool = False,
    shared: Callable[[], Iterable[Record]] = tuple,
) -> int:
    """Print how two runs differ; return 0 when they are the same in all that must
    match and in their results, else 1.

    ``left`` and ``right`` name the runs (see ``insight.sides``), ``unit`` the only unit
    to compare, ``folder`` one with downloaded records; ``shared`` returns the records
    that came from others. Raises UsageError when there is nothing to compare.
    """
    from sametree.insight.compare import compare_runs, screen, sides

    if folder and not Path(folder).is_dir():
        raise UsageError(f"there is no folder {folder}")
    known = sides.Known(project.root, project.state, shared, folder, unit)
    one, other = known.two(left, right)
    found = compare_runs(
        one.records, other.records, explainer(project.root), known.proof
    )
    if not found.verdicts:
        raise UsageError(
            "no unit ran on both sides: one had"
            f" {_some(found.only_left)}, the other {_some(found.only_right)}",
            "compare runs that have a unit in common, or run it here first",
        )
    left_side, right_side = (
        screen.Heading(
            side.records, sides.changed(project.root, side.records), side.notes
        )
        for side in (one, other)
    )
    width = shutil.get_terminal_size((80, 24)).columns
    for line in screen.lines(found, left_side, right_side, width=width, full=full):
        terminal.say(line)
    return 0 if found.same else FAILURE


def explainer(root: Path) -> Callable[[Difference, Record, Record], Difference]:
    """Return what names the files and packages of a difference, by the git at ``root``."""

    def explain(difference: Difference, left: Record, right: Record) -> Difference:
        parts = (left.parts, right.parts)
        at = (left.tree, right.tree, left.revision, right.revision)
        return differences.explained(root, difference, parts, at)

    return explain


def _some(units: tuple[str, ...]) -> str:
    from sametree.insight.compare import columns, sentences

    return columns.clean(sentences.listed(units))
