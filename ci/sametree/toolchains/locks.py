"""Which locks does a project have, what made each of them, and are they up to date?

A lock is a requirements file with a hash for every file that may be installed. There
is one for each dependency group (PEP 735) of each ``pyproject.toml``, and one for what
a component needs when it runs, if it is served or has migrations:

=====================  ====================================================
``GROUP.txt``          group of the project's own ``pyproject.toml``
``COMPONENT.txt``      runtime dependencies of a component
``COMPONENT-GROUP.txt``  group of a component's ``pyproject.toml``
=====================  ====================================================

A group's lock holds the project's dependencies and extras too, but for ``build``,
which only serves the build backend. The header of a lock has the digest of what it
was made from and of its own lines, so its state is known without a network.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from sametree import files
from sametree.errors import UsageError
from sametree.settings import Component, Project
from sametree.steps import Step

ALONE = frozenset({"build"})
"""Groups whose tools do not import the project, so its dependencies stay out."""

HEADER = """\
# Made by `nox -s lock`; change pyproject.toml, not this file.
# made from: {inputs}
# these lines: {body}
"""


class Lock(msgspec.Struct, frozen=True):
    """A lock: its file, the ``pyproject.toml`` it is made from, and which part of it."""

    path: Path
    source: Path
    group: str = ""

    @property
    def name(self) -> str:
        """The lock's name, as ``nox -s lock -- --upgrade`` prints it."""
        return self.path.stem


def of_project(project: Project) -> list[Lock]:
    """Return all Python locks that ``project`` should have."""
    folder = project.root / project.settings.locks
    found: list[Lock] = []
    for component in project.components:
        source = project.folder(component) / "pyproject.toml"
        if component.language != "python" or not source.exists():
            continue
        document = _read(source)
        prefix = "" if source.parent == project.root else f"{component.name}-"
        if component.serve or component.run or project.has_database(component):
            found.append(Lock(folder / f"{component.name}.txt", source))
        for group in document.get("dependency-groups", {}):
            found.append(Lock(folder / f"{prefix}{group}.txt", source, group))
    top = project.root / "pyproject.toml"
    if top.exists() and top not in {lock.source for lock in found}:
        for group in _read(top).get("dependency-groups", {}):
            found.append(Lock(folder / f"{group}.txt", top, group))
    return found


def of_component(project: Project, component: Component) -> list[Lock]:
    """Return the locks that ``component`` answers for: its own, and the first Python
    component those of a ``pyproject.toml`` at the top that is no component."""
    own = project.folder(component)
    folders = {project.folder(each) for each in project.components}
    python = [each for each in project.components if each.language == "python"]
    return [
        lock
        for lock in of_project(project)
        if lock.source.parent == own
        or (python[0] == component and lock.source.parent not in folders)
    ]


def for_purpose(project: Project, component: Component, purpose: str) -> Path:
    """Return the lock that a session of ``purpose`` installs for ``component``.

    The component's own lock comes before the project's; ``run`` is what the component
    needs when it runs. Raises UsageError when there is neither.
    """
    folder = project.root / project.settings.locks
    own = project.folder(component) != project.root
    names = [component.name] if purpose == "run" else []
    names += [f"{component.name}-{purpose}"] if own else []
    names += [purpose]
    for name in names:
        path = folder / f"{name}.txt"
        if path.exists():
            return path
    raise UsageError(
        f"{component.name}: none of the locks"
        f" {', '.join(f'{name}.txt' for name in names)} is in {project.settings.locks}/",
        f"name its packages in a dependency group '{purpose}' of pyproject.toml, then"
        " make it with `nox -s lock`",
    )


