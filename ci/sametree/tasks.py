"""The face that Invoke meets: what maintainers and developers do by hand."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec

import msgspec
from invoke.exceptions import Exit

from sametree import masking, steps, surroundings, terminal, trees
from sametree.errors import (
    INTERRUPTED,
    SURROUNDINGS,
    SametreeError,
    of_machine,
    UsageError,
)
from sametree.records import Record
from sametree.settings import Component, Project
from sametree.settings import load as load_settings

if TYPE_CHECKING:
    from sametree.database.address import Address
    from sametree.units import Work

P = ParamSpec("P")


def _explained(task: Callable[P, None]) -> Callable[P, None]:
    """Turn a problem into Invoke's way out: a message and an exit code, no traceback."""

    @functools.wraps(task)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            task(*args, **kwargs)
        except SametreeError as error:
            raise Exit(masking.hide(str(error)), error.exit_code) from None
        except KeyboardInterrupt:
            raise Exit(code=INTERRUPTED) from None
        except OSError as error:
            said = masking.hide(str(of_machine(error)))
            raise Exit(said, SURROUNDINGS) from None

    return wrapped


def load(tasks_file: str) -> Project:
    """Return the project in which ``tasks_file`` (its path) lies."""
    try:
        return load_settings(Path(tasks_file).parent)
    except SametreeError as error:
        raise Exit(str(error), error.exit_code) from None


@_explained
def up(project: Project) -> None:
    """Run database and services until Ctrl-C, ``down``, or the end of one of them."""
    from sametree.database import server
    from sametree.development import services
    from sametree.units import build

    steps.stop_on_sigterm()
    served = [component for component in project.components if component.serve]
    if not served and not project.settings.database:
        raise UsageError(
            "nothing to run: no component says how it is served, and there is no database",
            'add serve = ["COMMAND", …] to a component in pyproject.toml',
        )
    declared = surroundings.look(project)
    terminal.keep_secret(declared.hidden)
    needing = [c.name for c in project.components if c.serve or project.has_database(c)]
    declared.require(needing)
    for line in surroundings.news(project, declared):
        terminal.say(f"  {terminal.colour('note:', 'yellow')} {line}")
    folder = services.folder_of(project)
    try:
        with ExitStack() as stack:
            stack.enter_context(services.alone(folder))
            variables: dict[str, str] = {}
            if tree := trees.tree_id(project.root):
                variables[build.TREE_VARIABLE] = tree
            if project.settings.database:
                address = stack.enter_context(server.development(project))
                terminal.say(f"  {address}")
                variables |= _migrated(project, address)
            ports = services.ports(served)
            ready = []
            for component in served:
                env = {**_work(project, component).install("run"), **variables}
                place = project.folder(component)
                ready.append(services.service(component, place, env, ports))
            guards = stack.enter_context(services.running(ready, folder))
            for each in ready:
                terminal.say(f"  {each.name:<10} {terminal.colour(each.url, 'bold')}")
            terminal.say("  Ctrl-C stops all.\n")
            ended = services.watch(guards, folder, _show)
            raise SametreeError(f"{ended} has ended; so everything is stopped")
    except KeyboardInterrupt:
        terminal.say("\n  stopped")
        raise Exit(code=INTERRUPTED) from None


@_explained
def down(project: Project, *, environment: str = "", yes: bool = False) -> None:
    """Stop what ``up`` runs in another terminal, and what was deployed to ``local``; or
    all of another ``environment``."""
    from sametree import deploy_tasks
    from sametree.development import services

    if environment:
        ran = deploy_tasks.down(project, environment, yes=yes)
    else:
        ran = services.stop(services.folder_of(project))
        ran = deploy_tasks.down(project) or ran
    terminal.say("  stopped" if ran else "  nothing was running")


@_explained
def psql(project: Project) -> None:
    """Open a shell on the development database; what follows ``--`` goes to psql."""
    from sametree.database import binaries, server

    with server.development(project) as address:
        # The wheel's psql has no TLS, which a given server may demand.
        program = shutil.which("psql") if server.given() else None
        program = program or str(binaries.folder(server.version_of(project)) / "psql")
        env = dict(os.environ)
        if address.password:
            env["PGPASSWORD"] = address.password
        # As a URL without the password: the command line is for all to see.
        where = msgspec.structs.replace(address, password="").url()
        # From the command line itself: Invoke's own remainder has lost the quotes.
        args = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is psql's
        try:
            done = subprocess.run([program, where, *args], env=env, check=False)
        finally:
            signal.signal(signal.SIGINT, before)
    if done.returncode:
        raise Exit(code=done.returncode)


@_explained
def clean(project: Project, *, database: bool = False, dry_run: bool = False) -> None:
    """Remove what the pipeline made; the development database only when asked for."""
    from sametree import files
    from sametree.development import cleaning

    files.add_exclude_file(project.state)
    places = cleaning.plan(project, database=database)
    if not dry_run:
        cleaning.remove(project, places)
    for place in places:
        shown = (
            place.relative_to(project.root) if project.root in place.parents else place
        )
        terminal.say(f"  {'would remove' if dry_run else 'removed'} {shown}")
    if not places:
        terminal.say("  nothing to remove")


