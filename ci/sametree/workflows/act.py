"""How is a workflow run by act, and how did each of its jobs end?

act (nektos/act) writes a JSON object a line. A job's own verdict cannot be taken from
its ``jobResult``: once one job of a matrix has failed, act calls those that end after
it failed as well. What counts is how its steps ended.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from sametree.workflows.document import Document

Verdict = Literal["success", "failure", "skipped", "unreached", "cancelled"]
UNSUPPORTED = "Skipping unsupported platform"
"""act passes over a job whose machine was not named to it; that is no success."""
_COLOURS = re.compile(r"\033\[[0-9;]*[A-Za-z]")

SET_UP = "Set up job"
SPOKEN = frozenset({"error", "warning", "notice"})
"""Commands of a step to GitHub that people read: annotations."""
LONGEST = 200
"""Characters of an annotation that are kept; the step has told it in full."""


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """How a job went. ``unit`` is what its matrix gave it, ``step`` the one that
    failed; ``log`` has the lines of its steps, each with the step's name."""

    job: str
    unit: str = ""
    verdict: Verdict
    seconds: float = 0.0
    step: str = ""
    log: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """The job's name for people: ``unit tests(backend)``."""
        return f"{self.job} {self.unit}".strip()

    @property
    def passed(self) -> bool:
        """Whether the job is no reason to be red."""
        return self.verdict in ("success", "skipped")

    def lines(self) -> list[str]:
        """Return what the step printed that failed; of a passed job, all steps."""
        return [line for step, line in self.log if not self.step or step == self.step]


@dataclass
class _Running:
    """A job as its lines have told it so far."""

    job: str
    unit: str
    began: float
    ended: float = 0.0
    failed: str = ""
    error: str = ""
    finished: bool = False
    log: list[tuple[str, str]] = field(default_factory=list)

    def ran(self) -> Ran:
        verdict: Verdict = "success" if self.finished else "cancelled"
        if self.failed or self.error:
            verdict = "failure"
        log = [*self.log, (self.failed, self.error)] if self.error else self.log
        return Ran(
            job=self.job,
            unit=self.unit,
            verdict=verdict,
            seconds=max(0.0, self.ended - self.began),
            step=self.failed,
            log=tuple(log),
        )


class Log:
    """Reads the lines of act. ``tell`` gets each job when it begins and when it ends."""

    def __init__(self, tell: Callable[[Ran, bool], None]) -> None:
        self.problems: list[str] = []
        self.died = False
        self._tell = tell
        self._jobs: dict[str, _Running] = {}

    def take(self, line: str) -> None:
        """Read a line."""
        said = _decoded(line)
        if said is None:
            if line.strip():
                self.problems.append(line.strip())
        elif "jobID" not in said:
            self.died = self.died or said.get("level") == "fatal"
            if said.get("level") in ("error", "fatal"):
                self.problems.append(str(said.get("msg", "")).strip())
        else:
            self._take(said)

    def jobs(self, workflow: Document) -> list[Ran]:
        """Return how each job of ``workflow`` went, in its order; then those of the
        workflows that it calls.

        act says nothing of a job that it skips. When act itself died, what it did not
        speak of was not reached.
        """
        found: list[Ran] = []
        for job in workflow.jobs:
            own = [each for each in self._jobs.values() if each.job == job.id]
            silent = Ran(job=job.id, verdict="unreached" if self.died else "skipped")
            found += [each.ran() for each in own] or [silent]
        named = {job.id for job in workflow.jobs}
        rest = [each for each in self._jobs.values() if each.job not in named]
        return found + [each.ran() for each in rest]

    def _take(self, said: Mapping[str, Any]) -> None:
        matrix = said.get("matrix") or {}
        key = json.dumps([said["jobID"], matrix], sort_keys=True)
        running = self._jobs.get(key)
        if running is None and not _begins(said):
            return  # act sets up all jobs at once, before it lets some of them begin
        if running is None:
            unit = str(matrix.get("unit") or ", ".join(map(str, matrix.values())))
            running = _Running(str(said["jobID"]), unit, time.monotonic())
            self._jobs[key] = running
            self._tell(running.ran(), False)
        running.ended = time.monotonic()
        self._read(said, running)

    def _read(self, said: Mapping[str, Any], running: _Running) -> None:
        text = str(said.get("msg", "")).rstrip("\n")
        step = str(said.get("step", ""))
        if said.get("raw_output"):
            running.log.append((step, _plain(text)))
        elif "command" in said:
            if said["command"] in SPOKEN:
                running.log.append((step, _annotation(said)))
            return
        elif UNSUPPORTED in text:
            running.error = text
        elif said.get("level") in ("error", "fatal"):
            if not text.startswith("exit status"):
                running.error = text
        elif said.get("stepResult") == "failure":
            running.failed = running.failed or step or "a step"
        if "jobResult" in said and not running.finished:
            running.finished = True
            self._tell(running.ran(), True)


def argv(
    program: Path,
    workflow: str,
    *,
    event: Path,
    cache: Path,
    machines: Iterable[str],
    actions: Mapping[str, Path],
    jobs: int,
) -> tuple[str, ...]:
    """Return the call of act that runs ``workflow`` for a push, on this very machine.

    ``event`` is the file with the event; ``machines`` are the labels of the jobs'
    runners; ``actions`` maps an action (``OWNER/NAME@REF``) to the folder that stands
    in for it; ``cache`` is where act works; ``jobs`` says how many run at a time.
    """
    hosts = [f"--platform={label}=-self-hosted" for label in machines]
    stand_ins = [f"--local-repository={k}={v}" for k, v in actions.items()]
    return (
        *(str(program), "push", f"--eventpath={event}", f"--workflows={workflow}"),
        *("--json", "--no-skip-checkout", "--no-cache-server", "--pull=false"),
        *(f"--action-cache-path={cache}", f"--concurrent-jobs={jobs}"),
        *(*hosts, *stand_ins),
    )


def _begins(said: Mapping[str, Any]) -> bool:
    """Return whether a job has begun with this line: a step, its end, or a fault."""
    wrong = said.get("level") != "info" or said.get("stepResult") == "failure"
    wrong = wrong or UNSUPPORTED in str(said.get("msg"))
    return wrong or "jobResult" in said or said.get("step", SET_UP) != SET_UP


def _plain(text: str) -> str:
    """Return a line as it stands at last on a terminal, which steps have under act."""
    return _COLOURS.sub("", text.rstrip("\r").rpartition("\r")[2])


def _annotation(said: Mapping[str, Any]) -> str:
    """Return the first line of an annotation (docs: workflow commands)."""
    first = str(said.get("arg", "")).partition("\n")[0]
    return f"{said['command']}: {first[:LONGEST]}"


def _decoded(line: str) -> dict[str, Any] | None:
    try:
        said = json.loads(line)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None
