"""What are the tasks on environments? Called by ``tasks``, which turns errors into exits."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sametree import records, steps, surroundings, terminal, trees
from sametree.database_tasks import recorded
from sametree.deploy.site import LOCAL, Site
from sametree.errors import SametreeError, UnitFailed, UsageError
from sametree.settings import Project
from sametree.steps import Step
from sametree.units import Work
from sametree.units.deploying import preflight

if TYPE_CHECKING:
    from sametree.units.deploying.flow import Asked


def asked(told: Mapping[str, object]) -> Asked:
    """Return what the operator wants, as Invoke told it. Raises UsageError."""
    from sametree.units.deploying.flow import Asked

    if told.get("resume") and told.get("abort"):
        raise UsageError("--resume and --abort: one of them")
    words = {name: bool(told.get(name)) for name in ("plan", "yes", "again")}
    return Asked(
        **words,
        resume=bool(told.get("resume")),
        abort=bool(told.get("abort")),
        why=str(told.get("why") or ""),
    )


def deploy(
    project: Project, name: str, release: str, wish: Asked, build: bool = False
) -> None:
    """Deploy a release (this tree's when none is named) to environment ``name``.

    With ``build``, what nobody has here yet is had first, as on a machine that has only
    checked the commit out: the records that CI has signed, and what is built.
    """
    from sametree.units.deploying import flow

    site = preflight.find(project, name)
    if build and (release or wish.resume or wish.abort):
        raise UsageError(
            "--build makes this tree's release, and another one is asked for",
            f"invoke deploy {name} --build",
        )
    work = work_of(project, "deploy", f"deploy({name})")
    if wish.resume or wish.abort:
        _do(work, lambda: flow.go_on(work, site, os.environ, undo=wish.abort))
        return

    def do() -> None:
        if build:
            _build(project)
        folder = _release(project, release)
        flow.deploy(work, site, folder, wish, os.environ)

    _do(work, do)


def promote(project: Project, source: str, target: str, wish: Asked) -> None:
    """Deploy to ``target`` the very release that ``source`` runs and has baked."""
    from sametree.artifacts import install
    from sametree.units.deploying import flow

    there, here = preflight.find(project, source), preflight.find(project, target)
    if source == target:
        raise UsageError(f"{source} is promoted to itself", "invoke promote FROM TO")
    told = there.colours
    side = told.side(told.active)
    if side is None or not side.baked:
        raise UsageError(
            f"{source} runs nothing that has baked", f"invoke deploy {source}"
        )
    found = install.installed(there.folder, side.digest)
    if found is None:
        raise UsageError(
            f"the release {side.digest[:12]} of {source} is gone from {there.folder}",
            f"invoke deploy {source}",
        )
    work = work_of(project, "deploy", f"promote({target})")
    _do(
        work,
        lambda: flow.deploy(work, here, found.folder, wish, os.environ, "promote"),
    )


def rollback(project: Project, name: str, to: str, wish: Asked) -> None:
    """Return to the warm colour of environment ``name``, or to a kept release."""
    from sametree.units.deploying import rollback as back

    site = preflight.find(project, name)
    if not to:
        back.warm(site, wish)
        return
    work = work_of(project, "deploy", f"rollback({name})")
    _do(work, lambda: back.cold(work, site, to, wish, os.environ))


def scale(project: Project, name: str, count: int) -> None:
    """Give the active colour of environment ``name`` another number of replicas."""
    from sametree.units.deploying import sizing

    site = preflight.find(project, name)
    work = work_of(project, "deploy", f"scale({name})")
    _do(work, lambda: sizing.scale(work, site, count, os.environ))


def retire(project: Project, name: str) -> None:
    """Stop the warm colour of environment ``name``."""
    from sametree.units.deploying import sizing

    done = sizing.retire(preflight.find(project, name))
    terminal.say("  stopped" if done else f"  {name} has no warm colour")


def down(project: Project, name: str = LOCAL, *, yes: bool = False) -> bool:
    """Stop all of environment ``name``, once somebody agrees where others use it; return
    whether anything ran."""
    from sametree.stepwise import telling
    from sametree.units.deploying import sizing

    site = preflight.find(project, name)
    if not site.runner.inspect():
        return False
    if name != LOCAL:
        telling.agree(f"stop all of {name}, for all its users", yes)
    return sizing.down(site)


def status(project: Project, name: str) -> None:
    """Print how environments are: ``name``, or all that settings name, and ``local``."""
    from sametree.units.deploying import looking

    for site in _sites(project, name):
        for line in looking.status(site):
            terminal.say(f"  {line}")


def drift(project: Project, name: str) -> None:
    """Print what is not as it was decided; raises UnitFailed when there is something."""
    from sametree.units.deploying import looking

    found = 0
    for site in _sites(project, name):
        for line in looking.drift(site):
            terminal.say(f"  {site.name}: {line}")
            found += 1
    if found:
        raise UnitFailed(f"{found} thing{'' if found == 1 else 's'} drifted")
    terminal.say("  all is as it was decided")


def history(project: Project, name: str, count: int) -> None:
    """Print what happened to environment ``name``."""
    from sametree.units.deploying import looking

    for line in looking.history(preflight.find(project, name), count):
        terminal.say(line)


def logs(project: Project, name: str, colour: str, lines: int) -> None:
    """Print the last lines that a colour of environment ``name`` printed."""
    from sametree.units.deploying import looking

    declared = surroundings.look(project)
    terminal.keep_secret(declared.hidden)
    for line in looking.logs(preflight.find(project, name), colour, lines):
        terminal.say(line)


def lock_status(project: Project, name: str) -> None:
    """Print who changes an environment."""
    from sametree.units.deploying import looking

    for site in _sites(project, name):
        terminal.say(f"  {site.name}: {looking.owner(site)}")


def break_lock(project: Project, name: str) -> None:
    """Take the lease of environment ``name`` from whoever has it."""
    from sametree.stepwise import lease

    site = preflight.find(project, name)
    found = lease.break_(site.folder) if site.folder.exists() else None
    if found is None:
        terminal.say(f"  nobody has the lease of {name}")
        return
    terminal.say(f"  the lease of {found.who()} is broken (it was to {found.what})")


def work_of(project: Project, kind: str, title: str) -> Work:
    """Return what a task on an environment works with, and records."""
    running = [each for each in project.components if each.run]
    component = running[0] if running else project.components[0]
    run_id, _ = records.run_id()
    venv = project.state / "venvs" / component.name
    return Work(
        project,
        component,
        kind,
        venv,
        title=title,
        run_id=run_id,
        tree=trees.tree_id(project.root) or "",
    )


def _do(work: Work, do: Callable[[], None]) -> None:
    steps.stop_on_sigterm()
    recorded(work, do)


def _sites(project: Project, name: str) -> list[Site]:
    if name:
        return [preflight.find(project, name)]
    names = sorted(project.settings.environments)
    found = [preflight.find(project, each) for each in names]
    local = preflight.find(project, LOCAL)
    if LOCAL not in names and (local.folder / "colours.json").exists() or not found:
        found.insert(0, local)
    return found


def _build(project: Project) -> None:
    """Fetch what CI has signed, and build; what is proven is not built again.

    Raises UnitFailed when the build fails.
    """
    from sametree import record_tasks

    try:
        record_tasks.pull(project)
    except SametreeError as error:
        # What is proven here may do; if not, the preflight names what lacks.
        terminal.say(f"  no records were fetched: {error.problem}")
    argv = (sys.executable, "-m", "nox", "-s", "build")
    step = Step(name="build", argv=argv, cwd=project.root)
    if not steps.run(step, os.environ, live=True).passed:
        raise UnitFailed("the build failed; nothing was deployed", "nox -s build")


def _release(project: Project, name: str) -> Path:
    """Return the folder of a packed release; this tree's is packed when it is not."""
    from sametree import artifact_tasks

    return artifact_tasks.find(project, name)
