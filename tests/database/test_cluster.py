"""Embedded servers, started for real."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import environment, eventually, processes_with

from sametree.database import binaries, cluster, server
from sametree.errors import SurroundingsError
from sametree.files import try_lock


@pytest.fixture
def scratch(folder, monkeypatch):
    """Throw-away clusters of this test live here."""
    monkeypatch.setenv(cluster.SCRATCH, str(folder))
    return folder


def one(address):
    with server.connection(address) as connection:
        return connection.execute("SELECT 1").fetchone()


def setting(address, name):
    with server.connection(address) as connection:
        return connection.execute(f"SHOW {name}".encode()).fetchone()[0]


def test_a_throw_away_cluster_leaves_nothing(scratch):
    with cluster.throw_away(18) as address:
        assert one(address) == (1,)
        assert setting(address, "fsync") == "off"
        assert list(scratch.glob("*/run-*"))
    assert not list(scratch.glob("*/run-*"))
    assert eventually(lambda: not processes_with(str(scratch)))


def test_the_older_version_runs_too(scratch):
    with cluster.throw_away(16) as address:
        assert setting(address, "server_version").startswith("16.")


def test_two_at_once_are_two_servers(scratch):
    with cluster.throw_away(18) as first, cluster.throw_away(18) as second:
        assert first.port != second.port
        with server.connection(first) as connection:
            connection.execute("CREATE TABLE only_here ()")
        with server.connection(second) as connection:
            found = connection.execute("SELECT to_regclass('only_here')").fetchone()
        assert found == (None,)


def test_nobody_connects_without_the_password(scratch):
    import msgspec

    with cluster.throw_away(18) as address:
        stranger = msgspec.structs.replace(address, password="guess")
        with pytest.raises(SurroundingsError, match="password authentication failed"):
            one(stranger)


def test_the_data_and_the_password_are_for_the_owner_only(scratch):
    with cluster.throw_away(18):
        (run,) = scratch.glob("*/run-*")
        for name in ("data", "password", "server.json"):
            assert (run / name).stat().st_mode & 0o077 == 0, name


def test_a_kept_cluster_keeps_its_data(folder):
    with cluster.kept(folder / "kept", 18) as address:
        assert setting(address, "fsync") == "on"
        with server.connection(address) as connection:
            connection.execute("CREATE TABLE stays ()")
    assert eventually(lambda: not processes_with(str(folder / "kept")))
    with cluster.kept(folder / "kept", 18) as address:
        with server.connection(address) as connection:
            found = connection.execute("SELECT to_regclass('stays')").fetchone()
    assert found == ("stays",)


def test_users_of_a_kept_cluster_share_one_server_until_the_last_is_gone(folder):
    with cluster.kept(folder / "kept", 18) as first:
        with cluster.kept(folder / "kept", 18) as second:
            assert first == second
        assert one(first) == (1,)
    assert try_lock(folder / "kept" / "guard.lock") is not None


def test_many_may_start_a_kept_cluster_at_once(folder):
    def use(number):
        with cluster.kept(folder / "kept", 18) as address:
            return one(address), address.port

    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(use, range(6)))
    assert {answer for answer, _ in answers} == {(1,)}


def test_the_usual_port_is_taken_again_when_it_is_free(folder):
    with cluster.kept(folder / "kept", 18) as address:
        first = address.port
    with cluster.kept(folder / "kept", 18) as address:
        assert address.port == first


USER = """
import sys, time
from pathlib import Path
from sametree.database import cluster
with cluster.kept(Path(sys.argv[1]), 18):
    print("up", flush=True)
    time.sleep(60)
"""


def user_of(place):
    """Use the kept cluster from another process."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(USER), str(place)],
        stdout=subprocess.PIPE,
        env=environment(),
        text=True,
    )
    assert process.stdout.readline() == "up\n"
    return process


def test_when_its_user_is_killed_a_kept_cluster_stops(folder):
    process = user_of(folder / "kept")
    process.kill()
    process.communicate()
    assert eventually(lambda: not processes_with(str(folder / "kept")))


def test_a_server_whose_guard_was_killed_too_is_taken_over(folder):
    process = user_of(folder / "kept")
    for pid in pids_of("guard.py", str(folder / "kept")):
        os.kill(pid, signal.SIGKILL)
    process.kill()
    process.communicate()
    assert processes_with(f"{folder}/kept/data") != []
    with cluster.kept(folder / "kept", 18) as address:
        assert one(address) == (1,)
    assert eventually(lambda: not processes_with(f"{folder}/kept/data"))


