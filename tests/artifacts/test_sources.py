"""The files of a tree come from git's objects alone, whatever stands in the folder."""

import os

import pytest
from repositories import Repository

from sametree import trees
from sametree.artifacts.sources import Files
from sametree.errors import SurroundingsError, UsageError


@pytest.fixture
def repository(tmp_path):
    made = Repository(tmp_path / "repository")
    made.write("app/code.py", "old\n")
    made.write("app/data/x.csv", "1,2\r\n")
    made.write("app/nested/inner.py", "")
    made.write("top.py", "top\n")
    made.commit()
    return made


def files(repository, tree="HEAD^{tree}", folder=""):
    return Files(repository.root / folder, repository.git("rev-parse", tree), {})


def written(place):
    return {
        path.relative_to(place).as_posix(): path.read_bytes()
        for path in place.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def place(tmp_path):
    made = tmp_path / "place"
    made.mkdir()
    return made


def test_files_are_those_of_the_tree_not_of_the_folder(repository, place):
    found = files(repository)
    repository.write("app/code.py", "new\n")
    found.write(found.below("app", ["nested"]), "app", place)
    assert written(place) == {"code.py": b"old\n", "data/x.csv": b"1,2\r\n"}
    assert [path.name for path in place.parent.glob(".files.*")] == []


def test_the_whole_project_has_the_files_of_all_folders(repository, place):
    found = files(repository)
    found.write(found.below(""), "", place)
    assert set(written(place)) == set(found.modes)


def test_what_only_this_machine_is_set_to_changes_no_byte(repository, place):
    repository.git("config", "core.autocrlf", "true")
    found = files(repository)
    found.write(["top.py"], "", place)
    assert written(place) == {"top.py": b"top\n"}


def test_a_project_may_be_a_folder_of_a_larger_repository(repository, place):
    found = files(repository, "HEAD:app", "app")
    assert set(found.modes) == {"code.py", "data/x.csv", "nested/inner.py"}
    found.check_out(None, place)
    assert set(written(place)) == set(found.modes)


def test_a_tree_that_was_never_committed_has_its_files(repository, place, tmp_path):
    repository.write("app/code.py", "not committed\n")
    tree = trees.read(repository.root, tmp_path / "state")
    found = Files(repository.root, tree.id, tree.env)
    found.write(["app/code.py"], "app", place)
    assert written(place) == {"code.py": b"not committed\n"}


def test_a_submodule_is_in_no_release(repository, place, tmp_path):
    other = Repository(tmp_path / "other")
    other.write("x")
    other.commit()
    repository.submodule("app/sub", other)
    found = files(repository)
    with pytest.raises(UsageError, match="app/sub is a submodule"):
        found.write(found.below("app"), "app", place)


def test_a_name_that_is_no_utf8_is_in_no_release(repository, place):
    path = os.fsencode(repository.root / "app") + b"/caf\xe9"
    with open(path, "w") as file:
        file.write("x")
    repository.commit()
    found = files(repository)
    with pytest.raises(UsageError, match="the name of app/caf. is no UTF-8"):
        found.write(found.below("app"), "app", place)


def test_a_tree_that_git_does_not_have_is_told(repository):
    with pytest.raises(UsageError, match="git does not have the tree 0000"):
        Files(repository.root, "0" * 40, {})


def test_outside_git_there_is_no_tree(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="is not in a git repository"):
        Files(tmp_path, "0" * 40, {})


def test_objects_that_are_gone_are_told(repository, place):
    found = files(repository)
    blob = repository.git("rev-parse", "HEAD:top.py")
    (repository.root / ".git/objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(SurroundingsError, match="git cannot write the files of a tree"):
        found.check_out(["top.py"], place)
