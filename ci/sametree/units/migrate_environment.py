"""How is an environment's database migrated, so that nothing about it is a surprise?

Look, plan, ask, save, do, look again. What is printed is what runs, and a trail tells
what was done (see ``database.trail``).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import msgspec

from sametree import files, machine, masking, terminal
from sametree.database import environments, migrations, server, trail
from sametree.database import plan as plans
from sametree.database.address import Address
from sametree.database.applying import Applying
from sametree.database.environments import LOCAL
from sametree.database.measured import Revision
from sametree.database.plan import Plan
from sametree.deploy import own_database
from sametree.deploy import site as sites
from sametree.deploy.site import Site as DeploySite
from sametree.errors import SametreeError, SurroundingsError, UsageError
from sametree.settings.model import Environment
from sametree.units import migrate, saving
from sametree.units.deploying import contracts
from sametree.units.work import Work

Ask = Callable[[str], str]


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator wants. ``restore_point`` is None where nothing was said;
    ``backed_up`` are the words in which a backup was vouched for."""

    to: str = ""
    contract: bool = False
    restore_point: bool | None = None
    backed_up: str = ""
    patience: float | None = None
    dry_run: bool = False
    yes: bool = False


@dataclass
class Site:
    """An environment, its database, and what its programs run with."""

    name: str
    environment: Environment
    address: Address
    work: Work
    env: Mapping[str, str]

    @property
    def folder(self) -> Path:
        """Where its trail and plans are."""
        place = sites.folder_of(self.work.project, self.name, self.environment)
        return files.add_exclude_file(place)

    def run(self, command: str, *rest: str, progress: Applying, shown: bool) -> None:
        """Run a command of ``sametree_migrate`` on the database."""
        self.tell(command, rest, progress, shown, lambda: None)

    def tell(
        self,
        command: str,
        rest: tuple[str, ...],
        progress: Applying,
        shown: bool,
        on_event: Callable[[], None],
    ) -> None:
        """Run a command; call ``on_event`` after each line of its output."""
        path = self.env.get("PYTHONPATH", "")
        step = migrations.program(command, self.work.folder, *rest, path=path)
        screen = migrate.Screen() if shown else None
        migrate.run(self.work, step, self.env, self.address, progress, screen, on_event)

    def look(self) -> Applying:
        """Return where the database is; nothing is changed."""
        progress = Applying()
        self.run("look", progress=progress, shown=False)
        return progress


def place(
    work: Work, name: str, environment: Environment, environ: Mapping[str, str]
) -> AbstractContextManager[Address]:
    """Return what gives the address of environment ``name`` as long as it is used."""
    if name == LOCAL and name not in work.project.settings.environments:
        return server.development(work.project)
    if environment.database is None:
        site = sites.site(work.project, name, environment)
        own = own_database.of(work.project, site.folder)
        if (found := own.address()) is not None:
            return nullcontext(found)
    return nullcontext(environments.address_of(name, environment, environ))


def run(work: Work, name: str, wish: Wishes, environ: Mapping[str, str]) -> None:
    """Migrate environment ``name`` as ``wish`` says.

    ``environ`` has the variable of its address. Raises UsageError, SurroundingsError or
    UnitFailed, which say where the database is then.
    """
    environment = environments.find(work.project.settings, name)
    if wish.patience is not None:
        environment = msgspec.structs.replace(environment, patience=wish.patience)
    with place(work, name, environment, environ) as address:
        terminal.keep_secret(environments.secrets_of(address))
        env = work.install("run")
        site = Site(name, environment, address, work, env)
        seen = site.look()
        plan = planned(site, seen, wish)
        for line in plan.lines():
            terminal.say(f"  {line}")
        if wish.dry_run:
            work.notes.append(f"plan {plan.digest}; nothing was changed")
            terminal.say("  --dry-run: nothing was changed")
            return
        if seen.server.get("standby"):
            raise SurroundingsError(
                f"{address} is a standby, which takes no changes",
                f"let {environment.database or 'its address'} name the primary",
            )
        if not plan.steps:
            with trail.run(site.folder) as run_id:
                _complete(site, run_id, seen.at)
            work.notes.append(f"at {seen.at or 'nothing'}; nothing to run")
            return
        deployed = _deployed(work, name, environment)
        contracted = [each.revision for each in plan.contracts]
        if deployed:
            contracts.refuse(deployed, contracted)
        saves = agreed(plan, wish, local=name == LOCAL, ask=_ask())
        if deployed:  # before the first of them: a kill in between forgets none
            contracts.ran(deployed, contracted)
        with trail.run(site.folder) as run_id:
            _recorded(site, plan, wish, run_id, saves)


