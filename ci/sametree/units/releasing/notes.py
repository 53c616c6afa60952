"""What has a person written for the entry of a version that is not released yet?"""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from sametree import files, terminal
from sametree.errors import SurroundingsError, UsageError
from sametree.settings import Project

FOLDER = "notes"


class Kept(msgspec.Struct, frozen=True):
    """An entry written by hand, when (seconds since 1970), at which commit."""

    text: str
    commit: str
    written: float

    def age(self) -> str:
        """Return how long ago that was, in words."""
        return terminal.ago(time.time() - self.written)


def kept(project: Project, tag: str) -> Kept | None:
    """Return what was written for ``tag``; None when nothing was."""
    with suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return msgspec.json.decode(_place(project, tag).read_bytes(), type=Kept)
    return None


def keep(project: Project, tag: str, text: str, commit: str) -> None:
    """Keep an entry for ``tag``. Raises OSError."""
    place = _place(project, tag)
    files.add_exclude_file(project.state)
    place.parent.mkdir(parents=True, exist_ok=True)
    told = msgspec.json.encode(Kept(text, commit, time.time()))
    files.write_atomically(place, told.decode() + "\n")


def forget(project: Project, tag: str) -> None:
    """Forget what was written for ``tag``."""
    _place(project, tag).unlink(missing_ok=True)


def edited(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return ``text`` as the person leaves it in the editor.

    Raises UsageError when there is no terminal, or nothing is left; SurroundingsError
    when the editor fails, with which nothing is changed.
    """
    editor = environ.get("VISUAL") or environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory(prefix="sametree-notes-") as made:
        file = Path(made, "entry.md")
        file.write_text(text + "\n", encoding="utf-8")
        try:
            code = subprocess.call([*shlex.split(editor), str(file)])
        except (OSError, ValueError) as error:
            raise SurroundingsError(
                f"the editor `{editor}` cannot be started: {error}",
                "name another one in $VISUAL or $EDITOR",
            ) from None
        if code:
            raise SurroundingsError(f"the editor ended with {code}; nothing was kept")
        told = file.read_text(encoding="utf-8", errors="replace").strip()
    if not told:
        raise UsageError("the entry is empty; nothing was kept")
    return told


def _place(project: Project, tag: str) -> Path:
    return project.state / "releasing" / FOLDER / f"{files.digest(tag)[:16]}.json"
