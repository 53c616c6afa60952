"""Does a unit take more than the inputs that it declares?

It runs in a copy of the project that holds its declared inputs and nothing else. What it
looks for beside them is not there; so it fails, or we see that it looked.
"""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from sametree import git, trees
from sametree.database import cluster
from sametree.errors import SametreeError, SurroundingsError, UnitFailed, UsageError
from sametree.toolchains import environments
from sametree.units.identity import Identity, Unit
from sametree.units.work import Work

PREFIX = "audit-"
OLD = 86_400
"""Seconds after which a copy that a kill has left is removed."""
INSIDE = Path(__file__).parent.parent / "inside" / "audit"
NAMED = 8
LONG_ENOUGH = 4
"""Characters; a shorter name in an output is too often just a word."""


def audited(work: Work, unit: Unit, now: Identity, do: Callable[[Work], None]) -> None:
    """Run ``unit`` with ``do`` on its declared inputs alone.

    What it makes lands where it always does. Raises UnitFailed, naming the files, when
    it looked for any that are not declared, also where it passed without them.
    """
    if now.unprovable:
        raise UsageError(
            f"{unit.name} cannot be audited: {now.unprovable}",
            "audit what can be proven; `-- --why` tells of each unit",
        )
    with _copy(work, unit, now) as (root, others, log):
        project = msgspec.structs.replace(
            work.project, root=root, home=work.project.root
        )
        own = dataclasses.replace(work, project=project)
        own.extra = {
            "SAMETREE_AUDIT_ROOT": f"{root}/",
            "SAMETREE_AUDIT_LOG": str(log),
            "SAMETREE_AUDIT_FOLDERS": str(log.with_name("folders")),
            "PYTHONPATH": str(INSIDE),
        }
        failed: SametreeError | None = None
        try:
            do(own)
        except (SurroundingsError, UnitFailed) as error:
            failed = error
        finally:
            work.covered = own.covered
        wanted = _looked_for(log, others)
        if failed is not None:
            wanted |= _mentioned(_texts(own, failed), str(root), others)
        if wanted:
            raise _undeclared(unit, sorted(wanted), failed)
        if failed is not None:
            raise failed
    work.notes.append("with its declared inputs alone")


@contextmanager
def _copy(
    work: Work, unit: Unit, now: Identity
) -> Iterator[tuple[Path, set[str], Path]]:
    """Give a copy with the declared inputs, the files it lacks, and a file for a log."""
    base = cluster.throw_away_base()
    _sweep(base)
    folder = Path(tempfile.mkdtemp(dir=base, prefix=PREFIX))
    try:
        folder.chmod(0o755)
        root, log = folder / "project", folder / "looked-for"
        root.mkdir()
        log.touch()
        log.chmod(0o666)
        others = _fill(root, work, now)
        _packages(root, work, unit)
        _commit(root)
        _leave_empty(root, others, folder / "folders")
        yield root, others, log
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fill(root: Path, work: Work, now: Identity) -> set[str]:
    """Write the declared inputs, as they stand, into ``root``; return the other files."""
    project = work.project
    tree = trees.read(project.root, project.state)
    if tree is None:
        raise UsageError("an audit needs git: it tells which files there are")
    with tempfile.TemporaryDirectory(prefix="sametree-audit-") as scratch:
        env = {**tree.env, "GIT_INDEX_FILE": str(Path(scratch, "index"))}
        _git(project.root, "read-tree", tree.id, env=env)
        known = _git(project.root, "ls-files", "-z", env=env).split("\0")[:-1]
        declared = {n[6:] for n in now.parts if n.startswith("input:")}
        locks = {n[5:] for n in now.parts if n.startswith("lock:")}
        taken = [path for path in known if _within(path, declared) or path in locks]
        asked = "".join(f"{path}\0" for path in taken)
        # In a repository below, `ls-files` and its like go by the current folder.
        argv = ("checkout-index", "--force", "-z", "--stdin", f"--prefix={root}/")
        _git(project.root, *argv, env=env, given=asked)
    for path in {*tree.beside, *(lock for lock in locks if lock not in taken)}:
        if _within(path, declared) or path in locks:
            _copy_as_it_is(project.root / path, root / path)
    return set(known) - set(taken)


def _copy_as_it_is(source: Path, place: Path) -> None:
    """Copy what git cannot give: a submodule's files, or one that it does not look at."""
    if source.is_dir():
        ignored = shutil.ignore_patterns(".git")
        shutil.copytree(
            source, place, symlinks=True, ignore=ignored, dirs_exist_ok=True
        )
    elif source.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, place)
    else:
        place.unlink(missing_ok=True)


def _packages(root: Path, work: Work, unit: Unit) -> None:
    """Give a Node component the packages that are installed."""
    project = work.project
    if unit.component.language == "node":
        # A copy, not a link: bundlers write where packages really lie into source maps.
        environments.install_node(work.folder, project.state, work.clean())
        modules = Path(unit.component.path, "node_modules")
        shutil.copytree(project.root / modules, root / modules, symlinks=True)


