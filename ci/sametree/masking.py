"""Which texts must nobody read, and how are they kept out of all that is shown?

As GitHub's runner does, ``***`` stands for a secret as it is, for each line of one of
several lines, and for the forms in which programs print it: escaped for JSON, Python,
XML, a URL or a shell, and in base64. A part of a secret, or one that a program changed
in another way (wrapped it, reversed it, put colours into it), is not recognised.
"""

from __future__ import annotations

import re

# Every line that we print passes here, so this is imported by what has to answer at
# once: what costs time to import waits until there is a secret.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path
    from typing import Any, AnyStr

SIGN = "***"
SHORTEST = 4
"""Shorter texts are in half of all words: to hide them would hide the output."""
COMMON = frozenset({"true", "false", "none", "null"})
"""Neither are these hidden, in small letters or capitals."""


class Mask:
    """Texts to hide, in all their forms. It does not change."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self.secrets = frozenset(secrets)
        found = {form for secret in self.secrets for form in forms(secret)}
        self._texts = tuple(sorted(found))
        self._raw = tuple(text.encode(errors="surrogateescape") for text in found)

    def __bool__(self) -> bool:
        return bool(self._texts)

    def __repr__(self) -> str:
        return f"<Mask of {len(self.secrets)} secrets>"

    def hide(self, text: str) -> str:
        """Return ``text`` with a ``***`` for each secret in it."""
        shown, done = [], 0
        for start, end in _places(text, self._texts):
            shown += [text[done:start], SIGN]
            done = end
        return "".join((*shown, text[done:]))

    def stream(self) -> Stream:
        """Return what hides the secrets in bytes that come piece by piece."""
        return Stream(self._raw)


class Stream:
    """Hides secrets in bytes, also one that is cut in two by the end of a piece.

    What may be the beginning of a secret is held back until more comes.
    """

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._secrets = secrets
        self._held = b""
        self._hidden = 0  # of the held bytes, how many belong to a sign already shown

    def feed(self, piece: bytes) -> bytes:
        """Take the next piece; return what may be shown now."""
        text = self._held + piece
        return self._shown(text, len(text) - _begun(text, self._secrets))

    def end(self) -> bytes:
        """Return what is left when no more comes."""
        return self._shown(self._held, len(self._held))

    def _shown(self, text: bytes, until: int) -> bytes:
        """Return ``text`` up to ``until`` without secrets, and hold back the rest.

        No secret that begins before ``until`` ends after the end of ``text``.
        """
        shown, done = [], self._hidden
        for start, end in _places(text, self._secrets):
            if start >= until:
                break
            if start >= done:
                shown += [text[done:start], SIGN.encode()]
            done = max(done, end)
        shown.append(text[done:until])
        self._held, self._hidden = text[until:], max(0, done - until)
        return b"".join(shown)


_mask = Mask()
"""What this process hides: whoever prints or writes asks here."""


def register(secrets: Iterable[str]) -> list[str]:
    """Hide ``secrets`` from now on in this process; return the lines that are new."""
    global _mask
    known = {line for secret in _mask.secrets for line in lines(secret)}
    _mask = Mask({*_mask.secrets, *secrets})
    return sorted({line for each in _mask.secrets for line in lines(each)} - known)


def active() -> bool:
    """Return whether there is anything to hide."""
    return bool(_mask)


def hide(text: str) -> str:
    """Return ``text`` with a ``***`` for each registered secret in it."""
    return _mask.hide(text) if _mask else text


def hide_in(value: Any, keep: frozenset[str] = frozenset()) -> Any:
    """Return lists and dictionaries with all their texts hidden; but at the top, what
    the keys ``keep`` name stays as it is."""
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, dict):
        return {
            hide(key): inner if key in keep else hide_in(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [hide_in(inner) for inner in value]
    return value


def hide_in_file(path: Path) -> None:
    """Take the registered secrets out of a text file that a step wrote (a report); one
    that is not there is no fault. Raises OSError when it cannot be written."""
    if not _mask or not path.is_file():
        return
    from sametree import files

    text = path.read_text(encoding="utf-8", errors="replace")
    if (shown := hide(text)) != text:
        files.write_atomically(path, shown)


def stream() -> Stream:
    """Return what hides the registered secrets in bytes that come piece by piece."""
    return _mask.stream()


def lines(secret: str) -> list[str]:
    """Return the lines of ``secret`` that can be hidden: logs are read by lines.

    >>> lines("first line\\nab\\n")
    ['first line']
    """
    found = (line.strip() for line in re.split(r"[\r\n]+", secret))
    return [line for line in found if _can_be_hidden(line)]


def forms(secret: str) -> set[str]:
    """Return the texts by which ``secret`` is recognised."""
    whole = secret.strip("\r\n")
    if not _can_be_hidden(whole):
        return set()
    found = {whole, *lines(secret)}
    found |= {escaped for line in found.copy() for escaped in _escaped(line)}
    found |= set(_in_base64(whole.encode(errors="surrogateescape")))
    return {form for form in found if _can_be_hidden(form) and "\n" not in form}


def passwords(address: str) -> set[str]:
    """Return the passwords in a URL, as it has them and as they are meant.

    One that stands there as the user's name as well is no secret.

    >>> sorted(passwords("postgresql://ada:p%40ss@db/app"))
    ['p%40ss', 'p@ss']
    """
    if "://" not in address:
        return set()
    from urllib.parse import unquote, urlsplit

    try:
        parts = urlsplit(address)
        user, given, query = parts.username or "", parts.password or "", parts.query
    except ValueError:
        user = given = query = ""
    if not given and (found := re.search(r"://([^:/?#@]*):(.+)@", address, re.DOTALL)):
        user, given = found[1], found[2]  # not a URL in each letter, but meant as one
    options = re.findall(r"(?:^|&)\w*password=([^&]+)", query, re.IGNORECASE)
    written = {given, *options} - {"", user}
    return {form for text in written for form in (text, unquote(text))}


def _can_be_hidden(text: str) -> bool:
    return len(text) >= SHORTEST and text.lower() not in COMMON


def _escaped(text: str) -> Iterable[str]:
    """Yield ``text`` as programs write it inside other text."""
    import json
    from urllib.parse import quote, quote_plus

    for ascii_only in (True, False):
        yield json.dumps(text, ensure_ascii=ascii_only)[1:-1]
    yield repr(text)[1:-1]
    for safe in ("", "/"):
        yield quote(text, safe, errors="surrogateescape")
    yield quote_plus(text, errors="surrogateescape")
    yield text.replace("'", "'\"'\"'")  # as shlex.quote has it
    xml = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    yield xml
    for apostrophe in ("'", "&#x27;", "&#39;", "&apos;"):
        yield xml.replace('"', "&quot;").replace("'", apostrophe)


def _in_base64(raw: bytes) -> Iterable[str]:
    """Yield ``raw`` in base64, alone and behind one, two or three other bytes.

    Of a group of four letters that stands for other bytes as well, only the letters
    that are ours alone are taken.
    """
    import base64

    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(raw).decode().rstrip("=")
        for before in range(3):
            letters = encode(b"\0" * before + raw).decode().rstrip("=")
            torn = bool((before + len(raw)) % 3)
            yield letters[(0, 2, 3)[before] : len(letters) - torn]


def _places(text: AnyStr, secrets: Iterable[AnyStr]) -> list[tuple[int, int]]:
    """Return where ``secrets`` are in ``text``; those that overlap are one place."""
    found = []
    for secret in secrets:
        at = text.find(secret)
        while at >= 0:
            found.append((at, at + len(secret)))
            at = text.find(secret, at + 1)
    joined: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _begun(text: bytes, secrets: Iterable[bytes]) -> int:
    """Return how many of the last bytes of ``text`` may be the beginning of a secret."""
    most = 0
    for secret in secrets:
        for size in range(min(len(secret) - 1, len(text)), most, -1):
            if text.endswith(secret[:size]):
                most = size
                break
    return most
