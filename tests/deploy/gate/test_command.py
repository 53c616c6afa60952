"""Does a project's own command decide, and is nothing of it left when it is stopped?"""

import os
import sys
import time

import pytest

from sametree import masking, processes
from sametree.deploy.gate import leash
from sametree.deploy.gate.command import Command
from sametree.steps import Step


def command(tmp_path, program, env=None):
    argv = (sys.executable, "-c", program)
    step = Step(name="smoke", argv=argv, cwd=tmp_path)
    return Command(step, {"PATH": os.environ["PATH"], **(env or {})})


def ended(found):
    end = time.monotonic() + 10
    while found.running:
        assert time.monotonic() < end
        time.sleep(0.005)
    return found


def test_a_command_that_ends_with_zero_says_yes(tmp_path):
    found = ended(command(tmp_path, "print('fine')"))
    assert found.problem == ""


def test_it_is_asked_for_nothing_while_it_runs(tmp_path):
    found = command(tmp_path, "import time; time.sleep(60)")
    assert found.running
    assert found.problem == ""
    found.stop()


def test_a_command_that_says_no_is_told_with_its_last_lines(tmp_path):
    program = (
        "import sys, time\n"
        "for n in range(30): print('line', n)\n"
        "print('a line in ', end='', flush=True)\n"
        "time.sleep(0.45)\n"
        "print('two parts')\n"
        "sys.exit(3)"
    )
    problem = ended(command(tmp_path, program)).problem
    _, _, told = problem.partition("ended with 3\n")
    lines = told.splitlines()
    # A sign of the leash in the middle of a line is not seen.
    assert lines == [f"  line {n}" for n in range(21, 30)] + ["  a line in two parts"]


def test_a_command_that_a_signal_ends_says_no(tmp_path):
    program = "import os; os.kill(os.getpid(), 9)"
    assert "ended with 137" in ended(command(tmp_path, program)).problem


def test_a_program_that_is_not_there_says_no(tmp_path):
    step = Step(name="smoke", argv=("no-such-program", "--now"), cwd=tmp_path)
    problem = ended(Command(step, {"PATH": os.environ["PATH"]})).problem
    assert problem == (
        "`no-such-program --now` ended with 127\n"
        "  cannot start `no-such-program`: No such file or directory"
    )


def test_a_folder_that_is_not_there_says_no(tmp_path):
    step = Step(name="smoke", argv=("true",), cwd=tmp_path / "gone")
    assert "cannot start" in ended(Command(step, {})).problem


def test_secrets_are_masked_also_when_a_sign_came_between(tmp_path, monkeypatch):
    monkeypatch.setattr(masking, "_mask", masking.Mask(["hunter2secret"]))
    program = (
        "import sys, time\n"
        "print('hunter2', end='', flush=True)\n"
        "time.sleep(0.45)\n"
        "print('secret')\n"
        "sys.exit(1)"
    )
    assert ended(command(tmp_path, program)).problem.endswith("\n  ***")


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_silent_command_is_stopped_with_all_that_it_started(tmp_path, stubborn):
    program = (
        "import os, signal, subprocess, sys, time\n"
        f"stubborn = {stubborn}\n"
        "if stubborn:\n"
        "    for number in (2, 15): signal.signal(number, signal.SIG_IGN)\n"
        "child = subprocess.Popen(['sleep', '60'])\n"
        "open('made', 'w').write(f'{os.getpid()} {child.pid}')\n"
        "os.rename('made', 'pids')\n"
        "time.sleep(60)\n"
    )
    found = command(tmp_path, program)
    pids = tmp_path / "pids"
    end = time.monotonic() + 10
    while not pids.exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    found.stop()
    assert not found.running
    assert "was stopped" in found.problem
    for pid in map(int, pids.read_text().split()):
        until = time.monotonic() + 5
        while processes.born(pid):
            assert time.monotonic() < until
            time.sleep(0.01)


def test_the_leash_ends_as_its_command_does(capfd):
    assert leash.main(sys.executable, "-c", "raise SystemExit(4)") == 4
    assert leash.main(sys.executable, "-c", "import os; os.abort()") == 134
    assert leash.main("no-such-program") == 127
    assert leash.main("sleep", "0.3") == 0
    assert leash.SIGN in capfd.readouterr().out
