"""On what does a unit's result depend? Its parts by name, and one digest of them all.

A unit's inputs are told by rules: paths in the project, each taken in or left out. The
longest path that a file lies in decides. Without settings a component's unit depends on

- the component's folder, without the components inside it,
- ``noxfile.py``, and configuration files in the folders above, where tools look for it,
- where a symbolic link among these leads, inside the project.
"""

from __future__ import annotations

import functools
import hashlib
import os
import posixpath
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from sametree import files
from sametree.settings import Component, Project
from sametree.trees import Tree

Rules = Mapping[str, bool]
"""Paths (relative to the project, "" is its root), and whether they are taken in."""

SOURCE_PARTS = ("input:", "lock:", "arguments", "settings", "suite", "session")
"""How the names of parts begin that are the same everywhere for the same tree."""

_CONFIGURATION = re.compile(
    r"\..+|.+\.(toml|cfg|ini|json|jsonc|json5|yaml|yml|js|cjs|mjs|ts|cts|mts)"
    r"|(conftest|noxfile|sitecustomize)\.py"
)
"""Files that tools of a component look for in the folders above it."""
_NOT_CONFIGURATION = {".gitattributes", ".gitmodules", ".mailmap"}


def digest(parts: Mapping[str, str]) -> str:
    """Return the fingerprint: one name for all ``parts``."""
    return files.digest(*(text for part in sorted(parts.items()) for text in part))


def source_parts(parts: Mapping[str, str]) -> dict[str, str]:
    """Return those of ``parts`` that are the same everywhere for the same tree."""
    return {name: parts[name] for name in parts if name.startswith(SOURCE_PARTS)}


def rules(project: Project, component: Component, session: str) -> dict[str, bool]:
    """Return the rules of a unit's inputs, from the settings or as said above.

    Paths in the settings are relative to the component, or to the project when they
    begin with ``/``; a ``!`` before one leaves it out.
    """
    own = _inside(component.path)
    found = {
        _inside(posixpath.join(own, path)): False for path in project.nested(component)
    }
    for name in component.depends:
        found[_inside(project.component(name).path)] = True
    for text in component.inputs.get(session, (".",)):
        taken, path = not text.startswith("!"), text.removeprefix("!")
        base = "" if path.startswith("/") else own
        found[_inside(posixpath.join(base, path.lstrip("/")))] = taken
    return {**found, "noxfile.py": found.get("noxfile.py", True)}


class Inputs:
    """The inputs of many units, asked of one tree at once."""

    def __init__(self, tree: Tree, all_rules: Iterable[Rules]) -> None:
        self.tree = tree
        opened = {""}
        for each in all_rules:
            for path in each:
                opened.update(_above(path))
            opened.update("" if p == "." else p for p in self._links_of(each))
        self._entries: dict[str, dict[str, str]] = dict(tree.entries(sorted(opened)))

    def parts(self, unit: Rules, folder: str) -> dict[str, str]:
        """Return ``input:PATH -> "MODE ID"`` for the rules of a unit.

        ``folder`` is the component's, whose tools look for configuration above it.
        """
        whole = {**self._configuration(folder), **unit}
        whole |= {path: True for path in self._linked(whole)}
        found = dict(self._taken("", whole, taken=whole.get("", False)))
        for path, taken in whole.items():
            if taken and path and self._entry(path) is None:
                found[f"input:{path}"] = "missing"
        for path, told in self.tree.beside.items():
            if decided(whole, path):
                found[f"input:{path}"] = f"{found.get(f'input:{path}', '')} {told}"
        return found

    def _configuration(self, folder: str) -> dict[str, bool]:
        found = {}
        for above in _above(folder) if folder else ():
            for name, entry in self._listing(above).items():
                known = (
                    _CONFIGURATION.fullmatch(name) and name not in _NOT_CONFIGURATION
                )
                if known and not entry.startswith(("040000", "160000")):
                    found[posixpath.join(above, name)] = True
        return found

    def _links_of(self, unit: Rules) -> Iterator[str]:
        """Yield the folders above what links lead to from what ``unit`` takes in."""
        for target in self._linked(unit):
            yield from _above(target)

    def _linked(self, unit: Rules) -> set[str]:
        """Return where the links lead that lie in what ``unit`` takes in."""
        found: set[str] = set()
        grown = True
        while grown:
            now = {**unit, **{path: True for path in found}}
            targets = {
                posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
                for path, target in self.tree.links.items()
                if decided(now, path)
            }
            new = {t for t in targets if not t.startswith(("..", "/", "."))}
            new = {t for t in new if not decided(now, t)}
            grown = bool(new)
            found |= new
        return found

    def _taken(
        self, folder: str, unit: Rules, *, taken: bool
    ) -> Iterator[tuple[str, str]]:
        below = {rule[len(folder) + 1 if folder else 0 :] for rule in unit if rule}
        named = {rest.partition("/")[0] for rest in below}
        deeper = {rest.partition("/")[0] for rest in below if "/" in rest}
        listing = self._listing(folder)
        for name in listing if taken else named & listing.keys():
            path = posixpath.join(folder, name)
            here = unit.get(path, taken)
            if name in deeper:
                inner = {r: t for r, t in unit.items() if r.startswith(f"{path}/")}
                yield from self._taken(path, inner, taken=here)
            elif here:
                yield f"input:{path}", listing[name]

    def _entry(self, path: str) -> str | None:
        above, _, name = path.rpartition("/")
        return self._listing(above).get(name)

    def _listing(self, folder: str) -> dict[str, str]:
        if folder not in self._entries:
            self._entries |= self.tree.entries([folder])
        return self._entries[folder]


def decided(unit: Rules, path: str) -> bool:
    """Return whether ``path`` is taken in: the longest rule that it lies in decides."""
    while path:
        if path in unit:
            return unit[path]
        path = path.rpartition("/")[0]
    return unit.get("", False)


@functools.cache
def suite() -> str:
    """Return the digest of our own code: another suite may come to other results."""
    summed = hashlib.sha256()
    package = Path(__file__).parent
    for path in sorted(package.rglob("*.py")):
        summed.update(
            files.digest(str(path.relative_to(package)), path.read_bytes()).encode()
        )
    return summed.hexdigest()


def interpreter() -> str:
    """Return which Python runs: ``cpython 3.11.7``."""
    numbers = ".".join(str(number) for number in sys.version_info[:3])
    return f"{sys.implementation.name} {numbers}"


def platform() -> str:
    """Return on what compiled code runs: ``linux x86_64 glibc``. No kernel, no CPU."""
    libc = ""
    if sys.platform == "linux":
        musl = any(Path("/lib").glob("ld-musl-*"))
        libc = " musl" if musl else " glibc"
    return f"{sys.platform} {os.uname().machine}{libc}"


@functools.cache
def installed() -> Mapping[str, str]:
    """Return the packages beside us and their versions (read from folder names, since
    importlib.metadata takes longer than all the rest)."""
    found: dict[str, str] = {}
    for folder in reversed(sys.path):
        if not folder.endswith(("site-packages", "dist-packages")):
            continue
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        for name in names:
            if name.endswith(".dist-info"):
                package, _, version = name.removesuffix(".dist-info").partition("-")
                found[package.lower()] = version
    return found


def _inside(path: str) -> str:
    """Return ``path`` (relative to the project) in its shortest form, "" for the root."""
    shortest = posixpath.normpath(path)
    return "" if shortest == "." else shortest


def _above(path: str) -> list[str]:
    """Return the folders that ``path`` lies in, from the root.

    >>> _above("app/backend/maria")
    ['', 'app', 'app/backend']
    """
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(len(parts))] if path else []
