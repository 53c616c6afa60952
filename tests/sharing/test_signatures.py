"""Nobody speaks for CI who has not its key."""

import base64
import json
import sys

import pytest
from hubs import of_ci, record

from sametree import records, signatures
from sametree.errors import SettingsError, SurroundingsError
from sametree.records import Record
from sametree.sharing import lines, notes
from sametree.sharing.lines import Shared

COMMIT = "c" * 40
FAILED = Record(
    schema=records.SCHEMA,
    run="run-1",
    unit="tests(app)",
    result="failure",
    started=1.7e9,
    seconds=1.0,
    place="github",
    revision=COMMIT,
    parts={"input:app.py": f"100644 {'2' * 40}"},
)


@pytest.fixture
def keys():
    return signatures.new_key()


def pushed(hub, keys, **more):
    """Push a record that CI has signed; return the one line of the note."""
    notes.push(hub.first.root, [of_ci(hub.first, **more)], key=keys[0])
    (path,) = hub.paths()
    return path, hub.content(path)


def believed(hub, public):
    return [r.run for r in notes.trusted(notes.pull(hub.first.root), [public])]


def test_a_record_that_a_signer_signed_is_trusted(hub, on_github, keys):
    pushed(hub, keys)
    assert believed(hub, keys[1]) == ["run-1"]
    assert believed(hub, signatures.new_key()[1]) == []
    assert notes.trusted(notes.known(hub.first.root), []) == []


def forge_the_result(line):
    line["record"]["cicd.pipeline.task.run.result"] = "success"


def forge_the_unit(line):
    line["record"]["cicd.pipeline.task.name"] = "tests(other)"


def forge_the_tree(line):
    line["record"]["parts"]["input:app.py"] = f"100644 {'1' * 40}"


def forge_a_field_more(line):
    line["record"]["proof"] = "run-0"


def forge_the_key(line):
    line["key"] = signatures.new_key()[1]


def forge_an_empty_signature(line):
    line["signature"] = ""


def forge_another_signature(line):
    line["signature"] = base64.b64encode(b"1" * 64).decode()


def forge_a_short_signature(line):
    line["signature"] = line["signature"][:-8]


def forge_a_signature_that_is_no_text(line):
    line["signature"] = 3


def forge_a_signature_in_another_alphabet(line):
    line["signature"] = "é" * 20


def forge_no_signature(line):
    del line["signature"]


def forge_no_key(line):
    del line["key"]


FORGERIES = [
    pytest.param(function, id=name.removeprefix("forge_").replace("_", " "))
    for name, function in list(globals().items())
    if name.startswith("forge_")
]


@pytest.mark.parametrize("forge", FORGERIES)
def test_a_forged_record_is_never_trusted(keys, forge):
    signed = lines.written(FAILED, keys[0])
    assert lines.trusted([lines.read(signed.line, COMMIT)], [keys[1]]) == [FAILED]
    line = json.loads(signed.line)
    forge(line)
    told = json.dumps(line, separators=(",", ":"), ensure_ascii=False)
    read = lines.read(told.encode(), COMMIT)
    assert read is None or lines.trusted([read], [keys[1]]) == []


def test_what_a_line_says_twice_counts_once_as_it_was_signed(hub, on_github, keys):
    path, content = pushed(hub, keys, result="failure", proves=False)
    forged = content.replace(b'"failure"', b'"success"')
    record_of = json.loads(forged)["record"]
    twice = b'{"record":' + json.dumps(record_of).encode() + b"," + content[1:]
    hub.put({path: twice})
    (shared,) = notes.pull(hub.first.root)
    assert shared.record.result == "failure"
    first = content.rstrip(b"\n}") + b',"record":' + json.dumps(record_of).encode()
    hub.put({path: first + b"}\n"})
    assert believed(hub, keys[1]) == []


