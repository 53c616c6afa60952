"""What are the steps at each place where files go?"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from sametree.release.targets.model import Target
from sametree.units.releasing import building, inspecting
from sametree.units.releasing.plan import Item, Stage
from sametree.units.releasing.step import One


@dataclass
class ToTarget(One):
    """What a step at a place has: the version, and the place."""

    item: Item | None = None
    target: str = ""
    stage: Stage = "publish"

    @property
    def adapter(self) -> Target:
        """The place."""
        return self.world.targets[self.target]

    @property
    def of(self) -> Item:
        """The version."""
        assert self.item is not None
        return self.item


@dataclass
class Draft(ToTarget):
    """Begin a release that only its maintainers see."""

    @property
    def name(self) -> str:
        return f"draft {self.of.tag}"

    def describe(self) -> str:
        return f"begin a draft of {self.of.tag} at {self.adapter.where()}"

    def done(self) -> bool:
        return self.adapter.begun(self.world.announced(self.of, self.target))

    def do(self) -> None:
        self.adapter.begin(self.world.announced(self.of, self.target))


@dataclass
class Publish(ToTarget):
    """Publish file by file: equal ones are skipped, different ones stop it."""

    @property
    def name(self) -> str:
        return f"publish to {self.target}"

    def describe(self) -> str:
        return (
            f"publish the files of {self.of.title} {self.of.version} to"
            f" {self.adapter.where()}, one by one"
        )

    def done(self) -> bool:
        told = self.world.announced(self.of, self.target)
        return bool(told.files) and all(
            self.adapter.found(each, told) == "equal" for each in told.files
        )

    def do(self) -> None:
        self._bring()
        told = self.world.announced(self.of, self.target)
        for each in told.files:
            self.world.at_wait()
            there = self.adapter.found(each, told) == "equal"
            if not there:
                self.adapter.publish(each, told)
            word = "is there already" if there else "published"
            self.world.say(f"    {each.name}  {word}")

    def _bring(self) -> None:
        """Have the files here, as on a machine that has only the tag."""
        if self.world.built() is None:
            world = self.world
            building.build(
                world.project, world.plan, world.commit(), world.place, world.say
            )


@dataclass
class Announce(ToTarget):
    """Let everybody see the draft."""

    @property
    def name(self) -> str:
        return f"announce {self.of.tag}"

    def describe(self) -> str:
        return f"publish the draft of {self.of.tag} at {self.adapter.where()}"

    def done(self) -> bool:
        return self.adapter.finished(self.world.announced(self.of, self.target))

    def do(self) -> None:
        self.adapter.finish(self.world.announced(self.of, self.target))


@dataclass
class Verify(ToTarget):
    """Download what users get, and run it."""

    stage: Stage = "verify"
    world_tells: bool = False

    @property
    def name(self) -> str:
        return f"verify {self.target}"

    def describe(self) -> str:
        return (
            f"download {self.of.title} {self.of.version} from {self.adapter.where()},"
            " and run it in an empty environment"
        )

    def done(self) -> bool:
        return True

    def do(self) -> None:
        with tempfile.TemporaryDirectory(prefix="sametree-verify-") as made:
            told = self.world.announced(self.of, self.target)
            for each in told.files:
                got = self.adapter.fetch(each, Path(made))
                if got.suffix == ".whl":
                    inspecting.try_out(self.world.project, each.component, got)
