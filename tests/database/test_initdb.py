"""The first data of a cluster: made once, then copied."""

import os
import pwd

import pytest

from sametree.database import binaries, initdb
from sametree.database.binaries import Programs
from sametree.errors import SurroundingsError


@pytest.fixture
def cache(folder, monkeypatch):
    """Nothing was made for this user yet."""
    place = folder / "cache"
    place.mkdir(mode=0o711)
    monkeypatch.setattr(initdb, "cache", lambda: place)
    return place


@pytest.fixture
def fake(folder):
    """Return a function that makes a folder of programs whose initdb fails."""

    def programs(said):
        place = folder / "fake"
        place.mkdir()
        (place / "postgres.bki").write_text(said)
        script = place / "initdb"
        script.write_text(f"#!/bin/sh\necho '{said}'\nexit 1\n")
        script.chmod(0o755)
        return Programs(place, place, "18", "fake")

    return programs


def cluster_at(folder, name):
    place = folder / name
    place.mkdir()
    return place


def test_initdb_runs_once_and_its_data_are_copied(cache, folder):
    programs = binaries.embedded(18)
    one, two = cluster_at(folder, "one"), cluster_at(folder, "two")
    left = cache / "initdb.new-killed"
    left.mkdir()
    initdb.fill(one, programs)
    (made,) = cache.glob("initdb-*")
    stamp = made.stat().st_mtime_ns
    initdb.fill(two, programs)
    assert [path.name for path in cache.glob("initdb*-*")] == [made.name]
    assert made.stat().st_mtime_ns == stamp
    for place in (one, two):
        assert (place / "data" / "PG_VERSION").read_text() == "18\n"
        assert (place / "password").read_text() == (made / "password").read_text()
        assert (place / "password").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("said", "cure"),
    [
        ("No space left on device", "free some space"),
        ("HINT: Check free disk space.", "free some space"),
        ("Permission denied", "writable"),
        ("Read-only file system", "writable"),
        ("something else", "DATABASE_URL"),
    ],
)
def test_what_initdb_cannot_do_is_told_with_its_cure(cache, folder, fake, said, cure):
    place = cluster_at(folder, "one")
    with pytest.raises(SurroundingsError, match=said) as caught:
        initdb.fill(place, fake(said))
    assert cure in caught.value.cure
    assert list(place.iterdir()) == []
    assert list(cache.glob("initdb*-*")) == []


def test_a_copy_that_fails_leaves_no_data(cache, folder):
    programs = binaries.embedded(18)
    place = cluster_at(folder, "one")
    initdb.fill(place, programs)
    (made,) = cache.glob("initdb-*")
    (made / "data").rename(made / "gone")
    other = cluster_at(folder, "other")
    with pytest.raises(SurroundingsError):
        initdb.fill(other, programs)
    assert not (other / "data").exists()
    assert not (other / "data.new").exists()


def test_a_user_keeps_it_in_the_cache_folder(folder, monkeypatch):
    monkeypatch.setattr(binaries, "unprivileged", lambda: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    assert initdb.cache() == folder / "sametree"
    assert (folder / "sametree").stat().st_mode & 0o077 == 0


def test_a_normal_user_runs_the_server_under_the_own_name(monkeypatch):
    binaries.unprivileged.cache_clear()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert binaries.unprivileged() is None
    binaries.unprivileged.cache_clear()


def test_root_without_another_user_is_told_so(monkeypatch):
    def nobody(name):
        raise KeyError(name)

    binaries.unprivileged.cache_clear()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwnam", nobody)
    with pytest.raises(SurroundingsError, match="does not run as root"):
        binaries.unprivileged()
    binaries.unprivileged.cache_clear()


def test_a_program_that_is_not_there_cannot_be_run(folder):
    assert not binaries.may_run(folder / "nothing")


def test_a_closed_folder_cannot_be_entered(folder):
    inside = folder / "closed" / "inside"
    inside.mkdir(parents=True)
    assert binaries.may_enter(inside)
    inside.parent.chmod(0o700)
    assert not binaries.may_enter(inside)


def test_without_a_folder_to_keep_it_in_initdb_runs_each_time(folder, monkeypatch):
    def nowhere():
        raise PermissionError(13, "Permission denied", "/home/ada/.cache")

    monkeypatch.setattr(initdb, "cache", nowhere)
    place = cluster_at(folder, "one")
    initdb.fill(place, binaries.embedded(18))
    assert (place / "data" / "PG_VERSION").read_text() == "18\n"
    assert (place / "password").stat().st_mode & 0o077 == 0
    assert not (place / "data.new").exists()


def test_another_build_or_user_has_data_of_its_own(monkeypatch):
    programs = binaries.embedded(18)
    before = initdb.identity(programs)
    assert initdb.identity(programs) == before
    assert initdb.identity(binaries.embedded(16)) != before
    monkeypatch.setattr(binaries, "unprivileged", lambda: (4711, 4711))
    assert initdb.identity(programs) != before
