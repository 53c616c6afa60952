"""How is text that anybody may have written made harmless in a changelog?

What commits say reaches people as Markdown, on pages and on terminals: it may be read
there, and do nothing else. What is between backticks stays as it is.
"""

from __future__ import annotations

import re

_UNSEEN = re.compile(
    # Controls but tab and line feed; what turns the direction of text; what has no width.
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff]"
)
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_LINK = re.compile(r"\](?=[(\[:])")
_CODE = re.compile(r"((?<!`)(`+)(?!`).+?(?<!`)\2(?!`))")
_NUMBERED = re.compile(r"(\d{1,9})([.)])(?=\s|$)")
_BLOCK = re.compile(
    r"#{1,6}(?=\s|$)|>|[-+*](?=\s|$)|`{3}|~{3}|\||=+\s*$|([-*_])[ \t]*(\1[ \t]*)+$"
)
_BREAKS_OUT = re.compile(
    r"#{1,6}(?=\s|$)|`{3}|~{3}|[=-]+\s*$|([-*_])[ \t]*(\1[ \t]*)+$"
)
_HEADER = re.compile(r"([A-Za-z][\w-]*)(?:\(([^()\n]*)\))?(!?):[ \t]*(?=\S)")


def seen(text: str) -> str:
    """Return ``text`` without what cannot be seen, and would act on a terminal or a page.

    >>> seen("a\\x1b[31mb\\r\\nc")
    'ab\\nc'
    """
    return _UNSEEN.sub(" ", _COLOURS.sub("", text).replace("\r\n", "\n"))


def line(text: str) -> str:
    """Return the first line of a text that is not part of another one.

    >>> line("# 2 <b>, `<b>`, [x](y)")
    '\\\\# 2 &lt;b>, `<b>`, [x]\\\\(y)'
    """
    text = seen(text).strip()
    if _BLOCK.match(text):
        text = "\\" + text
    else:
        text = _NUMBERED.sub(r"\1\\\2", text) if _NUMBERED.match(text) else text
    if "\\`" in text:  # which backtick begins code is another one then
        return _plain(text)
    # Of what the pattern splits off, every third part is code, and the next its mark.
    parts = _CODE.split(text)
    return "".join(
        part if place % 3 else _plain(part)
        for place, part in enumerate(parts)
        if place % 3 != 2
    )


def name(text: str) -> str:
    """Return a word or name that stands in the line of another text: a scope, a person."""
    return re.sub(r"([\\`*])", r"\\\1", _plain(" ".join(seen(text).split())))


def text(text: str) -> str:
    """Return a text of several lines."""
    first, *others = seen(text).split("\n")
    return "\n".join([line(first), *map(_inner, others)])


def message(text: str) -> str:
    """Return a whole commit message; one that is conventional still is.

    >>> message("feat(api): # <b>")
    'feat(api): \\\\# &lt;b>'
    """
    first, *others = seen(text).split("\n")
    if found := _HEADER.match(first):
        scope = f"({name(found[2])})" if found[2] else ""
        first = f"{found[1]}{scope}{found[3]}: {line(first[found.end() :])}"
    else:
        first = line(first)
    return "\n".join([first, *map(_inner, others)])


def _inner(text: str) -> str:
    """Return a line after the first: the one before may have begun what it ends."""
    bare = text.lstrip(" \t>")
    if _BREAKS_OUT.match(bare):
        text = text[: len(text) - len(bare)] + "\\" + bare
    return _plain(text)


def _plain(text: str) -> str:
    return _LINK.sub(r"]\\", _TAG.sub("&lt;", text))
