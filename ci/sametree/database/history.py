"""What is a component's migration history, as one name: the same name, the same schema?

In it are Alembic's configuration, all files in the folders of the migrations (env.py,
the revisions, the SQL beside them), and the lock with Alembic, SQLAlchemy and the driver.
A revision that imports modules of the component, or reads files, depends on more than
itself; then all sources of the component count, and of the components it depends on.
Models that only env.py imports do not count: they judge a schema, they do not make it.
"""

from __future__ import annotations

import ast
import configparser
import functools
import hashlib
import os
import re
import sys
import tokenize
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from sametree import files, fingerprint, git
from sametree.settings import Component, Project
from sametree.settings.detect import ALEMBIC

READING = frozenset(
    "open read_text read_bytes resources pkgutil import_module __import__ exec eval"
    " glob rglob iterdir listdir walk subprocess".split()
)
"""Names with which a revision takes in more than is written in it."""
NOT_OWN = frozenset({"alembic", "sqlalchemy", *sys.stdlib_module_names})
"""Modules that are nobody's own, also where a folder of migrations has their name."""
MAKING = ("cluster.py", "initdb.py", "given.py", "sqlite.py", "templates.py")
"""Of our own modules, those that have a part in how a template comes out."""
SKIPPED = frozenset("__pycache__ node_modules tests test .git".split())
_TEST = re.compile(r"(test_.*|.*_test|conftest)\.py")
_SEPARATORS = re.compile(r"[\s,;]+")


def digest(
    project: Project, component: Component, lock: Path, variables: Mapping[str, str]
) -> str:
    """Return the name of the history of ``component``.

    ``lock`` pins the packages with which migrations run, and ``variables`` is what they
    get of the environment by declaration. Without migrations it is the name of having none.
    """
    folder = project.folder(component)
    parts = [programs(), fingerprint.interpreter(), fingerprint.platform()]
    for name, value in sorted(variables.items()):
        parts += [name, value]
    parts.append(_summed(lock))
    config = configuration(folder)
    if config is None:
        return files.digest(*parts, "no migrations")
    places, known = locations(folder, config)
    taken = {config, *(each for place in places for each in _below(place))}
    whole = [component, *(project.component(name) for name in component.depends)]
    folders = [project.folder(each) for each in whole]
    if not known or any(_looks_further(each, folders) for each in taken):
        for each in whole:
            taken.update(sources(project, each))
    for path in sorted(taken):
        parts += [os.path.relpath(path, project.base), _summed(path)]
    return files.digest(*parts)


@functools.cache
def programs() -> str:
    """Return the digest of our own programs that make a template."""
    package = Path(__file__).parent.parent
    found = [package / "database" / name for name in MAKING]
    found.append(package / "inside" / "sametree_flask.py")
    found += (package / "inside" / "sametree_migrate").rglob("*.py")
    return files.digest(*(path.read_bytes() for path in sorted(found)))


def configuration(folder: Path) -> Path | None:
    """Return Alembic's configuration of the component in ``folder``, if there is one."""
    named = (folder / name for name in ALEMBIC)
    return next((path for path in named if path.is_file()), None)


def locations(folder: Path, config: Path) -> tuple[list[Path], bool]:
    """Return the folders with env.py and revisions, and whether these are all.

    They are not where the configuration names one that we do not find: Alembic may
    (alembic.sqlalchemy.org/en/latest/tutorial.html, ``script_location``).
    """
    parser = configparser.ConfigParser({"here": str(config.parent.resolve())})
    try:
        parser.read(config, encoding="utf-8")
        script = parser.get("alembic", "script_location", fallback="")
        versions = parser.get("alembic", "version_locations", fallback="")
    except (configparser.Error, UnicodeDecodeError):
        return [config.parent], False
    # Flask-Migrate's configuration lies in the folder itself, and names none.
    named = [script or str(config.parent.resolve())]
    named += _split(versions)
    found = [_folder(folder, each) for each in named]
    return [place for place in found if place], None not in found


def sources(project: Project, component: Component) -> Iterator[Path]:
    """Yield the files of a component, without its tests and what git ignores."""
    folder = project.folder(component)
    listed = git.files(folder)
    if listed is None:
        yield from _below(folder)
        return
    for name in listed:
        path = folder / name
        if not SKIPPED.intersection(name.split("/")) and path.is_file():
            if not _TEST.fullmatch(path.name):
                yield path


def _split(text: str) -> list[str]:
    """Return the places in a list of them, whichever separator it has."""
    words = [word for word in _SEPARATORS.split(text) if word]
    found: list[str] = []
    for word in words:
        apart = word.split(":")
        # A colon separates either places, or a package from a folder in it.
        by_colon = len(apart) > 1 and all(os.path.isabs(part) for part in apart)
        found += apart if by_colon else [word]
    return found


def _folder(folder: Path, named: str) -> Path | None:
    package, colon, inside = named.partition(":")
    place = folder / named
    if colon and not place.is_dir():
        path = package.replace(".", "/")
        likely = (folder / path / inside, folder / "src" / path / inside)
        place = next((each for each in likely if each.is_dir()), place)
    return place if place.is_dir() else None


def _below(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [
            name
            for name in folders
            if name not in SKIPPED and not name.startswith(".")
            if not Path(place, name, "pyvenv.cfg").exists()
        ]
        yield from (Path(place, name) for name in names if not name.endswith(".pyc"))


def _looks_further(path: Path, folders: Sequence[Path]) -> bool:
    """Return whether the revision ``path`` depends on other files of the component."""
    if path.suffix != ".py" or path.name == "env.py":
        return False
    try:
        with tokenize.open(path) as file:
            text = file.read()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (OSError, ValueError, SyntaxError, RecursionError):
        return True
    if any(_is_own(folders, name) for name in _imported(tree)):
        return True
    return any(name in READING for name in _named(tree))


def _imported(tree: ast.Module) -> Iterator[str]:
    """Yield the top names of what is imported; empty for a relative import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name.partition(".")[0] for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "" if node.level else (node.module or "").partition(".")[0]


def _named(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from _words(each.name for each in node.names)


def _words(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        yield from name.split(".")


def _is_own(folders: Sequence[Path], name: str) -> bool:
    """Return whether a module called ``name`` lies in one of ``folders``."""
    if not name or name in NOT_OWN:
        return not name
    places = (base for folder in folders for base in (folder, folder / "src"))
    return any(
        (base / f"{name}.py").is_file() or (base / name).is_dir() for base in places
    )


def _summed(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        return f"unreadable: {error.strerror}"
