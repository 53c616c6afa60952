"""How does one talk to a server over HTTP, and what does one say when it fails?

Every call has a time limit; one that changes nothing when it is repeated is repeated
when the server is in trouble. No message holds a secret.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sametree import masking
from sametree.errors import SurroundingsError, UnitFailed
from sametree.release.targets.model import File

if TYPE_CHECKING:
    from requests import Response, Session

TIMEOUT = (10.0, 60.0)
"""Seconds to connect, and seconds without a byte."""
WAITS = (0.5, 2.0, 6.0)
"""Seconds before each further try of a call that failed by a server's fault."""
LONGEST = 30.0
"""Seconds that a server may ask us to wait (RFC 9110, Retry-After)."""
SHOWN = 600
"""Characters of a server's words that are shown."""
PIECE = 1 << 16
AS_IT_IS = {"Accept-Encoding": "identity"}
"""Asks for a file's own bytes: some servers say of a .tar.gz that it was packed on its
way, and it would be unpacked."""
CHANGED = "yank the version, find out who changed the file, release a higher one"
CERTIFICATES = (
    "name your network's certificates in REQUESTS_CA_BUNDLE (for an index alone:"
    " TWINE_CERT)"
)
RETRY = "the server or the network is in trouble: try again later; what was done stays"


def session() -> Session:
    """Return a session that tells who we are; it heeds proxies and CA variables.

    Raises SurroundingsError when requests is not installed.
    """
    try:
        import requests
    except ModuleNotFoundError:
        raise lacking("requests") from None
    made = requests.Session()
    made.headers["User-Agent"] = "sametree"
    return made


def lacking(package: str) -> SurroundingsError:
    """Return what to say when a package of the extra ``release`` is not installed."""
    return SurroundingsError(
        f"{package} is not installed in this environment",
        "pip install 'sametree[release]' (here: README's first command)",
    )


def once(session: Session, method: str, url: str, **options: Any) -> Response:
    """Make one call. Raises SurroundingsError when no answer comes."""
    import requests

    options.setdefault("timeout", TIMEOUT)
    try:
        return session.request(method, url, **options)
    except (requests.RequestException, ValueError) as error:
        # requests raises plain ValueErrors for some malformed addresses and proxies.
        raise unanswered(url, error) from None


def call(
    session: Session,
    method: str,
    url: str,
    waits: Sequence[float] = WAITS,
    **options: Any,
) -> Response:
    """Make a call that may be repeated; return the answer, whatever its status below 500.

    Raises SurroundingsError when no answer comes, or the server is in trouble, in every
    try.
    """
    for wait in (*waits, None):
        try:
            answer = once(session, method, url, **options)
            if not in_trouble(answer):
                return answer
            said = failed(answer)
            wait = wait if wait is None else max(wait, asked_to_wait(answer))
            answer.close()
        except SurroundingsError as error:
            said = error
        if wait is None or wait > LONGEST:
            break
        time.sleep(wait)
    raise said


def in_trouble(answer: Response) -> bool:
    """Return whether a server says that it may answer otherwise later."""
    return answer.status_code >= 500 or answer.status_code == 429


def asked_to_wait(answer: Response) -> float:
    """Return how many seconds a server asks us to wait (RFC 9110, 10.2.3).

    A date instead of seconds is not understood: no index or forge sends one.
    """
    told = answer.headers.get("Retry-After", "")
    return float(told) if told.isdecimal() else 0.0


def unanswered(url: str, error: Exception) -> SurroundingsError:
    """Return what to say when no answer came from ``url``."""
    words = masking.hide(" ".join(str(error).split()))[:SHOWN]
    if "CERTIFICATE_VERIFY_FAILED" in words:
        return SurroundingsError(
            f"{host(url)} has a certificate that is not trusted here: {words}",
            CERTIFICATES,
        )
    return SurroundingsError(
        f"{host(url)} did not answer: {words or type(error).__name__}", RETRY
    )


def failed(answer: Response) -> SurroundingsError:
    """Return what to say of an answer that reports trouble."""
    return SurroundingsError(
        f"{host(answer.url)} says {answer.status_code}: {words(answer)}", RETRY
    )