def _deployed(work: Work, name: str, environment: Environment) -> DeploySite | None:
    """Return the environment as one that is deployed to; None for the development
    database, which is no environment's."""
    if name not in work.project.settings.environments:
        return None
    return sites.site(work.project, name, environment)


def expand(site: Site) -> None:
    """Run the expand migrations that the database lacks, which a plan has agreed to.

    Raises SurroundingsError or UnitFailed, which say where the database is then.
    """
    wish = Wishes(yes=True)
    plan = planned(site, site.look(), wish, measured=False)
    if not plan.steps:
        return
    with trail.run(site.folder) as run_id:
        _recorded(site, plan, wish, run_id, saves=False)


def planned(site: Site, seen: Applying, wish: Wishes, *, measured: bool = True) -> Plan:
    """Return what is to be run on the database as it was ``seen``; with ``measured``,
    also what each migration did on generated rows."""
    state, told = seen.state, seen.server
    lacking = plans.pending(state["pending"], site.work.folder)
    chosen, waiting, reason = plans.chosen(
        lacking, state["known"], wish.to, contract=wish.contract
    )
    figures: tuple[Revision, ...] = ()
    unmeasured = ""
    if measured and chosen and (site.name != LOCAL or wish.dry_run):
        figures, unmeasured = _figures(site.work, [each.revision for each in chosen])
    return Plan(
        environment=site.name,
        where=str(site.address),
        server=f"PostgreSQL {told['shown'].split()[0]}, as role {told['role']}",
        server_version=int(told["version"]) // 10_000,
        at=tuple(state["current"]),
        steps=tuple(chosen),
        waiting=tuple(waiting),
        reason=reason,
        lock_timeout=site.environment.lock_timeout,
        patience=site.environment.patience,
        rows=state["tables"],
        figures=figures,
        unmeasured=unmeasured,
    )


def agreed(plan: Plan, wish: Wishes, *, local: bool, ask: Ask | None) -> bool:
    """Return whether a restore point is made first, once the operator has agreed.

    ``ask`` asks on the terminal; None where there is none. Raises UsageError when
    nobody has agreed, or when a contracting plan has no proof of a backup.
    """
    contracts = ", ".join(each.revision for each in plan.contracts)
    vouched = bool(wish.backed_up.strip())
    if contracts and wish.restore_point is False and not vouched:
        raise UsageError(
            f"{contracts} may drop data, and nothing says that it is backed up",
            "leave out --no-restore-point, or say in words where the backup is:"
            ' --backed-up "nightly dump of 2026-03-01, tried"',
        )
    saves = wish.restore_point
    if saves is None and contracts and not vouched:
        saves = True
    if wish.yes or local:
        return bool(saves)
    if ask is None:
        raise UsageError(
            "there is no terminal to ask on", "add --yes to agree to the plan"
        )
    where = f"Run this on {plan.environment}"
    if saves is None:
        answer = ask(f"  {where}? [y: yes, r: with a restore point first, N: no] ")
        saves = answer == "r"
    else:
        first = " after a restore point" if saves else ""
        answer = ask(f"  {where}{first}? [y/N] ")
    if answer not in ("y", "yes") and not (saves and answer == "r"):
        raise UsageError("not agreed to; nothing was changed")
    return bool(saves)


