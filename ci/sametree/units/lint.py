"""lint and format: is the code as the team has agreed, and make it so."""

from __future__ import annotations

import time

from sametree import terminal
from sametree.errors import SurroundingsError, UnitFailed
from sametree.testing import triage
from sametree.toolchains import locks
from sametree.units.work import Work


def lint(work: Work) -> None:
    """Run every check, also when one has failed; raise UnitFailed with all failures."""
    stale = _locks(work)
    env = work.install("lint")
    failed = work.check(work.toolchain.lint(work.place), env)
    names = [*(["locks"] if stale else []), *(each.step.name for each in failed)]
    mend = ["nox -s lock"] if stale else []
    mend += [each.step.mend for each in failed if each.step.mend]
    work.mend = list(dict.fromkeys(mend))
    around = work.around(env)
    causes = [
        triage.of_step(each.code, each.output, around)
        for each in failed
        if not work.findings(each)
    ]
    if failed and not stale and len(causes) == len(failed) and all(causes):
        told = "; ".join(dict.fromkeys(cause.text for cause in causes if cause))
        cure = "; ".join(dict.fromkeys(cause.cure for cause in causes if cause))
        raise SurroundingsError(f"{', '.join(names)} could not run: {told}", cure)
    if names:
        raise UnitFailed(
            f"{', '.join(names)} failed",
            (
                f"mend with: {'; '.join(work.mend)}"
                if work.mend
                else "see the lines above"
            ),
        )


def format(work: Work) -> None:
    """Rewrite the sources, one tool after the other."""
    env = work.install("lint")
    for step in work.toolchain.format(work.place):
        work.run(step, env)


def _locks(work: Work) -> list[str]:
    """Look whether the component's locks are up to date; needs no network."""
    started = time.monotonic()
    stale = []
    if work.component.language == "node":
        if why := locks.node_outdated(work.folder):
            stale.append(f"package-lock.json {why}")
    else:
        for lock in locks.of_component(work.project, work.component):
            if why := locks.outdated(lock):
                path = lock.path.relative_to(work.project.root)
                stale.append(f"{path} {why}")
    mark = terminal.mark("failed" if stale else "passed")
    seconds = terminal.duration(time.monotonic() - started)
    terminal.say(f"  {mark}  {'locks':<10}  {seconds:>8}")
    for line in stale:
        terminal.say(f"      {line}")
        if terminal.on_github():
            terminal.annotate("", None, "locks", line)
    return stale
