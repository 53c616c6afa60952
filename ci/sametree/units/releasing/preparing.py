"""What are the steps up to the push, which nobody sees and which can be undone?"""

from __future__ import annotations

import os
from dataclasses import dataclass

from sametree import machine
from sametree.release import claim, repository
from sametree.release.claim import Claim
from sametree.units.releasing import building, inspecting
from sametree.units.releasing.step import One


@dataclass
class ClaimIt(One):
    """Say on the remote who releases, so that nobody else does."""

    name: str = "claim"

    def describe(self) -> str:
        return f"say on {self.world.plan.remote} who releases: one at a time"

    def done(self) -> bool:
        found = claim.read(self.world.root, self.world.plan.remote)
        return found is not None and found.run == self.world.plan.run

    def do(self) -> None:
        told = machine.told()
        plan = self.world.plan
        ours = Claim(
            run=plan.run,
            what=plan.title(),
            who=told.get("user", ""),
            host=told.get("host.name", ""),
            pid=os.getpid(),
            since=plan.when,
        )
        claim.take(self.world.root, plan.remote, ours)

    def undo(self) -> None:
        claim.give_back(self.world.root, self.world.plan.remote, self.world.plan.run)


@dataclass
class Commit(One):
    """Make the commit of the release, which nobody sees yet."""

    name: str = "commit"

    def describe(self) -> str:
        changed = sorted(self.world.plan.changes)
        if not changed:
            return "take the proven commit itself: no file changes"
        return f"commit {', '.join(changed)}"

    def done(self) -> bool:
        return bool(self.world.commit())

    def do(self) -> None:
        plan = self.world.plan
        repository.prepare(
            self.world.root,
            plan.run,
            plan.parent,
            plan.changes,
            plan.subject,
            plan.when,
        )

    def undo(self) -> None:
        repository.forget(self.world.root, self.world.plan.run)


@dataclass
class Build(One):
    """Build the files from that commit alone."""

    name: str = "build"

    def describe(self) -> str:
        return f"build {', '.join(self.world.plan.components)} from that commit"

    def done(self) -> bool:
        return self.world.built() is not None

    def do(self) -> None:
        world = self.world
        made = building.build(
            world.project, world.plan, world.commit(), world.place, world.say
        )
        for each in made:
            world.say(
                f"    {each.name}  {each.size:,} bytes  sha256 {each.sha256[:12]}"
            )

    def undo(self) -> None:
        building.forget(self.world.place)


@dataclass
class Inspect(One):
    """Look into the files, and run them where nothing else is."""

    name: str = "inspect"
    world_tells: bool = False

    def describe(self) -> str:
        return "look into the files, and run them in an empty environment"

    def done(self) -> bool:
        return self.world.built() is not None

    def do(self) -> None:
        world = self.world
        for item in world.plan.items:
            for component in item.components:
                paths = [
                    building.file_of(world.place, each)
                    for each in world.known()
                    if each.component == component
                ]
                inspecting.inspect(world.project, component, item.version, paths)


@dataclass
class Tag(One):
    """Make the tags, whose messages name every file with its digest."""

    name: str = "tag"

    def describe(self) -> str:
        return f"make the tag {', '.join(self.world.plan.tags)}, with every digest"

    def done(self) -> bool:
        made = self.world.prepared()
        return made is not None and set(made.tags) == set(self.world.plan.tags)

    def do(self) -> None:
        world, plan = self.world, self.world.plan
        messages = {item.tag: world.told(item) for item in plan.items}
        repository.tag(world.root, plan.run, world.commit(), messages, plan.when)

    def undo(self) -> None:
        """The commit's undo forgets the tags as well."""
