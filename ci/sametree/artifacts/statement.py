"""What can be attested of a release, and who attests it?

An in-toto statement with SLSA provenance: the files, what they were made from, and the
records of the runs that proved the tree. Signed, it is in an envelope of DSSE.
(in-toto.io/Statement/v1, slsa.dev/spec/v1.0/provenance, github.com/secure-systems-lab/dsse)
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import msgspec

from sametree import files, fingerprint, signatures
from sametree.artifacts.manifest import STATEMENT, Manifest

TYPE = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
PAYLOAD = "application/vnd.in-toto+json"
RELEASE = "release"
"""The subject whose digest is the name of the release."""
BUILD = "urn:sametree:release:v1"
"""The kind of build: what its parameters mean is said in docs/artifacts.md."""


class Signed(msgspec.Struct, frozen=True):
    """Who signed a statement: a signer of ours, somebody else, nobody, or (``broken``)
    somebody whose signature is not of these bytes. ``key`` is the public one."""

    kind: Literal["known", "unknown", "unsigned", "broken"]
    key: str = ""

    def __str__(self) -> str:
        said = {
            "known": "signed by {}",
            "unknown": "signed by {}, whom settings (ci.signers) do not name",
            "unsigned": "not signed",
            "broken": "its signature is broken",
        }
        return said[self.kind].format(self.key[:12])


def made(manifest: Manifest, place: str) -> dict[str, Any]:
    """Return the statement on a release; ``place`` is where it was packed."""
    subject = [{"name": RELEASE, "digest": {"sha256": manifest.digest}}]
    subject += [
        {"name": path, "digest": {"sha256": file.sha256}}
        for path, file in sorted(manifest.files.items())
    ]
    subject.append({"name": "tree", "digest": {"gitTree": manifest.tree}})
    if manifest.commit:
        subject.append({"name": "commit", "digest": {"gitCommit": manifest.commit}})
    return {
        "_type": TYPE,
        "subject": subject,
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD,
                "externalParameters": {
                    "tree": manifest.tree,
                    "components": [each.name for each in manifest.components],
                },
                "internalParameters": {
                    "python": manifest.python,
                    "platform": manifest.platform,
                },
                "resolvedDependencies": [
                    {"name": path, "digest": {"sha256": digest}}
                    for path, digest in sorted(manifest.locks.items())
                ],
            },
            "runDetails": {
                "builder": {
                    "id": f"urn:sametree:builder:{place}",
                    "version": {"sametree": fingerprint.suite()},
                },
                "byproducts": [
                    {"name": each.unit, "annotations": msgspec.to_builtins(each)}
                    for each in manifest.proofs
                ],
            },
        },
    }


def write(folder: Path, manifest: Manifest, place: str, key: str | None) -> None:
    """Write the statement beside the manifest, signed where there is a private ``key``.

    Raises SurroundingsError when the key is none.
    """
    statement = made(manifest, place)
    told = envelope(statement, key) if key else statement
    files.write_atomically(folder / STATEMENT, json.dumps(told, indent=2) + "\n")


def envelope(statement: dict[str, Any], key: str) -> dict[str, Any]:
    """Return the statement in an envelope, signed with ed25519."""
    payload = json.dumps(statement, sort_keys=True, separators=(",", ":")).encode()
    public, signature = signatures.sign(encoded(PAYLOAD, payload), key, purpose=b"")
    return {
        "payloadType": PAYLOAD,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": public, "sig": signature}],
    }


def encoded(kind: str, payload: bytes) -> bytes:
    """Return what is signed: DSSE's pre-authentication encoding, version 1.

    >>> encoded("http://example.com/HelloWorld", b"hello world")
    b'DSSEv1 29 http://example.com/HelloWorld 11 hello world'
    """
    return b"DSSEv1 %d %s %d %s" % (
        len(kind.encode()),
        kind.encode(),
        len(payload),
        payload,
    )


def read(folder: Path, signers: Iterable[str]) -> tuple[dict[str, Any], Signed]:
    """Return the statement of the release in ``folder``, and who signed it.

    ``signers`` are public keys. Raises OSError when there is none, ValueError when it
    cannot be read, and SettingsError when a signer is no key.
    """
    told = json.loads((folder / STATEMENT).read_bytes())
    if not isinstance(told, dict):
        raise ValueError("it is no JSON object")
    if "payload" not in told:
        return told, Signed("unsigned")
    try:
        payload = base64.b64decode(told["payload"], validate=True)
        listed = [(str(e["keyid"]), str(e["sig"])) for e in told["signatures"]]
        inside = json.loads(payload)
    except (KeyError, TypeError, binascii.Error, RecursionError) as error:
        raise ValueError(f"its envelope lacks something: {error}") from None
    if told.get("payloadType") != PAYLOAD or not isinstance(inside, dict):
        raise ValueError(f"its envelope holds something else than {PAYLOAD}")
    if not listed:
        return inside, Signed("unsigned")
    return inside, _signed(encoded(PAYLOAD, payload), listed, signers)


def signer(folder: Path) -> str:
    """Return the public key of who has signed the release's statement, as far as it
    says so; empty when nobody did."""
    try:
        told = json.loads((folder / STATEMENT).read_bytes())
        return str(told["signatures"][0]["keyid"])
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return ""


def _signed(
    text: bytes, listed: list[tuple[str, str]], signers: Iterable[str]
) -> Signed:
    """Return the best that can be said of the signatures (key, signature) of ``text``."""
    # The id of a key is a hint that anybody may have written: all known ones are tried.
    for public, key in signatures.public_keys(signers).items():
        if any(signatures.verified(text, sig, key, purpose=b"") for _, sig in listed):
            return Signed("known", public)
    for named, sig in listed:
        for public, key in signatures.loaded(named).items():
            if signatures.verified(text, sig, key, purpose=b""):
                return Signed("unknown", public)
    return Signed("broken", listed[0][0])
