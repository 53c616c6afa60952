"""What does every revision of a history do, up, down and up again, on tables with rows?

Run as ``python -m sametree_check history CONFIG``, or ``check CONFIG`` with the address
of an empty database in DATABASE_URL and a file of orders in SAMETREE_ORDERS. Each event is a line on standard output: a
record separator and a JSON object. All else that is printed goes to standard error.

The state before a revision is that of all revisions before it, run on empty tables:
whichever of them are measured this time, the next one meets the same. For the revision
itself a copy is made, whose tables are filled where the revision touches them.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import traceback
from dataclasses import asdict, dataclass, field
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from alembic.util.exc import CommandError

from . import catalogue, history, observing, rows
from .asking import run
from .databases import Places
from .observing import Observer, Statement

EVENTS = sys.stdout
MARK = "\x1e"
ENGINES = 8
"""How many engines may keep connections before they are closed."""
DATA = ("22", "23")
"""Classes of errors that depend on what is in a table (SQLSTATE: data, integrity)."""


class Stop(Exception):
    """What is wrong has been reported."""


def report(event: str, **fields: object) -> None:
    """Write one event."""
    print(MARK + json.dumps({"event": event, **fields}), file=EVENTS, flush=True)


@dataclass
class Check:
    """A history that is checked, and what is needed for it.

    ``orders`` has ``measure`` (ids of revisions), ``size`` (rows of a table),
    ``baseline`` (an id, or empty), ``whole`` (whether to take all back at the end),
    ``maintenance`` (an address) and ``own`` (whether the server is thrown away).
    """

    config: Config
    script: ScriptDirectory
    orders: dict[str, Any]
    observer: Observer = field(default_factory=Observer)

    def __post_init__(self) -> None:
        self.places = Places(
            os.environ["DATABASE_URL"],
            self.orders["maintenance"],
            own=self.orders["own"],
        )

    def all(self) -> None:
        """Run the history; report each measured revision, the drift and the way back."""
        wanted = set(self.orders["measure"])
        order = history.ordered(self.script)
        with contextlib.closing(self.places), self.observer.listening():
            start = self._look()
            state: catalogue.Snapshot | None = start
            for each in order[: self._last_to_run(order) + 1]:
                if each.revision in wanted:
                    state = self._measured(each, state or self._look())
                else:
                    self._run(each)
                    state = None
                if each.revision == self.orders["baseline"]:
                    start = state = state or self._look()
            if self.orders["drift"]:
                self._drift()
            if self.orders["whole"]:
                self._whole_way_back(order, start)

    def _last_to_run(self, order: list[Script]) -> int:
        """Return the place of the last revision that has to run."""
        if self.orders["drift"] or self.orders["whole"]:
            return len(order) - 1
        wanted = set(self.orders["measure"])
        return max(
            (n for n, each in enumerate(order) if each.revision in wanted), default=-1
        )

    def _measured(
        self, revision: Script, before: catalogue.Snapshot
    ) -> catalogue.Snapshot:
        """Run a revision up, down and up, and report what came of it; return the state
        that it leaves."""
        self._put("", "before", keep=True)
        try:
            found = self._observed(revision, self._known())
        except Failed as failed:
            report("failed", **failed.told)
            raise Stop from None
        after = self._look()
        self._put("", "next")
        figures = {**history.described(revision), "size": 0, **found.told}
        there = {name for kind, name, _ in before if kind == "table"}
        if touched := found.names & there:
            figures |= self._on_rows(revision, touched, after)
        if not touched or "on_rows" in figures:
            self.places.drop("")
            self._put("next", "", keep=True)
        figures |= self._back_and_again(revision, before, after)
        self._left()
        self.places.drop("")
        self._put("next", "")
        self.places.drop("before")
        report("measured", **figures)
        return after

    def _on_rows(
        self, revision: Script, touched: set[str], after: catalogue.Snapshot
    ) -> dict[str, Any]:
        """Run a revision up on filled tables; return its figures.

        Where it fails for what is in the rows, it is run once more on rows as it wants
        them: nobody knows here what production's are like.
        """
        failed: dict[str, Any] = {}
        for known_after in (None, after):
            self._left()
            self.places.drop("")
            self._put("before", "", keep=True)
            known, notes = self._filled(touched, known_after)
            try:
                found = self._observed(revision, known)
            except Failed as error:
                failed = failed or error.told
                if not error.told["state"].startswith(DATA):
                    return {"on_rows": error.told, "notes": notes}
                continue
            if failed:
                notes = [f"with rows as they come it fails: {failed['error']}", *notes]
            return {**found.told, "size": self.orders["size"], "notes": notes}
        return {"on_rows": failed, "notes": notes}

    def _filled(
        self, tables: set[str], after: catalogue.Snapshot | None
    ) -> tuple[observing.Known, list[str]]:
        """Fill ``tables``; return what is there, and what could not be done."""
        with self.places.connection() as connection:
            _free(connection)
            names = _names(connection)
            oids = {name: oid for oid, name in names.items()}
            wanted = rows.wanted(after, oids) if after else None
            filler = rows.Filler(connection, self.orders["size"], wanted)
            filler.fill(oids[name] for name in tables if name in oids)
            counts = {names[oid]: n for oid, n in filler.rows.items()}
            known = observing.known(connection, counts, self.orders["size"])
        return known, filler.notes

    def _known(self) -> observing.Known:
        """Return what is there, of which nothing is to be judged."""
        with self.places.connection() as connection:
            return observing.known(connection, {}, self.orders["size"])

    def _observed(self, revision: Script, known: observing.Known) -> Observed:
        """Run a revision up, and see what it does; raises Failed."""
        self.observer.begin(os.path.realpath(revision.path), known)
        started = time.perf_counter()
        try:
            self._run(revision)
        finally:
            seconds, said = time.perf_counter() - started, self.observer.statements
            self.observer.begin("", observing.Known())
        return Observed(seconds, said)

    def _back_and_again(
        self,
        revision: Script,
        before: catalogue.Snapshot,
        after: catalogue.Snapshot,
    ) -> dict[str, Any]:
        """Run a revision down and up; return what is then not as it was."""
        started = time.perf_counter()
        try:
            self._step(revision, up=False)
        except Exception as error:  # whatever a migration raises is told
            return {"down_failed": history.explained(error, revision.path)}
        told: dict[str, Any] = {"down_seconds": time.perf_counter() - started}
        state = self._look()
        told["down"] = [asdict(each) for each in catalogue.differences(before, state)]
        told["reordered"] = catalogue.reordered(before, state)
        try:
            self._step(revision, up=True)
        except Exception as error:
            return told | {"again_failed": history.explained(error, revision.path)}
        state = self._look()
        told["again"] = [asdict(each) for each in catalogue.differences(after, state)]
        return told

    def _run(self, revision: Script) -> None:
        try:
            self._step(revision, up=True)
        except Exception as error:  # whatever a migration raises is told
            raise Failed(
                {
                    **history.described(revision),
                    **history.explained(error, revision.path),
                }
            ) from error

    def _drift(self) -> None:
        """Report whether the models say the same as the database."""
        try:
            command.check(self.config)
        except CommandError as error:
            report("drift", text=str(error))
        else:
            report("no drift")

    def _whole_way_back(self, order: list[Script], start: catalogue.Snapshot) -> None:
        """Take back everything, newest first, as far as it goes."""
        names = [each.revision for each in order]
        baseline = self.orders["baseline"]
        first = names.index(baseline) + 1 if baseline else 0
        for each in reversed(order[first:]):
            if each.revision in self.orders["irreversible"]:
                report("way back", stopped=each.revision, differences=[])
                return
            try:
                self._step(each, up=False)
            except Exception as error:  # whatever a migration raises is told
                told = history.explained(error, each.path)
                report("way back", failed=each.revision, differences=[], **told)
                return
        left = catalogue.differences(start, self._look())
        report("way back", differences=[asdict(each) for each in left])

    def _step(self, revision: Script, *, up: bool) -> None:
        """Run one revision; many an env.py makes an engine each time, whose pool keeps a
        connection, and the server has but a hundred."""
        history.step(self.config, self.script, revision, up=up)
        if len(self.observer.engines) > ENGINES:
            self._left()

    def _look(self) -> catalogue.Snapshot:
        with self.places.connection() as connection:
            return catalogue.snapshot(connection)

    def _put(self, source: str, target: str, *, keep: bool = False) -> None:
        """Put a database in the place ``target``, as a copy where it is to be kept."""
        self._left()
        (self.places.copy if keep else self.places.rename)(source, target)

    def _left(self) -> None:
        """Close what the project's engines keep open: the database goes elsewhere."""
        self.observer.dispose()


