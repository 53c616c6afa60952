"""Which declared variables does each component get here, and which are missing?

A value is looked for in the environment, in ``.env`` of the component's folder and of
the project's (on a developer's machine only), and in the settings. What is set but
empty counts as not set, except for a ``str``.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from sametree import files, masking
from sametree.digests import digest
from sametree.errors import SurroundingsError
from sametree.surroundings import allowed, env_files, values
from sametree.surroundings.env_files import EnvFile

if TYPE_CHECKING:
    from sametree.settings import Project
    from sametree.settings.model import Settings, Variable

ENVIRONMENT = "SAMETREE_ENVIRONMENT"
LOCAL, CI = "local", "ci"
TOLD = "told"
"""File in the state folder: digests of the notes that were told in this checkout."""


class Wrong(NamedTuple):
    """A variable that is missing or malformed, and the components that need it."""

    name: str
    text: str
    components: tuple[str, ...]


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """What the declared variables of a project are here and now.

    ``values`` has, by component, what its steps get; ``types`` the types by name.
    ``hidden`` is what nobody may read, ``files`` are the ``.env`` files that were read.
    ``warnings`` are for every run, ``notes`` to be told once.
    """

    environment: str
    values: Mapping[str, Mapping[str, str]] = {}
    types: Mapping[str, str] = {}
    wrong: tuple[Wrong, ...] = ()
    hidden: frozenset[str] = frozenset()
    files: tuple[EnvFile, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Declared {', '.join(self.types)} ({self.environment})>"

    def of(self, component: str) -> dict[str, str]:
        """Return what the steps of ``component`` get."""
        return dict(self.values.get(component, {}))

    def require(self, components: Iterable[str]) -> None:
        """Raise SurroundingsError, which names every variable that ``components`` need
        and that is missing or malformed; never a secret's value."""
        asked = set(components)
        lacking = [wrong for wrong in self.wrong if asked & {*wrong.components}]
        if not lacking:
            return
        listed = "".join(
            f"\n  {wrong.name}: {wrong.text}"
            f"\n      for {', '.join(wrong.components)}; {self._default(wrong.name)}"
            for wrong in lacking
        )
        unread = "".join(f"\n  {each}" for each in _unread(self.files))
        place = "in the environment"
        if self.environment == LOCAL:
            place += " or in .env (of the project or the component)"
        raise SurroundingsError(
            f"variables are missing or malformed (environment: {self.environment}):"
            f"{listed}{unread}",
            f"set them {place}; defaults go into pyproject.toml",
        )

    def parts(self, component: str) -> dict[str, str]:
        """Return the parts of a fingerprint: ``variable:NAME`` and a digest of its
        value (SHA-256, 16 digits); of a secret only that it is set."""
        return {
            f"variable:{name}": self._digest(name, value)
            for name, value in sorted(self.of(component).items())
        }

    def record(self, component: str, env: Mapping[str, str]) -> dict[str, str]:
        """Return what a record says of ``env``, the environment of the component's
        steps: fixed and declared values; of secrets and all others only the names."""
        own = self.of(component)
        told = dict.fromkeys({*env, *own}, "")
        told |= {name: env[name] for name in allowed.FIXED if name in env}
        for name, value in own.items():
            kind = self.types[name]
            told[name] = "" if kind == "secret" else values.public(kind, value)
        return dict(sorted(told.items()))

    def _digest(self, name: str, value: str) -> str:
        kind = self.types[name]
        if kind == "secret":
            return "set"
        raw = values.public(kind, value).encode(errors="surrogateescape")
        return hashlib.sha256(raw).hexdigest()[:16]

    def _default(self, name: str) -> str:
        if self.types[name] == "secret":
            return "a secret has no default"
        return f"its default: tool.sametree.variables.{name}.default"


def look(project: Project, environ: Mapping[str, str] = os.environ) -> Declared:
    """Return what the declared variables of ``project`` are, after a look at its
    ``.env`` files. Nothing is raised for what is wrong: see :meth:`Declared.require`.
    """
    environment = environment_of(environ)
    settings, root = project.settings, project.root
    own: dict[str, Sequence[EnvFile]] = {}
    if settings.variables and environment == LOCAL:
        folders = {c.name: project.folder(c) for c in settings.components}
        inside = {root, *(each for each in folders.values() if root in each.parents)}
        read = {folder: env_files.read(root, folder) for folder in inside}
        for name, folder in folders.items():
            order = (read.get(folder), read[root] if folder != root else None)
            own[name] = [file for file in order if file]
    found = resolve(settings, own, environ, environment)
    if settings.variables or environment != LOCAL:
        return found
    if not (root / env_files.NAME).is_file():
        return found
    note = ".env is not read, since [tool.sametree.variables] declares nothing"
    return msgspec.structs.replace(found, notes=(note,))


def environment_of(environ: Mapping[str, str]) -> str:
    """Return the name of the environment: that of SAMETREE_ENVIRONMENT, else ``ci`` or
    ``local``."""
    from sametree import machine

    return environ.get(ENVIRONMENT) or (CI if machine.in_ci(environ) else LOCAL)


