"""What do the steps of one deployment share, and what do they ask of its code?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sametree.artifacts import install
from sametree.artifacts.manifest import Manifest
from sametree.deploy import replicas
from sametree.deploy.runners import Service
from sametree.deploy.site import Site
from sametree.deploy.strategies import Colour, Shift, shares
from sametree.units.deploying.plan import Plan


class Code(Protocol):
    """What a deployment asks of the release's code; ``units.deploying.code`` has it."""

    def service(self, name: str, port: int, digest: str) -> Service:
        """Return a replica of the installed release ``digest``, listening on ``port``."""

    def environ(self) -> Mapping[str, str]:
        """Return what a part of the environment gets that is no release's."""

    def expand(self) -> None:
        """Run the migrations that come before the new code."""

    def expanded(self) -> bool:
        """Return whether none of them is left to run."""

    def database(self) -> Service:
        """Return the environment's own PostgreSQL."""

    def folder(self) -> Path:
        """Return the folder in which a command of the project runs."""

    def gate_environ(self) -> Mapping[str, str]:
        """Return what the gate's command gets."""

    def await_database(self) -> None:
        """Wait until that takes connections. Raises SurroundingsError."""


class Judging(Protocol):
    """Judges the new colour while traffic moves to it."""

    def begin(self) -> None:
        """Begin to look, before traffic moves."""

    def run(self, move: Shift) -> None:
        """Judge while it bakes. Raises UnitFailed when the colour is worse."""

    def close(self) -> None:
        """Stop looking."""


@dataclass
class Change:
    """What the steps of one deployment share."""

    site: Site
    plan: Plan
    manifest: Manifest
    code: Code
    judge: Judging = field(init=False)
    at_wait: Callable[[], None] = field(default=lambda: None)

    @property
    def app(self) -> install.App:
        """The component that runs."""
        return install.app(self.manifest)

    @property
    def prefixes(self) -> Sequence[str]:
        """The paths of the application, of the old release and of the new one."""
        told = self.site.router.desired()
        return tuple(
            {*self.app.routes, *(told.prefixes if told and self.plan.old else ())}
        )

    def probes(self) -> Sequence[str]:
        """Return the paths that are asked of both colours while they are judged."""
        told = self.site.environment.gate.probes
        if told is not None:
            return told
        page = install.page(self.site.folder, self.plan.digest)
        own = "/" in self.app.routes
        return (self.app.health, *(["/"] if page and not own else []))

    def names(self, colour: str, upto: int, after: int = 0) -> list[str]:
        """Return the names of replicas ``after`` + 1 to ``upto``."""
        return [replicas.name_of(colour, n) for n in range(after + 1, upto + 1)]

    def pointed(self, share: int) -> Mapping[str, int]:
        """Return what each colour gets when the new one has ``share``."""
        return shares(self.plan.new, share, self.plan.old)

    def in_pools(self) -> dict[Colour, int]:
        """Return how many replicas of each colour the router knows."""
        told = self.site.router.desired()
        return {
            colour: len(told.pools.get(colour, ())) if told else 0
            for colour in ("blue", "green")
        }
