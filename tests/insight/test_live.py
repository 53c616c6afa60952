"""What a person sees at the bottom of a terminal, while others write to it."""

import fcntl
import os
import select
import shutil
import signal
import sys
import termios
import threading
import time
from contextlib import suppress

import pytest
from conftest import environment
from screens import Terminal

from sametree.insight import live
from sametree.insight.live import Live, Rows
from sametree.insight.progress import Reader

PROGRAM = """
import contextlib, os, sys, time
from pathlib import Path
from sametree import records, steps
from sametree.insight import live
from sametree.insight.progress import Reader
from sametree.records import Record

live.TICK = 0.05
state = Path(sys.argv[1])
steps.stop_on_sigterm()
view = live.Live(Reader(state, "now", ["lint(a)", "tests(a)", "build(a)"]))


def record(unit, result="success", run="now", started=None, seconds=0.0):
    started = time.time() if started is None else started
    told = Record(run=run, unit=unit, result=result, started=started, seconds=seconds)
    records.write(state, told)


@contextlib.contextmanager
def unit(name):
    begun = Record(
        run="now", unit=name, result="cancellation", started=time.time(), seconds=0.0
    )
    with records.running(state, begun):
        yield
    record(name)


def wait(name):
    while not (state / name).exists():
        time.sleep(0.02)


"""
END = """
view.stop()
print("the end")
"""


@pytest.fixture
def terminal(tmp_path):
    """Return a function that runs a program with a view on a terminal of its own."""
    opened = []

    def run(program, rows=12, columns=60, prefix=(), **variables):
        script = tmp_path / "program.py"
        script.write_text(PROGRAM + program)
        env = environment({"TERM": "xterm-256color", "PYTHONUNBUFFERED": "1"})
        for name in ("CI", "NO_COLOR", "FORCE_COLOR"):
            env.pop(name, None)
        argv = [sys.executable, str(script), str(tmp_path)]
        opened.append(
            Terminal(prefix or argv, env | variables, rows=rows, columns=columns)
        )
        return opened[-1]

    yield run
    for each in opened:
        each.__exit__()


TESTS_RUN = """
view.start()
with unit("tests(a)"):
    print("begun")
    wait("enough")
"""


def shown(window):
    return [row.strip() for row in window.display[-2:]]


def runs(window):
    return shown(window)[0].startswith("·  tests(a)")


def test_the_view_stands_below_what_scrolls_and_no_line_is_lost(terminal, tmp_path):
    program = """
record("lint(a)", "skip")
for n in range(3):
    record("tests(a)", run=f"earlier-{n}", started=1.0, seconds=100.0 + n)
view.start()
with unit("tests(a)"):
    for n in range(40):
        print(f"line {n}")
        time.sleep(0.03)
    sys.stdout.write("no end of line")
    wait("enough")
    print()
"""
    window = terminal(program + END)
    assert window.until(lambda: "no end of line" in window.display), window
    assert shown(window) == [
        f"·  tests(a)  {shown(window)[0].split()[2]} s of about 1 min 41 s",
        "1 of 3 done, 1 of them proven; more than "
        f"{shown(window)[1].rpartition('than ')[2]}",
    ]
    assert shown(window)[1].endswith("s left")
    assert window.screen.margins.bottom == 9
    assert window.display[9] == "no end of line"
    assert (window.screen.cursor.y, window.screen.cursor.x) == (9, 14)
    (tmp_path / "enough").touch()
    assert window.end() == 0
    assert window.whole
    assert [line for line in window.lines if line.strip()] == [
        *(f"line {n}" for n in range(40)),
        "no end of line",
        "the end",
    ]


def test_nothing_is_written_before_a_unit_really_runs(terminal):
    window = terminal(
        'view.start()\nrecord("lint(a)", "skip")\ntime.sleep(0.5)\n' + END
    )
    assert window.end() == 0
    assert window.raw == b"the end\r\n"


def test_while_nothing_runs_the_rows_are_given_back(terminal, tmp_path):
    program = 'live.QUIET = 0.3\nview.start()\nwith unit("tests(a)"): wait("enough")\n'
    window = terminal(program + 'wait("last")\n' + END)
    assert window.until(lambda: runs(window)), window
    (tmp_path / "enough").touch()
    assert window.until(lambda: shown(window) == ["", "1 of 3 done"]), window
    assert window.until(lambda: window.whole), window
    assert shown(window) == ["", ""]
    (tmp_path / "last").touch()
    window.end()


