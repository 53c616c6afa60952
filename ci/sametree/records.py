"""What happened in a run? One JSON file a unit, under ``.sametree/runs/RUN/``.

Field names follow the OpenTelemetry conventions for CI/CD
(opentelemetry.io/docs/specs/semconv/registry/attributes/cicd).
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import msgspec

from sametree import answers, files, masking
from sametree.digests import readable

RUN_VARIABLE = answers.RUN_VARIABLE
"""Set by the first process of a run, so that parallel sessions join the same run."""
KEPT_RUNS = 50
OUTSIDE_MOST = 100
"""How many ignored files a record names."""
RUNS, RUNNING = "runs", "running"
"""Folders in the state folder: what happened, and a mark for each unit that runs."""
UNFINISHED = 3600
"""Seconds after which a mark that is still being made was left by a kill."""
NAMES = frozenset(
    {"cicd.pipeline.run.id", "cicd.pipeline.task.name", "cicd.pipeline.task.run.result"}
    | {"vcs.ref.head.revision", "tree", "fingerprint", "outputs", "proof", "place"}
)
"""Keys whose values are no free text: a secret that is a common word stays in them."""
SCHEMA = 1
"""Version of the form of a record; one of a newer version is left alone."""

Result = Literal["success", "failure", "error", "skip", "cancellation", "timeout"]


class Covered(msgspec.Struct, frozen=True):
    """Measured coverage in percent; branches are None where there are none."""

    lines: float
    branches: float | None

    def __str__(self) -> str:
        shown = f"lines {self.lines:.1f} %"
        return shown + (
            "" if self.branches is None else f", branches {self.branches:.1f} %"
        )


class StepRun(msgspec.Struct, frozen=True, omit_defaults=True):
    """How one command of a unit ended. Folders of the machine stand in ``argv`` as
    ``{root}``, ``{venv}`` and so on, so that two machines can be compared. A ``kept``
    one runs only where no earlier run's result of it is at hand."""

    name: str
    argv: tuple[str, ...]
    code: int
    seconds: float
    started: float = 0.0  # seconds since 1970-01-01 UTC
    kept: bool = False


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What happened to one unit in one run.

    ``parts`` is all that the result depends on, by name (see ``fingerprint``), and
    ``fingerprint`` its digest. ``surroundings`` is what may differ between machines
    without changing a result, ``environment`` the variables that the steps had: the
    values of those that the suite fixes and of declared ones, but for secrets; of any
    other the name. ``outside`` are files within the inputs that git ignores.
    """

    schema: int = 0
    run: str = msgspec.field(name="cicd.pipeline.run.id")
    unit: str = msgspec.field(name="cicd.pipeline.task.name")
    result: Result = msgspec.field(name="cicd.pipeline.task.run.result")
    started: float  # seconds since 1970-01-01 UTC
    seconds: float
    place: str = "local"  # or the CI's name: "github"
    url: str = msgspec.field(default="", name="cicd.pipeline.run.url.full")
    worker: str = msgspec.field(default="", name="cicd.worker.name")
    revision: str = msgspec.field(default="", name="vcs.ref.head.revision")
    branch: str = msgspec.field(default="", name="vcs.ref.head.name")
    tree: str = ""  # of the whole working copy, with what is not committed
    fingerprint: str = ""
    parts: dict[str, str] = {}
    proves: bool = False  # whether the unit need not run again for this fingerprint
    audited: bool = False
    steps: tuple[StepRun, ...] = ()
    surroundings: dict[str, str] = {}
    environment: dict[str, str] = {}
    outside: tuple[str, ...] = ()
    outputs: dict[str, str] = {}  # what was made: path in the project, sha256
    proof: str = ""  # of a skipped unit: the run in which it passed
    covered: Covered | None = None
    notes: tuple[str, ...] = ()
    reason: str = ""
    mend: tuple[str, ...] = ()
    args: tuple[str, ...] = ()  # what followed --


def run_id() -> tuple[str, bool]:
    """Return the id of this run, and whether this very process began it."""
    known = os.environ.get(RUN_VARIABLE)
    if known and re.fullmatch(r"[\w.-]*\w[\w.-]*", known):
        return known, False
    made = new_id()
    os.environ[RUN_VARIABLE] = made
    return made, True


def new_id() -> str:
    """Return a name that nothing else has; such names sort by time, also of two that
    were made in the same second."""
    now = time.time()
    made = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now))
    return f"{made}-{int(now % 1 * 4096):03x}{secrets.randbelow(4096):03x}"


def write(state: Path, record: Record) -> None:
    """Write ``record`` below ``state``, whole or not at all; prune old runs.

    Raises OSError when it cannot be written.
    """
    folder = files.add_exclude_file(state) / RUNS / record.run
    name = f"{file_name(record.unit)}.json"
    files.write_atomically(folder / name, encode(record))
    others = [path for path in folder.parent.iterdir() if path != folder]
    for old in sorted(others, key=age)[: max(0, len(others) + 1 - KEPT_RUNS)]:
        shutil.rmtree(old, ignore_errors=True)


def read(state: Path, run: str) -> Sequence[Record]:
    """Return the records of ``run`` in the order in which its units began.

    A record that cannot be read (cut short, of a newer version) is left out.
    """
    known = [load(path) for path in (state / RUNS / run).glob("*.json")]
    return sorted((each for each in known if each), key=lambda each: each.started)


def runs(state: Path) -> list[str]:
    """Return the ids of the runs that are kept, the newest last."""
    folders = (path for path in (state / RUNS).glob("*") if path.is_dir())
    return [folder.name for folder in sorted(folders, key=lambda path: path.name)]


def load(path: Path) -> Record | None:
    """Return the record in file ``path``; None when there is none that we can read."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Record)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OSError):
        return None
    return found if found.schema <= SCHEMA else None


