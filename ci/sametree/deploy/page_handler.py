"""How is a page served to a user of one colour, and an asset to a user of any?

The page itself and all that has no hash in its name come from the colour of the request,
and are asked for again each time. What has one never changes: it is kept by browsers for
a year, and served out of any release that is still there, so that a page which was
opened before a deployment goes on working.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import sys
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from whitenoise.media_types import MediaTypes  # type: ignore[import-untyped]
from whitenoise.responders import StaticFile  # type: ignore[import-untyped]
from whitenoise.string_utils import decode_path_info  # type: ignore[import-untyped]

from sametree.deploy import pages
from sametree.deploy.pages import INDEX

COLOUR = "HTTP_X_SAMETREE_COLOUR"
FOREVER = "public, max-age=31536000, immutable"
ANEW = "no-cache"
BLOCK = 1 << 18
NO_PAGE = "No page has been deployed here yet."
_PACKED = {"br": ".br", "gzip": ".gz"}
# webpack and the like: main.8d1c4a6e.js, 6ce24c58023cc2f8.svg. A date is no hash.
_HEX = re.compile(r"[-./](?=\d*[a-f])(?=[a-f]*\d)[0-9a-f]{8,64}\.[^/]*$")
# Vite and Rollup: assets/index-BnHk3x2a.js. "-Document." is no hash.
_BASE64 = re.compile(r"/assets/.*-(?=[^.]*[A-Za-z])(?=\d|\w+[\dA-Z_-])[\w-]{8}\.[^/]*$")
# What may be a hash: to look for such a file in vain costs nothing.
_MAYBE = re.compile(r"[-./][\w-]{8,64}\.[^/]+$", re.ASCII)


class Stat(NamedTuple):
    """What of a file counts: one of another release may have the same time."""

    st_mode: int
    st_size: int
    st_mtime: float = 0


class File(StaticFile):  # type: ignore[misc]
    """A file, with its packed forms: what WhiteNoise does, and a byte more."""

    def get_response(self, method: str, request: Mapping[str, Any]) -> Any:
        """Return the answer. Raises OSError when the file is gone."""
        if "HTTP_IF_RANGE" in request:
            # Our tags are weak, and such never allow a part (RFC 9110, 13.1.5).
            request = {k: v for k, v in request.items() if k != "HTTP_RANGE"}
        return super().get_response(method, request)

    def get_byte_range(self, header: str, size: int) -> tuple[int, int]:
        """Return the first and the last byte that is asked for. Raises ValueError when
        all of it may be sent instead."""
        start, end = super().get_byte_range(header, size)
        if start == end:
            raise ValueError("WhiteNoise takes one byte for none")
        return int(start), int(end)

    def get_path_and_headers(self, request: Mapping[str, Any]) -> Any:
        """Return the smallest form that the client accepts, and its headers."""
        accepted = request.get("HTTP_ACCEPT_ENCODING", "").split(",")
        named = [
            each for each in accepted if not re.search(r";\s*q=0(\.0*)?\s*$", each)
        ]
        return super().get_path_and_headers({"HTTP_ACCEPT_ENCODING": ",".join(named)})


Tree = Mapping[str, File]
"""The files of a folder, by the path that they are asked for by."""


class Site(NamedTuple):
    """All that is served now."""

    colours: Mapping[str, Tree]
    active: str
    older: tuple[Tree, ...]

    def find(self, path: str, colour: str, accept: str) -> File | None:
        """Return what answers a request for ``path``; None when nothing does."""
        own = self.colours.get(colour) or self.colours.get(self.active, {})
        if file := own.get(path):
            return file
        if _MAYBE.search(path):
            for tree in (*self.colours.values(), *self.older):
                if file := tree.get(path):
                    return file
        # A path within the application, which the page itself makes sense of.
        within = "." not in path.rpartition("/")[2] and "text/html" in accept
        return own.get("/") if within else None


class Handler:
    """A WSGI application that serves what ``pages.json`` in ``folder`` says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = str(folder / pages.FILE)
        self.lock = threading.Lock()
        self.seen: tuple[int, ...] = ()
        self.site: Site | None = None
        self.trees: dict[str, Tree] = {}

    def __call__(self, request: dict[str, Any], start: Any) -> Iterable[bytes]:
        """Answer a request (PEP 3333)."""
        method = request["REQUEST_METHOD"]
        if method not in ("GET", "HEAD"):
            return _say(request, start, "405 Method Not Allowed", Allow="GET, HEAD")
        site = self._site()
        if site is None:
            return _say(request, start, "503 Service Unavailable", NO_PAGE)
        path = decode_path_info(request.get("PATH_INFO", ""))
        accept = request.get("HTTP_ACCEPT", "")
        file = site.find(path, request.get(COLOUR, ""), accept)
        try:
            response = file.get_response(method, request) if file else None
        except OSError:
            response = None  # its release was removed this moment
        if response is None:
            return _say(request, start, "404 Not Found")
        start(f"{response.status} {response.status.phrase}", list(response.headers))
        if response.file is None:
            return []
        wrapped: Iterable[bytes] = request["wsgi.file_wrapper"](response.file, BLOCK)
        return wrapped

    def _site(self) -> Site | None:
        """Return what is served now; it is read again when the file was replaced."""
        try:
            now = os.stat(self.file)
        except OSError:
            return self.site
        seen = (now.st_ino, now.st_mtime_ns, now.st_size)
        if seen != self.seen:
            with self.lock:
                if seen != self.seen:
                    self._read()
                    self.seen = seen
        return self.site

    def _read(self) -> None:
        try:
            told = pages.read(self.folder)
            if told is None:
                return
            places = dict.fromkeys((*told.colours.values(), *told.assets))
            # A release never changes: only what is new is looked at.
            self.trees = {each: self.trees.get(each) or tree(each) for each in places}
            colours = {name: self.trees[at] for name, at in told.colours.items()}
        except (OSError, msgspec.MsgspecError) as error:
            print(f"{self.file}: {error}; serving as before", file=sys.stderr)
            return
        older = tuple(self.trees[at] for at in told.assets)
        self.site = Site(colours, told.active, older)


