"""What a problem says to the person who meets it."""

import pytest

from sametree.errors import (
    SametreeError,
    SettingsError,
    SurroundingsError,
    UnitFailed,
    UsageError,
)


def test_a_problem_is_told_with_its_cure():
    assert str(UnitFailed("3 tests failed", "see above")) == (
        "3 tests failed\n  -> see above"
    )


def test_a_problem_without_a_cure_is_told_alone():
    assert str(UnitFailed("3 tests failed")) == "3 tests failed"


def test_settings_errors_name_the_file_and_list_every_problem():
    error = SettingsError("pyproject.toml", ["line 3: this", "line 9: that"], "do it")
    assert str(error).splitlines() == [
        "pyproject.toml: the settings cannot be used:",
        "  line 3: this",
        "  line 9: that",
        "  -> do it",
    ]
    assert error.problems == ("line 3: this", "line 9: that")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnitFailed("the code is at fault"), 1),
        (UsageError("the call is wrong"), 2),
        (SettingsError("pyproject.toml", ["the settings are wrong"]), 2),
        (SurroundingsError("the machine is at fault"), 3),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_exit_code_tells_whose_fault_it_is(error, code):
    assert isinstance(error, SametreeError)
    assert error.exit_code == code