def encode(record: Record) -> str:
    """Return the text of a record's file."""
    told = masking.hide_in(msgspec.to_builtins(record), NAMES)
    try:
        raw = msgspec.json.encode(told)
    except UnicodeEncodeError:  # a name of a file, or an argument, of any bytes
        raw = msgspec.json.encode(_readable(told))
    return msgspec.json.format(raw, indent=2).decode() + "\n"


def _readable(told: Any) -> Any:
    if isinstance(told, str):  # parts are readable already
        return readable(told) if re.search("[\ud800-\udfff]", told) else told
    if isinstance(told, dict):
        return {_readable(name): _readable(value) for name, value in told.items()}
    return [_readable(each) for each in told] if isinstance(told, list) else told


def file_name(unit: str) -> str:
    """Return a unit's name as a file may have it.

    >>> file_name("tests(backend)")
    'tests.backend'
    """
    return "".join(c if c.isalnum() or c in "-_" else "." for c in unit).strip(".")


def age(path: Path) -> tuple[float, str]:
    """Return what sorts files by age; another process may remove one meanwhile."""
    try:
        return path.stat().st_mtime, path.name
    except OSError:
        return 0.0, path.name


@contextmanager
def running(state: Path, record: Record) -> Iterator[Path]:
    """Say that ``record``'s unit runs, for the length of the block, by a file.

    The mark is locked as long as we live, so a later run knows one left by a kill.
    """
    folder = files.add_exclude_file(state) / RUNNING
    mark = folder / f"{record.run}.{file_name(record.unit)}.json"
    made = folder / f".{mark.name}.{secrets.token_hex(4)}"
    folder.mkdir(exist_ok=True)
    text = encode(record).encode()
    descriptor = files.lock(made)
    try:
        if os.write(descriptor, text) < len(text):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(mark))
        os.replace(made, mark)  # what has this name is locked from the beginning
        yield mark
    finally:
        made.unlink(missing_ok=True)
        mark.unlink(missing_ok=True)
        os.close(descriptor)


def complete(state: Path) -> list[Record]:
    """Record as cancelled what was killed while it ran; return these records."""
    found = []
    for mark in (state / RUNNING).glob("*.json*"):
        if mark.name.startswith("."):
            _remove_unfinished(mark)
            continue
        descriptor = files.try_lock(mark) if mark.exists() else None
        if descriptor is None:
            continue
        try:
            # Between our look and our lock another may have taken its place.
            same = os.path.samestat(os.fstat(descriptor), mark.stat())
            if not same or _is_newer(mark):
                continue
            killed = _killed(state, mark)
            if killed:
                write(state, killed)
                found.append(killed)
            mark.unlink(missing_ok=True)
        except OSError:
            continue  # another run completes it just now, or the disk is full
        finally:
            os.close(descriptor)
    return found


def _killed(state: Path, mark: Path) -> Record | None:
    """Return the record of the unit that left ``mark``; None when it has its own."""
    begun = load(mark)
    if begun is None:
        return None
    own = state / RUNS / begun.run / f"{file_name(begun.unit)}.json"
    if own.exists():
        return None
    ended = min(time.time(), mark.stat().st_mtime)
    return msgspec.structs.replace(
        begun,
        result="cancellation",
        proves=False,
        reason="it was killed, or the machine stopped",
        seconds=max(0.0, ended - begun.started),
    )


def _is_newer(path: Path) -> bool:
    """Return whether a record is of a newer version than ours."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=dict[str, msgspec.Raw])
        return int(bytes(found.get("schema", b"0"))) > SCHEMA
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False


def _remove_unfinished(made: Path) -> None:
    """Remove what a kill left of a mark that was just being made."""
    with suppress(OSError):
        if made.stat().st_mtime < time.time() - UNFINISHED:
            made.unlink()
