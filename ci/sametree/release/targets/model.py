"""What is published, and what can every place do where it goes?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from sametree.errors import UsageError

Found = Literal["absent", "equal", "different"]
"""What a place has under a file's name, compared by sha256."""


class File(msgspec.Struct, frozen=True, kw_only=True):
    """One built file; ``project`` is its name on an index, ``size`` is in bytes."""

    path: Path
    name: str
    sha256: str
    size: int
    component: str
    project: str


class Announced(msgspec.Struct, frozen=True, kw_only=True):
    """What a place is told of one tag; ``notes`` are Markdown."""

    tag: str
    version: str
    title: str
    notes: str
    prerelease: bool
    commit: str
    files: tuple[File, ...]


class Target(Protocol):
    """A place where released files go.

    All but ``problems``, ``where`` and ``yank`` may be called again after a failure:
    what is done already is asked of the place, and not done twice. They raise UsageError
    for what a person has to decide or to set right, SurroundingsError for a place that
    does not answer as it should.
    """

    name: str

    def where(self) -> str:
        """Return where that is, for people; it holds no secret."""

    def problems(self, release: Announced) -> Iterator[str]:
        """Yield what speaks against publishing ``release`` there; changes nothing."""

    def begin(self, release: Announced) -> None:
        """Begin a release that is not public yet, where there is such a thing."""

    def begun(self, release: Announced) -> bool:
        """Return whether files can be published."""

    def found(self, file: File, release: Announced) -> Found:
        """Return what the place has under the name of ``file``."""

    def publish(self, file: File, release: Announced) -> None:
        """Publish one file; do nothing when an equal one is there."""

    def finish(self, release: Announced) -> None:
        """Let everybody see the release."""

    def finished(self, release: Announced) -> bool:
        """Return whether everybody sees it."""

    def fetch(self, file: File, into: Path) -> Path:
        """Download ``file`` into a folder, as a user does; return where it is.

        Raises UnitFailed when that are other bytes than were published.
        """

    def yank(self, release: Announced, reason: str) -> str:
        """Mark the release as not to be used; return what was done, or what a person
        has to do by hand, and where."""

    def yanked(self, release: Announced) -> bool | None:
        """Return whether it is marked so; None when that cannot be known."""


def differs(file: File, place: str, there: str) -> UsageError:
    """Return what to say of another file that ``place`` has under the same name."""
    return UsageError(
        f"{place} has another {file.name} already\n"
        f"  there: sha256 {there or 'unknown'}\n  here:  sha256 {file.sha256}",
        "a published file is never replaced: yank that version, and release a higher one",
    )