def tree(folder: str) -> Tree:
    """Return what may be asked for of ``folder``; one that is gone has nothing.

    Nothing that is hidden, and nothing that a link brings in from elsewhere.
    """
    top = os.path.realpath(folder)
    sizes = {path: Stat(found.st_mode, found.st_size) for path, found in _walk(top)}
    types = MediaTypes()
    found = {}
    for path in sizes:
        base, ending = os.path.splitext(path)
        if ending in _PACKED.values() and base in sizes:
            continue
        url = path.removeprefix(top)
        packed = {name: path + ending for name, ending in _PACKED.items()}
        headers = _headers(path, url, types)
        found[url] = File(path, list(headers.items()), packed, sizes)
        if url.endswith(f"/{INDEX}"):
            found[url.removesuffix(INDEX)] = found[url]
    return found


def lasting(url: str) -> bool:
    """Return whether the name holds a hash of what is in the file."""
    return bool(_HEX.search(url) or _BASE64.search(url))


def _walk(top: str) -> Iterable[tuple[str, os.stat_result]]:
    for folder, folders, names in os.walk(top):
        folders[:] = [name for name in folders if _shown(name)]
        for name in names:
            path = os.path.join(folder, name)
            inside = os.path.realpath(path).startswith(top + os.sep)
            if not _shown(name) or not inside:
                continue
            found = os.stat(path)
            if stat.S_ISREG(found.st_mode):
                yield path, found


def _shown(name: str) -> bool:
    # RFC 8615: what is there is meant to be found.
    return not name.startswith(".") or name == ".well-known"


def _headers(path: str, url: str, types: Any) -> dict[str, str]:
    kind = str(types.get_type(path))
    forever = lasting(url)
    tag = hashlib.sha256(os.fsencode(url))
    if not forever:
        with open(path, "rb") as file:
            tag = hashlib.file_digest(file, "sha256")
    return {
        "Content-Type": f"{kind}; charset=utf-8" if kind.startswith("text/") else kind,
        "Cache-Control": FOREVER if forever else ANEW,
        # Weak: the packed forms have the same. Not of time and size, which are those
        # of another release's page as well.
        "ETag": f'W/"{tag.hexdigest()[:24]}"',
        "X-Content-Type-Options": "nosniff",
    }


def _say(
    request: Mapping[str, Any], start: Any, status: str, text: str = "", **more: str
) -> Iterable[bytes]:
    body = f"{text or status.partition(' ')[2]}\n".encode()
    told = {
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        **more,
    }
    start(status, list(told.items()))
    return [] if request["REQUEST_METHOD"] == "HEAD" else [body]
