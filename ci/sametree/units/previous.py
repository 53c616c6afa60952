"""previous: does the code of the release before this one pass on the schema of this tree?

While a deploy goes on, old code works on the new schema. So the tests of the previous
release run, with its own code and its own locks, on a database that was migrated by this
tree, up to the first new revision that is marked ``contract``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import msgspec

from sametree import files, releases, settings, steps, terminal
from sametree.database import applying, migrations, plan, server
from sametree.database.address import Address
from sametree.errors import UnitFailed, UsageError
from sametree.releases import Release
from sametree.units import migrate, test_database, tests
from sametree.units.work import Work, cores

CURE = (
    "keep what the old code uses, and take it away in a later revision with"
    ' phase = "contract"'
)


def previous(work: Work) -> None:
    """Run the previous release's tests on this tree's schema; without one, do nothing.

    Raises UnitFailed when one fails, UsageError when the release is not to be had.
    """
    database = work.project.settings.database
    assert database is not None
    release = releases.before(work.project.root, database.previous)
    if release is None:
        terminal.say("  there is no release before this tree")
        work.notes.append("no release before this tree")
        return
    with (
        releases.checked_out(work.project.root, release) as folder,
        server.fresh(work.project, "previous") as address,
    ):
        terminal.say(f"  the tests of {release.name} on the schema of this tree")
        then = as_it_was(work, release, folder, database.previous_args)
        env = then.install("tests")
        before = known(then, env, address)
        held_back = expand(work, address, before)
        outcome, given = _tested(then, env, address)
        try:
            tests.judge(then, outcome, given, "")
        except UnitFailed as failed:
            told = f"the code of {release.name} does not work on this tree's schema"
            raise UnitFailed(f"{told}: {failed.problem}", CURE) from None
    work.notes.append(f"the tests of {release.name} pass on this tree's schema")
    if held_back:
        work.notes.append(f"without {', '.join(held_back)}, which contract it")


def as_it_was(
    work: Work, release: Release, folder: Path, args: tuple[str, ...]
) -> Work:
    """Return the component's work on the files of ``release`` in ``folder``.

    What it tells and makes is told and kept as that of ``work``.
    """
    try:
        project = settings.load(folder)
        component = project.component(work.component.name)
    except UsageError as error:
        raise UsageError(
            f"{release.name} cannot be tried: {error.problem}",
            "name another release as `previous` in [tool.sametree.database]",
        ) from None
    return dataclasses.replace(
        work,
        project=msgspec.structs.replace(project, home=work.project.base),
        component=component,
        venv=work.venv.with_name(f"{work.venv.name}-before"),
        args=(*args, "--no-cov"),
        title=work.name,
        declared=None,
    )


def known(then: Work, env: Mapping[str, str], address: Address) -> set[str]:
    """Return the revisions that the previous release has."""
    return set(_look(then, env, address).state["known"])


def expand(work: Work, address: Address, before: set[str]) -> list[str]:
    """Migrate the empty database at ``address`` with this tree's revisions, up to the
    first that is no part of ``before`` and marked ``contract``.

    Returns the revisions that are left out.
    """
    env = work.install("run")
    state = _look(work, env, address).state
    lacking = plan.pending(state["pending"], work.folder)
    taken = list(lacking)
    for place, each in enumerate(lacking):
        if each.phase == "contract" and each.revision not in before:
            taken = list(lacking[:place])
            break
    chosen = plan.Plan(
        environment="previous",
        where=str(address),
        server="",
        at=(),
        steps=tuple(taken),
    )
    # Under a name that is the same everywhere: it stands in the record of the unit.
    file = work.project.state / "cache" / "previous" / "plan.json"
    files.write_atomically(file, chosen.program())
    path = env.get("PYTHONPATH", "")
    step = migrations.program("apply", work.folder, str(file), path=path)
    migrate.run(work, step, env, address, applying.Applying(), None)
    names = {each.revision for each in taken}
    return [each.revision for each in lacking if each.revision not in names]


def _look(work: Work, env: Mapping[str, str], address: Address) -> applying.Applying:
    progress = applying.Applying()
    step = migrations.program("look", work.folder, path=env.get("PYTHONPATH", ""))
    migrate.run(work, step, env, address, progress, None)
    return progress


def _tested(
    then: Work, env: Mapping[str, str], address: Address
) -> tuple[steps.Outcome, Mapping[str, str]]:
    """Run the tests of the previous release on clones of the database at ``address``."""
    then.reports.mkdir(parents=True, exist_ok=True)
    (then.reports / "junit.xml").unlink(missing_ok=True)
    (step,) = then.toolchain.tests(then.place, cores(), then.args)
    path = env.get("PYTHONPATH", "")
    variables = test_database.variables_for(address, migrate.driver(then), path)
    given = {**env, **variables}
    return then.run(step, given, live=True), given
