"""How do migrations run one by one, with any ``env.py``, and report what they do?

Run as ``python alembic_steps.py CONFIG`` in the component's folder, with the
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

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import Script, ScriptDirectory

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


def upgrade(config: Config, script: ScriptDirectory) -> None:
    """Run what is pending."""
    one_head(script)
    heads = current(config, script)
    todo = pending(script, heads)
    report("plan", current=heads, pending=len(todo), verb="run")
    at = ", ".join(heads) or "nothing"
    for revision in todo:
        run(config, script, revision, at)
        at = revision.revision


def run(config: Config, script: ScriptDirectory, revision: Script, at: str) -> None:
    """Run one revision and report it; the database was ``at`` another."""
    about = described(revision) | {"direction": "upgrade"}

    def lacking(heads: Any, context: Any) -> Any:
        return script._upgrade_revs(revision.revision, heads)

    started = time.perf_counter()
    try:
        # Alembic's own command reads all files of the history anew each time.
        with EnvironmentContext(
            config, script, fn=lacking, destination_rev=revision.revision
        ):
            script.run_env()
    except Exception as error:  # whatever a migration raises is the report's to explain
        report("failed", **about, at=at, **explained(error, revision.path))
        raise Stop from None
    report("done", **about, seconds=time.perf_counter() - started)


def explained(error: Exception, file: str = "") -> dict[str, object]:
    """Return what a failed migration did: error, statement, and the line of its file."""
    place = ""
    for frame in traceback.extract_tb(error.__traceback__):
        near = os.path.relpath(frame.filename)
        # An error before a revision runs may be in the file of any.
        ours = f"{os.sep}versions{os.sep}" in near and not near.startswith(os.pardir)
        if frame.filename == file or (ours and not file):
            place = f"{near}:{frame.lineno}"
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


def described(revision: Script) -> dict[str, str]:
    """Return a revision's id and first line."""
    title = (revision.doc or "").strip().splitlines()
    return {"revision": revision.revision, "title": title[0] if title else ""}


def main(path: str) -> int:
    """Run what is pending; return 0, or 1 when that failed and it was said why."""
    sys.stdout = sys.stderr
    config = Config(path, stdout=sys.stderr)
    if not config.get_main_option("script_location"):  # Flask-Migrate's names none
        config.set_main_option("script_location", os.path.dirname(path))
    # For an env.py that reads the file's address; % starts an interpolation there.
    config.set_main_option(
        "sqlalchemy.url", os.environ["DATABASE_URL"].replace("%", "%%")
    )
    try:
        upgrade(config, ScriptDirectory.from_config(config))
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
