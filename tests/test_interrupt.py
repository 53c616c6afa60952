"""Ctrl-C and kill: whenever it comes, no process, lock or folder is left behind."""

import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import eventually, interrupt, migration, processes_with

from sametree.database import cluster
from sametree.files import try_lock
from sametree.settings import load
from sametree.toolchains import locks

pytestmark = pytest.mark.proof

SLOW_TEST = """
import pathlib
import subprocess
import time


def test_slow():
    subprocess.Popen(["sleep", "77"])
    pathlib.Path("started").touch()
    time.sleep(60)
"""
SLOW_SQL = migration("0003", "0002", "op.execute('SELECT pg_sleep(60)')", "pass")
SLOW_HOOK = """
import pathlib
import time
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Hook(BuildHookInterface):
    def initialize(self, version, build_data):
        pathlib.Path(self.root, "started").touch()
        time.sleep(60)
"""
SLOW_FLAKE8 = """
import pathlib
import time

pathlib.Path("started").touch()
time.sleep(60)
"""


def run_of(sample, scratch):
    """What marks all processes of a run: its scratch folder, in the environment."""
    return {"SAMETREE_SCRATCH": str(scratch)}


@pytest.fixture
def scratch(folder):
    place = folder / "scratch"
    place.mkdir(mode=0o755)
    return place


def started(sample, process, mark="started"):
    """Wait until the slow part of a session runs."""
    assert eventually(lambda: (sample.root / mark).exists() or process.poll(), 60)
    assert process.poll() is None, process.stdout.read()


def nothing_left(sample, scratch):
    assert eventually(lambda: not processes_with(str(scratch))), processes_with(
        str(scratch)
    )
    assert eventually(lambda: not list(scratch.glob("*/run-*")))
    for lock in (sample.root / ".sametree").rglob("*.lock"):
        descriptor = try_lock(lock)
        assert descriptor is not None, f"{lock} is held"
        os.close(descriptor)


def result_of(sample):
    (path,) = (sample.root / ".sametree" / "runs").glob("*/*.json")
    return json.loads(path.read_text())["cicd.pipeline.task.run.result"]


def begin_tests(sample):
    sample.write({"test_slow.py": SLOW_TEST})
    return ["tests"]


def begin_build(sample):
    sample.write({"hatch_build.py": SLOW_HOOK})
    sample.settings("\n[tool.hatch.build.hooks.custom]\n")
    return ["build"]


def begin_lint(sample):
    sample.write({"slow_flake8.py": SLOW_FLAKE8})
    plugin = "[flake8:local-plugins]\nextension = X = slow_flake8:check\npaths = .\n"
    sample.write({".flake8": "[flake8]\n" + plugin})
    return ["lint"]


def begin_migrate(sample):
    sample.write({"migrations/versions/0003_slow.py": SLOW_SQL})
    env = sample.text("migrations/env.py")
    slow = "import pathlib\npathlib.Path('started').touch()\n"
    sample.write({"migrations/env.py": slow + env})
    return ["migrate"]


@pytest.mark.parametrize(
    "begin",
    [begin_tests, begin_build, begin_lint, begin_migrate],
    ids=lambda f: f.__name__,
)
def test_ctrl_c_ends_all_that_a_session_started(with_database, scratch, begin):
    args = begin(with_database)
    process = with_database.start("-s", *args, env=run_of(with_database, scratch))
    started(with_database, process)
    output = interrupt(process)
    assert process.returncode == 130
    assert "was stopped" in output
    assert "Traceback" not in output.replace("test_slow.py", ""), output
    nothing_left(with_database, scratch)
    assert result_of(with_database) == "cancellation"
    assert not list(with_database.root.glob("dist/.*"))


@pytest.mark.parametrize("session", ["format", "lock"])
def test_ctrl_c_at_any_moment_of_the_short_sessions(sample, scratch, session):
    process = sample.start("-s", session, env=run_of(sample, scratch))
    time.sleep(0.8)
    interrupt(process)
    nothing_left(sample, scratch)
    if session == "lock":  # it wrote all locks, or none
        known = locks.of_project(load(sample.root))
        assert [locks.outdated(lock) for lock in known] == [""] * 3
    else:
        assert sample.git("status", "--porcelain") == ""


def test_ctrl_c_ends_parallel_sessions(with_database, scratch):
    begin_tests(with_database)
    args = ["-j", "2", "-s", "tests", "migrate"]
    process = with_database.start(*args, env=run_of(with_database, scratch))
    started(with_database, process)
    interrupt(process)
    assert process.returncode == 130
    nothing_left(with_database, scratch)


def test_the_interrupted_migration_is_run_by_the_next_call(with_database, scratch):
    begin_migrate(with_database)
    process = with_database.start("-s", "migrate", env=run_of(with_database, scratch))
    started(with_database, process)
    interrupt(process)
    quick = migration("0003", "0002", "op.execute('SELECT 1')", "pass")
    with_database.write({"migrations/versions/0003_slow.py": quick})
    ran = with_database.nox("-s", "migrate")
    assert ran.code == 0, ran
    assert "0003  Revision 0003." in ran.output


def test_sigterm_ends_a_session_like_ctrl_c(with_database, scratch):
    begin_tests(with_database)
    process = with_database.start("-s", "tests", env=run_of(with_database, scratch))
    started(with_database, process)
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 130
    nothing_left(with_database, scratch)


def test_after_kill_9_the_guard_removes_the_server(with_database, scratch):
    begin_tests(with_database)
    process = with_database.start("-s", "tests", env=run_of(with_database, scratch))
    started(with_database, process)
    (run,) = scratch.glob("*/run-*")
    process.kill()
    assert eventually(lambda: not run.exists())
    assert eventually(lambda: not processes_with(f"{run}/data"))
    kill_rest(scratch)
    process.communicate()


def test_after_kill_9_of_everybody_the_next_run_cleans_up(with_database, scratch):
    begin_tests(with_database)
    process = with_database.start("-s", "tests", env=run_of(with_database, scratch))
    started(with_database, process)
    (run,) = scratch.glob("*/run-*")
    for entry in Path("/proc").glob("[0-9]*"):
        command = _command(entry)
        if "guard.py" in command and str(run) in command:
            os.kill(int(entry.name), signal.SIGKILL)
    process.kill()
    process.wait()
    assert processes_with(f"{run}/data") != []
    cluster.sweep(run.parent)
    assert not run.exists()
    assert processes_with(f"{run}/data") == []
    kill_rest(scratch)
    process.communicate()


def kill_rest(scratch):
    """End the steps whose Nox was killed; nobody else does."""
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if str(scratch).encode() in (entry / "environ").read_bytes():
                os.kill(int(entry.name), signal.SIGKILL)


def _command(entry):
    try:
        return (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