@pytest.mark.parametrize("how", ["ctrl-c", "SIGTERM", "exception", "exit"])
def test_however_the_run_ends_the_terminal_is_as_it_was(terminal, tmp_path, how):
    fault = {"exception": "raise ValueError\n", "exit": "sys.exit(3)\n"}.get(how, "")
    window = terminal(TESTS_RUN + fault)
    assert window.until(lambda: runs(window)), window
    if how == "ctrl-c":
        window.send("\x03")
    if how == "SIGTERM":
        os.kill(window.process.pid, signal.SIGTERM)
    (tmp_path / "enough").touch()
    window.end()
    assert window.whole, window
    assert not any("tests(a)  " in row for row in window.display), window
    if how != "exit":
        named = "ValueError" if how == "exception" else "KeyboardInterrupt"
        assert any(row.startswith(named) for row in window.display), window


def test_ctrl_z_gives_the_terminal_to_the_shell_and_fg_takes_it_back(
    terminal, tmp_path
):
    shell = shutil.which("bash")
    if shell is None:
        pytest.skip("needs a shell with job control")
    prefix = (shell, "--norc", "--noprofile", "-i")
    window = terminal(TESTS_RUN + END, prefix=prefix, PS1="$ ", columns=200)
    program = f"{sys.executable} {tmp_path}/program.py {tmp_path}\n"
    assert window.until(lambda: "$" in window.display), window
    window.send(program)
    assert window.until(lambda: runs(window)), window
    window.send("\x1a")
    assert window.until(lambda: any("Stopped" in row for row in window.display)), window
    assert window.whole
    assert not runs(window)
    window.send("echo hel''lo\n")
    assert window.until(lambda: "hello" in window.display), window
    window.send("bg; sleep 0.7\n")  # sleep has the terminal, and reads no keys
    window.read(0.5)
    assert window.whole, "a program in the background paints nothing"
    window.send("fg\n")
    assert window.until(lambda: runs(window)), window
    (tmp_path / "enough").touch()
    assert window.until(lambda: "the end" in window.display), window
    assert window.whole


def test_a_prompt_that_takes_each_key_has_the_whole_terminal(terminal, tmp_path):
    program = """
import termios, tty
live.PATIENCE = 0.2
view.start()
with unit("tests(a)"):
    wait("prompt")
    before = termios.tcgetattr(0)
    tty.setcbreak(0)
    sys.stdout.write("(Pdb) ")
    sys.stdin.read(1)
    termios.tcsetattr(0, termios.TCSANOW, before)
    wait("enough")
"""
    window = terminal(program + END)
    assert window.until(lambda: runs(window)), window
    (tmp_path / "prompt").touch()
    assert window.until(lambda: window.whole), window
    window.read(0.3)
    assert [row for row in window.display if row] == ["(Pdb)"]
    window.send("c")
    assert window.until(lambda: runs(window)), window
    (tmp_path / "enough").touch()
    window.end()


def test_the_view_follows_the_size_of_the_terminal_at_once(terminal, tmp_path):
    slow = TESTS_RUN.replace("print(", "time.sleep(0.5); live.TICK = 60; print(")
    window = terminal(slow + END)
    assert window.until(lambda: runs(window) and "begun" in window.display), window
    window.read(0.2)
    window.resize(20, 70)
    assert window.until(lambda: runs(window)), window
    assert window.screen.margins.bottom == 17
    assert sum("tests(a)" in row for row in window.display) == 1, window
    window.resize(14, 35)
    assert window.until(lambda: runs(window)), window
    assert window.screen.margins.bottom == 11
    (tmp_path / "enough").touch()
    window.end()
    assert window.whole


def test_a_tiny_terminal_has_no_room_for_a_view(terminal, tmp_path):
    window = terminal(TESTS_RUN + END, rows=14)
    assert window.until(lambda: runs(window)), window
    window.resize(6, 60)
    assert window.until(lambda: window.whole), window
    window.read(0.3)
    assert not any("tests(a)" in row for row in window.display), window
    window.resize(14, 60)
    assert window.until(lambda: runs(window)), window
    (tmp_path / "enough").touch()
    window.end()


