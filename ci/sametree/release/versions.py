"""Which version comes next, and is a version what it should be? (PEP 440)"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Literal

from packaging.version import Version

from sametree.errors import UsageError

Level = Literal["major", "minor", "patch"]
PRE = {"rc": "rc", "b": "b", "a": "a", "beta": "b", "alpha": "a"}
_LONGEST = 100
"""Characters; a longer text is no version, and its numbers may be too long for Python."""
_POST = re.compile(r"\d+(\.\d+)*-\d+")
"""PEP 440 reads ``2024-01`` as a version after 2024; it is a month."""


def of_tag(tag: str, prefix: str) -> str | None:
    """Return the version that a tag names; None when it names none that is released.

    >>> of_tag("v1.2.0", "v"), of_tag("vanilla", "v"), of_tag("api-v1.0", "v")
    ('1.2.0', None, None)
    """
    text = tag.removeprefix(prefix)
    if not tag.startswith(prefix) or not text[:1].isdigit() or _POST.fullmatch(text):
        return None
    found = _parsed(text)
    return None if found is None or found.local else str(found)


def newest(tags: Iterable[str], prefix: str, final: bool = True) -> str | None:
    """Return the tag of the highest version; of a final one, unless told otherwise.

    >>> newest(["v1.2.0", "v1.10.0", "v2.0.0rc1"], "v")
    'v1.10.0'
    """
    known = [
        (Version(version), tag)
        for tag in tags
        if (version := of_tag(tag, prefix)) and not (final and is_pre(version))
    ]
    # Of ``v2`` and ``v2.0.0``, the same version, the first is one that moves.
    return max(known, key=lambda each: (each[0], len(each[1])))[1] if known else None


def is_pre(version: str) -> bool:
    """Return whether a version is one before a final one."""
    return Version(version).is_prerelease


def three(version: str) -> str:
    """Return a version as git-cliff and semver.org have it: three numbers.

    >>> three("1.2"), three("2!1.2.3.4rc1")
    ('1.2.0', '1.2.3')
    """
    return ".".join(str(each) for each in (*Version(version).release, 0, 0)[:3])


def epoch(version: str) -> str:
    """Return how a version begins that has an epoch, else "".

    >>> epoch("2!1.0"), epoch("1.0")
    ('2!', '')
    """
    found = Version(version).epoch
    return f"{found}!" if found else ""


def with_pre(version: str, pre: str, taken: Collection[str]) -> str:
    """Return the next version before the final ``version``: higher than all that are
    ``taken`` of it.

    Raises UsageError when ``pre`` is no such kind, or a later one is taken.

    >>> with_pre("1.2.0", "rc", ["1.2.0rc1"])
    '1.2.0rc2'
    """
    if pre not in PRE:
        raise UsageError(
            f"there are no versions {pre!r} before a final one",
            "--pre takes rc, b or a",
        )
    kind, base = PRE[pre], Version(version).base_version
    known = [each for each in map(Version, taken) if _same_final(each, base)]
    numbers = [each.pre[1] for each in known if each.pre and each.pre[0] == kind]
    found = Version(f"{base}{kind}{max(numbers, default=0) + 1}")
    highest = max(known, default=None)
    if highest is not None and highest > found:
        raise UsageError(
            f"{found} would come after {highest}, which is higher",
            (
                f"--pre={highest.pre[0]}, or leave --pre out"
                if highest.pre
                else "leave --pre out, or name the next one: --version"
            ),
        )
    return str(found)


def check(text: str, taken: Collection[str]) -> str:
    """Return the normal form of the version that a person typed.

    Raises UsageError when it is none, is taken, or is lower than what is there.
    """
    found = _parsed(text.strip())
    if found is None or _POST.fullmatch(text.strip().removeprefix("v")):
        raise UsageError(
            f"{text[:_LONGEST]!r} is no version",
            "write it as 1.2.0 or 1.2.0rc1 (PEP 440)",
        )
    if found.local:
        raise UsageError(
            f"{found} has a local part, which no index takes",
            f"--version={found.public}",
        )
    known = [Version(each) for each in taken]
    finals = [each for each in known if not each.is_prerelease]
    higher = max(finals, default=None)
    free = ""
    if higher is not None:
        offered = (raised(str(higher), each) for each in ("patch", "minor", "major"))
        free = f", as {', '.join(offered)}"
    if found in known:
        raise UsageError(
            f"{found} is taken: there is a tag of it, and a version is released once",
            f"name another one{free}",
        )
    if higher is not None and found < higher:
        raise UsageError(
            f"{found} is lower than {higher}, which is released",
            f"name a higher one{free}",
        )
    return str(found)


def raised(last: str, level: str) -> str:
    """Return the final version after ``last`` with one part raised (``level``).

    >>> raised("1.2.3", "minor"), raised("1.2", "patch")
    ('1.3.0', '1.2.1')
    """
    major, minor, patch = map(int, three(last).split("."))
    return (
        epoch(last)
        + {
            "major": f"{major + 1}.0.0",
            "minor": f"{major}.{minor + 1}.0",
            "patch": f"{major}.{minor}.{patch + 1}",
        }[level]
    )


def _parsed(text: str) -> Version | None:
    if len(text) > _LONGEST:
        return None
    try:
        return Version(text)
    except ValueError:
        return None


def _same_final(version: Version, base: str) -> bool:
    return Version(version.base_version) == Version(base)
