"""What does a migration file say of itself: its phase, its waivers, what it imports?

All is read from the text (``ast``, ``tokenize``); no migration is imported for it.
"""

from __future__ import annotations

import ast
import difflib
import io
import re
import tokenize
from collections.abc import Collection
from pathlib import Path

import msgspec

from sametree.database.history import READING
from sametree.database.measured import Phase

WAIVER = re.compile(r"#\s*sametree:\s*allow\b\s*(?P<rule>[\w-]*)\s*(?P<rest>.*)")
MEANT = re.compile(r"#\s*sametree\b")


class Waiver(msgspec.Struct, frozen=True):
    """A finding that is allowed in one file, and why."""

    rule: str
    reason: str
    line: int


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a migration file says of itself.

    ``problems`` are mistakes, each with its line. ``imports`` are the modules of the
    application that it imports, with the line; ``reads`` says that it takes in more
    than is written in it (files, code). ``upgrade`` and ``downgrade`` are the
    lines where these functions begin, 0 where there is none.
    """

    phase: Phase = "expand"
    waivers: tuple[Waiver, ...] = ()
    imports: tuple[tuple[str, int], ...] = ()
    reads: bool = False
    upgrade: int = 0
    downgrade: int = 0
    problems: tuple[tuple[int, str], ...] = ()


def read(file: Path, folder: Path, own: Path, rules: Collection[str]) -> Said:
    """Return what ``file`` says, a migration of the component in ``folder``.

    ``own`` is the folder of the migrations, whose modules are no application's;
    ``rules`` are those that can be waived. A file that Python cannot read says nothing:
    that it does not run is told when it is run.
    """
    try:
        with tokenize.open(file) as opened:
            text = opened.read()
        tree = ast.parse(text)
    except (OSError, SyntaxError, UnicodeDecodeError):
        return Said()
    phase, problems = _phase(tree)
    waivers, wrong = _waivers(text, rules)
    functions = {
        node.name: node.lineno
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
    }
    return Said(
        phase=phase,
        waivers=tuple(waivers),
        imports=tuple(_imports(tree, folder, own)),
        reads=not READING.isdisjoint(_names(tree)),
        upgrade=functions.get("upgrade", 0),
        downgrade=functions.get("downgrade", 0),
        problems=tuple(problems + wrong),
    )


def _phase(tree: ast.Module) -> tuple[Phase, list[tuple[int, str]]]:
    """Return the value of ``phase = "contract"`` at the top of a module."""
    found: Phase = "expand"
    problems = []
    for node in tree.body:
        target: ast.expr | None = None
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
        elif isinstance(node, ast.AnnAssign):
            target = node.target
        if not isinstance(target, ast.Name) or target.id != "phase":
            continue
        assert isinstance(node, (ast.Assign, ast.AnnAssign))
        value = node.value.value if isinstance(node.value, ast.Constant) else None
        if value == "contract" or value == "expand":
            found = "contract" if value == "contract" else "expand"
        else:
            problems.append((node.lineno, 'phase is "expand" or "contract"'))
    return found, problems


def _waivers(
    text: str, rules: Collection[str]
) -> tuple[list[Waiver], list[tuple[int, str]]]:
    found, problems = [], []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT or not MEANT.match(token.string):
            continue
        line, waiver = token.start[0], WAIVER.match(token.string)
        if waiver is None:
            problems.append((line, "a waiver is `# sametree: allow RULE: reason`"))
            continue
        rule, rest = waiver["rule"], waiver["rest"]
        reason = rest.removeprefix(":").strip() if rest.startswith(":") else ""
        if rule not in rules:
            near = difflib.get_close_matches(rule, rules, n=1, cutoff=0.0)
            meant = f"; did you mean {near[0]}?" if near else ""
            problems.append(
                (line, f"there is no rule {rule or 'without a name'}{meant}")
            )
        elif not re.search(r"\w", reason):
            told = f"say why: `# sametree: allow {rule}: because …`"
            problems.append((line, f"the waiver of {rule} has no reason; {told}"))
        else:
            found.append(Waiver(rule, reason, line))
    return found, problems


def _imports(tree: ast.Module, folder: Path, own: Path) -> list[tuple[str, int]]:
    """Return the modules of the application that are imported, wherever it is done."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, (ast.Import, ast.ImportFrom)):
            continue
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif node.module and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            place = _place(name, folder)
            if place is not None and not place.is_relative_to(own.resolve()):
                told = node.module if isinstance(node, ast.ImportFrom) else name
                found.append((told or name, node.lineno))
                break
    return sorted(found, key=lambda each: each[1])


def _names(tree: ast.Module) -> set[str]:
    """Return all names that are used, of variables, attributes and modules."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.alias):
            found |= set(node.name.split("."))
    return found


def _place(name: str, folder: Path) -> Path | None:
    """Return the file or folder that a module is, where it is in the component."""
    for base in (folder, folder / "src"):
        found: Path | None = None
        place = base.resolve()
        for part in name.split("."):
            place = place / part
            if place.is_dir() and (found or any(place.glob("*.py"))):
                found = place
            elif place.with_suffix(".py").is_file():
                found = place.with_suffix(".py")
                break
            else:
                break
        if found is not None:
            return found
    return None
