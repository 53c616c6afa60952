"""Steps are real processes, and nothing of them is left when they have ended.

A step that opens the pipe of ``watch`` keeps it open for as long as it, or any process
that it started, lives. The pipe ends when all of them are gone.
"""

import gc
import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path

import pytest

from sametree import steps
from sametree.errors import INTERRUPTED, SurroundingsError
from sametree.steps import Step

PATIENCE = 20.0
"""Seconds after which a test gives up; none takes as long when all is well."""


STARTED = b"started\n"


class Watch:
    """What lives: the processes that have our pipe open."""

    def __init__(self, path):
        self.path = path
        os.mkfifo(path)
        self._said = b""
        self._reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def await_start(self, count=1):
        """Wait until ``count`` steps have opened the pipe and said so."""
        while self._said.count(STARTED) < count:
            self._said += self._next(started=bool(self._said))

    def rest(self):
        """Wait until no process is left; return what was said but for the start."""
        while more := self._next(started=True):
            self._said += more
        return self.said

    @property
    def said(self):
        """What was said so far, but for the start."""
        return self._said.replace(STARTED, b"")

    def _next(self, *, started):
        deadline = time.monotonic() + PATIENCE
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self._reader], [], [], left)[0]:
                found = os.read(self._reader, 100)
                if found or started:
                    return found
                time.sleep(0.01)  # some systems say "ended" before anyone began
        raise AssertionError("waited in vain")

    def close(self):
        os.close(self._reader)


@pytest.fixture(autouse=True)
def give_up():
    """End a test that waits in vain, instead of the patience of whoever runs it."""

    def alarm(number, frame):
        raise AssertionError("waited in vain")

    before = signal.signal(signal.SIGALRM, alarm)
    signal.setitimer(signal.ITIMER_REAL, 2 * PATIENCE)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def watch(tmp_path):
    made = Watch(tmp_path / "watch")
    yield made
    made.close()


OPEN = "exec 9>watch; echo started >&9; "
"""Opens the pipe of ``watch``, in a shell script."""
LONG = "sleep 60; true"


def sh(script, folder, name="step", **more):
    """Return a step that runs a shell script."""
    return Step(name=name, argv=("sh", "-c", script), cwd=folder, **more)


@pytest.fixture
def run(tmp_path):
    """Return a function that runs a script as a step."""

    def run_script(script, *, on_line=None, live=False, **more):
        step = sh(script, tmp_path, **more)
        return steps.run(step, os.environ, on_line=on_line, live=live)

    return run_script


@pytest.fixture
def together(tmp_path):
    """Return a function that runs named scripts side by side."""

    def run_scripts(scripts, jobs=4):
        listed = [sh(script, tmp_path, name) for name, script in scripts.items()]
        return steps.run_together(listed, os.environ, jobs)

    return run_scripts


# One step


def test_the_output_of_a_step_is_captured_errors_among_it_in_order(run, capfd):
    outcome = run("echo one; echo two >&2; echo three")
    assert outcome.output == "one\ntwo\nthree\n"
    assert capfd.readouterr() == ("", "")


def test_lines_are_handed_on_as_they_come(run, tmp_path):
    # The step ends only when its first line was seen.
    def seen(line):
        lines.append(line)
        (tmp_path / "seen").touch()

    lines = []
    wait = "for i in $(seq 1000); do [ -e seen ] && exit 0; sleep 0.02; done; exit 1"
    assert run(f"echo first; ({wait}) && echo last", on_line=seen).passed
    assert lines == ["first", "last"]


def test_a_line_without_an_end_is_handed_on_too(run):
    lines = []
    assert run("printf 'a\n\nb'", on_line=lines.append).output == "a\n\nb"
    assert lines == ["a", "", "b"]


def test_bytes_that_are_no_utf8_are_replaced(run):
    assert run(r"printf 'Gr\303\274\303\237e \377!'").output == "Grüße \ufffd!"


