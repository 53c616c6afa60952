"""What are the tasks on databases? Called by ``tasks``, which turns errors into exits."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sametree import records, steps, surroundings, terminal, trees
from sametree.errors import UnitFailed, UsageError
from sametree.settings import Project
from sametree.units import Work, recording

if TYPE_CHECKING:
    from sametree.units.migrate_environment import Wishes


def work_of(project: Project, kind: str, title: str) -> Work:
    """Return what the component with the database works with.

    Raises UsageError when there is none, SurroundingsError when variables are missing.
    """
    database = project.settings.database
    if database is None:
        raise UsageError(
            "this project has no database",
            "add [tool.sametree.database] component = … to pyproject.toml",
        )
    component = project.component(database.component)
    declared = surroundings.look(project)
    terminal.keep_secret(declared.hidden)
    declared.require([component.name])
    venv = project.state / "venvs" / component.name
    venv.parent.mkdir(parents=True, exist_ok=True)
    run_id, _ = records.run_id()
    tree = trees.tree_id(project.root) or ""
    return Work(
        project,
        component,
        kind,
        venv,
        title=title,
        run_id=run_id,
        tree=tree,
        declared=declared,
    )


def wishes(told: Mapping[str, object]) -> Wishes:
    """Return what the operator wants, as Invoke told it.

    Raises UsageError for a patience that is no number of seconds.
    """
    from sametree.units.migrate_environment import Wishes

    patience = str(told.get("patience") or "")
    try:
        seconds = float(patience) if patience else None
        if seconds is not None and not 0 <= seconds < math.inf:
            raise ValueError
    except ValueError:
        raise UsageError(
            f"--patience {patience}: that is no number of seconds", "--patience 60"
        ) from None
    if told.get("restore_point") and told.get("no_restore_point"):
        raise UsageError("--restore-point and --no-restore-point: one of them")
    saves = True if told.get("restore_point") else None
    return Wishes(
        to=str(told.get("to") or ""),
        contract=bool(told.get("contract")),
        restore_point=False if told.get("no_restore_point") else saves,
        backed_up=str(told.get("backed_up") or ""),
        patience=seconds,
        dry_run=bool(told.get("dry_run")),
        yes=bool(told.get("yes")),
    )


def migrate(project: Project, name: str, wish: Wishes) -> None:
    """Migrate environment ``name``, and record it as the unit ``migrate(NAME)``."""
    from sametree.database import environments
    from sametree.units import migrate_environment

    steps.stop_on_sigterm()
    environments.find(project.settings, name)  # before anything is written
    work = work_of(project, "migrate", f"migrate({name})")
    given = work.declared.of(work.component.name) if work.declared else {}
    environ = {**given, **os.environ}

    def do() -> None:
        migrate_environment.run(work, name, wish, environ)

    recorded(work, do)


def recorded(work: Work, do: Callable[[], None]) -> None:
    """Do a unit's work and write its record, however it ends."""
    state = work.project.state
    records.complete(state)
    begun = recording.begun(work, work.tree)
    with records.running(state, begun):
        told = recording.Ending()
        try:
            with recording.ending(work) as told:
                do()
        finally:
            recording.write(work, told.of(begun, work))


def new(
    project: Project, message: str, *, contract: bool, backfill: str, index: str
) -> None:
    """Write a new revision, and say where it is."""
    from sametree.database import new_revision
    from sametree.units import new_migration

    work = work_of(project, "migrate", "migrate.new")
    made = new_migration.new(
        work, message, contract=contract, backfill=backfill, index=index
    )
    terminal.say(f"  {made}")
    for line in new_revision.next_steps(contract=contract, backfill=backfill):
        terminal.say(f"    {line}")


def snapshot(project: Project, name: str) -> None:
    """Copy the development database under ``name``."""
    from sametree.database import snapshots

    began = time.monotonic()
    with snapshots.at_hand(project) as ours:
        ours.snapshot(name)
    terminal.say(f"  {name}: a copy of {ours.database}, in {_since(began)}")


def restore(project: Project, name: str) -> None:
    """Make the development database what it was when ``name`` was taken."""
    from sametree.database import snapshots

    began = time.monotonic()
    with snapshots.at_hand(project) as ours:
        ours.restore(name)
    terminal.say(f"  {ours.database} is what {name} was, in {_since(began)}")


def listed(project: Project) -> None:
    """List the named copies."""
    from sametree.database import snapshots

    with snapshots.at_hand(project) as ours:
        found = ours.taken()
    if not found:
        terminal.say("  none; `invoke db.snapshot NAME` takes one")
    rows = [
        (each.name, terminal.ago(time.time() - each.taken), f"{each.size / 1e6:.1f} MB")
        for each in found
    ]
    for line in terminal.table(rows):
        terminal.say(line)


def drop(project: Project, name: str) -> None:
    """Remove the copy ``name``."""
    from sametree.database import snapshots

    with snapshots.at_hand(project) as ours:
        ours.drop(name)
    terminal.say(f"  {name} is gone")


def seed(project: Project) -> None:
    """Fill the development database with the settings' command, once it is migrated."""
    from sametree.database import server
    from sametree.steps import Step
    from sametree.units import migrate

    database = project.settings.database
    if database is None or not database.seed:
        raise UsageError(
            "settings name no command that fills the development database",
            'add to [tool.sametree.database]: seed = ["python", "-m", "app.seed"]',
        )
    steps.stop_on_sigterm()
    work = work_of(project, "up", "db.seed")
    with server.development(project) as address:
        terminal.keep_secret({address.password} - {""})
        terminal.say(f"  {address}")
        env = work.install("run")
        migrate.upgrade(work, env, address)
        variables: Mapping[str, str] = {
            server.VARIABLE: address.url(migrate.driver(work))
        }
        step = Step(name="seed", argv=database.seed, cwd=work.folder)
        outcome = steps.run(
            step, {**env, **variables}, on_line=lambda line: terminal.say(f"  {line}")
        )
    if not outcome.passed:
        raise UnitFailed(f"`{step}` failed (exit code {outcome.code})")


def _since(began: float) -> str:
    return terminal.duration(time.monotonic() - began)
