"""The face that Nox meets: sessions made of units.

A ``noxfile.py`` loads the pipeline once and calls it in each session::

    pipeline = sessions.load(__file__)

    @nox.session
    @pipeline.each("lint")
    def lint(session, component):
        pipeline.run(session, "lint", component)
"""

from __future__ import annotations

import atexit
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nox

from sametree import records, steps, terminal
from sametree.errors import SametreeError, SurroundingsError, UsageError, of_machine
from sametree.records import Record, Result
from sametree.settings import Component, Project
from sametree.settings import load as load_settings

NEEDS = {
    "lint": {"black", "flake8", "prettier", "eslint", "tsc"},
    "format": {"black", "prettier", "eslint"},
    "tests": {"pytest", "jest"},
    "build": {"build"},
}
"""A component has a session when it has one of these tools."""


def load(noxfile: str) -> Pipeline:
    """Return the pipeline of the project in which ``noxfile`` (its path) lies.

    Wrong settings end Nox here, with a message and exit code 2.
    """
    began = time.monotonic()
    try:
        project = load_settings(Path(noxfile).parent)
    except SametreeError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    return Pipeline(project, began)


class Pipeline:
    """The sessions of a project. What it runs is recorded, and summed up at the end."""

    def __init__(self, project: Project, began: float) -> None:
        self.project = project
        self._began = began
        self.run_id, first = records.run_id()
        # Nox has no hook for the end of a run. Its child processes (``-j``) have the
        # run's id from us and leave the summary to the first.
        if first:
            atexit.register(self._sum_up)
        steps.stop_on_sigterm()

    @staticmethod
    def components_of(project: Project, session: str) -> list[Component]:
        """Return the components of ``project`` that have something to do in ``session``."""
        from sametree import toolchains

        if session == "migrate":
            return [c for c in project.components if project.has_database(c)]
        return [
            component
            for component in project.components
            if NEEDS[session]
            & toolchains.of(component.language or "python").tools(
                project.folder(component)
            )
        ]

    def each(self, session: str) -> Callable[[Any], Any]:
        """Parametrize a session function by the components of ``session``."""
        try:
            chosen = self.components_of(self.project, session)
        except SametreeError as error:
            print(error, file=sys.stderr)
            sys.exit(error.exit_code)
        names = [component.name for component in chosen]
        return nox.parametrize("component", [nox.param(n, id=n) for n in names])

    def run(self, session: nox.Session, kind: str, component: str, *args: str) -> None:
        """Run the unit of ``kind`` (``lint``, ``tests``, …) for ``component``.

        ``args`` come before the arguments that follow ``--``. The unit is recorded
        under the session's name. Raises what ``session.error`` raises when the unit
        fails; the message says why.
        """
        from sametree.units import Work

        location = getattr(session.virtualenv, "location", None)
        if location is None:
            session.error(
                f"{session.name} needs an environment of its own: it is made to hold"
                " what the lock names and nothing else\n  -> do not give it"
                " venv_backend='none', nor --no-venv"
            )
        with _explained(session):
            chosen = self.project.component(component)
        work = Work(
            self.project,
            chosen,
            session.name.partition("(")[0],
            venv=Path(location),
            args=(*args, *session.posargs),
            title=session.name,
        )
        with self._recorded(session, work):
            _unit(kind)(work)

    def lock(self, session: nox.Session) -> None:
        """Make the locks anew; after ``--``: ``--upgrade [NAME ...]``."""
        from sametree.units.lock import lock

        with _explained(session):
            lock(self.project, session.posargs)

    @contextmanager
    def _recorded(self, session: nox.Session, work: Any) -> Iterator[None]:
        """Write how the unit ended, however it ended."""
        started, clock = time.time(), time.monotonic()
        result: Result = "error"
        reason = ""
        try:
            with _explained(session):
                try:
                    yield
                    result = "success"
                except KeyboardInterrupt:
                    result = "cancellation"
                    raise
                except (SurroundingsError, UsageError, OSError) as error:
                    reason = _first_line(error)
                    raise
                except SametreeError as error:
                    result, reason = "failure", _first_line(error)
                    raise
        finally:
            record = Record(
                run=self.run_id,
                unit=work.name,
                result=result,
                started=started,
                seconds=time.monotonic() - clock,
                covered=work.covered,
                notes=tuple(work.notes),
                reason=reason,
                mend=tuple(work.mend),
                args=tuple(session.posargs),
            )
            try:
                records.write(self.project.state, record)
            except OSError as error:
                session.warn(f"the run record could not be written: {error}")

    def _sum_up(self) -> None:
        from sametree.insight import summary

        found = records.read(self.project.state, self.run_id)
        if not found:
            return
        wall = time.monotonic() - self._began
        for line in summary.lines(found, wall, self._hints(found)):
            terminal.say(line)

    def _hints(self, found: Any) -> list[str]:
        """Return what one may type after a run in which all passed."""
        if {record.unit.partition("(")[0] for record in found} >= {"tests", "build"}:
            if any(component.serve for component in self.project.components):
                return ["invoke up     starts the application, with hot reload"]
        return []


def _unit(kind: str) -> Callable[[Any], None]:
    """Return the function of a unit; the import waits until it is needed."""
    from sametree.units import build, lint, migrate, tests

    units: dict[str, Callable[[Any], None]] = {
        "lint": lint.lint,
        "format": lint.format,
        "tests": tests.tests,
        "migrate": migrate.migrate,
        "build": build.build,
    }
    return units[kind]


@contextmanager
def _explained(session: nox.Session) -> Iterator[None]:
    """Turn a problem into the session's error: its message, without a traceback."""
    try:
        yield
    except SametreeError as error:
        session.error(str(error))
    except OSError as error:
        session.error(str(of_machine(error)))


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(":")