def test_an_interrupted_initdb_is_begun_anew(folder):
    half = folder / "kept" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with cluster.kept(folder / "kept", 18) as address:
        assert one(address) == (1,)


def test_a_server_that_cannot_start_tells_its_own_words(folder):
    with cluster.kept(folder / "kept", 18):
        pass
    with (folder / "kept" / "data" / "postgresql.conf").open("a") as file:
        file.write("no_such_setting = 1\n")
    with pytest.raises(SurroundingsError, match="no_such_setting"):
        with cluster.kept(folder / "kept", 18):
            pass
    assert eventually(lambda: not processes_with(str(folder / "kept")))


def test_a_sweep_leaves_what_is_in_use(scratch):
    with cluster.throw_away(18) as address:
        (run,) = scratch.glob("*/run-*")
        assert cluster.sweep(run.parent) == []
        assert one(address) == (1,)


def test_a_sweep_removes_what_a_killed_start_left(scratch):
    base = cluster.throw_away_base()
    left = base / "run-left"
    left.mkdir()
    fresh = base / "run-fresh"
    fresh.mkdir()
    long_ago = time.time() - 3600
    os.utime(left, (long_ago, long_ago))
    assert cluster.sweep(base) == [left]
    assert fresh.exists()


def test_a_foreign_folder_is_not_used(scratch):
    (scratch / f"sametree-{os.geteuid()}").symlink_to("/tmp")
    with pytest.raises(SurroundingsError, match="belongs to another user"):
        cluster.throw_away_base()


def test_a_missing_wheel_is_explained(monkeypatch):
    binaries.folder.cache_clear()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SurroundingsError, match="not installed") as caught:
        binaries.folder(18)
    assert "sametree[postgres]" in caught.value.cure


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server is another user")
@pytest.mark.proof
def test_for_root_programs_in_a_closed_home_are_copied_to_where_all_can_run_them(
    folder, monkeypatch
):
    binaries.folder.cache_clear()
    package = binaries.folder(18).parent.parent
    closed = folder / "site-packages"
    closed.mkdir(mode=0o700)
    for name in (package.name, f"{package.name}.libs"):
        shutil.copytree(package.with_name(name), closed / name, symlinks=True)

    class Found:
        submodule_search_locations = [str(closed / package.name)]

    monkeypatch.setattr("importlib.util.find_spec", lambda name: Found)
    monkeypatch.setattr(binaries, "roots_place", lambda: folder)
    binaries.folder.cache_clear()
    try:
        copied = binaries.folder(18)
        assert closed not in copied.parents
        assert binaries.may_run(copied / "initdb")
    finally:
        binaries.folder.cache_clear()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server is another user")
def test_for_root_a_cluster_in_a_closed_home_is_kept_elsewhere(folder, monkeypatch):
    monkeypatch.setattr(binaries, "roots_place", lambda: folder)
    closed = folder / "home" / ".sametree"
    closed.mkdir(parents=True)
    assert cluster.kept_folder(closed, 18) == closed / "postgres-18"
    closed.parent.chmod(0o700)
    assert folder / "home" not in cluster.kept_folder(closed, 18).parents
    monkeypatch.setenv(cluster.SCRATCH, str(closed))
    assert closed not in cluster.throw_away_base().parents


def test_without_room_in_memory_clusters_live_in_the_temporary_folder(
    folder, monkeypatch, capsys
):
    monkeypatch.delenv(cluster.SCRATCH, raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    assert cluster.throw_away_base(1 << 60).parent == folder
    assert capsys.readouterr().out == ""
    cluster.throw_away_base(1 << 60, say=True)
    said = capsys.readouterr().out
    assert "the database is on the disk" in said
    assert "may take 1099511627776 MiB" in said


def pids_of(*texts):
    found = []
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                command = file.read().decode(errors="replace")
        except OSError:
            continue
        if entry.isdigit() and all(text in command for text in texts):
            found.append(int(entry))
    return found


def test_after_a_reboot_the_remains_of_the_old_server_deceive_nobody(folder):
    place = folder / "kept"
    with cluster.kept(place, 18):
        pid_file = (place / "data" / "postmaster.pid").read_text()
    dead = subprocess.Popen(["true"])
    dead.wait()
    lines = pid_file.splitlines()
    (place / "data" / "postmaster.pid").write_text(
        "\n".join([str(dead.pid), *lines[1:7], "ready   "])
    )
    with cluster.kept(place, 18) as address:
        assert one(address) == (1,)