@pytest.mark.parametrize(
    ("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)]
)
def test_colours_are_as_the_reader_wishes(terminal, tmp_path, variables, coloured):
    window = terminal(TESTS_RUN + END, **variables)
    assert window.until(lambda: runs(window)), window
    assert (b"\033[1m" in window.raw) == coloured
    (tmp_path / "enough").touch()
    window.end()


def test_an_output_that_knows_no_signs_gets_words(terminal, tmp_path):
    window = terminal(TESTS_RUN + END, PYTHONIOENCODING="ascii")
    assert window.until(lambda: shown(window)[0].startswith("..  tests(a)")), window
    (tmp_path / "enough").touch()
    window.end()


class Output:
    def __init__(self, terminal=True):
        self.isatty = lambda: terminal


@pytest.mark.parametrize(
    ("variables", "outputs", "answer"),
    [
        ({"TERM": "xterm"}, [Output(), Output()], True),
        ({"TERM": "xterm", "CI": "false"}, [Output()], True),
        ({"TERM": "xterm", "CI": "true"}, [Output()], False),
        ({"TERM": "xterm", "SAMETREE_PROGRESS": "0"}, [Output()], False),
        ({"TERM": "xterm", "SAMETREE_PROGRESS": "1"}, [Output()], True),
        ({"TERM": "dumb"}, [Output()], False),
        ({}, [Output()], False),
        ({"TERM": "xterm"}, [Output(), Output(terminal=False)], False),
        ({"TERM": "xterm"}, [None], False),
    ],
)
def test_a_view_is_wanted_where_somebody_sits(variables, outputs, answer):
    assert live.wanted(variables, *outputs) is answer


def test_what_is_not_started_does_nothing(tmp_path):
    Live(Reader(tmp_path, "now")).stop()


def test_where_there_is_no_terminal_nothing_happens(tmp_path, capfd):
    with open(tmp_path / "out", "w") as file:
        view = Live(Reader(tmp_path, "now"), file.fileno())
        before = signal.getsignal(signal.SIGTSTP)
        view.start()
        view.start()
        view.stop()
        view.stop()
        assert signal.getsignal(signal.SIGTSTP) == before
    assert (tmp_path / "out").read_bytes() == b""
    assert capfd.readouterr() == ("", "")


def test_a_started_view_answers_signals_only_in_the_main_thread(tmp_path):
    view = Live(Reader(tmp_path, "now"))
    thread = threading.Thread(target=view.start)
    thread.start()
    thread.join()
    view.stop()


@pytest.fixture
def pair():
    """The two ends of a terminal: what a person has, and what a program has."""
    ours, theirs = os.openpty()
    termios.tcsetwinsize(ours, (20, 80))
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


def fill(descriptor):
    """Write until there is no room for a single byte; return how many were written."""
    written = 0
    for size in (1024, 1, 1, 1):
        with suppress(BlockingIOError):
            while True:
                written += os.write(descriptor, b"x" * size)
        time.sleep(0.02)
    return written


def test_a_terminal_that_is_full_for_a_moment_gets_all(pair):
    ours, theirs = pair
    fcntl.fcntl(theirs, fcntl.F_SETFL, os.O_NONBLOCK)
    filled = fill(theirs)
    writing = threading.Thread(target=Rows(theirs).show, args=(["last line"],))
    writing.start()
    time.sleep(0.05)
    read = b""
    while b"last line" not in read and select.select([ours], [], [], 5)[0]:
        read += os.read(ours, 1 << 16)
    writing.join()
    assert b"last line" in read
    assert read.count(b"x") == filled


def test_what_is_shown_already_is_not_written_again(pair):
    ours, theirs = pair
    rows = Rows(theirs)
    rows.give_back()
    rows.show(["a", "b"])
    assert b"\033[1;18r" in os.read(ours, 1 << 16)
    rows.show(["a", "b"])
    assert select.select([ours], [], [], 0.05)[0] == []
    rows.show(["a", "c"])
    assert b"\033[19;1H\033[2Ka\033[m\033[20;1H\033[2Kc" in os.read(ours, 1 << 16)


def test_a_board_of_somebody_else_gets_what_it_does_not_tell(tmp_path):
    reader = Reader(tmp_path, "now", ["tests(a)"])
    assert live.beneath(reader, 80) == []
    running = tmp_path / "running"
    running.mkdir()
    (running / "now.tests.a.json").write_text(
        '{"cicd.pipeline.task.name": "tests(a)", "started": %f, "seconds": 0,'
        ' "cicd.pipeline.task.run.result": "cancellation"}' % time.time()
    )
    assert live.beneath(reader, 80) == ["  0 of 1 done"]
    reader.look = None
    assert live.beneath(reader, 80) == []
