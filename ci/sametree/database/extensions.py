"""Which extensions does a component create in its database, and where is that written?

Looked for are ``CREATE EXTENSION`` in strings of Python files (migrations, models, DDL
of SQLAlchemy) and in SQL files, and ``PGExtension`` of alembic_utils. Comments and
docstrings do not count.
"""

from __future__ import annotations

import ast
import re
import tokenize
import warnings
from collections.abc import Iterator
from pathlib import Path

import msgspec

from sametree import git
from sametree.settings import Project

LARGEST = 4 << 20
"""Bytes; a larger file is data."""
SETTINGS = "pyproject.toml"
_CREATE = re.compile(
    r"\bCREATE\s+EXTENSION\s+(?:IF\s+NOT\s+EXISTS\s+)?(?:\"([^\"]+)\"|([A-Za-z_][\w$]*))",
    re.IGNORECASE,
)
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_QUICK = re.compile(rb"extension", re.IGNORECASE)
_SKIPPED = frozenset("node_modules __pycache__ site-packages".split())


class Created(msgspec.Struct, frozen=True, order=True):
    """An extension, and the first line that creates it."""

    name: str
    file: str  # relative to the project
    line: int = 0

    @property
    def reason(self) -> str:
        """Who wants it: ``migrations/versions/0003_names.py:12 creates``."""
        return f"{self.file}:{self.line} creates" if self.line else f"{self.file} names"


def of_project(project: Project) -> tuple[Created, ...]:
    """Return the extensions that the component of the database needs, by name: those
    that its sources create and those that settings name."""
    database = project.settings.database
    known = {component.name: component for component in project.components}
    if database is None or database.component not in known:
        return ()
    found: dict[str, Created] = {}
    folder = project.folder(known[database.component])
    for path in sorted(sources(folder)):
        for name, line in created(path):
            inside = path.relative_to(project.base) if line else path
            found.setdefault(name, Created(name, inside.as_posix(), line))
    for name in database.extensions:
        found.setdefault(name, Created(name, SETTINGS))
    return tuple(sorted(found.values()))


def sources(folder: Path) -> Iterator[Path]:
    """Yield the Python and SQL files below ``folder`` that git does not ignore and that
    speak of an extension."""
    asked = ("--untracked", "-I", "-l", "-i", "-z", "-e", "extension")
    listed = git.run(folder, "grep", *asked, "--", "*.py", "*.sql")
    if listed is not None:
        yield from (folder / name for name in listed.split("\0") if name)
        return
    if git.run(folder, "rev-parse") is not None:
        return  # inside git, and nothing was found
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        if any(part.startswith(".") or part in _SKIPPED for part in parts):
            continue
        if path.suffix in (".py", ".sql") and _speaks_of_it(path):
            yield path


def created(path: Path) -> list[tuple[str, int]]:
    """Return the extensions that file ``path`` creates, each with its line."""
    try:
        if path.stat().st_size > LARGEST:
            return []
        if path.suffix == ".sql":
            return _in_sql(path.read_text(encoding="utf-8", errors="replace"))
        with tokenize.open(path) as file:
            text = file.read()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the component's own escapes
            tree = ast.parse(text)
    except (OSError, ValueError, SyntaxError, RecursionError):
        return []  # whoever runs it will say what is wrong with it
    return sorted(_in_python(tree), key=lambda each: each[1])


def _in_sql(text: str, line: int = 1) -> list[tuple[str, int]]:
    plain = _COMMENT.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
    return [
        (_folded(found), line + plain.count("\n", 0, found.start()))
        for found in _CREATE.finditer(plain)
    ]


def _in_python(tree: ast.Module) -> Iterator[tuple[str, int]]:
    ignored = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        if node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in ignored:
                yield from _in_sql(node.value, node.lineno)
        elif isinstance(node, ast.Call) and _called(node.func) == "PGExtension":
            named = [k.value for k in node.keywords if k.arg == "signature"]
            for value in [*named, *node.args[1:2]]:
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield value.value, node.lineno


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _folded(found: re.Match[str]) -> str:
    """Return a name as PostgreSQL has it: in lower case, unless it is quoted."""
    quoted, plain = found.groups()
    return str(quoted or plain.lower())


def _speaks_of_it(path: Path) -> bool:
    try:
        return path.stat().st_size <= LARGEST and bool(_QUICK.search(path.read_bytes()))
    except OSError:
        return False
