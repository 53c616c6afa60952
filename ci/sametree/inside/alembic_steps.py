"""How do migrations run one by one, with any ``env.py``, and report what they do?

Run as ``python alembic_steps.py COMMAND CONFIG`` in the component's folder, with the
address of the database in DATABASE_URL. Each event is a line on standard output: a
record separator and a JSON object (RFC 7464 has the idea). All else that is printed
goes to standard error.

Every revision runs, and is committed, on its own: a failing one leaves the database
at the last good one, and the next run goes on from there.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import Script, ScriptDirectory
from alembic.util.exc import CommandError

EVENTS = sys.stdout
MARK = "\x1e"


class Stop(Exception):
    """The command has reported why it cannot go on."""


def report(event: str, **fields: object) -> None:
    """Write one event."""
    print(MARK + json.dumps({"event": event, **fields}), file=EVENTS, flush=True)


def current(config: Config, script: ScriptDirectory) -> tuple[str, ...]:
    """Return the revisions that the database is at, through the project's env.py."""
    heads: list[str] = []

    def note(revision: tuple[str, ...], context: object) -> list[object]:
        heads.extend(revision)
        return []

    with EnvironmentContext(config, script, fn=note):
        script.run_env()
    return tuple(heads)


def pending(script: ScriptDirectory, heads: tuple[str, ...]) -> list[Script]:
    """Return the revisions that the database lacks, in the order in which they run."""
    applied: set[str] = set()
    for head in heads:
        applied |= {each.revision for each in script.walk_revisions("base", head)}
    lacking = [r for r in script.walk_revisions() if r.revision not in applied]
    return lacking[::-1]


def applied_now(config: Config, script: ScriptDirectory) -> list[Script]:
    """Return the revisions that are applied now."""
    lacking = {each.revision for each in pending(script, current(config, script))}
    return [each for each in script.walk_revisions() if each.revision not in lacking]


def upgrade(config: Config, script: ScriptDirectory) -> None:
    """Run what is pending."""
    one_head(script)
    heads = current(config, script)
    todo = pending(script, heads)
    report("plan", current=heads, pending=len(todo), verb="run")
    at = ", ".join(heads) or "nothing"
    for revision in todo:
        at = one(command.upgrade, config, revision, revision.revision, at)


def downgrade(config: Config, script: ScriptDirectory) -> None:
    """Take back everything, newest first, and look what is left."""
    applied = applied_now(config, script)
    heads = current(config, script)
    report("plan", current=heads, pending=len(applied), verb="take back")
    at = ", ".join(heads)
    branched = any(each.is_branch_point or each.is_merge_point for each in applied)
    for revision in applied:
        # Where branches meet, one call takes back more than one revision.
        if branched and revision not in applied_now(config, script):
            continue
        down = revision.down_revision
        target = down[0] if isinstance(down, (tuple, list)) else down
        at = one(command.downgrade, config, revision, target or "base", at)
    if left := leftovers():
        report("leftovers", names=left)
        raise Stop


def check(config: Config, script: ScriptDirectory) -> None:
    """Up from nothing, no difference to the models, down to nothing, up again."""
    upgrade(config, script)
    try:
        command.check(config)
    except CommandError as error:
        report("drift", text=str(error))
        raise Stop from None
    report("no drift")
    downgrade(config, script)
    upgrade(config, script)


def one(run: Any, config: Config, revision: Script, target: str, at: str) -> str:
    """Run one revision up or down and report it; return where the database is then."""
    about = described(revision) | {"direction": run.__name__}
    started = time.perf_counter()
    try:
        run(config, target)
    except Exception as error:  # whatever a migration raises is the report's to explain
        report("failed", **about, at=at, **explained(error))
        raise Stop from None
    report("done", **about, seconds=time.perf_counter() - started)
    return revision.revision if run is command.upgrade else target


def explained(error: Exception) -> dict[str, object]:
    """Return what a failed migration did: error, statement, and the line of its file."""
    place = ""
    for frame in traceback.extract_tb(error.__traceback__):
        if os.sep + "versions" + os.sep in frame.filename:
            place = f"{os.path.relpath(frame.filename)}:{frame.lineno}"
    cause = getattr(error, "orig", None) or error
    return {
        "error": f"{type(cause).__name__}: {str(cause).strip()}",
        "statement": str(getattr(error, "statement", None) or "").strip(),
        "place": place,
    }


def one_head(script: ScriptDirectory) -> None:
    """Refuse a history with several heads: nobody can say which order is meant."""
    heads = script.get_heads()
    if len(heads) > 1:
        files = {h: os.path.relpath(script.get_revision(h).path) for h in heads}
        report("heads", heads=files)
        raise Stop


def leftovers() -> list[str]:
    """Return the relations, types and functions that a full downgrade has left."""
    from sqlalchemy import create_engine, text

    engine = create_engine(os.environ["DATABASE_URL"])
    ours = "n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"
    query = f"""
        SELECT CASE c.relkind WHEN 'i' THEN 'index ' WHEN 'S' THEN 'sequence '
                              WHEN 'v' THEN 'view ' ELSE 'table ' END || c.relname
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE {ours} AND c.relname NOT LIKE 'alembic_version%'
        UNION ALL
        SELECT 'type ' || t.typname
          FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
         WHERE {ours} AND t.typtype IN ('e', 'd')
        UNION ALL
        SELECT 'function ' || p.proname
          FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
         WHERE {ours} AND NOT EXISTS (
               SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
        ORDER BY 1"""
    try:
        with engine.connect() as connection:
            return list(connection.execute(text(query)).scalars())
    finally:
        engine.dispose()


def described(revision: Script) -> dict[str, str]:
    """Return a revision's id and first line."""
    title = (revision.doc or "").strip().splitlines()
    return {"revision": revision.revision, "title": title[0] if title else ""}


COMMANDS = {"upgrade": upgrade, "check": check}


def main(name: str, path: str) -> int:
    """Run a command; return 0, or 1 when it failed and said why."""
    sys.stdout = sys.stderr
    config = Config(path, stdout=sys.stderr)
    # For an env.py that reads the file's address; % starts an interpolation there.
    config.set_main_option(
        "sqlalchemy.url", os.environ["DATABASE_URL"].replace("%", "%%")
    )
    try:
        COMMANDS[name](config, ScriptDirectory.from_config(config))
    except Stop:
        return 1
    except Exception as error:
        report("broken", **explained(error))
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    sys.path.insert(0, os.getcwd())
    sys.exit(main(*sys.argv[1:]))
