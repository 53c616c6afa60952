"""The wheels of a lock are fetched once, by the real pip, and checked at each use."""

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest
from packing import lock_of, wheel

from sametree import masking
from sametree.artifacts import wheels
from sametree.errors import SurroundingsError, UsageError


@pytest.fixture
def lock(tmp_path, registry):
    made = tmp_path / "app.txt"
    made.write_text(lock_of(wheel(registry, "dep"), wheel(registry, "more")))
    return made


def test_wheels_are_fetched_once_and_then_need_no_registry(lock, registry, tmp_path):
    told = []
    place = wheels.gather(lock, tmp_path / "cache", told.append)
    assert wheels.names(place) == [
        *("dep-1.0-py3-none-any.whl", "more-1.0-py3-none-any.whl")
    ]
    shutil.rmtree(registry)
    assert wheels.gather(lock, tmp_path / "cache", told.append) == place
    assert told == ["fetching the wheels of app.txt"]


def test_a_folder_of_wheels_that_was_tampered_with_is_made_anew(lock, tmp_path):
    place = wheels.gather(lock, tmp_path / "cache")
    one = place / "dep-1.0-py3-none-any.whl"
    before = one.read_bytes()
    one.write_bytes(before + b"evil")
    assert wheels.gather(lock, tmp_path / "cache") == place
    assert one.read_bytes() == before


def gone(place):
    (place / "dep-1.0-py3-none-any.whl").unlink()


def added(place):
    (place / "evil-1.0-py3-none-any.whl").write_bytes(b"evil")


def unlisted(place):
    (place / wheels.INDEX).write_text("[]")


def foreign(place):
    added(place)
    told = {"wheels": [path.name for path in place.glob("*.whl")]}
    (place / wheels.INDEX).write_text(json.dumps(told))


@pytest.mark.parametrize("change", [gone, added, unlisted, foreign])
def test_a_folder_is_whole_with_the_listed_wheels_of_the_lock_alone(
    tmp_path, registry, change
):
    one = wheel(registry, "dep")
    known = frozenset([wheels.sha256(one)])
    (registry / wheels.INDEX).write_text(json.dumps({"wheels": [one.name]}))
    assert wheels._whole(registry, known)
    change(registry)
    assert not wheels._whole(registry, known)


@pytest.mark.proof
def test_two_at_once_fetch_once(lock, tmp_path):
    told = []
    with ThreadPoolExecutor() as threads:
        places = [
            threads.submit(wheels.gather, lock, tmp_path / "cache", told.append)
            for _ in range(2)
        ]
        assert len({each.result() for each in places}) == 1
    assert len(told) == 1


def test_another_lock_has_another_folder_and_the_oldest_go(lock, tmp_path):
    cache = tmp_path / "cache"
    for number in range(8):
        old = cache / f"old{number}"
        old.mkdir(parents=True)
        os.utime(old, (1e9 + number, 1e9 + number))
    place = wheels.gather(lock, cache)
    kept = sorted(path.name for path in cache.iterdir() if path.is_dir())
    assert kept == sorted([place.name, "old3", "old4", "old5", "old6", "old7"])


def test_a_package_without_a_wheel_is_named(tmp_path, registry):
    lock = tmp_path / "app.txt"
    lock.write_text(f"dep==1.0 --hash=sha256:{'0' * 64}\n")
    wheel(registry, "dep").rename(registry / "dep-1.0.tar.gz")
    with pytest.raises(
        UsageError, match="dep==1.0 of app.txt has no wheel for"
    ) as told:
        wheels.gather(lock, tmp_path / "cache")
    assert "pip wheel" in told.value.cure
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]


def test_other_bytes_than_the_lock_names_are_refused(tmp_path, lock, registry):
    wheel(registry, "dep", "evil = True\n")
    with pytest.raises(SurroundingsError, match="whose hash is not the one in app.txt"):
        wheels.gather(lock, tmp_path / "cache")


def test_a_registry_that_does_not_answer_is_told(tmp_path, lock, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://ada:s3cret@127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(SurroundingsError, match="could not reach its registry") as told:
        wheels.gather(lock, tmp_path / "cache")
    assert "s3cret" not in masking.hide(str(told.value))


def test_without_pip_it_says_what_to_install():
    said = wheels._not_fetched("app.txt", "/usr/bin/python3: No module named pip\n")
    assert "sametree[deploy]" in said.cure


def test_what_else_pip_says_is_shown():
    said = wheels._not_fetched("app.txt", "WARNING: Location 'x' is ignored\nOh no\n")
    assert str(said) == "pip could not fetch the wheels of app.txt:\n  Oh no"
    full = wheels._not_fetched("app.txt", "OSError: [Errno 28] No space left on device")
    assert "the disk is full" in str(full)


def test_how_uv_reaches_its_registry_pip_does():
    outer = {
        "UV_DEFAULT_INDEX": "https://example.org/simple",
        "UV_INDEX": "ours=https://ada:s3cret@example.org/ours https://example.org/b",
        "HOME": "/home/ada",
        "SECRET": "never",
    }
    found = wheels.environment(outer)
    assert found["PIP_INDEX_URL"] == "https://example.org/simple"
    urls = "https://ada:s3cret@example.org/ours https://example.org/b"
    assert found["PIP_EXTRA_INDEX_URL"] == urls
    assert "SECRET" not in found
    assert "s3cret" not in masking.hide(urls)
    told = wheels.environment({**outer, "PIP_INDEX_URL": "https://own.example.org"})
    assert told["PIP_INDEX_URL"] == "https://own.example.org"
