"""deploy: bring what was built to the environment ``local``, and try it there."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace

from sametree import terminal
from sametree.artifacts import install
from sametree.deploy import replicas
from sametree.deploy.site import LOCAL, PAGES, Site
from sametree.errors import UnitFailed, UsageError
from sametree.units import pack
from sametree.units.deploying import flow, preflight
from sametree.units.deploying.flow import Asked
from sametree.units.work import Work


def deploy(work: Work) -> None:
    """Deploy this tree's release to ``local``, by the code that deploys anywhere, and
    ask what it serves. It stays up until ``invoke down``."""
    _arguments(work)
    site = preflight.find(work.project, LOCAL)
    release = pack.pack(work.project, _say)
    component = next((c for c in work.project.components if c.run), None)
    work = replace(work, component=component or work.component)
    flow.deploy(work, site, release, Asked(yes=True), os.environ)
    for path, said in smoke(site):
        terminal.say(f"  {terminal.mark('passed')}  {site.url}{path}  {said}")


def smoke(site: Site) -> list[tuple[str, str]]:
    """Ask through the router what the application and the page answer.

    Returns each path with its answer in words. Raises UnitFailed when one is no 200.
    """
    side = site.colours.side(site.colours.active)
    found = install.installed(site.folder, side.digest) if side else None
    assert found is not None
    paths = [install.app(found.manifest).health]
    if PAGES in site.runner.inspect() and install.page(
        site.folder, found.manifest.digest
    ):
        paths.append("/")
    answers = []
    for path in dict.fromkeys(paths):
        code, said = replicas.ask(site.listen, path)
        if code != 200:
            raise UnitFailed(
                f"{site.url}{path} {said}",
                f"`invoke logs {site.name}` shows what the replicas said",
            )
        answers.append((path, said.partition(":")[0]))
    return answers


def _say(line: str) -> None:
    terminal.say(f"  {line}")


def _arguments(work: Work) -> None:
    parser = argparse.ArgumentParser(prog="nox -s deploy --", add_help=False)
    _, unknown = parser.parse_known_args(list(work.args))
    if unknown:
        raise UsageError(
            f"deploy does not know {' '.join(unknown)}",
            "nox -s deploy; other environments: `invoke deploy ENVIRONMENT`",
        )
