"""What is attested of a release can be checked by any tool that knows in-toto and DSSE."""

import base64
import json

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from sametree import signatures
from sametree.artifacts import manifest, statement, verify
from sametree.artifacts.manifest import STATEMENT, File, Manifest, Part, Proof

SUM = "5" * 64
RELEASE = Manifest(
    schema=manifest.SCHEMA,
    tree="a" * 40,
    commit="c" * 40,
    python="cpython 3.11",
    platform="linux x86_64 glibc",
    files={"app/lock.txt": File(size=3, sha256=SUM)},
    locks={"locks/app.txt": SUM},
    components=(Part(name="app", language="python", tree="b" * 40),),
    proofs=(Proof(unit="tests(app)", run="r1", place="github", fingerprint="f1"),),
)


@pytest.fixture
def keys():
    return signatures.new_key()


def test_a_statement_names_files_tree_commit_locks_and_proofs():
    told = statement.made(RELEASE, "local")
    assert told["_type"] == "https://in-toto.io/Statement/v1"
    assert told["predicateType"] == "https://slsa.dev/provenance/v1"
    assert told["subject"] == [
        {"name": "release", "digest": {"sha256": RELEASE.digest}},
        {"name": "app/lock.txt", "digest": {"sha256": SUM}},
        {"name": "tree", "digest": {"gitTree": "a" * 40}},
        {"name": "commit", "digest": {"gitCommit": "c" * 40}},
    ]
    definition = told["predicate"]["buildDefinition"]
    assert definition["resolvedDependencies"] == [
        {"name": "locks/app.txt", "digest": {"sha256": SUM}}
    ]
    (proof,) = told["predicate"]["runDetails"]["byproducts"]
    assert proof["name"] == "tests(app)"
    assert proof["annotations"]["fingerprint"] == "f1"
    dirty = statement.made(msgspec.structs.replace(RELEASE, commit=""), "local")
    assert "commit" not in {each["name"] for each in dirty["subject"]}


def test_the_signature_is_that_of_dsse_with_ed25519(keys):
    """Checked by hand, as the specification says it."""
    private, public = keys
    told = statement.envelope(statement.made(RELEASE, "local"), private)
    payload = base64.b64decode(told["payload"])
    kind = told["payloadType"].encode()
    signed = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    (one,) = told["signatures"]
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public))
    key.verify(base64.b64decode(one["sig"]), signed)
    assert one["keyid"] == public


def test_a_signature_of_a_release_is_none_of_a_record(keys):
    private, public = keys
    text = statement.encoded(statement.PAYLOAD, b"{}")
    key = signatures.public_keys([public])[public]
    _, signature = signatures.sign(text, private, purpose=b"")
    assert not signatures.verified(text, signature, key)
    assert signatures.verified(text, signature, key, purpose=b"")


def told(folder, signers=()):
    return statement.read(folder, signers)


def test_who_signed_is_known_unknown_or_nobody(tmp_path, keys):
    private, public = keys
    statement.write(tmp_path, RELEASE, "local", None)
    assert told(tmp_path)[1].kind == "unsigned"
    assert statement.signer(tmp_path) == ""
    statement.write(tmp_path, RELEASE, "local", private)
    other = signatures.new_key()[1]
    assert told(tmp_path, [other, public])[1] == statement.Signed("known", public)
    assert told(tmp_path, [other])[1] == statement.Signed("unknown", public)
    assert told(tmp_path)[1].kind == "unknown"
    assert statement.signer(tmp_path) == public
    assert told(tmp_path)[0] == statement.made(RELEASE, "local")


def test_who_signed_is_said_in_words():
    assert str(statement.Signed("unsigned")) == "not signed"
    assert str(statement.Signed("known", "K" * 44)) == "signed by KKKKKKKKKKKK"
    unknown = str(statement.Signed("unknown", "K" * 44))
    assert unknown == "signed by KKKKKKKKKKKK, whom settings (ci.signers) do not name"
    assert str(statement.Signed("broken", "K" * 44)) == "its signature is broken"


def envelope(folder, keys, change):
    statement.write(folder, RELEASE, "local", keys[0])
    written = json.loads((folder / STATEMENT).read_text())
    change(written)
    (folder / STATEMENT).write_text(json.dumps(written))


def other_payload(told):
    payload = base64.b64decode(told["payload"]).replace(b"local", b"LOCAL")
    told["payload"] = base64.b64encode(payload).decode()


def other_key(told):
    told["signatures"][0]["keyid"] = signatures.new_key()[1]


def no_key(told):
    told["signatures"][0]["keyid"] = "nobody"


@pytest.mark.parametrize("change", [other_payload, other_key, no_key])
def test_a_signature_of_other_bytes_is_broken(tmp_path, keys, change):
    envelope(tmp_path, keys, change)
    assert told(tmp_path)[1].kind == "broken"


def test_the_id_of_a_key_is_only_a_hint(tmp_path, keys):
    envelope(tmp_path, keys, other_key)
    assert told(tmp_path, [keys[1]])[1] == statement.Signed("known", keys[1])


def test_an_envelope_without_signatures_is_not_signed(tmp_path, keys):
    envelope(tmp_path, keys, lambda told: told.update(signatures=[]))
    assert told(tmp_path)[1].kind == "unsigned"


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told.pop("signatures"),
        lambda told: told.update(payload="%%%"),
        lambda told: told.update(payload=base64.b64encode(b"no JSON").decode()),
        lambda told: told.update(payload=base64.b64encode(b"[]").decode()),
        lambda told: told.update(payloadType="text/plain"),
        lambda told: told.update(signatures=[{"sig": "x"}]),
        lambda told: told.update(signatures="x"),
    ],
)
def test_an_envelope_that_cannot_be_read_is_told(tmp_path, keys, change):
    envelope(tmp_path, keys, change)
    with pytest.raises(ValueError):
        told(tmp_path)
    assert verify.signed(tmp_path).kind == "broken"


def test_what_is_no_statement_has_no_signer(tmp_path):
    with pytest.raises(OSError):
        told(tmp_path)
    (tmp_path / STATEMENT).write_text("[]")
    with pytest.raises(ValueError, match="no JSON object"):
        told(tmp_path)
    assert statement.signer(tmp_path) == ""
