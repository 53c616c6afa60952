"""What a person at the terminal sees of a run of the real Nox."""

import sys
import time

import pytest
from conftest import environment
from nox import _parallel
from screens import Terminal

from sametree.errors import UsageError
from sametree.watching import Watch


@pytest.fixture
def somebody(monkeypatch):
    """Return a function: with it, somebody sits at the terminal that we write to."""

    def sits(*args):
        # Not before the test begins: until then pytest changes both itself.
        for stream in ("stdout", "stderr"):
            monkeypatch.setattr(getattr(sys, stream), "isatty", lambda: True)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.delenv("CI", raising=False)
        monkeypatch.delenv("SAMETREE_PROGRESS", raising=False)
        monkeypatch.setattr(sys, "argv", ["nox", *args])
        render = _parallel._Reporter._render
        monkeypatch.setattr(_parallel._Reporter, "_render", render)

    return sits


def mark(state, unit):
    (state / "running").mkdir(exist_ok=True)
    (state / "running" / f"now.{unit}.json").write_text(
        '{"cicd.pipeline.task.name": "%s", "started": %f, "seconds": 0,'
        ' "cicd.pipeline.task.run.result": "cancellation"}' % (unit, time.time())
    )


def board():
    """Return the lines of the board that Nox paints now, with one session on it."""
    reporter = _parallel._Reporter(color=False, tty=False, total=2)
    reporter._active["tests(a)"] = 0.0
    return reporter._render(1.0, 80)


def test_nobody_at_a_terminal_sees_nothing(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["nox", "-j", "2"])
    before = _parallel._Reporter._render
    watch = Watch(tmp_path, "now", lambda: pytest.fail("nobody asks"))
    watch.start()
    watch.stop()
    assert capfd.readouterr() == ("", "")
    assert _parallel._Reporter._render is before


@pytest.mark.parametrize("option", ["-j2", "-j", "--parallel=auto"])
def test_the_board_of_nox_tells_how_far_the_run_is(somebody, tmp_path, option):
    somebody(option, "2")
    plain = board()
    Watch(tmp_path, "now", lambda: ["lint(a)", "tests(a)"])
    assert board() == plain  # nothing of ours runs
    mark(tmp_path, "tests(a)")
    assert board() == [*plain, "  0 of 2 done"]


def test_an_empty_board_stays_empty(somebody, tmp_path):
    somebody("-j2")
    Watch(tmp_path, "now", lambda: [])
    mark(tmp_path, "tests(a)")
    reporter = _parallel._Reporter(color=False, tty=False, total=2)
    assert reporter._render(1.0, 80) == []


def test_a_nox_with_another_inside_keeps_its_board(somebody, tmp_path, monkeypatch):
    somebody("-j2")
    monkeypatch.delattr(_parallel, "_Reporter")
    Watch(tmp_path, "now", lambda: [])


def test_a_plan_that_cannot_be_told_is_none(somebody, tmp_path):
    def planned():
        raise UsageError("there is no such component")

    somebody("-j2")
    Watch(tmp_path, "now", planned)
    mark(tmp_path, "tests(a)")
    assert board()[-1] == "  0 done"


def test_in_one_process_the_view_is_started_and_stopped(somebody, tmp_path):
    somebody("-s", "tests")
    before = _parallel._Reporter._render
    watch = Watch(tmp_path, "now", lambda: ["tests(a)"])
    assert _parallel._Reporter._render is before
    watch.stop()
    watch.start()
    watch.start()
    watch.stop()


def test_it_can_be_switched_off(somebody, tmp_path, monkeypatch):
    somebody("-j2")
    monkeypatch.setenv("SAMETREE_PROGRESS", "0")
    before = _parallel._Reporter._render
    Watch(tmp_path, "now", list).start()
    assert _parallel._Reporter._render is before


SLOW = """
import time

import pytest


@pytest.mark.parametrize("number", range(8))
def test_slow(number):
    time.sleep(0.3)
"""


@pytest.fixture
def nox(sample):
    """Return a function that runs the sample's Nox on a terminal."""
    opened = []
    sample.write({"test_slow.py": SLOW})

    def run(*args):
        env = environment({"TERM": "xterm-256color", "NO_COLOR": "1"})
        env.pop("CI", None)
        nox = (sys.executable, "-m", "nox", "--envdir", str(sample.environments))
        opened.append(Terminal([*nox, *args], env, columns=100, cwd=sample.root))
        return opened[-1]

    yield run
    for each in opened:
        each.__exit__()


@pytest.mark.proof
def test_a_run_of_nox_has_a_view_below_its_output(nox):
    window = nox("-s", "lint", "tests")
    assert window.until(
        lambda: window.display[-2].startswith("  ·  tests(sample)"), 90
    ), window
    assert window.display[-1].startswith("  1 of 2 done"), window
    assert window.screen.margins.bottom == 21
    assert window.end() == 0
    assert window.whole
    shown = [row for row in window.display if row]
    assert shown[-1].startswith("  2 of 2 passed"), window
    assert not any(row.startswith("  ·  ") for row in window.lines), window
    again = nox("-s", "lint", "tests")
    assert again.end() == 0
    assert again.raw.count(b"\033") == 0, "what is proven needs no view"


@pytest.mark.proof
def test_the_second_run_knows_how_long_the_first_took(nox):
    assert nox("-s", "tests").end(90) == 0
    window = nox("-s", "tests", "--", "--force")
    assert window.until(lambda: "of about" in window.display[-2], 90), window
    assert window.display[-1].startswith("  0 of 1 done; about "), window
    window.send("\x03")
    window.end()
    assert window.whole
    assert any("was stopped" in row for row in window.display), window


@pytest.mark.proof
def test_parallel_sessions_have_our_lines_on_the_board_of_nox(nox):
    window = nox("-j", "2", "-s", "lint", "tests")
    assert window.until(
        lambda: any("of 2 done" in row for row in window.display), 90
    ), window
    (at,) = [n for n, row in enumerate(window.display) if "of 2 done" in row]
    assert any("nox > --parallel:" in row for row in window.display[:at]), window
    assert window.end(90) == 0
    assert not any("of 2 done" in row for row in window.lines), window
