"""workflows and rehearse: is CI thin and safe, and what will it say to this commit?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sametree import git, proofs, records, surroundings, terminal
from sametree.errors import UnitFailed
from sametree.records import Record
from sametree.toolchains import environments
from sametree.units import plan
from sametree.units.work import Work, cores
from sametree.workflows import check, rehearse
from sametree.workflows.act import Ran
from sametree.workflows.findings import Finding
from sametree.workflows.rehearse import Rehearsal

LOCK = "workflows"
"""The lock with act, check-jsonschema and zizmor."""
OF_RUNNER = 4
"""Processors of a GitHub runner: a job has as much of this machine, or all of it."""
SHOWN = 40
"""Lines of a failed job that are shown; all are in its log."""


def workflows(work: Work) -> None:
    """Check the workflows; raise UnitFailed with all that was found."""
    work.install(LOCK)
    files = list(check.files(work.project.root))
    found = check.check(work.project, work.venv / "bin", work.note)
    _show(found)
    if found:
        work.mend = ["invoke workflows.write"] if _drifted(found) else []
        many = f"{len(found)} finding{'' if len(found) == 1 else 's'}"
        raise UnitFailed(f"{many} in the workflows", "each says above what mends it")
    work.notes.append(f"{len(files)} files" if files else "there are no workflows")


def rehearse_and_compare(work: Work) -> None:
    """Rehearse the workflow of HEAD; raise UnitFailed when a job is red, or when what
    it recorded differs from what this machine has proven in anything that must match.

    Arguments name the units and sessions that are rehearsed; without any, all are.
    """
    from sametree.insight.compare import parity

    there = _records_below(rehearsal(work).folder)
    ran = {name for each in there for name in plan.names(each.unit)}
    if missed := [name for name in work.args if name not in ran]:
        told = " ".join(f"'{name}'" for name in missed)
        raise UnitFailed(
            f"not rehearsed, since no job has recorded it: {told}",
            "only a workflow whose units come from `nox -s plan` can be rehearsed in part",
        )
    state = work.project.state
    near = [proofs.nearest(state, each.unit, each.parts) for each in there]
    here = [proof for proof in near if proof is not None]
    lacking = {each.unit for each in there} - {each.unit for each in here}
    if lacking:
        named = " ".join(f"'{unit}'" for unit in sorted(lacking))
        raise UnitFailed(
            f"nothing to compare with: {named} did not pass here yet",
            f"nox -s {named}, then rehearse again",
        )
    breaches = parity(here, there)
    for line in breaches:
        terminal.say(f"  {line}")
    if breaches:
        raise UnitFailed(
            f"CI would not be the same as here: {len(breaches)} differences",
            "mend what must match, and run the units here again",
        )
    many = f"{len(there)} unit{'' if len(there) == 1 else 's'}"
    work.notes.append(f"{many} the same here and there")


def _records_below(folder: Path) -> list[Record]:
    """Return the records of all runs in ``folder``."""
    return [each for run in records.runs(folder) for each in records.read(folder, run)]


def rehearsal(work: Work) -> Rehearsal:
    """Rehearse the workflow of HEAD; raise UnitFailed when a job is red.

    The run records of its jobs are in ``folder`` of the answer, to be compared with
    those of this machine. Arguments name the units, which the plan of the commit has.
    """
    work.install(LOCK)
    changed = (git.run(work.project.root, "status", "--porcelain") or "").splitlines()
    if changed:
        many = f"{len(changed)} file{'' if len(changed) == 1 else 's'}"
        terminal.say(f"  not committed, and so not rehearsed: {many}")
    done = rehearse.rehearse(
        work.project,
        uv=environments.uv(),
        folder=work.venv / "bin",
        jobs=max(1, cores() // OF_RUNNER),
        variables={surroundings.UNITS: " ".join(work.args)} if work.args else {},
        tell=_tell,
    )
    passed = sum(1 for job in done.jobs if job.verdict == "success")
    work.notes.append(f"{passed} jobs of commit {done.commit[:12]}")
    if done.services:
        work.notes.append("without GitHub's services: on the embedded PostgreSQL")
    if not done.passed:
        raise _red(work, done)
    return done


def _show(found: Sequence[Finding]) -> None:
    """Print every finding; reason and cure once for all of a rule in a file."""
    for number, each in enumerate(found):
        for line in str(each).splitlines():
            terminal.say(f"  {line}")
        after = found[number + 1] if number + 1 < len(found) else None
        same = after and (after.file, after.rule) == (each.file, each.rule)
        if not same:
            terminal.say(f"      why:  {each.reason}")
            terminal.say(f"      cure: {each.cure}")
    if terminal.on_github():
        for each in found[: terminal.ANNOTATIONS]:
            text = f"{each.text}\nwhy: {each.reason}\ncure: {each.cure}"
            terminal.annotate(each.file, each.line, f"workflows {each.rule}", text)


def _drifted(found: Sequence[Finding]) -> bool:
    return any(each.rule == "drift" for each in found)


def _tell(job: Ran, ended: bool) -> None:
    """Print the line of a job that begins, or that has ended."""
    if not ended:
        terminal.say(f"  {terminal.mark('running')}  {job.name}")
        return
    mark = terminal.mark("passed" if job.passed else "failed")
    step = f"  {job.step}" if job.step else ""
    seconds = terminal.duration(job.seconds)
    terminal.say(f"  {mark}  {job.name:<24} {seconds:>11}{step}")


def _red(work: Work, done: Rehearsal) -> UnitFailed:
    """Show what the red jobs printed; return what to raise."""
    red = [job for job in done.jobs if not job.passed]
    for job in red:
        if lines := job.lines():
            terminal.say(f"\n  {job.name}: {job.step or job.verdict}")
            for line in lines[-SHOWN:]:
                terminal.say(f"      {line}")
    units = [job.unit for job in red if job.unit]
    work.mend = [f"nox -s '{unit}'" for unit in units]
    logs = (done.folder / "logs").relative_to(work.project.root)
    named = "; ".join(f"{job.name} ({job.verdict})" for job in red)
    repeat = f"repeat at home: {'; '.join(work.mend)}; " if units else ""
    return UnitFailed(
        f"red in the rehearsal: {named}", f"{repeat}whole logs are in {logs}"
    )
