"""What may the value of a declared variable be, and how do steps get it?

Whoever writes ``yes`` and whoever writes ``1`` means the same, and a step gets the same.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from sametree import masking

EXPECTED = {
    "str": "a text",
    "int": "a whole number, such as 8080",
    "bool": "true or false, 1 or 0, yes or no, on or off",
    "url": "an address with scheme and host, such as https://example.org/path",
    "secret": "a secret",
}
"""What is expected of each type, in words that follow "expected"."""

TRUE, FALSE = frozenset({"true", "1", "yes", "on"}), {"false", "0", "no", "off"}
LONGEST = 12
"""A wrong value is shown when it is no longer; what is longer may be a key, misplaced."""


class Malformed(ValueError):
    """A value is not of its type; the message says what was expected and what it is."""


def normalised(kind: str, text: str) -> str:
    """Return ``text`` as a step gets it: ``true`` or ``false``, a plain number.

    Raises Malformed, whose message shows neither a secret nor an address.
    """
    if "\0" in text:
        raise Malformed("holds a NUL character, which no variable can have")
    if kind == "bool":
        lowered = text.strip().lower()
        if lowered in TRUE or lowered in FALSE:
            return "true" if lowered in TRUE else "false"
    elif kind == "int":
        if re.fullmatch(r"\s*[+-]?[0-9]{1,4000}\s*", text):
            return str(int(text))
    elif kind == "url":
        if _is_address(text):
            return text
    else:
        return text
    raise Malformed(f"expected {EXPECTED[kind]} ({_told(kind, text)})")


def written(value: str | int | bool) -> str:
    """Return a value of the settings as text.

    >>> written(True), written(8080)
    ('true', '8080')
    """
    return str(value).lower() if isinstance(value, bool) else str(value)


def public(kind: str, value: str) -> str:
    """Return ``value`` as a record may have it: without what nobody may read."""
    if kind == "secret":
        return masking.SIGN
    for password in masking.passwords(value):
        for before, after in ((":", "@"), ("=", "")):
            value = value.replace(
                f"{before}{password}{after}", f"{before}{masking.SIGN}{after}"
            )
    return value


def hidden(kind: str, value: str) -> set[str]:
    """Return what of ``value`` nobody may read."""
    return {value} if kind == "secret" else masking.passwords(value)


def _is_address(text: str) -> bool:
    if re.search(r"[\s\x00-\x20\x7f]", text):
        return False
    try:
        parts = urlsplit(text)
        return bool(parts.scheme and parts.hostname) and (parts.port or 0) >= 0
    except ValueError:
        return False


def _told(kind: str, text: str) -> str:
    if kind == "url" or len(text) > LONGEST:
        return f"its {len(text)} characters are something else"
    return f"it is {text!r}"
