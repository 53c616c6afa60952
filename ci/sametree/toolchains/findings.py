"""What did a check find? Each program's output, read into one form."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """One thing that a check found; ``file`` is relative to where the check ran."""

    file: str
    line: int | None
    column: int | None
    text: str
    rule: str = ""

    def __str__(self) -> str:
        place = ":".join(str(n) for n in (self.file, self.line, self.column) if n)
        rule = f"  ({self.rule})" if self.rule else ""
        return f"{place}  {self.text}{rule}"


Reader = Callable[[str, Path], Iterator[Finding]]


def read(reader: str, output: str, folder: Path) -> list[Finding]:
    """Return what the program ``reader`` found in ``folder``, from its ``output``.

    An empty list after a failed check means that the program said something that is
    no finding (a wrong configuration, a crash): show its output as it is.
    """
    known = READERS.get(reader)
    plain = re.sub(r"\033\[[0-9;]*m", "", output)  # FORCE_COLOR reaches checks, too
    return list(known(plain, folder)) if known else []


def _lines(pattern: str) -> Reader:
    compiled = re.compile(pattern, re.MULTILINE)

    def reader(output: str, folder: Path) -> Iterator[Finding]:
        for found in compiled.finditer(output):
            parts = found.groupdict()
            yield Finding(
                _relative(parts["file"], folder),
                _number(parts.get("line")),
                _number(parts.get("column")),
                (parts.get("text") or "").strip(),
                parts.get("rule") or "",
            )

    return reader


def _black(output: str, folder: Path) -> Iterator[Finding]:
    # A file's header is its name and a time stamp; a removed line may look alike.
    name = ""
    for line in output.splitlines():
        if header := re.match(r"--- (.+)\t\d{4}-\d\d-\d\d [\d:.]+", line):
            name = _relative(header[1], folder)
        elif hunk := re.match(r"@@ -(\d+)", line):
            yield Finding(name, int(hunk[1]), None, "not formatted")
        elif place := re.match(r"error: cannot parse:? (.+?):(\d+):(\d+)", line):
            file, row, column = place.groups()
            file = _relative(file, folder)
            yield Finding(file, int(row), int(column), "cannot be parsed")
        elif broken := re.match(r"error: cannot \w+:? (.+?): (.*)", line):
            yield Finding(_relative(broken[1], folder), None, None, broken[2])


def _prettier(output: str, folder: Path) -> Iterator[Finding]:
    for found in re.finditer(r"^\[(warn|error)\] (.+)$", output, re.MULTILINE):
        level, text = found.groups()
        if level == "warn" and (folder / text).is_file():
            yield Finding(text, None, None, "not formatted")
        elif broken := re.match(r"(.+?): (\w*Error: .+?)(?: \((\d+):(\d+)\))?$", text):
            file, words, line, column = broken.groups()
            yield Finding(file, _number(line), _number(column), words)


def _eslint(output: str, folder: Path) -> Iterator[Finding]:
    start = output.find("[{")
    if start < 0:
        return
    try:
        files, _ = json.JSONDecoder().raw_decode(output[start:])
    except ValueError:
        return
    for file in files:
        for message in file["messages"]:
            yield Finding(
                _relative(file["filePath"], folder),
                message.get("line"),
                message.get("column"),
                message["message"],
                message.get("ruleId") or "",
            )


def _relative(name: str, folder: Path) -> str:
    path = Path(name)
    if path.is_absolute() and path.is_relative_to(folder):
        return path.relative_to(folder).as_posix()
    return name.removeprefix("./")


def _number(text: str | None) -> int | None:
    return int(text) if text else None


READERS: dict[str, Reader] = {
    "black": _black,
    "flake8": _lines(
        r"^(?P<file>.+?):(?P<line>\d+):(?P<column>\d+): (?P<rule>\w+) (?P<text>.+)$"
    ),
    "mypy": _lines(
        r"^(?P<file>.+?):(?P<line>\d+)(?::(?P<column>\d+))?: error: (?P<text>.+?)"
        r"(?:  \[(?P<rule>[\w-]+)\])?$"
    ),
    "tsc": _lines(
        r"^(?P<file>.+?)\((?P<line>\d+),(?P<column>\d+)\): error (?P<rule>TS\d+):"
        r" (?P<text>.+)$"
    ),
    "prettier": _prettier,
    "eslint": _eslint,
}
