"""How does a new cluster get its first data, in a tenth of a second?

``initdb`` takes half a second, and gives the same each time. So it runs once for each
user and version of the programs; its result is kept and copied.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from sametree import files
from sametree.database import binaries
from sametree.database.binaries import Programs
from sametree.errors import SurroundingsError

USER = "postgres"
# macOS has no C.UTF-8; there C with UTF-8 characters is the same.
LOCALE = ("C", "--lc-ctype=UTF-8") if sys.platform == "darwin" else ("C.UTF-8",)
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": LOCALE[0]}


SET_SINCE = 16
"""The first major version whose initdb can set a parameter."""


def fill(folder: Path, programs: Programs, seed: Path | None = None) -> None:
    """Make ``folder/data`` and ``folder/password``: whole, or not at all.

    They are a copy of those in ``seed``, else new. Raises SurroundingsError, with the programs' own words, when that cannot be.
    """
    if binaries.unprivileged():
        folder.chmod(0o711)
    made = folder / "data.new"
    shutil.rmtree(made, ignore_errors=True)
    try:
        kept = seed or _kept(programs)
        if kept is None:
            _initialise(folder, made, programs)
        else:
            copy(kept / "password", folder / "password")
            copy(kept / "data", made)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    made.rename(folder / "data")


def copy(source: Path, target: Path) -> None:
    """Copy a cluster's file or folder with its owner and rights.

    Raises SurroundingsError, with what cp said, when that cannot be.
    """
    _run(["cp", "-a", str(source), str(target)], target.parent)


def cache() -> Path:
    """Return the folder in which this user's clusters are kept to be copied."""
    if binaries.unprivileged():
        return binaries.roots_place()
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    place = Path(home, "sametree")
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    return place


def identity(programs: Programs) -> str:
    """Return what names the data that initdb makes for us with ``programs``."""
    # The catalogues of a new cluster are made from this file, wherever it lies.
    catalogues = (programs.share / "postgres.bki").read_bytes()
    user = str(binaries.unprivileged())
    return files.digest(catalogues, programs.build, user)


def tidy(base: Path) -> None:
    """Remove what a killed call has left in ``base``."""
    for left in base.glob("initdb.new-*"):
        shutil.rmtree(left, ignore_errors=True)


def _kept(programs: Programs) -> Path | None:
    """Return the folder with the data that initdb made for this user; make it once.

    None where this user has no folder to keep it in.
    """
    try:
        base = cache()
        place = base / f"initdb-{identity(programs)[:12]}"
        if place.exists():
            return place
        with files.locked(base / "initdb.lock"):
            tidy(base)
            if not place.exists():
                made = Path(tempfile.mkdtemp(dir=base, prefix="initdb.new-"))
                made.chmod(0o711)
                try:
                    _initialise(made, made / "data", programs)
                    made.rename(place)
                finally:
                    shutil.rmtree(made, ignore_errors=True)
        return place
    except OSError:
        return None


def _initialise(folder: Path, data: Path, programs: Programs) -> None:
    """Have initdb make ``data``, and ``password`` in ``folder``."""
    user = binaries.unprivileged()
    password = folder / "password"
    password.touch(mode=0o600)
    password.write_text(secrets.token_hex(16))
    data.mkdir(mode=0o700)
    if user:
        os.chown(data, *user)
        os.chown(password, *user)
    argv = [str(programs.folder / "initdb"), "--no-sync", f"--pgdata={data}"]
    argv += ["--username", USER, f"--pwfile={password}", "--encoding=UTF8"]
    argv += [f"--locale={LOCALE[0]}", *LOCALE[1:]]
    argv += ["--auth=scram-sha-256", "--no-instructions"]
    if programs.major >= SET_SINCE:
        # The password is random and long: no need to make guessing slow.
        argv += ["--set", "scram_iterations=1"]
    _run(argv, folder, user)


def _run(argv: list[str], folder: Path, user: tuple[int, int] | None = None) -> None:
    done = subprocess.run(
        argv,
        cwd="/",
        env=ENVIRONMENT,
        user=user[0] if user else None,
        group=user[1] if user else None,
        extra_groups=[] if user else None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise SurroundingsError(
            f"PostgreSQL's data could not be made in {folder}:\n{tail(done.stdout)}",
            cure(done.stdout, folder),
        )


def tail(said: str) -> str:
    """Return the last lines of what a server's program said."""
    lines = [line for line in said.strip().splitlines() if line.strip()]
    return "\n".join(f"  {line}" for line in lines[-8:])


def cure(said: str, folder: Path) -> str:
    """Return what to do about what a server's program said."""
    lowered = said.lower()
    if "no space left" in lowered or "check free disk space" in lowered:
        return f"free some space on the disk of {folder}, then run this again"
    if "permission denied" in lowered or "read-only" in lowered:
        return f"make {folder} writable, then run this again"
    return "or name a running server in DATABASE_URL"
