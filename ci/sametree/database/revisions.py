"""Which migrations does a folder of sources have, and in which order do they run?

Read from the text of the files: nothing is imported, and Alembic need not be there.
"""

from __future__ import annotations

import ast
import configparser
import tokenize
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from sametree.database import history, phases
from sametree.database.measured import Phase
from sametree.errors import UsageError


class Revision(msgspec.Struct, frozen=True):
    """A migration as its file says it. ``down`` are those it comes after, ``needs``
    those it depends on beside them."""

    revision: str
    phase: Phase
    down: tuple[str, ...]
    needs: tuple[str, ...]


def read(folder: Path) -> list[Revision]:
    """Return the migrations of the component whose sources are in ``folder``.

    Sorted by revision; none where the component has no migrations. Raises UsageError
    when they cannot be found, or one cannot be read without running it.
    """
    config = history.configuration(folder)
    if config is None:
        return []
    places, known = history.locations(folder, config)
    if not known:
        raise UsageError(
            f"the folders of migrations that {config.name} names are not all in the"
            " component",
            "let script_location and version_locations lead to folders of its own",
        )
    found: dict[str, Revision] = {}
    for file in sorted(set(_files(places, config))):
        told = _told(file, folder, places[0])
        if told is None:
            continue
        if told.revision in found:
            raise UsageError(f"two migrations are called {told.revision}")
        found[told.revision] = told
    names = list(found)
    return [
        msgspec.structs.replace(
            each,
            down=tuple(_whole(name, names) for name in each.down),
            needs=tuple(_whole(name, names) for name in each.needs),
        )
        for _, each in sorted(found.items())
    ]


def heads(revisions: Sequence[Revision]) -> list[str]:
    """Return the newest: those that no other comes after."""
    below = {name for each in revisions for name in each.down}
    return sorted(each.revision for each in revisions if each.revision not in below)


def _files(places: Sequence[Path], config: Path) -> Iterator[Path]:
    """Yield the files in which Alembic looks for revisions."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(config, encoding="utf-8")  # it could be read before
    told = parser.get("alembic", "recursive_version_locations", fallback="")
    deep = told.strip().lower() in ("true", "1", "yes", "on")
    # After the folder with env.py come those that version_locations names.
    for place in places[1:] or [places[0] / "versions"]:
        yield from place.rglob("*.py") if deep else place.glob("*.py")


def _told(file: Path, folder: Path, own: Path) -> Revision | None:
    """Return what a file says; None when it is no migration (``env.py``)."""
    try:
        with tokenize.open(file) as opened:
            tree = ast.parse(opened.read())
    except (OSError, SyntaxError, ValueError) as error:
        raise UsageError(
            f"{file.relative_to(folder)} cannot be read: {error}"
        ) from None
    values = dict(_assigned(tree))
    if "revision" not in values:
        return None
    names = _names(values["revision"])
    down, needs = (_names(values.get(each)) for each in ("down_revision", "depends_on"))
    if names is None or len(names) != 1 or down is None or needs is None:
        raise UsageError(
            f"{file.relative_to(folder)}: revision, down_revision and depends_on have to"
            " be written out: a release tells its migrations without running them",
            'revision = "…" and down_revision = "…", as `invoke migrate.new` writes them',
        )
    return Revision(names[0], phases.read(file, folder, own, ()).phase, down, needs)


def _assigned(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Yield names and values of the assignments at the top of a module."""
    for node in tree.body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield target.id, node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            if isinstance(node.target, ast.Name):
                yield node.target.id, node.value


def _names(value: ast.expr | None) -> tuple[str, ...] | None:
    """Return the revisions that are written as a name, several, or None."""
    try:
        told = ast.literal_eval(value) if value is not None else None
    except (ValueError, TypeError, SyntaxError, RecursionError):
        return None
    listed = [told] if isinstance(told, str) else told or ()
    if not isinstance(listed, (tuple, list, set)):
        return None
    return tuple(listed) if all(isinstance(each, str) for each in listed) else None


def _whole(name: str, known: Sequence[str]) -> str:
    """Return the revision that ``name`` is, or is the beginning of (as Alembic has it)."""
    if name in known:
        return name
    likely = [each for each in known if each.startswith(name)]
    return likely[0] if len(likely) == 1 else name
