"""On which machine does this run? What may differ without changing a result, and where."""

from __future__ import annotations

import functools
import getpass
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from sametree import git


class Place(NamedTuple):
    """Where a run happens: ``local`` or the CI's name, its address and its worker."""

    name: str
    url: str = ""
    worker: str = ""


def place(environ: Mapping[str, str] = os.environ) -> Place:
    """Return where we run (docs.github.com: variables of GitHub Actions)."""
    if environ.get("GITHUB_ACTIONS") == "true":
        server = environ.get("GITHUB_SERVER_URL", "")
        repository = environ.get("GITHUB_REPOSITORY", "")
        run = environ.get("GITHUB_RUN_ID", "")
        url = f"{server}/{repository}/actions/runs/{run}" if server and run else ""
        return Place("github", url, environ.get("RUNNER_NAME", ""))
    return Place("ci" if in_ci(environ) else "local")


def in_ci(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether a CI system runs us: it sets CI."""
    return environ.get("CI", "").lower() not in ("", "0", "false")


@functools.cache
def told() -> Mapping[str, str]:
    """Return what the machine is, named as OpenTelemetry names it where it does."""
    kernel = os.uname()
    found = {
        "os.type": kernel.sysname.lower(),
        "os.release": kernel.release,
        "host.arch": kernel.machine,
        "host.name": socket.gethostname(),
        "host.cpu.count": str(_processors()),
        "host.cpu.model": _of(Path("/proc/cpuinfo"), "model name"),
        "memory": _of(Path("/proc/meminfo"), "MemTotal"),
        "user": _user(),
        "libc": _libc(),
        "git": (git.run(Path(), "--version") or "")
        .strip()
        .removeprefix("git version "),
    }
    return {name: value for name, value in found.items() if value}


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _of(file: Path, key: str) -> str:
    """Return the value of the first line ``KEY : VALUE`` in a file of /proc."""
    try:
        with file.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                name, _, value = line.partition(":")
                if name.strip() == key:
                    return value.strip()
    except OSError:
        pass
    return ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user without a name, as in some containers
        return str(os.getuid())


def _libc() -> str:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError, AttributeError):
        return ""
