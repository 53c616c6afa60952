"""What was Nox asked to do, what has it begun, and how does it hear of our errors?"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import nox

from sametree import masking
from sametree.errors import SametreeError, of_machine

_NAMING = ("-s", "--session", "--sessions")
_VALUED = ("-j", "--parallel", "--envdir")
"""Options of Nox that name sessions, and such with a value that do not change which."""


class Begun(logging.Handler):
    """Counts the sessions that Nox has begun, those that are none of ours as well."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        logging.getLogger("nox").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith("Running session "):
            self.count += 1


@contextmanager
def explained_at_load() -> Iterator[None]:
    """End Nox with a message when the noxfile cannot be loaded."""
    try:
        yield
    except SametreeError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


@contextmanager
def explained(session: nox.Session) -> Iterator[None]:
    """Turn a problem into the session's error: its message, without a traceback."""
    try:
        yield
    except SametreeError as error:
        session.error(masking.hide(str(error)))
    except OSError as error:
        session.error(masking.hide(str(of_machine(error))))


def named_sessions(args: Sequence[str]) -> tuple[list[str] | None, list[str]]:
    """Return the sessions that Nox's ``args`` name, and the arguments for them.

    None in the place of the names: there are options that we do not know.

    >>> named_sessions(["-s", "lint", "tests", "-j", "2", "--", "-x"])
    (['lint', 'tests'], ['-x'])
    >>> named_sessions(["--list"])
    (None, [])
    """
    border = args.index("--") if "--" in args else len(args)
    named: list[str] = []
    last = ""
    for arg in args[:border]:
        if arg.startswith("-"):
            last, _, value = arg.partition("=")
            if last[:2] == "-j" and last[2:].isdigit():
                last, value = "-j", last[2:]
            if last not in (*_NAMING, *_VALUED):
                return None, []
            if value and last in _NAMING:
                named.append(value)
            last = "" if value else last
        elif last in _VALUED:
            last = ""
        elif last:
            named.append(arg)
        else:
            return None, []
    return named, list(args[border + 1 :])
