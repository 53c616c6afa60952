"""lock: pin every package that a session installs, with the hashes of its files."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from sametree import files, steps, surroundings, terminal
from sametree.errors import SurroundingsError, UsageError
from sametree.settings import Component, Project
from sametree.steps import Step
from sametree.toolchains import environments, locks
from sametree.units.work import cores


def lock(project: Project, args: Sequence[str]) -> None:
    """Make every lock anew. No Python lock is written when one cannot be made."""
    upgrade = arguments(args)
    _refuse_unknown(project, upgrade or ())
    env = surroundings.clean()
    texts = _python(project, upgrade, env)
    for component in project.components:
        if component.language == "node":
            _node(project, component, upgrade, env)
    for path, text in texts.items():
        changed = not path.exists() or path.read_text(encoding="utf-8") != text
        if changed:
            files.write_atomically(path, text)
        word = "changed" if changed else "unchanged"
        terminal.say(f"  {path.relative_to(project.root)}  {word}")


def arguments(args: Sequence[str]) -> Sequence[str] | None:
    """Return what to upgrade: None for nothing, an empty list for all, else names."""
    parser = argparse.ArgumentParser(prog="nox -s lock --", add_help=False)
    parser.add_argument("--upgrade", nargs="*", metavar="NAME")
    options, unknown = parser.parse_known_args(args)
    if unknown:
        raise UsageError(
            f"lock does not know {' '.join(unknown)}",
            "nox -s lock [-- --upgrade [NAME ...]]",
        )
    named: list[str] | None = options.upgrade
    return named


def _refuse_unknown(project: Project, names: Sequence[str]) -> None:
    """Raise UsageError for a package that no lock of ``project`` has."""
    known = set()
    for lock in locks.of_project(project):
        if lock.path.exists():
            text = lock.path.read_text(encoding="utf-8")
            known |= {line.partition("==")[0] for line in text.splitlines()}
    for component in project.components:
        if component.language == "node":
            known |= _asked(project.folder(component))
    if missing := [name for name in names if name not in known]:
        raise UsageError(
            f"no lock has {', '.join(missing)}",
            "write the names as the locks and package.json have them",
        )


def _asked(folder: Path) -> set[str]:
    """Return the packages that the package.json in ``folder`` asks for."""
    package = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    kinds = ("dependencies", "devDependencies", "optionalDependencies")
    return {name for kind in kinds for name in package.get(kind, {})}


def _python(
    project: Project, upgrade: Sequence[str] | None, env: Mapping[str, str]
) -> dict[Path, str]:
    """Resolve all Python locks side by side; return their texts."""
    known = locks.of_project(project)
    with tempfile.TemporaryDirectory(prefix="sametree-lock-") as scratch:
        outs = {lock.name: Path(scratch, lock.path.name) for lock in known}
        for each in known:
            if each.path.exists():  # what is pinned stays, where it can
                old = locks.body_of(each.path.read_text(encoding="utf-8"))
                outs[each.name].write_text(old)
        uv = environments.uv()
        todo = [locks.compile_step(k, uv, upgrade, outs[k.name]) for k in known]
        for outcome in steps.run_together(todo, env, 2 * cores()):
            if not outcome.passed:
                raise SurroundingsError(
                    f"{outcome.step.name}.txt cannot be resolved:\n"
                    + outcome.output.strip(),
                    "change the requirement in pyproject.toml, or check the network",
                )
        return {
            each.path: locks.text_of(each, outs[each.name].read_text())
            for each in known
        }


def _node(
    project: Project,
    component: Component,
    upgrade: Sequence[str] | None,
    env: Mapping[str, str],
) -> None:
    """Make package-lock.json anew, without a registry's address."""
    folder = project.folder(component)
    options = (
        *("--package-lock-only", "--no-audit", "--no-fund", "--loglevel=error"),
        *("--omit-lockfile-registry-resolved", "--ignore-scripts"),
    )
    npm = environments.npm()
    argvs = [(*npm, "install", *options)]
    if upgrade is not None and not upgrade:
        argvs = [(*npm, "update", *options)]
    elif upgrade:
        named = [f"{name}@latest" for name in upgrade if name in _asked(folder)]
        argvs = [(*npm, "install", "--save-exact", *options, *named)] if named else []
    node = environments.with_path(env, environments.node())
    for argv in argvs:
        done = steps.run(Step(name="npm", argv=argv, cwd=folder), node)
        if not done.passed:
            raise SurroundingsError(
                f"{component.path}/package-lock.json cannot be made:\n"
                + done.output.strip(),
                "change package.json, or check the network",
            )
        terminal.say(f"  {component.path}/package-lock.json  made")
