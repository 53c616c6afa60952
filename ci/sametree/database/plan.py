"""What will a migration of an environment do? The plan that is printed is what runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from sametree import terminal
from sametree.database import phases
from sametree.database.measured import Phase, Revision, Statement, Table, stronger
from sametree.digests import digest
from sametree.errors import UsageError
from sametree.settings.decode import nearest

SHOWN = 12
"""Statements of a revision that are shown; of a longer text, this many characters:"""
TEXT_MOST = 200
SHARE = 0.25
"""Who reads or writes this share of a table does more where there are more rows."""


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """A revision that the database lacks: ``file`` is relative to the component's
    folder, ``digest`` its SHA-256, ``down`` what it follows."""

    revision: str
    title: str
    file: str
    digest: str
    down: tuple[str, ...] = ()
    phase: Phase = "expand"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What runs, in this order, and what waits, with the reason.

    ``rows`` has the size of each table of the real database, where its server knows it;
    ``figures`` what each revision did on generated rows. ``lock_timeout`` and
    ``patience`` are in seconds; ``server_version`` is the major one.
    """

    environment: str
    where: str
    server: str
    at: tuple[str, ...]
    server_version: int = 0
    steps: tuple[Pending, ...] = ()
    waiting: tuple[Pending, ...] = ()
    reason: str = ""
    lock_timeout: float = 2.0
    patience: float = 300.0
    rows: Mapping[str, int] = {}
    figures: tuple[Revision, ...] = ()
    unmeasured: str = ""

    @property
    def digest(self) -> str:
        """A name for all that the plan does (not for how long it may take)."""
        told = (self.environment, self.where, self.at, self.steps)
        return digest(msgspec.json.encode(told))[:16]

    @property
    def contracts(self) -> tuple[Pending, ...]:
        """The revisions that may drop data."""
        return tuple(each for each in self.steps if each.phase == "contract")

    def program(self) -> str:
        """Return the JSON that ``sametree_migrate apply`` runs."""
        told = {
            "revisions": {each.revision: each.digest for each in self.steps},
            "lock_timeout": self.lock_timeout,
            "patience": self.patience,
            "environment": self.environment,
            "plan": self.digest,
        }
        return msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n"

    def lines(self) -> list[str]:
        """Return the plan for people."""
        at = ", ".join(self.at) or "nothing"
        lines = [f"{self.environment}: {self.where}", f"  {self.server}"]
        if not self.steps:
            newest = "; nothing to run" if self.waiting else ", the newest"
            return [*lines, f"  at {at}{newest}", *self.waits()]
        count = f"{len(self.steps)} migration{'' if len(self.steps) == 1 else 's'}"
        lines.append(f"  at {at}; {count} to run, plan {self.digest}:")
        known = {each.revision: each for each in self.figures}
        for step in self.steps:
            lines.append(f"    {step.revision}  {step.phase:<8}  {step.title}")
            if found := known.get(step.revision):
                lines += _statements(found, self.rows)
        return [*lines, *self.waits(), *self._expected()]

    def waits(self) -> list[str]:
        """Return what is not run, and why, for people."""
        lines = [
            f"    {each.revision}  {each.phase:<8}  {each.title}"
            for each in self.waiting
        ]
        return [f"  waits: {self.reason}", *lines] if lines else []

    def _expected(self) -> list[str]:
        lines = []
        if self.figures:
            seconds = sum(expected(each, self.rows) for each in self.figures)
            size = max(each.size for each in self.figures)
            lines.append(
                f"  expected: about {terminal.duration(seconds)} of work (measured on"
                f" {size:,} rows a table, scaled to the rows there are)"
            )
        if self.unmeasured:
            lines.append(f"  not measured: {self.unmeasured}")
        lines.append(
            f"  a lock is waited for {terminal.duration(self.lock_timeout)} at most, then"
            f" traffic goes first; this for {terminal.duration(self.patience)} in all"
        )
        return lines


def phase_of(file: Path) -> Phase:
    """Return the phase that a migration file names, read without running it.

    Raises UsageError when it names another than the two that there are.
    """
    said = phases.read(file, file.parent, file.parent, ())
    for line, text in said.problems:
        if text.startswith("phase"):
            raise UsageError(
                f"{file.name}, line {line}: {text}",
                'write phase = "contract", or leave it out',
            )
    return said.phase


def pending(told: Sequence[Mapping[str, Any]], folder: Path) -> list[Pending]:
    """Return the revisions that the event ``state`` lists; files are below ``folder``."""
    found = [msgspec.convert(each, Pending) for each in told]
    return [
        msgspec.structs.replace(each, phase=phase_of(folder / each.file))
        for each in found
    ]


