"""A manifest is read strictly, and its digest names the release's content."""

import json

import msgspec
import pytest

from sametree.artifacts import manifest
from sametree.artifacts.manifest import File, Manifest, Part, Proof, Revision
from sametree.errors import UsageError

TREE, COMMIT, SUM = "a" * 40, "c" * 40, "5" * 64
WHOLE = Manifest(
    schema=manifest.SCHEMA,
    tree=TREE,
    python="cpython 3.11",
    platform="linux x86_64 glibc",
    files={"app/wheels/a.whl": File(size=3, sha256=SUM)},
    locks={"locks/app.txt": SUM},
    components=(Part(name="app", language="python", tree=TREE, run=("serve",)),),
    revisions=(Revision(revision="0001", phase="contract"),),
    heads=("0001",),
)
PROOF = Proof(unit="tests(app)", run="r1", place="github", fingerprint=SUM)


def changed(**more):
    return msgspec.structs.replace(WHOLE, **more)


def written(folder, change=lambda told: None):
    """Write a release.json that is changed by ``change``; return its folder."""
    told = json.loads(manifest.encode(WHOLE))
    change(told)
    (folder / manifest.FILE).write_text(json.dumps(told))
    return folder


def test_what_is_written_is_read(tmp_path):
    whole = changed(commit=COMMIT, proofs=(PROOF,))
    manifest.write(tmp_path, whole)
    assert manifest.read(tmp_path) == whole
    assert json.loads((tmp_path / "release.json").read_text())["digest"] == whole.digest


def test_commit_and_proofs_are_no_part_of_the_digest():
    assert changed(commit=COMMIT, proofs=(PROOF,)).digest == WHOLE.digest


@pytest.mark.parametrize(
    "more",
    [
        {"tree": COMMIT},
        {"python": "cpython 3.12"},
        {"platform": "darwin arm64"},
        {"files": {"b": File(size=3, sha256=SUM)}},
        {"files": {"app/wheels/a.whl": File(size=3, sha256=SUM, executable=True)}},
        {"locks": {}},
        {"revisions": ()},
        {"heads": ()},
        {"components": ()},
    ],
)
def test_all_else_is(more):
    assert changed(**more).digest != WHOLE.digest


def test_the_digest_does_not_depend_on_the_order_of_files():
    one, other = File(size=1, sha256=SUM), File(size=2, sha256=SUM)
    assert (
        changed(files={"a": one, "b": other}).digest
        == changed(files={"b": other, "a": one}).digest
    )


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda told: told.update(tree="main"), r"\$\.tree"),
        (lambda told: told.pop("files"), "files"),
        (lambda told: told.update(wheels={}), "wheels"),
        (lambda told: told["files"]["app/wheels/a.whl"].update(size=-1), "size"),
        (lambda told: told["components"][0].update(name="A;B"), r"components\[0\]"),
        (lambda told: told.update(schema=2), "of a newer sametree"),
        (lambda told: told.update(digest="0" * 64), "its digest is 0000"),
        (lambda told: told.pop("digest"), "its digest is None"),
        (lambda told: told.update(python="cpython 3.12"), "but its content's"),
    ],
)
def test_what_is_wrong_is_named_with_its_key(tmp_path, change, said):
    with pytest.raises(UsageError, match=said) as told:
        manifest.read(written(tmp_path, change))
    assert str(tmp_path / "release.json") in str(told.value)


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../up", "a/../b", "a//b", "", "release.json"]
)
def test_no_file_of_a_release_lies_outside_of_it(tmp_path, path):
    outside = changed(files={path: File(size=0, sha256=SUM)})
    (tmp_path / "release.json").write_text(manifest.encode(outside))
    with pytest.raises(UsageError, match="files: "):
        manifest.read(tmp_path)


@pytest.mark.parametrize("raw", [b"", b"[]", b"\xff", b'{"a":' * 5000])
def test_what_is_no_manifest_is_told(tmp_path, raw):
    (tmp_path / "release.json").write_bytes(raw)
    with pytest.raises(UsageError, match="release.json cannot be used"):
        manifest.read(tmp_path)


def test_a_folder_without_a_manifest_is_no_release(tmp_path):
    with pytest.raises(UsageError, match="is no release: it has no release.json"):
        manifest.read(tmp_path)


def test_a_release_for_another_machine_is_told():
    here = changed(python=manifest.python(), platform=manifest.fingerprint.platform())
    assert manifest.unfit(here) == ""
    assert "it is for cpython 2.7 on" in manifest.unfit(
        msgspec.structs.replace(here, python="cpython 2.7")
    )
    assert "on plan9" in manifest.unfit(msgspec.structs.replace(here, platform="plan9"))


@pytest.mark.parametrize(
    "interpreter, python",
    [
        ("cpython 3.11.7", "cpython 3.11"),
        ("cpython 3.14.0t", "cpython 3.14t"),
        ("cpython 3.15.0b1", "cpython 3.15"),
    ],
)
def test_wheels_are_chosen_by_the_minor_version(monkeypatch, interpreter, python):
    monkeypatch.setattr(manifest.fingerprint, "interpreter", lambda: interpreter)
    assert manifest.python() == python
