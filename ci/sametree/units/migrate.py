"""migrate: bring a database to the newest migration, or check the whole history."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence

from sametree import steps, terminal
from sametree.database import migrations, server
from sametree.database.address import Address
from sametree.errors import SurroundingsError, UnitFailed, UsageError
from sametree.testing import triage
from sametree.toolchains import locks
from sametree.units.work import Work


def migrate(work: Work) -> None:
    """Bring the development database to the newest migration, or check the history."""
    options = arguments(work.args)
    env = work.install("run")
    if options.check:
        with server.fresh(work.project, "check") as address:
            terminal.say("  on an empty scratch database: up, down, up")
            _run(work, "check", env, address, brief=False)
            work.notes.append("up, down, up; models and database agree")
        return
    with server.development(work.project) as address:
        terminal.say(f"  {address}")
        done = upgrade(work, env, address)
        count = f"{done.applied} migration{'' if done.applied == 1 else 's'}"
        work.notes.append(f"{count} run" if done.applied else "at the newest migration")


def upgrade(
    work: Work, env: Mapping[str, str], address: Address, *, brief: bool = False
) -> migrations.Progress:
    """Bring the database at ``address`` to the newest migration."""
    with server.alone(address):
        return _run(work, "upgrade", env, address, brief=brief)


def driver(work: Work) -> str | None:
    """Return the SQLAlchemy driver that the component's addresses name."""
    lock = locks.for_purpose(work.project, work.component, "run")
    return migrations.driver_of(work.project, work.component, lock)


def arguments(args: Sequence[str]) -> argparse.Namespace:
    """Return the options after ``--``; raises UsageError with the usage."""
    parser = argparse.ArgumentParser(
        prog="nox -s migrate --", add_help=False, exit_on_error=False
    )
    parser.add_argument("--check", action="store_true")
    options, unknown = parser.parse_known_args(args)
    if unknown:
        raise UsageError(
            f"migrate does not know {' '.join(unknown)}", "nox -s migrate [-- --check]"
        )
    return options


def _run(
    work: Work, command: str, env: Mapping[str, str], address: Address, *, brief: bool
) -> migrations.Progress:
    progress = migrations.Progress()
    started = time.monotonic()

    def show(line: str) -> None:
        for shown in progress.take(line):
            if not brief:
                terminal.say(f"  {shown}")

    step = migrations.step(command, work.folder)
    variables = {server.VARIABLE: address.url(driver(work))}
    outcome = steps.run(step, {**env, **variables}, on_line=show)
    work.note(outcome)
    if not outcome.passed:
        said = progress.problem or "\n".join(progress.other[-15:])
        heard = "\n".join([progress.problem, *progress.other])
        around = work.around({**env, **variables})
        if cause := triage.of_step(outcome.code, heard, around):
            told = f"{cause.text}\n{address.hide(said)}"
            raise SurroundingsError(told, cause.cure)
        raise UnitFailed(address.hide(said), progress.cure)
    if brief:
        seconds = terminal.duration(time.monotonic() - started)
        terminal.say(
            f"  {address.database}: {progress.applied} migrations in {seconds}"
        )
    return progress
