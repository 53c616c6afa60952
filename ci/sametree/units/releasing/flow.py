"""How does a release go, from the first look at the world to the last?"""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from sametree import git, records, terminal
from sametree.errors import SurroundingsError, UnitFailed, UsageError
from sametree.release import claim, repository
from sametree.release.repository import Seen
from sametree.settings import Project
from sametree.stepwise import audit, engine, journal, lease, telling
from sametree.stepwise.engine import Half, Left, Stopped, Undone, Wish
from sametree.stepwise.journal import Journal
from sametree.units.releasing import choosing, halves, notes, preflight, steps
from sametree.units.releasing import world as worlds
from sametree.units.releasing.plan import STAGES, Plan, Stage
from sametree.units.releasing.step import Staged
from sametree.units.releasing.world import World

WAY_OUT = "wait for it; one that is dead is found out by itself"


class Asked(Struct, frozen=True, kw_only=True):
    """What the maintainer wants. ``until`` is the last stage that is done now."""

    dry_run: bool = False
    yes: bool = False
    version: str = ""
    pre: str = ""
    until: Stage | None = None


def release(project: Project, asked: Asked) -> None:
    """Release the commit that is checked out, once the maintainer agrees to the plan.

    Raises UsageError when it is refused, UnitFailed when a step failed, Stopped when
    Ctrl-C came, SurroundingsError when something else is at fault.
    """
    refuse_open(project)
    plan = planned(project, asked)
    if plan is None:
        return
    world = worlds.of(project, plan)
    listed = steps.steps_of(world)
    preflight.refuse(
        [
            *preflight.of_targets(world, asked.until),
            *preflight.of_environments(project),
        ],
        f"to {plan.title()}",
    )
    show(plan, listed)
    if asked.dry_run:
        terminal.say("  --dry-run: nothing was changed")
        return
    telling.agree(plan.title(), asked.yes)
    with lease.held(worlds.folder_of(project), plan.run, plan.title(), WAY_OUT) as held:
        refuse_open(project)
        written = journal.new(worlds.folder_of(project), plan.run)
        written.begin("release", msgspec.to_builtins(plan))
        carry_out(world, written, held, asked.until)


def seen(project: Project) -> Seen:
    """Return what the remote has."""
    settings = project.settings
    return repository.look(project.root, settings.release.remote, settings.main_branch)


def planned(project: Project, asked: Asked) -> Plan | None:
    """Return what a release would do now; None, and said, when there is nothing to do.

    Raises UsageError with all that speaks against it.
    """
    local = repository.state(project.root)
    settings = project.settings.release
    tree = git.run(project.root, "rev-parse", "HEAD:./")
    if not local.head or not tree:
        raise UsageError("there is no commit yet", "`git commit`, and prove it: `nox`")
    problems = [*preflight.of_checkout(project, local), *preflight.of_disk(project)]
    preflight.refuse(problems, "a release")
    there = seen(project)
    problems += preflight.of_remote(project, local, there)
    held = claim.read(project.root, settings.remote) if there.claim else None
    if half := halves.find(project, there):
        raise UsageError(
            f"{half.tag} is half released: {half.what}"
            + (f"\n  {claim.taken(held, settings.remote).problem}" if held else ""),
            "`invoke release --resume` finishes it, `invoke release.yank` gives it up;"
            " then release what came since",
        )
    if held is not None:
        raise claim.taken(held, settings.remote)
    preflight.refuse(problems, "a release")
    when = int(time.time())
    wish = choosing.Wish(
        version=asked.version, pre=asked.pre, ask=choosing.can_ask() and not asked.yes
    )
    tags = sorted({*local.tags, *there.tags})
    chosen = choosing.choose(project, local.head, tags, wish, when)
    if not chosen.items:
        for line in chosen.left_out:
            terminal.say(f"  {line}")
        terminal.say("  nothing to release: all that is new is released")
        return None
    preflight.refuse([*preflight.of_proofs(project)], "a release")
    tagged = ", ".join(f"{each.title} {each.version}" for each in chosen.items)
    return Plan(
        run=records.new_id(),
        branch=project.settings.main_branch,
        remote=settings.remote,
        parent=local.head,
        tree=tree.strip(),
        when=when,
        subject=f"Release {tagged}",
        items=chosen.items,
        changes=chosen.changes,
        targets=tuple(settings.targets),
        deploy=settings.deploy,
        left_out=chosen.left_out,
        notes=chosen.notes,
    )


