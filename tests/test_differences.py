"""What differs between two identities of a unit, told to a person."""

import hashlib

import pytest
from comparing import LOCK, Repository

from sametree.changes import Changed, Pin
from sametree.differences import Difference, between, differences, explained

A, B = f"040000 {'a' * 40}", f"040000 {'b' * 40}"


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path / "repository")


def test_the_same_parts_do_not_differ():
    parts = {"interpreter": "cpython 3.11.7", "tool:uv": "1"}
    assert between(parts, dict(parts)) == []


def test_parts_are_told_in_the_order_in_which_they_decide():
    old = {"variable:A": "1", "tool:uv": "1", "lock:b": "1", "lock:a": "1"}
    old |= {"input:app": A, "interpreter": "1", "arguments": "1", "unheard": "1"}
    found = between(old, {})
    assert [(each.kind, each.name) for each in found] == [
        ("arguments", "arguments"),
        ("input", "app"),
        ("lock", "a"),
        ("lock", "b"),
        ("interpreter", "interpreter"),
        ("tool", "uv"),
        ("variable", "A"),
        ("unheard", "unheard"),
    ]
    assert found[0] == Difference("arguments", "arguments", "1", "")


def test_a_part_that_is_empty_is_as_good_as_none():
    assert between({"arguments": ""}, {}) == []


@pytest.mark.parametrize(
    "part, old, new, text",
    [
        (
            "interpreter",
            "cpython 3.11",
            "cpython 3.12",
            "interpreter: cpython 3.11 -> c",
        ),
        ("tool:uv", "0.8", "0.9", "uv: 0.8 -> 0.9"),
        ("arguments", "", "-k a", "arguments: (none) -> -k a"),
        ("settings", "1", "2", "the settings ([tool.sametree]) differ"),
        ("suite", "1", "2", "sametree itself differs"),
        ("variable:A", "1", "2", "the variable A has another value"),
        ("variable:A", "", "2", "the variable A is set now"),
        ("variable:A", "1", "", "the variable A is no longer declared"),
        ("lock:a.txt", "1", "2", "a.txt differs"),
        ("lock:a.txt", "missing", "2", "a.txt is new"),
        ("lock:a.txt", "1", "missing", "a.txt is gone"),
        ("lock:a.txt", "", "2", "a.txt is installed now"),
        ("lock:a.txt", "1", "", "a.txt is no longer installed"),
        ("input:app", "", A, "app is now an input"),
        ("input:app", A, "", "app is no longer an input"),
        ("input:app", A, B, "app differs (git has no aaaaaaaaaa, bbbbbbbbbb here)"),
        ("input:app", "missing", B, "A app"),
        ("input:app", A, "missing", "D app"),
        ("input:a", "100644 1", "100644 1 absent", "M a (git was told not to look"),
        ("input:", "unheard", "of", "the project differs"),
    ],
)
def test_each_kind_of_difference_has_its_words(tmp_path, part, old, new, text):
    [found] = differences(tmp_path, {part: old}, {part: new})
    assert str(found).startswith(text)


def test_the_changed_files_are_listed(repository):
    repository.write(app__a="1", app__b="1")
    old = repository.tree("app")
    repository.write(app__a="2", app__b="2")
    [found] = differences(
        repository.root, {"input:app": old}, {"input:app": repository.tree("app")}
    )
    assert found.files == (Changed("app/a", "M"), Changed("app/b", "M"))
    assert found.text == "M app/a\nM app/b"


def test_of_many_files_the_first_are_listed():
    files = tuple(Changed(f"{number:02}", "M") for number in range(20))
    lines = Difference("input", "app", A, B, files=files).text.splitlines()
    assert len(lines) == 8
    assert lines[0] == "M 00"
    assert lines[-1] == "and 13 more"


def test_the_changed_packages_are_listed_below_their_lock():
    pins = (Pin("black", "26.1", "26.3"), Pin("mypy", "", "2.0"))
    found = Difference("lock", "ci/lint.txt", "1", "2", pins=pins)
    assert found.text == "ci/lint.txt differs\n  black 26.1 -> 26.3\n  +mypy 2.0"


@pytest.mark.parametrize("where", ["inputs", "the file's own part", "at", "HEAD"])
def test_versions_of_a_lock_are_looked_for_in_all_that_is_known(repository, where):
    newer = LOCK.replace("26.1.0", "26.3.1")
    repository.write(ci__locks__lint_txt=LOCK)
    whole, folder, file = (
        repository.tree(path) for path in ("", "ci", "ci/locks/lint.txt")
    )
    if where == "HEAD":
        repository.git("commit", "--quiet", "-m", "one")
    repository.write(ci__locks__lint_txt=newer)
    old, new = (
        {"lock:ci/locks/lint.txt": hashlib.sha256(text.encode()).hexdigest()}
        for text in (LOCK, newer)
    )
    old |= {
        "inputs": {"input:ci": folder, "input:x": "missing"},
        "the file's own part": {"input:ci/locks/lint.txt": file},
    }.get(where, {})
    at = [whole.split()[1]] if where == "at" else []
    found = {each.kind: each for each in differences(repository.root, old, new, at)}
    assert found["lock"].pins == (Pin("black", "26.1.0", "26.3.1"),)


def test_what_git_cannot_explain_stays_as_it_is(tmp_path):
    whole = Difference("tool", "uv", "1", "2")
    assert explained(tmp_path, whole) is whole
