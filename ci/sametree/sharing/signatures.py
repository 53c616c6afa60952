"""Who vouches for a record? Signatures with ed25519 (RFC 8032).

A signed record is ``{"record": …, "key": PUBLIC, "signature": …}``; what is signed is
the record as JSON with sorted keys and no white space. Keys are base64, 32 bytes.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sametree.errors import SurroundingsError, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

VARIABLE = "SAMETREE_RECORDS_KEY"
"""Holds the private key of CI; a secret of its own that units never get."""
PURPOSE = b"sametree record, version 1\n"
"""Signed before each record, so that the key signs nothing else by mistake."""


def new_key() -> tuple[str, str]:
    """Return a new private key, and the public key that belongs to it."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    made = Ed25519PrivateKey.generate()
    return _text(made.private_bytes_raw()), _text(made.public_key().public_bytes_raw())


def given(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the private key that the environment holds, or None.

    Raises UsageError, without the key's text, when it is none.
    """
    text = environ.get(VARIABLE, "").strip()
    if not text:
        return None
    _private(text)
    return text


def sign(record: Mapping[str, Any], private: str) -> dict[str, Any]:
    """Return ``record`` with a signature beside it."""
    key = _private(private)
    return {
        "record": record,
        "key": _text(key.public_key().public_bytes_raw()),
        "signature": _text(key.sign(_signed(record))),
    }


def signer(line: Mapping[str, Any]) -> str:
    """Return the public key that signed the record in ``line``; "" when none has.

    A signature that does not fit its key or its record is none.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = base64.b64decode(line["key"], validate=True)
        signature = base64.b64decode(line["signature"], validate=True)
        public = Ed25519PublicKey.from_public_bytes(key)
        public.verify(signature, _signed(line["record"]))
    except (KeyError, TypeError, ValueError, InvalidSignature):
        return ""
    return _text(key)


def _signed(record: Mapping[str, Any]) -> bytes:
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return PURPOSE + text.encode()


def _private(text: str) -> Ed25519PrivateKey:
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError:
        raise SurroundingsError(
            "records cannot be signed: cryptography is not installed",
            "pip install 'sametree[signatures]' (here: README's first command)",
        ) from None
    try:
        return Ed25519PrivateKey.from_private_bytes(
            base64.b64decode(text, validate=True)
        )
    except (ValueError, binascii.Error):
        raise UsageError(
            f"{VARIABLE} holds no key: it should be 32 bytes in base64",
            "make one with `invoke records.key` and set it as a secret of the repository",
        ) from None


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
