"""Does the tree of a release, built again, give the same bytes?"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from sametree import records, settings
from sametree.artifacts import manifest as manifests
from sametree.artifacts import verify
from sametree.artifacts.manifest import Manifest
from sametree.artifacts.sources import Files
from sametree.errors import UsageError
from sametree.settings import Component, Project
from sametree.units import build, built, pack
from sametree.units.work import Work


def differences(
    project: Project, release: Manifest, tell: Callable[[str], None]
) -> list[str]:
    """Build the tree of ``release`` in a folder of its own; return a sentence for each
    file that comes out otherwise.

    The working copy and the git repository stay as they are. Raises UsageError when git
    does not have the tree, or the release is of another Python or platform, UnitFailed
    when the build fails.
    """
    if reason := manifests.unfit(release):
        raise UsageError(
            f"the release cannot be built again here: {reason}",
            "build it where it was built",
        )
    sources = Files(project.root, release.tree, pack.tree_of(project).env)
    with tempfile.TemporaryDirectory(prefix="sametree-rebuild-") as made:
        folder = Path(made).resolve()
        root, release_folder = folder / "tree", folder / "release"
        sources.check_out(None, root)
        release_folder.mkdir()
        then = msgspec.structs.replace(settings.load(root), home=project.base)
        told = pack.contents(
            then,
            pack.deployable(then),
            release_folder,
            sources,
            _built(then, release, folder, tell),
            {part.name: part.tree for part in release.components},
            tell,
        )
    return verify.differences(release, told)


def _built(
    then: Project, release: Manifest, folder: Path, tell: Callable[[str], None]
) -> Mapping[str, Path]:
    """Build each component; return the folders with what was made."""
    found = {}
    for component in pack.deployable(then):
        part = release.part(component.name)
        if part is None:
            raise UsageError(
                f"the release has no component {component.name}, and its tree has one",
                "it was not packed by `nox -s build`: do not trust it",
            )
        if not built.is_built(then, component):
            continue
        tell(f"building {component.name} of tree {part.tree[:12]}")
        out = folder / "built" / component.name
        out.mkdir(parents=True)
        build_in(then, component, part.tree, out, f"rebuild-{component.name}")
        found[component.name] = out
    return found


def build_in(
    then: Project, component: Component, tree: str, out: Path, venv: str
) -> None:
    """Build ``component`` of the checked out project ``then`` into the empty ``out``,
    with the tools of its locks in the environment ``venv``.

    ``tree`` is that of its sources. Raises UnitFailed when the build fails.
    """
    run_id, _ = records.run_id()
    folder = then.state / "venvs" / venv
    folder.parent.mkdir(parents=True, exist_ok=True)
    build.make(Work(then, component, "build", folder, run_id=run_id, tree=tree), out)
