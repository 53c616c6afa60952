"""How does a deployment start a colour, move traffic to it, and take that back?"""

from __future__ import annotations

from dataclasses import dataclass

from sametree.deploy import replicas
from sametree.deploy.gate import probes
from sametree.deploy.router.desired import PREVIEW
from sametree.deploy.site import PAGES, ROUTER
from sametree.deploy.strategies import WHOLE, Shift, Start, Stop
from sametree.errors import UnitFailed
from sametree.units.deploying import parts
from sametree.units.deploying.change import Change
from sametree.units.deploying.plan import percent, words

CONNECTIONS, WARMS, FAILS = 8, 2, 2
"""How a colour is looked at in advance: on so many connections at once, so often on each;
and how many failures in a row are no accident."""
DRAINS = 30.0
"""Seconds that requests at work have to end before their replicas are stopped."""


@dataclass
class StartReplicas:
    """Start replicas of the new colour, and wait until each can work."""

    change: Change
    move: Start
    world_tells = False

    @property
    def name(self) -> str:
        return f"start {self.move.replicas} of {self.change.plan.new}"

    def describe(self) -> str:
        return words(self.move, self.change.plan.new, self.change.plan.old)

    def done(self) -> bool:
        services = self.change.site.runner.inspect()
        names = self.change.names(self.change.plan.new, self.move.replicas)
        return all(n in services and services[n].alive for n in names)

    def do(self) -> None:
        change = self.change
        runner, names = change.site.runner, change.names(
            change.plan.new, self.move.replicas
        )
        services = runner.inspect()
        for name in names:
            running = services.get(name)
            if running is None or not running.alive:
                change.site.allowed()
                service = change.code.service(name, runner.port(), change.plan.digest)
                runner.start(service)
        replicas.await_ready(runner, names, change.app.health, change.at_wait)
        if self._in_router():
            sizes = {**change.in_pools(), change.plan.new: self.move.replicas}
            share = change.site.share(change.plan.new)
            change.site.point(change.pointed(share), sizes, change.prefixes)

    def undo(self) -> None:
        change = self.change
        services = change.site.runner.inspect()
        found = replicas.of(services, change.plan.new)
        if self._in_router():
            return  # the first start of this colour stops them all
        change.site.runner.stop([each.name for each in found])

    def _in_router(self) -> bool:
        return bool(self.change.in_pools()[self.change.plan.new])


@dataclass
class Preview:
    """Let the router know the new colour: a header reaches it, no user does yet."""

    change: Change
    name = "preview"
    world_tells = False

    def describe(self) -> str:
        new = self.change.plan.new
        if self.change.plan.old is None:
            return f"start the router, and let it know {new}"
        asked = "" if self.change.plan.back else "; look at it"
        return f"let the router know {new}, for requests that ask for it{asked}"

    def done(self) -> bool:
        return bool(self.change.in_pools()[self.change.plan.new])

    def do(self) -> None:
        change, site = self.change, self.change.site
        sides: dict[str, str] = {change.plan.new: change.plan.digest}
        if change.plan.old:
            sides[change.plan.old] = change.plan.old_digest
        parts.point_pages(site, sides, change.plan.old or change.plan.new)
        parts.start_pages(site, change.code)
        sizes = change.in_pools()
        sizes[change.plan.new] = len(
            replicas.of(site.runner.inspect(), change.plan.new)
        )
        share = 0 if change.plan.old else WHOLE
        if not site.router.ready():
            desired = site.desired(change.pointed(share), sizes, change.prefixes)
            site.router.prepare(desired)
            parts.start_router(site, change.code, change.at_wait)
        site.point(change.pointed(share), sizes, change.prefixes)
        self._look()

    def _look(self) -> None:
        """Ask for what the gate asks for, before users do: so the first of them does
        not wait for connections that are yet to be made. Raises UnitFailed when a path
        fails that the old colour answers."""
        change, plan = self.change, self.change.plan
        paths = change.probes()
        if plan.back or not paths:
            return
        address = (change.site.listen.host, change.site.listen.port)
        asked = probes.ask(
            address, PREVIEW, plan.new, paths, times=WARMS, at_once=CONNECTIONS
        )
        failing = [path for path, each in asked.items() if each.in_a_row >= FAILS]
        if not failing or plan.old is None:
            return
        before = probes.ask(address, PREVIEW, plan.old, failing)
        for path in failing:
            if before[path].answered and before[path].failure is None:
                raise UnitFailed(
                    f"{path} of {plan.new} {asked[path].failure}, and {plan.old} has it;"
                    " no user was sent there",
                    f"`invoke logs {change.site.name} --colour {plan.new}` while it is"
                    " there; the release is not promoted",
                )

    def undo(self) -> None:
        change, site = self.change, self.change.site
        if change.plan.old is None:
            site.runner.stop([ROUTER, PAGES])
            site.forget_router()
            return
        sizes = {**change.in_pools(), change.plan.new: 0}
        site.point({change.plan.old: WHOLE}, sizes, change.prefixes)
        parts.settled_pages(site)


