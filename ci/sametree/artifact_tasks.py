"""What do ``invoke artifacts.pack``, ``list`` and ``verify`` do, and what do they say?"""

from __future__ import annotations

import time
from pathlib import Path

from sametree import steps, terminal
from sametree.artifacts import install
from sametree.artifacts import manifest as manifests
from sametree.artifacts import pack as packing
from sametree.artifacts import verify as verifying
from sametree.artifacts.manifest import SHORT, Manifest
from sametree.errors import UnitFailed, UsageError
from sametree.settings import Project
from sametree.units import pack as packs

SHOWN = 20
"""Problems that are shown."""


def pack(project: Project) -> None:
    """Make the release of this tree, out of what was built for it."""
    steps.stop_on_sigterm()
    _tell(project, packs.pack(project, _say))


def listed(project: Project) -> None:
    """List the releases that are here, the newest first."""
    found = packing.packed(packs.folder_of(project))
    if not found:
        terminal.say("  none; `nox -s build` makes that of this tree")
        return
    rows: list[tuple[str, ...]] = [("tree", "digest", "commit", "packed", "size", "")]
    for folder in found:
        try:
            rows.append(_row(folder, manifests.read(folder), project))
        except UsageError:
            rows.append((folder.name[:SHORT], "", "", "", "", "cannot be read"))
    for line in terminal.table(rows):
        terminal.say(line)


def verify(project: Project, name: str = "", rebuild: bool = False) -> None:
    """Check every byte of a release; with ``rebuild``, build it again and compare.

    ``name`` is a folder, or how a tree's id or a digest begins; this tree's release by
    default. Raises UnitFailed when something is not as it should be.
    """
    steps.stop_on_sigterm()
    signers = project.settings.ci.signers
    folder = find(project, name) if name else _here(project)
    beside = install.BESIDE if (folder / install.MARK).exists() else ()
    problems = verifying.verify(folder, signers, beside=beside)
    if problems:
        raise _refused(f"{_shown(project, folder)} is not what it says it is", problems)
    found = _tell(project, folder)
    terminal.say(
        f"  {terminal.mark('passed')} every byte is as the manifest and the statement say"
    )
    if not rebuild:
        return
    from sametree.units import rebuild as rebuilding

    differing = rebuilding.differences(project, found, _say)
    if differing:
        raise _refused(
            f"tree {found.tree[:SHORT]}, built again, gives another release", differing
        )
    terminal.say(
        f"  {terminal.mark('passed')} its tree, built again, gives the same bytes"
    )


def find(project: Project, name: str = "") -> Path:
    """Return the folder of a release: the one that ``name`` says, or that of this tree,
    packed when it is not, with the proofs that are known by now.

    Raises UsageError when there is none, and what ``units.pack`` raises.
    """
    if name:
        return packing.find(packs.folder_of(project), name, project.base)
    return packs.pack(project, _say)


def _here(project: Project) -> Path:
    """Return the folder of this tree's release, left as it is: it is to be judged."""
    folder = packs.folder_of(project) / packs.tree_of(project).id
    if not folder.is_dir():
        raise UsageError(
            f"this tree ({folder.name[:SHORT]}) has no release yet",
            "`nox -s build` makes it; `invoke artifacts.list` shows those of other trees",
        )
    return folder


def _tell(project: Project, folder: Path) -> Manifest:
    """Say what a release is; return its manifest."""
    found = manifests.read(folder)
    commit = f"commit {found.commit[:SHORT]}" if found.commit else "no commit: dirty"
    terminal.say(f"  {_shown(project, folder)}")
    who = verifying.signed(folder, project.settings.ci.signers)
    rows = [
        ("digest", found.digest),
        ("tree", f"{found.tree}, {commit}"),
        ("for", f"{found.python} on {found.platform}"),
        ("files", f"{len(found.files)}, {found.size / 1e6:.1f} MB"),
        ("proven", ", ".join(sorted({e.unit for e in found.proofs})) or "nothing yet"),
        ("signed", str(who)),
    ]
    if found.revisions:
        count = f"{len(found.revisions)} migrations, up to {', '.join(found.heads)}"
        rows.insert(4, ("schema", count))
    for line in terminal.table(rows, "    "):
        terminal.say(line)
    return found


def _row(folder: Path, found: Manifest, project: Project) -> tuple[str, ...]:
    packed = (folder / manifests.FILE).stat().st_mtime
    return (
        found.tree[:SHORT],
        found.digest[:SHORT],
        found.commit[:SHORT] or "dirty",
        terminal.ago(time.time() - packed),
        f"{found.size / 1e6:.1f} MB",
        str(verifying.signed(folder, project.settings.ci.signers)),
    )


def _refused(title: str, problems: list[str]) -> UnitFailed:
    lines = [f"  {line}" for line in problems[:SHOWN]]
    if len(problems) > SHOWN:
        lines.append(f"  and {len(problems) - SHOWN} more")
    return UnitFailed(
        "\n".join([f"{title}:", *lines]),
        "do not deploy it; `nox -s build` makes the release of this tree anew",
    )


def _shown(project: Project, folder: Path) -> str:
    inside = folder.is_relative_to(project.base)
    return str(folder.relative_to(project.base) if inside else folder)


def _say(line: str) -> None:
    terminal.say(f"  {line}")
