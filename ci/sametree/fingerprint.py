"""On what does a unit's result depend? Its parts by name, and one digest of them all.

A unit's inputs are told by rules: paths in the project, each taken in or left out. The
longest path that a file lies in decides. Without settings a component's unit depends on

- the component's folder, without the components inside it,
- the folders of the components it depends on, and of those that they depend on,
- ``noxfile.py``, and configuration files in the folders above, where tools look for it,
- where a symbolic link among these leads, inside the project.

Settings say it by session; then ``pyproject.toml`` or ``package.json`` of the component
counts in any case, since we ourselves look there for what to do.
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
from sametree.digests import readable
from sametree.settings import Component, Project, detect
from sametree.trees import Tree

Rules = Mapping[str, bool]
"""Paths (relative to the project, "" is its root), and whether they are taken in."""

SOURCE_PARTS = ("input:", "lock:", "arguments", "settings", "suite", "session")
"""How the names of parts begin that are the same everywhere for the same tree."""

_CONFIGURATION = re.compile(
    r"\..+|.+\.(toml|cfg|ini|json|jsonc|json5|yaml|yml|js|cjs|mjs|ts|cts|mts)"
    r"|(conftest|noxfile|sitecustomize|__init__)\.py"
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
    own = place(project, component)
    found = {
        _inside(posixpath.join(own, path)): False for path in project.nested(component)
    }
    found |= {place(project, each): True for each in _depended(project, component)}
    named: dict[str, bool] = {}
    for text in component.inputs.get(session, (".",)):
        taken, path = not text.startswith("!"), text.removeprefix("!")
        base = "" if path.startswith("/") else own
        named[_inside(posixpath.join(base, path.lstrip("/")))] = taken
    # Who names a folder means all of it, with the components inside.
    wanted = [path for path, taken in named.items() if taken and path != own]
    found = {
        path: taken
        for path, taken in found.items()
        if taken or not any(path.startswith(f"{each}/") for each in wanted)
    }
    found |= named
    for mark, language in detect.MARKS.items():
        path = _inside(posixpath.join(own, mark))
        if language == component.language and not decided(found, path):
            found.setdefault(path, True)
    return {**found, "noxfile.py": found.get("noxfile.py", True)}


def _depended(project: Project, component: Component) -> list[Component]:
    """Return the components that ``component`` depends on, directly or by others."""
    found: dict[str, Component] = {}
    asked = [*component.depends]
    while asked:
        name = asked.pop()
        if name not in found and name != component.name:
            found[name] = project.component(name)
            asked += found[name].depends
    return list(found.values())


def place(project: Project, component: Component) -> str:
    """Return the folder of ``component``, relative to the project ("" is its root)."""
    if component.path.startswith("/"):
        return _inside(os.path.relpath(component.path, project.root))
    return _inside(component.path)


class Inputs:
    """The inputs of many units, asked of one tree at once."""

    def __init__(self, tree: Tree, all_rules: Iterable[Rules]) -> None:
        self.tree = tree
        opened = {""}
        for each in all_rules:
            for path in each:
                opened.update(_above(path))
            opened.update(self._above_targets(each))
        self._entries: dict[str, dict[str, str]] = dict(tree.entries(sorted(opened)))

    def parts(self, unit: Rules, folder: str) -> dict[str, str]:
        """Return ``input:PATH -> "MODE ID"`` for the rules of a unit.

        ``folder`` is the component's, whose tools look for configuration above it.
        A name with bytes that are no UTF-8 is written as by ``digests.readable``.
        """
        whole = {**self._configuration(folder), **unit}
        whole |= {path: True for path in self._linked(whole)}
        found = dict(self._taken("", whole, taken=whole.get("", False)))
        for path, taken in whole.items():
            if taken and path and self._entry(path) is None:
                if not self._goes_on(path):
                    found[path] = "missing"
        for path, told in self.tree.beside.items():
            # Of a submodule the tree knows no part: who takes one in, takes in all.
            within = (r for r, taken in whole.items() if taken)
            if decided(whole, path) or any(r.startswith(f"{path}/") for r in within):
                found[path] = f"{found.get(path, '')} {told}"
        return {f"input:{readable(path)}": told for path, told in found.items()}

    def _goes_on(self, path: str) -> bool:
        """Return whether ``path`` leads through a link, or into a submodule."""
        ways = (self.tree.links, self.tree.beside)
        return any(above in way for above in _above(path) for way in ways)

    def _configuration(self, folder: str) -> dict[str, bool]:
        found = {}
        for above in _above(folder) if folder else ():
            for name, entry in self.listing(above).items():
                known = (
                    _CONFIGURATION.fullmatch(name) and name not in _NOT_CONFIGURATION
                )
                if known and not entry.startswith(("040000", "160000")):
                    found[posixpath.join(above, name)] = True
        return found

    def _above_targets(self, unit: Rules) -> Iterator[str]:
        """Yield the folders above what links lead to from what ``unit`` takes in."""
        for target in self._linked(unit):
            yield from _above(target)

    def _linked(self, unit: Rules) -> set[str]:
        """Return where the links lead that lie in what ``unit`` takes in, with the links
        on the way, and the links that its own paths lead through."""
        links = self.tree.links
        through = (a for path, taken in unit.items() if taken for a in _above(path))
        found = {above for above in through if above in links}
        while True:
            now = {**unit, **dict.fromkeys(found, True)}
            taken = [e for path, e in links.items() if e and decided(now, path)]
            new = {ends[-1] for ends in taken if not decided(now, ends[-1])}
            if not new:
                passed = (link for ends in taken for link in ends[:-1])
                return found.union(link for link in passed if not decided(now, link))
            found |= new

    def _taken(
        self, folder: str, unit: Rules, *, taken: bool
    ) -> Iterator[tuple[str, str]]:
        below = {rule[len(folder) + 1 if folder else 0 :] for rule in unit if rule}
        named = {rest.partition("/")[0] for rest in below}
        deeper = {rest.partition("/")[0] for rest in below if "/" in rest}
        listing = self.listing(folder)
        for name in listing if taken else named & listing.keys():
            path = posixpath.join(folder, name)
            here = unit.get(path, taken)
            if name in deeper and listing[name].startswith("040000"):
                inner = {r: t for r, t in unit.items() if r.startswith(f"{path}/")}
                yield from self._taken(path, inner, taken=here)
            elif here:
                yield path, listing[name]

    def _entry(self, path: str) -> str | None:
        above, _, name = path.rpartition("/")
        return self.listing(above).get(name)

    def listing(self, folder: str) -> dict[str, str]:
        """Return the entries of ``folder``: ``NAME -> "MODE ID"``."""
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
    for path in sorted(package.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            name = str(path.relative_to(package))
            summed.update(files.digest(name, path.read_bytes()).encode())
    return summed.hexdigest()


def interpreter() -> str:
    """Return which Python runs: ``cpython 3.11.7``; with its version before a final one
    (``3.15.0b1``), and what it was built with (``t``: without the lock of threads)."""
    *numbers, level, serial = sys.version_info
    version = ".".join(str(number) for number in numbers)
    if level != "final":
        version += f"{level}{serial}"
    return f"{sys.implementation.name} {version}{sys.abiflags}"


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