def test_a_signature_for_one_record_is_none_for_another(hub, on_github, keys):
    path, content = pushed(hub, keys)
    other = lines.written(of_ci(hub.first, "other"), keys[0])
    stolen = json.loads(content)
    stolen["signature"] = other.signature
    hub.put({path: json.dumps(stolen, separators=(",", ":")).encode()})
    assert believed(hub, keys[1]) == []


def test_a_record_that_says_it_is_from_ci_is_a_claim(hub, on_github, keys):
    notes.push(hub.first.root, [of_ci(hub.first)])
    assert [each.record.place for each in notes.pull(hub.first.root)] == ["github"]
    assert believed(hub, keys[1]) == []


def test_a_newer_suite_may_add_fields_to_what_it_signs(hub, on_github, keys):
    made = of_ci(hub.first)
    told = json.loads(lines.written(made).text) | {"mood": "bright"}
    text = json.dumps(told, separators=(",", ":")).encode()
    key, signature = signatures.sign(text, keys[0])
    line = Shared(made, text, key, signature).line
    hub.put({made.revision: line + b"\n"})
    assert believed(hub, keys[1]) == ["run-1"]


def test_the_same_record_is_signed_in_the_same_words(hub, keys):
    made = record(hub.first, parts={"b": "1", "a": "2"})
    again = record(hub.first, parts={"a": "2", "b": "1"}, started=made.started)
    assert lines.written(made, keys[0]).line == lines.written(again, keys[0]).line


def test_what_is_signed_names_its_purpose(keys):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key, signature = signatures.sign(b"{}", keys[0])
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key))
    told = b"sametree record, version 1\n{}"
    public.verify(base64.b64decode(signature), told)
    assert key == keys[1] == signatures.public_of(keys[0])


# Keys


WRONG = [
    pytest.param("hunter2-is-no-key", id="no base64"),
    pytest.param(base64.b64encode(b"hunter2").decode(), id="too short"),
    pytest.param(base64.b64encode(b"hunter2" * 9).decode(), id="too long"),
    pytest.param("hunter2ü", id="no ASCII"),
]


@pytest.mark.parametrize("text", WRONG)
def test_a_key_that_is_none_is_told_without_its_text(text):
    with pytest.raises(SurroundingsError, match="holds no key") as told:
        signatures.given({signatures.VARIABLE: text})
    assert "hunter2" not in str(told.value) and text not in str(told.value)
    assert told.value.__cause__ is None


@pytest.mark.parametrize("environ", [{}, {"SAMETREE_RECORDS_KEY": " \n"}])
def test_without_a_key_nothing_is_signed(environ):
    assert signatures.given(environ) is None


def test_a_key_may_be_pasted_with_white_space(keys):
    assert signatures.given({"SAMETREE_RECORDS_KEY": f" {keys[0]}\n"}) == keys[0]


def test_all_signers_that_are_no_keys_are_named_with_their_place(hub, keys):
    with pytest.raises(SettingsError) as told:
        notes.trusted([], ["x", keys[1], base64.b64encode(b"short").decode()])
    said = str(told.value)
    assert "pyproject.toml" in said
    assert "tool.sametree.ci.signers[0]: 'x' is no public key" in said
    assert "signers[2]" in said and "signers[1]" not in said


def test_without_cryptography_it_is_told_what_to_install(hub, monkeypatch, keys):
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric", None)
    with pytest.raises(SurroundingsError, match="cryptography") as told:
        notes.trusted([], [keys[1]])
    assert "sametree[signatures]" in str(told.value)
    notes.push(hub.first.root, [record(hub.first)])
    assert len(notes.known(hub.first.root)) == 1
    assert notes.trusted(notes.known(hub.first.root), []) == []


def test_a_record_is_the_same_before_and_after(hub):
    made = record(hub.first, reason="Grüße\n\0", notes=("a",), parts={"x": "\ufffd-"})
    shared = lines.read(lines.written(made).line, made.revision)
    assert shared is not None and shared.record == made
    assert records.SCHEMA == made.schema
