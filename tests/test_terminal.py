"""Lines for a terminal, for a log and for GitHub."""

import io
import subprocess
import sys

import pytest
from conftest import environment

from sametree import masking, terminal
from sametree.masking import Mask


class Screen(io.TextIOWrapper):
    """An output with an encoding of its own, which may be a terminal."""

    def __init__(self, encoding="utf-8", isatty=False):
        super().__init__(io.BytesIO(), encoding=encoding, write_through=True)
        self._isatty = isatty

    def isatty(self):
        return self._isatty

    @property
    def shown(self):
        return self.buffer.getvalue().decode(self.encoding)


@pytest.fixture
def screen(monkeypatch):
    """Return a function that puts another output in the place of stdout."""
    for name in ("NO_COLOR", "FORCE_COLOR", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)

    def put(**kind):
        made = Screen(**kind)
        monkeypatch.setattr(sys, "stdout", made)
        return made

    return put


RED = "\033[31mtext\033[0m"


@pytest.mark.parametrize(
    ("isatty", "variables", "shown"),
    [
        (False, {}, "text"),
        (True, {}, RED),
        (True, {"NO_COLOR": "1"}, "text"),
        (True, {"NO_COLOR": ""}, RED),
        (False, {"FORCE_COLOR": "1"}, RED),
        (False, {"FORCE_COLOR": ""}, "text"),
        (False, {"FORCE_COLOR": "0"}, "text"),
        (False, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, "text"),
    ],
)
def test_colours_are_where_terminal_and_reader_want_them(
    screen, monkeypatch, isatty, variables, shown
):
    screen(isatty=isatty)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert terminal.colour("text", "red") == shown


def test_a_verdict_has_a_sign_where_the_output_knows_it(screen):
    screen(encoding="utf-8")
    assert [terminal.mark(kind) for kind in ("passed", "failed", "skipped")] == [
        "✓",
        "✗",
        "-",
    ]


def test_a_verdict_is_a_word_where_the_output_knows_no_sign(screen):
    screen(encoding="ascii")
    assert [terminal.mark(kind) for kind in ("passed", "failed", "running")] == [
        "ok",
        "FAILED",
        "..",
    ]


def test_a_verdict_has_its_colour(screen):
    screen(isatty=True)
    assert terminal.mark("failed") == "\033[31m✗\033[0m"


def test_a_line_is_printed_at_once(screen):
    out = screen()
    terminal.say("Grüße")
    assert out.shown == "Grüße\n"


def test_a_character_that_the_output_does_not_know_is_escaped(screen):
    out = screen(encoding="ascii")
    terminal.say("Grüße ✓")
    assert out.shown == "Gr\\xfc\\xdfe \\u2713\n"


def test_a_reader_who_goes_away_stops_nothing(tmp_path):
    done = tmp_path / "done"
    code = (
        "import pathlib, sys; from sametree import terminal\n"
        "for number in range(50_000): terminal.say(str(number))\n"
        f"pathlib.Path({str(done)!r}).touch(); print('unheard'); sys.exit(7)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "0\n"
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 7 and done.exists()
    process.stderr.close()


def test_nothing_to_say_is_an_empty_line(screen):
    out = screen()
    terminal.say()
    assert out.shown == "\n"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0.0 s"),
        (0.84, "0.8 s"),
        (59.9, "59.9 s"),
        (60, "1 min 00 s"),
        (75.4, "1 min 15 s"),
        (119.6, "2 min 00 s"),
        (3600, "60 min 00 s"),
    ],
)
def test_a_duration_is_for_people(seconds, shown):
    assert terminal.duration(seconds) == shown


def test_sixty_seconds_are_a_minute_after_rounding_too():
    assert terminal.duration(59.96) == "1 min 00 s"


def test_columns_of_a_table_are_aligned():
    assert terminal.table([("a", "bb", "c"), ("aaa", "b", "c")]) == [
        "  a    bb  c",
        "  aaa  b   c",
    ]


def test_no_line_of_a_table_ends_in_spaces():
    assert terminal.table([("a", ""), ("b", "long")], indent="") == ["a", "b  long"]


def test_colours_have_no_width(screen):
    screen(isatty=True)
    red = terminal.colour("ab", "red")
    assert terminal.table([(red, "x"), ("abc", "x")], indent="") == [
        f"{red}   x",
        "abc  x",
    ]


def test_a_table_without_rows_has_no_lines():
    assert terminal.table([]) == []


def test_rows_of_different_lengths_are_a_mistake():
    with pytest.raises(ValueError):
        terminal.table([("a", "b"), ("c",)])


@pytest.mark.parametrize(
    ("value", "answer"), [("true", True), ("false", False), ("", False)]
)
def test_github_says_that_it_is_there(monkeypatch, value, answer):
    monkeypatch.setenv("GITHUB_ACTIONS", value)
    assert terminal.on_github() is answer


def test_an_annotation_names_file_line_and_title(screen):
    out = screen()
    terminal.annotate("src/app.py", 7, "flake8 F401", "'os' imported but unused")
    assert out.shown == (
        "::error file=src/app.py,line=7,title=flake8 F401::'os' imported but unused\n"
    )


def test_an_annotation_without_a_place_has_its_title(screen):
    out = screen()
    terminal.annotate("", None, "locks", "tests.txt is missing")
    assert out.shown == "::error title=locks::tests.txt is missing\n"


def test_an_annotation_is_one_line_whatever_it_says(screen):
    out = screen()
    terminal.annotate("a,b.py", None, "50%: all\nof it", "100 % a: b, c\r\nnext")
    assert out.shown == (
        "::error file=a%2Cb.py,title=50%25%3A all%0Aof it"
        "::100 %25 a: b, c%0D%0Anext\n"
    )


# Secrets


@pytest.fixture
def secret(monkeypatch):
    """Hide one text, for the length of a test."""
    monkeypatch.setattr(masking, "_mask", Mask(["hunter22"]))
    return "hunter22"


def test_no_line_shows_a_secret(screen, secret):
    made = screen()
    terminal.say(f"the password is {secret}")
    assert made.shown == "the password is ***\n"


def test_no_annotation_shows_a_secret(screen, secret):
    made = screen()
    terminal.annotate(f"{secret}.py", 3, f"title {secret}", f"text\n{secret}")
    assert made.shown == "::error file=***.py,line=3,title=title ***::text%0A***\n"


KEEPING = """
import os, subprocess, sys
from sametree import masking, terminal
from sametree.masking import Mask

terminal.keep_secret(["hunter22", "50% of\\nall: lines"])
terminal.keep_secret(["hunter22"])
terminal.say("hunter22")
terminal.keep_secret(["later one"])
terminal.say("later one")
if len(sys.argv) < 2:
    subprocess.run([sys.executable, __file__, "inner"], check=True)
"""


@pytest.fixture
def keep(tmp_path):
    """Return a function that runs a program which keeps secrets, and one inside it."""

    def run(**env):
        file = tmp_path / "keeping.py"
        file.write_text(KEEPING)
        argv = [sys.executable, str(file)]
        both = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.run(argv, env=environment(env), text=True, check=True, **both)

    return run


def test_github_is_told_once_by_all_processes_what_to_hide(keep):
    done = keep(GITHUB_ACTIONS="true")
    told = ["50%25 of", "all: lines", "hunter22"]
    assert done.stderr.splitlines() == [f"::add-mask::{line}" for line in told]
    assert done.stdout == "***\n" * 4


def test_nobody_else_is_told_what_is_secret(keep):
    done = keep()
    assert done.stderr == ""
    assert done.stdout == "***\n" * 4
