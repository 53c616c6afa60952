"""What did the check of a history tell, and what of it has to be mended?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from sametree.database import safety
from sametree.database.measured import Revision, Statement, Table
from sametree.database.phases import Said, Waiver
from sametree.database.safety import Finding
from sametree.database.squawk import Remark

MARK = "\x1e"


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """One revision of the history: its id, title, file (in the component's folder), and
    those that run before it."""

    revision: str
    title: str = ""
    file: str
    below: tuple[str, ...] = ()


class Change(msgspec.Struct, frozen=True):
    """Something in the catalogue that is not as it was (see ``inside/…/catalogue``)."""

    kind: str
    name: str
    change: str
    before: str = ""
    after: str = ""
    text: str = ""


class Failure(msgspec.Struct, frozen=True):
    """How a migration failed: what the server said, on which statement, at which line."""

    error: str
    statement: str = ""
    line: int = 0


class Result(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that was found out about one revision, as it is kept for the next run."""

    figures: Revision
    down: tuple[Change, ...] = ()
    again: tuple[Change, ...] = ()
    reordered: tuple[str, ...] = ()
    down_failed: Failure | None = None
    again_failed: Failure | None = None
    on_rows: Failure | None = None
    remarks: tuple[Remark, ...] = ()


class Heard(msgspec.Struct):
    """What a run of ``sametree_check`` has told so far; ``other`` is all else it said."""

    results: dict[str, dict[str, Any]] = {}
    history: tuple[Known, ...] = ()
    heads: tuple[str, ...] = ()
    folder: str = ""
    failed: dict[str, Any] = {}
    drift: str = ""
    agreed: bool = False
    way_back: dict[str, Any] = {}
    other: list[str] = []

    def take(self, line: str) -> dict[str, Any]:
        """Take a line of output; return the event that it is, if any."""
        if not line.startswith(MARK):
            self.other.append(line)
            return {}
        event: dict[str, Any] = json.loads(line[1:])
        match event["event"]:
            case "history":
                self.history = msgspec.convert(event["revisions"], tuple[Known, ...])
                self.heads, self.folder = tuple(event["heads"]), event["folder"]
            case "measured":
                self.results[event["revision"]] = event
            case "failed" | "broken":
                self.failed = event
            case "drift":
                self.drift = event["text"]
            case "no drift":
                self.agreed = True
            case "way back":
                self.way_back = event
        return event


def result(event: Mapping[str, Any], said: Said) -> Result:
    """Return what an event of a measured revision tells."""
    statements = tuple(
        Statement(
            sql=each["sql"],
            seconds=round(each["seconds"], 4),
            line=each["line"],
            transaction=each["transaction"],
            autocommit=each["autocommit"],
            times=each["times"],
            tables=msgspec.convert(each["tables"], tuple[Table, ...]),
        )
        for each in event["statements"]
    )
    figures = Revision(
        revision=event["revision"],
        title=event["title"],
        phase=said.phase,
        file=event["file"],
        size=event["size"],
        seconds=round(event["seconds"], 4),
        down_seconds=round(event.get("down_seconds", 0.0), 4),
        statements=statements,
        notes=tuple(event.get("notes", ())),
    )
    rest = {name: event[name] for name in KEPT if event.get(name)}
    return msgspec.convert({"figures": msgspec.to_builtins(figures), **rest}, Result)


KEPT = ("down", "again", "reordered", "down_failed", "again_failed", "on_rows")


def findings(found: Result, said: Said) -> list[Finding]:
    """Return all that is wrong with a revision, waived or not."""
    told = found.figures
    about = {"revision": told.revision, "file": told.file}
    listed = [*safety.of_statements(told, found.remarks)]
    listed += _irreversible(found, said, about)
    if found.on_rows:
        text = f"{safety.short(found.on_rows.statement)} fails: {found.on_rows.error}"
        line = found.on_rows.line or said.upgrade
        cure = "let it run on tables with rows: fill what is required first"
        listed.append(
            Finding(rule="fails-on-rows", line=line, text=text, cure=cure, **about)
        )
    for module, line in said.imports:
        text = f"it imports {module}, which will say other things in a year"
        cure = "write out the tables and columns that it needs, with sa.table()"
        rule = "imports-application"
        listed.append(Finding(rule=rule, line=line, text=text, cure=cure, **about))
    return sorted(listed, key=lambda each: each.line)


def _irreversible(
    found: Result, said: Said, about: Mapping[str, str]
) -> Iterator[Finding]:
    """Yield one finding about the way back, with all that it does not restore."""
    name, parts = about["revision"], []
    cure = "take back in downgrade() all that upgrade() does"
    line = said.downgrade
    if found.down_failed:
        parts = [f"the downgrade of {name} fails: {found.down_failed.error}"]
        line = found.down_failed.line or line
    elif found.down:
        parts = [f"after the downgrade of {name} {_listed(found.down)}"]
    elif found.again_failed:
        error = found.again_failed.error
        parts = [f"after up and down, {name} does not run up again: {error}"]
    elif found.again:
        parts = [f"after up, down, up of {name} {_listed(found.again)}"]
    for text in parts:
        told = {**about, "line": line, "text": text, "cure": cure}
        yield msgspec.convert({"rule": "irreversible", **told}, Finding)


def _listed(changes: Sequence[Change]) -> str:
    return "; ".join(sentence(each) for each in changes)


def sentence(change: Change) -> str:
    """Return what became of something, as the end of a sentence."""
    thing = f"the {change.kind} {change.name}"
    match change.change:
        case "added":
            return f"{thing} is still there"
        case "removed":
            return f"{thing} is missing"
        case "nullability" | "state":
            return f"{thing} was {change.before} and is {change.after}"
    return (
        f"the {change.change} of {thing} was {_shown(change.before)}"
        f" and is {_shown(change.after)}"
    )


def _shown(value: str) -> str:
    flat = " ".join(value.split())
    return (flat if len(flat) <= 200 else f"{flat[:199]}…") or "nothing"


def judge(
    found: Iterable[Finding], waivers: Sequence[Waiver]
) -> tuple[list[Finding], list[tuple[Finding, Waiver]], list[Waiver]]:
    """Return the findings that stand, those that are waived, and the waivers that
    nothing needed."""
    by_rule = {each.rule: each for each in waivers}
    stand, waived = [], []
    for each in found:
        if waiver := by_rule.get(each.rule):
            waived.append((each, waiver))
        else:
            stand.append(each)
    used = {waiver.rule for _, waiver in waived}
    return stand, waived, [each for each in waivers if each.rule not in used]


def row(told: Revision) -> str:
    """Return the line of a revision: time, id, title, and what is notable about it."""
    tables = {
        t.name: t for s in told.statements for t in s.tables if t.blocks and t.lock
    }
    shown = [f"{_mode(each.held)} on {name}" for name, each in sorted(tables.items())]
    rewritten = {
        t.name for s in told.statements for t in s.tables if "rewrite" in t.work
    }
    shown += [f"writes {name} anew" for name in sorted(rewritten)]
    milliseconds = f"{told.seconds * 1000:.0f} ms"
    end = f"  ({'; '.join(shown)})" if shown else ""
    return f"up   {milliseconds:>8}  {told.revision}  {told.title}{end}"


def _mode(mode: str) -> str:
    return mode.removesuffix("Lock")
