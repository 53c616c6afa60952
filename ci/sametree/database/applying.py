"""What does a run of migrations tell a person, and whose fault is it when it stops?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from sametree import terminal
from sametree.database.migrations import Progress
from sametree.errors import SametreeError, SurroundingsError, UnitFailed

Event = Mapping[str, Any]
DENIED = "42501"
"""SQLSTATE of a privilege that the role does not have."""
READ_ONLY = "25006"


class Applying(Progress):
    """What the events of ``sametree_migrate`` tell so far.

    ``tables`` has how many rows each table has, where that is known; ``live`` is what
    changes while a revision runs. ``gave_up`` tells that others did not let us; ``kept``
    are the events for whoever keeps them.
    """

    tables: Mapping[str, int] = {}
    live: str = ""
    gave_up: bool = False
    retries: int = 0
    at: str = ""
    server: Event = {}
    state: Event = {}
    history: Event = {}
    kept: list[Event] = msgspec.field(default_factory=list)

    def error(self, said: str = "") -> SametreeError:
        """Return why the run has stopped; ``said`` is for where no event tells it."""
        kind = SurroundingsError if self.gave_up else UnitFailed
        return kind(self.problem or said, self.cure)

    def _server(self, event: Event) -> Sequence[str]:
        self.server = event
        return ()

    def _state(self, event: Event) -> Sequence[str]:
        self.state, self.tables = event, event["tables"]
        self.at = ", ".join(event["current"])
        return ()

    def _history(self, event: Event) -> Sequence[str]:
        self.history = event
        return ()

    def _plan(self, event: Event) -> Sequence[str]:
        self.at = ", ".join(event["current"])
        return super()._plan(event)

    def _done(self, event: Event) -> Sequence[str]:
        self.live = ""
        self.at = event["revision"]
        told = {name: event[name] for name in ("revision", "seconds", "tries", "rows")}
        self.kept.append({"event": "revision", **told})
        lines = list(super()._done(event))
        if changed := {t: n for t, n in event["rows"].items() if n}:
            rows = ", ".join(f"{n:,} of {table}" for table, n in changed.items())
            lines.append(f"              rows: {rows}")
        return lines

    def _rows(self, event: Event) -> Sequence[str]:
        table, rows = event["table"], event["rows"]
        about = self.tables.get(table, 0)
        of = f" of about {about:,}" if about > 0 else ""
        count = f"{rows:,} rows{of}" if rows else f"{event['times']} batches"
        self.live = f"{event['revision']}  {table}: {count}"
        return ()

    def _turn_waits(self, event: Event) -> Sequence[str]:
        return [f"somebody else migrates this database: {session(event['holder'])}"]

    def _turn_denied(self, event: Event) -> Sequence[str]:
        self.gave_up = True
        holder = event["holder"]
        who = session(holder) if holder else "it is gone by now"
        waited = terminal.duration(event["waited"])
        self.problem = (
            f"somebody else migrates this database, still after {waited}: {who}"
        )
        self.cure = "run this again later; nothing was changed"
        return ()

    def _turn_taken(self, event: Event) -> Sequence[str]:
        self.kept.append({"event": "alone", "waited": round(event["waited"], 3)})
        if event["waited"] < 1:
            return ()
        return [f"our turn, after {terminal.duration(event['waited'])}"]

    def _turn_lost(self, event: Event) -> Sequence[str]:
        self.gave_up = True
        self.problem = (
            "the connection that holds the lock of migrations was lost\n"
            f"  the database stays at {event['at']}"
        )
        self.cure = "run this again; it goes on from there"
        return ()

    def _left_behind(self, event: Event) -> Sequence[str]:
        self.kept.append({"event": "left behind", **event})
        count = len(event["pids"])
        what = "a statement" if count == 1 else f"{count} statements"
        return [f"ended {what} that a killed migration left on the server"]

    def _stuck(self, event: Event) -> Sequence[str]:
        self.gave_up = True
        pids = ", ".join(map(str, event["pids"]))
        self.problem = (
            f"a killed migration has left statements on the server: process {pids}"
        )
        self.cure = "a superuser can end them: SELECT pg_terminate_backend(…)"
        return ()

    def _lock_waits(self, event: Event) -> Sequence[str]:
        waited = terminal.duration(event["waited"])
        return [f"waiting for {waited} already: {holding(event['blocker'])}"]

    def _blocked(self, event: Event) -> Sequence[str]:
        self.retries += 1
        self.live = ""
        names = ("revision", "tries", "why", "blockers")
        self.kept.append({"event": "retry", **{name: event[name] for name in names}})
        after = terminal.duration(event["seconds"])
        lines = [f"{event['revision']}  {event['why']}; again in {after}"]
        return lines + [f"    {holding(each)}" for each in event["blockers"]]

    def _gave_up(self, event: Event) -> Sequence[str]:
        self.gave_up = True
        count = f"{event['tries']} tr{'y' if event['tries'] == 1 else 'ies'}"
        waited = terminal.duration(event["waited"])
        lines = [
            f"migration {event['revision']}: {event['why']}, in {count} and {waited}",
            *(f"  {holding(each)}" for each in event["blockers"]),
            f"  the database stays at {event['at']}",
        ]
        self.problem = "\n".join(lines)
        self.cure = (
            "let that session end (or end it: SELECT pg_terminate_backend(PID)), then run"
            " this again; --patience SECONDS waits longer"
        )
        return ()

    def _removed(self, event: Event) -> Sequence[str]:
        self.kept.append({"event": "removed", **event})
        return [f"removed the INVALID index {event['index']} of an earlier try"]

    def _left_invalid(self, event: Event) -> Sequence[str]:
        return ["an INVALID index is left; the next try removes it"]

    def _ahead(self, event: Event) -> Sequence[str]:
        names = ", ".join(event["revisions"])
        self.problem = (
            f"the database is at {names}, which this tree does not have"
            f" (its newest is {event['head'] or 'none'}): the database is ahead"
        )
        self.cure = "check out the tree that it was migrated with, or a newer one"
        return ()

    def _moved(self, event: Event) -> Sequence[str]:
        lost = ", ".join(event["needs"])
        self.problem = (
            f"the database has changed since the plan was made: {event['revision']}"
            f" needs {lost}, which it lacks now"
        )
        self.cure = "run this again for a new plan; nothing more was changed"
        return ()

    def _changed(self, event: Event) -> Sequence[str]:
        self.problem = (
            f"the file of migration {event['revision']} has changed since the plan was"
            " made"
        )
        self.cure = "run this again for a new plan"
        return ()

    def _failed(self, event: Event) -> Sequence[str]:
        super()._failed(event)
        self.live = ""
        if event.get("code") == DENIED:
            self.gave_up = True
            self.cure = "give the role that right, or name another role in the address"
        return ()

    def _unreachable(self, event: Event) -> Sequence[str]:
        self.gave_up = True
        said = event["error"].partition(":")[2].strip().splitlines() or [event["error"]]
        self.problem = f"cannot connect to the database: {said[0]}"
        self.cure = "is the server running, and are name, password and network right?"
        return ()

    def _broken(self, event: Event) -> Sequence[str]:
        super()._broken(event)
        if event.get("code") in (DENIED, READ_ONLY):
            self.gave_up = True
            self.cure = "give the role that right, or name another role in the address"
        return ()


def session(told: Event | None) -> str:
    """Return a session of the server in words; never what it asked, which may be secret.

    >>> session({"pid": 7, "application_name": "psql", "usename": "ada", "seconds": 75})
    "process 7, 'psql', role ada, for 1 min 15 s"
    """
    if told is None:
        return "a session that we may not see"
    parts = [f"process {told['pid']}"]
    if told.get("application_name"):
        parts.append(repr(told["application_name"]))
    if told.get("usename"):
        parts.append(f"role {told['usename']}")
    if told.get("seconds") is not None:
        parts.append(f"for {terminal.duration(max(0.0, told['seconds']))}")
    return ", ".join(parts)


def holding(told: Event) -> str:
    """Return who holds what we wait for, and what that is."""
    on = f" on {told['on']}" if told.get("on") else ""
    state = f", {told['state']}" if told.get("state") else ""
    lock = f" (we need {told['mode']}{on})" if told.get("mode") else ""
    return f"held by {session(told)}{state}{lock}"
