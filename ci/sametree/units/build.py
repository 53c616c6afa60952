"""build: make the component's artifacts, the same bytes for the same tree."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

from sametree import files, git, terminal
from sametree.units.work import Work

TREE_VARIABLE = "SAMETREE_TREE"
"""Tells a build which git tree it is made from."""
LISTED = 12


def build(work: Work) -> None:
    """Build into ``dist/COMPONENT``, which then holds this build and nothing else."""
    env = work.install("build")
    tree = git.tree_id(work.project.root)
    if tree:
        env[TREE_VARIABLE] = tree
    dist = work.project.root / work.project.settings.dist
    dist.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=dist, prefix=f".{work.component.name}.new."))
    made.chmod(0o755)
    try:
        for step in work.toolchain.build(work.place, made):
            work.run(step, env)
        files.replace_folder(made, dist / work.component.name)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    _list(work, dist / work.component.name)
    work.notes.append(f"tree {tree[:12]}" if tree else "outside git: no tree id")


def _list(work: Work, folder: Path) -> None:
    made = sorted(path for path in folder.rglob("*") if path.is_file())
    rows = [
        (
            path.relative_to(work.project.root).as_posix(),
            f"{path.stat().st_size:,} bytes",
            f"sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:12]}",
        )
        for path in made[:LISTED]
    ]
    for line in terminal.table(rows) if rows else []:
        terminal.say(line)
    if len(made) > LISTED:
        terminal.say(f"  and {len(made) - LISTED} more files")
