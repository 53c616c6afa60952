"""May this release go to this environment? All that speaks against it, before a change."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

from sametree import terminal
from sametree.artifacts import install
from sametree.artifacts.manifest import Manifest
from sametree.deploy import site as sites
from sametree.deploy.site import LOCAL, ROUTER, Site
from sametree.errors import UsageError
from sametree.settings import Project
from sametree.settings.decode import nearest
from sametree.settings.model import Environment
from sametree.units.deploying import code as codes
from sametree.units.deploying.code import ReleaseCode

PORTS = 100
"""Ports that are tried for ``local``."""
ROOM = 3
"""Times the size of a release that have to be free: its files, its environment, logs."""


def find(project: Project, name: str) -> Site:
    """Return the environment ``name``. Raises UsageError, which names the nearest one."""
    named = project.settings.environments
    if name in named:
        return sites.site(project, name, named[name])
    if name == LOCAL:
        return sites.site(project, name, sites.MADE_UP)
    known = sorted({LOCAL, *named})
    raise UsageError(
        f"there is no environment {name!r}: {nearest(name, known, 'environments')}",
        "[tool.sametree.environments] in pyproject.toml names them",
    )


def refuse(problems: list[str], what: str) -> None:
    """Raise UsageError with all ``problems``, if there are any."""
    if problems:
        listed = "".join(f"\n  - {problem}" for problem in problems)
        raise UsageError(f"{what} is refused:{listed}", "nothing was changed")


def of_release(project: Project, site: Site, manifest: Manifest) -> Iterator[str]:
    """Yield what speaks against the release."""
    try:
        install.app(manifest)
    except UsageError as error:
        yield str(error)
    if site.name == LOCAL:
        return
    tree = manifest.tree[:12]
    if not manifest.commit:
        yield (
            f"tree {tree} is no commit's: something was not committed when it was built"
            " (`git status` tells)"
        )
    for part in manifest.components:
        if not any(
            p.unit == f"tests({part.name})" and not p.args for p in manifest.proofs
        ):
            yield (
                f"no record says that tests({part.name}) passed for tree {tree}:"
                f' `nox -s "tests({part.name})"`, then `invoke artifacts.pack`'
            )
    yield from _before(project, site.environment, manifest)


def _before(
    project: Project, environment: Environment, manifest: Manifest
) -> Iterator[str]:
    """Yield why the release has not gone where it has to go first."""
    if not (name := environment.after):
        return
    earlier = find(project, name)
    told = earlier.colours
    sides = [side for side in (told.blue, told.green) if side]
    found = [side for side in sides if side.digest == manifest.digest]
    if not any(side.baked for side in found):
        has = told.side(told.active)
        runs = f"{name} runs tree {has.tree[:12]}" if has else f"nothing is on {name}"
        yield (
            f"it has not baked on {name} yet, which goes before; {runs}"
            f" (`invoke deploy {name}`)"
        )


def of_place(
    project: Project, site: Site, release: Path, outer: Mapping[str, str]
) -> Iterator[str]:
    """Yield what speaks against the place: variables, room, ports."""
    declared = codes.variables(project, site, outer)
    terminal.keep_secret(declared.hidden)
    for wrong in declared.wrong:
        yield f"variable {wrong.name} {wrong.text} (environment: {site.name})"
    size = sum(each.stat().st_size for each in release.rglob("*") if each.is_file())
    place = next(p for p in (site.folder, *site.folder.parents) if p.exists())
    if (free := shutil.disk_usage(place).free) < ROOM * size:
        yield (
            f"{place} has {free / 1e6:.0f} MB free, and {ROOM * size / 1e6:.0f} MB are"
            " needed"
        )
    running = site.runner.inspect().get(ROUTER)
    if not (running and running.alive) and (who := _taken(site)):
        yield f"{site.listen} is taken by another program{who}"


def find_port(site: Site) -> None:
    """Give the environment that settings do not name another port where its own is
    taken; it keeps the one it has as long as that is free."""
    running = site.runner.inspect().get(ROUTER)
    if site.environment is not sites.MADE_UP or running and running.alive:
        return
    first = site.listen.port
    for port in range(first, first + PORTS):
        site.port = port
        if not _taken(site):
            return
    site.port = 0


def _taken(site: Site) -> str | None:
    """Return words for who listens on the environment's address; None when nobody."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((site.listen.host, site.listen.port))
        except PermissionError:
            return ", or ports below 1024 are not ours to use"
        except OSError as error:
            return f" ({error.strerror})"
    return None


def of_schema(code: ReleaseCode, manifest: Manifest) -> Iterator[str]:
    """Yield why the release's code does not fit the database."""
    known = tuple(each.revision for each in manifest.revisions)
    if gone := code.site.colours.broken_for(known):
        yield (
            f"the database has had the contract migration {', '.join(gone)}, which this"
            " release does not know: it needs what is gone; deploy newer code"
        )
    looked = code.lacking()
    if looked and looked.behind:
        name = code.site.name
        yield (
            f"the migration {looked.behind[0]} comes after {looked.contract[0]}, which"
            f" takes away what running code may use: `invoke migrate {name} --contract`"
            " first"
        )
