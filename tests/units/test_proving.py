"""A release names the runs that proved its tree, and no others."""

import sys
import time

import msgspec
import pytest
from repositories import without_configuration

from sametree import proofs, records, settings, signatures, trees
from sametree.records import Record
from sametree.sharing import lines
from sametree.units import identity, proving
from sametree.units.identity import Unit


@pytest.fixture(autouse=True)
def plain_git(monkeypatch, tmp_path):
    without_configuration(monkeypatch, tmp_path)


def proven(sample, *args, name="tests(sample)", kind="tests", run="r1", started=None):
    """Keep a proof of a unit for the tree as it stands; return its record."""
    project = settings.load(sample.root)
    component = project.components[0]
    unit = Unit(name=name, kind=kind, component=component, args=args)
    (now,) = identity.identify(project, [unit])
    record = Record(
        schema=records.SCHEMA,
        run=run,
        unit=name,
        result="success",
        started=time.time() if started is None else started,
        seconds=1.0,
        tree=now.tree,
        revision=sample.git("rev-parse", "HEAD").strip(),
        fingerprint=now.fingerprint,
        parts=dict(now.parts),
        proves=True,
        args=args,
    )
    proofs.keep(project.state, record)
    return record


def found(sample):
    project = settings.load(sample.root)
    return proving.proofs_of(project, trees.tree_id(sample.root))


def test_what_was_proven_of_the_tree_counts(sample):
    record = proven(sample)
    proven(sample, name="lint(sample)", kind="lint", run="r2")
    assert [(e.unit, e.run, e.place, e.signer) for e in found(sample)] == [
        ("lint(sample)", "r2", "local", ""),
        ("tests(sample)", "r1", "local", ""),
    ]
    assert found(sample)[1].fingerprint == record.fingerprint


def test_a_proof_of_other_sources_does_not_count(sample):
    proven(sample)
    sample.write({"sample.py": "changed = True\n"})
    assert found(sample) == []
    proven(sample, run="r3")
    assert [e.run for e in found(sample)] == ["r3"]


def test_a_change_beside_the_inputs_of_a_unit_leaves_its_proof(sample):
    sample.settings("[[tool.sametree.components]]\nname = 'sample'\npath = '.'\n")
    sample.settings("inputs = {tests = ['sample.py']}\n")
    proven(sample)
    sample.write({"notes.txt": "of something else\n"})
    assert [e.unit for e in found(sample)] == ["tests(sample)"]
    project = settings.load(sample.root)
    assert proving.proofs_of(project, "0" * 40) == []  # the tree is not that one


def test_a_part_of_the_tests_stands_behind_all_of_them(sample):
    proven(sample, "-k", "one", run="part")
    (told,) = found(sample)
    assert (told.run, told.args) == ("part", ("-k", "one"))
    proven(sample, run="all")
    (told,) = found(sample)
    assert (told.run, told.args) == ("all", ())


def test_records_of_what_is_not_there_any_more_are_passed_over(sample):
    record = proven(sample)
    state = sample.root / ".sametree"
    for change in (
        {"unit": "tests(gone)"},
        {"unit": "odd(name"},
        {"unit": "none(sample)", "parts": {}},
        {"unit": "workflows", "parts": {"session": "workflows"}},
        {"unit": "old(sample)", "proves": False},
    ):
        proofs.keep(state, msgspec.structs.replace(record, **change))
    (state / "proofs" / "broken").mkdir()
    (state / "proofs" / "broken" / "x.json").write_text("{")
    assert [e.unit for e in found(sample)] == ["tests(sample)"]


def test_a_proof_that_is_too_old_does_not_count(sample):
    proven(sample, started=1.0)
    assert found(sample) == []


@pytest.fixture
def keys():
    return signatures.new_key()


def shared(sample, record, key):
    """Have a record in git's notes, signed with ``key``."""
    line = lines.written(record, key).line.decode()
    sample.git("notes", "--ref=refs/notes/sametree", "add", "-f", "-m", line, "HEAD")


def trusting(sample, *public):
    listed = ", ".join(f'"{each}"' for each in public)
    sample.settings(f"[tool.sametree.ci]\nsigners = [{listed}]\n")
    sample.commit("Trust")


def test_what_a_signer_vouches_for_counts_with_his_key(sample, keys):
    private, public = keys
    trusting(sample, public)
    record = proven(sample)
    told = msgspec.structs.replace(record, place="github", run="ci-1")
    shared(sample, told, private)
    proofs.forget(sample.root / ".sametree", record.unit, record.fingerprint)
    (proof,) = found(sample)
    assert (proof.run, proof.place, proof.signer) == ("ci-1", "github", public)


@pytest.mark.parametrize(
    "change",
    [
        {"tree": "0" * 40, "parts": {"session": "tests", "input:sample.py": "other"}},
        {"result": "failure"},
        {"proves": False},
    ],
)
def test_a_signed_record_that_proves_nothing_of_the_tree_does_not_count(
    sample, keys, change
):
    private, public = keys
    trusting(sample, public)
    record = proven(sample)
    shared(sample, msgspec.structs.replace(record, **change), private)
    proofs.forget(sample.root / ".sametree", record.unit, record.fingerprint)
    assert found(sample) == []


def test_a_signed_record_of_another_tree_counts_where_the_unit_takes_nothing_of_that(
    sample, keys
):
    private, public = keys
    trusting(sample, public)
    record = proven(sample)
    shared(sample, msgspec.structs.replace(record, tree="0" * 40), private)
    proofs.forget(sample.root / ".sametree", record.unit, record.fingerprint)
    (proof,) = found(sample)
    assert proof.signer == public


def test_nobody_else_counts(sample, keys):
    trusting(sample, signatures.new_key()[1])
    record = proven(sample)
    proofs.forget(sample.root / ".sametree", record.unit, record.fingerprint)
    shared(sample, record, keys[0])
    assert found(sample) == []
    shared(sample, record, None)
    assert found(sample) == []


def test_without_cryptography_nobody_is_believed(sample, keys, monkeypatch):
    trusting(sample, keys[1])
    module = "cryptography.hazmat.primitives.asymmetric"
    monkeypatch.setitem(sys.modules, module, None)
    proven(sample)
    assert [e.signer for e in found(sample)] == [""]
