"""Who vouches for a record, or a release? Signatures with ed25519 (RFC 8032).

Keys and signatures are base64 (RFC 4648): 32 bytes a key, 64 a signature.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sametree.errors import SettingsError, SurroundingsError
from sametree.settings import FILE
from sametree.surroundings.allowed import KEY

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

VARIABLE = KEY
PURPOSE = b"sametree record, version 1\n"
"""Signed before each record, so that the key signs nothing else by mistake."""
SETTING = "tool.sametree.ci.signers"
_SIZE = 32
_MISSING = (
    "signatures of records need the package cryptography, which is not installed",
    "install it as sametree[signatures]",
)


def new_key() -> tuple[str, str]:
    """Return a new private key, and the public key that belongs to it."""
    made = _ed25519().Ed25519PrivateKey.generate()
    return _text(made.private_bytes_raw()), _text(made.public_key().public_bytes_raw())


def given(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the private key in SAMETREE_RECORDS_KEY; None where it is not set, or
    empty, as GitHub has it for a secret that does not exist.

    Raises SurroundingsError, without the text, when that is no key.
    """
    text = environ.get(VARIABLE, "").strip()
    if not text:
        return None
    _private(text)
    return text


def public_of(private_key: str) -> str:
    """Return the public key that belongs to ``private_key``."""
    return _text(_private(private_key).public_key().public_bytes_raw())


def sign(text: bytes, private_key: str, purpose: bytes = PURPOSE) -> tuple[str, str]:
    """Return the public key and the signature of ``text``.

    ``purpose`` is signed before it; empty for a text that itself says what it is for
    (an envelope of DSSE). Raises SurroundingsError, without the key's text, when it is no key.
    """
    key = _private(private_key)
    signature = _text(key.sign(purpose + text))
    return _text(key.public_key().public_bytes_raw()), signature


def public_keys(signers: Iterable[str]) -> dict[str, Ed25519PublicKey]:
    """Return the keys of the setting ``signers``, by their text.

    Raises SettingsError that names all that are none.
    """
    named = list(signers)
    if not named:
        return {}
    load = _ed25519().Ed25519PublicKey.from_public_bytes
    found, wrong = {}, []
    for number, text in enumerate(named):
        raw = _decoded(text)
        if raw is None or len(raw) != _SIZE:
            wrong.append(
                f"{SETTING}[{number}]: {text!r} is no public key: it should be"
                f" {_SIZE} bytes in base64"
            )
        else:
            found[_text(raw)] = load(raw)
    if wrong:
        raise SettingsError(FILE, wrong, "`invoke records.key` makes a pair of keys")
    return found


def loaded(text: str) -> dict[str, Ed25519PublicKey]:
    """Return the key that ``text`` is, by its text; nothing when it is none."""
    raw = _decoded(text)
    if raw is None or len(raw) != _SIZE:
        return {}
    return {_text(raw): _ed25519().Ed25519PublicKey.from_public_bytes(raw)}


def verified(
    text: bytes, signature: str, key: Ed25519PublicKey, purpose: bytes = PURPOSE
) -> bool:
    """Return whether ``signature`` of ``text`` was made with the other half of ``key``."""
    from cryptography.exceptions import InvalidSignature

    raw = _decoded(signature)
    if raw is None:
        return False
    try:
        key.verify(raw, purpose + text)
    except InvalidSignature:
        return False
    return True


def _private(text: str) -> Ed25519PrivateKey:
    load = _ed25519().Ed25519PrivateKey.from_private_bytes
    raw = _decoded(text)
    if raw is None or len(raw) != _SIZE:
        raise SurroundingsError(
            f"{VARIABLE} holds no key: it should be {_SIZE} bytes in base64",
            "make a pair with `invoke records.key`, and put the private one there",
        )
    key: Ed25519PrivateKey = load(raw)
    return key


def _ed25519() -> Any:
    """Return the module of the keys; it is imported only where one is used."""
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise SurroundingsError(*_MISSING) from None
    return ed25519


def _decoded(text: str) -> bytes | None:
    """Return the bytes that ``text`` is base64 for; None when it is none."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
