"""What of a version is where, who releases, and what would the next entry be?"""

from __future__ import annotations

import time
from collections.abc import Iterator

from sametree import terminal
from sametree.errors import SurroundingsError, UsageError
from sametree.release import claim, repository
from sametree.settings import Project
from sametree.stepwise import journal, telling
from sametree.units.deploying import preflight as deploying
from sametree.units.releasing import choosing, flow, halves, notes, steps, world
from sametree.units.releasing.plan import Plan
from sametree.units.releasing.publishing import ToTarget
from sametree.units.releasing.step import Staged


def status(project: Project, tag: str = "") -> Iterator[str]:
    """Yield what of the release ``tag`` (the newest by default) is where.

    Raises UsageError when there is none of that name, SurroundingsError when the remote
    cannot be asked.
    """
    settings = project.settings.release
    if (open_one := journal.open_one(world.folder_of(project))) is not None:
        title = flow.plan_of(open_one).title()
        yield f"  cut off here: {title} (`invoke release --resume`, or `--abort`)"
    seen = repository.look(project.root, settings.remote, project.settings.main_branch)
    if held := claim.read(project.root, settings.remote) if seen.claim else None:
        ago = terminal.ago(time.time() - held.since)
        yield f"  claimed by {held.who}@{held.host}, {ago}: {held.what}"
    plans = [_named(project, tag)] if tag else list(halves.newest(project, seen))
    if not plans:
        yield f"  no version on {settings.remote} was released with this"
    for plan in plans:
        yield from of_release(project, plan)


def of_release(project: Project, plan: Plan) -> Iterator[str]:
    """Yield what of a release is where."""
    told = world.of(project, plan)
    for item in plan.items:
        when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(plan.when))
        shown = terminal.colour(f"{item.title} {item.version}", "bold")
        yield f"  {shown}  {item.tag}, commit {plan.commit[:12]}, {when}"
    rows = []
    for step in steps.steps_of(told):
        if step.stage in ("publish", "announce"):
            where = step.adapter.where() if isinstance(step, ToTarget) else ""
            rows.append((_mark(step), step.name, where))
    yield from terminal.table(rows) if rows else []
    for name, target in told.targets.items():
        for item in told.goes(name):
            yanked = target.yanked(told.announced(item, name))
            if yanked:
                yield f"  {terminal.mark('skipped')}  {item.tag} is yanked on {name}"
    for name in sorted(project.settings.environments):
        site = deploying.find(project, name)
        side = site.colours.side(site.colours.active)
        if side and side.tree == plan.tree:
            yield f"  {terminal.mark('passed')}  {name} runs it"


def _mark(step: Staged) -> str:
    try:
        return terminal.mark("passed" if step.done() else "failed")
    except (SurroundingsError, UsageError) as error:
        return f"{terminal.mark('skipped')} ({error.problem})"


def _named(project: Project, tag: str) -> Plan:
    told = halves.told_by(project, tag)
    if told is None:
        raise UsageError(
            f"{tag} is no version that was released with this",
            "`git tag` lists the tags; `invoke release.status` shows the newest",
        )
    return halves.plan_of(project, [(tag, told)])


def entry(project: Project, *, edit: bool, fresh: bool, version: str, pre: str) -> None:
    """Print the entry of the next version; let a person edit it, or make it anew.

    Raises UsageError when the version cannot be told, or there is no terminal.
    """
    local = repository.state(project.root)
    wish = choosing.Wish(version=version, pre=pre, ask=choosing.can_ask())
    when = int(time.time())
    chosen = choosing.choose(project, local.head, sorted(local.tags), wish, when)
    if fresh:
        for item in chosen.items:
            notes.forget(project, item.tag)
        chosen = choosing.choose(project, local.head, sorted(local.tags), wish, when)
    if not chosen.items:
        terminal.say("  nothing to release: all that is new is released")
    for item in chosen.items:
        text = item.entry
        if edit:
            if not choosing.can_ask():
                raise UsageError("there is no terminal to edit on", "leave --edit out")
            text = notes.edited(text)
            notes.keep(project, item.tag, text, local.head)
        terminal.say(f"  {item.title} {item.version} ({item.why})\n")
        for line in text.splitlines():
            terminal.say(f"    {line}".rstrip())
    if edit and chosen.items:
        terminal.say("\n  kept: `invoke release` takes it")


def unlock(project: Project, *, yes: bool) -> None:
    """Take the claim from a release that nobody will finish.

    Raises UsageError when nobody agrees.
    """
    remote = project.settings.release.remote
    found = claim.read(project.root, remote)
    if found is None:
        terminal.say(f"  nobody has claimed a release on {remote}")
        return
    ago = terminal.ago(time.time() - found.since)
    terminal.say(f"  claimed by {found.who}@{found.host}, {ago}: {found.what}")
    telling.agree("take the claim from them", yes)
    claim.break_(project.root, remote)
    terminal.say("  the claim is free")