@dataclass
class ShiftTraffic:
    """Give the new colour a share, and judge it as long as it bakes."""

    change: Change
    move: Shift
    world_tells = False

    @property
    def name(self) -> str:
        return f"shift {percent(self.move)}"

    def describe(self) -> str:
        return words(self.move, self.change.plan.new, self.change.plan.old)

    def done(self) -> bool:
        return self.change.site.share(self.change.plan.new) >= self.move.share

    def do(self) -> None:
        change = self.change
        site = change.site
        if not change.plan.back:
            change.judge.begin()
        if site.share(change.plan.new) < self.move.share:
            shown = change.pointed(self.move.share)
            site.point(shown, change.in_pools(), change.prefixes)
        if not change.plan.back:
            change.judge.run(self.move)

    def undo(self) -> None:
        change = self.change
        old, new = change.plan.old, change.plan.new
        if old is None or not change.site.share(new):
            return
        change.site.point({old: WHOLE, new: 0}, change.in_pools(), change.prefixes)
        change.site.router.drained(new, DRAINS)


@dataclass
class StopReplicas:
    """Take replicas of the old colour out of the pool, then stop them."""

    change: Change
    move: Stop
    world_tells = False

    @property
    def name(self) -> str:
        left = self.move.replicas
        return (
            f"leave {left} of {self.change.plan.old}"
            if left
            else f"stop {self.change.plan.old}"
        )

    def describe(self) -> str:
        return words(self.move, self.change.plan.new, self.change.plan.old)

    def done(self) -> bool:
        old = self.change.plan.old
        return old is None or self.change.site.sizes()[old] <= self.move.replicas

    def do(self) -> None:
        change, old = self.change, self.change.plan.old
        assert old is not None
        sizes = {**change.in_pools(), old: self.move.replicas}
        share = change.site.share(change.plan.new)
        if not self.move.replicas:
            change.site.router.drained(old, DRAINS)
        change.site.point(change.pointed(share), sizes, change.prefixes)
        have = change.site.sizes()[old]
        change.site.runner.stop(change.names(old, have, self.move.replicas))

    def undo(self) -> None:
        change, old = self.change, self.change.plan.old
        assert old is not None
        services = change.site.runner.inspect()
        names = change.names(old, change.plan.old_replicas)
        for name in names:
            if name not in services or not services[name].alive:
                runner = change.site.runner
                digest = change.plan.old_digest
                runner.start(change.code.service(name, runner.port(), digest))
        replicas.await_ready(change.site.runner, names, change.app.health, lambda: None)
        sizes = {**change.in_pools(), old: len(names)}
        share = change.site.share(change.plan.new)
        change.site.point(change.pointed(share), sizes, change.prefixes)
