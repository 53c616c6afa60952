"""Which steps does a deployment have, in which order, and what does each take back?"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from msgspec import structs

from sametree import machine
from sametree.artifacts import install
from sametree.deploy import replicas
from sametree.stepwise import audit, engine
from sametree.deploy.colours import Side
from sametree.deploy.site import DATABASE
from sametree.deploy.strategies import WHOLE, Shift, Start
from sametree.units.deploying import parts
from sametree.units.deploying.change import Change
from sametree.units.deploying.traffic import (
    Preview,
    ShiftTraffic,
    StartReplicas,
    StopReplicas,
)


@dataclass
class Install:
    """Put the release where it runs, with an environment made of its own wheels."""

    change: Change
    name = "install"
    world_tells = True

    def describe(self) -> str:
        return f"install release {self.change.plan.digest[:12]}, checked byte by byte"

    def done(self) -> bool:
        change = self.change
        return install.installed(change.site.folder, change.plan.digest) is not None

    def do(self) -> None:
        install.install(Path(self.change.plan.release), self.change.site.folder)

    def undo(self) -> None:
        pass  # it is in nobody's way, and the next deployment of it need not install


@dataclass
class Database:
    """Have the environment's own PostgreSQL run."""

    change: Change
    name = "database"
    world_tells = True

    def describe(self) -> str:
        return "have the environment's own PostgreSQL run"

    def done(self) -> bool:
        running = self.change.site.runner.inspect().get(DATABASE)
        return bool(running and running.alive and running.kept)

    def do(self) -> None:
        self.change.site.runner.start(self.change.code.database())
        self.change.code.await_database()

    def undo(self) -> None:
        pass  # its data are the environment's, whatever release works on them


@dataclass
class Expand:
    """Run the expand migrations: the old code works on the new schema, too."""

    change: Change
    name = "migrate"
    world_tells = True

    def describe(self) -> str:
        count = len(self.change.plan.expand)
        if not self.change.plan.looked:
            return "run the migrations that the database lacks"
        if not count:
            return "run no migration: the database has all"
        return f"run {count} expand migration{'' if count == 1 else 's'}"

    def done(self) -> bool:
        return self.change.code.expanded()

    def do(self) -> None:
        self.change.code.expand()

    def undo(self) -> None:
        pass  # the old code works on the expanded schema: that is what expand means


@dataclass
class Retire:
    """Stop what is on the side that the new release is to have."""

    change: Change
    name = "retire"
    world_tells = True

    def describe(self) -> str:
        plan = self.change.plan
        return f"stop {plan.new}, which has {plan.retires}"

    def done(self) -> bool:
        return not self._stale() and not self._written()

    def do(self) -> None:
        change, site, new = self.change, self.change.site, self.change.plan.new
        if change.in_pools()[new] and change.plan.old:
            sizes = {**change.in_pools(), new: 0}
            site.point({change.plan.old: WHOLE}, sizes, change.prefixes)
        site.runner.stop(self._stale())
        if self._written():
            site.decide(site.colours.having(new, None))

    def undo(self) -> None:
        pass  # its release is kept: `invoke rollback --to` returns to it

    def _stale(self) -> list[str]:
        found = replicas.of(self.change.site.runner.inspect(), self.change.plan.new)
        return [e.name for e in found if e.labels.get("run") != self.change.plan.run]

    def _written(self) -> bool:
        side = self.change.site.colours.side(self.change.plan.new)
        return side is not None and side.run != self.change.plan.run


@dataclass
class Settle:
    """Write down that the new colour is it; the old one stays warm."""

    change: Change
    name = "settle"
    world_tells = False

    def describe(self) -> str:
        plan = self.change.plan
        if plan.old and plan.strategy != "rolling":
            return f"{plan.new} is it; {plan.old} stays warm for a rollback"
        return f"{plan.new} is it"

    def done(self) -> bool:
        told = self.change.site.colours
        side = told.side(self.change.plan.new)
        return bool(side and side.run == self.change.plan.run and side.baked)

    def do(self) -> None:
        change, plan, site = self.change, self.change.plan, self.change.site
        told = site.colours
        now = time.time()
        side = Side(
            digest=plan.digest,
            tree=plan.tree,
            commit=plan.commit,
            replicas=plan.replicas,
            since=now,
            by=machine.told().get("user", ""),
            run=plan.run,
            baked=now,
            revisions=tuple(each.revision for each in change.manifest.revisions),
        )
        kept = [plan.digest, *(each for each in told.kept if each != plan.digest)]
        kept = kept[: site.environment.keep]
        told = structs.replace(told, active=plan.new, kept=tuple(kept))
        told = told.having(plan.new, side)
        if plan.strategy == "rolling" and plan.old:
            told = told.having(plan.old, None)
        site.decide(told)
        parts.settled_pages(site)
        audit.append(
            site.folder,
            plan.kind,
            run=plan.run,
            tree=plan.tree,
            commit=plan.commit,
            digest=plan.digest,
            colour=plan.new,
            before=plan.old_digest,
            why=plan.why,
            result="done",
        )
        sides = [each.digest for each in (told.blue, told.green) if each]
        install.prune(site.folder, keep=[*kept, *sides])

    def undo(self) -> None:
        plan, site = self.change.plan, self.change.site
        told = site.colours
        before = plan.before.having(plan.new, None)  # what was warm was stopped
        site.decide(structs.replace(before, port=told.port, contracts=told.contracts))
        parts.settled_pages(site)


def steps_of(change: Change) -> list[engine.Step]:
    """Return the steps of a deployment, in the order in which they are done."""
    plan = change.plan
    found: list[engine.Step] = [Install(change)]
    if plan.own_database:
        found.append(Database(change))
    if change.manifest.revisions and not plan.back:
        found.append(Expand(change))
    if plan.retires:
        found.append(Retire(change))
    previewed = False
    for move in plan.moves:
        if isinstance(move, Start):
            found.append(StartReplicas(change, move))
            if not previewed:
                found.append(Preview(change))
                previewed = True
        elif isinstance(move, Shift):
            found.append(ShiftTraffic(change, move))
        else:
            found.append(StopReplicas(change, move))
    found.append(Settle(change))
    return found
