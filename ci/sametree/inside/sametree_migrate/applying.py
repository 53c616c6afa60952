"""How are revisions run one by one, so that a failure, a lock or a kill costs one of them?

Every revision is run, and committed, on its own: a failing one leaves the database at
the last good one, and the next run goes on from there.
"""

from __future__ import annotations

import json
import os
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import Script, ScriptDirectory

from .connections import Connections
from .events import GAVE_UP, Stop, explained, report, sqlstate, unheard
from .history import current, described, digest, here, one_head, pending
from .turn import Alone, Turn, Watch

LATER = {"55P03": "a lock was not granted", "40P01": "a deadlock was ended"}
"""SQLSTATEs after which the same revision may succeed.
(postgresql.org/docs/current/errcodes-appendix.html)"""
SQLITE = "sqlite"
"""Begins the address of a file of SQLite."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0


@dataclass(frozen=True)
class Plan:
    """What shall be run: SHA-256 of the files by revision (None is all that is pending),
    and for how many seconds a lock, and all waiting together, may last."""

    revisions: dict[str, str] | None = None
    lock_timeout: float = 2.0
    patience: float = 300.0

    @classmethod
    def read(cls, path: str) -> Plan:
        """Return the plan in a JSON file."""
        told = json.loads(Path(path).read_text(encoding="utf-8"))
        return cls(told["revisions"], told["lock_timeout"], told["patience"])


@dataclass
class Work:
    """What is at hand while revisions run; ``waited`` counts what patience is left."""

    config: Config
    script: ScriptDirectory
    plan: Plan
    turn: Turn | Alone
    watch: Watch
    connections: Connections
    waited: float = 0.0
    at: str = ""
    revisions: list[Script] = field(default_factory=list)


def apply(config: Config, script: ScriptDirectory, plan: Plan) -> None:
    """Run what ``plan`` says, alone; raises Stop."""
    one_head(script)
    url = os.environ["DATABASE_URL"]
    turn = Alone() if url.startswith(SQLITE) else Turn(url)
    try:
        turn.take(plan.patience)
        turn.end_left_behind()
        heads = current(config, script)
        here(script, heads)
        todo = _todo(plan, pending(script, heads))
        report("plan", current=heads, pending=len(todo), verb="run")
        connections = Connections(plan.lock_timeout, plan.patience)
        watch = Watch(turn, connections.busy, plan.lock_timeout + 1)
        work = Work(config, script, plan, turn, watch, connections)
        work.at = ", ".join(heads) or "nothing"
        watch.start()
        try:
            for revision in todo:
                _may_go_on(work)
                _run(work, revision)
                connections.leave()
        finally:
            watch.end()
            connections.close()
    finally:
        turn.close()


def _todo(plan: Plan, lacking: list[Script]) -> list[Script]:
    """Return what of ``lacking`` is planned, as it is planned; raises Stop."""
    if plan.revisions is None:
        return lacking
    todo = [each for each in lacking if each.revision in plan.revisions]
    for each in todo:
        if digest(each) != plan.revisions[each.revision]:
            report("changed", **described(each))
            raise Stop
    below = {each.revision for each in lacking} - plan.revisions.keys()
    for each in todo:
        down = each.down_revision or ()
        needed = {down} if isinstance(down, str) else set(down)
        if lost := sorted(needed & below):
            report("moved", **described(each), needs=lost)
            raise Stop
    return todo


def _may_go_on(work: Work) -> None:
    """Raise Stop when nobody waits for us any more, or the lock is no longer ours."""
    if unheard():
        raise Stop
    if not work.turn.held():
        report("turn lost", at=work.at)
        raise Stop(GAVE_UP)


def _run(work: Work, revision: Script) -> None:
    """Run one revision, again and again where others hold what it needs."""
    about: dict[str, Any] = {**described(revision), "direction": "upgrade"}
    for tries in range(1, 1_000_000):
        started = time.perf_counter()
        work.connections.begin(revision.revision)
        work.watch.taken()
        try:
            _upgrade(work, revision.revision)
        except Exception as error:  # whatever a migration raises is ours to explain
            waited = work.connections.end_statement()
            work.connections.clean(os.environ["DATABASE_URL"])
            if sqlstate(error) not in LATER:
                report("failed", **about, at=work.at, **explained(error, revision.path))
                raise Stop from None
            _pause(work, about, tries, error, waited)
        else:
            seconds = time.perf_counter() - started
            rows = {table: n[0] for table, n in work.connections.rows().items()}
            report("done", **about, seconds=seconds, tries=tries, rows=rows)
            work.at = revision.revision
            return


def _upgrade(work: Work, target: str) -> None:
    """Run the revisions up to ``target``, as Alembic's command does; but that one reads
    all files of the history anew each time."""

    def lacking(heads: Any, context: Any) -> Any:
        return work.script._upgrade_revs(target, heads)

    with EnvironmentContext(
        work.config, work.script, fn=lacking, destination_rev=target
    ):
        work.script.run_env()


def _pause(
    work: Work, about: dict[str, Any], tries: int, error: Exception, waited: float
) -> None:
    """Let traffic pass; raises Stop when patience is at its end.

    ``waited`` is for how many seconds the statement ran that was not granted its lock.
    What was done before it was no waiting: a backfill may take hours.
    """
    told = {
        **about,
        "tries": tries,
        "why": LATER[sqlstate(error)],
        "blockers": work.watch.taken(),
        "at": work.at,
        "statement": explained(error)["statement"],
    }
    seconds = backoff(tries)
    work.waited += waited + seconds
    if work.waited > work.plan.patience:
        report("gave up", **told, waited=work.waited - seconds)
        raise Stop(GAVE_UP)
    report("blocked", **told, seconds=seconds)
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        time.sleep(min(left, 0.2))
        if unheard():
            raise Stop
    _may_go_on(work)


def backoff(tries: int) -> float:
    """Return for how many seconds to wait after so many tries: twice as long each time,
    up to a limit, by half more or less, so that two who wait do not meet again."""
    length = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(tries - 1, 30))
    return length * random.uniform(0.5, 1.5)
