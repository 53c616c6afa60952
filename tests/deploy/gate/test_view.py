"""What does the one who watches a stage see, on whatever terminal or in a log?"""

import doctest
import errno
import io
import re
import sys

import msgspec
import pyte
import pytest

from sametree.deploy.gate import view as module
from sametree.deploy.gate.judge import Figures, Verdict
from sametree.deploy.gate.view import Live, Log, for_reader, headline, line, lines
from sametree.deploy.gate.watch import Shown, Stage, View

NEW = Figures(requests=412, errors=0, p50=4.2, p90=12.4, p99=None)
OLD = Figures(requests=3990, errors=8, p50=4.1, p90=11.0, p99=30.0)
VIEW = View(
    stage=Stage("step 2 of 4", 1000, 10.0),
    elapsed=3.0,
    left=7.0,
    patience=117.0,
    colours=(
        Shown(name="green", rate=82.34, active=3, figures=NEW),
        Shown(name="blue", rate=740.0, active=12, figures=OLD),
    ),
    verdict=Verdict(
        kind="wait", reason="412 requests, none failed so far", new=NEW, old=OLD
    ),
)


def changed(**options):
    return msgspec.structs.replace(VIEW, **options)


def decided(kind, reason):
    verdict = msgspec.structs.replace(VIEW.verdict, kind=kind, reason=reason)
    return changed(verdict=verdict)


class Terminal(io.TextIOWrapper):
    """Where what is printed looks as on a terminal of the given size."""

    def __init__(self, columns, rows, encoding="utf-8"):
        super().__init__(io.BytesIO(), encoding=encoding, newline="\n")
        self.screen = pyte.Screen(columns, rows)
        self.screen.set_mode(pyte.modes.LNM)
        self.stream = pyte.Stream(self.screen)

    def isatty(self):
        return True

    def write(self, text):
        text.encode(self.encoding)
        self.stream.feed(text)
        return len(text)

    @property
    def shown(self):
        return [row.rstrip() for row in self.screen.display if row.strip()]


