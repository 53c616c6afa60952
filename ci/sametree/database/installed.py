"""Which PostgreSQLs are installed on this machine, beside the embedded one?

They are looked for where PG_CONFIG and PATH lead, where Debian, Red Hat's packages of
the PostgreSQL project and Homebrew put them. Only their programs are used: a service
that runs is left alone.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sametree.database import binaries
from sametree.database.binaries import Programs

OLDEST = 15
"""The first major version that the suite works with: older ones are at their end of
life (postgresql.org/support/versioning), and cannot be told how to clone."""
PLACES = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu and GitHub's runners
    "/usr/pgsql-*/bin",  # Red Hat and its kin
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)
NEEDED = ("initdb", "postgres")
_VERSION = re.compile(r"\(PostgreSQL\) (\d+(?:\.\d+)*)(?!\w)")


def find(
    environ: Mapping[str, str] = os.environ, places: Sequence[str] = PLACES
) -> list[Programs]:
    """Return the installed PostgreSQLs that the server's user can run, newest first."""
    found: dict[Path, Programs] = {}
    for folder in _folders(environ, places):
        known = folder.resolve()
        if known not in found and all((folder / name).exists() for name in NEEDED):
            if programs := look(known):
                found[known] = programs
    return sorted(found.values(), key=_age, reverse=True)


@functools.cache
def look(folder: Path) -> Programs | None:
    """Return the programs in ``folder``; None where they cannot be used: too old, not
    for the server's user to run, or no release."""
    told = _said(folder / "postgres", "--version")
    version = _VERSION.search(told)
    if version is None or int(version[1].partition(".")[0]) < OLDEST:
        return None
    share = _share(folder, int(version[1].partition(".")[0]))
    if share is None or not binaries.may_run(folder / "postgres"):
        return None
    return Programs(folder, share, version[1], told, "installed")


def _folders(environ: Mapping[str, str], places: Sequence[str]) -> Iterator[Path]:
    """Yield the folders in which programs may be, as a person would have them looked at."""
    if (named := environ.get("PG_CONFIG")) and (told := _said(Path(named), "--bindir")):
        yield Path(told)
    path = environ.get("PATH", os.defpath)
    for name, option in (("pg_config", "--bindir"), ("postgres", "")):
        if place := shutil.which(name, path=path):
            told = _said(Path(place), option) if option else os.path.dirname(place)
            if told:
                yield Path(told)
    for pattern in places:
        yield from sorted(Path("/").glob(pattern.lstrip("/")))


def _share(folder: Path, major: int) -> Path | None:
    """Return the folder with the extensions and the first catalogues."""
    told = _said(folder / "pg_config", "--sharedir")
    own = folder.parent / "share"
    likely = (
        Path(told or own),
        *(own / name for name in (f"postgresql@{major}", "postgresql", "")),
        Path(f"/usr/share/postgresql/{major}"),
    )
    return next((each for each in likely if (each / "postgres.bki").is_file()), None)


def _said(program: Path, option: str) -> str:
    """Return what ``program`` answers to ``option``; empty when it does not."""
    try:
        done = subprocess.run(
            [program, option],
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _age(programs: Programs) -> list[int]:
    return [int(part) for part in programs.version.split(".")]
