"""Does it live, can it work, and what is it?"""

from alembic.runtime.migration import MigrationContext
from flask import Blueprint

from maria import __version__, migrate, version
from maria.database import unit_of_work
from maria.problems import MigrationMismatch

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def alive() -> dict[str, str]:
    """The process answers. A restart mends nothing else, so nothing else is asked."""
    return {"status": "ok"}


@blueprint.get("/readyz")
def ready() -> dict[str, str]:
    """The database can be reached and has the schema which this code expects, or a
    newer one: while a release is replaced, the old one works on the new schema."""
    with unit_of_work() as work:
        context = MigrationContext.configure(work.session.connection())
        found = sorted(context.get_current_heads())
    if migrate.lacks(found):
        expected = migrate.expected_heads()
        raise MigrationMismatch(
            f"The database is at {', '.join(found) or 'no migration'}, "
            f"this code expects {', '.join(expected)}."
        )
    return {"status": "ready", "migration": ", ".join(found)}


@blueprint.get("/version")
def about() -> dict[str, str]:
    """Which release this is, and of which git tree it was built."""
    return {"version": __version__, "tree": version.tree()}
