"""What a keeper does between its services' lives; that it keeps them: test_process.py."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from conftest import eventually

from sametree import files, processes
from sametree.deploy import keeper

HEARD = [
    signal.Signals[f"SIG{name}"] for name in ("TERM", "INT", "HUP", "ALRM", "CHLD")
]


@pytest.fixture
def place(tmp_path):
    """A service's folder."""
    spec = {"argv": ["sleep", "60"], "cwd": "/", "stop": 15, "patience": 0.05}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    return tmp_path


@pytest.fixture
def kept(place):
    """A keeper in this very process, which does not hear signals yet."""
    before = {number: signal.getsignal(number) for number in HEARD}
    made = keeper.Keeper(str(place))
    yield made
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)
    if made.child:
        made.child.kill()
        made.child.wait()


def test_a_log_that_is_too_long_is_put_aside_and_goes_on(kept, place, monkeypatch):
    monkeypatch.setattr(keeper, "LOG_MOST", 10)
    log = place / "log"
    log.write_text("short")
    kept._alarm(signal.SIGALRM, None)
    assert log.read_text() == "short" and not (place / "log.1").exists()
    with log.open("a") as service:
        service.write(" and then long")
        service.flush()
        kept._alarm(signal.SIGALRM, None)
        assert (place / "log.1").read_text() == "short and then long"
        service.write("a new one")
    assert log.read_text() == "a new one"


def test_a_log_that_cannot_be_put_aside_is_no_reason_to_end(kept, place):
    kept._turn_log()
    assert not (place / "log.1").exists()


def test_a_state_that_cannot_be_written_is_no_reason_to_end(kept, place):
    kept.folder = str(place / "gone")
    kept._tell()
    assert not (place / "gone").exists()


def test_what_is_told_to_stop_before_it_began_does_not_begin(kept):
    kept._stop(signal.SIGTERM, None)
    kept._start()
    assert kept.stopping and kept.child is None
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_it_stops_kindly_and_asks_once_alone(kept, place):
    kept.spec["argv"] = ["sh", "-c", "trap '' TERM; echo deaf; sleep 60"]
    kept.hear()
    kept._start()
    assert eventually(lambda: (place / "log").read_text())
    kept._stop(signal.SIGTERM, None)
    left = signal.getitimer(signal.ITIMER_REAL)[0]
    assert 0 < left <= kept.spec["patience"]
    kept.spec["patience"] = 60
    kept._stop(signal.SIGTERM, None)
    assert signal.getitimer(signal.ITIMER_REAL)[0] <= left  # not begun anew
    kept._wait()
    assert kept.exit == -signal.SIGKILL and kept.child is None


def test_one_that_has_just_ended_needs_no_patience(kept):
    kept.spec["argv"] = ["true"]
    kept._start()
    kept.child.wait()
    kept._stop(signal.SIGTERM, None)
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_a_program_that_is_not_there_is_told_in_the_log(kept, place):
    kept.spec["argv"] = ["no-such-program"]
    kept._start()
    assert "cannot be started: " in (place / "log").read_text()
    assert (kept.exit, kept.child) == (127, None)
    assert json.loads((place / "state.json").read_text())["exit"] == 127


def test_there_is_one_keeper_for_a_folder(place):
    with files.locked(place / "keeper.lock"):
        keeper.main(str(place))
    assert not (place / "state.json").exists()


def test_a_process_is_known_by_when_it_was_born():
    assert keeper._born(0) == "" == keeper._born(1 << 30)
    assert keeper._born(os.getpid()) == processes.born(os.getpid())


def test_a_service_hears_what_its_keeper_does_not():
    code = (
        "import signal\n"
        "for number in (signal.SIGINT, signal.SIGHUP):\n"
        "    signal.signal(number, signal.SIG_IGN)\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})\n"
        "from sametree.deploy.keeper import _hear\n"
        "_hear()\n"
        "assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL\n"
        "assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL\n"
        "assert not signal.pthread_sigmask(signal.SIG_BLOCK, [])\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], env=env, check=True)


def test_it_hears_at_every_moment_that_it_shall_stop(place):
    for moment in range(12):
        with subprocess.Popen([*keeper.PROGRAM, str(place)]) as process:
            assert eventually(lambda: (place / "state.json").exists())
            time.sleep(moment * 0.0001)
            process.terminate()
            assert process.wait(3) == 0
        assert json.loads((place / "state.json").read_text())["stopped"]
        (place / "state.json").unlink()


def test_who_looks_whether_it_is_kept_does_not_keep_it_from_beginning(place):
    looking = files.try_lock(place / "keeper.lock")
    with subprocess.Popen([*keeper.PROGRAM, str(place)]) as process:
        time.sleep(0.15)
        os.close(looking)
        assert eventually(lambda: (place / "state.json").exists())
        process.terminate()
