"""Is a process still the one that was started, or has its number a new owner?"""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path


def born(pid: int) -> str:
    """Return when process ``pid`` began, as this machine tells it; empty when there is
    none (a zombie counts as none). A number that is used again has another birth.
    """
    with suppress(OSError):
        told = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        # proc(5): what follows the name in brackets begins with the third field.
        fields = told.rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else fields[19]
    if Path("/proc/self").exists():
        return ""
    argv = ["ps", "-o", "lstart=", "-p", str(pid)]  # no /proc on macOS
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout


def lives(pid: int, birth: str) -> bool:
    """Return whether ``pid`` is still the process that began at ``birth``."""
    return bool(birth) and born(pid) == birth


def signal_group(pid: int, number: int) -> bool:
    """Send a signal to the group of ``pid``; return whether there was one."""
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
