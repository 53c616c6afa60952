"""The face that Nox meets: sessions made of units.

A ``noxfile.py`` loads the pipeline once and calls it in each session::

    pipeline = sessions.load(__file__)

    @nox.session
    @pipeline.each("lint")
    def lint(session, component):
        pipeline.run(session, component)
"""

from __future__ import annotations

import atexit
import functools
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nox

from sametree import records, steps, terminal
from sametree.errors import SametreeError, UsageError, of_machine
from sametree.settings import Component, Project
from sametree.settings import load as load_settings
from sametree.units.identity import Identity, Unit

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
    with _explained_at_load():
        project = load_settings(Path(noxfile).parent)
    return Pipeline(project, began)


class Pipeline:
    """The sessions of a project. What it runs is recorded, and summed up at the end."""

    def __init__(self, project: Project, began: float) -> None:
        self.project = project
        self._began = began
        self._kinds: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {}
        self._current: tuple[str, tuple[str, ...]] = ("", ())
        self._known: dict[str, tuple[Unit, Identity]] = {}
        self.run_id, first = records.run_id()
        # Nox has no hook for the end of a run. Its child processes (``-j``) have the
        # run's id from us and leave the summary to the first.
        if first:
            atexit.register(self._sum_up)
        steps.stop_on_sigterm()

    @staticmethod
    def components_of(project: Project, kind: str) -> list[Component]:
        """Return the components of ``project`` that have something to do in ``kind``."""
        from sametree import toolchains

        if kind == "migrate":
            return [c for c in project.components if project.has_database(c)]
        return [
            component
            for component in project.components
            if NEEDS[kind]
            & toolchains.of(component.language or "python").tools(
                project.folder(component)
            )
        ]

    def each(
        self, kind: str, *args: str, only: str | None = None
    ) -> Callable[[Callable[..., None]], Callable[..., None]]:
        """Make a session function one of ``kind``, for each component that has such work.

        ``args`` are arguments of every unit, before those that follow ``--``; ``only``
        names the one component that the session is for.
        """
        with _explained_at_load():
            chosen = self.components_of(self.project, kind)
            if only is not None:
                chosen = [self.project.component(only)]
        names = [component.name for component in chosen]

        def decorate(function: Callable[..., None]) -> Callable[..., None]:
            @functools.wraps(function)
            def of_kind(session: nox.Session, component: str) -> None:
                self._current = (kind, args)
                function(session, component)

            self._kinds[function.__name__] = (kind, args, tuple(names))
            parameters = [nox.param(name, id=name) for name in names]
            decorated: Callable[..., None] = nox.parametrize("component", parameters)(
                of_kind
            )
            return decorated

        return decorate

    def units(self, session: str, posargs: Sequence[str] = ()) -> list[Unit]:
        """Return the units of a session made by :meth:`each`.

        Raises UsageError when there is no such session.
        """
        if session not in self._kinds:
            known = ", ".join(self._kinds) or "none"
            raise UsageError(
                f"there is no session {session!r} with units; there is {known}",
                "give it @pipeline.each(...) in noxfile.py, or correct the name",
            )
        kind, args, names = self._kinds[session]
        return [
            Unit(
                name=f"{session}({name})",
                kind=kind,
                component=self.project.component(name),
                args=(*args, *posargs),
            )
            for name in names
        ]

    def run(self, session: nox.Session, component: str) -> None:
        """Run the unit of this session for ``component``, unless it is proven.

        The unit is recorded under the session's name. Raises what ``session.error``
        raises when the unit fails; the message says why.
        """
        location = getattr(session.virtualenv, "location", None)
        if location is None:
            session.error(
                f"{session.name} needs an environment of its own: it is made to hold"
                " what the lock names and nothing else\n  -> do not give it"
                " venv_backend='none', nor --no-venv"
            )
        from sametree.units import Work, running

        (kind, args), self._current = self._current, ("", ())
        with _explained(session):
            chosen = self.project.component(component)
            if not kind:
                raise UsageError(
                    f"{session.name} does not say what its units are",
                    "give it @pipeline.each(...) in noxfile.py",
                )
            wish, posargs = running.wishes(session.posargs)
            unit = Unit(
                name=session.name,
                kind=kind,
                component=chosen,
                args=(*args, *posargs),
                python=str(session.python or ""),
            )
            work = Work(
                self.project,
                unit.component,
                session.name.partition("(")[0],
                venv=Path(location),
                args=unit.args,
                title=unit.name,
                run_id=self.run_id,
            )
            known = self._known_of(unit, posargs)
            if running.run(work, unit, _function(kind), wish, known):
                self._known.clear()  # what ran may have changed what we know

    def lock(self, session: nox.Session) -> None:
        """Make the locks anew; after ``--``: ``--upgrade [NAME ...]``."""
        from sametree.units.lock import lock

        with _explained(session):
            lock(self.project, session.posargs)

    def _known_of(self, unit: Unit, posargs: Sequence[str]) -> Identity:
        """Return what ``unit`` depends on. git is asked once, for all units at once, as
        long as none has run."""
        from sametree.units import identity

        seen = self._known.get(unit.name)
        if seen is None or seen[0] != unit:
            others = [u for name in self._kinds for u in self.units(name, posargs)]
            asked = [*(other for other in others if other.name != unit.name), unit]
            found = identity.identify(self.project, asked)
            self._known = {u.name: (u, i) for u, i in zip(asked, found, strict=True)}
        return self._known[unit.name][1]

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


def _function(kind: str) -> Callable[[Any], None]:
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
def _explained_at_load() -> Iterator[None]:
    """End Nox with a message when the noxfile cannot be loaded."""
    try:
        yield
    except SametreeError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


@contextmanager
def _explained(session: nox.Session) -> Iterator[None]:
    """Turn a problem into the session's error: its message, without a traceback."""
    try:
        yield
    except SametreeError as error:
        session.error(str(error))
    except OSError as error:
        session.error(str(of_machine(error)))
