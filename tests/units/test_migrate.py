"""What `migrate` is asked for, and how it shows what it does."""

import sys

import pytest

from sametree.errors import UsageError
from sametree.units import migrate


def test_check_is_the_only_option_that_it_knows():
    assert migrate.arguments(["--check"]).check
    assert not migrate.arguments([]).check
    with pytest.raises(UsageError, match="migrate does not know --chekc"):
        migrate.arguments(["--chekc"])


def test_elsewhere_than_on_a_terminal_progress_is_a_line_a_second(capsys):
    screen = migrate.Screen()
    screen.lines([], "rows of t: 1")
    screen.lines([], "rows of t: 2")
    screen.lines(["up 0001"], "")
    assert capsys.readouterr().out == "  rows of t: 1\n  up 0001\n"


def test_on_a_terminal_progress_is_one_line_that_gives_way(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    screen = migrate.Screen()
    for rows in (1, 1, 2):
        screen.lines([], f"rows of t: {rows}")
    screen.lines(["up 0001"], "")
    clear = "\r\033[2K"
    assert capsys.readouterr().out == (
        f"{clear}  rows of t: 1{clear}  rows of t: 2{clear}  up 0001\n"
    )
