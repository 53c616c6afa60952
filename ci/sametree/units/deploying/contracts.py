"""May a contract migration run in an environment, and who has to know that it did?"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from sametree import records
from sametree.stepwise import audit, lease
from sametree.deploy.site import Site
from sametree.deploy.strategies import COLOURS
from sametree.errors import UsageError


def refuse(site: Site, revisions: Sequence[str]) -> None:
    """Raise UsageError when code runs on ``site`` that does not know one of the contract
    migrations ``revisions``: it may need what they take away."""
    told, sizes = site.colours, site.sizes()
    for colour in COLOURS:
        side = told.side(colour)
        if side is None or not sizes[colour]:
            continue
        unknown = [each for each in revisions if each not in side.revisions]
        if not unknown:
            continue
        warm = colour != told.active
        raise UsageError(
            f"{colour} of {site.name} runs tree {side.tree[:12]}, which does not know"
            f" {', '.join(unknown)}, and may need what that takes away",
            (
                f"`invoke retire {site.name}` stops it; there is no way back at once"
                " after that"
                if warm
                else f"`invoke deploy {site.name}` the code that can do without first"
            ),
        )


def ran(site: Site, revisions: Sequence[str]) -> None:
    """Write down that the database of ``site`` has had contract migrations: code that
    does not know them cannot be returned to. Nothing is, where nothing is deployed."""
    told = site.colours
    new = [each for each in revisions if each not in told.contracts]
    if not new or told.active is None:
        return
    run = records.new_id()
    with lease.held(site.folder, run, f"contract the schema of {site.name}") as held:
        site.held = held
        contracts = (*site.colours.contracts, *new)
        site.decide(structs.replace(site.colours, contracts=contracts))
        audit.append(site.folder, "contract", run=run, revisions=new, result="done")
