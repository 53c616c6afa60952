"""How are the files of a release built: from its commit alone, and once?"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from sametree import files, fingerprint, git, settings
from sametree.artifacts.sources import Files
from sametree.errors import SurroundingsError, UnitFailed
from sametree.release.message import Published
from sametree.settings import Component, Project
from sametree.units import built as marks
from sametree.units import rebuild
from sametree.units.releasing.plan import Plan

LISTED = "files.json"
KINDS = (".whl", ".tar.gz")
"""Ends of the files that are published."""


def kept(place: Path) -> tuple[Published, ...] | None:
    """Return the files that stand in ``place``, each with its digest; None when one of
    them is not there, or is another."""
    try:
        told = msgspec.json.decode(
            (place / LISTED).read_bytes(), type=tuple[Published, ...]
        )
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return told if all(_stands(place, each) for each in told) else None


def file_of(place: Path, built: Published) -> Path:
    """Return where a built file is."""
    return place / built.component / built.name


def forget(place: Path) -> None:
    """Remove what was built."""
    shutil.rmtree(place, ignore_errors=True)


def build(
    project: Project, plan: Plan, commit: str, place: Path, say: Callable[[str], None]
) -> tuple[Published, ...]:
    """Build what ``plan`` publishes from ``commit`` into ``place``; return the files.

    A component of which ``dist`` has the very build is not built again. A plan that
    knows its files gets the same bytes. Raises UnitFailed when a build fails or gives
    other bytes than the tag says, SurroundingsError when git cannot read the commit.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sametree-release-") as made:
        folder = Path(made).resolve()
        out = folder / "out"
        then: Project | None = None
        for name in plan.components:
            into = out / name
            into.mkdir(parents=True)
            tree = _tree(project, commit, project.component(name))
            if not _taken(project, plan, name, tree, into, say):
                then = then or _checked_out(project, commit, folder / "tree")
                component = then.component(name)
                say(f"    building {name} of tree {tree[:12]}")
                rebuild.build_in(then, component, tree, into, f"release-{name}")
        found = tuple(_built(out, plan.components))
        _compare(plan, found)
        told = msgspec.json.format(msgspec.json.encode(found), indent=2)
        (out / LISTED).write_bytes(told + b"\n")
        moved = Path(tempfile.mkdtemp(dir=place.parent, prefix=".files."))
        try:
            shutil.copytree(out, moved, dirs_exist_ok=True)
            moved.chmod(0o755)
            files.replace_folder(moved, place)
        finally:
            shutil.rmtree(moved, ignore_errors=True)
    return found


def _checked_out(project: Project, commit: str, folder: Path) -> Project:
    """Return the project as it is in ``commit``, in ``folder``."""
    tree = (git.run(project.root, "rev-parse", f"{commit}:./") or "").strip()
    if not tree:
        raise SurroundingsError(
            f"git cannot read commit {commit[:12]}",
            "`git fetch` brings it where the remote has it",
        )
    Files(project.root, tree, {}).check_out(None, folder)
    return msgspec.structs.replace(settings.load(folder), home=project.base)


def _tree(project: Project, commit: str, component: Component) -> str:
    """Return the git tree of a component's folder in ``commit``."""
    path = fingerprint.place(project, component)
    told = git.run(project.root, "rev-parse", f"{commit}:./{path}")
    return (told or "").strip()


def _taken(
    project: Project,
    plan: Plan,
    name: str,
    tree: str,
    into: Path,
    say: Callable[[str], None],
) -> bool:
    """Take what ``dist`` has of the component ``name``, if that was built of ``tree`` and
    the commit changes nothing that its build depends on."""
    component = project.component(name)
    if plan.commit or _depends(project, component, plan.changes):
        return False
    with marks.turn(project):
        found = marks.of_tree(project, [component])[component.name]
        if isinstance(found, str) or found.sources != tree:
            return False
        for name, digest in found.outputs.items():
            if name.endswith(KINDS):
                shutil.copy2(project.dist / component.name / name, into / name)
                if _digest(into / name) != digest:
                    (into / name).unlink()
                    return False
    say(f"    {component.name} is built already: taken from {project.settings.dist}/")
    return True


def _depends(
    project: Project, component: Component, changes: Mapping[str, str]
) -> bool:
    """Return whether the build of ``component`` depends on a file of ``changes``."""
    prefix = (git.run(project.root, "rev-parse", "--show-prefix") or "").strip()
    rules = fingerprint.rules(project, component, "build")
    return any(
        fingerprint.decided(rules, path.removeprefix(prefix)) for path in changes
    )


def _built(out: Path, components: Sequence[str]) -> Iterator[Published]:
    for name in components:
        made = [p for p in sorted((out / name).iterdir()) if p.name.endswith(KINDS)]
        if not made:
            raise UnitFailed(
                f"the build of {name} made no wheel and no sdist",
                "look at its [build-system] in pyproject.toml",
            )
        for path in made:
            yield Published(
                name=path.name,
                sha256=_digest(path),
                size=path.stat().st_size,
                component=name,
            )


def _compare(plan: Plan, found: Sequence[Published]) -> None:
    """Raise UnitFailed where a tag names other files than were built from its commit."""
    if not plan.built or set(found) == set(plan.built):
        return
    known = {each.name: each.sha256 for each in plan.built}
    now = {each.name: each.sha256 for each in found}
    differing = sorted(n for n in known.keys() | now if known.get(n) != now.get(n))
    raise UnitFailed(
        f"{', '.join(plan.tags)} names other bytes than its commit gives here:"
        f" {', '.join(differing)}",
        "finish it where it was begun, or with the Python and the locks of that place",
    )


def _stands(place: Path, built: Published) -> bool:
    try:
        return _digest(file_of(place, built)) == built.sha256
    except OSError:
        return False


def _digest(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
