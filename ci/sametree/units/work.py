"""What does a unit have at hand: its place, its environment, a way to run and to tell?"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from sametree import files, steps, surroundings, terminal, toolchains
from sametree.errors import SurroundingsError, UnitFailed
from sametree.insight import ci_log
from sametree.records import Covered, StepRun
from sametree.settings import Component, Project
from sametree.steps import Outcome, Step
from sametree.testing import triage
from sametree.testing.triage import Around
from sametree.toolchains import Place, environments, findings, locks

TAIL = 15
"""Last lines of a failed step that a record keeps, where it told no findings."""
try:
    _TEMPORARY = tempfile.gettempdir()
except OSError:  # on a full disk Python finds none
    _TEMPORARY = os.environ.get("TMPDIR", "/tmp")
JOBS = "SAMETREE_JOBS"
"""Says how many processes a unit may use, where it should not be all processors."""


@dataclass
class Work:
    """One unit at work. ``venv`` is the folder of its virtual environment, ``title``
    the name that Nox has for it where that is not ``session(component)``.

    ``run_id`` is the run that the unit belongs to, ``tree`` the git tree of its sources,
    which are in ``sources`` where that is not the component's folder. ``anew`` says to
    use nothing that is known from an earlier run.

    The rest is filled by the unit, for its record: coverage, notes, commands that mend
    what failed, the steps that ran, their environment, and what was made (path in the
    project, sha256).
    """

    project: Project
    component: Component
    session: str
    venv: Path
    args: Sequence[str] = ()
    title: str = ""
    run_id: str = ""
    tree: str = ""
    sources: Path | None = None
    anew: bool = False
    declared: surroundings.Declared | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    covered: Covered | None = None
    notes: list[str] = field(default_factory=list)
    mend: list[str] = field(default_factory=list)
    failing: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    ran: list[StepRun] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The unit's name, as Nox has it: ``tests(backend)``."""
        return self.title or f"{self.session}({self.component.name})"

    @property
    def folder(self) -> Path:
        """The component's folder."""
        return self.sources or self.project.folder(self.component)

    @property
    def reports(self) -> Path:
        """Where the component's reports go; a session beside ``tests`` has its own."""
        name = self.component.name
        name += "" if self.session == "tests" else f"-{self.session}"
        return self.project.reports / name

    @property
    def toolchain(self) -> toolchains.Toolchain:
        """The toolchain of the component's language."""
        return toolchains.of(self.component.language or "python")

    @property
    def place(self) -> Place:
        """What the toolchain has to know."""
        cache = files.add_exclude_file(self.project.state) / "cache"
        return Place(
            name=self.component.name,
            folder=self.folder,
            sources=self.component.sources,
            nested=tuple(self.project.nested(self.component)),
            tools=self.toolchain.tools(self.folder),
            reports=self.reports,
            cache=cache / self.component.name,
        )

    def install(self, purpose: str) -> dict[str, str]:
        """Install what the unit's lock names; return the environment of its steps.

        ``purpose`` names the lock: ``lint``, ``tests``, ``build``, or ``run`` for what
        the component needs when it runs.
        """
        # Packages bring programs of their own, which get no declared variable.
        env = self.clean()
        declared = self.declared or surroundings.look(self.project)
        given = declared.of(self.component.name)
        self.environment |= declared.record(self.component.name, env)
        if self.component.language == "node":
            state = self.project.state
            environments.install_node(self.folder, state, env, _say_indented)
            programs = self.folder / "node_modules" / ".bin"
            path = environments.with_path(env, programs, environments.node())
            return {**path, **given, **self.extra}
        lock = locks.for_purpose(self.project, self.component, purpose)
        environments.make_python(self.venv, [lock], env)
        env["VIRTUAL_ENV"] = str(self.venv)
        path = environments.with_path(env, self.venv / "bin")
        return {**path, **given, **self.extra}

    def clean(self) -> dict[str, str]:
        """Return the environment of a step that is none of the component's own."""
        return surroundings.clean()

    def run(self, step: Step, env: Mapping[str, str], *, live: bool = False) -> Outcome:
        """Run a step. A captured one that fails shows what it printed, and fails us."""
        with ci_log.folded(step.name) if live else nullcontext():
            outcome = steps.run(step, env, live=live)
        self.note(outcome)
        if not live:
            self.tell(outcome)
            if not outcome.passed:
                terminal.say(ci_log.unheeded(_indented(outcome.output)))
                told = f"{step.name} failed (exit code {outcome.code})"
                if cause := triage.of_step(
                    outcome.code, outcome.output, self.around(env)
                ):
                    raise SurroundingsError(f"{told}: {cause.text}", cause.cure)
                raise UnitFailed(told)
        return outcome

    def around(self, env: Mapping[str, str]) -> Around:
        """Return what a step with ``env`` has around it, to judge a failure by."""
        declared = frozenset(self.project.settings.variables)
        return Around(self.project.root, frozenset(env), declared)

    def check(self, checks: Sequence[Step], env: Mapping[str, str]) -> list[Outcome]:
        """Run all ``checks``, side by side; show what they found; return the failed."""
        failed = []
        for outcome in steps.run_together(checks, env, cores()):
            self.note(outcome)
            self.tell(outcome)
            if not outcome.passed:
                failed.append(outcome)
        return sorted(failed, key=lambda outcome: checks.index(outcome.step))

    def note(self, outcome: Outcome) -> None:
        """Keep how a step ended, for the record, as it would read on any machine."""
        if not outcome.passed:
            self.said.append(outcome.output)
        self.ran.append(
            StepRun(
                name=outcome.step.name,
                argv=tuple(self._anywhere(arg) for arg in outcome.step.argv),
                code=outcome.code,
                seconds=round(outcome.seconds, 3),
                started=time.time() - outcome.seconds,
                kept=outcome.step.kept,
            )
        )

    def _anywhere(self, text: str) -> str:
        """Return an argument with names for the folders of this machine."""
        dist = re.escape(str(self.project.dist))
        text = re.sub(rf"{dist}/\.[^/]*\.new\.\w+", "{new}", text)
        places = {
            str(environments.home()): "{python}",
            str(self.venv): "{venv}",
            sys.prefix: "{suite}",  # the environment that the suite itself is in
            str(self.project.state): "{state}",
            str(self.project.root): "{root}",
            str(self.project.base): "{root}",
            os.path.expanduser("~"): "{home}",
            _TEMPORARY: "{temporary}",
        }
        for place in sorted(places, key=len, reverse=True):
            text = text.replace(f"{place}/", f"{places[place]}/")
            text = places[place] if text == place else text
        return text

    def tell(self, outcome: Outcome) -> None:
        """Print the line of a step that ended, and what it found."""
        found = [] if outcome.passed else self.findings(outcome)
        count = f"{len(found)} finding{'' if len(found) == 1 else 's'}" if found else ""
        row = (
            terminal.mark("passed" if outcome.passed else "failed"),
            f"{outcome.step.name:<10}",
            f"{terminal.duration(outcome.seconds):>8}",
            count,
        )
        terminal.say("  " + "  ".join(row).rstrip())
        for finding in found:
            terminal.say(f"      {finding}")
        if not outcome.passed and outcome.step.reader and not found:
            terminal.say(ci_log.unheeded(_indented(outcome.output)))
        if not outcome.passed:
            said = [str(finding) for finding in found]
            said = said or outcome.output.rstrip().splitlines()[-TAIL:]
            self.failing += [f"{outcome.step.name}:", *(f"  {line}" for line in said)]
        if terminal.on_github():
            for finding in found[: terminal.ANNOTATIONS]:
                file = (Path(self.component.path) / finding.file).as_posix()
                title = f"{outcome.step.name} {finding.rule}".strip()
                terminal.annotate(file, finding.line, title, finding.text)

    def findings(self, outcome: Outcome) -> list[findings.Finding]:
        """Return what a failed check found."""
        return findings.read(outcome.step.reader, outcome.output, outcome.step.cwd)


def cores() -> int:
    """Return how many processes a unit may use: SAMETREE_JOBS, else our processors."""
    if (named := os.environ.get(JOBS, "")).isdigit():
        return max(1, int(named))
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _say_indented(line: str) -> None:
    terminal.say(f"  {line}")


def _indented(text: str) -> str:
    return "\n".join(f"      {line}" for line in text.rstrip().splitlines())
