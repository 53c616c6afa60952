"""Which command is run, and with which exit code does it end?"""

from __future__ import annotations

import gc
import os
import sys
import traceback
from typing import TextIO, cast

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.exc import SQLAlchemyError

from .applying import SQLITE, Plan, apply
from .events import FAILED, Stop, Unbroken, explained, report
from .history import current, here, listed, one_head, pending

SERVER = """
SELECT current_setting('server_version_num')::int AS version,
       current_setting('server_version') AS shown,
       current_database() AS database, current_user AS role,
       pg_is_in_recovery() AS standby
"""
TABLES = """
SELECT CASE n.nspname WHEN 'public' THEN '' ELSE n.nspname || '.' END || c.relname,
       c.reltuples::bigint
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'm')
   AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""


def look(config: Config, script: ScriptDirectory) -> None:
    """Report where the database is and what it lacks; change nothing."""
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import NullPool

    one_head(script)
    engine = create_engine(os.environ["DATABASE_URL"], poolclass=NullPool)
    with engine.connect() as connection:
        server = dict(connection.execute(text(SERVER)).mappings().one())
        tables = {name: rows for name, rows in connection.execute(text(TABLES))}
    report("server", **server)
    heads = current(config, script)
    here(script, heads)
    report(
        "state",
        current=heads,
        head=script.get_current_head() or "",
        pending=[listed(each) for each in pending(script, heads)],
        known=[each.revision for each in script.walk_revisions()],
        tables=tables,
    )


def history(config: Config, script: ScriptDirectory, message: str) -> None:
    """Report what a new revision with the title ``message`` has to follow."""
    from alembic.util import rev_id

    one_head(script)
    known = [each.revision for each in script.walk_revisions()]
    head = script.get_current_head()
    name = following(known, head) or rev_id()
    report(
        "history",
        head=head,
        revision=name,
        taken=name in known,
        file=os.path.relpath(_path(script, head, name, message)),
    )


def following(known: list[str], head: str | None) -> str:
    """Return the next number where revisions are numbers, else nothing.

    >>> following(["0002", "0001"], "0002"), following(["ae1027a6acf"], "ae1027a6acf")
    ('0003', '')
    """
    if head is None or not all(each.isdigit() for each in known):
        return ""
    highest = max(known, key=int)
    return str(int(highest) + 1).zfill(len(head))


def _path(script: ScriptDirectory, head: str | None, name: str, message: str) -> str:
    """Return the file for a new revision, as the project's file_template has it."""
    place = script.versions
    if head is not None:
        place = os.path.dirname(script.get_revision(head).path)
    date = script._generate_create_date()
    return str(script._rev_path(place, name, message, date))


def main(name: str, path: str, *rest: str) -> int:
    """Run a command; return 0, or what tells why it could not go on."""
    sys.stdout = sys.stderr = cast(TextIO, Unbroken(sys.stderr))
    config = Config(path, stdout=sys.stderr)
    if not config.get_main_option("script_location"):  # Flask-Migrate's names none
        config.set_main_option("script_location", os.path.dirname(path))
    # For an env.py that reads the file's address; % starts an interpolation there.
    url = os.environ.get("DATABASE_URL", "")
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    try:
        script = ScriptDirectory.from_config(config)
        if name == "look":
            look(config, script)
        elif name == "history":
            history(config, script, *rest)
        else:
            apply(config, script, Plan.read(rest[0]) if rest else Plan())
            if not url.startswith(SQLITE):
                look(config, script)
    except Stop as stop:
        return stop.code
    except Exception as error:
        told = explained(error)
        lost = isinstance(error, SQLAlchemyError) and not told["statement"]
        report("unreachable" if lost and not told["place"] else "broken", **told)
        if not lost:
            traceback.print_exc(file=sys.stderr)
        return FAILED
    return 0


def leave_path(inside: str) -> None:
    """Take the folder of our package out of where Python looks for modules: what a
    migration imports, or starts, is found in the component's own environment."""
    os.environ["PYTHONPATH"] = os.pathsep.join(
        each
        for each in os.environ.get("PYTHONPATH", "").split(os.pathsep)
        if each != inside
    )
    if not os.environ["PYTHONPATH"]:
        del os.environ["PYTHONPATH"]
    sys.path[:] = [os.getcwd(), *(each for each in sys.path if each != inside)]


if __name__ == "__main__":
    gc.freeze()  # What is loaded stays: else the end looks through all of it, for 0.1 s.
    leave_path(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    sys.exit(main(*sys.argv[1:]))
