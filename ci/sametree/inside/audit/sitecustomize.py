"""Which files of the audited copy did a Python process look for, and not find?

Found on PYTHONPATH, this is imported at the start of every Python process of an audited
unit. It writes a line for each path below the copy that was opened or listed and is not
there, or is a folder that only stands for undeclared files (docs.python.org: audit
events). Who only asks whether a file exists is not seen.
"""

import os
import sys

_ROOT = os.environ.get("SAMETREE_AUDIT_ROOT", "")
_LOG = os.environ.get("SAMETREE_AUDIT_LOG", "")
_EVENTS = {"open", "os.listdir", "os.scandir", "os.chdir"}


def _watch() -> None:
    seen = set()
    with open(os.environ["SAMETREE_AUDIT_FOLDERS"], errors="surrogateescape") as told:
        empty = {_ROOT + line.rstrip("\n") for line in told}

    def hook(event: str, args: tuple) -> None:  # type: ignore[type-arg]
        if event not in _EVENTS or not isinstance(args[0], (str, bytes)):
            return
        try:
            path = os.path.abspath(os.fsdecode(args[0]))
            if not path.startswith(_ROOT) or path in seen:
                return
            seen.add(path)
            if os.path.lexists(path) and path not in empty:
                return
            line = f"{path[len(_ROOT):]}\n".encode("utf-8", "surrogateescape")
            handle = os.open(_LOG, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            try:
                os.write(handle, line)
            finally:
                os.close(handle)
        except (OSError, ValueError):
            return

    sys.addaudithook(hook)


if _ROOT and _LOG:
    _watch()
