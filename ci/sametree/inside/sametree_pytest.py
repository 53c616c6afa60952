"""How does each pytest-xdist worker get a database of its own? A pytest plug-in.

Loaded with ``-p sametree_pytest`` before any conftest. When the suite gives a migrated
template in SAMETREE_TEMPLATE_URL, each process clones it and points DATABASE_URL at its
clone, before the application is imported: none can meet the rows of another.
"""

from __future__ import annotations

import os

TEMPLATE = "SAMETREE_TEMPLATE_URL"
MAINTENANCE = "SAMETREE_MAINTENANCE_URL"


def own_database() -> str:
    """Clone the template for this process and return the address of the clone."""
    from sqlalchemy import create_engine, make_url, text

    template = make_url(os.environ[TEMPLATE])
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    name = f"{template.database}__{worker}"
    engine = create_engine(os.environ[MAINTENANCE], isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text(f'DROP DATABASE IF EXISTS "{name}"'))
            connection.execute(
                text(f'CREATE DATABASE "{name}" TEMPLATE "{template.database}"')
            )
    finally:
        engine.dispose()
    return template.set(database=name).render_as_string(hide_password=False)


if TEMPLATE in os.environ:
    os.environ["DATABASE_URL"] = own_database()
