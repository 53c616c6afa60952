"""What has the suite told this process about its databases?

The variables are set by whoever made the template: a session of the suite, or the
pytest plug-in of the suite itself.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

ADDRESS = "DATABASE_URL"
TEMPLATE = "SAMETREE_TEMPLATE_URL"
MAINTENANCE = "SAMETREE_MAINTENANCE_URL"
SERVER = "SAMETREE_SERVER"
SQLITE_TEMPLATE = "SAMETREE_SQLITE_TEMPLATE"
WORKER = "PYTEST_XDIST_WORKER"
INSIDE = "SAMETREE_TESTING"
"""Set while tests run: who starts pytest in a test inherits it, and the worker's name."""


@dataclass(frozen=True)
class Told:
    """Where the template is. ``maintenance`` is where databases are made.

    ``own`` says that the server is the suite's, and thrown away afterwards. ``sqlite``
    is the path of a template that is an SQLite file; then the addresses are empty.
    """

    template: str = ""
    maintenance: str = ""
    own: bool = False
    sqlite: str = ""
    worker: str = "main"


def told(environ: Mapping[str, str] = os.environ) -> Told | None:
    """Return what the variables say, or None when nobody has made a template."""
    worker = environ.get(WORKER, "main")
    if INSIDE in environ:
        worker += f"_{secrets.token_hex(3)}"
    if environ.get(SQLITE_TEMPLATE):
        return Told(sqlite=environ[SQLITE_TEMPLATE], own=True, worker=worker)
    if not environ.get(TEMPLATE):
        return None
    return Told(
        template=environ[TEMPLATE],
        maintenance=environ.get(MAINTENANCE) or environ[TEMPLATE],
        own=environ.get(SERVER) == "own",
        worker=worker,
    )
