"""build: make the component's artifacts, the same bytes for the same tree."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import tempfile
from pathlib import Path

import msgspec

from sametree import files, terminal
from sametree.errors import UnitFailed
from sametree.units.work import Work

TREE_VARIABLE = "SAMETREE_TREE"
"""Tells a build from which git tree it is made: that of the component's folder."""
LISTED = 12


def build(work: Work) -> None:
    """Build into ``dist/COMPONENT``, which then holds this build and nothing else; pack
    the release when that was the last of its components."""
    from sametree.units import built, pack  # other units do without

    dist = work.project.dist
    dist.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=dist, prefix=f".{work.component.name}.new."))
    made.chmod(0o755)
    try:
        make(work, made)
        with built.turn(work.project):
            files.replace_folder(made, dist / work.component.name)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    work.outputs |= _digests(work.project.base, dist / work.component.name)
    _list(work)
    work.notes.append(
        f"tree {work.tree[:12]}" if work.tree else "outside git: no tree id"
    )
    # An audit builds in a copy; what was built is the project's own.
    real = msgspec.structs.replace(work.project, root=work.project.base, home=None)
    if built.keep(real, work.component, work.tree, dist / work.component.name):
        pack.after_build(real, work.component)


def make(work: Work, made: Path) -> None:
    """Build the component into the empty folder ``made``."""
    env = work.install("build")
    if work.tree:
        env[TREE_VARIABLE] = work.tree
    for step in work.toolchain.build(work.place, made):
        work.run(step, env)
    _refuse_state(work, made)


def _refuse_state(work: Work, made: Path) -> None:
    """Raise UnitFailed when an sdist holds our own state: it differs at each build."""
    state = work.project.state.name
    for path in made.glob("*.tar.gz"):
        with tarfile.open(path) as opened:
            if any(f"/{state}/" in name for name in opened.getnames()):
                raise UnitFailed(
                    f"{path.name} holds {state}/, where sametree keeps its records",
                    f"add the line `{state}/` to .gitignore: build backends read that",
                )


def _digests(root: Path, folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file that was made, by its path in the project."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _list(work: Work) -> None:
    root, made = work.project.base, work.outputs
    rows = [
        (path, f"{(root / path).stat().st_size:,} bytes", f"sha256 {made[path][:12]}")
        for path in list(made)[:LISTED]
    ]
    for line in terminal.table(rows) if rows else []:
        terminal.say(line)
    if len(made) > LISTED:
        terminal.say(f"  and {len(made) - LISTED} more files")
