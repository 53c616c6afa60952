"""How does the program tell the suite what happens, also when the suite is gone?

Each event is a line: a record separator and a JSON object (RFC 7464 has the idea).
"""

from __future__ import annotations

import json
import os
import select
import sys
import traceback
from typing import Any, TextIO

OUTPUT: TextIO = sys.stdout
MARK = "\x1e"
FAILED, GAVE_UP = 1, 3
"""Exit codes: the migration is at fault; others did not let us."""


class Stop(Exception):
    """The command has reported why it cannot go on; ``code`` is its exit code."""

    def __init__(self, code: int = FAILED) -> None:
        super().__init__(code)
        self.code = code


class Unbroken:
    """A stream whose reader may go away: what a migration prints must not break it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or let it be lost."""
        try:
            return self._stream.write(text)
        except (BrokenPipeError, ValueError):
            return len(text)

    def flush(self) -> None:
        """Flush, or let it be lost."""
        try:
            self._stream.flush()
        except (BrokenPipeError, ValueError):
            pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def report(event: str, **fields: object) -> None:
    """Write one event."""
    try:
        print(MARK + json.dumps({"event": event, **fields}), file=OUTPUT, flush=True)
    except BrokenPipeError:
        pass  # asked for at the next border between revisions


def unheard() -> bool:
    """Return whether nobody reads our events any more: the suite was killed.

    A pipe without a reader is in the state POLLERR. (man 2 poll)
    """
    try:
        descriptor = OUTPUT.fileno()
    except (OSError, ValueError):
        return False
    asked = select.poll()
    asked.register(descriptor, 0)
    return any(told & select.POLLERR for _, told in asked.poll(0))


def explained(error: Exception, file: str = "") -> dict[str, object]:
    """Return what a failed migration did: error, SQLSTATE, statement, line of its file."""
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
        "code": sqlstate(error),
        "statement": str(getattr(error, "statement", None) or "").strip(),
        "place": place,
    }


def sqlstate(error: BaseException) -> str:
    """Return the SQLSTATE of an error of psycopg, psycopg2 or pg8000, else nothing."""
    cause = getattr(error, "orig", None) or error
    for name in ("sqlstate", "pgcode"):
        if found := getattr(cause, name, None):
            return str(found)
    told = cause.args[0] if cause.args else None
    return str(told.get("C", "")) if isinstance(told, dict) else ""