def chosen(
    lacking: Sequence[Pending], known: Sequence[str], to: str, *, contract: bool
) -> tuple[list[Pending], list[Pending], str]:
    """Return which of the ``lacking`` revisions run, which wait, and why these do.

    ``to`` is a revision or the beginning of its name; empty means the newest. Without
    ``contract`` the first contracting revision, and all after it, wait. Raises
    UsageError when ``to`` is none of the ``known`` ones.
    """
    wanted = list(lacking)
    reason = ""
    if to:
        target = _named(to, known)
        inside = _below(target, lacking)
        wanted = [each for each in lacking if each.revision in inside]
        reason = f"after {target}, where --to stops"
    first = next((i for i, e in enumerate(wanted) if e.phase == "contract"), None)
    if first is not None and not contract:
        name = wanted[first].revision
        wanted = wanted[:first]
        reason = (
            f"{name} contracts: it takes away what the old code may still use. Once no"
            " environment's code needs it, run this again with --contract"
        )
    run = {each.revision for each in wanted}
    return wanted, [each for each in lacking if each.revision not in run], reason


def expected(figures: Revision, rows: Mapping[str, int]) -> float:
    """Return how many seconds a revision may take on tables with ``rows`` rows."""
    return sum(seconds(each, rows) for each in grouped(figures.statements))


def seconds(statement: Statement, rows: Mapping[str, int]) -> float:
    """Return how many seconds a statement may take: what reads or writes a large share
    of a table takes the longer the more rows there are; the rest does not."""
    scale = 1.0
    for table in statement.tables:
        known = rows.get(table.name, -1)
        large = table.read + table.written >= SHARE * table.rows
        if (table.work or large) and table.rows and known >= 0:
            scale = max(scale, known / table.rows)
    return statement.seconds * scale


def grouped(statements: Iterable[Statement]) -> list[Statement]:
    """Return the statements with those that differ in numbers only, as the batches of a
    backfill do, as one: in all as long, as often, on as many rows."""
    found: dict[str, Statement] = {}
    for each in statements:
        key = re.sub(r"\d+", "0", each.sql)
        known = found.get(key)
        found[key] = each if known is None else _both(known, each)
    return list(found.values())


def _both(one: Statement, other: Statement) -> Statement:
    tables = {table.name: table for table in one.tables}
    for table in other.tables:
        if known := tables.get(table.name):
            table = msgspec.structs.replace(
                table,
                lock=stronger(known.lock, table.lock),
                held=stronger(known.held, table.held),
                rows=max(known.rows, table.rows),
                read=known.read + table.read,
                written=known.written + table.written,
                work=tuple(dict.fromkeys(known.work + table.work)),
            )
        tables[table.name] = table
    return msgspec.structs.replace(
        one,
        seconds=one.seconds + other.seconds,
        times=one.times + other.times,
        tables=tuple(tables.values()),
    )


def _named(to: str, known: Sequence[str]) -> str:
    if to in known:
        return to
    beginning = [each for each in known if each.startswith(to)]
    if len(beginning) == 1:
        return beginning[0]
    problem = "more than one revision begins so" if beginning else "there is none such"
    raise UsageError(f"--to {to}: {problem}", nearest(to, known, "revisions"))


def _below(target: str, lacking: Iterable[Pending]) -> set[str]:
    """Return the names of ``target`` and of all that it rests on."""
    down = {each.revision: each.down for each in lacking}
    found, open_now = set(), [target]
    while open_now:
        each = open_now.pop()
        if each not in found:
            found.add(each)
            open_now += down.get(each, ())
    return found


def _statements(figures: Revision, rows: Mapping[str, int]) -> list[str]:
    """Return what a revision does, for people."""
    lines = []
    groups = grouped(figures.statements)
    for each in groups[:SHOWN]:
        text = re.sub(r"\s+", " ", each.sql).strip()
        text = text if len(text) <= TEXT_MOST else f"{text[:TEXT_MOST]} …"
        times = f"  × {each.times}" if each.times > 1 else ""
        lines.append(f"        {text}{times}")
        touched = [_touched(table, rows) for table in each.tables]
        lines.append(f"            {'; '.join([_time(seconds(each, rows)), *touched])}")
    if (more := len(groups) - SHOWN) > 0:
        lines.append(f"        and {more} more")
    return lines + [f"        note: {note}" for note in figures.notes]


def _touched(table: Table, rows: Mapping[str, int]) -> str:
    known = rows.get(table.name, -1)
    size = f" of about {known:,} rows" if known >= 0 else ""
    blocks = f", blocks {table.blocks}" if table.blocks else ""
    work = f", {' and '.join(table.work)}" if table.work else ""
    lock = table.lock or (
        f"{table.held}, held since before," if table.held else "no lock"
    )
    return f"{lock} on {table.name}{size}{blocks}{work}"


def _time(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else terminal.duration(value)