def show(plan: Plan, listed: Sequence[Staged]) -> None:
    """Print the plan: the very steps that run, and how each stands now."""
    for line in plan.lines():
        terminal.say(line)
    for line in table(listed):
        terminal.say(line)


def table(listed: Sequence[Staged]) -> list[str]:
    """Return the steps as lines: what is done already, and what can be undone."""
    final = steps.last_undone(listed)
    rows = [("", "", "step", "what it does", "undone by")]
    for number, step in enumerate(listed):
        stands = step.world_tells and step.done()
        back = "--abort" if number < final else "never"
        rows.append(
            (
                terminal.mark("passed" if stands else "running"),
                f"{number + 1:>2}",
                step.name,
                step.describe(),
                back,
            )
        )
    return terminal.table(rows)


def refuse_open(project: Project) -> None:
    """Raise UsageError when a release was cut off here."""
    if (found := journal.open_one(worlds.folder_of(project))) is None:
        return
    plan = plan_of(found)
    owner = lease.read(worlds.folder_of(project))
    raise UsageError(
        f"a release has not ended: {plan.title()} (run {found.run})"
        + (f", by {owner.who()}" if owner else ""),
        "`invoke release --resume` goes on with it, `--abort` undoes it before the push",
    )


def go_on(project: Project, asked: Asked) -> None:
    """Go on with the release that was cut off, here or anywhere.

    Without a journal, the tags of the remote tell what is half done. Raises UsageError
    when nothing is, and what :func:`release` raises.
    """
    found = journal.open_one(worlds.folder_of(project))
    if found is None:
        _free(project)
        _finish(project, asked)
        return
    plan = plan_of(found)
    terminal.say(f"  goes on: {plan.title()} (run {plan.run})")
    world = worlds.of(project, plan)
    if asked.dry_run:
        show(plan, steps.steps_of(world))
        terminal.say("  --dry-run: nothing was changed")
        return
    what = f"go on with: {plan.title()}"
    with lease.held(worlds.folder_of(project), plan.run, what, WAY_OUT) as held:
        carry_out(world, Journal(found.path), held, asked.until)


def _free(project: Project) -> None:
    """Free the lease of one that was killed before it had a plan."""
    folder = worlds.folder_of(project)
    if lease.read(folder) is not None:
        with lease.held(folder, records.new_id(), "look what was cut off", WAY_OUT):
            pass


def _finish(project: Project, asked: Asked) -> None:
    """Finish the release that the tags of the remote tell to be half done."""
    half = halves.find(project, seen(project))
    if half is None:
        terminal.say("  no release was cut off: the last one is whole")
        return
    plan = half.plan
    world = worlds.of(project, plan)
    listed = steps.steps_of(world)
    terminal.say(f"  {half.tag} is half released: {half.what}")
    preflight.refuse(
        [*preflight.of_targets(world, asked.until)], f"to finish {half.tag}"
    )
    show(plan, listed)
    if asked.dry_run:
        terminal.say("  --dry-run: nothing was changed")
        return
    if theirs := claim.read(project.root, plan.remote):
        terminal.say(f"  {claim.taken(theirs, plan.remote).problem}")
    telling.agree(f"finish {half.tag}", asked.yes)
    what = f"finish: {plan.title()}"
    with lease.held(worlds.folder_of(project), plan.run, what, WAY_OUT) as held:
        refuse_open(project)
        written = journal.new(worlds.folder_of(project), plan.run)
        written.begin("finish", msgspec.to_builtins(plan))
        carry_out(world, written, held, asked.until)


def abort(project: Project) -> None:
    """Undo the release that was cut off before its push."""
    found = journal.open_one(worlds.folder_of(project))
    if found is None:
        _free(project)
        terminal.say("  no release was cut off here")
        return
    plan = plan_of(found)
    world = worlds.of(project, plan)
    made = world.prepared()
    pushed = bool(plan.commit)
    if made is not None and made.tags:
        told = repository.pushed(project.root, plan.remote, plan.branch, made)
        pushed = told != "none"
    if pushed:
        raise UsageError(
            f"{', '.join(plan.tags)} is on {plan.remote} already: nothing is undone any"
            " more",
            "`invoke release --resume` finishes it; `invoke release.yank` then takes it"
            " back",
        )
    with lease.held(
        worlds.folder_of(project), plan.run, f"undo: {plan.title()}", WAY_OUT
    ):
        listed = steps.steps_of(world)
        written = Journal(found.path)
        engine.undo(listed, written, lambda: None, telling.Teller(listed))
        _end(project, plan, written, "aborted")
    terminal.say(f"  undone: nothing of {plan.title()} is left")


