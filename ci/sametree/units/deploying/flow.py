"""How does a deployment go, from the first look to the last line of the journal?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, structs

from sametree import files, records, terminal
from sametree.artifacts import install
from sametree.artifacts import manifest as manifests
from sametree.artifacts.manifest import Manifest
from sametree.deploy import replicas, schema
from sametree.stepwise import audit, engine, journal, lease, telling
from sametree.stepwise.engine import Half, Step, Stopped, Undone, Wish
from sametree.stepwise.journal import Journal
from sametree.deploy.site import LOCAL, ROUTER, Site
from sametree.deploy.strategies import moves, other
from sametree.errors import UnitFailed, UsageError
from sametree.units.deploying import code as codes
from sametree.units.deploying import judging, looking, preflight, steps
from sametree.units.deploying.code import ReleaseCode
from sametree.units.deploying.plan import Plan
from sametree.units.deploying.change import Change
from sametree.units.work import Work


class Asked(Struct, frozen=True, kw_only=True):
    """What the operator wants. ``plan`` only prints; ``why`` goes into the trail."""

    plan: bool = False
    yes: bool = False
    resume: bool = False
    abort: bool = False
    again: bool = False
    why: str = ""


def deploy(
    work: Work,
    site: Site,
    release: Path,
    asked: Asked,
    environ: Mapping[str, str],
    kind: str = "deploy",
) -> None:
    """Deploy the packed ``release`` to the environment of ``site``.

    Raises UsageError when it is refused, UnitFailed when the release was taken back,
    Stopped when Ctrl-C came, SurroundingsError when something else is at fault.
    """
    project = work.project
    refuse_open(site)
    preflight.find_port(site)
    manifest = manifests.read(release)
    outer = codes.outer(site, environ)
    code = ReleaseCode(project, site, manifest, outer, work, records.new_id())
    preflight.refuse(
        [
            *preflight.of_release(project, site, manifest),
            *preflight.of_place(project, site, release, outer),
            *preflight.of_schema(code, manifest),
        ],
        f"to {kind} tree {manifest.tree[:12]} to {site.name}",
    )
    seen = site.colours
    plan = planned(site, code, release, kind, asked)
    if plan is None:
        side = site.colours.side(site.colours.active)
        assert side is not None
        terminal.say(f"  {site.name} runs this very release already, at {site.url}")
        terminal.say(
            "  --again deploys it all the same, with new variables for example"
        )
        work.notes.append("nothing to do: it runs there already")
        return
    change = change_of(site, plan, manifest, code)
    show(plan, steps.steps_of(change))
    if asked.plan:
        terminal.say("  --plan: nothing was changed")
        return
    if site.name != LOCAL:
        telling.agree(f"{plan.kind} this to {site.name}", asked.yes)
    with lease.held(site.folder, plan.run, plan.title()) as held:
        site.held = held
        if site.colours != seen:
            raise UsageError(
                f"{site.name} was changed while you looked at the plan",
                "run it again for a new one",
            )
        if site.port:
            site.decide(structs.replace(seen, port=site.port))
        carry_out(change, begun(change), undo=False)
    work.notes.append(f"{plan.new} has tree {plan.tree[:12]}; {site.url}")


def planned(
    site: Site, code: ReleaseCode, release: Path, kind: str, asked: Asked
) -> Plan | None:
    """Return what deploying ``release`` would do; None when it runs there already."""
    told, manifest = site.colours, code.manifest
    now = told.side(told.active)
    serves = _serves(site)
    same = now and now.digest == manifest.digest
    if same and serves and not _moved(site) and not asked.again:
        return None
    # What does not run any more, as after a reboot, has no traffic to move from.
    old, new = told.active if serves else None, other(told.active)
    looked = code.lacking() if manifest.revisions else schema.Lacking()
    environment = site.environment
    # What is warm on the new side is stopped first.
    seen = structs.replace(site.seen(new, old), new=0, share=0)
    return Plan(
        run=code.run,
        kind=kind,
        environment=site.name,
        address=str(site.listen),
        release=str(release),
        digest=manifest.digest,
        tree=manifest.tree,
        commit=manifest.commit,
        strategy=environment.strategy,
        replicas=environment.replicas,
        old=old,
        old_tree=now.tree if now and old else "",
        old_digest=now.digest if now and old else "",
        old_replicas=seen.old or 0,
        new=new,
        moves=tuple(moves(environment, seen)),
        retires=site.on(new),
        own_database=code.own() is not None,
        before=told,
        expand=looked.expand if looked else (),
        looked=looked is not None,
        waiting=looked.contract if looked else (),
        notes=_notes(site, looked),
        why=asked.why,
    )


def _serves(site: Site) -> bool:
    """Return whether the active colour and the router live."""
    services = site.runner.inspect()
    active = site.colours.active
    living = active and any(e.alive for e in replicas.of(services, active))
    return bool(living and ROUTER in services and services[ROUTER].alive)


def _moved(site: Site) -> bool:
    """Return whether settings have another address for it by now."""
    told = site.router.desired()
    return told is not None and told.listen != site.listen


def _notes(site: Site, looked: schema.Lacking | None) -> tuple[str, ...]:
    """Return what the operator should know beside the steps."""
    found = [f"drift: {each}" for each in looking.drift(site)]
    if looked and looked.unknown:
        heads = ", ".join(looked.unknown)
        found.append(f"the database is ahead of this release, at {heads}")
    return tuple(found)


def change_of(site: Site, plan: Plan, manifest: Manifest, code: ReleaseCode) -> Change:
    """Return what the steps of ``plan`` share."""
    change = Change(site, plan, manifest, code)
    change.judge = judging.Judge(change)
    return change


def show(plan: Plan, listed: Sequence[Step]) -> None:
    """Print the plan: the very steps that run."""
    for line in plan.lines():
        terminal.say(f"  {line}")
    for number, step in enumerate(listed, 1):
        terminal.say(f"  {number:>4}. {step.describe()}")


def refuse_open(site: Site) -> None:
    """Raise UsageError when a change of the environment was cut off."""
    if (found := journal.open_one(site.folder)) is None:
        return
    title = _plan_of(found).title()
    owner = lease.read(site.folder)
    raise UsageError(
        f"a change of {site.name} has not ended: {title} (run {found.run})"
        + (f", by {owner.who()}" if owner else ""),
        f"`invoke deploy {site.name} --resume` goes on with it, `--abort` undoes it",
    )


def go_on(work: Work, site: Site, environ: Mapping[str, str], *, undo: bool) -> None:
    """Go on with the change that was cut off, or undo it.

    Raises UsageError when there is none, and what :func:`deploy` raises.
    """
    found = journal.open_one(site.folder)
    if found is None:
        if lease.read(site.folder) is not None:  # of one that was killed at its start
            with lease.held(site.folder, records.new_id(), "look what was cut off"):
                pass
        terminal.say(f"  nothing of {site.name} was cut off")
        work.notes.append("nothing to go on with")
        return
    plan = _plan_of(found)
    what = f"{'undo' if undo else 'go on with'}: {plan.title()}"
    terminal.say(f"  {what} (run {plan.run})")
    with lease.held(site.folder, plan.run, what) as held:
        site.held = held
        manifest = _manifest_of(site, plan, found)
        # Going back starts nothing, but where replicas were stopped one by one.
        needed = not undo or plan.strategy == "rolling"
        outer = codes.outer(site, environ, needed=needed)
        code = ReleaseCode(work.project, site, manifest, outer, work, plan.run)
        carry_out(change_of(site, plan, manifest, code), found, undo=undo)
    work.notes.append(what)


def begun(change: Change) -> Journal:
    """Return the journal of a change that begins now, with its plan. The manifest is
    kept beside it: a release can be undone also when it is nowhere any more."""
    site, plan = change.site, change.plan
    written = journal.new(site.folder, plan.run)
    files.write_atomically(_manifest_place(written), manifests.encode(change.manifest))
    written.begin(plan.kind, msgspec.to_builtins(plan))
    return written


def _manifest_place(written: Journal) -> Path:
    return written.path.with_suffix(".release.json")


def carry_out(change: Change, written: Journal, *, undo: bool) -> None:
    """Do the steps, or undo what was begun; write down how it ended."""
    site = change.site
    listed = steps.steps_of(change)
    wish = Wish()
    change.at_wait = wish.at_border
    teller = telling.Teller(listed)
    ended: Callable[..., None] = lambda result, **told: _end(
        change, written, result, **told
    )
    with closing(change.judge), wish.heard(terminal.say):
        try:
            if undo:
                engine.undo(listed, written, site.allowed, teller)
                ended("aborted")
                terminal.say(f"  undone; {_stands(site)}")
                return
            engine.run(listed, written, site.allowed, wish, teller)
        except Undone as error:
            ended("undone", problem=error.problem)
            raise UnitFailed(
                f"{error.problem}\n  all was undone; {_stands(site)}", error.cure
            ) from None
        except Half as error:
            raise UnitFailed(
                f"{error.problem}\n  {_stands(site)}",
                f"{error.cure}; then `invoke deploy {site.name} --abort`".lstrip("; "),
            ) from None
        except Stopped as error:
            raise Stopped(
                f"{error.problem}; {_stands(site)}",
                f"`invoke deploy {site.name} --resume` goes on, `--abort` undoes it",
            ) from None
    ended("done")
    terminal.say(f"  {_stands(site)}, at {terminal.colour(site.url, 'bold')}")


def _end(change: Change, written: Journal, result: str, **told: Any) -> None:
    site, plan = change.site, change.plan
    try:
        written.write("end", result=result, **told)
        if result != "done":
            audit.append(
                site.folder,
                plan.kind,
                run=plan.run,
                tree=plan.tree,
                digest=plan.digest,
                why=plan.why,
                result=result,
                **told,
            )
    except OSError as error:
        terminal.say(f"  the end could not be written down: {error.strerror}")


def _stands(site: Site) -> str:
    """Return what the environment is now, in words."""
    told = site.router.desired()
    sides = site.colours
    if told is None or not any(told.weights.values()):
        return f"nothing runs on {site.name}"
    parts = []
    for colour, weight in sorted(told.weights.items()):
        if weight:
            side = sides.side(colour)
            of = f" (tree {side.tree[:12]})" if side else ""
            parts.append(f"{weight / 100:g} % on {colour}{of}")
    return f"{site.name} has " + ", ".join(parts)


def _plan_of(found: Journal) -> Plan:
    return msgspec.convert(found.plan, Plan)


def _manifest_of(site: Site, plan: Plan, written: Journal) -> Manifest:
    """Return the manifest of the release that a plan is of, wherever it is still."""
    if (there := install.installed(site.folder, plan.digest)) is not None:
        return there.manifest
    place = _manifest_place(written)
    return manifests.decode(place.read_bytes(), str(place))
