"""What are lint, format, tests and build in a language? Pure functions giving steps.

Each language is a module with the functions of :class:`Toolchain`. They look at
nothing and start nothing: what they need to know of a component is in its
:class:`Place`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from sametree.steps import Step

FORMAT = "nox -s 'format({name})'"


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What a toolchain knows of a component.

    ``tools`` are the programs that the component has, ``nested`` the paths of other
    components inside it, ``reports`` and ``cache`` folders to write to.
    """

    name: str
    folder: Path
    sources: tuple[str, ...] = (".",)
    nested: tuple[str, ...] = ()
    tools: frozenset[str] = frozenset()
    reports: Path
    cache: Path

    @property
    def format_command(self) -> str:
        """What a person types to mend what can be mended by a program."""
        return FORMAT.format(name=self.name)


class Toolchain(Protocol):
    """What each language's module offers."""

    def tools(self, folder: Path) -> frozenset[str]:
        """Look which of the language's tools the component in ``folder`` uses."""
        ...

    def lint(self, place: Place) -> Sequence[Step]:
        """Return the checks; none changes a file, none depends on another."""
        ...

    def format(self, place: Place) -> Sequence[Step]:
        """Return what rewrites the sources, in order."""
        ...

    def tests(self, place: Place, workers: int, args: Sequence[str]) -> Sequence[Step]:
        """Return the test run: JUnit, coverage XML, lcov and HTML in ``reports``."""
        ...

    def build(self, place: Place, out: Path) -> Sequence[Step]:
        """Return what writes the component's artifacts into the empty ``out``."""
        ...


def of(language: str) -> Toolchain:
    """Return the toolchain of ``language``."""
    from sametree.toolchains import node, python

    known: dict[str, Toolchain] = {"python": python, "node": node}
    return known[language]
