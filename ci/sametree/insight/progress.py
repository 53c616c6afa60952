"""How far is a run, and when will it be over?

Who runs is told by the marks in ``.sametree/running``, what is done by the records of
the run, and how long a unit takes by the records of earlier runs.
"""

from __future__ import annotations

import heapq
import os
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import msgspec

from sametree import records, terminal
from sametree.records import Result

SHOWN = 4
"""Units that have a line of their own."""
REMEMBERED = 20
"""Runs that are asked how long a unit takes."""


class Unit(msgspec.Struct, frozen=True):
    """What a record or a mark tells of a unit; of a mark ``result`` means nothing."""

    name: str = msgspec.field(name="cicd.pipeline.task.name")
    result: Result = msgspec.field(name="cicd.pipeline.task.run.result")
    started: float
    seconds: float
    args: tuple[str, ...] = ()


class Look(msgspec.Struct, frozen=True):
    """How a run looks at a moment: ``running`` since when (seconds since 1970), how
    each unit that is ``done`` ended, what is ``planned`` (None: nobody knows), and what
    units ``usual``-ly take, in seconds; ``jobs`` of them run at a time."""

    running: Mapping[str, float] = {}
    done: Mapping[str, Result] = {}
    planned: Sequence[str] | None = None
    usual: Mapping[str, float] = {}
    jobs: int = 1


class Remaining(msgspec.Struct, frozen=True):
    """How long a run will go on: ``seconds`` for the units of which one knows it,
    ``unknown`` how many others there are; ``late`` when one takes longer than ever."""

    seconds: float
    unknown: int = 0
    late: bool = False

    def __str__(self) -> str:
        if self.seconds >= 1:
            nearly = "more than" if self.unknown else "about"
            return f"{nearly} {rough(self.seconds)} left"
        if self.unknown:
            return ""
        return "taking longer than usual" if self.late else "nearly done"


def remaining(
    planned: Sequence[str] | None,
    done: Collection[str],
    running: Mapping[str, float],
    usual: Mapping[str, float],
    jobs: int,
    now: float,
) -> Remaining | None:
    """Return how long a run will go on, or None when nobody knows what is planned.

    Units begin in the order of ``planned``, ``jobs`` at a time, each as soon as one has
    ended; ``running`` says since when one runs, ``usual`` what one takes.
    """
    if planned is None:
        return None
    waiting = [unit for unit in planned if unit not in done and unit not in running]
    left = {
        unit: usual[unit] - max(0.0, now - started)
        for unit, started in running.items()
        if unit in usual
    }
    unknown = sum(1 for unit in (*waiting, *running) if unit not in usual)
    ends = [max(0.0, seconds) for seconds in left.values()]
    ends += [0.0] * (max(1, jobs) - len(ends))
    heapq.heapify(ends)
    for unit in waiting:
        heapq.heappush(ends, heapq.heappop(ends) + usual.get(unit, 0.0))
    late = any(seconds < 0 for seconds in left.values())
    return Remaining(max(ends), unknown, late)


def lines(look: Look, now: float, width: int) -> list[str]:
    """Return the view: a line for each of the units that run longest, and the total."""
    longest = sorted(look.running, key=lambda unit: look.running[unit])
    shown = longest if len(longest) <= SHOWN else longest[: SHOWN - 1]
    told = [_running(unit, look, now, width) for unit in shown]
    if rest := longest[len(shown) :]:
        told.append(fit(f"    and {len(rest)} more: {', '.join(rest)}", width))
    return [*told, total(look, now, width)]


def total(look: Look, now: float, width: int) -> str:
    """Return the line that says how far the run is, and when it will be over."""
    results = list(look.done.values())
    proven = results.count("skip")
    failed = len(results) - proven - results.count("success")
    all_of = "" if look.planned is None else f" of {len(look.planned)}"
    parts = [f"{len(results)}{all_of} done"]
    parts += [f"{proven} of them proven"] if proven else []
    parts += [f"{failed} not passed"] if failed else []
    left = remaining(look.planned, look.done, look.running, look.usual, look.jobs, now)
    told = ", ".join(parts)
    if left is not None and look.running and str(left):
        told += f"; {left}"
    return terminal.colour(fit(f"  {told}", width), "red" if failed else "bold")