def compile_step(lock: Lock, uv: str, upgrade: Sequence[str] | None, out: Path) -> Step:
    """Return the uv call that resolves ``lock`` into ``out``.

    ``upgrade`` is None to keep what is pinned where possible, empty to take the
    newest of all, or the names of packages to take anew.
    """
    argv = [uv, "pip", "compile", "--universal", "--generate-hashes", "--quiet"]
    argv += ["--no-header", "--no-annotate", "--no-emit-index-url"]
    argv += ["--no-emit-find-links", "--output-file", str(out)]
    if lock.group:
        argv += ["--group", f"{lock.source.name}:{lock.group}"]
    if lock.group not in ALONE and "project" in _read(lock.source):
        argv += [lock.source.name]
        argv += ["--all-extras"] if lock.group else []
    if upgrade is not None:
        argv += [f"--upgrade-package={name}" for name in upgrade] or ["--upgrade"]
    minimum = _read(lock.source).get("project", {}).get("requires-python", "")
    if found := re.search(r">=\s*([\d.]+)", minimum):
        argv += ["--python-version", found[1]]
    return Step(name=lock.name, argv=tuple(argv), cwd=lock.source.parent)


def text_of(lock: Lock, body: str) -> str:
    """Return the lock's file: ``body`` as uv wrote it, under our header."""
    return HEADER.format(inputs=inputs(lock), body=files.digest(body)) + body


def body_of(text: str) -> str:
    """Return a lock's text without our header."""
    return text.split("\n", 3)[-1] if text.startswith(HEADER[:20]) else text


def inputs(lock: Lock) -> str:
    """Return the digest of all in ``pyproject.toml`` that decides what is locked."""
    document = _read(lock.source)
    project = document.get("project", {})
    keys = ["requires-python"]
    if lock.group not in ALONE:
        keys += ["dependencies", "optional-dependencies"]
    groups = {_plain(k): v for k, v in document.get("dependency-groups", {}).items()}
    used = list(_expanded(groups, lock.group, ())) if lock.group else []
    parts: list[Any] = [{k: project.get(k) for k in keys}, used]
    if told := document.get("tool", {}).get("uv"):  # constraints, overrides, sources
        parts.append(told)
    return files.digest(json.dumps(parts, default=str))


def outdated(lock: Lock) -> str:
    """Return why ``lock`` is not up to date, or an empty string when it is."""
    if not lock.path.exists():
        return "is missing"
    text = lock.path.read_text(encoding="utf-8")
    found = re.match(HEADER.format(inputs="(.*)", body="(.*)"), text)
    if not found:
        return "was not made by `nox -s lock`"
    if found[1] != inputs(lock):
        return f"was made from another {lock.source.name}"
    if found[2] != files.digest(body_of(text)):
        return "was changed by hand, or by a merge"
    return ""


def node_outdated(folder: Path) -> str:
    """Return why the package-lock.json in ``folder`` is not up to date, or ''.

    npm keeps in it, under ``packages[""]``, what package.json asked for.
    """
    lock = folder / "package-lock.json"
    if not lock.exists():
        return "is missing"
    try:
        locked = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    except (ValueError, KeyError, TypeError):
        return "cannot be read"
    asked = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    kinds = ("dependencies", "devDependencies", "optionalDependencies")
    for kind in (*kinds, "peerDependencies"):
        if asked.get(kind, {}) != locked[""].get(kind, {}):
            return f"was made from other {kind} of package.json"
    if any("resolved" in entry for entry in locked.values() if not entry.get("link")):
        return "names a registry's host ('resolved')"
    # npm leaves out, in silence, what its registry does not have; `npm ci` then refuses.
    present = {path.rpartition("node_modules/")[2] for path in locked}
    for path, entry in locked.items():
        if lost := sorted(entry.get("optionalDependencies", {}).keys() - present):
            return f"lacks {lost[0]}, an optional dependency of {path or 'the project'}"
    return ""


def _read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _expanded(
    groups: dict[str, Any], group: str, outer: tuple[str, ...]
) -> Iterator[str]:
    """Yield the requirements of ``group`` with the groups that it includes (PEP 735).

    Raises UsageError when groups include each other.
    """
    name = _plain(group)
    if name in outer:
        raise UsageError(
            f"dependency groups include each other: {' -> '.join((*outer, name))}",
            "take one of the include-group entries out of pyproject.toml",
        )
    for item in groups.get(name, []):
        if isinstance(item, str):
            yield item
        else:
            yield from _expanded(groups, item["include-group"], (*outer, name))


def _plain(group: str) -> str:
    """Return a group's name as PEP 735 compares it."""
    return re.sub(r"[-_.]+", "-", group).lower()
