"""Which units has CI to run for this tree, and why each of them?

The answer is the same at home and in CI: it rests on what the tree says and on the
records that CI itself has made and signed. A laptop's records never spare CI a job.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from sametree import answers, differences, fingerprint, machine, surroundings, terminal
from sametree.errors import SametreeError, UsageError
from sametree.records import Record
from sametree.settings import Project
from sametree.units import identity, running
from sametree.units.identity import Identity, Unit

DAY = 86_400
NAMED = 3


class Job(msgspec.Struct, frozen=True):
    """A unit in CI's plan: whether it has to run, and the reason. ``database`` says that
    its job gets the server that settings name as a service."""

    unit: str
    needed: bool
    reason: str
    database: bool = False

    @property
    def name(self) -> str:
        """The unit's name as jobs and artifacts may have it: ``tests-backend``."""
        return re.sub(r"[^A-Za-z0-9_.]+", "-", self.unit).strip("-")


class Wishes(msgspec.Struct, frozen=True):
    """Whether what was proven here counts, and the file that gets the plan as JSON."""

    here: bool = False
    out: str = ""


def plan(
    project: Project, units: Sequence[Unit], trusted: Iterable[Record]
) -> list[Job]:
    """Return a job for each of ``units``; ``trusted`` are the records CI believes."""
    known: dict[str, list[Record]] = {}
    for record in trusted:
        if _counts(project, record):
            known.setdefault(record.unit, []).append(record)
    found = identity.identify(project, units)
    jobs = [
        _job(project, unit, now, known.get(unit.name, []))
        for unit, now in zip(units, found, strict=True)
    ]
    return [
        msgspec.structs.replace(job, database=_on_service(project, unit))
        for job, unit in zip(jobs, units, strict=True)
    ]


def chosen(
    units: Sequence[Unit], environ: Mapping[str, str] = os.environ
) -> Sequence[Unit]:
    """Return those of ``units`` that SAMETREE_UNITS names, or all where it is not set.

    It names units (``tests(backend)``) and sessions (``tests``: all its units), with
    blanks between them. Raises UsageError for a name that is neither, and in a CI that
    is no rehearsal: there, who left a unit out would turn the gate green without it.
    """
    named = environ.get(surroundings.UNITS, "").split()
    if not named:
        return units
    if machine.in_ci(environ) and environ.get("ACT") != "true":
        raise UsageError(
            f"{surroundings.UNITS} is set, and CI has to plan every unit",
            "take it out of the environment of this job; it is for rehearsals",
        )
    known = [name for unit in units for name in names(unit.name)]
    for name in named:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            all_units = " ".join(f"'{unit.name}'" for unit in units)
            raise UsageError(
                f"there is no unit {name!r} in CI's plan",
                f"did you mean '{near[0]}'?" if near else f"there is {all_units}",
            )
    return [unit for unit in units if not set(named).isdisjoint(names(unit.name))]


def names(unit: str) -> tuple[str, str]:
    """Return by what ``unit`` can be chosen: its name, and that of its session."""
    return unit, unit.partition("(")[0]


def wishes(args: Sequence[str]) -> Wishes:
    """Return what follows ``--``. Raises UsageError for what the plan does not know."""
    here, out = False, ""
    for arg in args:
        option, _, value = arg.partition("=")
        if option == "--here" and not value:
            here = True
        elif option == "--out" and value:
            out = value
        else:
            raise UsageError(
                f"the plan does not know {arg!r}",
                "nox -s plan -- [--here] [--out=FILE]",
            )
    return Wishes(here, out)


def run(project: Project, units: Sequence[Unit], wish: Wishes = Wishes()) -> None:
    """Print the plan; in CI, write the matrix of its jobs to $GITHUB_OUTPUT.

    Raises UsageError as :func:`chosen` does.
    """
    from sametree.insight import job_summary

    looked_at = chosen(units)
    trusted, note = _trusted(project)
    jobs = plan(project, looked_at, trusted)
    if wish.here and not machine.in_ci(os.environ):
        jobs = _proven_here(project, looked_at, jobs)
        note = ""
    if wish.out:
        Path(wish.out).write_bytes(msgspec.json.encode(jobs))
    rows = [
        (
            terminal.mark("running" if job.needed else "proven"),
            job.unit,
            "runs" if job.needed else "proven",
            job.reason,
        )
        for job in jobs
    ]
    for line in terminal.table(rows) if rows else []:
        terminal.say(line)
    needed = sum(job.needed for job in jobs)
    where = "have to run" if wish.here else "are jobs in CI"
    terminal.say(f"\n  {needed} of {len(units)} units {where}")
    if left_out := len(units) - len(jobs):
        terminal.say(f"  {left_out} left out: {surroundings.UNITS} names the others")
    if note:
        terminal.say(f"  {note}")
    job_summary.append(
        job_summary.of_plan([(job.unit, job.needed, job.reason) for job in jobs])
    )
    if output := os.environ.get("GITHUB_OUTPUT"):
        with open(output, "a", encoding="utf-8") as file:
            file.write(matrix(jobs))


