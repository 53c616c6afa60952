"""A sample project with environments, whose databases are on a real server."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys

from conftest import REPOSITORY, Ran, Sample, environment, migration

from sametree.database import connections
from sametree.database.address import Address


class Site:
    """A sample, and a database for its environment ``staging``."""

    def __init__(self, sample: Sample, server: Address, database: str) -> None:
        self.sample = sample
        self.root = sample.root
        self.server = server
        self.address = server.named(database)
        self.env = {"STAGING_DATABASE_URL": self.address.url()}

    def revise(self, revision: str, down: str | None, up: str, back: str = "pass"):
        """Write a migration; ``up`` may begin with a phase."""
        phase, _, rest = up.partition("phase:")[2].partition(";")
        text = migration(revision, down, rest if phase else up, back)
        if phase:
            text = text.replace("\n\n\ndef", f'\nphase = "{phase}"\n\n\ndef', 1)
        self.sample.write({f"migrations/versions/{revision}.py": text})

    def start(self, *args: str, env: dict[str, str] = {}) -> subprocess.Popen[str]:
        """Start ``invoke ARGS`` in a group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "invoke", *args],
            cwd=self.root,
            env=environment({**self.env, **env}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        )

    def invoke(self, *args: str, env: dict[str, str] = {}) -> Ran:
        """Run ``invoke ARGS`` to its end."""
        process = self.start(*args, env=env)
        output, _ = process.communicate(timeout=120)
        return Ran(process.returncode, output)

    def ask(self, query: str, database: str = "") -> list[tuple]:
        """Return what the database answers."""
        where = self.address.named(database) if database else self.address
        with connections.connection(where) as connection:
            return connection.execute(query.encode()).fetchall()

    def do(self, statement: str) -> None:
        """Have the database do something."""
        with connections.connection(self.address) as connection:
            connection.execute(statement.encode())

    def revision(self) -> str:
        """Return where the database is."""
        found = self.ask("SELECT to_regclass('alembic_version')")
        if found == [(None,)]:
            return ""
        return ", ".join(row[0] for row in self.ask("SELECT * FROM alembic_version"))

    def trail(self) -> list[dict]:
        """Return the lines of the trail."""
        file = self.root / ".sametree/environments/staging/migrations.jsonl"
        if not file.exists():
            return []
        return [json.loads(line) for line in file.read_text().splitlines()]

    def everything_written(self) -> str:
        """Return the text of all that a run has left in the state folder."""
        places = [self.root / ".sametree" / n for n in ("runs", "environments")]
        files = [path for place in places for path in place.rglob("*")]
        return "\n".join(p.read_text(errors="replace") for p in files if p.is_file())


def site(
    sample: Sample, server: Address, settings: str = "", *, make: bool = True
) -> Site:
    """Give ``sample`` the tasks and an environment with an empty database."""
    name = f"staging_{secrets.token_hex(4)}"
    if make:
        with connections.connection(server) as admin:
            admin.execute(f'CREATE DATABASE "{name}"'.encode())
    shutil.copy(REPOSITORY / "tasks.py", sample.root / "tasks.py")
    pyproject = sample.text("pyproject.toml")
    # Few rows are measured in an instant.
    few = pyproject.replace(
        'component = "sample"\n', 'component = "sample"\nrows = 50\n'
    )
    sample.write({"pyproject.toml": few})
    sample.settings(
        '\n[tool.sametree.environments.staging]\ndatabase = "STAGING_DATABASE_URL"\n'
        + settings
    )
    sample.share_environments()
    return Site(sample, server, name)
