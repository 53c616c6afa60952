"""What is this project? ``load`` answers from ``[tool.sametree]`` and from a look."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from sametree.errors import SettingsError, UsageError
from sametree.settings import decode, detect
from sametree.settings.model import Component, Coverage, Database, Release, Settings

__all__ = ["Component", "Coverage", "Database", "Project", "Settings", "load", "schema"]

FILE = "pyproject.toml"
TABLE = "tool.sametree"
RELEASES = "releases"
"""The folder of packed releases, beside what each component's build made."""


class Project(msgspec.Struct, frozen=True, dict=True):
    """A project: its folder, and its settings with all that was found by looking.

    A copy of a project, on which a unit is audited, has the project's own folder as
    ``home``: what is made and kept belongs there.
    """

    root: Path
    settings: Settings
    home: Path | None = None

    @property
    def base(self) -> Path:
        """The project's own folder, also where this is a copy."""
        return self.home or self.root

    @property
    def components(self) -> tuple[Component, ...]:
        """All components, in the order of the settings."""
        return self.settings.components

    @property
    def state(self) -> Path:
        """The folder of what the suite keeps between runs; git ignores it."""
        return self.base / ".sametree"

    @property
    def reports(self) -> Path:
        """The folder of test and coverage reports."""
        return self.base / self.settings.reports

    @property
    def dist(self) -> Path:
        """The folder of what ``build`` makes."""
        return self.base / self.settings.dist

    def component(self, name: str) -> Component:
        """Return the component called ``name``; raises UsageError when there is none."""
        named = {component.name: component for component in self.components}
        if name not in named:
            known = ", ".join(named) or "none"
            raise UsageError(f"there is no component {name!r}; there is {known}")
        return named[name]

    def folder(self, component: Component) -> Path:
        """Return the folder of ``component``."""
        known = self._folders.get(component.path)
        return known or (self.root / component.path).resolve()

    @functools.cached_property
    def _folders(self) -> dict[str, Path]:
        """The folder of each path; with a thousand components it is asked for often."""
        paths = {component.path for component in self.components}
        return {path: (self.root / path).resolve() for path in paths}

    def nested(self, component: Component) -> list[str]:
        """Return the paths, relative to ``component``, of components inside it."""
        own = f"{self.folder(component)}/"
        return sorted(
            str(place).removeprefix(own)
            for place in self._folders.values()
            if str(place).startswith(own)
        )

    def gate(self, component: Component) -> Coverage:
        """Return the coverage that the tests of ``component`` have to reach."""
        return component.coverage or self.settings.coverage

    def has_database(self, component: Component) -> bool:
        """Return whether ``component`` is the one that works on the database."""
        database = self.settings.database
        return database is not None and database.component == component.name


def load(root: Path) -> Project:
    """Return the project in folder ``root``.

    Raises SettingsError with all problems at once: file, line, key, what is wrong,
    and for an unknown key the nearest valid one.
    """
    root = root.resolve()
    file = root / FILE
    try:
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(FILE, [f"not valid TOML: {error}"]) from None
    tools = document.get("tool", {})
    if not isinstance(tools, dict):
        raise SettingsError(FILE, [f"tool: expected a table (it is {tools!r})"])
    table = tools.get("sametree", {})
    found = list(decode.problems(table, Settings))
    if not found:
        settings = _completed(root, decode.convert(table, Settings))
        found = list(_contradictions(root, settings))
        if not found:
            return Project(root, settings)
    raise SettingsError(
        FILE,
        [_described(text, problem) for problem in found],
        "see docs/settings.md, or print all keys with `sametree schema`",
    )


def schema() -> dict[str, object]:
    """Return the JSON Schema (draft 2020-12) of ``[tool.sametree]``."""
    made = msgspec.json.schema(Settings)
    for definition in made["$defs"].values():
        definition["additionalProperties"] = False
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, "title": f"[{TABLE}] of {FILE}", **made}


