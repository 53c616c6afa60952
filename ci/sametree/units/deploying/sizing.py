"""How does an environment get more or fewer replicas, its missing ones back, or end?"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import structs

from sametree import records, terminal
from sametree.artifacts import install
from sametree.deploy import replicas
from sametree.stepwise import audit, engine, lease
from sametree.deploy.site import DATABASE, ROUTER, Site
from sametree.deploy.strategies import WHOLE
from sametree.errors import UsageError
from sametree.units.deploying import code as codes
from sametree.units.deploying import flow, looking, parts
from sametree.units.deploying.code import ReleaseCode
from sametree.units.deploying.traffic import DRAINS
from sametree.units.work import Work

MOST = 64


def scale(work: Work, site: Site, count: int, environ: Mapping[str, str]) -> None:
    """Give the active colour ``count`` replicas; with 0 as many as it should have.

    What should run and does not is started; parts that nobody would start again, too.
    Raises UsageError, and UnitFailed when a replica does not come up.
    """
    if not 0 <= count <= MOST:
        raise UsageError(f"{count} replicas: it should be 1 to {MOST}")
    flow.refuse_open(site)
    told = site.colours
    side = told.side(told.active)
    if side is None or told.active is None:
        raise looking.idle(site)
    found = install.installed(site.folder, side.digest)
    if found is None:
        raise UsageError(
            f"the release {side.digest[:12]} of {site.name} is gone",
            f"invoke deploy {site.name}",
        )
    wanted, colour = count or side.replicas, told.active
    run = records.new_id()
    outer = codes.outer(site, environ)
    code = ReleaseCode(work.project, site, found.manifest, outer, work, run)
    app = install.app(found.manifest)
    wish = engine.Wish()
    what = f"scale {site.name} to {wanted}"
    with lease.held(site.folder, run, what) as held, wish.heard(terminal.say):
        site.held = held
        if code.own() is not None:
            _again(site, DATABASE, lambda: site.runner.start(code.database()))
            code.await_database()
        names = [replicas.name_of(colour, n) for n in range(1, wanted + 1)]
        services = site.runner.inspect()
        started = []
        for name in names:
            running = services.get(name)
            if running is None or not running.alive or not running.kept:
                port = site.runner.port()
                site.runner.start(code.service(name, port, side.digest))
                started.append(name)
        replicas.await_ready(site.runner, names, app.health, wish.at_border)
        parts.settled_pages(site)
        router = site.router.desired()
        if router is None:  # a deployment that failed has taken it along
            router = site.desired({colour: WHOLE}, {colour: wanted}, app.routes)
        site.router.prepare(router)
        parts.parts(site, code)
        sizes = {c: len(pool) for c, pool in router.pools.items()}
        before = sizes.get(colour, 0)
        site.point(
            router.weights,
            {
                "blue": sizes.get("blue", 0),
                "green": sizes.get("green", 0),
                colour: wanted,
            },
            router.prefixes,
        )
        extra = [
            each.name
            for each in replicas.of(site.runner.inspect(), colour)
            if each.name not in names
        ]
        site.runner.stop(extra)
        site.decide(told.having(colour, structs.replace(side, replicas=wanted)))
        audit.append(
            site.folder,
            "scale",
            run=run,
            colour=colour,
            replicas=wanted,
            before=before,
            started=started,
            stopped=extra,
            result="done",
        )
    terminal.say(
        f"  {site.name}: {wanted} of {colour}; {len(started)} started,"
        f" {len(extra)} stopped"
    )
    work.notes.append(f"{wanted} replicas of {colour}")


def _again(site: Site, name: str, start: object) -> None:
    """Start a part that does not run, or that nobody would start again."""
    running = site.runner.inspect().get(name)
    if running is None or not running.alive or not running.kept:
        assert callable(start)
        start()


def retire(site: Site) -> bool:
    """Stop the warm colour; return whether there was one. There is no way back at once
    after that: its release is kept, and can be returned to."""
    flow.refuse_open(site)
    told = site.colours
    warm = [c for c in ("blue", "green") if c != told.active]
    found = [e.name for c in warm for e in replicas.of(site.runner.inspect(), c)]
    if not found or told.active is None:
        return False
    run = records.new_id()
    with lease.held(site.folder, run, f"retire the warm colour of {site.name}") as held:
        site.held = held
        router = site.router.desired()
        if router is not None:
            for colour in warm:
                site.router.drained(colour, DRAINS)
            keeping = {told.active: len(router.pools.get(told.active, ()))}
            site.point({told.active: WHOLE}, keeping, router.prefixes)
        site.runner.stop(found)
        for colour in warm:
            told = told.having("green" if colour == "green" else "blue", None)
        site.decide(told)
        audit.append(site.folder, "retire", run=run, stopped=found, result="done")
    return True


def down(site: Site) -> bool:
    """Stop all of an environment; its data stay. Return whether anything ran."""
    names = list(site.runner.inspect())
    if not names:
        return False
    run = records.new_id()
    with lease.held(site.folder, run, f"stop {site.name}") as held:
        site.held = held
        site.runner.stop([name for name in names if name == ROUTER])
        site.runner.stop([n for n in names if n not in (ROUTER, DATABASE)])
        site.runner.stop([name for name in names if name == DATABASE])
        site.forget_router()
        told = structs.replace(site.colours, active=None, blue=None, green=None)
        site.decide(told)
        audit.append(site.folder, "down", run=run, stopped=names, result="done")
    return True
