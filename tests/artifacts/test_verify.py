"""Each byte of a release that is not as it should be is told, by its path."""

import json
import os
import shutil
from contextlib import contextmanager

import msgspec
import pytest

from sametree import signatures
from sametree.artifacts import manifest, statement, verify
from sametree.artifacts.manifest import File, Manifest, Part
from sametree.artifacts.pack import files_of


@pytest.fixture
def release(tmp_path):
    """A release that is whole."""
    folder = tmp_path / "release"
    (folder / "app" / "source").mkdir(parents=True)
    (folder / "app" / "lock.txt").write_text("lock")
    (folder / "app" / "source" / "run.sh").write_text("#!/bin/sh\n")
    (folder / "app" / "source" / "run.sh").chmod(0o755)
    made = Manifest(
        schema=manifest.SCHEMA,
        tree="a" * 40,
        python=manifest.python(),
        platform="linux",
        files=files_of(folder),
        locks={},
        components=(Part(name="app", language="python", tree="b" * 40),),
    )
    manifest.write(folder, made)
    statement.write(folder, made, "local", None)
    return folder


def test_a_release_that_is_whole_has_no_problems(release):
    assert verify.verify(release) == []


def other_bytes(folder):
    (folder / "app/lock.txt").write_text("LOCK")


def more_bytes(folder):
    (folder / "app/lock.txt").write_text("lock and more")


def no_file(folder):
    (folder / "app/lock.txt").unlink()


def new_file(folder):
    (folder / "app/more.txt").write_text("")


def a_link(folder):
    (folder / "app/lock.txt").rename(folder.parent / "lock.txt")
    (folder / "app/lock.txt").symlink_to(folder.parent / "lock.txt")


def new_link(folder):
    (folder / "app/etc").symlink_to("/etc")


def a_pipe(folder):
    os.mkfifo(folder / "app/pipe")


def a_folder(folder):
    (folder / "app/lock.txt").unlink()
    (folder / "app/lock.txt").mkdir()


def not_to_be_run(folder):
    (folder / "app/source/run.sh").chmod(0o644)


def to_be_run(folder):
    (folder / "app/lock.txt").chmod(0o755)


@pytest.mark.parametrize(
    "change, said",
    [
        (other_bytes, "app/lock.txt was changed: it has other bytes"),
        (more_bytes, "app/lock.txt has 13 bytes, and should have 4"),
        (no_file, "app/lock.txt is missing"),
        (new_file, "app/more.txt is a file that the manifest does not name"),
        (a_link, "app/lock.txt is a symbolic link, and should be a plain file"),
        (new_link, "app/etc is a symbolic link that the manifest does not name"),
        (a_pipe, "app/pipe is no file that the manifest does not name"),
        (a_folder, "app/lock.txt is missing"),
        (not_to_be_run, "app/source/run.sh should be executable"),
        (to_be_run, "app/lock.txt should not be executable"),
    ],
)
def test_what_is_not_as_it_should_be_is_one_sentence(release, change, said):
    change(release)
    (told,) = verify.verify(release)
    assert told.startswith(said)


def test_what_cannot_be_read_is_told(release, folder):
    copy = shutil.copytree(release, folder / "release")
    (copy / "app/lock.txt").chmod(0)
    with as_nobody():
        (told,) = verify.verify(copy)
    assert "cannot be read: Permission denied" in told


@contextmanager
def as_nobody():
    """Be a plain user for a while, where we are root, who may read all."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_manifest_with_a_wrong_digest_is_told(release):
    told = json.loads((release / "release.json").read_text())
    told["digest"] = "0" * 64
    (release / "release.json").write_text(json.dumps(told))
    (problem,) = verify.verify(release)
    assert "its digest is 0000" in problem


def test_what_lies_beside_an_installed_release_is_no_part_of_it(release):
    (release / "venv" / "bin").mkdir(parents=True)
    (release / "venv" / "bin" / "python").symlink_to("/usr/bin/python3")
    assert len(verify.verify(release)) == 1
    assert verify.verify(release, beside={"venv"}) == []


# --- The statement


def rewritten(release, change):
    told = json.loads((release / "release.intoto.json").read_text())
    change(told)
    (release / "release.intoto.json").write_text(json.dumps(told))
    return verify.verify(release)


def test_a_statement_that_is_missing_or_no_json_is_told(release):
    (release / "release.intoto.json").write_text("{")
    (problem,) = verify.verify(release)
    assert problem.startswith("release.intoto.json cannot be read: ")
    (release / "release.intoto.json").unlink()
    assert verify.verify(release) == ["release.intoto.json is missing"]


def test_a_statement_about_another_release_is_told(release):
    (told,) = rewritten(
        release, lambda told: told["subject"][0].update(digest={"sha256": "0" * 64})
    )
    assert "it says of release sha256 000000000000, the manifest sha256" in told
    told = rewritten(release, lambda told: told.update(subject=[]))
    assert len(told) == 4 and "it says of release nothing" in " ".join(told)
    told = rewritten(release, lambda told: told.update(subject=7))
    assert told == ["release.intoto.json: subject: it is no list of names and digests"]
    told = rewritten(release, lambda told: told.update(_type="else"))
    assert told == ["release.intoto.json is no in-toto statement of version 1"]


def test_only_signers_that_settings_name_count(release):
    private, public = signatures.new_key()
    statement.write(release, manifest.read(release), "local", private)
    assert verify.verify(release, [public]) == []
    assert verify.verify(release) == []
    (told,) = verify.verify(release, [signatures.new_key()[1]])
    assert told == (
        f"release.intoto.json is signed by {public}, whom settings (ci.signers) do not"
        " name"
    )
    told = json.loads((release / "release.intoto.json").read_text())
    told["signatures"][0]["sig"] = told["signatures"][0]["sig"][::-1]
    (release / "release.intoto.json").write_text(json.dumps(told))
    assert verify.verify(release, [public]) == [
        "release.intoto.json: its signature is not of these bytes"
    ]


# --- Two releases of one tree


def test_two_releases_are_compared_file_by_file(release):
    one = manifest.read(release)
    files = {
        "app/lock.txt": File(size=5, sha256="0" * 64),
        "app/new.txt": File(size=1, sha256="1" * 64),
    }
    other = msgspec.structs.replace(one, files=files)
    assert verify.differences(one, other) == [
        "app/lock.txt differs: 4 bytes, 5 when built again",
        "app/new.txt is new",
        "app/source/run.sh is not made any more",
    ]
    assert verify.differences(one, one) == []
    named = msgspec.structs.replace(one, locks={"locks/app.txt": "2" * 64})
    assert "not what the manifest says beside them" in verify.differences(one, named)[0]
    same = {**one.files, "app/lock.txt": File(size=4, sha256="0" * 64)}
    (told,) = verify.differences(one, msgspec.structs.replace(one, files=same))
    assert told == "app/lock.txt differs: as many bytes"