@_explained
def write_workflows(project: Project) -> None:
    """Write the files in ``.github`` that settings decide."""
    from sametree.workflows import write

    for change in write.write(project):
        terminal.say(f"  {change.file}  {change.what}")


@_explained
def compare(
    project: Project,
    *,
    left: str = "",
    right: str = "",
    unit: str = "",
    folder: str = "",
    full: bool = False,
) -> None:
    """Show how two runs differ, the likely cause first; exit code 1 when they do."""
    from sametree import compare_task
    from sametree.sharing import notes

    def shared() -> list[Record]:
        return [each.record for each in notes.known(project.root)]

    code = compare_task.run(
        project, left, right, unit=unit, folder=folder, full=full, shared=shared
    )
    if code:
        raise Exit(code=code)


@_explained
def push_records(project: Project, *, remote: str = "origin", folder: str = "") -> None:
    """Share records with other clones: this checkout's, or those below ``folder``."""
    from sametree import record_tasks

    record_tasks.push(project, remote=remote, folder=folder)


@_explained
def pull_records(project: Project, *, remote: str = "origin") -> None:
    """Take over the records that ``remote`` has."""
    from sametree import record_tasks

    record_tasks.pull(project, remote=remote)


@_explained
def list_records(project: Project, *, count: int = 10) -> None:
    """Print the last runs of this checkout, and what others have shared, by run."""
    from sametree.insight import history
    from sametree.sharing import notes

    shared = notes.known(project.root)
    believed = {r.run for r in notes.trusted(shared, project.settings.ci.signers)}
    found = [*notes.local(project.state), *(each.record for each in shared)]
    for line in history.lines(found, believed, count):
        terminal.say(line)


@_explained
def new_records_key(project: Project) -> None:
    """Make a key with which CI signs its records; say where its two halves go."""
    from sametree import record_tasks

    record_tasks.key(project)


@_explained
def export_records(
    project: Project, *, format: str, run: str = "", unit: str = "", out: str = ""
) -> None:
    """Print a run's records in another form (otlp, junit, in-toto), or write them."""
    from sametree import exports, files

    text = exports.export(project.state, run, unit, format)
    if not out:
        terminal.say(text.rstrip("\n"))
        return
    files.write_atomically(Path(out), text)
    terminal.say(f"  {out}")


@_explained
def migrate(project: Project, environment: str, wish: Mapping[str, object]) -> None:
    """Migrate the database of ``environment``; ``wish`` has what was asked for."""
    from sametree import database_tasks

    database_tasks.migrate(project, environment, database_tasks.wishes(wish))


@_explained
def new_migration(
    project: Project,
    message: str,
    *,
    contract: bool = False,
    backfill: str = "",
    index: str = "",
) -> None:
    """Write the file of a new migration, with safe idioms to begin with."""
    from sametree import database_tasks

    database_tasks.new(
        project, message, contract=contract, backfill=backfill, index=index
    )


@_explained
def snapshot(project: Project, what: str, name: str = "") -> None:
    """Do ``what`` (snapshot, restore, listed, drop or seed) with the development
    database, and its copy ``name``."""
    from sametree import database_tasks

    do = getattr(database_tasks, what)
    do(project, name) if name else do(project)


@_explained
def environment(project: Project, what: str, *args: object) -> None:
    """Do ``what`` (deploy, promote, rollback, scale, …) with an environment; ``args``
    are those of ``deploy_tasks``, a mapping being what was asked for."""
    from sametree import deploy_tasks

    given = [deploy_tasks.asked(a) if isinstance(a, dict) else a for a in args]
    getattr(deploy_tasks, what)(project, *given)


@_explained
def artifacts(project: Project, what: str, **given: object) -> None:
    """Do ``what`` (pack, verify, listed) with releases."""
    from sametree import artifact_tasks

    getattr(artifact_tasks, what)(project, **given)


@_explained
def release(
    project: Project,
    asked: Mapping[str, object],
    *,
    resume: bool = False,
    abort: bool = False,
    until: str = "",
) -> None:
    """Release this tree as ``asked`` says, finish a release that was cut off, or undo
    it; stop after the stage ``until``."""
    from sametree import release_tasks

    release_tasks.release(project, asked, resume=resume, abort=abort, until=until)


@_explained
def releases(project: Project, what: str, *args: str, **given: object) -> None:
    """Do ``what`` (status, entry, yank, unlock) with released versions."""
    from sametree import release_tasks

    getattr(release_tasks, what)(project, *args, **given)


def _work(project: Project, component: Component) -> Work:
    """Return what a component works with when it runs."""
    from sametree.units import Work

    venv = project.state / "venvs" / component.name
    venv.parent.mkdir(parents=True, exist_ok=True)
    return Work(project, component, "up", venv)


def _migrated(project: Project, address: Address) -> Mapping[str, str]:
    """Bring the development database up to date; return the variables that name it."""
    from sametree.database import server
    from sametree.units import migrate

    database = project.settings.database
    assert database is not None
    component = project.component(database.component)
    work = _work(project, component)
    migrate.upgrade(work, work.install("run"), address)
    return {server.VARIABLE: address.url(migrate.driver(work))}


def _show(name: str, line: str) -> None:
    terminal.say(f"{terminal.colour(f'{name:<10}', 'grey')} {line}")
