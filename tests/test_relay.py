"""What a live step writes reaches the terminal as if we were not there, but for secrets.

Each test runs a program of ours that runs a step, on a pseudo-terminal or on pipes.
"""

import hashlib
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import textwrap
import time
from contextlib import suppress
from pathlib import Path

import pytest

from sametree import masking, steps
from sametree.masking import Mask
from sametree.steps import Step

PATIENCE = 20.0
SECRET = "hunter22-hunter22"
DRIVER = """
import os, signal, sys
from pathlib import Path
from sametree import masking, steps
from sametree.errors import SametreeError
from sametree.steps import Step

steps.DRAIN = float(os.environ.get("LONGEST", steps.DRAIN))
masking.register([os.environ["SECRET"]])
step = Step(name="step", argv=tuple(sys.argv[2:]), cwd=Path(sys.argv[1]))
try:
    sys.exit(steps.run(step, os.environ, live=True).code)
except KeyboardInterrupt:
    sys.exit(130)
except SametreeError as error:
    sys.exit(f"told: {error}")
"""


@pytest.fixture
def driver(tmp_path):
    """Return the command of a program that runs a Python text as a live step."""

    def command(code):
        ours = [sys.executable, "-c", DRIVER, str(tmp_path)]
        return [*ours, sys.executable, "-u", "-c", textwrap.dedent(code)]

    return command


ENV = {
    **{name: value for name, value in os.environ.items() if name != "COLUMNS"},
    "PYTHONPATH": str(Path(steps.__file__).parent.parent),
    "SECRET": SECRET,
    "TERM": "xterm",
}


class Screen:
    """A pseudo-terminal, and the program that runs on it as on a person's."""

    def __init__(self, argv, **more):
        pid, self.master = pty.fork()
        if not pid:
            os.execvpe(argv[0], argv, {**ENV, **more})
        self.pid = pid
        self.shown = b""

    def await_text(self, text, seconds=PATIENCE):
        """Read until ``text`` is shown."""
        deadline = time.monotonic() + seconds
        while text not in self.shown:
            assert time.monotonic() < deadline, self.shown
            if select.select([self.master], [], [], 0.1)[0]:
                self.shown += os.read(self.master, 1 << 16)

    def type(self, text):
        os.write(self.master, text)

    def end(self):
        """Return all that was shown, and the exit code."""
        with suppress(OSError):
            while piece := os.read(self.master, 1 << 16):
                self.shown += piece
        _, status = os.waitpid(self.pid, 0)
        os.close(self.master)
        return self.shown, os.waitstatus_to_exitcode(status)


@pytest.fixture(autouse=True)
def give_up():
    """End a test that waits in vain."""

    def alarm(number, frame):
        raise AssertionError("waited in vain")

    before = signal.signal(signal.SIGALRM, alarm)
    signal.setitimer(signal.ITIMER_REAL, 2 * PATIENCE)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def piped(argv, **more):
    both = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    options = {"env": ENV, "stdin": subprocess.DEVNULL, "timeout": PATIENCE}
    return subprocess.run(argv, check=False, **{**both, **options, **more})


IN_TWO = """
import os, sys, time
secret = os.environ["SECRET"].encode()
for part in (b"out ", secret[:5], secret[5:], b" end"):
    os.write(1, part)
    time.sleep(0.02)
os.write(2, b"err " + secret + b"\\n")
"""


# On pipes


def test_no_secret_reaches_either_output(driver):
    done = piped(driver(IN_TWO))
    assert done.stdout == b"out *** end"
    assert done.stderr == b"err ***\n"
    assert done.returncode == 0


def test_what_only_begins_like_a_secret_is_shown_at_the_end(driver):
    code = f"import os; os.write(1, b'it ends in {SECRET[:-1]}')"
    assert piped(driver(code)).stdout == b"it ends in " + SECRET[:-1].encode()


def test_what_goes_to_one_place_stays_in_order(driver):
    code = """
        import os
        for number in range(500):
            os.write(1 + number % 2, b"%d\\n" % number)
    """
    done = piped(driver(code), stderr=subprocess.STDOUT)
    assert done.stdout.split() == [b"%d" % number for number in range(500)]


def test_no_byte_is_lost_or_changed(driver):
    code = """
        import hashlib, os, random, sys
        some = random.Random(1).randbytes(3_000_000)
        sys.stdout.buffer.write(some)
        sys.stderr.write(hashlib.sha256(some).hexdigest())
    """
    done = piped(driver(code))
    assert hashlib.sha256(done.stdout).hexdigest().encode() == done.stderr


def test_the_exit_code_is_the_steps(driver):
    assert piped(driver("raise SystemExit(7)")).returncode == 7


def test_a_step_that_cannot_start_is_told_of(tmp_path):
    argv = [sys.executable, "-c", DRIVER, str(tmp_path), "no-such-program"]
    done = piped(argv)
    assert done.returncode == 1
    assert done.stderr.startswith(b"told: step: cannot start `no-such-program`")


