"""Migrated templates, kept between runs: made once, whole or not at all."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from conftest import environment, eventually, processes_with

from sametree.database import binaries, cluster, server, templates
from sametree.errors import SurroundingsError, UnitFailed


@pytest.fixture
def kept(folder, monkeypatch):
    """Nothing is kept for this user yet; clusters run in the test's folder."""
    place = folder / "templates"
    place.mkdir(mode=0o711)
    monkeypatch.setattr(templates, "base", lambda: place)
    monkeypatch.setenv(cluster.SCRATCH, str(folder))
    return place


class Migration:
    """What brings an empty database up; it counts how often it had to."""

    def __init__(self, seconds=0.0):
        self.runs = 0
        self.seconds = seconds

    def __call__(self, address):
        self.runs += 1
        time.sleep(self.seconds)
        with server.connection(address) as connection:
            connection.execute("CREATE TABLE people (id serial, name text)")
            connection.execute("INSERT INTO people (name) VALUES ('Ada')")


def migrated(folder, history="one", migrate=None, programs=None):
    programs = programs or binaries.embedded(18)
    return templates.migrated(folder, programs, history, migrate or Migration())


def people(address):
    with server.connection(address) as connection:
        return connection.execute("SELECT name FROM people").fetchall()


def names(place):
    return sorted(path.name for path in place.iterdir() if path.is_dir())


def test_a_second_run_pays_for_no_migration(kept, folder):
    migrate = Migration()
    with migrated(folder, migrate=migrate) as (address, of_earlier):
        assert not of_earlier
        assert people(address) == [("Ada",)]
        with server.connection(address) as connection:
            connection.execute("DROP TABLE people")
    with migrated(folder, migrate=migrate) as (address, of_earlier):
        assert of_earlier
        assert people(address) == [("Ada",)], "a run works on a copy"
    assert migrate.runs == 1
    assert eventually(lambda: not processes_with(str(folder)))
    assert not list(folder.glob("*/run-*"))


@pytest.mark.proof
def test_another_history_has_a_template_of_its_own(kept, folder):
    migrate = Migration()
    for history in ("one", "two", "one"):
        with migrated(folder, history, migrate):
            pass
    assert migrate.runs == 2
    assert len(names(kept)) == 2


def test_two_at_once_make_one_and_the_other_waits(kept, folder, capsys):
    migrate, seen = Migration(seconds=0.3), []

    def run():
        with migrated(folder, migrate=migrate) as (address, of_earlier):
            seen.append((people(address), of_earlier))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert migrate.runs == 1
    assert sorted(of_earlier for _, of_earlier in seen) == [False, True, True]
    assert {tuple(found) for found, _ in seen} == {(("Ada",),)}
    assert "another run migrates the template; waiting" in capsys.readouterr().out


def test_a_migration_that_fails_leaves_nothing_behind(kept, folder):
    def failing(address):
        raise UnitFailed("0002 failed")

    with pytest.raises(UnitFailed, match="0002 failed"):
        with migrated(folder, migrate=failing):
            pass
    assert names(kept) == []
    assert eventually(lambda: not processes_with(str(folder)))
    with migrated(folder) as (address, of_earlier):
        assert not of_earlier


@pytest.mark.proof
def test_of_a_project_the_newest_few_are_kept(kept, folder, monkeypatch):
    monkeypatch.setattr(templates, "KEPT", 2)
    other, gone = folder / "other", folder / "gone"
    for project in (other, gone):
        project.mkdir()
        with migrated(project, project.name):
            pass
    gone.rmdir()
    for history in "1213":
        with migrated(folder, history):
            pass
    found = {path.stem for path in kept.glob("*.lock")} - {"all"}
    assert found == set(names(kept)), "each goes with its lock"
    projects = [templates._project_of(kept / name) for name in names(kept)]
    assert sorted(projects) == [str(folder), str(folder), str(other)]
    with migrated(folder, "1") as (_, of_earlier):
        assert of_earlier, "it was used after 2"


@pytest.mark.proof
def test_one_that_is_in_use_is_not_removed(kept, folder, monkeypatch):
    monkeypatch.setattr(templates, "KEPT", 1)
    with migrated(folder, "1"):
        with migrated(folder, "2"):
            pass
        assert len(names(kept)) == 2
    with migrated(folder, "3"):
        pass
    assert len(names(kept)) == 1


