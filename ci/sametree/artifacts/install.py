"""How does a release come to where it runs: copied, checked, with an environment?

It gets a folder of its own, named by its digest, in which nothing is shared with where it
came from. Its packages come from its own wheels alone, without a network. The mark is
written last; what a kill has left without it is mended.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from sametree import files, records, steps, surroundings
from sametree.artifacts import manifest as manifests
from sametree.artifacts import verify
from sametree.artifacts.manifest import SHORT, Manifest
from sametree.artifacts.manifest import Part as App
from sametree.artifacts.pack import PAGE, SOURCE, WHEELS
from sametree.errors import SurroundingsError, UnitFailed, UsageError
from sametree.steps import Step
from sametree.toolchains import environments

__all__ = ["App", "Installed", "app", "install", "installed", "page", "programs"]
FOLDER = "releases"
VENV, MARK, SCRATCH = "venv", ".installed", ".uv"
BESIDE = frozenset({VENV, MARK, SCRATCH})
"""What an installed release has beside its files."""
_ALONE = """
import fcntl, os, sys
lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)
fcntl.flock(lock, fcntl.LOCK_EX)
if os.getppid() != int(sys.argv[2]):
    sys.exit("who started this is gone")
os.set_inheritable(lock, True)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Becomes a program that holds a lock as long as it lives. A kill -9 of ours does not end
uv, which would go on to write where the next one has begun."""


class Installed(msgspec.Struct, frozen=True):
    """An installed release: its folder, and its manifest."""

    folder: Path
    manifest: Manifest


def install(release: Path, place: Path) -> Installed:
    """Install the release in folder ``release`` below ``place``; return it there.

    One that is there already is left alone. Raises UsageError when it is for another
    machine, UnitFailed when a byte of it is not what it should be, and
    SurroundingsError when the disk is full or uv cannot install it.
    """
    found = manifests.read(release)
    if reason := manifests.unfit(found):
        raise UsageError(
            f"the release {found.digest[:SHORT]} cannot run here: {reason}",
            "build it on a machine like this one: `nox -s build`",
        )
    folder = _place(place, found.digest)
    with _room(folder, found), files.locked(folder.with_name(f".{folder.name}.lock")):
        ready = installed(place, found.digest)
        if ready is not None:
            return ready
        if not _stands(folder, found):
            _copy(release, folder, found)
        (folder / MARK).unlink(missing_ok=True)
        _make_environment(folder, found)
        files.write_atomically(folder / MARK, f"{found.digest}\n")
    return Installed(folder, found)


def installed(place: Path, digest: str) -> Installed | None:
    """Return the release ``digest`` as it is installed below ``place``, or None.

    One whose interpreter is gone counts as not installed.
    """
    folder = _place(place, digest)
    try:
        mark = (folder / MARK).read_text(encoding="utf-8").strip()
        found = manifests.read(folder)
    except (OSError, UnicodeDecodeError, UsageError):
        return None
    if not mark == found.digest == digest:
        return None
    ready = Installed(folder, found)
    runs = _runs(found)
    return ready if not runs or (programs(ready) / "python").exists() else None


def all_installed(place: Path) -> list[Installed]:
    """Return the releases that are installed below ``place``, the newest first."""
    marks = sorted((place / FOLDER).glob(f"*/{MARK}"), key=records.age, reverse=True)
    found = []
    for mark in marks:
        try:
            digest = manifests.read(mark.parent).digest
        except UsageError:
            continue
        if ready := installed(place, digest):
            found.append(ready)
    return found


def problems(ready: Installed) -> list[str]:
    """Return a sentence for each file of an installed release that was changed.

    Bytecode that a program wrote beside its sources is nobody's change.
    """
    return verify.of_files(ready.folder, ready.manifest, BESIDE)


def prune(place: Path, keep: Collection[str]) -> None:
    """Remove installed releases but those whose digest ``keep`` names."""
    kept = {digest[:SHORT] for digest in keep}
    for folder in (place / FOLDER).glob("*"):
        if folder.name.startswith(".") or folder.name in kept:
            continue
        lock = folder.with_name(f".{folder.name}.lock")
        descriptor = files.try_lock(lock)
        if descriptor is None:
            continue  # it is being installed just now
        with files.holding(descriptor):
            (folder / MARK).unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)


def app(manifest: Manifest) -> App:
    """Return the component that runs. Raises UsageError when it is not one."""
    found = _runs(manifest)
    if len(found) != 1:
        names = ", ".join(each.name for each in found) or "none"
        raise UsageError(
            f"a deployment runs one component; this release has {names} with `run`",
            'say in [[tool.sametree.components]] which: run = ["gunicorn", …]',
        )
    return found[0]


def programs(ready: Installed) -> Path:
    """Return the folder with the programs of the environment: ``python``, …"""
    return ready.folder / VENV / "bin"


def source(ready: Installed) -> Path:
    """Return the folder with the sources of the component that runs."""
    return ready.folder / app(ready.manifest).name / SOURCE


def page(place: Path, digest: str) -> Path | None:
    """Return the folder with the page of an installed release; None where it has none."""
    ready = installed(place, digest)
    nodes = ready.manifest.components if ready else ()
    for each in nodes:
        if ready and each.language == "node":
            return ready.folder / each.name / PAGE
    return None


def _runs(manifest: Manifest) -> list[App]:
    return [each for each in manifest.components if each.run]


def _place(place: Path, digest: str) -> Path:
    return place / FOLDER / digest[:SHORT]


@contextmanager
def _room(folder: Path, manifest: Manifest) -> Iterator[None]:
    """Say in good words that the disk is full, or cannot be written."""
    try:
        yield
    except OSError as error:
        there = next(place for place in folder.parents if place.is_dir())
        free = shutil.disk_usage(there).free
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        why = "the disk is full" if full else f"{error.strerror} ({error.filename})"
        raise SurroundingsError(
            f"the release {manifest.digest[:SHORT]} cannot be installed in"
            f" {folder.parent}: {why}; {free / 1e6:,.0f} MB are free, and its files"
            f" alone need {manifest.size / 1e6:,.0f} MB",
            "make room, then do the same again: it goes on where it was",
        ) from None


def _stands(folder: Path, manifest: Manifest) -> bool:
    """Return whether all files of a release are in its folder, as they should be."""
    try:
        same = manifests.read(folder).digest == manifest.digest
    except UsageError:
        return False
    return same and not verify.of_files(folder, manifest, BESIDE)


def _copy(release: Path, folder: Path, manifest: Manifest) -> None:
    """Copy a release, checked before and after; it is there whole, or not at all."""
    _refuse(release, manifest, verify.of_files(release, manifest, BESIDE))
    for left in folder.parent.glob(f".{folder.name}.new.*"):
        shutil.rmtree(left, ignore_errors=True)
    made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.new."))
    try:
        made.chmod(0o755)
        for path, file in manifest.files.items():
            target = made / path
            target.parent.mkdir(parents=True, exist_ok=True)
            # Never a hard link: what happens to the release later is not ours.
            shutil.copyfile(release / path, target)
            target.chmod(0o755 if file.executable else 0o644)
        for name in manifests.BESIDE:
            if (release / name).exists():
                shutil.copyfile(release / name, made / name)
        _refuse(made, manifest, verify.of_files(made, manifest))
        files.replace_folder(made, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _refuse(folder: Path, manifest: Manifest, wrong: list[str]) -> None:
    if not wrong:
        return
    listed = "\n".join(f"  {line}" for line in wrong[:10])
    more = f"\n  and {len(wrong) - 10} more" if len(wrong) > 10 else ""
    raise UnitFailed(
        f"the release {manifest.digest[:SHORT]} in {folder} is not what its manifest"
        f" says:\n{listed}{more}",
        "do not use it: pack it again (`invoke artifacts.pack`), or copy it again",
    )


def _make_environment(folder: Path, manifest: Manifest) -> None:
    """Make the virtual environment of the component that runs, at its final place: its
    programs name their interpreter by that."""
    if not _runs(manifest):
        return
    inside = f"{app(manifest).name}/{WHEELS}/"
    wheels = [path for path in manifest.files if path.startswith(inside)]
    venv, cache = folder / VENV, folder / SCRATCH
    with files.locked(_busy(folder)):
        shutil.rmtree(venv, ignore_errors=True)
        shutil.rmtree(cache, ignore_errors=True)
    uv = environments.uv()
    make = (uv, "venv", "--quiet", "--no-project", "--no-config", "--offline")
    _uv(folder, "venv", (*make, "--python", sys.executable, str(venv)))
    # A cache of its own: nothing but these wheels comes in, and none of its files is
    # shared with another environment once the cache is gone.
    put = (uv, "pip", "install", "--quiet", "--no-config", "--offline", "--no-index")
    how = ("--no-deps", "--compile-bytecode", "--cache-dir", str(cache))
    try:
        if wheels:
            given = (*how, "--python", str(venv), *sorted(wheels))
            _uv(folder, "install", (*put, *given))
    finally:
        shutil.rmtree(cache, ignore_errors=True)


def _busy(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.uv.lock")


def _uv(folder: Path, name: str, argv: tuple[str, ...]) -> None:
    # How uv is set up on this machine has no say: all that it needs is here.
    env = {n: v for n, v in surroundings.clean().items() if not n.startswith("UV_")}
    alone = (sys.executable, "-I", "-S", "-c", _ALONE, str(_busy(folder)))
    step = Step(name=name, argv=(*alone, str(os.getpid()), *argv), cwd=folder)
    done = steps.run(step, env)
    if done.passed:
        return
    if os.strerror(errno.ENOSPC).lower() in done.output.lower():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
    said = "\n".join(f"  {line}" for line in done.output.strip().splitlines()[-10:])
    raise SurroundingsError(f"uv cannot install the release in {folder}:\n{said}")