def _ask() -> Ask | None:
    if not (sys.stdin and sys.stdin.isatty() and sys.stdout.isatty()):
        return None

    def ask(question: str) -> str:
        try:
            return input(question).strip().lower()
        except EOFError:
            return ""

    return ask


def _figures(work: Work, revisions: list[str]) -> tuple[tuple[Revision, ...], str]:
    """Return what the revisions did on generated rows, or why that is not known."""
    from sametree.units import check

    try:
        return tuple(check.figures(work, revisions)), ""
    except SametreeError as error:  # the plan can do without
        return (), error.problem.partition("\n")[0]


def _recorded(site: Site, plan: Plan, wish: Wishes, run_id: str, saves: bool) -> None:
    """Do what was agreed to, and keep a trail of it."""
    folder, told = site.folder, machine.told()
    files.write_atomically(folder / "plans" / f"{run_id}.json", plan.program())
    trail.append(
        folder,
        run_id,
        trail.STARTED,
        environment=site.name,
        where=str(site.address),
        user=told.get("user", ""),
        host=told.get("host.name", ""),
        tree=site.work.tree,
        plan=plan.digest,
        at=list(plan.at),
        revisions=[each.revision for each in plan.steps],
        contract=[each.revision for each in plan.contracts],
        backed_up=wish.backed_up,
    )
    progress = Applying(tables=plan.rows, at=", ".join(plan.at))
    result, problem = "stopped", ""
    try:
        if saves:
            saving.save(site, plan, run_id)
        _apply(site, plan, run_id, progress)
        result = "done"
    except SametreeError as error:
        result = "gave up" if isinstance(error, SurroundingsError) else "failed"
        problem = error.problem
        raise
    finally:
        told_end = {"result": result, "at": progress.at, "retries": progress.retries}
        _keep(site, run_id, trail.ENDED, **told_end, problem=problem)


def _apply(site: Site, plan: Plan, run_id: str, progress: Applying) -> None:
    kept = 0

    def keep() -> None:
        nonlocal kept
        while kept < len(progress.kept):
            told = dict(progress.kept[kept])
            kept += 1
            name = str(told.pop("event"))
            _keep(site, run_id, name, **told)
            if name == "alone":
                _complete(site, run_id, "")

    file = str(site.folder / "plans" / f"{run_id}.json")
    began = time.monotonic()
    site.tell("apply", (file,), progress, True, keep)
    spent = terminal.duration(time.monotonic() - began)
    count = f"{progress.applied} migration{'' if progress.applied == 1 else 's'}"
    said = f"{count} in {spent}" if progress.applied else "somebody else has run them"
    terminal.say(f"  looked again: {site.name} is at {progress.at}; {said}")
    site.work.notes.append(f"at {progress.at}; {said}")
    lacking = {each["revision"] for each in progress.state["pending"]}
    if lost := [e.revision for e in plan.steps if e.revision in lacking]:
        raise SurroundingsError(
            f"{', '.join(lost)}: run, and yet the database lacks it now",
            "somebody has taken it back meanwhile; run this again for a new plan",
        )
    for line in plan.waits():
        terminal.say(f"  {line}")


def _complete(site: Site, run_id: str, at: str) -> None:
    try:
        for name in trail.complete(site.folder, run_id, at):
            terminal.say(
                f"  the run {name} had been killed; this one goes on from there"
            )
    except OSError as error:
        terminal.say(f"  the trail could not be completed: {error}")


def _keep(site: Site, run_id: str, event: str, **told: object) -> None:
    """Add to the trail; what was done cannot be undone for want of a line."""
    try:
        trail.append(site.folder, run_id, event, **told)
    except OSError as error:
        terminal.say(masking.hide(f"  the trail could not be written: {error}"))
