"""Which files changed between two git objects, and which packages between two locks."""

import hashlib
import json
import os

import pytest
from comparing import LOCK, Repository

from sametree import changes, trees
from sametree.changes import Changed, Pin

NONE = "0" * 40


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path / "repository")


def test_files_of_two_trees_are_named_with_what_happened_to_them(repository):
    repository.write(app__a="1", app__b="1", app__deep__c="1")
    old = repository.tree("app")
    repository.write(app__a="2", app__deep__d="1")
    os.remove(repository.root / "app" / "b")
    new = repository.tree("app")
    found = changes.files(repository.root, "app", old, new)
    assert [str(each) for each in found] == ["M app/a", "D app/b", "A app/deep/d"]


def test_the_whole_project_may_be_one_tree(repository):
    repository.write(a="1")
    old = repository.tree()
    repository.write(a="2")
    found = changes.files(repository.root, "", old, repository.tree())
    assert found == [Changed("a", "M")]


def test_a_file_is_its_own_change(repository):
    repository.write(a="1")
    old = repository.tree("a")
    repository.write(a="2")
    assert changes.files(repository.root, "a", old, repository.tree("a")) == [
        Changed("a", "M")
    ]


def test_a_file_without_its_objects_is_named_all_the_same(repository):
    old, new = f"100644 {NONE}", f"100644 {'1' * 40}"
    assert changes.files(repository.root, "a", old, new) == [Changed("a", "M")]


def test_a_folder_that_became_a_link_is_of_another_type(repository):
    old, new = f"040000 {NONE}", f"120000 {NONE}"
    assert changes.files(repository.root, "a", old, new) == [Changed("a", "T")]


@pytest.mark.parametrize("path", ["app", "app/a"])
def test_only_a_mode_that_differs_is_told(repository, path):
    repository.write(app__a="1")
    old = repository.tree(path)
    (repository.root / "app" / "a").chmod(0o755)
    [found] = changes.files(repository.root, path, old, repository.tree(path))
    assert str(found) == "M app/a (mode 100644 -> 100755)"


@pytest.mark.parametrize("path", ["app", "app/a"])
def test_only_line_ends_that_differ_are_told(repository, path):
    repository.write(app__a="1\n2\n", app__b="1\n")
    old = repository.tree(path)
    repository.write(app__a="1\r\n2\r\n", app__b="2\r\n")
    found = changes.files(repository.root, path, old, repository.tree(path))
    assert found[0] == Changed("app/a", "M", "only line ends")
    assert found[1:] == ([Changed("app/b", "M")] if path == "app" else [])


def test_trees_that_git_does_not_have_are_not_guessed_at(repository):
    repository.write(a="1")
    here = repository.tree()
    gone = f"040000 {'1' * 40}"
    assert changes.files(repository.root, "", here, gone) is None
    ids = [each.split(" ")[1] for each in (here, gone)]
    assert changes.absent(repository.root, ids) == ("1" * 40,)


def test_objects_that_were_never_committed_are_found_in_our_own_store(repository):
    repository.write(a="1")
    (repository.root / ".gitignore").write_text(".sametree\n")
    state = repository.root / ".sametree"
    old = trees.read(repository.root, state).id
    repository.write(a="2")
    new = trees.read(repository.root, state).id
    found = changes.files(repository.root, "", f"040000 {old}", f"040000 {new}")
    assert found == [Changed("a", "M")]


def test_what_is_no_id_never_reaches_git(repository):
    repository.write(a="1")
    here = repository.tree()
    traps = ["--output=stolen", "HEAD", "--help", "1" * 39, here.split()[1] + "\0"]
    for trap in traps:
        assert changes.files(repository.root, "", here, f"040000 {trap}") is None
        assert changes.absent(repository.root, [trap]) in ((trap,),)
    assert sorted(os.listdir(repository.root)) == [".git", "a"]


def test_outside_git_nothing_is_known(tmp_path):
    old, new = f"040000 {NONE}", f"040000 {'1' * 40}"
    assert changes.files(tmp_path, "", old, new) is None
    assert changes.absent(tmp_path, [NONE]) == (NONE,)


def test_requirements_are_pins():
    assert changes.pinned(LOCK) == {
        "black": "26.1.0",
        "click": "8.2 / 8.3",
        "uvicorn": "1.0",
    }


def test_npm_locks_are_pins():
    packages = {
        "": {"name": "page", "version": "1.0.0"},
        "node_modules/react": {"version": "19.2.0"},
        "node_modules/a/node_modules/react": {"version": "18.0.0"},
        "node_modules/@types/react": {"version": "19.0.1"},
        "node_modules/linked": {"link": True},
    }
    assert changes.pinned(json.dumps({"packages": packages})) == {
        "react": "18.0.0 / 19.2.0",
        "@types/react": "19.0.1",
    }


@pytest.mark.parametrize("text", ["", "{", '{"packages": []}', '{"a": 1}'])
def test_what_is_no_lock_pins_nothing(text):
    assert changes.pinned(text) == {}


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("place", ["file", "tree", "commit"])
def test_packages_are_named_wherever_both_versions_of_a_lock_are_found(
    repository, place
):
    newer = LOCK.replace("black==26.1.0", "black==26.3.1") + "mypy==2.0\n"
    newer = newer.replace("uvicorn[standard]==1.0\n", "")
    repository.write(locks__lint_txt=LOCK)
    name = repository.tree().split()[1]
    repository.git("commit", "--quiet", "-m", "one")
    places = {
        "file": repository.tree("locks/lint.txt").split()[1],
        "tree": f"{name}:locks/lint.txt",
        "commit": f"{repository.git('rev-parse', 'HEAD')}:./locks/lint.txt",
    }
    repository.write(locks__lint_txt=newer)
    found = changes.pins(
        repository.root,
        "locks/lint.txt",
        sha(LOCK),
        sha(newer),
        ["1" * 40, places[place]],
    )
    assert [str(each) for each in found] == [
        "black 26.1.0 -> 26.3.1",
        "+mypy 2.0",
        "-uvicorn 1.0",
    ]
    assert found[1] == Pin("mypy", "", "2.0")


def test_a_text_that_is_not_the_locks_own_is_never_taken_for_it(repository):
    repository.write(lint_txt=LOCK)
    other = LOCK.replace("26.1.0", "26.3.1")
    name = repository.tree("lint.txt").split()[1]
    for old, new in ((sha("a"), sha(other)), (sha(LOCK), sha(other))):
        assert changes.pins(repository.root, "lint.txt", old, new, [name]) == []


@pytest.mark.parametrize(
    "path", ["/dev/zero", "../lint.txt", "a\0b", "a/../../lint.txt"]
)
def test_no_lock_is_read_from_outside_the_project(repository, path):
    (repository.root.parent / "lint.txt").write_text(LOCK)
    found = changes.pins(repository.root, path, sha(LOCK), sha("a"), ["HEAD:a\0"])
    assert found == []
