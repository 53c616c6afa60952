"""How does an environment have a PostgreSQL of its own, which outlives our commands?

Run as a program by a keeper: ``python -m sametree.deploy.own_database FOLDER VERSION
NAME``. It uses the server whose data stay in the folder, so this runs as long as the program
does; when the server ends, the program does, and its keeper starts both again.
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

from msgspec import Struct

from sametree import steps
from sametree.database import cluster, server
from sametree.database.address import Address
from sametree.database.connections import connection
from sametree.settings import Project

NAME = "app"
"""The name of the environment's database."""
LOOKS = 0.1
"""Seconds between two looks at the server."""


class Own(Struct, frozen=True):
    """A database on a server whose data stay in ``folder``."""

    folder: Path
    version: int
    name: str

    def argv(self) -> tuple[str, ...]:
        """Return the command that runs it."""
        program = (sys.executable, "-m", "sametree.deploy.own_database")
        return (*program, str(self.folder), str(self.version), self.name)

    def address(self) -> Address | None:
        """Return where it is; None when its server does not run."""
        found = cluster.address_of(self.folder)
        return found.named(self.name) if found else None


def of(project: Project, folder: Path) -> Own:
    """Return the own database of the environment in ``folder``."""
    version = server.version_of(project)
    return Own(cluster.kept_folder(folder, version), version, NAME)


def main(own: Own) -> int:
    """Run the server until SIGTERM; return 1 when it ends by itself."""
    steps.stop_on_sigterm()
    try:
        with cluster.kept(own.folder, own.version) as found:
            with connection(found) as admin:
                query = "SELECT 1 FROM pg_database WHERE datname = %s"
                if not admin.execute(query, [own.name]).fetchone():
                    admin.execute(f'CREATE DATABASE "{own.name}"'.encode())
            told = f"PostgreSQL {own.version} listens on {found.host}:{found.port}"
            print(told, flush=True)
            while cluster.lives(own.folder):
                time.sleep(LOOKS)
    except KeyboardInterrupt:
        return 0
    print("PostgreSQL has ended", flush=True)
    return 1


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main(Own(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])))
