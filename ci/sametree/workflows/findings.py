"""What is a rule for workflows, and what does it say when it finds something?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from sametree.workflows.calls import Listing
from sametree.workflows.document import Document


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong, where, by which rule; why the rule is there, and what mends it."""

    file: str
    line: int
    text: str
    rule: str
    reason: str = ""
    cure: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}  {self.text}  ({self.rule})"


class World(msgspec.Struct, frozen=True, kw_only=True):
    """What rules know beside a document: the project's folder, what can be called, the
    local actions by the path of their folder, the files that settings ask for, and
    whether they ask for a server as a service."""

    root: Path
    listing: Listing
    actions: Mapping[str, Document]
    texts: Mapping[str, str]
    service: bool = False


Found = Iterator[tuple[int, str]]
"""Lines, from 1, and what is wrong there."""
Look = Callable[[Document, World], Found]


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule: a title that says how it should be, a reason, a cure; ``look`` finds."""

    name: str
    title: str
    reason: str
    cure: str
    look: Look

    def findings(self, document: Document, world: World) -> Iterator[Finding]:
        """Yield what this rule finds in ``document``."""
        for line, text in self.look(document, world):
            yield self.finding(document.file, line, text)

    def finding(self, file: str, line: int, text: str) -> Finding:
        """Return a finding of this rule."""
        return Finding(
            file=file,
            line=line,
            text=text,
            rule=self.name,
            reason=self.reason,
            cure=self.cure,
        )


def nothing(document: Document, world: World) -> Found:
    """Find nothing: what a rule looks with that another program or reader applies."""
    yield from ()
