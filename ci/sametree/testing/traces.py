"""What was raised, where, and because of what? Read from the text of a failure.

Known are pytest's ways to show a traceback (``--tb=long``, ``short``, ``native``,
``line``), Python's own, and the stacks of Node.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

LINK = re.compile(
    r"^(?:The above exception was the direct cause of the following exception:"
    r"|During handling of the above exception, another exception occurred:)\s*$",
    re.MULTILINE,
)
CAUSE = re.compile(r"^\[cause\]: ", re.MULTILINE)
SETUP = re.compile(r'^failed on (?:setup|teardown) with "(.*)"$', re.DOTALL)
PLACE = re.compile(r"^(?P<file>\S[^:\n]*):(?P<line>\d+): ?(?:in .*|(?P<type>[\w.]*))$")
FRAME = re.compile(r'^\s*File "(?P<file>.+?)", line \d+')
STACK = re.compile(r"^\s+at (?P<frame>.+)$")
LOADING = "Test suite failed to run"
SAID_MOST = 4000
"""Characters of a message that are read; what is wrong stands at its beginning."""
GROUP = re.compile(r"^ *[|+-]*-{5,} (?:\d+|\.\.\.) -{5,}$", re.MULTILINE)
MARGIN = re.compile(r"^ *(?:\+ |\| ?|\+-[+-]*)", re.MULTILINE)


class Raised(msgspec.Struct, frozen=True):
    """One exception: its ``type`` (last part of the name), ``said`` (type and message
    as shown), the ``file`` of the innermost frame, and the ``source`` line there.

    ``frames`` are the files (of a Node stack: the frames) that the text names.
    """

    type: str
    said: str
    file: str = ""
    source: str = ""
    frames: tuple[str, ...] = ()

    @property
    def first(self) -> str:
        """The first line of what was said."""
        return self.said.partition("\n")[0]


def chain(text: str, message: str = "") -> list[Raised]:
    """Return what ``text`` shows to be raised: the last first, then what led to it.

    ``message`` is what the report says apart from the text; it has to do when the
    text shows no exception.
    """
    if CAUSE.search(text):
        parts = CAUSE.split(text)
    else:
        parts = LINK.split(text)[::-1]
    found = [raised for part in parts if (raised := _read(part))]
    if not found and message.strip():
        wrapped = SETUP.match(message.strip())
        said = wrapped[1] if wrapped else message.strip()
        found = [Raised(_type(said), said)]
    return found


def members(text: str) -> list[str]:
    """Return the text of each exception that an exception group in ``text`` holds."""
    parts = GROUP.split(text)[1:]
    return [MARGIN.sub("", part).strip("\n") for part in parts if part.strip(" |+-\n")]


def _read(part: str) -> Raised | None:
    """Return the exception that ``part`` ends with."""
    lines = part.strip("\n").splitlines()
    if any(re.match(r"E\s", line) for line in lines):
        return _pytest(lines)
    if any(FRAME.match(line) for line in lines):
        return _python(lines)
    if any(STACK.match(line) for line in lines) or LOADING in part:
        return _node(lines)
    # An exception without a traceback: raised below Python, in C.
    said = "\n".join(lines).strip()[:SAID_MOST]
    return Raised(_type(said), said) if _type(said) else None


def _pytest(lines: list[str]) -> Raised:
    marked = [n for n, line in enumerate(lines) if re.match(r"E\s", line)]
    last = [n for n in marked if n >= _start_of_last_block(marked)]
    indent = min(_indent(lines[n]) for n in last if lines[n][1:].strip())
    said = "\n".join(lines[n][indent:] for n in last).strip()[:SAID_MOST]
    places = [
        (n, place) for n, line in enumerate(lines) if (place := PLACE.match(line))
    ]
    file = places[-1][1]["file"] if places else ""
    # A long traceback names the type after the place; there the words may lack it.
    named = places[-1][1]["type"] or "" if places else ""
    arrows = [line[1:] for line in lines if line.startswith(">")]
    after = lines[places[-1][0] + 1 :][:1] if places else []
    source = arrows[-1] if arrows else "".join(after)
    return Raised(
        named.rpartition(".")[2] or _type(said),
        said,
        file,
        source.strip(),
        tuple(place["file"] for _, place in places),
    )


def _start_of_last_block(marked: list[int]) -> int:
    start = marked[0]
    for before, here in zip(marked, marked[1:], strict=False):
        if here != before + 1:
            start = here
    return start


def _indent(line: str) -> int:
    return len(line) - len(line[1:].lstrip())


def _python(lines: list[str]) -> Raised | None:
    frames = [
        (n, frame) for n, line in enumerate(lines) if (frame := FRAME.match(line))
    ]
    at = frames[-1][0]
    depth = len(lines[at]) - len(lines[at].lstrip())
    below = lines[at + 1 :]
    start = next(
        (n for n, line in enumerate(below) if line and not line.startswith(" ")), None
    )
    if start is None:
        return None
    end = next((n for n, line in enumerate(below) if n > start and not line), None)
    said = "\n".join(below[start:end]).strip()[:SAID_MOST]
    source = below[0] if below[0].startswith(" " * (depth + 1)) else ""
    files = tuple(frame["file"] for _, frame in frames)
    return Raised(_type(said), said, files[-1], source.strip(), files)


def _node(lines: list[str]) -> Raised | None:
    frames = [found["frame"] for line in lines if (found := STACK.match(line))]
    words = list(_words(lines))
    said = "\n".join(words).strip()[:SAID_MOST]
    if not said:
        return None
    # Where a file cannot be loaded, jest leaves out the frames of Node itself.
    loading = any(LOADING in line for line in lines)
    file = frames[0] if frames and not loading else ""
    return Raised(_type(said), said, file, "", tuple(frames))


def _words(lines: list[str]) -> Iterator[str]:
    """Yield what an error says, without stack, source and headings."""
    for line in lines:
        if LOADING in line:
            continue
        if STACK.match(line) or re.match(r"\s*>?\s*\d+ \|", line):
            return
        yield line.strip() if line.startswith("    ") else line


def _type(said: str) -> str:
    """Return the last part of the type's name that ``said`` begins with, or ''.

    >>> _type("psycopg.OperationalError: no"), _type("assert 1 == 2")
    ('OperationalError', '')
    """
    found = re.match(
        r"(?:[\w.]+\.)?(?P<type>[A-Z]\w*)(?: \[\w+\])?(?::|$)", said.partition("\n")[0]
    )
    return found["type"] if found else ""