def test_much_output_is_captured_whole(run):
    outcome = run("i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done")
    assert outcome.output.splitlines() == [f"line {number}" for number in range(20000)]


def test_a_captured_step_cannot_wait_for_input(run):
    assert run("cat && echo no input").output == "no input\n"


def test_a_live_step_writes_to_our_own_output(run, capfd):
    outcome = run("echo out; echo err >&2", live=True)
    assert capfd.readouterr() == ("out\n", "err\n")
    assert outcome.output == ""


def test_what_we_said_before_comes_before_what_a_live_step_says(tmp_path):
    driver = """print("before"); steps.run(step, os.environ, live=True)"""
    argv, env = command(driver, sh("echo step", tmp_path))
    done = subprocess.run(argv, env=env, cwd=tmp_path, capture_output=True)
    assert done.stdout == b"before\nstep\n"


def test_a_live_step_without_a_terminal_cannot_wait_for_input(tmp_path):
    driver = """steps.run(step, os.environ, live=True)"""
    argv, env = command(driver, sh("cat; echo end", tmp_path))
    with subprocess.Popen(
        argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as ours:  # whose own input stays open
        assert ours.stdout.read() == b"end\n"
        assert ours.wait(PATIENCE) == 0


def test_a_live_step_on_a_terminal_may_read_from_it(tmp_path):
    driver = """steps.run(step, os.environ, live=True)"""
    argv, env = command(driver, sh("read word; echo got $word", tmp_path))
    master, terminal = pty.openpty()
    with subprocess.Popen(
        argv, env=env, stdin=terminal, stdout=subprocess.PIPE, start_new_session=True
    ) as ours:
        os.write(master, b"hello\n")
        assert ours.stdout.read() == b"got hello\n"
    os.close(master)
    os.close(terminal)


@pytest.mark.parametrize(
    ("code", "neutral", "passed"),
    [(0, (), True), (1, (), False), (5, (), False), (5, (5,), True), (0, (5,), True)],
)
def test_the_exit_code_decides_and_neutral_ones_are_no_failure(
    run, code, neutral, passed
):
    outcome = run(f"exit {code}", neutral=neutral)
    assert outcome.code == code
    assert outcome.passed is passed


def test_a_step_that_a_signal_ended_has_not_passed(run):
    outcome = run("kill -KILL $$")
    assert outcome.code == -signal.SIGKILL
    assert not outcome.passed


def test_a_step_runs_in_its_folder(run, tmp_path):
    assert run("pwd -P").output == f"{tmp_path.resolve()}\n"


def test_a_step_has_the_given_variables_and_its_own_and_no_others(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("OUTER", "outer")
    script = "echo $GIVEN ${CHANGED} ${OUTER-unset}"
    step = sh(script, tmp_path, env={"CHANGED": "by the step"})
    given = {"PATH": os.environ["PATH"], "GIVEN": "given", "CHANGED": "no"}
    assert steps.run(step, given).output == "given by the step unset\n"


def test_a_program_is_looked_for_on_the_path_of_its_environment(tmp_path):
    program = tmp_path / "bin" / "program"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho found\n")
    program.chmod(0o755)
    step = Step(name="step", argv=("program",), cwd=tmp_path)
    assert steps.run(step, {"PATH": str(program.parent)}).output == "found\n"


def test_a_missing_program_is_the_surroundings_fault_and_is_named(tmp_path):
    step = Step(name="lint", argv=("no-such-program", "x"), cwd=tmp_path)
    with pytest.raises(SurroundingsError, match="lint.*no-such-program") as caught:
        steps.run(step, os.environ)
    assert "nox -s lock" in caught.value.cure


def test_a_file_that_may_not_be_run_is_the_surroundings_fault(tmp_path):
    (tmp_path / "plain").touch(mode=0o644)
    with pytest.raises(SurroundingsError, match="plain"):
        steps.run(Step(name="s", argv=("./plain",), cwd=tmp_path), os.environ)


def test_a_missing_folder_is_the_surroundings_fault(tmp_path):
    with pytest.raises(SurroundingsError, match="nowhere"):
        steps.run(sh("true", tmp_path / "nowhere"), os.environ)


def test_a_step_reads_as_people_would_type_it(tmp_path):
    step = Step(name="s", argv=("echo", "two words", "$x"), cwd=tmp_path)
    assert str(step) == "echo 'two words' '$x'"


def test_the_time_of_a_step_is_measured(run):
    assert run("sleep 0.1").seconds >= 0.1


# What a step leaves behind


@pytest.mark.parametrize("live", [True, False], ids=["live", "captured"])
def test_a_child_that_a_step_left_in_the_background_is_killed(run, watch, live):
    script = "(sleep 60; echo survived >&9) >/dev/null 2>&1 &"
    outcome = run(OPEN + script, live=live)
    assert outcome.passed
    watch.await_start()
    assert watch.rest() == b""


def test_a_step_is_over_though_its_child_still_has_its_output(run, watch):
    script = "(sleep 2; echo survived >&9) & echo done"
    assert run(OPEN + script).output == "done\n"
    watch.await_start()
    assert watch.rest() == b""


def test_a_step_is_over_though_its_child_goes_on_writing(run, watch):
    chatter = "for i in $(seq 60); do echo still here; sleep 0.03; done"
    run(OPEN + f"({chatter}; echo survived >&9) &")
    watch.await_start()
    assert watch.rest() == b""


def test_a_child_that_a_failed_step_left_is_killed_too(run, watch):
    assert not run(OPEN + "(sleep 60) >/dev/null 2>&1 & exit 1").passed
    watch.await_start()
    assert watch.rest() == b""


def test_a_step_is_stopped_when_the_reader_of_its_lines_fails(run, watch):
    def fail(line):
        raise ValueError(line)

    with pytest.raises(ValueError, match="ready"):
        run(OPEN + "echo ready; exec sleep 60", on_line=fail)
    watch.await_start()
    assert watch.rest() == b""


LEAVES_A_SESSION = """
import subprocess

script = "sleep 1.5; echo ended >&9"
subprocess.Popen(["sh", "-c", script], start_new_session=True, pass_fds=(9,))
print("done")
"""


@pytest.fixture
def left_session(tmp_path, watch):
    """Run a step that leaves a session; return its outcome, what the session had said
    when the step was over, and what of ours stayed open after all had ended."""
    (tmp_path / "leave.py").write_text(LEAVES_A_SESSION)
    step = sh(f"{OPEN} '{sys.executable}' leave.py", tmp_path)
    before = set(threading.enumerate())
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        outcome = steps.run(step, os.environ)
        watch.await_start()
        said = watch.said
        assert watch.rest() == b"ended\n"
        for thread in set(threading.enumerate()) - before:
            thread.join()
        gc.collect()
    return outcome, said, told


def test_a_step_is_over_though_a_session_out_of_our_reach_has_its_output(left_session):
    outcome, said, told = left_session
    assert outcome.output == "done\n"
    assert said == b"", "we waited for the end of the session"
    assert told == [], "its pipe is closed in the end"


def test_a_captured_step_leaves_no_pipe_open(run):
    def fail(line):
        raise ValueError(line)

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        run("echo output")
        with suppress(ValueError):
            run("echo output", on_line=fail)
        gc.collect()
    assert told == []


# Several steps


def test_every_step_of_several_has_its_own_outcome(together):
    found = together({"a": "echo one", "b": "echo two; exit 3"})
    assert {(each.step.name, each.code, each.output) for each in found} == {
        ("a", 0, "one\n"),
        ("b", 3, "two\n"),
    }


def test_several_steps_run_at_the_same_time(together):
    meet = (
        "touch {own}; for i in $(seq 500); do [ -e {other} ] && exit 0; sleep 0.02;"
        " done; exit 1"
    )
    scripts = {
        "a": meet.format(own="a", other="b"),
        "b": meet.format(own="b", other="a"),
    }
    assert [outcome.passed for outcome in together(scripts, jobs=2)] == [True, True]


@pytest.mark.parametrize("jobs", [1, 0])
def test_no_more_steps_run_at_a_time_than_allowed(together, jobs):
    alone = "mkdir busy && sleep 0.05 && rmdir busy"
    found = together({name: alone for name in "abc"}, jobs=jobs)
    assert [outcome.passed for outcome in found] == [True, True, True]


def test_outcomes_are_given_as_they_come(together, tmp_path):
    wait = "for i in $(seq 500); do [ -e go ] && exit 0; sleep 0.02; done; exit 1"
    order = []
    for outcome in together({"waits": wait, "quick": "true"}):
        order.append((outcome.step.name, outcome.passed))
        (tmp_path / "go").touch()
    assert order == [("quick", True), ("waits", True)]


def test_no_steps_have_no_outcomes(together):
    assert list(together({})) == []


def test_children_that_several_steps_left_are_killed(together, watch):
    script = OPEN + "(sleep 60; echo survived >&9) >/dev/null 2>&1 &"
    assert all(outcome.passed for outcome in together({"a": script}))
    watch.await_start()
    assert watch.rest() == b""


def test_the_other_steps_are_stopped_when_the_caller_has_seen_enough(together, watch):
    outcomes = together({"quick": "true", "long": OPEN + LONG})
    assert next(outcomes).step.name == "quick"
    watch.await_start()
    time.sleep(0.1)  # as in interrupt()
    outcomes.close()
    assert watch.rest() == b""


def test_the_other_steps_are_stopped_when_one_cannot_be_started(tmp_path, watch):
    missing = Step(name="missing", argv=("no-such-program",), cwd=tmp_path)
    outcomes = steps.run_together(
        [sh("sleep 0.2", tmp_path, "quick"), sh(OPEN + LONG, tmp_path), missing],
        os.environ,
        jobs=2,  # so that the missing one waits for the quick one
    )
    with pytest.raises(SurroundingsError, match="no-such-program"):
        list(outcomes)
    watch.await_start()
    assert watch.rest() == b""


# Interrupts


@pytest.fixture
def start(tmp_path):
    """Return a function that starts a program of ours that runs a script as a step."""
    started = []

    def start_driver(code, script, **more):
        argv, env = command(code, sh(script, tmp_path))
        started.append(subprocess.Popen(argv, env=env, **more))
        return started[-1]

    yield start_driver
    for process in started:  # a test that failed may have left one
        process.kill()
        process.wait()


WAYS = {
    "captured": "steps.run(step, os.environ)",
    "live": "steps.run(step, os.environ, live=True)",
    "together": "list(steps.run_together([step], os.environ, 1))",
}
each_way = pytest.mark.parametrize("code", WAYS.values(), ids=WAYS.keys())


def interrupt(process, number=signal.SIGINT):
    """Send a signal to our program, which is past the very start of its step."""
    time.sleep(0.1)
    process.send_signal(number)


@each_way
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["INT", "TERM"])
def test_an_interrupt_stops_the_step_before_us(start, watch, code, number):
    ours = start(code, OPEN + LONG)
    watch.await_start()
    interrupt(ours, number)
    assert ours.wait(PATIENCE) == INTERRUPTED
    assert watch.rest() == b""


CLEANS_UP = (
    f"trap 'echo cleaned up >&9; exit' INT; {OPEN} while true; do sleep 0.02; done"
)


@each_way
def test_an_interrupted_step_may_clean_up_after_itself(start, watch, code):
    ours = start(code, CLEANS_UP)
    watch.await_start()
    interrupt(ours)
    assert ours.wait(PATIENCE) == INTERRUPTED
    assert watch.rest() == b"cleaned up\n"


def test_a_step_that_does_not_listen_is_killed(start, watch):
    ours = start(
        WAYS["captured"], "trap '' INT TERM; " + OPEN + "sleep 60; echo survived >&9"
    )
    watch.await_start()
    interrupt(ours)
    assert ours.wait(PATIENCE) == INTERRUPTED
    assert watch.rest() == b""


@each_way
def test_an_interrupt_stops_what_a_step_started_in_the_background(start, watch, code):
    ours = start(code, OPEN + "(sleep 2; echo survived >&9) & wait")
    watch.await_start()
    interrupt(ours)
    assert ours.wait(PATIENCE) == INTERRUPTED
    assert watch.rest() == b""


def test_many_stubborn_steps_are_stopped_before_nox_loses_its_patience(start, watch):
    ours = start(
        "list(steps.run_together([step] * 3, os.environ, 3))",
        "trap '' INT; " + OPEN + "sleep 4; echo survived >&9",
    )
    watch.await_start(3)
    interrupt(ours)
    try:
        ours.wait(2.0)  # what Nox gives a session (steps.GRACE), before it kills it
    except subprocess.TimeoutExpired:
        ours.kill()
    assert watch.rest() == b""


IN_THE_INSTANT = """
    import threading, time

    def hook(frame, event, called):
        if getattr(called, "__name__", "") != "fork_exec":
            return
        if event == "c_return":
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.3)  # so that our main thread is where it waits

    {who}.setprofile(hook)
    {way}
"""


@pytest.mark.parametrize(
    ("who", "way"),
    [("sys", "captured"), ("sys", "live"), ("threading", "together")],
    ids=["captured", "live", "together"],
)
def test_an_interrupt_in_the_instant_of_the_start_leaves_no_step(
    start, watch, who, way
):
    code = IN_THE_INSTANT.format(who=who, way=WAYS[way])
    ours = start(code, OPEN + "sleep 2; echo survived >&9")
    watch.await_start()
    assert ours.wait(PATIENCE) == INTERRUPTED
    assert watch.rest() == b""


WHILE_OTHERS_START = """
    import time

    def several():
        yield step
        time.sleep(0.3)
        signal.raise_signal(signal.SIGINT)

    list(steps.run_together(several(), os.environ, 2))
"""


def test_an_interrupt_while_other_steps_are_to_be_started_leaves_no_step(start, watch):
    ours = start(WHILE_OTHERS_START, OPEN + "sleep 2; echo survived >&9")
    watch.await_start()
    assert ours.wait(PATIENCE) == INTERRUPTED
    assert watch.rest() == b""


def test_an_interrupted_step_on_a_terminal_is_stopped_too(start, watch):
    master, terminal = pty.openpty()
    ours = start(
        WAYS["live"], OPEN + "exec sleep 60", stdin=terminal, start_new_session=True
    )
    watch.await_start()
    interrupt(ours)
    assert ours.wait(PATIENCE) == INTERRUPTED
    assert watch.rest() == b""
    os.close(master)
    os.close(terminal)


DRIVER = """
import os, signal, sys
from pathlib import Path
from sametree import steps
from sametree.steps import Step

def interrupt(number, frame):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt

signal.signal(signal.SIGTERM, interrupt)
signal.signal(signal.SIGINT, signal.default_int_handler)
step = Step(name="step", argv=tuple(sys.argv[2:]), cwd=Path(sys.argv[1]))
try:
    {code}
except KeyboardInterrupt:
    sys.exit(130)
"""


def command(code, step):
    """Return the argv and environment of a program that does ``code`` with ``step``."""
    env = {**os.environ, "PYTHONPATH": str(Path(steps.__file__).parent.parent)}
    script = DRIVER.format(code=code)
    return [sys.executable, "-c", script, str(step.cwd), *step.argv], env
