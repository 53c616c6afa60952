"""What is a line of a note: whose record, signed or not, or something foreign?

A line is JSON: ``{"record": {...}}``, or with ``key`` and ``signature`` beside it (see
``signatures``). What is signed are the bytes of the record as they stand there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

from sametree import records, signatures
from sametree.records import Record

PRIVATE = ("host.name", "user")
"""Surroundings of a laptop that are nobody else's affair."""
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Shared(msgspec.Struct, frozen=True):
    """A record that others can see. ``text`` is the record as it stands in the note;
    ``key`` and ``signature`` say, unproven, who signed it; empty when nobody did."""

    record: Record
    text: bytes
    key: str = ""
    signature: str = ""

    @property
    def commit(self) -> str:
        """The commit whose tree the record is about."""
        return self.record.revision

    @property
    def line(self) -> bytes:
        """The line that stands for it in a note."""
        told: dict[str, object] = {"record": msgspec.Raw(self.text)}
        if self.signature:
            told |= {"key": self.key, "signature": self.signature}
        return msgspec.json.encode(told)


class _Line(msgspec.Struct):
    record: msgspec.Raw
    key: str = ""
    signature: str = ""


_line = msgspec.json.Decoder(_Line)
_record = msgspec.json.Decoder(Record)


def read(line: bytes, commit: str) -> Shared | None:
    """Return the record in a line of the note on ``commit``.

    None when it is something else: foreign, cut short, of a newer version, or a record
    of another commit.
    """
    if not line.startswith(b"{"):
        return None
    try:
        told = _line.decode(line)
        record = _record.decode(told.record)
    except _UNREADABLE:
        return None
    known = record.schema <= records.SCHEMA and math.isfinite(record.started)
    if not known or record.revision != commit:
        return None
    return Shared(record, bytes(told.record), told.key, told.signature)


def written(record: Record, private_key: str | None = None) -> Shared:
    """Return ``record`` as it is shared, signed where there is a key.

    Raises SurroundingsError when the key is none.
    """
    text = msgspec.json.encode(public(record), order="deterministic")
    if private_key is None:
        return Shared(record, text)
    key, signature = signatures.sign(text, private_key)
    return Shared(record, text, key, signature)


def public(record: Record) -> Record:
    """Return what of ``record`` others may see: of a laptop neither its name nor whose
    it is, but for ``root``, who may do what others may not."""
    if record.place != "local":
        return record
    kept = {
        name: text
        for name, text in record.surroundings.items()
        if name not in PRIVATE or text == "root" and name == "user"
    }
    return msgspec.structs.replace(record, surroundings=kept)


def trusted(found: Iterable[Shared], signers: Iterable[str]) -> list[Record]:
    """Return the records that the holder of one of ``signers`` (public keys) has signed.

    What any other record says about where it was made is a claim. Raises SettingsError
    when a signer is no key, and SurroundingsError when signatures cannot be checked.
    """
    keys = signatures.public_keys(signers)
    return [
        each.record
        for each in found
        if each.key in keys
        and signatures.verified(each.text, each.signature, keys[each.key])
    ]
