"""Services outlive who started them, come back when they die, and end when told."""

import json
import os
import signal
import subprocess
import sys
import time

import msgspec
import pytest
from conftest import REPOSITORY, eventually, processes_with

from sametree import files, processes
from sametree.deploy import keeper
from sametree.deploy.runners import Service, process
from sametree.deploy.runners.process import Processes
from sametree.errors import SurroundingsError

SERVER = """
import os, signal, socket, sys, threading, time
print("begins", os.environ.get("WORD", ""), flush=True)
if "--ends" in sys.argv:
    sys.exit(int(sys.argv[-1]))
if "--deaf" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, lambda *_: (print("goes", flush=True), os._exit(0)))
time.sleep(60)
"""

COUNTED = {
    **{name: v for name, v in os.environ.items() if name.startswith("COVERAGE_")},
    "PYTHONPATH": str(REPOSITORY / "ci"),
}
"""What runs has a clean environment: without these its keeper's lines count nowhere."""


@pytest.fixture
def runner(folder, monkeypatch):
    # With site-packages, which it does without otherwise, and under its full name: so
    # its lines are counted.
    program = (sys.executable, "-m", keeper.__name__)
    monkeypatch.setattr(keeper, "PROGRAM", program)
    made = Processes(folder)
    yield made
    for name in made.inspect():
        place = made.folder / name
        spec = json.loads((place / "spec.json").read_text())
        (place / "spec.json").write_text(json.dumps({**spec, "patience": 0.5}))
    made.stop(list(made.inspect()))
    assert not processes_with(str(folder))


def service(runner, name="blue-1", *args, **more):
    script = runner.folder.parent / "server.py"
    script.write_text(SERVER)
    usual = {"port": runner.port(), "patience": 5.0, "env": {"WORD": "hunter22"}}
    told = {**usual, **more}
    told["env"] = told["env"] | COUNTED
    return Service(
        name=name,
        argv=(sys.executable, "-S", str(script), *args),
        cwd=runner.folder.parent,
        labels={"colour": "blue"},
        **told,
    )


def one(runner, name="blue-1"):
    return runner.inspect()[name]


def said(runner, name="blue-1"):
    return runner.logs(name)


def test_it_runs_and_is_known(runner):
    started = service(runner)
    runner.start(started)
    found = one(runner)
    assert found.alive and found.kept and not found.restarts
    assert (found.port, found.labels["colour"]) == (started.port, "blue")
    assert runner.endpoint("blue-1").port == started.port
    assert eventually(lambda: said(runner) == ["begins hunter22"])


def test_no_file_holds_what_is_in_its_environment(runner):
    runner.start(service(runner, env={"KEY": "hunter22-in-no-file"}))
    place = runner.folder / "blue-1"
    for path in place.iterdir():
        assert b"hunter22" not in path.read_bytes()
    assert json.loads((place / "spec.json").read_text())["variables"] == sorted(
        [*COUNTED, "KEY"]
    )


def test_the_very_same_is_not_started_again_and_another_replaces_it(runner):
    first = service(runner)
    runner.start(first)
    pid = one(runner).pid
    runner.start(first)
    assert one(runner).pid == pid
    runner.start(service(runner, "blue-1", "--other", port=first.port))
    assert one(runner).pid != pid


def test_one_that_dies_comes_back_and_says_how_it_ended(runner):
    runner.start(service(runner))
    assert eventually(lambda: said(runner))
    pid = one(runner).pid
    os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: one(runner).alive and one(runner).pid != pid)
    assert (one(runner).restarts, one(runner).exit) == (1, -signal.SIGKILL)
    assert eventually(lambda: len(said(runner)) == 2)


def test_one_that_never_comes_up_is_tried_ever_more_rarely(runner):
    runner.start(service(runner, "blue-1", "--ends", "3"))
    assert eventually(lambda: one(runner).restarts >= 2)
    assert one(runner).exit == 3


