"""How does an environment return to a release that it had, at once where it can?"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import structs

from sametree import records, terminal
from sametree.artifacts import install
from sametree.artifacts.manifest import Manifest
from sametree.deploy import replicas
from sametree.stepwise import audit, lease, telling
from sametree.deploy.colours import Colours, Side
from sametree.deploy.site import LOCAL, Site
from sametree.deploy.strategies import WHOLE, Colour, moves, other
from sametree.errors import UsageError
from sametree.units.deploying import code as codes
from sametree.units.deploying import flow, looking, parts, steps
from sametree.units.deploying.code import ReleaseCode
from sametree.units.deploying.flow import Asked
from sametree.units.deploying.plan import Plan
from sametree.units.work import Work


def warm(site: Site, asked: Asked) -> Side:
    """Return to the warm colour: it runs, so only the router changes.

    Neither the application's database nor a git host is needed for it. Raises
    UsageError when there is no warm colour, or its code does not work any more.
    """
    flow.refuse_open(site)
    told = site.colours
    colour, side = _warm_side(site, told)
    now = told.side(told.active)
    _refuse_gone_schema(site, told, side.revisions, side.tree)
    from_tree = now.tree[:12] if now else "nothing"
    terminal.say(
        f"  {site.name}: from tree {from_tree} on {told.active} back to tree"
        f" {side.tree[:12]} on {colour}, which is warm"
    )
    if asked.plan:
        terminal.say("  --plan: nothing was changed")
        return side
    if site.name != LOCAL:
        telling.agree(f"roll {site.name} back", asked.yes)
    began = time.monotonic()
    run = records.new_id()
    with lease.held(site.folder, run, f"roll back {site.name}") as held:
        site.held = held
        router = site.router.desired()
        assert router is not None
        sizes = {name: len(pool) for name, pool in router.pools.items()}
        prefixes = router.prefixes
        shares = {colour: WHOLE, **{n: 0 for n in sizes if n != colour}}
        site.point(shares, _colours(sizes), prefixes)
        site.decide(structs.replace(told, active=colour))
        seconds = time.monotonic() - began
        audit.append(
            site.folder,
            "rollback",
            run=run,
            tree=side.tree,
            commit=side.commit,
            digest=side.digest,
            colour=colour,
            before=now.digest if now else "",
            why=asked.why,
            seconds=round(seconds, 3),
            result="done",
        )
        parts.settled_pages(site)
    terminal.say(
        f"  {site.name} has 100 % on {colour} (tree {side.tree[:12]}),"
        f" after {seconds * 1000:.0f} ms"
    )
    return side


def cold(
    work: Work, site: Site, to: str, asked: Asked, environ: Mapping[str, str]
) -> None:
    """Return to a kept release, named by the beginning of its digest or tree.

    Its replicas are started first. Raises UsageError when it is not kept, or does not
    work on the schema any more.
    """
    flow.refuse_open(site)
    told = site.colours
    found = _kept(site, told, to)
    manifest = found.manifest
    revisions = tuple(each.revision for each in manifest.revisions)
    _refuse_gone_schema(site, told, revisions, manifest.tree)
    active = told.side(told.active)
    if active and active.digest == manifest.digest:
        terminal.say(f"  {site.name} runs this very release")
        return
    outer = codes.outer(site, environ)
    code = ReleaseCode(work.project, site, manifest, outer, work, records.new_id())
    plan = _plan(work, site, told, manifest, found.folder, asked, code)
    change = flow.change_of(site, plan, manifest, code)
    flow.show(plan, steps.steps_of(change))
    if asked.plan:
        terminal.say("  --plan: nothing was changed")
        return
    if site.name != LOCAL:
        telling.agree(f"roll {site.name} back", asked.yes)
    with lease.held(site.folder, plan.run, plan.title()) as held:
        site.held = held
        flow.carry_out(change, flow.begun(change), undo=False)


def _plan(
    work: Work,
    site: Site,
    told: Colours,
    manifest: Manifest,
    folder: Path,
    asked: Asked,
    code: ReleaseCode,
) -> Plan:
    # At once and unjudged: what runs now is what somebody wants to be rid of.
    environment = structs.replace(site.environment, strategy="blue-green", bake=0.0)
    old, new = told.active, other(told.active)
    seen = structs.replace(site.seen(new, old), new=0, share=0)
    now = told.side(old)
    return Plan(
        run=code.run,
        kind="rollback",
        environment=site.name,
        address=str(site.listen),
        release=str(folder),
        digest=manifest.digest,
        tree=manifest.tree,
        commit=manifest.commit,
        strategy="blue-green",
        replicas=environment.replicas,
        old=old,
        old_tree=now.tree if now else "",
        old_digest=now.digest if now else "",
        old_replicas=seen.old or 0,
        new=new,
        moves=tuple(moves(environment, seen)),
        retires=site.on(new),
        own_database=code.own() is not None,
        before=told,
        back=True,
        why=asked.why,
    )


def _warm_side(site: Site, told: Colours) -> tuple[Colour, Side]:
    """Return the colour that can have the traffic at once. Raises UsageError."""
    kept = _listed(site, told)
    if told.active is None:
        raise looking.idle(site)
    colour = other(told.active)
    side = told.side(colour)
    services = site.runner.inspect()
    alive = [each for each in replicas.of(services, colour) if each.alive]
    router = site.router.desired()
    if side is None or router is None or not router.pools.get(colour):
        raise UsageError(
            f"{site.name} has no warm colour: {colour} was stopped",
            f"return to a kept release: invoke rollback {site.name} --to …{kept}",
        )
    if len(alive) < len(router.pools[colour]):
        raise UsageError(
            f"{colour} of {site.name} is not warm any more: {len(alive)} of"
            f" {len(router.pools[colour])} replicas live",
            f"return to a kept release: invoke rollback {site.name} --to …{kept}",
        )
    return colour, side


def _listed(site: Site, told: Colours) -> str:
    lines = []
    for digest in told.kept:
        if (found := install.installed(site.folder, digest)) is not None:
            lines.append(f"\n       {digest[:12]}  tree {found.manifest.tree[:12]}")
    return "".join(lines)


def _kept(site: Site, told: Colours, to: str) -> install.Installed:
    """Return the kept release that ``to`` names. Raises UsageError."""
    found = [
        there
        for digest in told.kept
        if (there := install.installed(site.folder, digest)) is not None
        and (digest.startswith(to) or there.manifest.tree.startswith(to))
    ]
    if len({there.manifest.digest for there in found}) != 1 or len(to) < 4:
        many = "more than one release begins" if len(found) > 1 else "no release begins"
        raise UsageError(
            f"{many} with {to!r} among those that {site.name} has kept:"
            + (_listed(site, told) or " there is none")
        )
    return found[0]


def _refuse_gone_schema(
    site: Site, told: Colours, revisions: Sequence[str], tree: str
) -> None:
    if gone := told.broken_for(tuple(revisions)):
        raise UsageError(
            f"tree {tree[:12]} does not work on the database of {site.name} any more:"
            f" it has had the contract migration {', '.join(gone)}",
            "deploy newer code; or restore the database first",
        )


def _colours(sizes: Mapping[str, int]) -> dict[Colour, int]:
    return {"blue": sizes.get("blue", 0), "green": sizes.get("green", 0)}