def resolve(
    settings: Settings,
    env_files_of: Mapping[str, Sequence[EnvFile]],
    environ: Mapping[str, str],
    environment: str,
) -> Declared:
    """Return what the declared variables are; ``env_files_of`` has, by component, the
    files that count for it, the nearest first."""
    found: dict[str, dict[str, str]] = {}
    wrong: dict[tuple[str, str], list[str]] = {}
    secret = allowed.credentials(environ)
    for component in settings.components:
        own = env_files_of.get(component.name, ())
        found[component.name] = {}
        for name, variable in settings.variables.items():
            if variable.components and component.name not in variable.components:
                continue
            sources = list(_sources(name, variable, own, environ, environment))
            for _, text in sources:
                secret |= values.hidden(variable.type, text)
            try:
                value = _chosen(variable, sources)
            except values.Malformed as error:
                wrong.setdefault((name, str(error)), []).append(component.name)
            else:
                found[component.name][name] = value
    every = list({f.path: f for own in env_files_of.values() for f in own}.values())
    secret |= {
        p for file in every for v in file.values.values() for p in masking.passwords(v)
    }
    return Declared(
        environment=environment,
        values=found,
        types={name: variable.type for name, variable in settings.variables.items()},
        wrong=tuple(Wrong(n, text, tuple(who)) for (n, text), who in wrong.items()),
        hidden=frozenset(secret - {""}),
        files=tuple(every),
        warnings=(*_unread(every), *_too_short(settings, found)),
        notes=tuple(_not_taken(settings, every)),
    )


def news(project: Project, declared: Declared) -> list[str]:
    """Return what is to be told: the warnings, and the notes that were not told in this
    checkout yet; its state folder remembers them."""
    new = {digest(note)[:16]: note for note in declared.notes}
    with suppress(OSError):  # one that cannot be remembered is told again
        memory = project.state / TOLD
        known = memory.read_text(errors="replace").split() if memory.exists() else []
        new = {name: note for name, note in new.items() if name not in known}
        if new:
            files.add_exclude_file(project.state)
            files.write_atomically(memory, "\n".join([*known, *new]) + "\n")
    committed = (_committed(project.root, file, declared) for file in declared.files)
    return [*declared.warnings, *filter(None, committed), *new.values()]


def _sources(
    name: str,
    variable: Variable,
    own: Sequence[EnvFile],
    environ: Mapping[str, str],
    environment: str,
) -> Iterator[tuple[str, str]]:
    """Yield where a variable has a value, and which, the one that counts first."""
    if name in environ:
        yield "the environment", environ[name]
    for file in own:
        if name in file.values:
            yield f"{file.path}, line {file.lines[name]}", file.values[name]
    default = variable.defaults.get(environment, variable.default)
    if default is not None:
        yield "its default", values.written(default)


def _chosen(variable: Variable, sources: Sequence[tuple[str, str]]) -> str:
    """Return the value that a step gets; raises Malformed, which says what is wrong."""
    told = f"; {variable.help}" if variable.help else ""
    for where, text in sources:
        if not text.strip() and variable.type != "str":
            continue
        try:
            return values.normalised(variable.type, text)
        except values.Malformed as error:
            raise values.Malformed(f"{error}, from {where}{told}") from None
    state = "is set, but empty" if sources else "is missing"
    raise values.Malformed(f"{state}; expected {values.EXPECTED[variable.type]}{told}")


def _unread(every: Iterable[EnvFile]) -> Iterator[str]:
    for file in every:
        if file.problem:
            yield f"{file.path} {file.problem}"
        if file.unread:
            which = ", ".join(str(line) for line in file.unread)
            yield f"{file.path}, line {which}: cannot be understood; write NAME=value"


def _too_short(
    settings: Settings, found: Mapping[str, Mapping[str, str]]
) -> Iterator[str]:
    for name, variable in settings.variables.items():
        given = {own[name] for own in found.values() if name in own}
        if variable.type == "secret" and any(not masking.forms(each) for each in given):
            yield (
                f"{name} cannot be hidden in what is printed: a secret has at least"
                f" {masking.SHORTEST} characters, and is no common word"
            )


def _not_taken(settings: Settings, every: Iterable[EnvFile]) -> Iterator[str]:
    """Yield what stands in .env files and reaches no step; never a value."""
    for file in every:
        left = [name for name in file.values if name not in settings.variables]
        ours = [n for n in left if n == "DATABASE_URL" or n.startswith("SAMETREE_")]
        if ours:
            yield (
                f"{file.path}: {', '.join(ours)} stays without effect: what steers the"
                f" suite is taken from the environment only (`export {ours[0]}=...`)"
            )
        others = [name for name in left if name not in ours]
        if others:
            yield (
                f"{file.path}: no step gets {', '.join(others)}, which nobody declared"
                " in [tool.sametree.variables]"
            )


def _committed(root: Path, file: EnvFile, found: Declared) -> str:
    """Return a warning where a .env file may get, or got, into git by mistake."""
    state = env_files.in_git(root, file)
    secrets = [n for n in file.values if found.types.get(n) == "secret"]
    if state == "tracked" and secrets:
        return (
            f"{file.path} is in git with a value for {', '.join(secrets)}: run `git rm"
            f" --cached {file.path}`, add it to .gitignore, and renew the secret"
        )
    if state == "not ignored":
        return f"{file.path} would be committed: add it to .gitignore"
    return ""
