"""What runs where, since when and by whom? What is not as it should be?"""

from __future__ import annotations

import time
from collections.abc import Iterator

from sametree import terminal
from sametree.digests import digest
from sametree.deploy import colours, replicas
from sametree.stepwise import audit, journal, lease
from sametree.deploy.runners import Running
from sametree.deploy.site import DATABASE, PAGES, ROUTER, Site
from sametree.deploy.strategies import COLOURS, WHOLE, Colour
from sametree.errors import UsageError

PARTS = (ROUTER, PAGES, DATABASE)
SHOWN = 100
"""Letters of a problem in the history; the trail has all of it."""


def status(site: Site, now: float | None = None) -> Iterator[str]:
    """Yield the lines that say how an environment is."""
    now = time.time() if now is None else now
    told = site.colours
    head = f"{terminal.colour(site.name, 'bold')}  {site.url}"
    yield f"{head}  {site.environment.strategy}"
    services = site.runner.inspect()
    if told.active is None and not services:
        nothing = idle(site)
        yield f"  {nothing.problem}: {nothing.cure}"
        return
    router = site.router.desired()
    for colour in COLOURS:
        yield from _colour(site, colour, services, now)
    parts = [f"{name} {_word(services[name])}" for name in PARTS if name in services]
    yield f"  {', '.join(parts) or 'nothing runs'}"
    if router is None:
        yield "  the router was never started"
    held = lease.read(site.folder)
    if held is not None:
        yield f"  being changed: {owner(site)}"
    at_work = held is not None and not held.stale(now)
    if (cut := journal.open_one(site.folder)) is not None and not at_work:
        yield (
            f"  the change {cut.run} was cut off: `invoke deploy {site.name} --resume`"
            " or `--abort`"
        )
    for line in drift(site):
        yield f"  {terminal.colour('drift:', 'yellow')} {line}"


def _colour(
    site: Site, colour: Colour, services: dict[str, Running] | object, now: float
) -> Iterator[str]:
    told = site.colours
    side = told.side(colour)
    found = replicas.of(site.runner.inspect(), colour)
    if side is None and not found:
        return
    share = site.share(colour) * 100 / WHOLE
    rest = "new" if side is None else "warm" if found else "stopped"
    state = "active" if colour == told.active else rest
    alive = sum(each.alive for each in found)
    row = f"  {colour:<6} {state:<7} {share:>5.4g} %"
    if side:
        since = terminal.ago(now - side.since)
        row += f"  tree {side.tree[:12]}  {alive} of {side.replicas} replicas"
        row += f"  {since} by {side.by}"
    else:
        row += f"  {alive} replicas, not settled"
    yield row
    for each in found:
        if each.restarts:
            ended = f", last ended with {each.exit}"
            yield f"         {each.name} was started again {each.restarts} times{ended}"


def idle(site: Site) -> UsageError:
    """Return what is said where a side with the traffic is asked for, and none has it."""
    deploy = f"`invoke deploy {site.name}`"
    kept = site.colours.kept
    if not kept:
        return UsageError(f"nothing was deployed to {site.name} yet", deploy)
    back = f"`invoke rollback {site.name} --to {kept[0][:12]}`"
    return UsageError(f"all of {site.name} is stopped", f"{deploy}, or {back}")


def owner(site: Site, now: float | None = None) -> str:
    """Return who changes an environment, in words."""
    if (held := lease.read(site.folder)) is None:
        return "free"
    now = time.time() if now is None else now
    since = terminal.duration(now - held.since)
    gone = held.stale(now)
    told = f"; gone: {gone}" if gone else ""
    return f"{held.what}, by {held.who()}, since {since}{told}"


