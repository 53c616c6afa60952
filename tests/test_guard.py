"""The guard stops a command when nobody holds its lock any more."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import environment, eventually

from sametree import files, guard


@pytest.fixture
def place(tmp_path, monkeypatch):
    # As a module, so that its coverage is measured.
    monkeypatch.setattr(guard, "PROGRAM", (sys.executable, "-m", "sametree.guard"))
    (tmp_path / "work").mkdir()
    return tmp_path


def start(place, code, **options):
    """Start Python ``code`` under a guard."""
    return guard.start(
        [sys.executable, "-c", code],
        lock=str(place / "users"),
        own_lock=str(place / "own"),
        log=str(place / "log"),
        **{"stop_signal": signal.SIGTERM, "env": environment(), **options},
    )


WAITING = "import time; print('up', flush=True); time.sleep(60)"


def up(place):
    return (place / "log").exists() and "up" in (place / "log").read_text()


def test_the_command_runs_as_long_as_somebody_holds_the_lock(place):
    one = files.lock(place / "users", shared=True)
    two = files.lock(place / "users", shared=True)
    guarding = start(place, WAITING, remove=str(place / "work"))
    assert eventually(lambda: up(place))
    os.close(one)
    with pytest.raises(subprocess.TimeoutExpired):
        guarding.wait(0.3)
    os.close(two)
    assert guarding.wait(10) == 0
    assert not (place / "work").exists()


def test_the_users_can_see_whether_the_guard_lives(place):
    held = files.lock(place / "users", shared=True)
    guarding = start(place, WAITING)
    assert eventually(lambda: up(place))
    assert files.try_lock(place / "own") is None
    os.close(held)
    guarding.wait(10)
    free = files.try_lock(place / "own")
    assert free is not None
    os.close(free)


def test_a_command_that_ends_by_itself_ends_the_guard(place):
    held = files.lock(place / "users", shared=True)
    guarding = start(place, "print('up')")
    assert guarding.wait(10) == 0
    os.close(held)


def test_after_an_early_end_the_folder_stays_until_its_users_are_gone(place):
    held = files.lock(place / "users", shared=True)
    guarding = start(place, "print('up')", remove=str(place / "work"))
    assert eventually(lambda: up(place))
    with pytest.raises(subprocess.TimeoutExpired):
        guarding.wait(0.3)
    assert (place / "work").exists()
    os.close(held)
    guarding.wait(10)
    assert not (place / "work").exists()


def test_a_guard_that_is_told_to_end_stops_its_command(place):
    held = files.lock(place / "users", shared=True)
    code = (
        "import signal, sys; signal.signal(15, lambda *a: (print('bye'), sys.exit()))"
    )
    guarding = start(place, f"{code}; {WAITING}")
    assert eventually(lambda: up(place))
    guarding.terminate()
    guarding.wait(10)
    assert "bye" in (place / "log").read_text()
    os.close(held)


@pytest.mark.proof
def test_what_the_command_left_in_its_group_ends_with_it(place):
    held = files.lock(place / "users", shared=True)
    child = "import os, subprocess; c = subprocess.Popen(['sleep', '60']); "
    code = f"{child} print('up', c.pid, flush=True); import time; time.sleep(60)"
    guarding = start(place, code)
    assert eventually(lambda: up(place))
    pid = int((place / "log").read_text().split()[1])
    os.close(held)
    guarding.wait(10)
    assert eventually(lambda: not Path(f"/proc/{pid}/cmdline").exists())
