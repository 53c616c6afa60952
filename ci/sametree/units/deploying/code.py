"""What does a release's code need to run in an environment, and how is it migrated?"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg

import sametree
from sametree import surroundings, terminal
from sametree.artifacts import install
from sametree.artifacts.manifest import Manifest
from sametree.database import environments, server
from sametree.database.address import Address
from sametree.database.connections import connection
from sametree.deploy import own_database, schema
from sametree.deploy.own_database import Own
from sametree.deploy.runners import Service
from sametree.deploy.schema import Lacking
from sametree.deploy.site import DATABASE, Site
from sametree.errors import SurroundingsError
from sametree.settings import Project
from sametree.surroundings import declared
from sametree.units import migrate, migrate_environment
from sametree.units.work import Work

DATABASE_STARTS = 30.0
_DEPLOYERS = ("CI", "GITHUB_ACTIONS", "TERM", "COLORTERM", "COLUMNS", "LINES", "PATH")
_DEPLOYERS_PREFIXES = ("SAMETREE_", "UV_", "NPM_CONFIG_", "npm_config_")
"""Variables of who deploys: no affair of what is deployed."""


@dataclass
class ReleaseCode:
    """The code of the release of ``manifest`` in the environment of ``site``.

    ``outer`` is the environment of who deploys, with what stands for secrets here,
    ``run`` the name of the deployment.
    """

    project: Project
    site: Site
    manifest: Manifest
    outer: Mapping[str, str]
    work: Work
    run: str

    def environ(self) -> dict[str, str]:
        """Return what every service of the environment gets."""
        clean = surroundings.clean(self.outer)
        kept = {
            name: value
            for name, value in clean.items()
            if name not in _DEPLOYERS and not name.startswith(_DEPLOYERS_PREFIXES)
        }
        kept["PATH"] = os.defpath
        # Programs of the suite find it where it is now.
        kept["PYTHONPATH"] = str(Path(sametree.__file__).parent.parent)
        return kept

    def service(self, name: str, port: int, digest: str) -> Service:
        """Return a replica of the installed release ``digest``.

        Raises SurroundingsError when it is not installed.
        """
        found = install.installed(self.site.folder, digest)
        if found is None:
            raise SurroundingsError(
                f"the release {digest[:12]} is not in {self.site.folder} any more",
                "deploy it again: `invoke deploy --release`",
            )
        app = install.app(found.manifest)
        env = {**self._run_env(found), "PORT": str(port)}
        cwd = self.site.folder / "work"
        cwd.mkdir(exist_ok=True)
        return Service(
            name=name,
            argv=tuple(part.replace("{port}", str(port)) for part in app.run),
            cwd=cwd,
            env=env,
            port=port,
            labels={
                "colour": name.partition("-")[0],
                "release": digest,
                "tree": found.manifest.tree,
                "run": self.run,
            },
        )

    def expanded(self) -> bool:
        """Return whether no expand migration of the release is left to run."""
        looked = self.lacking()
        return looked is not None and not looked.expand

    def lacking(self) -> Lacking | None:
        """Return what the database lacks; None while it cannot be asked, or does not
        say: it has no table of Alembic's, or one with a name of its own."""
        if (address := self.address()) is None:
            return None
        try:
            with connection(address) as asked:
                rows = asked.execute("SELECT version_num FROM alembic_version")
                heads = [str(row[0]) for row in rows]
        except (SurroundingsError, psycopg.Error):
            return None
        return schema.lacking(self.manifest.revisions, heads)

    def expand(self) -> None:
        """Run the migrations that come before the new code."""
        migrate_environment.expand(self._migrating())

    def own(self) -> Own | None:
        """Return the environment's own database; None where settings name another."""
        return own(self.project, self.site)

    def database(self) -> Service:
        """Return the service of the environment's own PostgreSQL."""
        found = self.own()
        assert found is not None
        found.folder.mkdir(parents=True, exist_ok=True)
        return Service(
            name=DATABASE,
            argv=found.argv(),
            cwd=self.site.folder,
            env=self.environ(),
            patience=30.0,
        )

    def folder(self) -> Path:
        """Return the project's folder: there the gate's command runs."""
        return self.project.root

    def gate_environ(self) -> dict[str, str]:
        """Return what the gate's command gets: what any step of ours does."""
        return surroundings.clean(self.outer)

    def await_database(self) -> None:
        """Wait until the own PostgreSQL takes connections. Raises SurroundingsError."""
        deadline = time.monotonic() + DATABASE_STARTS
        while True:
            address = self.address()
            if address and _takes(address):
                return
            running = self.site.runner.inspect().get(DATABASE)
            if time.monotonic() > deadline or running is None or running.restarts > 1:
                said = self.site.runner.logs(DATABASE, 15)
                raise SurroundingsError(
                    f"the PostgreSQL of {self.site.name} does not come up:\n"
                    + "\n".join(f"    {line}" for line in said)
                )
            time.sleep(0.02)

    def address(self) -> Address | None:
        """Return where the database is; None while it does not run, or there is none."""
        if self.project.settings.database is None:
            return None
        if found := self.own():
            return found.address()
        return environments.address_of(
            self.site.name, self.site.environment, self.outer
        )

    def _run_env(self, found: install.Installed) -> dict[str, str]:
        app = install.app(found.manifest)
        env = {**self.environ(), **self._declared().of(app.name)}
        env.pop("PYTHONPATH", None)
        env["PATH"] = f"{install.programs(found)}:{os.defpath}"
        env[declared.ENVIRONMENT] = self.site.name
        # An installed release stays what its manifest says, file by file.
        env["PYTHONDONTWRITEBYTECODE"] = "1"
        if (address := self.address()) is not None:
            terminal.keep_secret(environments.secrets_of(address))
            env[server.VARIABLE] = server.url(address, migrate.driver(self.work))
        return env

    def _declared(self) -> declared.Declared:
        return variables(self.project, self.site, self.outer)

    def _migrating(self) -> migrate_environment.Site:
        """Return where the migrations of the installed release run."""
        found = install.installed(self.site.folder, self.manifest.digest)
        address = self.address()
        if found is None or address is None:
            lacking = (
                "the release is not installed" if found is None else "it does not run"
            )
            raise SurroundingsError(
                f"the database of {self.site.name} cannot be migrated: {lacking}",
                f"`invoke status --environment {self.site.name}` tells what runs",
            )
        work = replace(self.work, sources=install.source(found))
        return migrate_environment.Site(
            self.site.name,
            self.site.environment,
            address,
            work,
            self._run_env(found),
        )