@dataclass
class Observed:
    """What an upgrade took, and what it did."""

    seconds: float
    statements: list[Statement]

    @property
    def names(self) -> set[str]:
        """The tables that its statements touched."""
        return {name for each in self.statements for name in each.tables}

    @property
    def told(self) -> dict[str, Any]:
        """The figures, as JSON can have them."""
        told = [asdict(each) for each in self.statements]
        for each in told:
            each["tables"] = [
                {"name": name, **table, "work": sorted(table["work"])}
                for name, table in sorted(each["tables"].items())
                if table["lock"] or table["held"] or table["written"]
            ]
        return {"seconds": self.seconds, "statements": told}


class Failed(Exception):
    """A migration failed; ``told`` says how."""

    def __init__(self, told: dict[str, Any]) -> None:
        super().__init__(told["error"])
        self.told = told


def _free(connection: Any) -> None:
    """Have rows come in as fast as they can, where the role may."""
    try:
        run(connection, "SET session_replication_role = replica")
    except Exception:  # a server that is not ours: triggers and keys are checked
        run(connection, "ROLLBACK")
    run(connection, "SET enable_nestloop = off")


def _names(connection: Any) -> dict[int, str]:
    """Return the names of the tables that are there, by their ids."""
    found = run(connection, observing.KNOWN)
    return {oid: name for oid, name, kind, *_ in found if kind in "rp"}


def main(name: str, path: str) -> int:
    """Run a command; return 0, or 1 when it failed and said why."""
    sys.stdout = sys.stderr
    config = Config(path, stdout=sys.stderr)
    if not config.get_main_option("script_location"):  # Flask-Migrate's names none
        config.set_main_option("script_location", os.path.dirname(path))
    # For an env.py that reads the file's address; % starts an interpolation there.
    address = os.environ.get("DATABASE_URL", "")
    config.set_main_option("sqlalchemy.url", address.replace("%", "%%"))
    try:
        script = ScriptDirectory.from_config(config)
        if name == "history":
            _history(script)
        else:
            with open(os.environ["SAMETREE_ORDERS"], encoding="utf-8") as file:
                Check(config, script, json.load(file)).all()
    except Stop:
        return 1
    except Failed as failed:
        report("failed", **failed.told)
        return 1
    except Exception as error:
        report("broken", **history.explained(error, ""))
        traceback.print_exc()
        return 1
    return 0


def _history(script: ScriptDirectory) -> None:
    """Report the revisions in the order in which they run, and the heads."""
    told = [history.described(each) for each in history.ordered(script)]
    report(
        "history",
        revisions=told,
        heads=list(script.get_heads()),
        folder=os.path.relpath(script.dir),
    )
