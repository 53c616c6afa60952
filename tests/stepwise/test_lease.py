"""One at a time may change an environment, and a dead owner is in nobody's way."""

import json
import os
import subprocess
import sys
import threading
import time

import pytest

from sametree.stepwise import audit, lease
from sametree.errors import SurroundingsError, UsageError

OWNER = """
import sys, time
from pathlib import Path
from sametree.stepwise import lease
with lease.held(Path(sys.argv[1]), "run", "deploy"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def owner(folder):
    """Another process that has the lease."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    argv = [sys.executable, "-c", OWNER, str(folder)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, env=env)
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.communicate()


def changed(folder, **more):
    """Rewrite the lease."""
    path = folder / lease.FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | more))


def test_it_is_free_before_and_after(folder):
    with lease.held(folder, "run", "deploy") as held:
        assert lease.read(folder) == held.lease
        held.check()
    assert lease.read(folder) is None


def test_it_is_given_back_when_the_work_fails(folder):
    with pytest.raises(RuntimeError), lease.held(folder, "run", "deploy"):
        raise RuntimeError
    assert lease.read(folder) is None


def test_who_comes_second_is_told_who_has_it(folder, owner):
    with pytest.raises(UsageError) as told, lease.held(folder, "run2", "deploy"):
        raise AssertionError
    assert f"(process {owner.pid})" in told.value.problem
    assert f"invoke lock.break {folder.name}" in told.value.cure


def test_of_many_at_once_one_gets_it(folder):
    got, refused = [], []
    barrier = threading.Barrier(8)
    done = threading.Event()

    def take():
        barrier.wait()
        try:
            with lease.held(folder, "run", "deploy") as held:
                got.append(held.token)
                done.wait(10)
        except UsageError:
            refused.append(1)
            if len(refused) == 7:
                done.set()

    threads = [threading.Thread(target=take) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert (len(got), len(refused)) == (1, 7)


def test_that_of_a_killed_owner_is_taken_over_at_once_and_the_trail_tells(
    folder, owner, capsys
):
    old = lease.read(folder)
    owner.kill()
    owner.wait()
    with lease.held(folder, "run2", "roll back") as held:
        assert held.token == old.token + 1
    (line,) = audit.read(folder)
    assert (line["event"], line["why"]) == ("lease taken over", "its process is gone")
    assert "is taken over: its process is gone" in capsys.readouterr().out


def test_that_of_a_silent_owner_elsewhere_is_taken_over_when_it_has_expired(folder):
    with lease.held(folder, "run", "deploy") as old:
        changed(folder, host="elsewhere", beat=time.time() - lease.EXPIRY + 5)
        with pytest.raises(UsageError), lease.held(folder, "run2", "deploy"):
            raise AssertionError
        changed(folder, beat=time.time() - lease.EXPIRY - 1)
        with lease.held(folder, "run2", "deploy") as new:
            assert new.token > old.token
            with pytest.raises(lease.Lost):
                old.check()
            with pytest.raises(lease.Lost):
                old.renew()
            new.check()
        # What is another's is not given back by us.
        with lease.held(folder, "run3", "deploy"):
            pass


def test_its_owner_renews_it(folder, monkeypatch):
    monkeypatch.setattr(lease, "BEAT", 0.01)
    with lease.held(folder, "run", "deploy") as held:
        first = held.lease.beat
        deadline = time.monotonic() + 10
        while lease.read(folder).beat == first and time.monotonic() < deadline:
            time.sleep(0.01)
        assert lease.read(folder).beat > first


def test_a_broken_one_is_lost_and_its_next_token_is_higher(folder):
    with lease.held(folder, "run", "deploy") as held:
        assert lease.break_(folder).token == held.token
        with pytest.raises(lease.Lost) as lost:
            held.check()
        assert "it was broken" in lost.value.problem
        assert isinstance(lost.value, SurroundingsError)
        with lease.held(folder, "run2", "deploy") as new:
            assert new.token == held.token + 1
    assert [line["event"] for line in audit.read(folder)] == ["lease broken"]
    assert lease.break_(folder) is None


def test_one_that_is_no_lease_counts_as_none(folder):
    (folder / lease.FILE).write_text("{")
    with lease.held(folder, "run", "deploy") as held:
        held.check()
