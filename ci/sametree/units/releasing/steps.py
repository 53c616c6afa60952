"""What are the steps of a release, in their order?

Each says what it does, whether the world is so already, does it, and until the push
undoes it. They are done by ``stepwise.engine``.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sametree import git, steps
from sametree.errors import SurroundingsError, UnitFailed, UsageError
from sametree.release import claim, repository
from sametree.steps import Step as Command
from sametree.stepwise import journal
from sametree.stepwise.engine import Unsure
from sametree.units.deploying import preflight as deploying
from sametree.units.releasing.plan import Stage
from sametree.units.releasing.preparing import Build, ClaimIt, Commit, Inspect, Tag
from sametree.units.releasing.publishing import Announce, Draft, Publish, Verify
from sametree.units.releasing.step import One, Staged
from sametree.units.releasing.world import World


@dataclass
class Push(One):
    """Push commit and tags at once: the point of no return."""

    stage: Stage = "push"
    name: str = "push"

    def describe(self) -> str:
        plan = self.world.plan
        what = ", ".join((plan.branch, *plan.tags))
        return f"push {what} to {plan.remote} at once; nothing is undone after it"

    def done(self) -> bool:
        world, plan = self.world, self.world.plan
        made = world.prepared()
        if made is None or set(made.tags) != set(plan.tags):
            return False
        told = repository.pushed(world.root, plan.remote, plan.branch, made)
        return told == "all"

    def do(self) -> None:
        world, plan = self.world, self.world.plan
        if self.done():
            return  # it was cut off when the remote had it already
        made = world.prepared()
        assert made is not None
        try:
            repository.push(world.root, plan.remote, plan.branch, plan.parent, made)
        except SurroundingsError as error:
            try:
                if (
                    repository.pushed(world.root, plan.remote, plan.branch, made)
                    == "all"
                ):
                    return
            except SurroundingsError:
                raise Unsure(
                    f"{error.problem}\n  whether it was pushed cannot be told now",
                    error.cure,
                ) from None
            raise


@dataclass
class CatchUp(One):
    """Let the checkout have what was pushed."""

    stage: Stage = "push"
    name: str = "catch up"
    world_tells: bool = False

    def describe(self) -> str:
        return f"let this checkout's {self.world.plan.branch} have it too"

    def done(self) -> bool:
        return True

    def do(self) -> None:
        world, plan = self.world, self.world.plan
        made = world.prepared()
        assert made is not None
        for line in repository.catch_up(world.root, plan.branch, plan.parent, made):
            world.say(f"    {line}")


@dataclass
class Deploy(One):
    """Deploy the release to an environment, with the task that does so by itself."""

    environment: str = ""
    stage: Stage = "deploy"

    @property
    def name(self) -> str:
        return f"deploy {self.environment}"

    def describe(self) -> str:
        return f"deploy it to {self.environment}: {shlex.join(self._argv()[2:])}"

    def done(self) -> bool:
        site = deploying.find(self.world.project, self.environment)
        side = site.colours.side(site.colours.active)
        tree = (
            git.run(self.world.root, "rev-parse", f"{self.world.commit()}:./") or ""
        ).strip()
        return bool(side and side.tree == tree and side.baked) and not self._open()

    def do(self) -> None:
        world = self.world
        if self.done():
            return
        head = (git.run(world.root, "rev-parse", "HEAD") or "").strip()
        if head != world.commit():
            raise UsageError(
                f"the checkout is not at {', '.join(world.plan.tags)}, which is to be"
                " deployed",
                f"git checkout {world.plan.tags[0]}, then `invoke release --resume`",
            )
        command = Command(name=self.name, argv=self._argv(), cwd=world.root)
        done = steps.run(command, os.environ, live=True)
        if not done.passed:
            raise UnitFailed(
                f"{shlex.join(self._argv()[2:])} ended with {done.code}; what was"
                " published stays",
                "mend that, then `invoke release --resume`",
            )

    def _argv(self) -> tuple[str, ...]:
        call = (sys.executable, "-m", "invoke", "deploy", self.environment)
        if self._open():
            return (*call, "--resume")
        return (*call, "--build", "--yes", f"--why={self.world.plan.title()}")

    def _open(self) -> bool:
        site = deploying.find(self.world.project, self.environment)
        return journal.open_one(site.folder) is not None


@dataclass
class LetGo(One):
    """Give the claim back."""

    stage: Stage = "close"
    name: str = "close"
    world_tells: bool = False

    def describe(self) -> str:
        return f"give the claim on {self.world.plan.remote} back"

    def done(self) -> bool:
        found = claim.read(self.world.root, self.world.plan.remote)
        return found is None or found.run != self.world.plan.run

    def do(self) -> None:
        world = self.world
        claim.give_back(world.root, world.plan.remote, world.plan.run)


def steps_of(world: World) -> list[Staged]:
    """Return the steps of the release, in their order."""
    return list(_steps(world))  # type: ignore[arg-type]


def last_undone(listed: Sequence[Staged]) -> int:
    """Return the number of the last step that is undone when it fails: the push. Where
    all is pushed already that is the claim."""
    return max(n for n, step in enumerate(listed) if isinstance(step, ClaimIt | Push))


def _steps(world: World) -> Iterator[object]:
    plan = world.plan
    yield ClaimIt(world)
    if not plan.commit:
        yield Commit(world)
        if plan.components:
            yield Build(world)
            yield Inspect(world)
        yield Tag(world)
        yield Push(world)
        yield CatchUp(world)
    kinds = world.project.settings.release.targets
    for name in sorted(plan.targets, key=lambda each: kinds[each].kind != "index"):
        for item in world.goes(name):
            if kinds[name].kind == "index":
                yield Publish(world, item=item, target=name)
            else:
                yield Draft(world, item=item, target=name, stage="announce")
                yield Publish(world, item=item, target=name, stage="announce")
                yield Announce(world, item=item, target=name, stage="announce")
    for name in plan.targets:
        for item in world.goes(name):
            yield Verify(world, item=item, target=name)
    for environment in plan.deploy:
        yield Deploy(world, environment=environment)
    yield LetGo(world)