KILLED = """
import sys, time
from pathlib import Path
from sametree.database import binaries, cluster, initdb, server, templates
folder = Path(sys.argv[1])
templates.base = lambda: folder / "templates"
copy = initdb.copy
def slow_copy(source, target):
    copy(source, target)
    if target.parent.name.startswith("new-"):
        print("copying", flush=True)
        time.sleep(60)
def migrate(address):
    with server.connection(address) as connection:
        connection.execute("CREATE TABLE people (name text)")
    print("migrating", flush=True)
    if sys.argv[2] == "migrating":
        time.sleep(60)
initdb.copy = slow_copy
with templates.migrated(folder, binaries.embedded(18), "one", migrate):
    pass
"""


@pytest.mark.proof
@pytest.mark.parametrize("moment", ["migrating", "copying"])
def test_a_kill_while_one_is_made_leaves_nothing_half(kept, folder, moment):
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(folder), moment],
        env=environment({cluster.SCRATCH: str(folder)}),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert any(line.strip() == moment for line in process.stdout)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not [name for name in names(kept) if not name.startswith("new-")]
    migrate = Migration()
    with migrated(folder, migrate=migrate) as (address, _):
        assert people(address) == [("Ada",)]
    assert migrate.runs == 1
    assert len(names(kept)) == 1, "what the killed run had begun is gone"
    assert eventually(lambda: not list(folder.glob("*/run-*")))


@pytest.mark.proof
def test_after_a_power_cut_one_that_may_not_be_on_the_disk_is_made_anew(
    kept, folder, monkeypatch
):
    with migrated(folder):
        pass
    monkeypatch.setattr(templates, "life", lambda: "another")
    with migrated(folder) as (_, of_earlier):
        assert not of_earlier


@pytest.mark.proof
def test_one_that_is_on_the_disk_outlives_a_power_cut(kept, folder, monkeypatch):
    with migrated(folder):
        pass
    (name,) = names(kept)
    told = kept / name / "about.json"
    long_ago = time.time() - templates.SETTLED - 1
    os.utime(told, (long_ago, long_ago))
    with migrated(folder) as (_, of_earlier):
        assert of_earlier
    monkeypatch.setattr(templates, "life", lambda: "another")
    with migrated(folder) as (_, of_earlier):
        assert of_earlier


@pytest.mark.parametrize("spoilt", ["about.json", "data"])
@pytest.mark.proof
def test_one_that_was_spoilt_is_made_anew(kept, folder, spoilt):
    with migrated(folder):
        pass
    (name,) = names(kept)
    place = kept / name / spoilt
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.write_text("{")
    with migrated(folder) as (address, of_earlier):
        assert not of_earlier
        assert people(address) == [("Ada",)]


def test_without_a_place_to_keep_it_tests_run_all_the_same(
    kept, folder, monkeypatch, capsys
):
    kept.rmdir()
    kept.write_text("a file, where a folder should be")
    for _ in range(2):
        with migrated(folder) as (address, of_earlier):
            assert not of_earlier
            assert people(address) == [("Ada",)]
    said = capsys.readouterr().out
    assert said.count("the migrated template is not kept: ") == 2


@pytest.fixture
def small_disk(folder):
    """A file system of 30 MB, in which no cluster fits."""
    place = folder / "small"
    place.mkdir()
    argv = ["mount", "-t", "tmpfs", "-o", "size=30m,mode=711", "tmpfs", str(place)]
    if subprocess.run(argv, capture_output=True, check=False).returncode:
        pytest.skip("only who may mount can have a small disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.proof
def test_on_a_full_disk_tests_run_all_the_same(
    kept, folder, small_disk, monkeypatch, capsys
):
    monkeypatch.setattr(templates, "base", lambda: small_disk)
    for _ in range(2):
        with migrated(folder) as (address, of_earlier):
            assert not of_earlier
            assert people(address) == [("Ada",)]
    said = capsys.readouterr().out
    assert "is not kept" in said and "No space left on device" in said
    assert names(small_disk) == []


def test_a_server_that_dies_under_the_migrations_is_told(kept, folder):
    def deadly(address):
        for process in folder.glob("*/run-*/data/postmaster.pid"):
            os.kill(int(process.read_text().split()[0]), signal.SIGQUIT)
            assert eventually(lambda: not process.exists())  # noqa: B023

    with pytest.raises(SurroundingsError, match="did not stop in order"):
        with migrated(folder, migrate=deadly):
            pass
    assert names(kept) == []


def test_installed_extensions_are_part_of_what_a_template_is_known_by(folder):
    (folder / "extension").mkdir()
    control = folder / "extension" / "postgis.control"
    control.write_text("default_version = '3.3'")
    programs = binaries.Programs(folder, folder, "18.4", "a build", "installed")
    before = templates._extensions(programs)
    control.write_text("default_version = '3.4'")
    assert templates._extensions(programs) != before
