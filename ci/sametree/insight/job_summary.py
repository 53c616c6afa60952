"""What does a CI job tell on its page, to people who will not read the log?

GitHub shows the Markdown that a job appends to the file $GITHUB_STEP_SUMMARY (docs:
workflow commands, "Adding a job summary"; at most 1 MiB a step).

What units say is not ours: names of tests, messages, findings. In tables it is escaped,
all else stands in fenced code, which nothing in it can end.
"""

from __future__ import annotations

import html
import os
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from sametree import masking, terminal
from sametree.insight.summary import WORDS
from sametree.records import Record

VARIABLE = "GITHUB_STEP_SUMMARY"
MOST = 1 << 20
"""Bytes; of a summary that is longer GitHub shows nothing."""
LINES = 50
"""Lines of a reason that are shown, and columns of each."""
COLUMNS = 300
DETAILED = 20
"""Units that did not pass that are shown at length; in the table are all."""
ROWS = 500
SIGNS = {
    "success": "✅",
    "failure": "❌",
    "error": "⚠️",
    "cancellation": "⏹️",
    "timeout": "⏱️",
    "skip": "⏭️",
}
MARKUP = re.compile(r"[\\`*_\[\]()#.|~@$:]")


def of_run(records: Sequence[Record], wall: float | None = None) -> str:
    """Return a run's summary as Markdown; ``wall`` is how long it took, in seconds."""
    told = [f"### {_headline(records, wall)}", ""]
    if records:
        told += [*_table(records), "", *_made_from(records[0])]
    bad = [r for r in records if r.result not in ("success", "skip")]
    for record in bad[:DETAILED]:
        told += ["", *_details(record)]
    if more := bad[DETAILED:]:
        told += ["", f"{len(more)} more did not pass; the table names them."]
    return "\n".join(told) + "\n"


def of_plan(jobs: Iterable[tuple[str, bool, str]]) -> str:
    """Return a plan as Markdown: of each unit its name, whether it runs, and why."""
    known = list(jobs)
    needed = sum(1 for _, runs, _ in known if runs)
    headline = f"{needed} of {len(known)} units have to run for this tree"
    if not needed:
        headline = f"Nothing to do: all {len(known)} units are proven for this tree"
    rows = [
        f"| {'▶️ runs' if runs else '✅ proven'} | {_code(unit)} | {_cell(why)} |"
        for unit, runs, why in known[:ROWS]
    ]
    more = [f"\n{len(known) - ROWS} more units"] if len(known) > ROWS else []
    head = ["| | unit | why |", "|---|---|---|"] if rows else []
    return "\n".join([f"### {headline}", "", *head, *rows, *more]) + "\n"


