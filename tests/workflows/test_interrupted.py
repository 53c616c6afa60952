"""Ctrl-C and kill in the middle of a rehearsal leave no process and no folder behind."""

import os
import signal
import subprocess
import sys

import pytest
from conftest import environment, eventually, interrupt, processes_with
from workflow_pipeline import with_ci

pytestmark = pytest.mark.proof(seconds=15)

PROGRAM = """
import sys
from pathlib import Path

from sametree import steps
from sametree.settings import load
from sametree.toolchains import environments
from sametree.workflows import rehearse

steps.stop_on_sigterm()
told = lambda job, ended: print(job.name, ended, flush=True)
rehearse.rehearse(load(Path(sys.argv[1])), uv=environments.uv(), tell=told)
"""
SLOW_TEST = """
import pathlib
import subprocess
import time


def test_slow():
    subprocess.Popen(["sleep", "77"])
    pathlib.Path({mark!r}).touch()
    time.sleep(60)
"""


@pytest.fixture
def started(with_database, folder):
    """A rehearsal in which a test, on a database of its own, takes a minute."""
    sample = with_ci(with_database, units=("tests",))
    mark = folder / "started"
    sample.write({"test_slow.py": SLOW_TEST.format(mark=str(mark))})
    sample.commit("Be slow")
    temporary = folder / "temporary"
    temporary.mkdir(mode=0o755)
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(sample.root)],
        env=environment({"TMPDIR": str(temporary)}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )
    assert eventually(lambda: mark.exists() or process.poll() is not None, 90)
    assert process.poll() is None, process.stdout.read()
    process.temporary = temporary
    return process


@pytest.mark.parametrize("end", ["Ctrl-C", "SIGTERM"])
def test_nothing_is_left(started, end):
    if end == "Ctrl-C":
        said = interrupt(started)
    else:
        os.kill(started.pid, signal.SIGTERM)
        said, _ = started.communicate(timeout=30)
    assert started.returncode != 0
    assert (
        "unit tests(sample) True" not in said.replace("\n", " ") or "Error" not in said
    )
    assert eventually(lambda: not processes_with(str(started.temporary)))
    assert list(started.temporary.iterdir()) == []


def test_what_a_kill_leaves_is_cleared_by_the_next_rehearsal(started):
    os.killpg(started.pid, signal.SIGKILL)
    started.communicate()
    assert list(started.temporary.iterdir())
    clear = "from sametree.workflows import rehearse\nwith rehearse._scratch(): pass\n"
    subprocess.run(
        [sys.executable, "-c", clear],
        env=environment({"TMPDIR": str(started.temporary)}),
        check=True,
        timeout=30,
    )
    assert eventually(lambda: not processes_with(str(started.temporary)))
    assert list(started.temporary.iterdir()) == []