def _leave_empty(root: Path, others: set[str], told: Path) -> None:
    """Make the folders that hold nothing declared, and write down which they are.

    They are there, but empty: who lists one looks for what is not declared, while the
    file system gives no sign of who only asks whether a folder is there.
    """
    folders = {above for path in others for above in _above(path)}
    made = sorted(path for path in folders if not (root / path).exists())
    for path in made:
        (root / path).mkdir(parents=True, exist_ok=True)
    told.write_text("".join(f"{path}\n" for path in made), "utf-8", "surrogateescape")
    told.chmod(0o644)


def _commit(root: Path) -> None:
    """Make the copy a repository of its own: many tools look for one."""
    author = ("-c", "user.name=sametree", "-c", "user.email=audit@sametree.invalid")
    _git(root, "init", "--quiet", "--initial-branch=main")
    exclude = root / ".git" / "info" / "exclude"
    exclude.parent.mkdir(exist_ok=True)
    exclude.write_text("node_modules\n")
    _git(root, "add", "--all", "--force", ":(exclude,glob)**/node_modules/**")
    options = ("--quiet", "--no-verify", "--allow-empty", "--no-gpg-sign")
    _git(root, *author, "commit", *options, "-m", "Declared inputs")


def _within(path: str, declared: set[str]) -> bool:
    """Return whether ``path``, or a folder that it lies in, is declared."""
    while path:
        if path in declared:
            return True
        path = path.rpartition("/")[0]
    return False


def _looked_for(log: Path, others: set[str]) -> set[str]:
    """Return which of ``others`` Python processes looked for; a folder counts as one."""
    folders = {above for path in others for above in _above(path)}
    text = log.read_text(encoding="utf-8", errors="surrogateescape")
    asked = {line.rstrip("/") for line in text.splitlines()}
    return asked & (others | folders)


def _above(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _texts(work: Work, failed: SametreeError) -> str:
    """Return all that a failed unit has said."""
    parts = [str(failed), *work.failing, *work.said]
    report = work.reports / "junit.xml"
    if report.exists():
        parts.append(report.read_text(encoding="utf-8", errors="replace"))
    return "\n".join(parts)


def _mentioned(text: str, root: str, others: Iterable[str]) -> set[str]:
    """Return which of ``others`` a text names: as a path, or as a module to import."""
    text = text.replace(f"{root}/", " ").replace("\\", "/")
    words = set(re.findall(r"[\w@.~+-]+(?:/[\w@.~+-]+)*", text))
    relative = {word.lstrip("./") for word in words if word.startswith(".")}
    modules = set(re.findall(r"No module named '([\w.]+)'", text))
    modules |= set(re.findall(r"cannot import name '\w+' from '([\w.]+)'", text))
    found = set()
    for path in others:
        stem = re.sub(r"(/__init__)?\.py$", "", path).replace("/", ".")
        if path in words and len(path) >= LONG_ENOUGH:
            found.add(path)
        elif any(f".{name}." in f".{stem}." for name in modules):
            found.add(path)
        elif any(_leads_to(name, path) for name in relative):
            found.add(path)
    return found


def _leads_to(name: str, path: str) -> bool:
    """Return whether ``name``, as code wrote it (``../shared/data``), may be ``path``."""
    if len(name) < LONG_ENOUGH:
        return False
    ends = (
        name,
        *(f"{name}{end}" for end in (".js", ".ts", ".tsx", ".json", "/index.js")),
    )
    return any(path == end or path.endswith(f"/{end}") for end in ends)


def _undeclared(
    unit: Unit, wanted: list[str], failed: SametreeError | None
) -> UnitFailed:
    listed = "\n".join(f"  {path}" for path in wanted[:NAMED])
    more = len(wanted) - NAMED
    listed += f"\n  and {more} more" if more > 0 else ""
    verdict = f"failed ({_first_line(failed)})" if failed else "passed"
    paths = ", ".join(f'"/{path}"' for path in wanted[:NAMED])
    return UnitFailed(
        f"{unit.name} {verdict}, and looked for what it does not declare:\n{listed}",
        f"declare it in pyproject.toml, [[tool.sametree.components]]"
        f' {unit.component.name}: inputs.{unit.kind} = [".", {paths}];'
        " or let the unit do without it",
    )


def _first_line(error: SametreeError) -> str:
    return error.problem.strip().partition("\n")[0].rstrip(":")


def _sweep(base: Path) -> None:
    """Remove copies that a kill has left."""
    for left in base.glob(f"{PREFIX}*"):
        try:
            if time.time() - left.stat().st_mtime > OLD:
                shutil.rmtree(left, ignore_errors=True)
        except OSError:
            continue


def _git(root: Path, *args: str, env: Mapping[str, str] = {}, given: str = "") -> str:
    done = subprocess.run(
        ["git", *args],
        cwd=root,
        env=git.environment(env),
        input=given.encode(errors="surrogateescape"),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise SurroundingsError(f"the copy for the audit cannot be made: {said}")
    return done.stdout.decode(errors="surrogateescape")