@pytest.fixture
def terminal(monkeypatch):
    for name in ("CI", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")

    def of(columns=80, rows=24, encoding="utf-8"):
        found = Terminal(columns, rows, encoding)
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("LINES", str(rows))
        monkeypatch.setattr(sys, "stdout", found)
        return found

    return of


def test_the_examples_in_the_module_hold():
    assert doctest.testmod(module).failed == 0


def test_a_wide_terminal_shows_all_of_both_colours(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert lines(VIEW, 80) == [
        "  step 2 of 4: green has 10 %, 7.0 s to bake",
        "         req/s  errors     p50    p90    p99  active",
        "  green   82.3  0.00 %  4.2 ms  12 ms      -       3",
        "  blue   740.0  0.20 %  4.1 ms  11 ms  30 ms      12",
        "  wait: 412 requests, none failed so far",
    ]


@pytest.mark.parametrize("width", [26, 30, 40, 52, 80, 200])
def test_no_line_is_wider_than_the_terminal(width, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    for each in lines(VIEW, width):
        assert len(each) < width
    for each in lines(decided("fail", "green: /x answers 500: 日本語" * 20), width):
        assert len(each) < width


def test_a_narrow_terminal_shows_what_matters_most(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    _, head, green, *_ = lines(VIEW, 40)
    assert head.split() == ["req/s", "errors", "p90", "active"]
    assert green.split() == ["green", "82.3", "0.00", "%", "12", "ms", "3"]
    _, head, *_ = lines(VIEW, 26)
    assert head.split() == ["req/s", "errors"]


def test_without_room_for_a_table_there_is_none():
    assert module._table(VIEW.colours, 5) == []


def test_the_headline_says_how_long_it_takes_still():
    assert headline(VIEW).endswith("7.0 s to bake")
    late = headline(changed(left=0.0))
    assert late.endswith("waits for 1 min 57 s more at most")
    assert headline(decided("pass", "fine")).endswith("after 3.0 s")


def test_a_line_of_a_log_has_all_in_it():
    assert line(VIEW) == (
        "  step 2 of 4: green has 10 %, 7.0 s to bake;"
        " green 82.3/s, 0.00 % errors, p50 4.2 ms, p90 12 ms;"
        " blue 740.0/s, 0.20 % errors, p50 4.1 ms, p90 11 ms, p99 30 ms;"
        " wait: 412 requests, none failed so far"
    )


def test_a_colour_that_nobody_asked_has_no_rate_of_errors():
    nothing = Figures(requests=0, errors=0, p50=None, p90=None, p99=None)
    shown = Shown(name="green", rate=0.0, active=0, figures=nothing)
    assert "green 0.0/s, - errors" in line(changed(colours=(shown,)))


def test_a_log_gets_a_line_at_the_beginning_each_ten_seconds_and_at_the_end(capsys):
    now = [0.0]
    log = Log(clock=lambda: now[0])
    for _ in range(100):
        log(VIEW)
        now[0] += 0.25
    log(decided("pass", "fine"))
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 4  # after 0, 10 and 20 s, and at the end
    assert said[-1].endswith("pass: fine")
    log(changed(stage=Stage("next", 5000, 10.0)))
    assert "next: green has 50 %" in capsys.readouterr().out


def test_on_a_terminal_the_view_stays_in_its_place_and_the_last_one_stays(terminal):
    found = terminal()
    live = for_reader()
    assert isinstance(live, Live)
    print("before")
    for left in (7.0, 6.0, 5.0):
        live(changed(left=left))
    assert found.shown[0] == "before"
    assert len(found.shown) == 6
    assert found.shown[1].endswith("5.0 s to bake")
    live(decided("fail", "it says\n  why\n  not"))
    assert found.shown[-3:] == ["  fail: it says", "  why", "  not"]
    live(VIEW)
    assert len(found.shown) == 1 + 7 + 5


def test_a_shorter_view_leaves_nothing_of_a_longer_one(terminal):
    found = terminal()
    live = Live()
    live(decided("wait", "a long reason\nof two lines"))
    live(decided("wait", "short"))
    assert found.shown[-1] == "  wait: short"
    assert len(found.shown) == 5


def test_a_change_of_width_does_not_paint_over_what_is_not_ours(terminal, monkeypatch):
    found = terminal()
    print("before")
    live = Live()
    live(VIEW)
    monkeypatch.setenv("COLUMNS", "60")
    live(VIEW)
    assert found.shown[0] == "before"
    assert len(found.shown) == 11


def test_a_terminal_without_unicode_shows_signs_that_it_knows(terminal):
    found = terminal(60, 24, "ascii")
    Live()(decided("wait", "green: /x answers 500: café 日本語 " + "x" * 80))
    assert found.shown[-1].startswith("  wait: green: /x answers 500: caf? ???")
    assert len(found.shown) == 5


def test_wide_letters_do_not_fold_a_line(terminal):
    found = terminal(40, 24)
    Live()(decided("wait", "日本語" * 30))
    assert len(found.shown) == 5


def test_colours_are_for_those_who_want_them(terminal, monkeypatch):
    terminal()
    assert "\033[33m" in lines(VIEW, 80)[-1]
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\033\[\d+m", "".join(lines(VIEW, 80)))


@pytest.mark.parametrize(
    ("name", "value"), [("CI", "true"), ("TERM", "dumb"), ("COLUMNS", "20")]
)
def test_without_somebody_at_a_terminal_it_is_a_log(terminal, monkeypatch, name, value):
    terminal()
    monkeypatch.setenv(name, value)
    assert isinstance(for_reader(), Log)


def test_a_terminal_that_is_gone_does_not_end_the_watch(monkeypatch, terminal):
    terminal()

    def gone(text):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(sys.stdout, "write", gone)
    Live()(VIEW)
    Log()(VIEW)
