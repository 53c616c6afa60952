"""How are a component's Alembic migrations found, run and explained?"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from sametree.database import application
from sametree.errors import UsageError
from sametree.settings import Component, Project
from sametree.settings.detect import ALEMBIC
from sametree.steps import Step

INSIDE = Path(__file__).parent.parent / "inside"
MARK = "\x1e"
PACKAGES = {"psycopg": "psycopg", "psycopg2": "psycopg2", "psycopg2-binary": "psycopg2"}
PACKAGES["pg8000"] = "pg8000"


def config_of(folder: Path) -> str:
    """Return the Alembic configuration of the component in ``folder``.

    Raises UsageError when there is none.
    """
    for name in ALEMBIC:
        if (folder / name).is_file():
            return name
    raise UsageError(
        f"{folder.name}: there is no {' or '.join(ALEMBIC)}",
        "make one with `alembic init migrations`, or correct"
        " [tool.sametree.database] component",
    )


def driver_of(project: Project, component: Component, lock: Path) -> str | None:
    """Return the SQLAlchemy driver for the component: named, else found in its lock."""
    database = project.settings.database
    if database and database.driver:
        return database.driver
    pinned = {line.partition("==")[0] for line in lock.read_text().splitlines()}
    return next((driver for name, driver in PACKAGES.items() if name in pinned), None)


def program(command: str, folder: Path, *rest: str, path: str = "") -> Step:
    """Return the step that runs a command of ``inside/sametree_migrate``: ``look``,
    ``apply`` (with the file of a plan, else all that is pending) or ``history``.

    ``path`` is the PYTHONPATH that the component has already.
    """
    start = application.runner(folder)
    argv = (*start, "sametree_migrate", command, config_of(folder), *rest)
    env = {"PYTHONPATH": os.pathsep.join(filter(None, [str(INSIDE), path]))}
    return Step(name=f"migrations {command}", argv=argv, cwd=folder, env=env)


class Progress(msgspec.Struct):
    """What the events of a migration run tell so far.

    Hand each line of output to :meth:`take`; it returns what to show for it.
    """

    applied: int = 0
    pending: int = 0
    problem: str = ""
    cure: str = ""
    other: list[str] = msgspec.field(default_factory=list)

    def take(self, line: str) -> Sequence[str]:
        """Take a line of output; return the lines to show."""
        if not line.startswith(MARK):
            self.other.append(line)
            return ()
        event: dict[str, Any] = json.loads(line[1:])
        handler = getattr(self, f"_{event.pop('event').replace(' ', '_')}")
        shown: Sequence[str] = handler(event)
        return shown

    def _plan(self, event: Mapping[str, Any]) -> Sequence[str]:
        self.pending = event["pending"]
        at = ", ".join(event["current"]) or "nothing"
        count = f"{self.pending} migration{'' if self.pending == 1 else 's'}"
        return [
            (
                f"at {at}; {count} to {event['verb']}"
                if self.pending
                else f"at {at}, the newest"
            )
        ]

    def _done(self, event: Mapping[str, Any]) -> Sequence[str]:
        self.applied += 1
        arrow = "up  " if event["direction"] == "upgrade" else "down"
        milliseconds = f"{event['seconds'] * 1000:.0f} ms"
        return [f"{arrow} {milliseconds:>8}  {event['revision']}  {event['title']}"]

    def _failed(self, event: Mapping[str, Any]) -> Sequence[str]:
        parts = [f"migration {event['revision']} ({event['direction']}) failed"]
        if event["place"]:
            parts.append(f"at {event['place']}")
        self.problem = f"{' '.join(parts)}: {event['error']}"
        if event["statement"]:
            statement = event["statement"].replace("\n", "\n    ")
            self.problem += f"\n  the statement:\n    {statement}"
        self.problem += f"\n  the database stays at {event['at']}"
        self.cure = "mend the migration and run this again; it goes on from there"
        return ()

    def _broken(self, event: Mapping[str, Any]) -> Sequence[str]:
        where = f" at {event['place']}" if event["place"] else ""
        self.problem = f"the migrations cannot be run{where}: {event['error']}"
        return ()

    def _heads(self, event: Mapping[str, Any]) -> Sequence[str]:
        listed = "\n".join(f"  {head}  {file}" for head, file in event["heads"].items())
        count = len(event["heads"])
        self.problem = (
            f"the migrations have {count} heads, so their order is open:\n{listed}"
        )
        heads = " ".join(event["heads"])
        self.cure = (
            "set down_revision of the later one to the other, or run"
            f" `alembic merge -m 'merge' {heads}`"
        )
        return ()
