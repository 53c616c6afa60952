"""How is a point made to which an environment's database can return?"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sametree import files, steps, terminal
from sametree.database import restore_points, server, trail
from sametree.database.plan import Plan
from sametree.errors import SurroundingsError
from sametree.steps import Outcome, Step

if TYPE_CHECKING:
    from sametree.units.migrate_environment import Site

POINT = "SAMETREE_RESTORE_POINT"
"""What a restore point's command gets: a name that no other one has."""


def save(site: Site, plan: Plan, run_id: str) -> None:
    """Make a restore point; say how to return to it."""
    began = time.monotonic()
    made = _by_command(site) if site.environment.restore_point else _dump(site, plan)
    seconds = time.monotonic() - began
    trail.append(
        site.folder, run_id, "restore point", made=made, seconds=round(seconds, 3)
    )
    terminal.say(f"  restore point: {made} in {terminal.duration(seconds)}")
    if not site.environment.restore_point:
        variable = site.environment.database or server.VARIABLE
        for line in restore_points.how_to_restore(made, variable):
            terminal.say(f"    {line}")
    site.work.notes.append(f"restore point {made}")


def _dump(site: Site, plan: Plan) -> str:
    state, address = site.work.project.state, site.address
    version = plan.server_version
    client = restore_points.fitting(restore_points.clients(), version, address)
    part, lock = restore_points.begin(state, site.name)
    with files.holding(lock):
        try:
            _step(site, restore_points.dump_step(client, address, part), version)
            _step(site, restore_points.list_step(client, part), version)
            made = restore_points.finish(part)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    size = made.stat().st_size / 1e6
    shown = made.relative_to(site.work.project.root)
    terminal.say(f"  saved {size:.1f} MB with pg_dump {client.major}")
    return str(shown)


def _step(site: Site, step: Step, version: int) -> Outcome:
    outcome = steps.run(step, site.work.clean())
    site.work.note(outcome)
    if not outcome.passed:
        raise restore_points.refused(outcome.output, site.address, version)
    return outcome


def _by_command(site: Site) -> str:
    """Run the settings' command; return the last line that it prints."""
    name = f"{site.name}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    env = {server.VARIABLE: site.address.url(), POINT: name}
    argv = site.environment.restore_point
    step = Step(name="restore point", argv=argv, cwd=site.work.project.root)
    outcome = steps.run(step, {**site.env, **env})
    site.work.note(outcome)
    said = site.address.hide(outcome.output).strip().splitlines()
    if not outcome.passed:
        told = "\n".join(f"  {line}" for line in said[-15:])
        raise SurroundingsError(
            f"the restore point of {site.name} was not made (exit code"
            f" {outcome.code}):\n{told}",
            f"mend its command in pyproject.toml: environments.{site.name}.restore-point",
        )
    return said[-1] if said else name