def append(text: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Append ``text`` to the job's page, without secrets; return whether there is one.

    What would make the page too long is left out. A page that cannot be written is no
    reason to fail: that is said, and all.
    """
    named = environ.get(VARIABLE)
    if not named:
        return False
    path = Path(named)
    try:
        taken = path.stat().st_size if path.exists() else 0
        raw = _cut(masking.hide(text) + "\n", MOST - taken).encode()
        with path.open("ab") as file:
            file.write(raw)
    except OSError as error:
        terminal.say(f"the job's summary could not be written: {error}")
        return False
    return True


def repeat(record: Record) -> str:
    """Return the command that runs a unit at home, on the very commit of ``record``."""
    args = f" -- {shlex.join(record.args)}" if record.args else ""
    command = f"nox -s {shlex.quote(record.unit)}{args}"
    if not re.fullmatch(r"[0-9a-f]{40,64}", record.revision):
        return command
    # By its id also what no branch holds can be had: a pull request's merge commit.
    fetch = f"git fetch origin {record.revision}"
    return f"{fetch} && git checkout {record.revision} && {command}"


def _headline(records: Sequence[Record], wall: float | None) -> str:
    if not records:
        return "Nothing ran"
    proven = sum(1 for record in records if record.proof)
    if proven == len(records):
        return f"Nothing to do: {_count(proven, 'unit')} proven already"
    passed = sum(1 for record in records if record.result == "success")
    told = f"{passed} of {len(records) - proven} passed"
    told += f", {proven} proven already" if proven else ""
    return told + (f", in {terminal.duration(wall)}" if wall is not None else "")


def _table(records: Sequence[Record]) -> list[str]:
    rows = [_row(record) for record in records[:ROWS]]
    head = ["| | unit | time | coverage | |", "|---|---|---:|---|---|"]
    more = len(records) - ROWS
    return [*head, *rows, *([f"\n{more} more units"] if more > 0 else [])]


def _row(record: Record) -> str:
    verdict = "☑️ proven" if record.proof else ""
    verdict = verdict or f"{SIGNS[record.result]} {WORDS[record.result]}"
    time = "" if record.proof else terminal.duration(record.seconds)
    told = [_cell(note) for note in record.notes]
    if record.proof:
        told = told or [f"passed in run {_code(record.proof)}"]
    elif record.reason and record.result != "success":
        told.insert(0, _cell(record.reason.strip().partition("\n")[0].rstrip(":")))
    covered = _cell(str(record.covered)) if record.covered else ""
    cells = (verdict, _code(record.unit), time, covered, "; ".join(told))
    return f"| {' | '.join(cells)} |"


def _made_from(record: Record) -> list[str]:
    """Return what the run worked on: the same on every machine for the same tree."""
    told = []
    if record.tree:
        told.append(f"tree {_code(record.tree[:12])}")
    if record.revision:
        told.append(f"commit {_code(record.revision[:12])}")
    return [f"<sub>{', '.join(told)}; run {_code(record.run)}</sub>"] if told else []


def _details(record: Record) -> list[str]:
    """Return what a unit said that did not pass, what mends it and what repeats it."""
    said = [_plain(line) for line in record.reason.strip().splitlines()]
    more = len(said) - LINES
    shown = said[:LINES] + ([f"... and {more} more lines"] if more > 0 else [])
    told = [f"#### {_code(record.unit)} {WORDS[record.result]}", ""]
    told += _fenced(shown, "text") if shown else []
    if record.mend:
        told += ["", "Mend with:", "", *_fenced(map(_plain, record.mend), "sh")]
    told += ["", "Repeat it at home:", "", *_fenced([_plain(repeat(record))], "sh")]
    return told


def _fenced(lines: Iterable[str], language: str) -> list[str]:
    """Return ``lines`` as code; the fence is longer than any in them (CommonMark 4.5)."""
    known = list(lines)
    longest = max((len(run) for run in re.findall("`+", "\n".join(known))), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{language}", *known, fence]


def _cell(text: str) -> str:
    """Return ``text`` for a table's cell: one line, and nothing in it is markup.

    A character written as its number is never markup (CommonMark 2.5).
    """
    line = " ".join(_plain(text).split())
    escaped = html.escape(line, quote=False)
    return MARKUP.sub(lambda found: f"&#{ord(found[0])};", escaped)


def _code(text: str) -> str:
    return f"<code>{_cell(text)}</code>"


def _plain(text: str) -> str:
    """Return ``text`` without secrets, colours and control characters, and not too wide.

    Secrets go first: escaped, or cut, nobody would recognise them.
    """
    text = masking.hide(text)
    text = re.sub(r"\033\[[0-9;?]*[A-Za-z]", "", text)
    shown = "".join(c if c.isprintable() else " " for c in text.expandtabs(4))
    return shown if len(shown) <= COLUMNS else f"{shown[:COLUMNS]}…"


def _cut(text: str, most: int) -> str:
    """Return ``text``, or as many of its blocks as ``most`` bytes hold."""
    if len(text.encode()) <= most:
        return text
    note = "\n\nThe rest is left out: a job's page has 1 MiB. See the log.\n"
    kept, used = [], len(note.encode())
    for block in re.split(r"(?=\n#### )", text):
        used += len(block.encode())
        if used > most:
            break
        kept.append(block)
    return "".join(kept) + note if kept else ""


def _count(number: int, noun: str) -> str:
    return f"the {noun} is" if number == 1 else f"all {number} {noun}s are"
