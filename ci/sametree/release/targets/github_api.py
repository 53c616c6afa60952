"""How is GitHub's REST API called, and what does it tell?

docs.github.com/rest, version 2022-11-28.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from sametree.errors import SurroundingsError, UsageError
from sametree.release.targets import calls

if TYPE_CHECKING:
    from requests import Response

T = TypeVar("T")
VERSION = "2022-11-28"
PAGES = 10
"""Pages of 100 in which something is looked for: the newest come first."""


class Asset(msgspec.Struct, frozen=True):
    """A file of a release; ``state`` is ``uploaded`` when all of it is there."""

    id: int
    name: str
    state: str
    size: int
    digest: str | None = None


class Release(msgspec.Struct, frozen=True):
    """A release as GitHub tells it."""

    id: int
    tag_name: str
    upload_url: str
    html_url: str
    draft: bool
    target_commitish: str = ""
    name: str | None = None
    body: str | None = None
    immutable: bool = False


class WithAssets(msgspec.Struct, frozen=True):
    """A release, of which only the files are looked at."""

    assets: list[Asset] = []


class Rights(msgspec.Struct, frozen=True):
    """What a token may do."""

    pull: bool = False
    push: bool = False


class Repository(msgspec.Struct, frozen=True):
    """A repository as GitHub tells it."""

    archived: bool = False
    permissions: Rights | None = None


@dataclass(frozen=True)
class Api:
    """The API of the server at ``address``, for the repository owner/name.

    ``variable`` holds the token, or should.
    """

    address: str
    repository: str
    token: str = field(repr=False)
    variable: str
    waits: Sequence[float] = calls.WAITS

    def where(self) -> str:
        """Return host, owner and name."""
        host = calls.host(self.address).removeprefix("api.")
        return f"{host}/{self.repository}"

    def each(self, path: str, kind: type[T]) -> Iterator[T]:
        """Yield what a list has, page by page (docs: using pagination)."""
        for number in range(1, PAGES + 1):
            params = {"per_page": "100", "page": str(number)}
            answer = self.call("GET", path, params=params)
            yield from decoded(answer, list[kind])  # type: ignore[valid-type]
            if "next" not in answer.links:
                return

    def call(
        self,
        method: str,
        path: str,
        *,
        waits: Sequence[float] | None = None,
        allowed: Sequence[int] = (),
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Response:
        """Call the API below the repository, or a whole address.

        Return an answer that is good or whose status is ``allowed``. Raises UsageError
        when GitHub refuses, SurroundingsError when it cannot.
        """
        whole = path.startswith(("http://", "https://"))
        url = path if whole else f"{self.address}/repos/{self.repository}{path}"
        told = {
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": VERSION,
            **(headers or {}),
        }
        with calls.session() as session:
            session.auth = Bearer(self.token)
            waits = self.waits if waits is None else waits
            answer = calls.call(session, method, url, waits, headers=told, **options)
        if answer.ok or answer.status_code in allowed:
            return answer
        raise self.refused(answer)

    def refused(self, answer: Response) -> UsageError | SurroundingsError:
        told, variable = calls.words(answer), self.variable
        status = answer.status_code
        if status == 401:
            return UsageError(
                f"{self.where()} refuses the token in {variable}: {told}",
                "it is wrong or has expired: make a new one, with `Contents: write`",
            )
        spent = answer.headers.get("X-RateLimit-Remaining") == "0"
        if status == 403 and (spent or "rate limit" in told.lower()):
            return SurroundingsError(f"{self.where()}: {told}", calls.RETRY)
        if status in (403, 404):
            return UsageError(
                f"{self.where()} says {status}: {told}",
                f"there has to be such a repository, and the token in {variable} needs"
                " `Contents: write` there",
            )
        return UsageError(
            f"{self.where()} says {status}: {told}",
            "when that is mended: `invoke release --resume`",
        )


def access(
    address: str, chosen: str | None, environ: Mapping[str, str], remote: str
) -> Api:
    """Return where to go; see settings.model.Target for what is taken when it is empty.

    Raises UsageError when ``remote`` names no repository of a server.
    """
    place = of_remote(remote)
    server, repository = place or ("", environ.get("GITHUB_REPOSITORY", ""))
    api = address or environ.get("GITHUB_API_URL", "")
    if not api and server:
        usual = server == "github.com"
        api = f"https://api.{server}" if usual else f"https://{server}/api/v3"
    if not calls.is_address(api) or repository.count("/") != 1:
        raise UsageError(
            "which repository of GitHub is it? The remote is"
            f" {calls.without_user(remote)!r}",
            "`remote` of [tool.sametree.release] has to be one on GitHub; or set"
            " `address` of the target, and GITHUB_REPOSITORY=owner/name",
        )
    token, variable = calls.token_of(environ, chosen, "GITHUB_TOKEN", "GH_TOKEN")
    return Api(api.rstrip("/"), repository, token, variable)


def of_remote(url: str) -> tuple[str, str] | None:
    """Return the server and owner/name that a remote is; None when it is neither.

    >>> of_remote("git@github.com:acme/maria.git")
    ('github.com', 'acme/maria')
    >>> of_remote("https://me:x@git.example.org/acme/maria/")
    ('git.example.org', 'acme/maria')
    """
    found = re.fullmatch(
        r"(?:(?:https?|ssh|git)://(?:[^/@]*@)?(?P<host>[^/:]+)(?::\d+)?/"
        r"|(?:[\w.-]+@)(?P<scp>[\w.-]+):/?)"
        r"(?P<path>[^/]+/[^/]+?)(?:\.git)?/?",
        url.strip(),
    )
    if not found:
        return None
    return (found["host"] or found["scp"]).lower(), found["path"]


class Bearer:
    """Signs calls. Without a token public things can be looked at; requests alone would
    then take what ~/.netrc has for the host."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: Any) -> Any:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}".encode()
        return request


def decoded(answer: Response, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise SurroundingsError(
            f"{calls.host(answer.url)} is no GitHub: {error}",
            "`address` of the target has to be that of a REST API",
        ) from None
