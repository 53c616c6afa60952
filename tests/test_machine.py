"""Where a run happens, and on what kind of machine."""

import os
import platform
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sametree import machine
from sametree.machine import Place

GITHUB = {
    "CI": "true",
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "ada/app",
    "GITHUB_RUN_ID": "42",
    "RUNNER_NAME": "GitHub Actions 7",
}


def test_at_home_a_run_is_local():
    assert machine.place({}) == Place("local")


def test_on_github_a_run_has_an_address_and_a_worker():
    url = "https://github.com/ada/app/actions/runs/42"
    assert machine.place(GITHUB) == Place("github", url, "GitHub Actions 7")


@pytest.mark.parametrize("gone", ["GITHUB_SERVER_URL", "GITHUB_RUN_ID"])
def test_half_an_address_is_none(gone):
    known = {name: value for name, value in GITHUB.items() if name != gone}
    assert machine.place(known).url == ""


def test_another_ci_is_told_from_home():
    assert machine.place({"CI": "true"}) == Place("ci")
    assert machine.place({"CI": "1", "GITHUB_ACTIONS": "no"}) == Place("ci")


@pytest.mark.parametrize(
    ("value", "expected"),
    [("true", True), ("1", True), ("woodpecker", True)]
    + [(no, False) for no in ("", "0", "false", "False")],
)
def test_ci_systems_set_ci(value, expected):
    assert machine.in_ci({"CI": value}) is expected
    assert machine.in_ci({}) is False


def test_the_machine_is_told_as_it_is():
    told = machine.told()
    assert told["os.type"] == platform.system().lower()
    assert told["os.release"] == platform.release()
    assert told["host.arch"] == platform.machine()
    assert told["host.name"] == socket.gethostname()
    assert told["git"][0].isdigit()
    assert int(told["host.cpu.count"]) >= 1
    assert all(told.values())


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_on_linux_memory_processor_and_libc_are_told_too():
    told = machine.told()
    assert told["memory"].endswith(" kB")
    assert "model name" not in told.get("host.cpu.model", "")
    assert told["libc"] == " ".join(platform.libc_ver())


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux only")
def test_only_processors_that_we_may_use_count():
    program = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from sametree import machine; print(machine.told()['host.cpu.count'])"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    argv = [sys.executable, "-c", program]
    told = subprocess.run(argv, env=env, check=True, capture_output=True, text=True)
    assert told.stdout == "1\n"


def test_what_a_machine_does_not_tell_is_left_out(monkeypatch):
    def refuse(*_, **__):
        raise OSError

    def unknown(*_):
        raise ValueError

    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    monkeypatch.setattr(os, "confstr", unknown)
    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(machine.getpass, "getuser", refuse)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    monkeypatch.setenv("PATH", "")
    told = machine.told.__wrapped__()
    assert told["host.cpu.count"] == "1"
    assert told["user"] == "12345"
    assert not {"memory", "host.cpu.model", "libc", "git"} & told.keys()


def test_what_proc_does_not_know_is_left_out(tmp_path):
    (tmp_path / "cpuinfo").write_bytes(
        b"flags\t: a b\nodd \xff line\nmodel name: X: 1\n"
    )
    assert machine._of(tmp_path / "cpuinfo", "model name") == "X: 1"
    assert machine._of(tmp_path / "cpuinfo", "MemTotal") == ""
