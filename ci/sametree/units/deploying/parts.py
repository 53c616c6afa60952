"""How do the parts of an environment run that are no release's: router and pages?"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from sametree.artifacts import install
from sametree.deploy import pages, replicas
from sametree.deploy.runners import Service
from sametree.deploy.site import PAGES, ROUTER, Site
from sametree.deploy.strategies import COLOURS
from sametree.errors import SurroundingsError
from sametree.units.deploying.change import Code

PART_STARTS = 10.0
"""Seconds that a part has to come up."""


def point_pages(site: Site, sides: Mapping[str, str], active: str) -> None:
    """Tell the static handler which page each colour has: that of its release's digest.

    The pages of all kept releases stay at hand, for users who have one open.
    """
    found = {
        colour: page
        for colour, digest in sides.items()
        if (page := install.page(site.folder, digest)) is not None
    }
    older = [
        page
        for digest in site.colours.kept
        if (page := install.page(site.folder, digest)) is not None
    ]
    (site.folder / PAGES).mkdir(parents=True, exist_ok=True)
    pages.point(site.folder / PAGES, found, active, older)


def settled_pages(site: Site) -> None:
    """Tell the static handler what was decided."""
    told = site.colours
    sides: dict[str, str] = {c: side.digest for c in COLOURS if (side := told.side(c))}
    if told.active:
        point_pages(site, sides, told.active)


def start_pages(site: Site, code: Code) -> None:
    """Have the static handler run; when it was gone, it has another port now."""
    running = site.runner.inspect().get(PAGES)
    if running and running.alive and running.kept:
        return
    site.allowed()
    folder = site.folder / PAGES
    folder.mkdir(exist_ok=True)
    port = running.port if running else site.runner.port()
    site.runner.start(
        Service(
            name=PAGES,
            argv=pages.argv(folder, port),
            cwd=folder,
            env=code.environ(),
            port=port,
            patience=5.0,
        )
    )
    _await(site, PAGES, lambda: replicas.ask(site.runner.endpoint(PAGES), "/")[0] > 0)


def start_router(site: Site, code: Code, at_wait: Callable[[], None]) -> None:
    """Have the router run, whose files are there. Raises SurroundingsError."""
    running = site.runner.inspect().get(ROUTER)
    if not (running and running.alive and running.kept):
        site.allowed()
        site.runner.start(
            Service(
                name=ROUTER,
                argv=site.router.argv(),
                cwd=site.folder,
                env=code.environ(),
                port=site.listen.port,
                patience=5.0,
            )
        )
    _await(site, ROUTER, site.router.ready, at_wait)


def _await(
    site: Site,
    name: str,
    ready: Callable[[], bool],
    at_wait: Callable[[], None] = lambda: None,
) -> None:
    """Wait until a part is ready. Raises SurroundingsError with its last words."""
    deadline = time.monotonic() + PART_STARTS
    while not ready():
        running = site.runner.inspect().get(name)
        ended = running is None or running.restarts
        if ended or time.monotonic() > deadline:
            said = "\n".join(f"    {line}" for line in site.runner.logs(name, 10))
            endpoint = site.runner.endpoint(name)
            raise SurroundingsError(
                f"{name} does not come up at {endpoint}:\n{said}",
                "does another program listen there? `ss -ltnp` tells",
            )
        at_wait()
        time.sleep(0.01)


def parts(site: Site, code: Code) -> None:
    """Have all parts of the environment run that are no release's."""
    start_pages(site, code)
    start_router(site, code, lambda: None)
