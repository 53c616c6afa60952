"""Which two runs are compared: the last one here, the CI's, one by its id, a folder's?"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec

from sametree import git, proofs, records
from sametree.errors import UsageError
from sametree.insight.compare.columns import clean, moment
from sametree.records import Record

LAST, CI = "last", "ci"
"""What stands for the newest run here, and for the CI's run of its commit."""
BIGGEST = 20_000_000
"""Bytes; no record is bigger."""
PASSED_OVER = frozenset({"node_modules", ".git", ".nox", ".venv"})
TOLD = 5
"""Runs that a message names."""

_PULL = "get it with `invoke records.pull`, or download the artifacts and give their"
_PULL += " folder: `invoke compare --folder DIR`"


class Run(msgspec.Struct, frozen=True):
    """The records of one run, the newest of each unit; ``notes`` say what is amiss."""

    records: tuple[Record, ...]
    notes: tuple[str, ...] = ()

    @property
    def newest(self) -> Record:
        """The record that began last: it tells what the run is of."""
        return max(self.records, key=lambda record: record.started)

    @property
    def ids(self) -> set[str]:
        """The ids under which the run is known; a CI has one for each attempt."""
        return {record.run for record in self.records}

    @property
    def told(self) -> str:
        """What names the run in a message."""
        newest = self.newest
        where = "here" if newest.place == "local" else f"on {newest.place}"
        when = moment(newest.started)
        commit = newest.revision[:8] or "?"
        return clean(f"{newest.run} ({where}, {when}, commit {commit})")


@dataclass
class Known:
    """All runs that can be had. ``shared`` returns the records that others gave us."""

    root: Path
    state: Path
    shared: Callable[[], Iterable[Record]]
    folder: str = ""
    unit: str = ""

    @cached_property
    def here(self) -> list[Run]:
        """The runs of this checkout, the newest first."""
        read = (records.read(self.state, run) for run in records.runs(self.state))
        return _newest_first(self._of_unit(Run(tuple(each)) for each in read if each))

    @cached_property
    def elsewhere(self) -> list[Run]:
        """The runs of the folder and those that are shared, the newest first."""
        found = list(self.shared())
        if self.folder:
            found += read_folder(Path(self.folder))[0]
        return _newest_first(self._of_unit(_grouped(found)))

    def two(self, left: str, right: str) -> tuple[Run, Run]:
        """Return the two sides that ``left`` and ``right`` name.

        Each is ``last``, ``ci``, a path to a record or a folder, or a run's id (its
        beginning or end is enough). Empty ones stand for the last run here and for the
        folder, or the CI's run of the same commit.

        Raises UsageError when there is no such run, or both are the same.
        """
        one = self.run(left or LAST)
        default = self.folder or CI
        other = self.run(right or default, like=one)
        if {*map(_key, one.records)} == {*map(_key, other.records)}:
            raise UsageError(
                f"both sides are {one.told}: there is nothing to compare",
                "name two runs: `invoke compare LEFT RIGHT`",
            )
        return one, other

    def run(self, text: str, like: Run | None = None) -> Run:
        """Return the run that ``text`` names; ``like`` is the other side's."""
        if text == LAST:
            return self._last()
        if text == CI:
            return self._of_ci(like or self._last())
        path = Path(text)
        if path.is_dir():
            return self._of_folder(path)
        if path.is_file():
            return Run((read_file(path),))
        if os.sep in text or text.endswith(".json"):
            raise UsageError(f"there is no file or folder {text}")
        return self._by_id(text)

    def proof(self, record: Record) -> Record | None:
        """Return the record of the run in which a skipped unit passed, if it is known."""
        found = proofs.find(self.state, record.unit, record.fingerprint)
        if found and found.run == record.proof:
            return found
        return self._by_name.get((record.proof, record.unit))

    @cached_property
    def _by_name(self) -> dict[tuple[str, str], Record]:
        runs = (*self.elsewhere, *self.here)
        return {(each.run, each.unit): each for run in runs for each in run.records}

    def _last(self) -> Run:
        if self.here:
            return self.here[0]
        of = f" of {self.unit}" if self.unit else ""
        raise UsageError(
            f"no run{of} is recorded in this checkout",
            f"run `nox{f' -s {self.unit!r}' if self.unit else ''}` first",
        )

    def _of_ci(self, like: Run) -> Run:
        """Return the CI's newest run of the commit, or of the same tree."""
        runs = [each for each in self.elsewhere if each.newest.place != "local"]
        runs += [each for each in self.here if each.newest.place != "local"]
        wanted = like.newest.revision or (git.run(self.root, "rev-parse", "HEAD") or "")
        wanted, tree = wanted.strip(), like.newest.tree
        for run in runs:
            if wanted and wanted in (run.newest.revision, *self._merged(run)):
                return run
        for run in runs:
            if tree and run.newest.tree == tree:
                return run
        commit = f"commit {wanted[:10]}" if wanted else "this tree"
        unit = f" with {self.unit}" if self.unit else ""
        told = "".join(f"\n  {run.told}" for run in runs[:TOLD])
        raise UsageError(
            f"no CI run of {commit}{unit} is known" + (told and f"; known are{told}"),
            (told and "name one of them: `invoke compare --right RUN`; or ") + _PULL,
        )

    def _merged(self, run: Run) -> list[str]:
        """Return the parents of the commit of ``run``: of a pull request, CI may test
        the merge of its commit with the main branch."""
        if run.newest.revision.strip("0123456789abcdef"):
            return []
        asked = ("rev-list", "--parents", "-n1", run.newest.revision)
        parents = (git.run(self.root, *asked) or "").split()[1:]
        return parents if len(parents) > 1 else []

    def _by_id(self, text: str) -> Run:
        runs = [*self.here, *self.elsewhere]
        exact = [run for run in runs if text in run.ids]
        if exact:
            return exact[0]
        like = [
            run
            for run in runs
            if any(i.startswith(text) or i.endswith(text) for i in run.ids)
        ]
        # What was shared is known twice on the machine that shared it.
        found = list({run.newest.run: run for run in reversed(like)}.values())
        if len(found) == 1:
            return found[0]
        if found:
            told = "".join(f"\n  {run.told}" for run in found[:TOLD])
            raise UsageError(f"{len(found)} runs are named like {text}:{told}")
        told = "".join(f"\n  {run.told}" for run in runs[:TOLD])
        raise UsageError(
            f"no run {text} is known" + (f"; the newest are{told}" if told else ""),
            "a run of somebody else comes with `invoke records.pull`, or as a folder",
        )

    def _of_folder(self, path: Path) -> Run:
        found, notes = read_folder(path)
        runs = _newest_first(self._of_unit(_grouped(found)))
        if not runs:
            of = f" of {self.unit}" if self.unit else ""
            told = "".join(f"\n  {note}" for note in notes[:TOLD])
            raise UsageError(
                f"{path} holds no run record{of}{':' if told else ''}{told}",
                _zipped(path) or "records are files *.json in .sametree/runs/RUN/",
            )
        if len(runs) > 1:
            notes = [*notes, f"{path} holds {len(runs)} runs; this is the newest"]
        return Run(runs[0].records, tuple(notes))

    def _of_unit(self, runs: Iterable[Run]) -> Iterator[Run]:
        """Yield the runs with the unit that was asked for alone, if one was."""
        for run in runs:
            chosen = [r for r in run.records if not self.unit or r.unit == self.unit]
            if chosen:
                yield Run(tuple(chosen), run.notes)


