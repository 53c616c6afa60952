"""Migration histories that are checked by the real program, on a real server."""

from __future__ import annotations

import io
import json
import secrets
import sys
from pathlib import Path

import pytest
from msgspec import structs

from conftest import migration
from sametree import steps
from sametree.database import check_report, phases, safety, server, squawk
from sametree.database.address import Address
from sametree.database.check_report import Heard
from sametree.inside.sametree_check import program

ENV = """
import os
import pathlib
import sqlalchemy as sa
from alembic import context

metadata = sa.MetaData()
models = pathlib.Path("models.py")
if models.exists():
    exec(models.read_text())
engine = sa.create_engine(os.environ["DATABASE_URL"])
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()
"""
"""Its engine keeps a pool of connections, as that of many a project does."""


class History:
    """A folder with Alembic migrations, and a server to try them on."""

    def __init__(self, folder: Path, address: Address) -> None:
        self.folder = folder
        self.server = address
        self.rows = 2_000
        self.baseline = ""
        self.names: list[str] = []
        (folder / "migrations" / "versions").mkdir(parents=True)
        ini = "[alembic]\nscript_location = %(here)s/migrations\n"
        (folder / "alembic.ini").write_text(ini)
        (folder / "migrations" / "env.py").write_text(ENV)

    def add(
        self,
        name: str,
        up: str = "pass",
        down: str = "pass",
        *,
        after: str | tuple[str, ...] | None = "",
        head: str = "",
    ) -> None:
        """Add a revision, after the last one added if no other is named; ``head`` are
        lines at the top of its file. ``up`` and ``down`` may be SQL."""
        below = (self.names[-1] if self.names else None) if after == "" else after
        text = migration(name, None, self._code(up), self._code(down))
        text = text.replace("down_revision = None", f"down_revision = {below!r}")
        text = text.replace("\n\n\ndef upgrade", f"\n{head}\n\n\ndef upgrade", 1)
        self.file(name).write_text(text)
        self.names.append(name)

    def file(self, name: str) -> Path:
        """Return the file of a revision."""
        return self.folder / "migrations" / "versions" / f"{name}.py"

    def check(self, *measure: str, whole: bool = True, drift: bool = False) -> Heard:
        """Run the program on an empty database; return what it told."""
        name = f"check_{secrets.token_hex(4)}"
        with server.connection(self.server) as admin:
            admin.execute(f'CREATE DATABASE "{name}"'.encode())
        orders = {
            "measure": measure or self.names,
            "size": self.rows,
            "baseline": self.baseline,
            "irreversible": [],
            "drift": drift,
            "whole": whole,
            "maintenance": self.server.url("psycopg"),
            "own": True,
        }
        (self.folder / "orders.json").write_text(json.dumps(orders))
        url = self.server.named(name).url("psycopg")
        heard, self.code = self.run("check", url=url)
        with server.connection(self.server) as admin:
            query = "SELECT datname FROM pg_database WHERE starts_with(datname, %s)"
            left = [row[0] for row in admin.execute(query, [f"{name}__"])]
        self.left = left
        return heard

    def run(self, command: str, *, url: str = "") -> tuple[Heard, int]:
        """Run a command of the program; return what it told, and its exit code."""
        heard = Heard(results={}, other=[])
        with pytest.MonkeyPatch.context() as patch:
            output = io.StringIO()
            patch.chdir(self.folder)
            patch.setenv("DATABASE_URL", url)
            patch.setenv("SAMETREE_ORDERS", "orders.json")
            patch.setattr(program, "EVENTS", output)
            patch.setattr(sys, "stderr", output)
            patch.setattr(sys, "stdout", output)
            code = program.main(command, "alembic.ini")
        for line in output.getvalue().split("\n"):
            heard.take(line)
        return heard, code

    def said(self, name: str) -> phases.Said:
        """Return what the file of a revision says of itself."""
        own = self.folder / "migrations"
        return phases.read(self.file(name), self.folder, own, safety.RULES)

    def result(self, heard: Heard, name: str) -> check_report.Result:
        """Return what was found out about a revision, squawk's remarks included."""
        found = check_report.result(heard.results[name], self.said(name))
        texts = [each.sql for each in found.figures.statements]
        text, lines = squawk.text_of(texts)
        if not lines:
            return found
        path = self.folder / "judged" / name / "0.sql"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        outcome = steps.run(squawk.step(path.parent, 18), {})
        told = squawk.remarks(outcome.output, {path.name: lines})
        return structs.replace(found, remarks=tuple(told.get(path.name, ())))

    def findings(self, heard: Heard, name: str) -> list[safety.Finding]:
        """Return the findings about a revision, before waivers."""
        return check_report.findings(self.result(heard, name), self.said(name))

    @staticmethod
    def _code(text: str) -> str:
        first = text.partition(" ")[0]
        return f'op.execute("""{text}""")' if first.isupper() else text