def _completed(root: Path, settings: Settings) -> Settings:
    """Fill in what the settings leave to a look at the project."""
    named = settings.components or detect.components(root)
    components = tuple(
        msgspec.structs.replace(
            component,
            language=component.language or detect.language_of(root / component.path),
        )
        for component in named
    )
    database = settings.database or detect.database(root, components)
    return msgspec.structs.replace(settings, components=components, database=database)


def _contradictions(root: Path, settings: Settings) -> Sequence[decode.Problem]:
    """Return what is well-formed but cannot be true of this project."""
    wrong: list[decode.Problem] = []
    names = [component.name for component in settings.components]
    for index, component in enumerate(settings.components):
        folder = root / component.path
        place = ("components", index)
        if names.index(component.name) != index:
            wrong.append(
                decode.Problem(
                    (*place, "name"),
                    f"{component.name!r} is used twice; names are unique",
                )
            )
        if not folder.is_dir():
            wrong.append(
                decode.Problem(
                    (*place, "path"),
                    f"there is no folder {component.path!r} (component"
                    f" {component.name!r}); correct the path or remove the component",
                )
            )
        elif component.language is None:
            marks = " or ".join(detect.MARKS)
            wrong.append(
                decode.Problem(
                    (*place, "language"),
                    f"cannot be told from {component.path!r}: it has no {marks};"
                    " add one, or set language",
                )
            )
    groups = {"dev", "lint", "tests", "build"}
    for index, name in enumerate(names):
        if name in groups:
            wrong.append(
                decode.Problem(
                    ("components", index, "name"),
                    f"{name!r} is the name of a lock; call the component otherwise",
                )
            )
        if name == RELEASES:
            wrong.append(
                decode.Problem(
                    ("components", index, "name"),
                    f"{name!r} is where releases are, below `dist`; call it otherwise",
                )
            )
    wrong += _places(root, settings)
    wrong += _named(settings)
    if settings.variables:
        from sametree.settings import variables

        wrong += variables.problems(settings)
    if settings.environments or any(each.run for each in settings.components):
        from sametree.settings import environments

        wrong += environments.problems(settings)
    if settings.release != Release():
        from sametree.settings import releases

        wrong += releases.problems(settings)
    if settings.database and settings.database.component not in names:
        wrong.append(
            decode.Problem(
                ("database", "component"),
                f"there is no component {settings.database.component!r};"
                f" there is {', '.join(names) or 'none'}",
            )
        )
    return wrong


def _named(settings: Settings) -> Iterator[decode.Problem]:
    """Yield where a component is named that does not exist, or that is no other one."""
    names = [component.name for component in settings.components]
    listed: list[tuple[decode.Path, Sequence[str]]] = [
        (("components", index, "depends"), component.depends)
        for index, component in enumerate(settings.components)
    ]
    for key, named in (*listed, (("ci", "audited"), settings.ci.audited)):
        for index, name in enumerate(named):
            if name not in names:
                near = decode.nearest(name, names, "components")
                text = f"there is no component {name!r}; {near}"
                yield decode.Problem((*key, index), text)
            elif key[0] == "components" and name == names[int(key[1])]:
                yield decode.Problem(
                    (*key, index), "a component depends on itself anyway"
                )


def _places(root: Path, settings: Settings) -> Sequence[decode.Problem]:
    """Return which folders cannot be what they shall be: they are emptied at times."""
    wrong = []
    sources = [(root / component.path).resolve() for component in settings.components]
    for key in ("locks", "reports", "dist"):
        place = (root / getattr(settings, key)).resolve()
        if place == root or not place.is_relative_to(root):
            text = "has to be a folder inside the project"
        elif key != "locks" and any(
            source != root and source.is_relative_to(place) for source in sources
        ):
            text = "holds a component; name a folder that may be emptied"
        else:
            continue
        wrong.append(decode.Problem((key,), text))
    return wrong


def _described(text: str, problem: decode.Problem) -> str:
    line = decode.line_of(text, TABLE, problem.key)
    where = f"line {line}: " if line else ""
    return f"{where}{decode.dotted(TABLE, problem.key)}: {problem.text}"