def read_file(path: Path) -> Record:
    """Return the record in a file. Raises UsageError that says why there is none."""
    found = records.load(path)
    if found is None:
        raise UsageError(f"{path} is no run record: {_why(path) or 'something else'}")
    return found


def read_folder(folder: Path) -> tuple[list[Record], list[str]]:
    """Return the records in ``folder``, at any depth, and what could not be read.

    Other JSON files are passed over; so are folders of installed packages.
    """
    found, notes = [], []
    for place, inner, names in os.walk(folder):
        inner[:] = sorted(name for name in inner if name not in PASSED_OVER)
        for name in sorted(names):
            path = Path(place, name)
            if path.suffix != ".json" or not _plain(path):
                continue
            record = records.load(path)
            if record is not None:
                found.append(record)
            elif why := _why(path):
                notes.append(f"{path.relative_to(folder)} is left out: {why}")
    return found, notes


class _Version(msgspec.Struct):
    schema: int = 0


def _why(path: Path) -> str:
    """Return why a file that looks like a record is none; empty if it does not."""
    try:
        text = path.read_bytes()
    except OSError as error:
        return error.strerror or str(error)
    if b'"cicd.pipeline.' not in text:
        return ""
    try:
        schema = msgspec.json.decode(text, type=_Version).schema
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return "it is damaged, or was cut short"
    if schema > records.SCHEMA:
        return f"it was written by a newer sametree (schema {schema})"
    return "it lacks what a record has"


def _plain(path: Path) -> bool:
    """Return whether ``path`` is a file of its own (no link, no pipe) and not too big."""
    try:
        told = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(told.st_mode) and told.st_size <= BIGGEST


def _zipped(path: Path) -> str:
    first = next(iter(sorted(path.rglob("*.zip"))), None)
    return f"unpack {first.name} first" if first else ""


def _key(record: Record) -> tuple[str, str, float]:
    return record.run, record.unit, record.started


def _grouped(found: Iterable[Record]) -> Iterator[Run]:
    """Yield the runs that ``found`` are of. A CI's attempts at one run are one run."""
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in found:
        name = record.url if record.place != "local" and record.url else record.run
        groups.setdefault((name, record.revision), []).append(record)
    for each in groups.values():
        ordered = sorted(each, key=lambda record: record.started)
        yield Run(tuple({record.unit: record for record in ordered}.values()))


def _newest_first(runs: Iterable[Run]) -> list[Run]:
    return sorted(runs, key=lambda run: -run.newest.started)


def changed(root: Path, records: Sequence[Record]) -> bool | None:
    """Return whether a run had changes that were not committed; None if unknown."""
    newest = max(records, key=lambda record: record.started)
    if not newest.tree or newest.revision.strip("0123456789abcdef"):
        return None
    if not newest.revision:
        return None
    committed = git.run(root, "rev-parse", f"{newest.revision}:./")
    return committed.strip() != newest.tree if committed else None
