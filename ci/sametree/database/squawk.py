"""What does squawk say about the statements of a migration?

Squawk (squawkhq.com) knows statements by their form. Only those of its rules are heard
that are about locks and about code that is still running; its rules of taste are not.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from sametree.errors import SurroundingsError
from sametree.steps import Step

LOCKS = {
    "adding-field-with-default": "blocks-reads",
    "adding-foreign-key-constraint": "blocks-writes",
    "adding-not-nullable-field": "blocks-reads",
    "adding-primary-key-constraint": "blocks-reads",
    "adding-serial-primary-key-field": "blocks-reads",
    "changing-column-type": "blocks-reads",
    "constraint-missing-not-valid": "blocks-reads",
    "disallowed-unique-constraint": "blocks-reads",
    "require-concurrent-index-creation": "blocks-writes",
}
"""Squawk's rules about locks, and what we call it."""
OLD_CODE = {
    "adding-not-nullable-field": "writes of the old code may leave the column NULL",
    "adding-required-field": "the old code does not know the column that it must fill",
    "ban-drop-column": "the old code still reads the column",
    "ban-drop-table": "the old code still uses the table",
    "changing-column-type": "the old code may not know what to do with the new type",
    "renaming-column": "the old code knows the column by its old name",
    "renaming-table": "the old code knows the table by its old name",
}
"""Squawk's rules about what breaks code that was written before."""
DDL = re.compile(r"\s*(?:--[^\n]*\n\s*)*(CREATE|ALTER|DROP|REINDEX|TRUNCATE)\b", re.I)


class Remark(msgspec.Struct, frozen=True):
    """A rule of squawk's that a statement, counted from 0, does not keep."""

    statement: int
    rule: str


def program() -> Path:
    """Return squawk's program, which is installed beside the suite."""
    found = Path(sys.executable).parent / "squawk"
    if not found.is_file():
        raise SurroundingsError(
            "squawk, which judges migrations, is not installed beside sametree",
            "pip install 'sametree[postgres]'",
        )
    return found


def text_of(statements: Sequence[str]) -> tuple[str, list[int]]:
    """Return a file with the DDL among ``statements``, and for each line of it the
    number of its statement. Others are left out: squawk cannot read parameters."""
    lines: list[str] = []
    numbers: list[int] = []
    for number, sql in enumerate(statements):
        if not DDL.match(sql):
            continue
        told = f"{sql.strip().rstrip(';')};".split("\n")
        lines += told
        numbers += [number] * len(told)
    return "\n".join(lines) + "\n", numbers


def step(folder: Path, version: int) -> Step:
    """Return the step that judges the files in ``folder``, which holds nothing else.

    ``version`` is the major version of the server.
    """
    argv = (str(program()), "--reporter", "json", "--pg-version", f"{version}.0")
    return Step(
        name="squawk",
        argv=(*argv, "--assume-in-transaction", "*.sql"),
        cwd=folder,
        neutral=(1,),
        kept=True,
    )


def remarks(output: str, numbers: dict[str, list[int]]) -> dict[str, list[Remark]]:
    """Return what squawk found, by file; ``numbers`` tells the statement of each line.

    Only rules about locks and old code count, and each once a statement.
    """
    start = output.find("[")
    told = json.JSONDecoder().raw_decode(output[start:])[0] if start >= 0 else []
    found: dict[str, list[Remark]] = {}
    for each in told:
        lines = numbers.get(each["file"], [])
        if each["rule_name"] in LOCKS.keys() | OLD_CODE.keys() and lines:
            # It counts lines from 0.
            number = lines[min(each["line"], len(lines) - 1)]
            remark = Remark(number, each["rule_name"])
            if remark not in found.setdefault(each["file"], []):
                found[each["file"]].append(remark)
    return found
