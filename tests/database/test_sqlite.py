"""Migrated SQLite files, kept between runs."""

import sqlite3
import threading
import time
from contextlib import closing

import pytest

from sametree.database import initdb, sqlite
from sametree.errors import UnitFailed


@pytest.fixture(autouse=True)
def cache(folder, monkeypatch):
    """Nothing is kept yet."""
    place = folder / "cache"
    place.mkdir()
    monkeypatch.setattr(initdb, "cache", lambda: place)
    return place


class Migration:
    def __init__(self, seconds=0.0):
        self.runs = 0
        self.seconds = seconds

    def __call__(self, url):
        self.runs += 1
        time.sleep(self.seconds)
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            connection.execute("PRAGMA journal_mode = wal")
            connection.execute("CREATE TABLE people (name text)")


def tables(file):
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        return connection.execute("SELECT name FROM sqlite_master").fetchall()


def test_a_second_run_gets_a_copy_of_what_was_migrated_once(cache):
    migrate = Migration()
    for of_earlier in (False, True):
        with sqlite.migrated("one", migrate) as (file, kept):
            assert kept is of_earlier
            assert tables(file) == [("people",)]
            with closing(sqlite3.connect(file)) as connection:
                connection.execute("DROP TABLE people")
        assert not file.exists()
    assert migrate.runs == 1
    with sqlite.migrated("two", migrate) as (file, kept):
        assert not kept
    assert migrate.runs == 2


def test_who_has_no_migrations_gets_an_empty_file(cache):
    with sqlite.migrated("none", lambda url: None) as (file, _):
        assert tables(file) == []


def test_two_at_once_make_one(cache):
    migrate, seen = Migration(0.2), []

    def run():
        with sqlite.migrated("one", migrate) as (file, kept):
            seen.append((kept, tables(file)))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert migrate.runs == 1
    assert sorted(kept for kept, _ in seen) == [False, True, True]


def test_a_migration_that_fails_keeps_nothing(cache):
    def failing(url):
        Migration()(url)
        raise UnitFailed("no")

    with pytest.raises(UnitFailed):
        with sqlite.migrated("one", failing):
            pass
    assert not list(cache.rglob("*.sqlite*"))


def test_the_newest_few_are_kept(cache, monkeypatch):
    monkeypatch.setattr(sqlite, "KEPT", 2)
    (cache / "templates").mkdir()
    for history in ("one", "two", "one", "three"):
        with sqlite.migrated(history, Migration()):
            time.sleep(0.01)
    for history, of_earlier in (("one", True), ("three", True), ("two", False)):
        with sqlite.migrated(history, Migration()) as (_, kept):
            assert kept is of_earlier, history


def test_without_a_place_to_keep_it_tests_run_all_the_same(cache, capsys):
    cache.rmdir()
    cache.write_text("a file")
    with sqlite.migrated("one", Migration()) as (file, kept):
        assert not kept
        assert tables(file) == [("people",)]
    assert "is not kept" in capsys.readouterr().out


def test_a_copy_that_fails_is_told_and_what_a_kill_left_goes(
    cache, capsys, monkeypatch
):
    with sqlite.migrated("one", Migration()):
        pass
    (made,) = cache.rglob("*.sqlite")
    made.unlink()
    left = made.with_suffix(".new-killed")
    left.touch()
    made.mkdir()
    (made / "in the way").touch()
    with sqlite.migrated("one", Migration()) as (file, kept):
        assert not kept
        assert tables(file) == [("people",)]
    assert "is not kept" in capsys.readouterr().out