def _proven_here(
    project: Project, units: Sequence[Unit], jobs: Sequence[Job]
) -> list[Job]:
    """Return ``jobs``, without need for those that this checkout has proven."""
    told = identity.identify(project, units, surroundings.look(project))
    found = []
    for job, unit, now in zip(jobs, units, told, strict=True):
        proof = running.proven(project.state, project.root, unit, now)
        if job.needed and proof is not None:
            ago = time.time() - proof.started - proof.seconds
            passed = answers.passed(proof.place, ago, proof.run)
            job = msgspec.structs.replace(job, needed=False, reason=passed)
        found.append(job)
    return found


def _trusted(project: Project) -> tuple[list[Record], str]:
    """Return the records that CI believes, and what is to be said about them."""
    from sametree.sharing import notes

    signers = project.settings.ci.signers
    if not signers:
        return (
            [],
            "no key signs CI's records, so none is believed: `invoke records.key`",
        )
    try:
        shared = notes.pull(project.root)
        note = ""
    except SametreeError as error:
        shared = notes.known(project.root)
        said = str(error.problem).partition("\n")[0]
        note = f"only the records that are here already: {said}"
    return notes.trusted(shared, signers), note


def matrix(jobs: Iterable[Job]) -> str:
    """Return the lines for $GITHUB_OUTPUT: ``units``, a matrix's list, and ``any``."""
    needed = [
        {"unit": job.unit, "name": job.name}
        | ({"database": True} if job.database else {})
        for job in jobs
        if job.needed
    ]
    told = json.dumps(needed, separators=(",", ":"))
    return f"units={told}\nany={'true' if needed else 'false'}\n"


def _on_service(project: Project, unit: Unit) -> bool:
    database = project.settings.database
    sqlite = database and database.tests == "sqlite" and unit.kind == "tests"
    asked = bool(database and database.service and not sqlite)
    return asked and identity.works_on_database(project, unit)


def _counts(project: Project, record: Record) -> bool:
    """Return whether a record can prove anything to CI at all."""
    ci = project.settings.ci
    python = record.parts.get("interpreter", "").partition(" ")[2]
    age = time.time() - record.started
    return (
        record.proves
        and record.result == "success"
        and record.place != "local"
        and (f"{python}.").startswith(f"{ci.python}.")
        and age < ci.proof_days * DAY
    )


def _job(project: Project, unit: Unit, now: Identity, known: Sequence[Record]) -> Job:
    if now.unprovable and not _only_here(now):
        return Job(unit.name, True, now.unprovable)
    wanted = fingerprint.source_parts(now.parts)
    newest = sorted(known, key=lambda record: -record.started)
    for record in newest:
        if fingerprint.source_parts(record.parts) == wanted:
            ago = time.time() - record.started - record.seconds
            return Job(unit.name, False, answers.passed("CI", ago, record.run))
    if not newest:
        return Job(unit.name, True, "CI has no proof of it yet")
    near = min(newest, key=lambda record: _distance(record, wanted))
    found = differences.differences(
        project.root, fingerprint.source_parts(near.parts), wanted
    )
    return Job(unit.name, True, f"changed since it passed: {_named(found)}")


def _only_here(now: Identity) -> bool:
    """Return whether only this machine's database makes the unit unprovable."""
    return now.parts.get("database", "") == "given"


def _distance(record: Record, wanted: dict[str, str]) -> int:
    parts = fingerprint.source_parts(record.parts)
    return sum(parts.get(name) != wanted.get(name) for name in parts.keys() | wanted)


def _named(found: Sequence[differences.Difference]) -> str:
    """Return the first few things that changed."""
    names = [
        name
        for each in found
        for name in ([changed.path for changed in each.files] or [each.name])
    ]
    more = len(names) - NAMED
    shown = ", ".join(names[:NAMED])
    return f"{shown} and {more} more" if more > 0 else shown