def test_a_step_whose_reader_has_gone_ends(driver):
    code = """
        while True:
            print("more", flush=True)
    """
    process = subprocess.Popen(
        driver(code), env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout.readline() == b"more\n"
    process.stdout.close()
    assert process.wait(PATIENCE) != 0
    assert b"sametree" not in process.stderr.read()  # no traceback of ours
    process.stderr.close()


def test_a_slow_reader_that_does_not_block_gets_all(driver):
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    process = subprocess.Popen(driver("print('x' * 500_000)"), env=ENV, stdout=writer)
    os.close(writer)
    time.sleep(0.3)
    got = b""
    while piece := os.read(reader, 50_000):
        got += piece
    os.close(reader)
    assert (len(got), process.wait(PATIENCE)) == (500_001, 0)


def test_what_is_left_behind_and_never_silent_does_not_keep_us(driver):
    code = """
        import subprocess
        endless = "for n in $(seq 60); do echo more; sleep 0.1; done"
        subprocess.Popen(["sh", "-c", endless], start_new_session=True)
    """
    began = time.monotonic()
    done = piped(driver(code), env={**ENV, "LONGEST": "0.5"})
    assert b"more" in done.stdout
    assert time.monotonic() - began < 5


def test_what_a_step_left_behind_does_not_keep_us(driver):
    code = """
        import os, subprocess, sys
        subprocess.Popen(["sleep", "6"], start_new_session=True)
        print("done", os.environ["SECRET"])
    """
    began = time.monotonic()
    done = piped(driver(code), stderr=subprocess.DEVNULL)
    assert done.stdout == b"done ***\n"
    assert time.monotonic() - began < 5


def test_the_last_words_of_an_interrupted_step_are_shown_without_secrets(driver):
    code = """
        import os, sys, time
        try:
            print("started", flush=True)
            time.sleep(60)
        except KeyboardInterrupt:
            print("x" * 200_000, "last words", os.environ["SECRET"], flush=True)
    """
    process = subprocess.Popen(
        driver(code), env=ENV, stdout=subprocess.PIPE, process_group=0
    )
    assert process.stdout.readline() == b"started\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.read().endswith(b"x last words ***\n")
    assert process.wait(PATIENCE) == 130
    process.stdout.close()


# On a terminal


def test_on_a_terminal_no_secret_is_shown_and_no_byte_changed(driver):
    shown, code = Screen(driver(IN_TWO + "os.write(1, b'\\t\\x1b[31m')")).end()
    assert shown == b"out *** end" + b"err ***\r\n" + b"\t\x1b[31m"
    assert code == 0


def test_who_stops_the_terminal_for_a_while_misses_nothing_at_the_end(driver):
    code = "import os; print('x' * 24_000)"
    screen = Screen(driver(code), LONGEST="0.3")
    screen.await_text(b"xxx")
    time.sleep(0.9)
    shown, code = screen.end()
    assert (shown.count(b"x"), code) == (24_000, 0)


def test_a_step_on_a_terminal_finds_one_of_the_same_size(driver):
    code = """
        import os
        print(*(os.isatty(each) for each in (0, 1, 2)), *os.get_terminal_size(1))
        input()
        print("then", *os.get_terminal_size(2))
    """
    argv = driver(code)
    screen = Screen(["sh", "-c", 'stty cols 91 rows 17; exec "$@"', "sh", *argv])
    screen.await_text(b"True True True 91 17")
    termios.tcsetwinsize(screen.master, (30, 120))
    time.sleep(0.5)
    screen.type(b"\n")
    screen.await_text(b"then 120 30")
    assert screen.end()[1] == 0


def test_a_debugger_can_be_used(driver):
    code = """
        import os, pdb
        secret = os.environ["SECRET"]
        pdb.set_trace()
        print("went on")
    """
    screen = Screen(driver(code))
    screen.await_text(b"(Pdb) ")
    screen.type(b"p 6 * 7, secret\n")
    screen.await_text(b"(42, '***')")
    screen.type(b"c\n")
    shown, code = screen.end()
    assert b"went on" in shown and SECRET.encode() not in shown
    assert code == 0


def test_ctrl_c_on_a_terminal_reaches_the_step(driver):
    code = """
        import os, time
        try:
            print("started", flush=True)
            time.sleep(60)
        except KeyboardInterrupt:
            print("last words", os.environ["SECRET"], flush=True)
    """
    screen = Screen(driver(code))
    screen.await_text(b"started")
    screen.type(b"\x03")
    shown, code = screen.end()
    assert b"last words ***" in shown
    assert code == 130


def test_a_real_test_run_keeps_its_colours_and_shows_no_secret(tmp_path):
    (tmp_path / "test_leak.py").write_text(
        "import os\n\n\ndef test_it():\n    assert os.environ['SECRET'] == 'other'\n"
    )
    options = ("-q", "-p", "no:cacheprovider", "-c", os.devnull)
    argv = [sys.executable, "-m", "pytest", *options, "--rootdir", str(tmp_path)]
    screen = Screen([sys.executable, "-c", DRIVER, str(tmp_path), *argv, "."])
    shown, code = screen.end()
    assert code == 1
    assert b"\x1b[31m" in shown and b"***" in shown and b"100%" in shown
    assert SECRET.encode() not in shown


# What is captured


def test_captured_output_has_no_secret_however_it_was_written(tmp_path, monkeypatch):
    monkeypatch.setattr(masking, "_mask", Mask([SECRET, "line one\nline two"]))
    code = IN_TWO + "print('line one\\nline two')"
    step = Step(name="step", argv=(sys.executable, "-c", code), cwd=tmp_path)
    seen = []
    outcome = steps.run(step, {**os.environ, "SECRET": SECRET}, on_line=seen.append)
    assert outcome.output == "out *** enderr ***\n***\n***\n"
    assert seen == ["out *** enderr ***", "***", "***"]
    (together,) = steps.run_together([step], {**os.environ, "SECRET": SECRET}, 1)
    assert together.output == outcome.output
