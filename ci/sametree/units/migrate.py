"""migrate: bring a database to the newest migration, or check the whole history."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from sametree import steps, terminal
from sametree.database import application, applying, migrations, server
from sametree.database.address import Address
from sametree.errors import SurroundingsError, UnitFailed, UsageError
from sametree.steps import Step
from sametree.testing import triage
from sametree.toolchains import locks
from sametree.units.work import Work


def migrate(work: Work) -> None:
    """Bring the development database to the newest migration, or check the history."""
    options = arguments(work.args)
    if options.check:
        from sametree.units import check

        check.check(work)
        return
    env = work.install("run")
    with server.development(work.project) as address:
        terminal.say(f"  {address}")
        done = upgrade(work, env, address)
        count = f"{done.applied} migration{'' if done.applied == 1 else 's'}"
        work.notes.append(f"{count} run" if done.applied else "at the newest migration")


def upgrade(
    work: Work, env: Mapping[str, str], address: Address, *, brief: bool = False
) -> migrations.Progress:
    """Bring the database at ``address`` to the newest migration; one at a time."""
    step = migrations.program("apply", work.folder, path=env.get("PYTHONPATH", ""))
    if brief:  # a template is made of it
        step = msgspec.structs.replace(step, kept=True)
    started = time.monotonic()
    progress = applying.Applying()
    run(work, step, env, address, progress, None if brief else Screen())
    if brief:
        seconds = terminal.duration(time.monotonic() - started)
        terminal.say(
            f"  {address.database}: {progress.applied} migrations in {seconds}"
        )
    return progress


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


class Screen:
    """Shows what a run of migrations tells; what changes all the time is one line on a
    terminal, and at most a line a second elsewhere."""

    def __init__(self) -> None:
        self._live = sys.stdout.isatty()
        self._told = 0.0
        self._shown = ""

    def lines(self, lines: Sequence[str], live: str) -> None:
        """Show ``lines`` for good, and ``live`` for now."""
        if lines and self._shown and self._live:
            sys.stdout.write("\r\033[2K")
            self._shown = ""
        for line in lines:
            terminal.say(f"  {line}")
        if not live or live == self._shown:
            return
        if self._live:
            self._shown = live
            sys.stdout.write(f"\r\033[2K  {live}")
            sys.stdout.flush()
        elif time.monotonic() - self._told >= 1:
            self._told, self._shown = time.monotonic(), live
            terminal.say(f"  {live}")


def run(
    work: Work,
    step: Step,
    env: Mapping[str, str],
    address: Address,
    progress: migrations.Progress,
    screen: Screen | None,
    on_event: Callable[[], None] = lambda: None,
) -> None:
    """Run a step that tells ``progress`` by events; raises SametreeError when it fails.

    ``on_event`` is called after each line.
    """

    def show(line: str) -> None:
        shown = progress.take(line)
        if screen is not None:
            screen.lines(shown, getattr(progress, "live", ""))
        on_event()

    env = {**application.named(work.project.settings, work.component), **env}
    variables = {server.VARIABLE: server.url(address, driver(work))}
    outcome = steps.run(step, {**env, **variables}, on_line=show)
    work.note(outcome)
    if outcome.passed:
        return
    said = progress.problem or "\n".join(progress.other[-15:])
    if isinstance(progress, applying.Applying) and progress.gave_up:
        raise SurroundingsError(address.hide(said), progress.cure)
    heard = "\n".join([progress.problem, *progress.other])
    around = work.around({**env, **variables})
    if cause := triage.of_step(outcome.code, heard, around):
        told = f"{cause.text}\n{address.hide(said)}"
        raise SurroundingsError(told, cause.cure)
    raise UnitFailed(address.hide(said), progress.cure)
