"""Why would a unit's result not be proven, even if nothing of its fingerprint changed?"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from sametree import beside
from sametree.digests import readable
from sametree.fingerprint import Rules, decided
from sametree.settings import Component, Project

GIVEN = "given"
"""The part ``database`` where nothing tells what the server of DATABASE_URL holds."""
IN_USE = "in use"
"""How the part ``database`` ends while the development database is used."""
NO_PROOFS = {
    "format": "it rewrites the sources",
    "rehearse": "it runs what is committed",
}
"""Kinds that prove nothing about the tree, and why."""
LOOKING_BACK = {
    "python": frozenset(
        "--lf --last-failed --ff --failed-first --nf --new-first --sw --stepwise"
        " --stepwise-skip --sw-skip --stepwise-reset --sw-reset --cache-show".split()
    ),
    "node": frozenset(
        "-o --onlyChanged --changedSince --lastCommit -f --onlyFailures".split()
    ),
}
"""Arguments with which pytest and jest look at what ran before, or at git's history."""
FROM_HISTORY = re.compile(
    r"^(hatch-vcs|setuptools-scm|vcs-versioning|setuptools-git-versioning|versioningit"
    r"|versioneer|dunamai|poetry-dynamic-versioning|uv-dynamic-versioning"
    r"|pdm-build-locked|miniver)\s*==",
    re.MULTILINE,
)
"""Packages that take a version from tags and commits, which no tree tells."""


def of_kind(kind: str, parts: Mapping[str, str]) -> str:
    """Return why no unit of ``kind`` with these ``parts`` is told by them, or ''."""
    if kind in NO_PROOFS:
        return NO_PROOFS[kind]
    if parts.get("previous") == "unknown":
        return "this clone does not tell which release came before"
    if parts.get("database") == GIVEN:
        if kind == "migrate" and "--check" not in parts.get("arguments", ""):
            return "what the database of DATABASE_URL holds is not told by the tree"
        return "the server of DATABASE_URL does not answer"
    if parts.get("database", "").endswith(IN_USE):
        return "the development database is in use"
    return ""


def of_inputs(project: Project, rules: Rules, parts: Mapping[str, str]) -> str:
    """Return which input the tree does not tell, and why; '' when it tells all."""
    for path, taken in rules.items():
        if path == ".." or path.startswith("../"):
            return f"{path} lies outside the project"
        missing = parts.get(f"input:{readable(path)}") == "missing"
        if taken and missing and holds_files(project.root / path):
            return f"{path} is an input, but git ignores it"
    for name, text in parts.items():
        if name.startswith("input:") and text.endswith(beside.OUTSIDE):
            return f"{name.partition(':')[2]} {beside.OUTSIDE}"
    return ""


def of_arguments(
    project: Project, component: Component, rules: Rules, args: Iterable[str]
) -> str:
    """Return which of ``args`` takes in what is no input of the unit, and why; '' when
    none does."""
    folder = project.folder(component)
    for arg in args:
        option, _, value = arg.partition("=")
        if option in LOOKING_BACK[component.language or "python"]:
            return f"{option} looks at what was before"
        named = value if option.startswith("-") else arg
        place = folder / named.partition("::")[0]
        if named and os.path.lexists(place):
            inside = beside.within(str(project.root), os.path.realpath(place))
            if inside is None or not decided(rules, inside):
                return f"{named} is none of its inputs"
    return ""


def of_version(lock: Path) -> str:
    """Return why a build with the packages of ``lock`` depends on more than a tree."""
    try:
        found = FROM_HISTORY.search(lock.read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        return ""
    told = "takes the version from git's history, which no tree tells"
    return f"{found[1]} {told}" if found else ""


def holds_files(place: Path) -> bool:
    """Return whether a file lies at ``place``, or anywhere below it."""
    if place.is_dir() and not place.is_symlink():
        return any(names for _, _, names in os.walk(place))
    return os.path.lexists(place)
