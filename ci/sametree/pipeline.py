"""What does each session of a noxfile do? Units, run, recorded and summed up.

``sametree.sessions`` loads it; see there.
"""

from __future__ import annotations

import atexit
import functools
import importlib
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import nox

from sametree import (
    answers,
    machine,
    nox_calls,
    proofs,
    records,
    trees,
    steps,
    surroundings,
    terminal,
)
from sametree.errors import UsageError
from sametree.settings import Component, Project
from sametree.settings import load as load_settings
from sametree.units import identity
from sametree.units.identity import Identity, Unit
from sametree.watching import Watch

NEEDS = {
    "lint": {"black", "flake8", "prettier", "eslint", "tsc"},
    "format": {"black", "prettier", "eslint"},
    "tests": {"pytest", "jest"},
    "build": {"build"},
}
"""A component has a session when it has one of these tools."""


def load(root: str) -> Pipeline:
    """Return the pipeline of the project in folder ``root``."""
    began = time.monotonic()
    with nox_calls.explained_at_load():
        project = load_settings(Path(root))
    return Pipeline(project, began)


class Pipeline:
    """The sessions of a project. What it runs is recorded, and summed up at the end."""

    def __init__(self, project: Project, began: float) -> None:
        self.project = project
        self._began = began
        self._kinds: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {}
        self._current: tuple[str, tuple[str, ...]] = ("", ())
        self._plain: set[str] = set()
        self._known: dict[str, tuple[Unit, Identity]] = {}
        self._ours = 0
        self._begun = nox_calls.Begun()
        self.run_id, first = records.run_id()
        # Nox has no hook for the end of a run. Its child processes (``-j``) have the
        # run's id from us and leave the summary to the first.
        self._watch: Watch | None = None
        if first:
            atexit.register(self._sum_up)
            self._watch = Watch(project.state, self.run_id, self._names)
        steps.stop_on_sigterm()
        if terminal.on_github():
            self._hide()  # GitHub is told before anything else is printed

    @functools.cached_property
    def declared(self) -> surroundings.Declared:
        """What the declared variables are; what is secret of them is hidden from now on."""
        found = surroundings.look(self.project)
        terminal.keep_secret(found.hidden)
        return found

    @functools.cached_property
    def _components_asked(self) -> frozenset[str]:
        """The components whose units this command asks for, as far as we can tell."""
        asked = self._asked(sys.argv[1:])
        return frozenset(unit.component.name for unit in asked)

    def _hide(self) -> None:
        with nox_calls.explained_at_load():
            terminal.keep_secret(self.declared.hidden)

    def _names(self) -> list[str]:
        return [unit.name for unit in self._asked(sys.argv[1:])]

    @staticmethod
    def components_of(project: Project, kind: str) -> list[Component]:
        """Return the components of ``project`` that have something to do in ``kind``."""
        from sametree import toolchains

        if kind in ("migrate", "previous"):
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
        with nox_calls.explained_at_load():
            chosen = self.components_of(self.project, kind)
            if only is not None:
                chosen = [self.project.component(only)]
        names = [component.name for component in chosen]

        def decorate(function: Callable[..., None]) -> Callable[..., None]:
            @functools.wraps(function)
            def of_kind(session: nox.Session, component: str) -> None:
                self._current = (kind, args)
                function(session, component)

            self._know(function, kind, args, names)
            parameters = [nox.param(name, id=name) for name in names]
            decorated: Callable[..., None] = nox.parametrize("component", parameters)(
                of_kind
            )
            return decorated

        return decorate

    def whole(
        self, kind: str, *args: str
    ) -> Callable[[Callable[[nox.Session], None]], Callable[[nox.Session], None]]:
        """Make a session function one of ``kind``, whose one unit is the whole project."""

        def decorate(
            function: Callable[[nox.Session], None],
        ) -> Callable[[nox.Session], None]:
            @functools.wraps(function)
            def of_kind(session: nox.Session) -> None:
                self._current = (kind, args)
                function(session)

            self._know(function, kind, args)
            return of_kind

        return decorate

    def _know(
        self,
        function: Callable[..., None],
        kind: str,
        args: tuple[str, ...],
        names: Sequence[str] = (),
    ) -> None:
        """Remember what the units of a session are."""
        self._kinds[function.__name__] = (kind, args, tuple(names))
        if function.__code__.co_names[1:] == ("run",):
            self._plain.add(function.__name__)  # it does nothing but run the unit

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
        given = (*args, *posargs)
        if not names and kind in identity.WHOLE:
            whole = identity.whole(kind)
            return [Unit(name=session, kind=kind, component=whole, args=given)]
        named = {component.name: component for component in self.project.components}
        return [
            Unit(name=f"{session}({n})", kind=kind, component=named[n], args=given)
            for n in names
        ]

    def run(self, session: nox.Session, component: str | None = None) -> None:
        """Run the unit of this session for ``component``, unless it is proven.

        Without a component it is the unit of the whole project (see :meth:`whole`).

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

        if self._watch:
            self._watch.start()
        (kind, args), self._current = self._current, ("", ())
        with nox_calls.explained(session):
            if component is not None:
                chosen = self.project.component(component)
            elif kind in identity.WHOLE:
                chosen = identity.whole(kind)
            if not kind or component is None and kind not in identity.WHOLE:
                raise UsageError(
                    f"{session.name} does not say what its units are",
                    "give it @pipeline.each(...) in noxfile.py",
                )
            self.declared.require(self._components_asked | {chosen.name})
            wish, posargs = running.wishes(session.posargs)
            if machine.in_ci() and chosen.name in self.project.settings.ci.audited:
                wish = msgspec.structs.replace(wish, audit=True)
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
                declared=self.declared,
            )
            self._ours += 1
            known = self._known_of(unit)
            if running.run(work, unit, _function(kind), wish, known):
                self._ours = -1  # what ran may have changed what we know

    def plan(self, session: nox.Session) -> None:
        """Print which units CI has to run for this tree, and why; in CI, write the matrix.

        After ``--``: ``--here`` lets count what was proven here, ``--out=FILE`` writes it
        as JSON.
        """
        from sametree.units import plan

        with nox_calls.explained(session):
            units = [
                u
                for name in self.project.settings.ci.sessions
                for u in self.units(name)
            ]
            plan.run(self.project, units, plan.wishes(session.posargs))

    def lock(self, session: nox.Session) -> None:
        """Make the locks anew; after ``--``: ``--upgrade [NAME ...]``."""
        from sametree.units.lock import lock

        with nox_calls.explained(session):
            lock(self.project, session.posargs)

    def _known_of(self, unit: Unit) -> Identity:
        """Return what ``unit`` depends on. git is asked once, for all units at once, as
        long as every session that Nox began was a unit of ours, and proven."""
        unchanged = self._begun.count == self._ours
        seen = self._known.get(unit.name) if unchanged else None
        if seen is None or seen[0] != unit:
            others = self._asked(sys.argv[1:]) if unchanged else []
            asked = [*(other for other in others if other.name != unit.name), unit]
            found = identity.identify(self.project, asked, self.declared)
            self._known = {u.name: (u, i) for u, i in zip(asked, found, strict=True)}
        return self._known[unit.name][1]

    def _sum_up(self) -> None:
        from sametree.insight import job_summary, summary

        if self._watch:
            self._watch.stop()
        found = records.read(self.project.state, self.run_id)
        if not found:
            return
        wall = time.monotonic() - self._began
        for line in summary.lines(found, wall, self._hints(found)):
            terminal.say(line)
        job_summary.append(job_summary.of_run(found, wall))
        for line in surroundings.news(self.project, self.declared):
            terminal.say(f"  {terminal.colour('note:', 'yellow')} {line}")
        if all(record.proves or record.proof for record in found):
            self._keep_answer()
        if any(not record.proof for record in found):
            trees.prune(self.project.state)

    def _keep_answer(self) -> None:
        """Keep that all units of this command are proven, if fresh looks say so.

        Two, since a file may be saved between a look at the units and one at the tree.
        """
        answer = answers.Answer(self.project.root, sys.argv[1:])
        looks = [(self._verdicts(), answer.place()) for _ in range(2)]
        (rows, files), place = looks[0]
        held = identity.held_for(self.project, self._asked(sys.argv[1:]))
        if not rows or place is None or looks[1] != looks[0]:
            return
        declared = self.project.settings.variables
        secret = [name for name, each in declared.items() if each.type == "secret"]
        answer.keep(place, rows, files, declared.keys() - secret, secret, held)

    def _verdicts(self) -> tuple[list[answers.Row], dict[str, list[int] | None]]:
        """Return a row for each unit of this command, if all are proven, and the files
        on which that rests, as they are."""
        from sametree.units import running

        asked = self._asked(sys.argv[1:])
        if any(identity.on_given_server(self.project, unit) for unit in asked):
            return [], {}  # no file tells whether that server is still the same
        seen = identity.identify(self.project, asked) if asked else []
        root, state = self.project.root, self.project.state
        rows, files = [], identity.rest_on(self.project, asked)
        for unit, now in zip(asked, seen, strict=True):
            proof = running.proven(state, root, unit, now)
            if proof is None:
                return [], {}
            ended = proof.started + proof.seconds
            covered = str(proof.covered or "")
            rows.append((unit.name, proof.place, ended, proof.run, covered))
            files += [*proof.outputs, str(proofs.place(state, proof))]
        return rows, answers.watched(root, [*files, *answers.installed_in()])

    def _asked(self, args: Sequence[str]) -> list[Unit]:
        """Return the units that ``nox ARGS`` stands for; none where it asks for more."""
        named, posargs = nox_calls.named_sessions(args)
        if named is None:
            return []
        found: list[Unit] = []
        for name in named or list(nox.options.sessions or ()):
            session = name.partition("(")[0]
            if session not in self._plain:
                return []
            units = self.units(session, posargs)
            found += [unit for unit in units if name in (session, unit.name)]
        return found

    def _hints(self, found: Any) -> list[str]:
        """Return what one may type after a run in which all passed."""
        if {record.unit.partition("(")[0] for record in found} >= {"tests", "build"}:
            if any(component.serve for component in self.project.components):
                return ["invoke up     starts the application, with hot reload"]
        return []


_MODULES = {"format": "lint", "rehearse": "workflows"}
"""Modules of ``units`` that are not named as the kind of units they do."""
_NAMES = {"rehearse": "rehearse_and_compare"}


def _function(kind: str) -> Callable[[Any], None]:
    """Return the function of a unit, out of a module that is imported only now."""
    module = importlib.import_module(f"sametree.units.{_MODULES.get(kind, kind)}")
    found: Callable[[Any], None] = getattr(module, _NAMES.get(kind, kind))
    return found