def own(project: Project, site: Site) -> Own | None:
    """Return the own database of an environment; None where settings name another, or
    the project has none."""
    if project.settings.database is None or site.environment.database is not None:
        return None
    return own_database.of(project, site.folder)


def variables(
    project: Project, site: Site, outer: Mapping[str, str]
) -> declared.Declared:
    """Return the declared variables as they are in the environment of ``site``."""
    named = {**outer, declared.ENVIRONMENT: site.name}
    return declared.look(project, named)


def outer(
    site: Site, environ: Mapping[str, str], *, needed: bool = True
) -> dict[str, str]:
    """Return ``environ`` with what stands for secrets in the environment of ``site``.

    Raises SurroundingsError, which names all that are missing, where they are needed.
    """
    secrets = site.environment.secrets
    missing = [ours for ours in secrets.values() if not environ.get(ours)]
    if missing and needed:
        listed = ", ".join(sorted(missing))
        raise SurroundingsError(
            f"secrets of {site.name} are not set here: {listed}",
            f"export them; [tool.sametree.environments.{site.name}.secrets] names them",
        )
    return {
        **environ,
        **{name: environ[ours] for name, ours in secrets.items() if ours in environ},
    }


def _takes(address: Address) -> bool:
    """Return whether a database takes connections."""
    try:
        with connection(address):
            return True
    except SurroundingsError:
        return False
