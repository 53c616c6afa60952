"""What does a git tree not tell of a working copy?

Files that git was told not to look at, a folder where a submodule would be, and where
symbolic links lead. Imports as little as it can (see ``trees``).
"""

from __future__ import annotations

import os
from stat import S_ISDIR, S_ISLNK, S_ISREG

from sametree.digests import digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

OUTSIDE = "leads outside of the project"
"""Is told of a link to a folder outside, or to a large file: it is not looked at."""
LARGE = 1 << 24
"""Bytes of a file outside the project from which on it is not looked at."""
TURNS = 1000
"""Steps after which a link leads in a circle (Linux itself gives up after 40 links)."""
_PLAIN = b"\0H "
"""How `git ls-files -z -v` begins the line of a file that git looks at, and ends the
one before."""


def hidden(listed: bytes) -> list[tuple[str, str]]:
    """Return the files (tag, path) that git was told not to look at.

    ``listed`` is what `git ls-files -z -v` prints.
    """
    output = b"\0" + listed
    if output.count(_PLAIN) == output.count(b"\0") - 1:
        return []
    lines = output[1:-1].decode(errors="surrogateescape").split("\0")
    tagged = (line.partition(" ") for line in lines)
    return [(tag, path) for tag, _, path in tagged if tag.islower() or tag == "S"]


def contents(root: str, found: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield path and content of each hidden file (tag, path)."""
    for _, path in found:
        yield path, content(os.path.join(root, path))


def content(place: str) -> str:
    """Return one text for all that lies at ``place``: a file, a link, a folder."""
    try:
        told = os.lstat(place)
        if S_ISLNK(told.st_mode):
            return f"link {digest(os.readlink(place))}"
        if S_ISREG(told.st_mode):
            with open(place, "rb") as file:
                summed = digest(file.read())
            return f"executable {summed}" if told.st_mode & 0o100 else summed
        if S_ISDIR(told.st_mode):
            names = sorted(os.listdir(place))
            inside = ((name, content(os.path.join(place, name))) for name in names)
            return f"folder {digest(*(text for item in inside for text in item))}"
    except FileNotFoundError:
        return "absent"
    except OSError as error:
        return f"unreadable: {error.strerror}"
    return "special"


def targets(root: str, paths: Iterable[str]) -> dict[str, str]:
    """Return those of ``paths`` that are symbolic links, and what is written in them."""
    found = {}
    for path in paths:
        try:
            found[path] = os.readlink(os.path.join(root, path))
        except OSError:
            continue
    return found


def led(
    root: str, links: Mapping[str, str]
) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Follow ``links`` (path and target) of the project at ``root``.

    Returns, for each, the paths in the project that it leads to, the last one at last
    and further links before it; and what is known of the way of those that lead outside.
    """
    root = os.path.realpath(root)
    inside: dict[str, list[str]] = {}
    outside: dict[str, str] = {}
    for path in links:
        *passed, last = _followed(root, links, path)
        found = [within(root, place) for place in passed]
        inside[path] = [each for each in found if each is not None]
        end = within(root, last)
        if end is None:
            outside[path] = _beyond(last)
            continue
        inside[path].append(end)
        if None in found:
            outside[path] = f"leads outside and back to {digest(end)}"
    return inside, outside


def _followed(root: str, links: Mapping[str, str], path: str) -> list[str]:
    """Return the links that ``path`` leads to, and its end, as absolute paths.

    Below ``root`` only ``links`` are known: what git ignores is not followed.
    """
    at = root
    rest = path.split("/")[::-1]
    passed = []
    for _ in range(TURNS):
        if not rest:
            break
        name = rest.pop()
        if name in ("", "."):
            continue
        if name == "..":
            at = os.path.dirname(at)
            continue
        at = os.path.join(at, name)
        own = within(root, at)
        target = _target(at) if own is None else links.get(own, "")
        if target:
            passed.append(at)
            at = "/" if target.startswith("/") else os.path.dirname(at)
            rest += target.split("/")[::-1]
    return [*passed[1:], at]  # the first is the link at ``path`` itself


def _target(place: str) -> str:
    try:
        return os.readlink(place)
    except OSError:
        return ""


def within(root: str, place: str) -> str | None:
    """Return ``place`` relative to ``root``; None when it lies outside.

    >>> within("/project", "/project/app/x"), within("/project", "/")
    ('app/x', None)
    """
    if place == root:
        return ""
    return place[len(root) + 1 :] if place.startswith(f"{root}/") else None


def _beyond(place: str) -> str:
    """Return what is known of ``place``, which lies outside the project."""
    try:
        told = os.stat(place)
    except OSError:
        return "leads to nothing outside"
    if S_ISDIR(told.st_mode) or told.st_size > LARGE:
        return OUTSIDE
    return f"leads outside to {content(place)}"
