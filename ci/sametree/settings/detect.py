"""What does a look at the project tell, so that settings need few lines?"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

from sametree import git
from sametree.settings.model import Component, Database, Language

MARKS: dict[str, Language] = {"pyproject.toml": "python", "package.json": "node"}
"""The file that makes a folder a component, and its language."""
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
    for name in sorted(_files(root)):
        path, _, file = name.rpartition("/")
        language = MARKS.get(file)
        if language is None or path.count("/") >= DEPTH:
            continue
        if language == "python" and "project" not in _toml(root / name):
            continue  # holds the settings of tools only
        own = _slug(Path(path).name or _project_name(root / name))
        taken = {component.name for component in found}
        own = f"{own}-{language}" if own in taken else own
        found.append(Component(name=own, path=path or ".", language=language))
    return tuple(found)


def database(root: Path, candidates: Iterable[Component]) -> Database | None:
    """Return the database of the one component that has an ``alembic.ini``, if any."""
    for component in candidates:
        if (root / component.path / "alembic.ini").is_file():
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
    if path.suffix == ".json":
        table: object = json.loads(path.read_text(encoding="utf-8"))
    else:
        table = _toml(path).get("project")
    name = table.get("name") if isinstance(table, dict) else None
    return str(name or path.resolve().parent.name)


def _slug(name: str) -> str:
    plain = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_")[:30]
    return plain if plain[:1].isalpha() else f"component-{plain}".strip("-")
