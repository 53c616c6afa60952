"""What does the tag of a release say, to people and to a machine that finishes it?

The first line is the title and the version, then comes the entry of the changelog, and
at the end trailers name the run and each published file with its digest.
"""

from __future__ import annotations

import re

from msgspec import Struct

_MARKS = re.compile(r"^(>*)(Sametree-|-----BEGIN )", re.MULTILINE)
"""Lines of an entry that would be taken for our trailers, or for a signature."""
_QUOTED = re.compile(r"^>(>*(?:Sametree-|-----BEGIN ))", re.MULTILINE)
_RUN, _COMPONENT, _FILE = "Sametree-Run: ", "Sametree-Component: ", "Sametree-File: "
_PUBLISHED = re.compile(
    r"sha256=(?P<sha256>[0-9a-f]{64}) size=(?P<size>[0-9]{1,18})"
    r" component=(?P<component>\S*) (?P<name>\S.*)"
)


class Published(Struct, frozen=True, kw_only=True):
    """A file of a release: its name, SHA-256, size in bytes, and whose it is."""

    name: str
    sha256: str
    size: int
    component: str


class Told(Struct, frozen=True, kw_only=True):
    """What a tag tells. ``component`` is "" for a version of all components."""

    version: str
    run: str
    title: str
    entry: str
    component: str = ""
    files: tuple[Published, ...] = ()


def encode(told: Told) -> str:
    """Return the message of the tag; :func:`decode` gives ``told`` back.

    Git cannot keep NUL in a message: it becomes the replacement character.
    """
    entry = _MARKS.sub(r">\1\2", told.entry.replace("\0", "\N{REPLACEMENT CHARACTER}"))
    title = " ".join(told.title.split())
    lines = [f"{_RUN}{told.run}"]
    if told.component:
        lines.append(f"{_COMPONENT}{told.component}")
    for each in told.files:
        lines.append(
            f"{_FILE}sha256={each.sha256} size={each.size}"
            f" component={each.component} {each.name}"
        )
    trailers = "\n".join(lines)
    return f"{title} {told.version}\n\n{entry}\n\n{trailers}\n"


def decode(text: str) -> Told | None:
    """Return what the message of a tag tells; None when it is none of ours.

    What comes behind our trailers, a signature, is left out.
    """
    head, found, rest = text.partition(f"\n\n{_RUN}")
    first, _, entry = head.partition("\n\n")
    title, space, version = first.rpartition(" ")
    run, *lines = rest.split("\n")
    if not found or not run or not space or not version or "\n" in first:
        return None
    component, files = "", list[Published]()
    for line in lines:
        if line.startswith(_COMPONENT):
            component = line.removeprefix(_COMPONENT)
        elif line.startswith(_FILE):
            if not (file := _PUBLISHED.fullmatch(line.removeprefix(_FILE))):
                return None
            told = file.groupdict()
            files.append(
                Published(
                    name=told["name"],
                    sha256=told["sha256"],
                    size=int(told["size"]),
                    component=told["component"],
                )
            )
        elif not line.startswith("Sametree-"):  # a later version may tell more
            break
    return Told(
        version=version,
        run=run,
        title=title,
        entry=_QUOTED.sub(r"\1", entry),
        component=component,
        files=tuple(files),
    )
