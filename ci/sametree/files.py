"""How are files written, locked and removed so that a kill leaves nothing half done?"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sametree.digests import digest as digest  # noqa: F401 (files.digest)


def write_atomically(path: Path, text: str, mode: int = 0o666) -> None:
    """Replace ``path`` by ``text`` (UTF-8) in one step: readers see old or new, whole.

    ``mode`` is the new file's, less the umask.

    Raises OSError when the folder cannot be written or the disk is full; the old
    file then stands.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        handle = os.open(scratch, flags, mode)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise


def append_line(path: Path, line: str) -> None:
    """Add ``line`` to a file of lines, and have it on the disk before we return.

    The file is made when it is missing, for its owner alone. A last line that a kill or
    a full disk has cut short stays apart from ours. Raises OSError when the disk is
    full: what of the line is there then counts as cut short.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    new = not path.exists()
    descriptor = os.open(path, flags, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        text = (b"\n" if torn else b"") + line.encode() + b"\n"
        if os.write(descriptor, text) < len(text):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if new:
        _sync(path.parent)


def _sync(folder: Path) -> None:
    """Have the names in ``folder`` on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Return the JSON objects in a file of lines, the oldest first; a line that was cut
    short is left out. No file is no line."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return []
    found = []
    for line in raw.split(b"\n"):
        with suppress(ValueError):
            told = json.loads(line)
            if isinstance(told, dict):
                found.append(told)
    return found


def replace_folder(new: Path, place: Path) -> None:
    """Put folder ``new`` at ``place``, which may hold an older one (same file system).

    A folder cannot be replaced in one step everywhere; the old one is moved aside
    first, so a kill in between leaves either no folder or a whole one.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}.old."))
    old = aside / "old"
    try:
        if place.exists():
            os.replace(place, old)
        os.replace(new, place)
    except OSError:
        if old.exists():
            os.replace(old, place)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def add_exclude_file(folder: Path) -> Path:
    """Make ``folder`` with a .gitignore of its own, so that git never sees it."""
    folder.mkdir(parents=True, exist_ok=True)
    marker = folder / ".gitignore"
    if not marker.exists():
        marker.write_text("*\n")
    return folder


def try_lock(path: Path, *, shared: bool = False) -> int | None:
    """Return a descriptor that holds the flock of ``path``, or None if others hold it.

    The kernel frees the lock when the descriptor is closed, also by a kill: a lock
    never outlives its owner.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def lock(path: Path, *, shared: bool = False) -> int:
    """Return a descriptor that holds the flock of ``path``; waits for its owner."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def holding(descriptor: int) -> Iterator[None]:
    """Hold the lock of ``descriptor``, which we have, until the block is left."""
    try:
        yield
    finally:
        os.close(descriptor)


def last_holder(descriptor: int) -> bool:
    """Give up the shared lock of ``descriptor``; return whether nobody else held it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def wait_free(path: Path, timeout: float) -> bool:
    """Wait until nobody holds the lock ``path``; False after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        descriptor = try_lock(path)
        if descriptor is not None:
            os.close(descriptor)
            return True
        time.sleep(0.01)
    return False


@contextmanager
def locked(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold the flock of ``path`` (made when missing) for the length of the block."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = lock(path, shared=shared)
    try:
        yield
    finally:
        os.close(descriptor)