def test_a_program_that_is_not_there_is_told_in_its_log(runner):
    argv, cwd = ("no-such-program",), runner.folder.parent
    runner.start(Service(name="blue-1", argv=argv, cwd=cwd, env=COUNTED, patience=1.0))
    assert eventually(lambda: any("cannot be started" in line for line in said(runner)))
    assert one(runner).exit == 127


def test_stopping_is_kind_first(runner):
    runner.start(service(runner))
    assert eventually(lambda: said(runner))
    with (runner.folder / "blue-1" / "log").open() as log:
        runner.stop(["blue-1"])
        assert log.read().splitlines()[-1] == "goes"
    assert runner.inspect() == {}


def test_a_deaf_one_is_killed_when_its_patience_is_over(runner):
    runner.start(service(runner, "blue-1", "--deaf", patience=0.3))
    assert eventually(lambda: said(runner))
    pid = one(runner).pid
    began = time.monotonic()
    runner.stop(["blue-1"])
    assert 0.25 < time.monotonic() - began < 5
    assert not processes.born(pid)


def test_many_are_stopped_at_once(runner):
    for number in range(3):
        runner.start(service(runner, f"blue-{number}", "--deaf", patience=0.5))
    for number in range(3):
        assert eventually(lambda n=number: said(runner, f"blue-{n}"))
    began = time.monotonic()
    runner.stop([f"blue-{number}" for number in range(3)])
    assert time.monotonic() - began < 1.3


def test_what_lost_its_keeper_is_told_and_can_be_stopped_and_replaced(runner):
    started = service(runner)
    runner.start(started)
    state = json.loads((runner.folder / "blue-1" / "state.json").read_text())
    os.kill(state["keeper"], signal.SIGKILL)
    assert eventually(lambda: not one(runner).kept)
    assert one(runner).alive
    runner.start(started)
    assert one(runner).kept and one(runner).pid != state["pid"]
    assert not processes.born(state["pid"])


def test_it_outlives_who_started_it(runner, folder):
    started = service(runner)
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from sametree.deploy.runners import Service\n"
        "from sametree.deploy.runners.process import Processes\n"
        f"Processes(Path({str(folder)!r})).start(Service(name='blue-1',"
        f" argv={started.argv!r}, cwd=Path({str(folder)!r}), env={{}}, patience=5.0))\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], env=env, check=True)
    assert one(runner).alive and one(runner).kept


def test_what_does_not_run_has_no_endpoint_and_no_words(runner):
    with pytest.raises(SurroundingsError, match="blue-1 does not run"):
        runner.endpoint("blue-1")
    assert runner.logs("blue-1") == []
    runner.stop(["blue-1"])


def test_a_folder_that_is_no_service_of_ours_is_nothing(runner):
    (runner.folder / "blue-9").mkdir(parents=True)
    (runner.folder / "blue-9" / "spec.json").write_text("{}")
    assert runner.inspect() == {}
    (runner.folder / "blue-9" / "spec.json").unlink()


def test_a_keeper_that_ends_at_once_is_told(runner, monkeypatch):
    monkeypatch.setattr(
        keeper, "PROGRAM", (sys.executable, "-SIc", "raise SystemExit(3)")
    )
    with pytest.raises(SurroundingsError) as told:
        runner.start(service(runner))
    assert "blue-1 could not be started (its keeper ended with 3)" in str(told.value)
    assert "is there room on the disk of" in told.value.cure


def test_a_keeper_that_has_said_nothing_yet_is_none(runner, monkeypatch):
    place = runner.folder / "blue-1"
    place.mkdir(parents=True)
    spec = msgspec.json.encode(process._spec(service(runner)))
    (place / "spec.json").write_bytes(spec)
    monkeypatch.setattr(process, "START", 0.05)
    with files.locked(place / "keeper.lock"):
        found = one(runner)
    assert not found.kept and not found.alive and found.exit is None


def test_ports_are_not_given_twice(runner):
    runner.start(service(runner))
    assert one(runner).port not in {runner.port() for _ in range(20)}
