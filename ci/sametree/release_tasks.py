"""What are the tasks on releases? Called by ``tasks``, which turns errors into exits."""

from __future__ import annotations

from collections.abc import Mapping

from sametree import steps, surroundings, terminal
from sametree.errors import UsageError
from sametree.settings import Project
from sametree.units.releasing.plan import STAGES, Stage


def release(
    project: Project,
    asked: Mapping[str, object],
    *,
    resume: bool,
    abort: bool,
    until: str,
) -> None:
    """Release this tree, finish a release that was cut off, or undo it."""
    from sametree.units.releasing import flow

    begin(project)
    if resume and abort:
        raise UsageError("--resume and --abort: one of them")
    if (resume or abort) and (asked["version"] or asked["pre"]):
        raise UsageError(
            "a release that was cut off has its version already",
            "leave --version and --pre out",
        )
    wish = flow.Asked(
        dry_run=bool(asked["dry_run"]),
        yes=bool(asked["yes"]),
        version=str(asked["version"]),
        pre=str(asked["pre"]),
        until=_stage(until),
    )
    if abort:
        flow.abort(project)
    elif resume:
        flow.go_on(project, wish)
    else:
        flow.release(project, wish)


def status(project: Project, tag: str = "") -> None:
    """Print what of a version is where, and who releases just now."""
    from sametree.units.releasing import looking

    begin(project)
    for line in looking.status(project, tag):
        terminal.say(line)


def entry(project: Project, *, edit: bool, fresh: bool, version: str, pre: str) -> None:
    """Print the entry of the next version; let a person edit it, or make it anew."""
    from sametree.units.releasing import looking

    begin(project)
    looking.entry(project, edit=edit, fresh=fresh, version=version, pre=pre)


def yank(project: Project, tag: str, reason: str, *, yes: bool) -> None:
    """Tell everybody not to use a version any more."""
    from sametree.units.releasing import yanking

    begin(project)
    yanking.yank(project, tag, reason, yes=yes)


def unlock(project: Project, *, yes: bool) -> None:
    """Take the claim from a release that nobody will finish."""
    from sametree.units.releasing import looking

    begin(project)
    looking.unlock(project, yes=yes)


def begin(project: Project) -> None:
    """Hide what is secret, and end by SIGTERM as by Ctrl-C."""
    steps.stop_on_sigterm()
    terminal.keep_secret(surroundings.look(project).hidden)


def _stage(text: str) -> Stage | None:
    if not text:
        return None
    for stage in STAGES:
        if stage == text:
            return stage
    raise UsageError(
        f"there is no stage {text!r}", f"--until takes {', '.join(STAGES)}"
    )