def carry_out(
    world: World, written: Journal, held: lease.Held, until: Stage | None = None
) -> None:
    """Do the steps, look at the world again, and write down how it ended."""
    plan, project = world.plan, world.project
    listed = steps.steps_of(world)
    now = [s for s in listed if until is None or not _behind(s.stage, until)]
    wish = Wish()
    world.at_wait = wish.at_border
    final = steps.last_undone(listed)
    resume = "`invoke release --resume` goes on"
    with wish.heard(terminal.say):
        try:
            teller = telling.Teller(listed)
            engine.run(now, written, held.check, wish, teller, final)
        except Undone as error:
            _end(project, plan, written, "undone", problem=error.problem)
            raise UnitFailed(
                f"{error.problem}\n  all was undone: nothing of {plan.title()} is left",
                error.cure,
            ) from None
        except Half as error:
            raise UnitFailed(
                error.problem,
                f"{error.cure}; then `invoke release --abort`".lstrip("; "),
            ) from None
        except Left as error:
            raise UnitFailed(
                f"{error.problem}\n  {_stands(world)}",
                f"{error.cure}; then {resume}".lstrip("; "),
            ) from None
        except Stopped as error:
            raise Stopped(
                f"{error.problem}; {_stands(world)}",
                f"{resume}; `--abort` undoes it before the push",
            ) from None
    if len(now) < len(listed):
        terminal.say(f"  done until {until}; {resume}")
        return
    _look_again(world, listed)
    _end(project, plan, written, "done")
    repository.forget(project.root, plan.run)
    for item in plan.items:
        notes.forget(project, item.tag)


def _look_again(world: World, listed: Sequence[Staged]) -> None:
    """Ask the world whether all is as it should be, and say so."""
    there = seen(world.project)
    wrong = [tag for tag in world.plan.tags if tag not in there.tags]
    wrong += [
        step.name
        for step in listed
        if step.stage not in ("prepare", "push")  # what served them alone is gone
        and step.world_tells
        and not step.done()
    ]
    if wrong:
        raise SurroundingsError(
            "all steps were done, but the world does not show it:"
            f" {', '.join(wrong)}",
            "`invoke release.status` tells what is there; `invoke release --resume`",
        )
    for item in world.plan.items:
        places = [world.targets[n].where() for n in world.plan.targets]
        terminal.say(
            f"  {terminal.mark('passed')}  {item.title} {item.version} is released:"
            f" {', '.join((item.tag, *places, *world.plan.deploy))}"
        )


def _behind(stage: Stage, until: Stage) -> bool:
    return STAGES.index(stage) > STAGES.index(until)


def _stands(world: World) -> str:
    """Return what of the release is out already, in words."""
    plan = world.plan
    out = [step.name for step in _visible(world)]
    if not out:
        return f"nothing of {plan.title()} is out yet"
    return f"{', '.join(plan.tags)} is out, and done are: {', '.join(out)}"


def _visible(world: World) -> list[Staged]:
    try:
        return [
            step
            for step in steps.steps_of(world)
            if step.stage not in ("prepare", "close")
            and step.world_tells
            and step.done()
        ]
    except SurroundingsError:
        return []


def _end(
    project: Project, plan: Plan, written: Journal, result: str, problem: str = ""
) -> None:
    told = {"problem": problem} if problem else {}
    try:
        written.write("end", None, result=result, **told)
        audit.append(
            worlds.folder_of(project),
            "release",
            run=plan.run,
            tags=list(plan.tags),
            commit=plan.commit or plan.parent,
            result=result,
            **told,
        )
    except OSError as error:
        terminal.say(f"  the end could not be written down: {error.strerror}")


def plan_of(found: Journal) -> Plan:
    """Return the plan that a journal begins with."""
    return msgspec.convert(found.plan, Plan)
