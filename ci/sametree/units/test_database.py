"""Which database do the tests of a component get, and how are they told of it?

They get a migrated template, from which each of their processes makes a database of its
own; variables say where it is. The pytest plug-in (``inside/sametree_pytest``) reads them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import msgspec

from sametree import steps, surroundings, terminal
from sametree.database import application, applying, history, migrations, server, sqlite
from sametree.database.address import Address
from sametree.errors import SurroundingsError, UnitFailed
from sametree.testing import triage
from sametree.toolchains import locks
from sametree.units import migrate
from sametree.units.work import Work, cores

INSIDE = migrations.INSIDE
PLUGIN = "sametree_pytest"
OF_RUN = "template of an earlier run: no migration to run"


@contextmanager
def variables(work: Work, env: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    """Give a migrated database, as variables for the tests, where there is one.

    ``env`` is the environment of the component's steps. Raises UnitFailed when a
    migration fails, SurroundingsError when there is no server.
    """
    database = work.project.settings.database
    if database is None or not work.project.has_database(work.component):
        yield {}
        return
    told = _plugin(env.get("PYTHONPATH", ""))
    if database.tests == "sqlite":
        with sqlite.migrated(history_of(work), _on_sqlite(work, env)) as (file, kept):
            if kept:
                terminal.say(f"  {OF_RUN}")
            yield {**told, "SAMETREE_SQLITE_TEMPLATE": str(file)}
        return

    def bring_up(address: Address) -> None:
        migrate.upgrade(work, env, address, brief=True)

    name, clones = history_of(work), cores() + 1
    with server.migrated(work.project, name, bring_up, clones) as template:
        if template.kept:
            terminal.say(f"  {OF_RUN}")
        path = env.get("PYTHONPATH", "")
        yield variables_for(template.address, migrate.driver(work), path)


def variables_for(
    template: Address, driver: str | None, path: str = ""
) -> Mapping[str, str]:
    """Return what makes each test process clone ``template`` for itself.

    ``path`` is the PYTHONPATH that there is already.
    """
    given = server.given()
    url = server.url(template, driver)
    maintenance = given or template.named("postgres")
    return {
        **_plugin(path),
        server.VARIABLE: url,
        "SAMETREE_TEMPLATE_URL": url,
        "SAMETREE_MAINTENANCE_URL": maintenance.url(driver),
        "SAMETREE_SERVER": "given" if given else "own",
    }


def _on_sqlite(work: Work, env: Mapping[str, str]) -> Callable[[str], None]:
    """Return what brings the SQLite file of a URL to the newest migration; a component
    without migrations gets an empty one."""

    def bring_up(url: str) -> None:
        if history.configuration(work.folder) is None:
            return
        progress = applying.Applying()
        begun = time.monotonic()

        def listen(line: str) -> None:
            progress.take(line)

        app = application.named(work.project.settings, work.component)
        given = {**app, **env, server.VARIABLE: url}
        path = env.get("PYTHONPATH", "")
        step = migrations.program("apply", work.folder, path=path)
        step = msgspec.structs.replace(step, kept=True)
        outcome = steps.run(step, given, on_line=listen)
        work.note(outcome)
        if outcome.passed:
            seconds = terminal.duration(time.monotonic() - begun)
            terminal.say(f"  SQLite: {progress.applied} migrations in {seconds}")
            return
        said = progress.problem or "\n".join(progress.other[-15:])
        heard = "\n".join([progress.problem, *progress.other])
        if cause := triage.of_step(outcome.code, heard, work.around(given)):
            raise SurroundingsError(f"{cause.text}\n{said}", cause.cure)
        raise UnitFailed(f"on SQLite: {said}", progress.cure)

    return bring_up


def history_of(work: Work) -> str:
    """Return the name of what migrates the template of the unit at ``work``."""
    declared = work.declared or surroundings.look(work.project)
    told = declared.parts(work.component.name)
    # The tests' environment is what migrates it.
    pins = "tests" if work.component.language == "python" else "run"
    lock = locks.for_purpose(work.project, work.component, pins)
    return history.digest(work.project, work.component, lock, told)


def _plugin(path: str) -> dict[str, str]:
    """Return the variables with which pytest finds our plug-in."""
    return {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(INSIDE), path])),
        "PYTEST_PLUGINS": PLUGIN,
    }
