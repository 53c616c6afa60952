"""What is an environment right now, and how is its traffic pointed elsewhere?"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sametree import files
from sametree.deploy import colours, replicas
from sametree.deploy.colours import Colours
from sametree.stepwise.lease import Held
from sametree.deploy.router import Router
from sametree.deploy.router.desired import Desired, Endpoint
from sametree.deploy.runners import Runner
from sametree.deploy.runners.process import HOST, Processes
from sametree.deploy.strategies import COLOURS, Colour, Seen
from sametree.settings import Project
from sametree.settings.model import Environment, Gate

ROUTER, PAGES, DATABASE = "router", "pages", "database"
"""The services of an environment that are no colour's."""
LOCAL = "local"
MADE_UP = Environment(
    replicas=1, bake=0.2, keep=3, address=f"{HOST}:8080", gate=Gate(samples=3)
)
"""What ``local`` is where settings do not say: quick, since nobody else is on it."""


@dataclass
class Site:
    """An environment: its folder, what runs in it, and our lease once we have it.

    ``port`` is the one that was found for it just now, where settings leave that open.
    """

    name: str
    environment: Environment
    folder: Path
    runner: Runner
    router: Router
    held: Held | None = None
    port: int = 0

    @property
    def colours(self) -> Colours:
        """What was decided last."""
        return colours.read(self.folder)

    def decide(self, decided: Colours) -> None:
        """Write down what is decided now. Raises Lost when it is not ours to say."""
        self.allowed()
        colours.write(self.folder, decided)

    def allowed(self) -> None:
        """Raise Lost when the lease is not ours any more."""
        assert self.held is not None
        self.held.check()

    @property
    def listen(self) -> Endpoint:
        """Where users reach it."""
        host, _, port = self.environment.address.rpartition(":")
        return Endpoint(host, self.port or self.colours.port or int(port))

    @property
    def url(self) -> str:
        """Its address for people."""
        return f"http://{self.listen}"

    def sizes(self) -> dict[Colour, int]:
        """Return how many replicas of each colour the runner has."""
        services = self.runner.inspect()
        return {colour: len(replicas.of(services, colour)) for colour in COLOURS}

    def on(self, colour: Colour) -> str:
        """Return what is on one side, in words; empty when nothing is."""
        if side := self.colours.side(colour):
            return f"tree {side.tree[:12]}"
        return "replicas of nothing known" if self.sizes()[colour] else ""

    def share(self, colour: str) -> int:
        """Return the share of the traffic that ``colour`` was given."""
        told = self.router.desired()
        return told.weights.get(colour, 0) if told else 0

    def forget_router(self) -> None:
        """Forget what the router was told, once it is stopped: it begins anew."""
        shutil.rmtree(self.router.folder, ignore_errors=True)

    def seen(self, new: Colour, old: Colour | None) -> Seen:
        """Return what a strategy goes by."""
        sizes = self.sizes()
        return Seen(sizes[old] if old else None, sizes[new], self.share(new))

    def point(
        self,
        shares: Mapping[str, int],
        sizes: Mapping[Colour, int],
        prefixes: Sequence[str],
    ) -> float:
        """Have the router give each colour its share; return the seconds that it took.

        ``sizes`` are the replicas that get traffic, by colour. Raises SurroundingsError
        when the router does not do it.
        """
        self.allowed()
        assert self.held is not None
        desired = self.desired(shares, sizes, prefixes)
        return self.router.apply(desired, fence=self.held.token)

    def desired(
        self,
        shares: Mapping[str, int],
        sizes: Mapping[Colour, int],
        prefixes: Sequence[str],
    ) -> Desired:
        """Return the state of the router in which each colour has its share."""
        pools: dict[str, tuple[Endpoint, ...]] = {
            colour: tuple(
                self.runner.endpoint(replicas.name_of(colour, number))
                for number in range(1, size + 1)
            )
            for colour, size in sizes.items()
            if size
        }
        services = self.runner.inspect()
        return Desired(
            listen=self.listen,
            pools=pools,
            weights={name: share for name, share in shares.items() if name in pools},
            prefixes=tuple(sorted(prefixes)),
            pages=self.runner.endpoint(PAGES) if PAGES in services else None,
            sticky=self.environment.strategy == "canary",
        )


def folder_of(project: Project, name: str, environment: Environment) -> Path:
    """Return the folder in which an environment is; it need not be there yet."""
    if environment.folder:
        return (project.base / environment.folder).resolve()
    return files.add_exclude_file(project.state) / "environments" / name


def site(project: Project, name: str, environment: Environment) -> Site:
    """Return the environment ``name``; nothing is changed."""
    folder = folder_of(project, name, environment)
    router = Router(folder / "router")
    return Site(name, environment, folder, Processes(folder), router)
