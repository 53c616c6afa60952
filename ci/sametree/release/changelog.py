"""How does an entry come into a changelog that people edit?

Only lines of the entry are added, and what stood below "Unreleased" moves into it: all
else stays byte for byte, with its line ends.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sametree.errors import UsageError
from sametree.release import versions
from sametree.release.headings import Part, last_of, lines_of, parts_of

START = """\
# Changelog

What changed for those who use it, the newest version first.
"""
YANKED = "[YANKED]"
_BLOCK = re.compile("\ufeff?\\s*(`{3}|~{3}|<!--)")
_DATED = re.compile(r"(?P<before>[ \t(–—:,-]+)[0-9]{4}-[0-9]{2}-[0-9]{2}(?P<after>\)?)")


def with_entry(text: str, version: str, date: str, body: str) -> str:
    """Return the changelog ``text`` with the entry of ``version``, above all others.

    What somebody wrote below an "Unreleased" heading, or one of this very version, comes
    first in it; the first of these headings stays, empty. ``date`` is as ISO 8601 has it,
    ``body`` is Markdown without a heading of the version. The heading is like that of the
    newest version in the file. Done twice it is as done once.

    Raises UsageError when a block of code or a comment never ends, and the entry would
    be inside of it, or have all that is below.
    """
    lines = lines_of(text or START)
    end = "\r\n" if lines[0].endswith("\r\n") else "\n"
    parts = parts_of(lines)
    about = [part for part in parts if part.version]
    there = next((part for part in about if _same(part.version, version)), None)
    level = there.level if there else min((each.level for each in about), default=2)
    waiting = next((part for part in parts if part.unreleased), None)
    body = _lowered(without_heading(_plain(body), version), level)
    written = _lowered(_text(lines, waiting), level) if waiting else ""
    theirs = _text(lines, there) if there else ""
    told = _merged(_merged(written, theirs), body)
    heading = ""
    if there is not None and _DATED.search(there.title):
        if told == _merged(theirs, ""):
            return text
        heading = _plain("".join(lines[there.begin : there.body])).rstrip("\n")
    else:
        others = (part for part in about if part is not there)
        heading = _heading(next(others, None), level, version, date)
    entry = "\n\n".join([heading, told] if told else [heading]).split("\n")
    if there is not None:
        place = there.begin
    elif about:
        place = about[0].begin
    else:
        place = waiting.end if waiting else last_of(lines)
    _ended(lines[:place], told, version)
    moved = set(range(there.begin, there.end)) if there else set[int]()
    if waiting is not None:
        ends = (n for n in range(waiting.end, waiting.body, -1) if lines[n - 1].strip())
        moved |= set(range(waiting.body, next(ends, waiting.body)))
    before = [line for n, line in enumerate(lines) if n < place and n not in moved]
    after = [line for n, line in enumerate(lines) if n >= place and n not in moved]
    made = [line + end for line in entry]
    if before:
        gap = end if before[-1].strip() else ""
        made.insert(0, gap if before[-1].endswith("\n") else end + gap)
    if after and after[0].strip():
        made.append(end)
    return "".join([*before, *made, *after])


def entry_of(text: str, version: str) -> str | None:
    """Return the entry of ``version``, without its heading; None when there is none."""
    lines = lines_of(text)
    for part in parts_of(lines):
        if _same(part.version, version):
            return _text(lines, part)
    return None


def marked_yanked(text: str, version: str, reason: str) -> str:
    """Return the changelog with the entry of ``version`` marked, and the reason.

    It stays as it is where there is no such entry, or it is marked already.
    """
    lines = lines_of(text)
    about = (part for part in parts_of(lines) if _same(part.version, version))
    part = next(about, None)
    if part is None or YANKED in part.title:
        return text
    end = "\r\n" if lines[part.begin].endswith("\r\n") else "\n"
    heading = lines[part.begin].rstrip("\r\n")
    marked = [f"{heading.rstrip()} {YANKED}{end}"]
    marked += lines[part.begin + 1 : part.body]
    if not marked[-1].endswith("\n"):
        marked[-1] += end
    told = f"**Do not use it: {' '.join(reason.split())}**"
    below = lines[part.body :]
    gap = [end] if below and below[0].strip() else []
    made = [*marked, end, told + end, *gap, *below]
    return "".join(lines[: part.begin] + made)


def without_heading(text: str, version: str) -> str:
    """Return an entry without the heading of its version, if it begins with one."""
    lines = lines_of(text.strip("\n"))
    parts = parts_of(lines)
    first = parts[0] if parts and parts[0].begin == 0 else None
    if first is not None and (_same(first.version, version) or first.unreleased):
        lines = lines[first.body :]
    return "".join(lines).strip("\n")


def _ended(above: Sequence[str], entry: str, version: str) -> None:
    """Raise UsageError when a block begins and never ends above an entry, or in it."""
    if (number := _open(above)) is not None:
        raise UsageError(
            f"the changelog's line {number + 1} begins a block of code or a comment that"
            f" never ends, and the entry of {version} would be inside of it:"
            f" {above[number].strip()!r}",
            "end it (``` as it begins, or -->), and commit that",
        )
    lines = lines_of(entry)
    if (number := _open(lines)) is not None:
        raise UsageError(
            f"the entry of {version} begins a block of code or a comment that never ends:"
            f" {lines[number].strip()!r}",
            "end it (``` as it begins, or -->): invoke release.notes, or in the changelog",
        )


def _open(lines: Sequence[str]) -> int | None:
    """Return which line begins a block that is open at the end; None when none is."""
    if _is_closed(lines):
        return None
    begins = (n for n, line in enumerate(lines) if _BLOCK.match(line))
    return next(n for n in reversed([*begins]) if _is_closed(lines[:n]))


def _is_closed(lines: Sequence[str]) -> bool:
    """Return whether a heading below these lines is one."""
    parts = parts_of([*lines, "# Below\n"])
    return bool(parts) and parts[-1].begin == len(lines)


def _heading(newest: Part | None, level: int, version: str, date: str) -> str:
    """Return the heading of an entry, like that of the ``newest`` one."""
    marks = "#" * level
    found = newest.match if newest else None
    dated = found and _DATED.match(found["rest"])
    if not found or not dated:
        return f"{marks} {version} ({date})"
    name = f"{found['v']}{version}"
    if not found["link"]:
        name = f"{found['open']}{name}{found['close']}"
    return f"{marks} {name}{dated['before']}{date}{dated['after']}"


def _merged(first: str, second: str) -> str:
    """Return two texts as one: what both say below the same heading comes together.

    >>> print(_merged("### Fixed\\n\\n- a", "### Added\\n\\n- b\\n\\n### Fixed\\n\\n- c"))
    ### Fixed
    <BLANKLINE>
    - a
    - c
    <BLANKLINE>
    ### Added
    <BLANKLINE>
    - b
    """
    found = dict[str, list[str]]()
    for text in (first, second):
        lines = lines_of(text)
        parts = _top(parts_of(lines))
        begins = [*(part.begin for part in parts), len(lines)]
        pieces = [("", "".join(lines[: begins[0]]))]
        for part, end in zip(parts, begins[1:], strict=True):
            heading = "".join(lines[part.begin : part.body]).strip("\n")
            pieces.append((heading, "".join(lines[part.body : end])))
        for heading, piece in pieces:
            told = found.setdefault(heading, [])
            known = {line.strip() for each in told for line in each.split("\n")}
            if not {line.strip() for line in piece.split("\n")} <= {*known, ""}:
                told.append(piece.strip("\n"))
    return "\n\n".join(
        f"{heading}\n\n{_joined(told)}".strip("\n")
        for heading, told in found.items()
        if told
    )


def _joined(texts: Sequence[str]) -> str:
    """Return texts below each other; two lists become one."""
    made = texts[0]
    for text in texts[1:]:
        lists = re.match(r"[-*+] ", text) and re.match(r"[-*+] ", made.split("\n")[-1])
        made += ("\n" if lists else "\n\n") + text
    return made


def _top(parts: Sequence[Part]) -> list[Part]:
    """Return those that are in no other one."""
    made = list[Part]()
    for part in parts:
        if not made or part.begin >= made[-1].end:
            made.append(part)
    return made


def _lowered(text: str, level: int) -> str:
    """Return a text in which every heading is below ``level``, and none is a version's."""
    lines = lines_of(text)
    for part in parts_of(lines):
        if part.version or part.level <= level:
            marks = "#" * min(level + 1, 6)
            named = f"**{part.title}**" if part.version else f"{marks} {part.title}"
            lines[part.begin] = f"{named}\n"
            for place in range(part.begin + 1, part.body):
                lines[place] = ""
    return "".join(lines)


def _text(lines: Sequence[str], part: Part) -> str:
    """Return what is below a heading."""
    return _plain("".join(lines[part.body : part.end])).strip("\n")


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n")


def _same(version: str, other: str) -> bool:
    return bool(version) and version == (versions.of_tag(other, "") or other)