def beneath(look: Look, now: float, width: int) -> list[str]:
    """Return what a list of running units leaves open: what they take, and the total."""
    known = [
        f"{unit} {rough(look.usual[unit])}"
        for unit in look.running
        if unit in look.usual
    ]
    usually = [fit(f"  usually: {', '.join(known)}", width)] if known else []
    return [*usually, total(look, now, width)]


def rough(seconds: float) -> str:
    """Return a duration to the second.

    >>> rough(12.4), rough(75)
    ('12 s', '1 min 15 s')
    """
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def fit(text: str, width: int) -> str:
    """Return ``text`` as one line that is narrower than ``width`` columns."""
    kept, used = [], 0
    for character in text:
        if not character.isprintable():
            continue
        wide = unicodedata.east_asian_width(character) in "WF"
        used += 0 if unicodedata.combining(character) else 1 + wide
        if used >= width:
            break
        kept.append(character)
    return "".join(kept)


class Reader:
    """Looks at a run again and again, and reads only what is new."""

    def __init__(
        self, state: Path, run: str, planned: Sequence[str] | None = None
    ) -> None:
        self.planned = planned
        self._state = state
        self._run = run
        self._known: dict[str, tuple[int, Unit | None]] = {}
        self._usual: dict[tuple[str, ...], Mapping[str, float]] = {}
        self._jobs = 1

    def look(self) -> Look:
        """Return how the run looks now."""
        marks = self._read(self._state / records.RUNNING, f"{self._run}.")
        finished = self._read(self._state / records.RUNS / self._run, "")
        done = {unit.name: unit.result for unit in finished}
        # For a moment, a unit has a mark and a record.
        running = {u.name: u.started for u in marks if u.name not in done}
        self._jobs = max(self._jobs, len(running))
        return Look(
            running=running,
            done=done,
            planned=self.planned,
            usual=self._usually(marks[0].args) if running else {},
            jobs=self._jobs,
        )

    def _read(self, folder: Path, prefix: str) -> list[Unit]:
        """Return what the files in ``folder`` tell whose names begin with ``prefix``."""
        found = []
        try:
            with os.scandir(folder) as entries:
                listed = [
                    (entry.path, entry.stat().st_mtime_ns)
                    for entry in entries
                    if entry.name.startswith(prefix) and _is_record(entry.name)
                ]
        except OSError:
            return []  # nothing has run yet, or a mark went away just now
        for path, changed in listed:
            if self._known.get(path, (0, None))[0] != changed:
                self._known[path] = changed, _unit(Path(path))
            unit = self._known[path][1]
            found += [unit] if unit else []
        return found

    def _usually(self, args: tuple[str, ...]) -> Mapping[str, float]:
        if args not in self._usual:
            self._usual[args] = usual(self._state, args, without=self._run)
        return self._usual[args]


def usual(
    state: Path, args: tuple[str, ...] = (), *, without: str = ""
) -> Mapping[str, float]:
    """Return what units take, in seconds: the median of the last runs that passed.

    Only runs with the same ``args`` count: two chosen tests take less than all.
    """
    taken: dict[str, list[float]] = {}
    for run in records.runs(state)[::-1][:REMEMBERED]:
        for path in (state / records.RUNS / run).glob("[!.]*.json"):
            unit = _unit(path) if run != without else None
            if unit and unit.result == "success" and unit.args == args:
                taken.setdefault(unit.name, []).append(unit.seconds)
    return {name: _median(seconds) for name, seconds in taken.items()}


def _median(numbers: Sequence[float]) -> float:
    # The module of that name takes longer to import than a look at the run.
    ordered, half = sorted(numbers), len(numbers) // 2
    return (ordered[half] + ordered[-half - 1]) / 2


def _running(name: str, look: Look, now: float, width: int) -> str:
    took = max(0.0, now - look.running[name])
    told = rough(took)
    if (known := look.usual.get(name)) is not None:
        told += f" of about {rough(known)}" if took <= known else ""
        told += f", usually {rough(known)}" if took > known else ""
    text = fit(f"{name}  {told}", max(0, width - 5))
    return f"  {terminal.mark('running')}  {text}"


def _unit(path: Path) -> Unit | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Unit)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OSError):
        return None


def _is_record(name: str) -> bool:
    return name.endswith(".json") and not name.startswith(".")
