"""What would GitHub say to this commit? Its workflow is run here, by act.

The committed workflow runs as it stands, in jobs that begin with an empty workspace, an
empty environment and an empty HOME. What this machine lends is its package clients'
configuration and caches, and its certificates: without them nothing can be installed.
What stands for GitHub (the repository to fetch from and to push to, the artifacts) is a
folder that is gone afterwards, so nothing leaves this machine.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from sametree import files, git, records, steps
from sametree.errors import SurroundingsError, UsageError
from sametree.settings import Project
from sametree.steps import Step
from sametree.workflows import act, family, programs, stage, write
from sametree.workflows.act import Ran

KEPT = "rehearsal"
"""Folder in the state folder with the records and logs of the last rehearsal."""
PREFIX = "sametree-rehearsal-"
ALIVE = "alive"
"""File in a rehearsal's folder that it holds locked; a free one is of a killed run."""


class Rehearsal(msgspec.Struct, frozen=True, kw_only=True):
    """How a rehearsal went. ``folder`` holds ``runs/RUN/UNIT.json``, the run records
    that the jobs uploaded, and ``logs/JOB.log``. ``services`` says that GitHub starts
    some for the jobs, and that here they did without."""

    commit: str
    jobs: tuple[Ran, ...]
    seconds: float
    folder: Path
    services: bool = False

    @property
    def passed(self) -> bool:
        """Whether jobs passed, and the others were skipped as the workflow says."""
        ran = any(job.verdict == "success" for job in self.jobs)
        return ran and all(job.passed for job in self.jobs)


def rehearse(
    project: Project,
    *,
    uv: str,
    folder: Path | None = None,
    workflow: str = write.WORKFLOW,
    jobs: int = 1,
    variables: Mapping[str, str] = {},
    tell: Callable[[Ran, bool], None] = lambda job, ended: None,
) -> Rehearsal:
    """Run ``workflow`` of HEAD, as a push to the main branch, and say how it went.

    ``uv`` is the program with which jobs install; ``folder`` is where act is, if not
    beside our own Python or on PATH; ``jobs`` says how many run at a time, and
    ``variables`` what they find in their environment beside what is lent. ``tell`` is
    called with each job when it begins and (True) when it has ended. On Ctrl-C nothing
    is left of it.

    Raises UsageError when there is no such commit or workflow, or the workflow uses what
    cannot be rehearsed; SurroundingsError when act is not there, or cannot go on.
    """
    program = programs.find("act", folder)
    commit = (
        git.run(project.root, "rev-parse", "--verify", "HEAD^{commit}") or ""
    ).strip()
    if not commit:
        raise UsageError(
            "there is no commit here, and only what is committed can be rehearsed",
            "git init, git add and git commit first",
        )
    if git.run(project.root, "rev-parse", "--show-prefix") != "\n":
        raise UsageError(
            "this project is in a folder of its repository, and GitHub reads workflows"
            " at the top only",
            "rehearse at the top of the repository",
        )
    began = time.monotonic()
    with _scratch() as place:
        branch = project.settings.main_branch
        built = stage.build(
            project.root, place, commit=commit, branch=branch, workflow=workflow, uv=uv
        )
        home = place / "home"
        stage.make_home(home, Path.home())
        argv = act.argv(
            program,
            workflow,
            event=built.event,
            cache=place / "work",
            machines=built.machines,
            actions=built.actions,
            jobs=jobs,
        )
        log = act.Log(tell)
        with family.ending_with_us(home):
            step = Step(name="act", argv=argv, cwd=built.repository)
            env = {**stage.environment(home), **variables}
            ended = steps.run(step, env, on_line=log.take)
        ran = log.jobs(built.workflow)
        if ended.code and all(job.passed for job in ran):
            said = "\n".join(f"  {line}" for line in log.problems[-10:])
            raise SurroundingsError(f"act could not run {workflow}:\n{said}")
        kept = _keep(project, place, ran)
    seconds = time.monotonic() - began
    return Rehearsal(
        commit=commit,
        jobs=tuple(ran),
        seconds=seconds,
        folder=kept,
        services=built.services,
    )


@contextmanager
def _scratch() -> Iterator[Path]:
    """Make a folder for the length of the block; remove those that a kill has left."""
    for old in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):  # another rehearsal may remove it just now
            _remove_unless_alive(old)
    place = Path(tempfile.mkdtemp(prefix=PREFIX)).resolve()
    alive = files.lock(place / f".{ALIVE}")
    try:
        (place / f".{ALIVE}").rename(place / ALIVE)  # locked from the beginning
        if os.geteuid() == 0:
            place.chmod(0o755)  # PostgreSQL, which is not run by root, is in there
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
        os.close(alive)


def _remove_unless_alive(old: Path) -> None:
    """Remove the folder of a rehearsal that was killed, and end what it left running."""
    if old.stat().st_uid != os.geteuid() or not (old / ALIVE).exists():
        return
    descriptor = files.try_lock(old / ALIVE)
    if descriptor is None:
        return
    try:
        family.end_all(old.resolve() / "home")
        shutil.rmtree(old, ignore_errors=True)
    finally:
        os.close(descriptor)


def _keep(project: Project, place: Path, ran: Sequence[Ran]) -> Path:
    """Keep the records and the logs, in place of those of the last rehearsal."""
    state = files.add_exclude_file(project.state)
    new = Path(tempfile.mkdtemp(prefix=f".{KEPT}.", dir=state))
    try:
        for path in (place / "artifacts").glob(f"*/.sametree/{records.RUNS}/*/*.json"):
            copy = new / records.RUNS / path.parent.name / path.name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        for job in ran:
            text = "".join(f"{step}: {line}\n" for step, line in job.log)
            log = new / "logs" / f"{records.file_name(job.name)}.log"
            log.parent.mkdir(exist_ok=True)
            log.write_text(text, encoding="utf-8", errors="replace")
        with files.locked(state / "locks" / KEPT):
            files.replace_folder(new, state / KEPT)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return state / KEPT
