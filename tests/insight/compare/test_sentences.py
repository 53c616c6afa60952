"""A difference in words, and in a row."""

import pytest

from sametree.changes import Changed, Pin
from sametree.differences import Difference
from sametree.insight.compare.sentences import Names, row, sentence

NAMES = Names("local", "CI")
A, B = f"040000 {'a' * 40}", f"040000 {'b' * 40}"
SHA, OTHER = "1" * 64, "2" * 64


def files(*told):
    return {"files": tuple(Changed(*each.split(" ", 1)[::-1]) for each in told)}


def pins(*told):
    return {"pins": tuple(Pin(*each.split(" ")) for each in told)}


CASES = [
    (
        ("tool", "node", "22.1", "24.1", {}),
        "node is 22.1 in the local run, 24.1 in CI",
        ("node", "22.1", "24.1"),
    ),
    (
        ("interpreter", "interpreter", "cpython 3.11.7", "cpython 3.12.1", {}),
        "Python is cpython 3.11.7 in the local run, cpython 3.12.1 in CI",
        ("Python", "cpython 3.11.7", "cpython 3.12.1"),
    ),
    (
        ("settings", "settings", SHA, OTHER, {}),
        "the settings are not the same",
        ("[tool.sametree]", "1111111", "2222222"),
    ),
    (
        ("suite", "suite", SHA, OTHER, {}),
        "sametree itself is not the same",
        ("sametree itself", "1111111", "2222222"),
    ),
    (
        ("arguments", "arguments", "-k people", "", {}),
        "the arguments are `-k people` in the local run, none in CI",
        ("arguments", "-k people", ""),
    ),
    (
        ("variable", "LEVEL", "debug", "info", {}),
        "the variable LEVEL is debug in the local run, info in CI",
        ("variable LEVEL", "debug", "info"),
    ),
    (
        ("environment", "DEBUG", "", "set", {}),
        "the variable DEBUG is set in CI only",
        ("variable DEBUG", "", "set"),
    ),
    (
        ("environment", "DEBUG", "yes", "", {}),
        "the variable DEBUG is set in the local run only (yes)",
        ("variable DEBUG", "yes", ""),
    ),
    (
        ("input", "app", A, B, {}),
        "the sources in app are not the same",
        ("app", "aaaaaaa", "bbbbbbb"),
    ),
    (
        ("input", "", A, B, {}),
        "the sources in the project are not the same",
        ("the project", "aaaaaaa", "bbbbbbb"),
    ),
    (
        ("input", "app", "", A, {}),
        "app is an input in CI only",
        ("app", "", "aaaaaaa"),
    ),
    (
        ("input", "app/a.py", "", "", files("M app/a.py")),
        "the file app/a.py is not the same",
        ("app/a.py", "differs", "differs"),
    ),
    (
        ("input", "app/a.py", "", "", files("A app/a.py")),
        "the file app/a.py is there in CI only",
        ("app/a.py", "", "there"),
    ),
    (
        ("input", "app", "", "", files("D app/a.py", "D app/b.py")),
        "2 files are not the same: app/a.py and app/b.py",
        ("app/a.py +1", "there", ""),
    ),
    (
        ("input", "app", "", "", files(*(f"M app/{name}.py" for name in "abcde"))),
        "5 files are not the same: app/a.py, app/b.py, app/c.py and 2 more",
        ("app/a.py +4", "differ", "differ"),
    ),
    (
        ("lock", "ci/lint.txt", SHA, OTHER, pins("black 26.1 26.3")),
        "black is 26.1 in the local run, 26.3 in CI (ci/lint.txt differs)",
        ("black (lint.txt)", "26.1", "26.3"),
    ),
    (
        ("lock", "ci/lint.txt", SHA, OTHER, pins("black 26.1 26.3", "a 1 2", "b 1 2")),
        "black is 26.1 in the local run, 26.3 in CI (ci/lint.txt differs, 2 other"
        " packages too)",
        ("black +2 (lint.txt)", "26.1", "26.3"),
    ),
    (
        ("lock", "ci/lint.txt", SHA, OTHER, {}),
        "the lock ci/lint.txt is not the same",
        ("ci/lint.txt", "1111111", "2222222"),
    ),
    (
        ("lock", "ci/lint.txt", "missing", OTHER, {}),
        "the lock ci/lint.txt is there in CI only",
        ("ci/lint.txt", "missing", "2222222"),
    ),
    (
        ("lock", "ci/lint.txt", SHA, "", {}),
        "the lock ci/lint.txt is installed in the local run only",
        ("ci/lint.txt", "1111111", ""),
    ),
    (
        ("step", "pytest", "--strict", "", {}),
        "pytest is called with `--strict` in the local run only",
        ("call of pytest", "--strict", ""),
    ),
    (
        ("step", "pytest", "-q", "-v", {}),
        "pytest is called with `-q` in the local run, `-v` in CI",
        ("call of pytest", "-q", "-v"),
    ),
    (
        ("step", "mypy", "", "there", {}),
        "the step mypy runs in CI only",
        ("step mypy", "", "there"),
    ),
    (
        ("outside", "app/.env", "there", "", files("D app/.env")),
        "the file app/.env is there in the local run only, and git ignores it",
        ("app/.env (ignored)", "there", ""),
    ),
    (
        ("outside", "app/data/", "", "there", {}),
        "the folder app/data/ is there in CI only, and git ignores it",
        ("app/data/ (ignored)", "", "there"),
    ),
    (
        ("outside", "a.py", "", "there", files("A a.py", "A b.py")),
        "a.py and b.py are there in CI only, and git ignores them",
        ("a.py +1 (ignored)", "", "there"),
    ),
    (
        ("fingerprint", "fingerprint", "123456", "", {}),
        "what the result depends on was not recorded in CI",
        ("fingerprint", "123456", ""),
    ),
    (
        ("fingerprint", "fingerprint", "", "", {}),
        "what the result depends on was not recorded in the local run and in CI",
        ("fingerprint", "", ""),
    ),
    (
        ("surroundings", "memory", "32768000 kB", "", {}),
        "memory is 32768000 kB in the local run, none in CI",
        ("memory", "31.2 GiB", ""),
    ),
    (
        ("surroundings", "memory", "much kB", "8 GiB", {}),
        "memory is much kB in the local run, 8 GiB in CI",
        ("memory", "much kB", "8 GiB"),
    ),
    (
        ("surroundings", "os.release", "6.1", "6.11", {}),
        "kernel is 6.1 in the local run, 6.11 in CI",
        ("kernel", "6.1", "6.11"),
    ),
]


@pytest.mark.parametrize("told, said, shown", CASES)
def test_each_kind_of_difference_is_said_in_words_and_in_a_row(told, said, shown):
    kind, name, old, new, more = told
    difference = Difference(kind, name, old, new, **more)
    assert sentence(difference, NAMES) == said
    assert row(difference) == shown


def test_the_sides_have_names_of_their_own():
    difference = Difference("tool", "uv", "1", "2")
    assert sentence(difference, Names()) == "uv is 1 on the left, 2 on the right"
    only = Difference("step", "mypy", "there", "")
    assert sentence(only, Names("CI", "local")) == "the step mypy runs in CI only"


def test_a_note_of_a_file_is_told_with_it():
    changed = (Changed("a.py", "M", "only line ends"),)
    difference = Difference("input", "a.py", "", "", files=changed)
    assert (
        sentence(difference, NAMES) == "the file a.py is not the same (only line ends)"
    )
    assert row(difference) == ("a.py", "differs", "only line ends")
