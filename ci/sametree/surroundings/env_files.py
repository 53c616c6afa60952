"""What does a ``.env`` file say, for which a developer's own machine is the place?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from sametree import git

NAME = ".env"


class EnvFile(msgspec.Struct, frozen=True):
    """The names and values of a file; its ``path`` as people know it.

    ``lines`` says where each name stands, ``unread`` which lines cannot be understood.
    """

    path: str
    values: Mapping[str, str]
    lines: Mapping[str, int]
    unread: tuple[int, ...] = ()
    problem: str = ""

    def __repr__(self) -> str:
        return f"<{self.path} with {', '.join(self.values)}>"


def read(root: Path, folder: Path) -> EnvFile | None:
    """Return what ``.env`` in ``folder`` of the project says; None when there is none.

    It may be a named pipe, as secret stores make it. References such as ``${NAME}``
    stay as they are.
    """
    file = folder / NAME
    if not (file.is_file() or file.is_fifo()):
        return None  # also a virtual environment may have this name
    import io

    from dotenv.parser import parse_stream

    path = file.relative_to(root).as_posix()
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        return EnvFile(path, {}, {}, problem=f"cannot be read: {why}")
    values: dict[str, str] = {}
    lines: dict[str, int] = {}
    unread = []
    for binding in parse_stream(io.StringIO(text)):
        whole = binding.original.string
        above = whole[: len(whole) - len(whole.lstrip())]
        line = binding.original.line + len(re.findall(r"\r\n|\r|\n", above))
        if binding.error:
            unread.append(line)
        elif binding.key and binding.value is not None:
            values[binding.key], lines[binding.key] = binding.value, line
    return EnvFile(path, values, lines, tuple(unread))


def in_git(root: Path, file: EnvFile) -> str:
    """Return ``tracked`` or ``not ignored`` for what git would commit, else nothing."""
    asked = ("-t", "--cached", "--others", "--exclude-standard")
    told = git.run(root, "ls-files", *asked, "--", file.path)
    if not told:
        return ""
    return "not ignored" if told.startswith("?") else "tracked"
