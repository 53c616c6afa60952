"""How does a comparison of two runs fit on one screen, the likely cause first?"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

import msgspec

from sametree import terminal
from sametree.insight.compare import causes, sentences
from sametree.insight.compare.columns import Row, clean, cut, moment, sign_of, table
from sametree.insight.compare.runs import Comparison, Finding, Verdict, where, why
from sametree.insight.compare.sentences import PHRASES
from sametree.records import Record

LINES = 24
"""What fits on a screen; of what is more the number is told."""
WIDTHS = (76, 120)
"""A line is set for no narrower, and no wider, terminal."""
TIMES, VALUES = 2, 3
"""Times, and values of what may differ, that are shown unless all is asked for."""
TO_COPY = "  -> "
CAUSE_LINES = 3
FEWEST = (2, 2)
"""Rows that each section of the table has at least, if it has as many."""


class Heading(msgspec.Struct, frozen=True):
    """What is known of one side as a whole; ``changes`` is whether it ran with changes
    that were not committed, None where git cannot say."""

    records: Sequence[Record]
    changes: bool | None = None
    notes: Sequence[str] = ()


class Size(msgspec.Struct, frozen=True):
    """How much of each is shown; None is all."""

    width: int
    lines: int | None = LINES
    causes: int | None = None
    notes: int | None = None
    may_differ: int = 2


SIZES = ((2, 2, 2), (2, 1, 1), (1, 1, 0))
"""Causes, notes, and lines of what may differ: the first that fits on a screen."""


def lines(
    found: Comparison,
    left: Heading,
    right: Heading,
    *,
    width: int = 80,
    full: bool = False,
) -> list[str]:
    """Return a comparison as lines of at most ``width`` columns.

    They fit on a screen, unless all is asked for (``full``). Only what is to be copied
    may be wider.
    """
    width = min(max(width, WIDTHS[0]), WIDTHS[1])
    if full:
        return _sized(found, left, right, Size(width, None))
    shown: list[str] = []
    for causes_, notes, may in SIZES:
        shown = _sized(found, left, right, Size(width, LINES, causes_, notes, may))
        if _height(shown, width) <= LINES:
            break
    return shown


def _sized(found: Comparison, left: Heading, right: Heading, size: Size) -> list[str]:
    top = [*_headings(found, left, right, size.width), "", _verdict(found)]
    top += _causes(found, size)
    notes = _notes(found, left, right)[: size.notes]
    bottom = [cut(f"  note: {clean(note)}", size.width) for note in notes]
    bottom = ["", *bottom] if bottom else []
    room = size.lines and size.lines - _height(top, size.width) - len(bottom)
    return [*top, *_table(found, size, room), *bottom]


def _height(shown: Sequence[str], width: int) -> int:
    """Return how many lines of a terminal ``shown`` takes: commands are never cut."""
    wide = [line for line in shown if line.startswith(TO_COPY)]
    return len(shown) + sum((len(line) - 1) // width for line in wide)


def _headings(
    found: Comparison, left: Heading, right: Heading, width: int
) -> Iterator[str]:
    rows = []
    for name, side in ((found.names.left, left), (found.names.right, right)):
        newest = max(side.records, key=lambda record: record.started)
        commit = newest.revision[:8] or "no commit"
        changes = " and changes" if side.changes else ""
        runs = list(dict.fromkeys(record.run for record in side.records))
        more = f" +{len(runs) - 1}" if len(runs) > 1 else ""
        count = f"{len(side.records)} unit{'s' * (len(side.records) != 1)}"
        when = moment(newest.started)
        rows.append([name, newest.run + more, when, commit + changes, count])
    for line in terminal.table([[clean(cell) for cell in row] for row in rows]):
        yield cut(line, width)


def _verdict(found: Comparison) -> str:
    count, must = len(found.verdicts), len(found.must)
    bad = sum(1 for each in found.verdicts if each.differs)
    units = f"{count} unit{'s' * (count != 1)}"
    many = must != 1
    differ = f"{must} thing{'s' * many} that must match differ{'s' * (not many)}"
    if found.same:
        told = f"{units}: the same results, and all that must match does"
        return f"  {terminal.mark('passed')} {terminal.colour(told, 'green')}"
    if not bad:
        told = f"{units}: the same results, but {differ}"
        return f"  {terminal.colour('!', 'yellow')} {terminal.colour(told, 'yellow')}"
    rest = differ if must else "all that must match does"
    told = f"{bad} of {units} ended differently; {rest}"
    return f"  {terminal.mark('failed')} {terminal.colour(told, 'red')}"


def _causes(found: Comparison, size: Size) -> list[str]:
    if found.same:
        return []
    drift = not any(each.differs for each in found.verdicts)
    head = "No result suffers yet; in {}: " if drift else "Likely cause in {}: "
    shown = [""]
    for cause in causes.likely(found)[: size.causes]:
        units = cause.units or (cause.finding.units if cause.finding else ())
        named = head.format(clean(where(units, found.units)))
        wrapped = textwrap.wrap(
            named + clean(cause.text),
            size.width - 2,
            break_on_hyphens=False,
            max_lines=CAUSE_LINES if size.lines else None,
            placeholder=" ...",
        )
        if wrapped[0].startswith(named):
            wrapped[0] = terminal.colour(named, "bold") + wrapped[0][len(named) :]
        shown += [f"  {line}" for line in wrapped]
        if cause.cure:
            shown.append(f"{TO_COPY}{clean(cause.cure)}")
        head = "Another in {}: "
    return shown


def _notes(found: Comparison, left: Heading, right: Heading) -> list[str]:
    notes = [*left.notes, *right.notes]
    names = found.names
    for side, units in ((names.left, found.only_left), (names.right, found.only_right)):
        if units:
            notes.append(f"{sentences.listed(units)} ran {PHRASES[side]} only")
    return notes


def _table(found: Comparison, size: Size, room: int | None) -> list[str]:
    """Return what must match, what may differ, and the results; all, without ``room``."""
    may = [] if room is None else _may_differ(found, size)
    sections = {
        "must match": [_row(found, each) for each in causes.ranked(found)],
        "may differ": _allowed(found) if room is None else [],
        "results": _results(found, full=room is None),
    }
    sections = {title: rows for title, rows in sections.items() if rows}
    counts = [len(rows) for rows in sections.values()]
    if room is not None:
        counts = _shares(counts, room - 1 - len(may) - len(sections))
    chosen: list[Row] = []
    ends: list[int] = []
    for (title, rows), count in zip(sections.items(), counts, strict=True):
        names = (found.names.left, found.names.right)
        chosen.append(Row("", (title, *names, ""), "grey"))
        chosen += rows if count >= len(rows) else _cut_off(rows, count)
        ends.append(len(chosen))
    shown = list(table(chosen, size.width))
    blocks = [shown[a:b] for a, b in zip([0, *ends], ends, strict=False)]
    blocks = [block for block in [*blocks[:-1], may, blocks[-1]] if block]
    airy = room is None or sum(map(len, blocks)) + len(blocks) <= room
    return [
        line
        for number, block in enumerate(blocks)
        for line in ([""] if airy or number == 0 else []) + block
    ]


def _shares(counts: Sequence[int], room: int) -> list[int]:
    """Return how many rows each section gets: its fewest, then what is left, in turn.

    >>> _shares([10, 4], 9), _shares([10, 2], 9), _shares([1, 1], 9)
    ([7, 2], [7, 2], [1, 1])
    """
    shares = [min(count, few) for count, few in zip(counts, FEWEST, strict=False)]
    for place, count in enumerate(counts):
        shares[place] += min(count - shares[place], max(0, room - sum(shares)))
    return shares


def _cut_off(rows: Sequence[Row], count: int) -> list[Row]:
    more = len(rows) - count + 1
    return [*rows[: count - 1], Row("", (f"and {more} more: --full", "", "", ""))]


def _row(found: Comparison, finding: Finding) -> Row:
    cells = sentences.row(finding.difference)
    place = where(finding.units, found.units)
    return Row(sign_of("failed"), (*_values(cells), place), "red")


def _may_differ(found: Comparison, size: Size) -> list[str]:
    """Return what may differ in a line or two: values of what matters, other names."""
    told: list[str] = []
    names: list[str] = []
    for each in causes.ranked_allowed(found):
        what, old, new = sentences.row(each.difference)
        if each.difference.kind in ("ambient", "litter"):
            names.append(each.difference.name)
        elif len(told) < VALUES:
            # Not to be broken at these spaces.
            told.append(clean(f"{what} {old or '-'} | {new or '-'}").replace(" ", "\0"))
        else:
            names.append(what)
    if not size.may_differ or not (told or names):
        return []
    text = "; ".join([*told, *([clean(", ".join(names))] if names else [])])
    wrapped = textwrap.wrap(
        text,
        size.width,
        initial_indent="    may differ  ",
        subsequent_indent=" " * 16,
        max_lines=size.may_differ,
        placeholder=" ...",
        break_on_hyphens=False,
    )
    return [terminal.colour(line.replace("\0", " "), "grey") for line in wrapped]


def _allowed(found: Comparison) -> list[Row]:
    return [
        Row(
            sign_of("running"),
            (*_values(sentences.row(each.difference)), where(each.units, found.units)),
            "grey",
        )
        for each in causes.ranked_allowed(found)
    ]


def _results(found: Comparison, *, full: bool) -> list[Row]:
    rows = [_result(each) for each in found.verdicts if each.differs]
    alike = [each for each in found.verdicts if not each.differs]
    if alike:
        proven = sum(1 for each in alike if any(each.proven))
        what = f"{len(alike)} {'other ' * bool(rows)}unit{'s' * (len(alike) != 1)}"
        words = {each.words[0] for each in alike}
        result = words.pop() if len(words) == 1 else "the same"
        told = f"{proven} proven before" if proven else ""
        rows.append(Row(sign_of("passed"), (what, result, result, told), "green"))
    slower = [each for each in alike if each.ratio]
    for each in sorted(slower, key=lambda each: -each.ratio)[: None if full else TIMES]:
        old, new = (terminal.duration(r.seconds) for r in (each.left, each.right))
        cells = (f"time of {each.unit}", old, new, f"{each.ratio:.1f} times")
        rows.append(Row(sign_of("running"), cells, "grey"))
    return rows


def _result(verdict: Verdict) -> Row:
    left, right = verdict.words
    return Row(sign_of("failed"), (verdict.unit, left, right, why(verdict)), "red")


def _values(cells: tuple[str, str, str]) -> tuple[str, str, str]:
    what, left, right = cells
    return what, left or "-", right or "-"