def words(answer: Response) -> str:
    """Return what a server says for people, in one line without markup and secrets."""
    text = ""
    with suppress(Exception):  # a body that cannot be read leaves the reason
        text = said(answer.headers.get("Content-Type", ""), answer.text)
    return text or str(answer.reason or "(no words)")


def said(kind: str, text: str) -> str:
    """Return the words in ``text`` of the media type ``kind``.

    >>> said("text/html", "<title>No</title><h1>Bad  &amp; sad</h1>")
    'No Bad & sad'
    >>> said("application/json", '{"message": "Bad credentials"}')
    'Bad credentials'
    """
    import html
    import json
    import re

    if "json" in kind:
        with suppress(ValueError):
            told = json.loads(text)
            if isinstance(told, dict) and "message" in told:
                more = told.get("errors") or ""
                text = f"{told['message']}{f' {json.dumps(more)}' if more else ''}"
    elif "html" in kind or text.lstrip().startswith("<"):
        text = re.sub(r"(?is)<(style|script)\b.*?</\1>", " ", text)
        text = html.unescape(re.sub(r"<[^>]*>", " ", text))
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return masking.hide(line)[:SHOWN]


def host(url: str) -> str:
    """Return the host of an address, with its port, and nothing secret.

    >>> host("https://me:secret@upload.example.org:8443/legacy/")
    'upload.example.org:8443'
    """
    return urlsplit(url).netloc.rpartition("@")[2] or url


def without_user(text: str) -> str:
    """Return an address, or what should be one, without the part that may be secret.

    >>> without_user("https://me:secret@host/x"), without_user("me:secret@host")
    ('https://host/x', 'host')
    """
    scheme, sep, rest = text.rpartition("://")
    return f"{scheme}{sep}{rest.rpartition('@')[2]}"


def is_address(text: str) -> bool:
    """Return whether ``text`` is the address of a server that speaks HTTP."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname or parts.port)
    except ValueError:
        return False


def origin(url: str) -> tuple[str, str]:
    """Return what decides whether two addresses are one server: scheme and host."""
    return urlsplit(url).scheme, host(url)


def sha256_of(answer: Response, most: int) -> str:
    """Return the digest of what an answer holds; of at most ``most`` bytes and a piece,
    so that endless answers end.

    Raises SurroundingsError when it is cut off.
    """
    return _read(answer, most, lambda piece: None)


def keep(answer: Response, file: File, into: Path) -> Path:
    """Write what an answer holds to ``file.name`` in ``into``; return where that is.

    Raises UnitFailed when that is not ``file``, SurroundingsError when it is cut off.
    Nothing stands there before all of it is known to be right.
    """
    into.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=into, prefix=".fetched.")
    made, place = Path(name), into / Path(file.name).name
    try:
        with os.fdopen(handle, "wb") as out:
            got = _read(answer, file.size, out.write)
        if got != file.sha256:
            raise UnitFailed(
                f"{host(answer.url)} gives another {file.name} than was published\n"
                f"  there: sha256 {got}\n  built: sha256 {file.sha256}",
                CHANGED,
            )
        made.chmod(0o644)
        made.replace(place)
    finally:
        made.unlink(missing_ok=True)
    return place


def _read(answer: Response, most: int, take: Any) -> str:
    from urllib3.exceptions import HTTPError

    digest, length = hashlib.sha256(), 0
    try:
        for piece in answer.raw.stream(PIECE, decode_content=False):
            digest.update(piece)
            take(piece)
            length += len(piece)
            if length > most:
                break
    except HTTPError as error:
        raise unanswered(answer.url, error) from None
    finally:
        answer.close()
    return digest.hexdigest()


def token_of(
    environ: Mapping[str, str], chosen: str | None, *usual: str
) -> tuple[str, str]:
    """Return a token, and the name of the variable that holds it, or should.

    A ``chosen`` variable is the only one that counts.
    """
    names = (chosen,) if chosen else usual
    for name in names:
        if environ.get(name, "").strip():
            return environ[name].strip(), name
    return "", names[0]
