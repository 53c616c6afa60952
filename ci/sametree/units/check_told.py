"""What did the check of the migrations find, and how is it told?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from sametree import terminal
from sametree.database import check_report, safety
from sametree.database.check_report import Heard, Known, Result
from sametree.database.phases import Said, Waiver
from sametree.database.safety import Finding
from sametree.errors import UnitFailed
from sametree.settings import Database
from sametree.units.work import Work


@dataclass
class History:
    """A component's migrations: what they are, what they say of themselves, what is
    known of them, and how to run them."""

    work: Work
    env: Mapping[str, str]
    config: str
    driver: str | None
    revisions: tuple[Known, ...] = ()
    folder: Path = Path()
    said: dict[str, Said] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    results: dict[str, Result] = field(default_factory=dict)

    @property
    def settings(self) -> Database:
        """The settings of the database."""
        told = self.work.project.settings.database
        return told or Database(component=self.work.component.name)

    @property
    def judged(self) -> list[Known]:
        """The revisions after the baseline, in the order in which they run."""
        below = {each.revision: each.below for each in self.revisions}
        left_out: set[str] = set()
        asked = [self.settings.baseline] if self.settings.baseline else []
        while asked:
            name = asked.pop()
            if name not in left_out:
                left_out.add(name)
                asked += below[name]
        return [each for each in self.revisions if each.revision not in left_out]


def refuse_heads(heard: Heard) -> None:
    if len(heard.heads) < 2:
        return
    by_id = {each.revision: each.file for each in heard.history}
    listed = "\n".join(f"  {head}  {by_id[head]}" for head in heard.heads)
    raise UnitFailed(
        f"the migrations have {len(heard.heads)} heads, so their order is open:\n{listed}",
        "set down_revision of the later one to the other, or run"
        f" `alembic merge -m 'merge' {' '.join(heard.heads)}`",
    )


def refuse_mistakes(history: History) -> None:
    """Refuse waivers without a reason, unknown rules and unknown phases."""
    base = history.work.component.path
    found = [
        (each.file, line, text)
        for each in history.judged
        for line, text in history.said[each.revision].problems
    ]
    for file, line, text in found[: terminal.ANNOTATIONS]:
        if terminal.on_github():
            terminal.annotate((Path(base) / file).as_posix(), line, "migration", text)
    if found:
        listed = "\n".join(f"  {file}:{line}  {text}" for file, line, text in found)
        raise UnitFailed(
            f"what these migrations say of themselves cannot be used:\n{listed}",
            f"the rules are {', '.join(safety.RULES)}; see docs/migrations.md",
        )


def problems(history: History, heard: Heard) -> list[tuple[str, str]]:
    """Return what is wrong with the history as a whole: problem, cure."""
    found = []
    if heard.failed:
        found.append(failure(heard.failed))
    if heard.drift:
        found.append(
            (
                f"models and database differ: {heard.drift}",
                "write the migration, e.g. alembic revision --autogenerate",
            )
        )
    if heard.agreed:
        terminal.say("  models and database agree")
    told = [
        history.results[each.revision]
        for each in history.judged
        if each.revision in history.results
    ]
    # What one revision does not restore is told there.
    if not any(each.down or each.down_failed or each.again_failed for each in told):
        if failed := heard.way_back.get("failed"):
            text = f"on the way back, the downgrade of {failed} fails:"
            found.append((f"{text} {heard.way_back['error']}", ""))
        elif changes := heard.way_back.get("differences"):
            listed = msgspec.convert(changes, list[check_report.Change])
            text = "; ".join(check_report.sentence(each) for each in listed)
            where = history.settings.baseline or "nothing"
            found.append((f"after the downgrade to {where} {text}", ""))
    return found


def failure(told: Mapping[str, Any]) -> tuple[str, str]:
    """Return the words for a migration that does not run at all."""
    place = (
        f"{told['file']}:{told['line']}" if told.get("line") else told.get("file", "")
    )
    text = f"migration {told.get('revision', '')} fails at {place}: {told['error']}"
    if told.get("statement"):
        statement = told["statement"].replace("\n", "\n    ")
        text += f"\n  the statement:\n    {statement}"
    return text, "mend the migration"


def tell(history: History, problems: Sequence[tuple[str, str]]) -> None:
    """Show what stands and what is waived; raise UnitFailed when something stands."""
    work = history.work
    standing: list[Finding] = []
    waived = 0
    for each in history.judged:
        if (found := history.results.get(each.revision)) is None:
            continue
        said = history.said[each.revision]
        listed = check_report.findings(found, said)
        stand, allowed, unused = check_report.judge(listed, said.waivers)
        waived += len(allowed)
        for finding in stand:
            _show(work, finding)
        _notes(history, found, unused)
        standing += stand
    for problem, cure in problems:
        terminal.say(f"  {terminal.mark('failed')} {problem}")
        if cure:
            terminal.say(f"    -> {cure}")
        work.failing.append(problem)
    if standing or problems:
        count = len(standing) + len(problems)
        what = f"{count} thing{'' if count == 1 else 's'} to mend in the migrations"
        raise UnitFailed(
            what,
            (
                "mend them, or allow one with a reason, in its file:"
                " `# sametree: allow RULE: reason` (docs/migrations.md)"
                if standing
                else ""
            ),
        )
    note = f"{revisions(len(history.judged))}: up, down, up; no drift"
    work.notes.append(note + (f"; {waived} waived" if waived else ""))


def _show(work: Work, finding: Finding) -> None:
    place = f"{finding.file}:{finding.line}"
    why = safety.RULES[finding.rule]
    terminal.say(f"  {terminal.mark('failed')} {place}  {finding.rule}: {why}")
    terminal.say(f"      {finding.text}")
    terminal.say(f"      -> {finding.cure}")
    work.failing += [f"{place}  {finding.rule}", f"  {finding.text}"]
    if terminal.on_github() and len(work.failing) <= 2 * terminal.ANNOTATIONS:
        file = (Path(work.component.path) / finding.file).as_posix()
        text = f"{finding.text}\n{finding.cure}"
        terminal.annotate(file, finding.line, finding.rule, text)


def _notes(history: History, found: Result, unused: Sequence[Waiver]) -> None:
    """Say what is worth knowing of a revision, and hurts nobody."""
    told = found.figures
    notes = [*told.notes]
    if found.reordered:
        tables = ", ".join(found.reordered)
        notes.append(
            f"after the downgrade the columns of {tables} are in another order"
        )
    notes += [
        f"line {each.line}: nothing needs the waiver of {each.rule} any more"
        for each in unused
    ]
    for note in notes:
        terminal.say(f"  {terminal.colour('note:', 'yellow')} {told.revision}: {note}")


def revisions(number: int) -> str:
    return f"{number} revision{'' if number == 1 else 's'}"
