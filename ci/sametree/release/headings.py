"""Which headings has a text in Markdown, and what is below each?

As CommonMark reads it; what is in a block of code or in a comment is no heading.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct

from sametree.release import versions

_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))??(?:[ \t]+#+)?[ \t]*$")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
_ITEM = re.compile(r" {0,3}(?:[-*+]|[0-9]{1,9}[.)])(?: {1,4}(?=\S)|[ \t]|$)")
_RULE = re.compile(r" {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$")
_NO_TITLE = re.compile(r"\s*$|\s*[*+>|-] | {4}|\t| {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$")
_LINK = re.compile(r" {0,3}\[[^\]]+\]:[ \t]")
_OF_VERSION = re.compile(
    # The version, with a "v" or in brackets, and what may follow: its link, a date, a
    # remark behind a mark.
    r"(?P<open>\[?)(?P<v>v?)(?P<version>[0-9]+[.!][\w.!+-]*)(?P<close>\]?)"
    r"(?P<link>\([^)\s]*\)|\[[^\]]*\])?"
    r"(?P<rest>[ \t]*$|[ \t]*[-–—(:,/\[].*|[ \t]+[0-9]{4}-[0-9]{2}.*)"
)
_NAMED = re.compile(r"[A-Za-z][\w.-]*[ \t]+(?=\[?v?[0-9])")
"""What may stand before the version: "Version", a name."""


class Head(Struct, frozen=True):
    """A heading: on the line ``begin``; what is below it begins with line ``body``."""

    title: str
    level: int
    begin: int
    body: int

    @property
    def match(self) -> re.Match[str] | None:
        """How it names the version that it is about."""
        # Further down a name and a version are what an entry is about: "Python 3.15".
        named = _NAMED.match(self.title) if self.level <= 2 else None
        found = _OF_VERSION.match(self.title, named.end() if named else 0)
        return found if found and versions.of_tag(found["version"], "") else None

    @property
    def version(self) -> str:
        """The version that it is about, "" when it is about none."""
        found = self.match
        return (versions.of_tag(found["version"], "") or "") if found else ""

    @property
    def unreleased(self) -> bool:
        """Whether it is about what is not released yet."""
        found = re.match(r"\[?([A-Za-z]+)\]?", self.title)
        return found is not None and found[1].lower() == "unreleased"


class Part(Head, frozen=True):
    """A heading and what is below it: up to the next one as high, line ``end``."""

    end: int


def lines_of(text: str) -> list[str]:
    """Return the lines with their ends; only a line feed ends one, as in Markdown."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def parts_of(lines: Sequence[str]) -> list[Part]:
    """Return all headings of a text, with what is below each."""
    heads = list(_heads(lines))
    last = last_of(lines)
    made = []
    for number, head in enumerate(heads):
        following = (
            each.begin
            for each in heads[number + 1 :]
            if each.level <= head.level or each.version
        )
        end = next(following, max(last, head.body))
        made.append(Part(head.title, head.level, head.begin, head.body, end))
    return made


def _heads(lines: Sequence[str]) -> Iterator[Head]:
    """Yield each heading that is none inside a block of code, a comment, or a list."""
    above = ""
    for number, bare in enumerate(_outside(lines)):
        before, above = above, ""
        if found := _ATX.match(bare):
            title = (found[2] or "").strip()
            yield Head(title, len(found[1]), number, number + 1)
        elif before and (found := _UNDERLINE.match(bare)):
            level = 1 if found[1].startswith("=") else 2
            yield Head(before, level, number - 1, number + 1)
        elif not _NO_TITLE.match(bare):
            above = bare.strip()


def _outside(lines: Sequence[str]) -> list[str]:
    """Return the lines without their ends; "" for each that is inside of a block."""
    made = list[str]()
    closes, item, goes_on = "", 0, False
    for line in lines:
        bare = line.rstrip("\r\n").lstrip("\ufeff")
        made.append("")
        empty = not bare.strip()
        if closes == "-->":
            closes = "" if "-->" in bare else closes
            continue
        if closes:
            mark = _FENCE.match(bare)
            ends = mark and mark[1].startswith(closes) and not bare.strip(" \t`~")
            closes = "" if ends else closes
            continue
        if item and (empty or len(bare) - len(bare.lstrip(" ")) >= item):
            goes_on = not empty
            continue
        lazy, goes_on, item = goes_on, False, 0
        if mark := _FENCE.match(bare):
            closes = mark[1]
        elif bare.lstrip().startswith("<!--"):
            closes = "" if "-->" in bare else "-->"
        elif len(made) > 1 and made[-2].strip() and _UNDERLINE.match(bare):
            made[-1] = bare
        elif not _RULE.match(bare) and (found := _ITEM.match(bare)):
            item, goes_on = len(found[0]), True
        elif lazy and not empty and not _ATX.match(bare) and not _RULE.match(bare):
            goes_on = True  # a line of the text in the item, written without indent
        else:
            made[-1] = bare
    return made


def last_of(lines: Sequence[str]) -> int:
    """Return the line where the list of link targets at the end begins, or the end."""
    place = len(lines)
    while place and (not lines[place - 1].strip() or _LINK.match(lines[place - 1])):
        place -= 1
    while place < len(lines) and not lines[place].strip():
        place += 1
    return place
