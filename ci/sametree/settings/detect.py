"""What does a look at the project tell, so that settings need few lines?"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from sametree import git
from sametree.settings.model import Component, Database, Language

MARKS: dict[str, Language] = {"pyproject.toml": "python", "package.json": "node"}
"""The file that makes a folder a component, and its language."""
ALEMBIC = ("alembic.ini", "migrations/alembic.ini")
"""Where Alembic and Flask-Migrate keep their configuration."""
DEPTH = 3
"""How many folders below the project a component is looked for."""
SKIPPED = {"node_modules", "dist", "build", "reports", "site-packages"}


def language_of(folder: Path) -> Language | None:
    """Return the language whose mark lies in ``folder``; Python where both do."""
    for mark, language in MARKS.items():
        if (folder / mark).is_file():
            return language
    return None


def components(root: Path) -> tuple[Component, ...]:
    """Return the components below ``root``, in the order of their paths.

    Files that git ignores do not count; outside git, well-known folders of tools
    (``node_modules``, dot-folders, …) do not.
    """
    found: list[Component] = []
    for mark in sorted(_files(root)):
        path, _, file = mark.rpartition("/")
        language = MARKS.get(file)
        if language is None or path.count("/") >= DEPTH:
            continue
        if language == "python" and "project" not in _toml(root / mark):
            continue  # holds the settings of tools only
        own = _slug(Path(path).name or _project_name(root / mark))
        taken = {component.name for component in found}
        name = _free(own, language, taken)
        found.append(Component(name=name, path=path or ".", language=language))
    return tuple(found)


def database(root: Path, candidates: Iterable[Component]) -> Database | None:
    """Return the database of the first component that has migrations, if any."""
    for component in candidates:
        folder = root / component.path
        if any((folder / name).is_file() for name in ALEMBIC):
            return Database(component=component.name)
    return None


def _files(root: Path) -> Iterable[str]:
    known = git.files(root)
    if known is not None:
        return [name for name in known if (root / name).is_file()]
    listed: list[str] = []
    for folder, folders, names in os.walk(root):
        inside = Path(folder).relative_to(root)
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".") and name not in SKIPPED
            if len(inside.parts) < DEPTH
            and not Path(folder, name, "pyvenv.cfg").exists()
        ]
        listed += [(inside / name).as_posix() for name in names if name in MARKS]
    return listed


def _toml(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return {}


def _project_name(path: Path) -> str:
    table: object = None
    if path.suffix == ".json":
        with suppress(ValueError):
            table = json.loads(path.read_text(encoding="utf-8"))
    else:
        table = _toml(path).get("project")
    name = table.get("name") if isinstance(table, dict) else None
    return str(name or path.resolve().parent.name)


def _slug(name: str) -> str:
    plain = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_")
    plain = plain if plain[:1].isalpha() else f"component-{plain}"
    return plain[:30].strip("-")


def _free(name: str, language: Language, taken: set[str]) -> str:
    """Return a name like ``name`` that no component has yet."""
    candidates = (f"{name[:20]}-{language}-{number}" for number in range(2, 1000))
    for candidate in (name, f"{name[:22]}-{language}", *candidates):
        if candidate not in taken:
            return candidate
    return name