def drift(site: Site) -> list[str]:
    """Return a sentence for each thing that is not as it was decided."""
    told, services = site.colours, site.runner.inspect()
    router = site.router.desired()
    found: list[str] = list(audit.broken(site.folder))
    if told.active is None:
        return found
    for colour in COLOURS:
        side = told.side(colour)
        living = [e for e in replicas.of(services, colour) if e.alive]
        if (
            side
            and len(living) < side.replicas
            and (colour == told.active or router and router.pools.get(colour))
        ):
            cure = (
                f"`invoke scale {site.name}` brings them back"
                if colour == told.active
                else f"there is no way back at once; `invoke retire {site.name}` ends it"
            )
            found.append(
                f"{colour} has {len(living)} of {side.replicas} replicas alive: {cure}"
            )
    for name, each in services.items():
        if each.alive and not each.kept:
            found.append(
                f"{name} runs, but nobody starts it again when it ends:"
                f" `invoke scale {site.name}` mends it"
            )
    for name in PARTS:
        if name in services and not services[name].alive:
            found.append(f"{name} does not run: `invoke scale {site.name}` starts it")
    if router is not None and router.listen != site.listen:
        found.append(
            f"settings have it at {site.listen}, and it listens at {router.listen}:"
            f" `invoke deploy {site.name}` moves it"
        )
    if journal.open_one(site.folder) is None and router is not None:
        share = router.weights.get(told.active, 0)
        if share != WHOLE:
            found.append(f"{told.active} is active, and has {share / 100:g} %")
    if ROUTER in services and not services[ROUTER].alive:
        return found  # that says it all
    return [*found, *site.router.drift()]


def witness(site: Site) -> str:
    """Return what an environment was made to be, and whether it is that; it changes when
    somebody changes it, and when a part of it dies."""
    told = site.colours
    if told.active is None:
        return "nothing"
    services = site.runner.inspect()
    dead = [name for name, each in services.items() if not each.alive]
    missing = {ROUTER, told.active} - {name.partition("-")[0] for name in services}
    share = site.share(told.active)
    words = (colours.text(told), str(share), *sorted(dead), *sorted(missing))
    return digest(*words)[:16]


def history(site: Site, count: int) -> Iterator[str]:
    """Yield the last lines of the audit trail, for people."""
    lines = audit.read(site.folder)
    if not lines:
        yield f"  nothing has happened to {site.name} yet"
    for each in lines[-count:]:
        tree = f"tree {each['tree'][:12]}" if each.get("tree") else ""
        words = (
            str(each["time"]).replace("T", " ").removesuffix("Z"),
            f"{each['event']:<17}",
            f"{each.get('result', ''):<8}",
            f"{tree:<17}",
            f"{each.get('user', '')}@{each.get('host', '')}",
            each.get("why", "") or _first(each.get("problem", "")),
        )
        yield "  " + "  ".join(str(word) for word in words).rstrip()
    yield from (f"  {line}" for line in audit.broken(site.folder))


def logs(site: Site, colour: str, lines: int) -> Iterator[str]:
    """Yield the last lines of each replica of ``colour`` (the active one when empty), or
    of a part such as ``router``. Raises UsageError when there is no such thing."""
    services = site.runner.inspect()
    chosen = colour or site.colours.active or ""
    names = [each.name for each in replicas.of(services, chosen)]
    if chosen in PARTS and chosen in services:
        names = [chosen]
    if not chosen:
        raise idle(site)
    if not names:
        known = sorted({name.partition("-")[0] for name in services})
        raise UsageError(
            f"nothing called {chosen!r} runs on {site.name}"
            + (f"; there is {', '.join(known)}" if known else "")
        )
    for name in names:
        for line in site.runner.logs(name, lines):
            yield f"{terminal.colour(f'{name:<10}', 'grey')} {line}"


def _first(text: str) -> str:
    """Return the first line of a text, or as much of it as fits beside the rest."""
    line = text.partition("\n")[0]
    return line if len(line) <= SHOWN else f"{line[:SHOWN]}..."


def _word(running: Running) -> str:
    return "runs" if running.alive else "does not run"
