"""Where does a component say its version, and how is it changed there?

``read`` gives the text of a file of the commit, by its path in the repository, and raises
FileNotFoundError. Only the version is changed, and what reads the file says so.
"""

from __future__ import annotations

import copy
import posixpath
import re
import tomllib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from msgspec import Struct

from sametree.errors import UsageError
from sametree.release import versions

Read = Callable[[str], str]
_IN_TOML = re.compile(
    r"""^[ \t]*(?:project[ \t]*\.[ \t]*)?(?:version|"version"|'version')[ \t]*=[ \t]*"""
    r"""(["'])(?P<version>[^"'\r\n]*)\1""",
    re.MULTILINE,
)
_IN_PYTHON = re.compile(
    r"""^(?:__version__|VERSION)(?:[ \t]*:[ \t]*\w+)?[ \t]*=[ \t]*"""
    r"""(["'])v?(?P<version>[^"'\r\n]+)\1""",
    re.MULTILINE | re.IGNORECASE,
)
"""What hatchling looks for, unless ``[tool.hatch.version] pattern`` says otherwise."""


class _Place(Struct, frozen=True):
    """The file that says a version, and where in it."""

    path: str
    text: str
    begin: int
    end: int

    @property
    def version(self) -> str:
        return self.text[self.begin : self.end]

    def changed(self, version: str) -> str:
        return self.text[: self.begin] + version + self.text[self.end :]


def current(read: Read, folder: str) -> str:
    """Return the version of the component in ``folder``, in its normal form.

    Raises UsageError when it has none that a release can change, or that an index takes.
    """
    place = _place(read, folder)
    found = versions.of_tag(place.version, "")
    if found is None:
        raise UsageError(
            f"{place.path} says the version is {place.version!r}, which cannot be released",
            "write it as 1.2.0 (PEP 440, without a local part)",
        )
    return found


def changed(read: Read, folder: str, version: str) -> dict[str, str]:
    """Return the files of the component in ``folder`` that say ``version`` then, by path.

    Raises UsageError when it has no version that a release can change.
    """
    place = _place(read, folder)
    return {place.path: place.changed(version)}


def _place(read: Read, folder: str) -> _Place:
    path = posixpath.normpath(posixpath.join(folder, "pyproject.toml"))
    text, document = _document(read, path)
    project = document.get("project")
    if not isinstance(project, dict):
        raise UsageError(
            f"{path} has no [project], and a released component has one",
            'with name = "…" and version = "…"',
        )
    if isinstance(project.get("version"), str):
        return _in_toml(path, text, document)
    hatch = _table(document, "tool", "hatch", "version")
    named = isinstance(hatch.get("path"), str) and hatch["path"]
    if named and hatch.get("source", "regex") == "regex":
        return _in_python(read, folder, hatch)
    dynamic = project.get("dynamic")
    is_dynamic = isinstance(dynamic, list) and "version" in dynamic
    how = "it is dynamic" if is_dynamic else "it has none that is text"
    raise UsageError(
        f"{path} does not say which version it is: {how}",
        'write it in [project], version = "1.2.0", or in the file that'
        " [tool.hatch.version] path names: the release writes it there, before the tag is",
    )


def _document(read: Read, path: str) -> tuple[str, dict[str, Any]]:
    try:
        text = read(path)
    except FileNotFoundError:
        raise UsageError(
            f"{path} is not in the commit, and a released component says its version there",
            f"commit it, or take the component out of [tool.sametree.release] ({path})",
        ) from None
    try:
        return text, tomllib.loads(text.replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            f"{path} is no TOML: {error}", "mend it, and commit that"
        ) from None


def _table(document: dict[str, Any], *keys: str) -> dict[str, Any]:
    """Return the table at ``keys``; an empty one where there is none."""
    found: Any = document
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _in_toml(path: str, text: str, document: dict[str, Any]) -> _Place:
    """Return the one place where another version changes [project] version alone."""
    wanted = copy.deepcopy(document)
    wanted["project"]["version"] = other = document["project"]["version"] + ".1"
    for found in _IN_TOML.finditer(text):
        place = _Place(path, text, *found.span("version"))
        with suppress(tomllib.TOMLDecodeError):  # the begin of a """text"""
            if tomllib.loads(place.changed(other).replace("\r\n", "\n")) == wanted:
                return place
    raise UsageError(
        f"{path}: the version in [project] cannot be changed as it is written",
        'write it on a line of its own: version = "1.2.0"',
    )


def _in_python(read: Read, folder: str, hatch: dict[str, Any]) -> _Place:
    """Return the place of the version in the file that hatchling reads it from."""
    path = posixpath.normpath(posixpath.join(folder, hatch["path"]))
    where = "[tool.hatch.version]"
    if path.startswith(("../", "/")):
        raise UsageError(
            f"{path}, which has the version ({where} path), is outside of the repository",
            "name a file of the component",
        )
    try:
        text = read(path)
    except FileNotFoundError:
        raise UsageError(
            f"{path}, which has the version ({where} path), is not in the commit",
            f"`git add {path}` and commit it: a release is made of what is committed",
        ) from None
    pattern = _IN_PYTHON
    if isinstance(own := hatch.get("pattern"), str):
        try:
            pattern = re.compile(own, re.MULTILINE)
        except re.error as error:
            raise UsageError(
                f"{where} pattern {own!r} is none: {error}",
                f"leave it out where {path} has __version__",
            ) from None
    if "version" not in pattern.groupindex:
        raise UsageError(
            f"{where} pattern {own!r} has no group `version`", "(?P<version>…)"
        )
    found = pattern.search(text)
    if found is None or found["version"] is None:
        raise UsageError(
            f"{path}, which has the version ({where} path), does not say it",
            '__version__ = "1.2.0"',
        )
    return _Place(path, text, *found.span("version"))
