"""pack: make the release of this tree, out of what was built for it.

``dist/releases/TREE`` then has all that is needed to run it elsewhere, without a network.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from sametree import files, git, machine, signatures, terminal, trees
from sametree import fingerprint as fingerprints
from sametree.artifacts import manifest as manifests
from sametree.artifacts import pack as packing
from sametree.artifacts import statement, verify, wheels
from sametree.artifacts.manifest import Manifest, Part, Revision
from sametree.artifacts.sources import Files
from sametree.database import revisions
from sametree.errors import SurroundingsError, UsageError
from sametree.settings import Component, Project
from sametree.toolchains import locks
from sametree.units import built, proving
from sametree.units.built import Built

Tell = Callable[[str], None]


def pack(project: Project, tell: Tell = lambda line: None) -> Path:
    """Return the folder of the release of ``project`` as it stands; make it when needed.

    One that is there and whole only gets the proofs and the commit that are known by
    now. Raises UsageError when there is nothing to deploy, no git, or a component that
    was not built for this tree, and SurroundingsError when a wheel cannot be had, the
    disk is full, or the sources change meanwhile.
    """
    releases = folder_of(project)
    files.add_exclude_file(project.state)
    with built.turn(project):
        tree = tree_of(project)
        parts = deployable(project)
        if not parts:
            raise UsageError(
                "there is nothing to deploy: no component has a command that runs it",
                'say it in [[tool.sametree.components]]: run = ["gunicorn", …]',
            )
        place = releases / tree.id
        known = packing.standing(place)
        told = built.of_tree(project, parts)
        missing = {name: each for name, each in told.items() if isinstance(each, str)}
        found = {n: each for n, each in told.items() if isinstance(each, Built)}
        if known is None or not (missing or _is_of(project, known, found)):
            if missing:
                raise _not_built(missing)
            _refuse_hidden(project, tree, parts)
            known = _made(project, tree, parts, found, tell)
        _vouch(project, place, known)
        packing.prune(releases, place)
    return place


def after_build(project: Project, component: Component) -> None:
    """Pack the release when ``component`` was the last of it to be built; say so."""
    parts = deployable(project)
    if component not in parts:
        return
    told = built.of_tree(project, parts)
    lacking = [name for name, each in told.items() if isinstance(each, str)]
    if lacking:
        return
    place = pack(project, lambda line: terminal.say(f"  {line}"))
    found = manifests.read(place)
    shown = (
        place.relative_to(project.base) if place.is_relative_to(project.base) else place
    )
    terminal.say(
        f"  release {shown}  digest {found.digest[: manifests.SHORT]},"
        f" {len(found.files)} files, {found.size / 1e6:.1f} MB"
    )


def folder_of(project: Project) -> Path:
    """Return the folder of the releases of ``project``."""
    return project.dist / packing.FOLDER


def deployable(project: Project) -> list[Component]:
    """Return the components that a release has: those with a command that runs them,
    and pages that are built."""
    return [
        each
        for each in project.components
        if each.run or (each.language == "node" and built.is_built(project, each))
    ]


def contents(
    project: Project,
    components: Sequence[Component],
    made: Path,
    sources: Files,
    outputs: Mapping[str, Path],
    trees_of: Mapping[str, str],
    tell: Tell,
) -> Manifest:
    """Fill the empty folder ``made`` with a release; return its manifest, unwritten.

    ``outputs`` has the folder with what was built, by component (a component that is
    not built runs from its sources alone), ``trees_of`` the trees of its sources.
    Locks and paths are those of ``project``.
    """
    parts, known, used = [], list[Revision](), dict[str, str]()
    heads: list[str] = []
    for component in components:
        name, folder = component.name, made / component.name
        folder.mkdir()
        wheel = ""
        if component.language == "node":
            packing.add_page(folder, outputs[name])
            lock = project.folder(component) / "package-lock.json"
            locked = [lock] if lock.exists() else []
        else:
            lock = locks.for_purpose(project, component, "run")
            own = packing.own_wheel(outputs[name]) if name in outputs else None
            wheel = own.name if own else ""
            below = fingerprints.place(project, component)
            paths = sources.below(below, project.nested(component))
            packing.add_python(
                folder,
                wheel=own,
                wheels=wheels.gather(lock, _cache(project), tell),
                lock=lock,
                source=lambda into: sources.write(paths, below, into),
            )
            more, newest = _revisions(project, component, folder / packing.SOURCE)
            known, heads = known + more, heads + newest
            locked = [lock, *_build_lock(project, component, own)]
        for each in locked:
            path = Path(os.path.relpath(each, project.root)).as_posix()
            used[path] = wheels.sha256(each)
        parts.append(
            Part(
                name=name,
                language=component.language or "python",
                tree=trees_of[name],
                wheel=wheel,
                run=component.run,
                routes=component.routes,
                health=component.health,
            )
        )
    return Manifest(
        schema=manifests.SCHEMA,
        tree=sources.id,
        python=manifests.python(),
        platform=fingerprints.platform(),
        files=packing.files_of(made),
        locks=dict(sorted(used.items())),
        components=tuple(parts),
        revisions=tuple(known),
        heads=tuple(heads),
    )


def _made(
    project: Project,
    tree: trees.Tree,
    components: Sequence[Component],
    found: Mapping[str, Built],
    tell: Tell,
) -> Manifest:
    sources = Files(project.root, tree.id, tree.env)
    outputs = {
        each.name: project.dist / each.name
        for each in components
        if built.is_built(project, each)
    }
    trees_of = {name: each.sources for name, each in found.items()}
    with packing.making(folder_of(project), tree.id) as made:
        told = contents(project, components, made, sources, outputs, trees_of, tell)
        after = tree_of(project)
        if after.id != tree.id or built.of_tree(project, components) != found:
            raise SurroundingsError(
                "the sources, or what was built of them, changed while the release was"
                " packed",
                "do it again when nothing else writes here: `nox -s build`",
            )
        # Whole from the beginning: whoever finds the folder can use it.
        manifests.write(made, told)
        statement.write(made, told, machine.place().name, None)
    return told


def _vouch(project: Project, place: Path, known: Manifest) -> None:
    """Write who proved the tree, its commit, and the statement, where that is news."""
    key = signatures.given()
    if key:
        terminal.keep_secret([key])
    now = msgspec.structs.replace(
        known,
        proofs=tuple(proving.proofs_of(project, known.tree)),
        commit=_commit(project, known.tree),
    )
    if not verify.of_statement(place, known):
        signed = statement.signer(place)
        ours = signatures.public_of(key) if key else ""
        # What others have signed we cannot sign anew: it stays what they vouched for.
        if (signed and not ours) or (now == known and signed == ours):
            return
    # A kill between the two leaves the manifest that it was, so that this is done again.
    statement.write(place, now, machine.place().name, key)
    manifests.write(place, now)


def tree_of(project: Project) -> trees.Tree:
    """Return the tree as it stands. Raises UsageError outside git, SurroundingsError
    when git cannot tell it."""
    try:
        found = trees.read(project.root, files.add_exclude_file(project.state))
    except trees.Unreadable as error:
        raise SurroundingsError(f"git cannot tell the tree: {error}") from None
    if found is None:
        raise UsageError(
            "a release is named by its git tree, and this project is outside git",
            "`git init`, and commit",
        )
    return found


def _commit(project: Project, tree: str) -> str:
    """Return the commit that is checked out, when it has ``tree``; else nothing."""
    told = git.run(project.root, "rev-parse", "HEAD^{commit}", "HEAD:./")
    commit, _, own = (told or "").strip().partition("\n")
    return commit if own == tree else ""


def _is_of(project: Project, known: Manifest, found: Mapping[str, Built]) -> bool:
    """Return whether a release has what ``dist`` has now, byte for byte."""
    for name, each in found.items():
        part = known.part(name)
        if part is None or part.tree != each.sources:
            return False
        below = packing.PAGE if part.language == "node" else packing.WHEELS
        for path, digest in each.outputs.items():
            if part.language == "python" and path != part.wheel:
                continue
            file = known.files.get(f"{name}/{below}/{path}")
            if file is None or file.sha256 != digest:
                return False
    return len(found) == len(known.components)


def _not_built(missing: Mapping[str, str]) -> UsageError:
    listed = "\n".join(f"  {name}: {why}" for name, why in missing.items())
    return UsageError(f"this tree is not built:\n{listed}", "`nox -s build` builds it")


def _refuse_hidden(
    project: Project, tree: trees.Tree, components: Sequence[Component]
) -> None:
    """Raise UsageError where a component has files that its tree does not tell."""
    for component in components:
        place = fingerprints.place(project, component)
        for path in tree.beside:
            if not place or f"{path}/".startswith(f"{place}/"):
                raise UsageError(
                    f"{path} is no part of git's tree, so no release of the tree can"
                    " have it: it is a submodule, a link that leads out of the project,"
                    " or a file that git was told not to look at",
                    "take its files into the project; `git ls-files -v` tells what git"
                    " does not look at",
                )


def _revisions(
    project: Project, component: Component, source: Path
) -> tuple[list[Revision], list[str]]:
    if not project.has_database(component):
        return [], []
    found = revisions.read(source)
    told = [
        Revision(
            revision=each.revision,
            phase=each.phase,
            below=tuple(dict.fromkeys((*each.down, *each.needs))),
        )
        for each in found
    ]
    return told, revisions.heads(found)


def _build_lock(
    project: Project, component: Component, own: Path | None
) -> Sequence[Path]:
    return [locks.for_purpose(project, component, "build")] if own else []


def _cache(project: Project) -> Path:
    return project.state / "cache" / "wheels"
