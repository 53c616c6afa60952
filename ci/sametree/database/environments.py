"""Which database does an environment have, and where does its address come from?

Settings name a variable; the address itself stands in no file of the project.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import quote

from sametree.database import address
from sametree.database.address import Address
from sametree.errors import SurroundingsError, UsageError
from sametree.settings import Settings
from sametree.settings.decode import nearest
from sametree.settings.model import Environment

LOCAL = "local"
"""The environment that is always there: the development database."""


def find(settings: Settings, name: str) -> Environment:
    """Return what settings say of environment ``name``.

    Raises UsageError, which names the nearest one, when there is none.
    """
    if name == LOCAL and LOCAL not in settings.environments:
        return Environment(database="DATABASE_URL")
    if found := settings.environments.get(name):
        return found
    known = sorted({LOCAL, *settings.environments})
    cure = "invoke --help migrate"
    if re.fullmatch(r"[a-z][a-z0-9_-]{0,30}", name):
        cure = (
            f"or add it to pyproject.toml:\n     [tool.sametree.environments.{name}]\n"
            f'     database = "{name.upper().replace("-", "_")}_DATABASE_URL"'
        )
    raise UsageError(
        f"there is no environment {name!r}: {nearest(name, known, 'environments')}",
        cure,
    )


def address_of(
    name: str, environment: Environment, environ: Mapping[str, str] = os.environ
) -> Address:
    """Return where the database of environment ``name`` is.

    Raises SurroundingsError when its variable is not set, UsageError when that is no
    address of a PostgreSQL; neither shows any of it.
    """
    if (variable := environment.database) is None:
        raise UsageError(
            f"{name} has a PostgreSQL of its own, which runs once it was deployed to",
            f"`invoke deploy {name}`, or name the variable of its address:"
            f" environments.{name}.database",
        )
    if not (url := environ.get(variable)):
        raise SurroundingsError(
            f"{variable} is not set: it holds the address of the database of {name}",
            f"export {variable}=postgresql://user:password@host:5432/database",
        )
    try:
        return address.parse(url)
    except UsageError as error:
        problem = error.problem.replace("DATABASE_URL", variable)
        cure = error.cure.replace("DATABASE_URL", variable)
        raise UsageError(problem, cure) from None


def secrets_of(where: Address) -> set[str]:
    """Return what of an address nobody may read, in the forms in which it is written."""
    forms = {where.password, quote(where.password, safe=""), quote(where.password)}
    return {form for form in forms if form}
