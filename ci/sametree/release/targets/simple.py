"""Which files does a package index list, and with which digests?

The simple repository API: PEP 503 (HTML), PEP 691 (JSON), PEP 592 (yanked).
"""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import parse_qs, unquote, urljoin, urlsplit, urlunsplit

import msgspec

from sametree.errors import SurroundingsError

ACCEPT = (
    "application/vnd.pypi.simple.v1+json,"
    " application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
)
"""What is asked for, as PEP 691 recommends it."""


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A file that an index lists; ``sha256`` is empty when it tells no such digest."""

    name: str
    url: str
    sha256: str = ""
    yanked: bool = False
    reason: str = ""


class _File(msgspec.Struct):
    filename: str
    url: str
    hashes: dict[str, str] = {}
    yanked: bool | str = False


class _Meta(msgspec.Struct):
    version: str = msgspec.field(name="api-version")


class _Page(msgspec.Struct):
    meta: _Meta
    files: list[_File]


def read(body: bytes, kind: str, url: str) -> dict[str, Listed]:
    """Return by name the files that a project's page lists; ``kind`` is its media type,
    ``url`` where it came from.

    Raises SurroundingsError when the page is none, or of a version not known here.
    """
    media = kind.partition(";")[0].strip().lower()
    if media.endswith("json"):
        return {each.name: each for each in _of_json(body, url)}
    if media in ("text/html", "application/vnd.pypi.simple.v1+html", ""):
        return {each.name: each for each in _of_html(body, url)}
    raise SurroundingsError(
        f"{url} is no list of files: it is {media}",
        "`simple` of the target in pyproject.toml has to be an index's simple API",
    )


def address_of(upload: str) -> str:
    """Return where an index lists its files, by the address that takes them.

    >>> address_of("https://upload.example.org/legacy/")
    'https://example.org/simple/'
    >>> address_of("http://127.0.0.1:8080/")
    'http://127.0.0.1:8080/simple/'
    """
    parts = urlsplit(upload)
    path = parts.path.rstrip("/")
    if path.endswith("/legacy"):
        path = path.removesuffix("/legacy")
        user, at, rest = parts.netloc.rpartition("@")
        netloc = f"{user}{at}{rest.removeprefix('upload.')}"
        return urlunsplit((parts.scheme, netloc, f"{path}/simple/", "", ""))
    return urlunsplit((parts.scheme, parts.netloc, f"{path}/simple/", "", ""))


def _of_json(body: bytes, url: str) -> Iterator[Listed]:
    try:
        page = msgspec.json.decode(body, type=_Page)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise SurroundingsError(f"{url} is no list of files: {error}") from None
    if page.meta.version.partition(".")[0] != "1":
        raise SurroundingsError(
            f"{url} speaks version {page.meta.version} of the simple API; known is 1",
            "a newer sametree may know it",
        )
    for each in page.files:
        yield Listed(
            name=each.filename,
            url=urljoin(url, each.url),
            sha256=each.hashes.get("sha256", "").lower(),
            yanked=each.yanked is not False,
            reason=each.yanked if isinstance(each.yanked, str) else "",
        )


def _of_html(body: bytes, url: str) -> list[Listed]:
    reader = _Anchors(url)
    reader.feed(body.decode("utf-8", "replace"))
    reader.close()
    return reader.found


class _Anchors(HTMLParser):
    """Collects the anchors of a page; PEP 503 has the digest in the fragment."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.base = url
        self.found: list[Listed] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag == "base" and told.get("href"):
            self.base = urljoin(self.base, told["href"] or "")
        if tag != "a" or not told.get("href"):
            return
        full = urlsplit(urljoin(self.base, told["href"] or ""))
        digests = parse_qs(full.fragment).get("sha256", [""])
        self.found.append(
            Listed(
                name=unquote(full.path.rpartition("/")[2]),
                url=urlunsplit(full._replace(fragment="")),
                sha256=digests[0].lower(),
                yanked="data-yanked" in told,
                reason=told.get("data-yanked") or "",
            )
        )
