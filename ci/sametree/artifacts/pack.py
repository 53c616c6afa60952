"""How does a release come together in a folder, the same bytes for the same tree?"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from sametree import files, records
from sametree.artifacts import compress, manifest, verify
from sametree.artifacts.manifest import File, Manifest
from sametree.artifacts.wheels import sha256
from sametree.errors import SurroundingsError, UsageError

FOLDER = "releases"
"""Folder in ``dist`` with a folder for each tree."""
KEPT = 5
WHEELS, SOURCE, LOCK, PAGE = "wheels", "source", "lock.txt", "page"


def own_wheel(built: Path) -> Path:
    """Return the one wheel that a build made. Raises UsageError when it is not one."""
    found = sorted(built.glob("*.whl"))
    if len(found) != 1:
        listed = ", ".join(path.name for path in found) or "none"
        raise UsageError(
            f"the build of {built.name} should have made one wheel; it made {listed}",
            "look at [build-system] in its pyproject.toml",
        )
    return found[0]


def add_python(
    folder: Path,
    *,
    wheel: Path | None,
    wheels: Path,
    lock: Path,
    source: Callable[[Path], None],
) -> None:
    """Fill the folder of a Python component: wheels, lock and sources.

    ``wheel`` is its own one, ``wheels`` has those of ``lock``; ``source`` writes the
    sources into the folder that it is given.
    """
    inside = folder / WHEELS
    inside.mkdir(parents=True)
    for path in sorted(wheels.glob("*.whl")):
        _link(path, inside / path.name)  # checked by hash, and never written to again
    if wheel is not None:
        if (inside / wheel.name).exists():
            raise UsageError(
                f"{wheel.name} is built here, and {lock.name} names it too",
                "take the component itself out of its dependencies: `nox -s lock`",
            )
        shutil.copyfile(wheel, inside / wheel.name)
    shutil.copyfile(lock, folder / LOCK)
    (folder / SOURCE).mkdir()
    source(folder / SOURCE)


def add_page(folder: Path, built: Path) -> None:
    """Fill the folder of a Node component: what was built, and its compressed forms."""
    shutil.copytree(built, folder / PAGE)
    compress.add(folder / PAGE)


def files_of(folder: Path) -> dict[str, File]:
    """Return all files in a release, by path. Raises UsageError for what is no file."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise UsageError(
                f"{name} is no plain file: a release holds nothing else",
                "let the build write a file there",
            )
        if path.is_file() and name not in manifest.BESIDE:
            told = path.stat()
            runs = bool(told.st_mode & 0o100)
            found[name] = File(size=told.st_size, sha256=sha256(path), executable=runs)
    return found


@contextmanager
def making(releases: Path, tree: str) -> Iterator[Path]:
    """Give an empty folder for the release of ``tree``; what is in it at the end is it.

    The caller holds the lock of ``releases``. What a kill has left is removed. Raises
    SurroundingsError when the disk is full; the old release, if any, then stands.
    """
    releases.mkdir(parents=True, exist_ok=True)
    for left in releases.glob(".*"):
        shutil.rmtree(left, ignore_errors=True)
    made = Path(tempfile.mkdtemp(dir=releases, prefix=f".{tree[:12]}.new."))
    made.chmod(0o755)
    try:
        yield made
        files.replace_folder(made, releases / tree)
    except OSError as error:
        free = shutil.disk_usage(releases).free
        raise SurroundingsError(
            f"the release cannot be written to {releases}: {error.strerror or error}"
            f" ({free / 1e6:,.0f} MB are free)",
            "make room, or mend what is said, and build again",
        ) from None
    finally:
        shutil.rmtree(made, ignore_errors=True)
    prune(releases, releases / tree)


def prune(releases: Path, newest: Path) -> None:
    """Remove all but the newest releases; ``newest`` is one of them."""
    os.utime(newest)
    others = [each for each in packed(releases) if each != newest]
    for old in sorted(others, key=records.age)[: max(0, len(others) + 1 - KEPT)]:
        shutil.rmtree(old, ignore_errors=True)


def packed(releases: Path) -> list[Path]:
    """Return the folders of the releases that are here, the newest first."""
    found = [
        path
        for path in releases.glob("*")
        if path.is_dir() and not path.name.startswith(".")
    ]
    return sorted(found, key=records.age, reverse=True)


def standing(folder: Path) -> Manifest | None:
    """Return the manifest of a release that is whole and for this machine, or None."""
    if not folder.is_dir():
        return None
    try:
        found = manifest.read(folder)
    except UsageError:
        return None
    if manifest.unfit(found) or verify.of_files(folder, found):
        return None
    return found


def find(releases: Path, name: str, base: Path) -> Path:
    """Return the folder of the release ``name``: a path (relative to ``base``), or how
    a tree's id or a digest begins.

    Raises UsageError when there is none, or more than one.
    """
    place = base / name
    if (place / manifest.FILE).is_file():
        return place
    known = _named(releases)
    found = {
        path
        for path, ids in known.items()
        if any(len(name) >= 4 and each.startswith(name) for each in ids)
    }
    if len(found) == 1:
        return found.pop()
    listed = "\n".join(
        f"  tree {path.name[:12]}, digest {ids[-1][:12]}" for path, ids in known.items()
    )
    what = "is the beginning of more than one" if found else "is no"
    raise UsageError(
        f"{name!r} {what} release here; there is\n{listed or '  none'}",
        "name a folder, a tree or a digest; `nox -s build` makes that of this tree",
    )


def _named(releases: Path) -> Mapping[Path, Sequence[str]]:
    found: dict[Path, Sequence[str]] = {}
    for path in packed(releases):
        try:
            found[path] = (path.name, manifest.read(path).digest)
        except UsageError:
            found[path] = (path.name,)
    return found


def _link(source: Path, place: Path) -> None:
    """Have a file in two places at once, where the file system can; else copy it."""
    try:
        os.link(source, place)
    except OSError:
        shutil.copyfile(source, place)
