"""What is a release going to do? A plan that is printed, kept, and then done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

from msgspec import Struct

from sametree import terminal
from sametree.release.message import Published

Stage = Literal["prepare", "push", "publish", "announce", "verify", "deploy", "close"]
"""The parts of a release, in their order. Until the push all can be undone."""
SHOWN = 20
"""Lines of an entry that a plan shows."""
STAGES: tuple[Stage, ...] = get_args(Stage)


class Item(Struct, frozen=True, kw_only=True):
    """One version that is released: of a component, or ("") of all together.

    ``components`` are those whose files are built. ``last`` is the version before it,
    "" for the first. ``why`` says why it is this version, ``entry`` is its entry in the
    changelog, in Markdown.
    """

    component: str
    title: str
    version: str
    tag: str
    last: str
    why: str
    entry: str
    components: tuple[str, ...]
    prerelease: bool = False


class Plan(Struct, frozen=True, kw_only=True):
    """A release.

    ``parent`` is the commit that was proven, ``changes`` are the files that the commit
    of the release has otherwise (path in the repository, whole text), ``subject`` is its
    message, and ``when`` its time, in seconds since 1970. ``left_out`` says which
    components have not changed since their last version. A plan that finishes what is
    tagged already has the ``commit`` of the tag, and the ``built`` files of its message.
    """

    run: str
    branch: str
    remote: str
    parent: str
    tree: str
    when: int
    subject: str
    items: tuple[Item, ...]
    changes: dict[str, str]
    targets: tuple[str, ...] = ()
    deploy: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    commit: str = ""
    built: tuple[Published, ...] = ()

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that it makes."""
        return tuple(item.tag for item in self.items)

    @property
    def components(self) -> tuple[str, ...]:
        """The components whose files it builds."""
        return tuple(name for item in self.items for name in item.components)

    def item_of(self, component: str) -> Item:
        """Return the version that ``component`` gets."""
        return next(item for item in self.items if component in item.components)

    def title(self) -> str:
        """Return what it does, in words."""
        return "release " + ", ".join(f"{i.title} {i.version}" for i in self.items)

    def lines(self) -> Iterator[str]:
        """Yield what the maintainer has to know before he agrees, but for the steps."""
        rows = [
            (terminal.colour(f"{item.title} {item.version}", "bold"), item.why)
            for item in self.items
        ]
        yield from terminal.table(rows)
        commit = self.commit or self.parent
        yield f"  from commit {commit[:12]} of {self.branch}, tree {self.tree[:12]}"
        for each in self.left_out:
            yield f"  left out: {each}"
        for note in self.notes:
            yield f"  {terminal.colour('note:', 'yellow')} {note}"
        if self.commit:
            return
        for item in self.items:
            yield ""
            yield f"  {self.heading(item)}"
            lines = item.entry.splitlines()
            yield from (f"    {line}".rstrip() for line in lines[:SHOWN])
            if len(lines) > SHOWN:
                more = len(lines) - SHOWN
                yield f"    … and {more} more lines: `invoke release.notes` shows them"
        yield ""

    @staticmethod
    def heading(item: Item) -> str:
        """Return what stands above an entry where people read it."""
        return f"the changelog's entry for {item.tag}"
