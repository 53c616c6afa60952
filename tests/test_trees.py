"""The tree of a working copy: what counts, what does not, and what git must not notice.

No two states that could come to different results may look the same (`told`).
"""

import os
import shutil
import subprocess
import sys
import threading
import time

import pytest
from repositories import (
    LONG_AGO,
    NOBODY,
    Copied,
    Opened,
    Repository,
    without_configuration,
)

from sametree import beside, trees


@pytest.fixture(autouse=True)
def nobodys_configuration(monkeypatch, tmp_path):
    without_configuration(monkeypatch, tmp_path)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    made = Repository(tmp_path_factory.mktemp("original") / "project")
    made.write("readme.txt", "hello\n")
    made.write("backend/app.py", "app = 1\n")
    made.write("frontend/app.ts", "const app = 1\n")
    made.write(".gitignore", "*.log\nbuild/\n.sametree/\n")
    made.commit()
    return made


@pytest.fixture
def repository(original, tmp_path):
    return Copied(original, tmp_path / "project")


@pytest.fixture
def library(tmp_path):
    """What others have as a submodule."""
    made = Repository(tmp_path / "library")
    made.write("lib.py", "lib = 1\n")
    made.write("docs/text", "text\n")
    made.commit()
    return made


def told(root):
    """Return all that is told of a working copy, to be compared."""
    tree = trees.read(root)
    return tree.id, dict(tree.beside), {k: list(v) for k, v in tree.links.items()}


# --- What a commit would hold


def change_untracked(repository):
    repository.write("backend/new.py", "new = 1\n")


def change_modified(repository):
    repository.write("readme.txt", "hello, world\n")


def change_staged(repository):
    repository.write("readme.txt", "hello, index\n")
    repository.git("add", "readme.txt")


def change_staged_and_taken_back(repository):
    repository.write("readme.txt", "hello, index\n")
    repository.git("add", "readme.txt")
    repository.write("readme.txt", "hello, after all\n")


def change_deleted(repository):
    (repository.root / "backend" / "app.py").unlink()


def change_removed_from_the_index_but_there(repository):
    repository.git("rm", "--quiet", "--cached", "readme.txt")
    repository.write("new.txt")


def change_executable(repository):
    (repository.root / "backend" / "app.py").chmod(0o755)


def change_symlink(repository):
    repository.link("link", "readme.txt")


def change_file_to_symlink(repository):
    repository.link("readme.txt", "backend/app.py")


def change_file_to_folder(repository):
    (repository.root / "readme.txt").unlink()
    repository.write("readme.txt/inside", "text\n")


def change_folder_to_file(repository):
    shutil.rmtree(repository.root / "backend")
    repository.write("backend", "text\n")


def change_renamed(repository):
    repository.git("mv", "readme.txt", "read me, ümlaut.txt")


def change_renamed_without_git(repository):
    (repository.root / "backend").rename(repository.root / "server")


def change_intent_to_add(repository):
    repository.write("later.py", "later = 1\n")
    repository.git("add", "--intent-to-add", "later.py")


def change_line_end_in_a_name(repository):
    repository.write("two\nlines/two\nlines.txt", "text\n")


def change_name_of_any_bytes(repository):
    repository.write(os.fsdecode(b"caf\xe9/\xff.txt"), "text\n")


def change_conflict(repository):
    repository.git("switch", "--quiet", "-c", "topic")
    repository.write("readme.txt", "theirs\n")
    repository.commit()
    repository.git("switch", "--quiet", "main")
    repository.write("readme.txt", "ours\n")
    repository.commit()
    with pytest.raises(subprocess.CalledProcessError):
        repository.git("merge", "topic")


CHANGES = [
    pytest.param(function, id=name.removeprefix("change_").replace("_", " "))
    for name, function in list(globals().items())
    if name.startswith("change_")
]


def test_the_tree_of_a_clean_commit_is_the_commits_tree(repository):
    assert trees.tree_id(repository.root) == repository.committed


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_makes_the_tree_that_a_commit_of_it_would_have_and_leaves_git_alone(
    repository, change
):
    committed = repository.committed
    change(repository)
    before = repository.snapshot()
    found = trees.read(repository.root, repository.root / ".sametree").id
    assert repository.snapshot() == before
    assert found != committed
    repository.commit()
    assert found == repository.committed


def test_ignored_files_do_not_count(repository):
    repository.write("debug.log", "noise")
    repository.write("build/out.bin", "noise")
    assert trees.tree_id(repository.root) == repository.committed


def test_a_tracked_file_counts_though_it_is_ignored(repository):
    path = repository.write("kept.log", "one")
    repository.git("add", "--force", "kept.log")
    repository.commit()
    path.write_text("another")
    assert trees.tree_id(repository.root) != repository.committed


def test_the_time_of_a_file_does_not_count(repository):
    os.utime(repository.root / "readme.txt", LONG_AGO)
    assert trees.tree_id(repository.root) == repository.committed


def test_a_change_in_the_second_of_the_commit_is_seen(repository):
    # git compares whole seconds; the index's own time tells it which to read again.
    repository.git("config", "core.trustctime", "false")
    path = repository.write("readme.txt", "aaaaa\n")
    os.utime(path, LONG_AGO)
    repository.commit()
    os.utime(repository.root / ".git" / "index", LONG_AGO)
    path.write_text("bbbbb\n")
    os.utime(path, LONG_AGO)
    found = trees.tree_id(repository.root)
    repository.commit()
    assert found == repository.committed


def test_a_file_of_the_same_size_and_time_is_seen_to_be_another(repository):
    path = repository.root / "readme.txt"
    os.utime(path, LONG_AGO)
    repository.git("status")  # git now knows the file with that time
    before = trees.tree_id(repository.root)
    time.sleep(1.1 - time.time() % 1)  # git knows whole seconds
    path.write_text("HELLO\n")
    os.utime(path, LONG_AGO)
    assert trees.tree_id(repository.root) != before


# --- Repositories of all kinds


def test_a_new_repository_without_a_commit_has_a_tree(tmp_path):
    unborn = Repository(tmp_path / "unborn")
    unborn.write("file.txt", "text\n")
    found = trees.tree_id(unborn.root)
    unborn.commit()
    assert found == unborn.committed


def test_a_repository_without_a_file_has_the_empty_tree(tmp_path):
    empty = Repository(tmp_path / "empty")
    found = trees.tree_id(empty.root)
    empty.commit()
    assert found == empty.committed


def test_two_copies_of_the_same_files_have_the_same_tree(repository, tmp_path):
    repository.write("new.txt", "new\n")
    other = Repository(tmp_path / "elsewhere")
    shutil.copytree(
        repository.root,
        other.root,
        ignore=shutil.ignore_patterns(".git"),
        dirs_exist_ok=True,
    )
    assert trees.tree_id(other.root) == trees.tree_id(repository.root)


def test_a_worktree_has_a_tree_of_its_own(repository, tmp_path):
    place = tmp_path / "worktree"
    repository.git("worktree", "add", "--quiet", "-b", "topic", str(place))
    assert trees.tree_id(place) == repository.committed
    (place / "only-here.txt").write_text("here\n")
    assert trees.tree_id(place) != repository.committed
    assert trees.tree_id(repository.root) == repository.committed


def test_a_worktree_of_a_bare_repository_has_a_tree(repository, tmp_path):
    bare = tmp_path / "bare.git"
    repository.git("clone", "--quiet", "--bare", str(repository.root), str(bare))
    place = tmp_path / "worktree"
    repository.git("-C", str(bare), "worktree", "add", "--quiet", str(place), "main")
    (place / "new").touch()
    before = told(place)
    (place / "new").write_text("changed")
    assert told(place) != before


def test_a_bare_repository_has_no_working_copy(repository, tmp_path):
    bare = tmp_path / "bare.git"
    repository.git("clone", "--quiet", "--bare", str(repository.root), str(bare))
    assert trees.read(bare) is None


def test_gits_own_folder_is_no_working_copy(repository):
    assert trees.read(repository.root / ".git") is None


def test_a_repository_whose_working_copy_is_elsewhere_tells_nothing_of_this_folder(
    repository, tmp_path
):
    # git would write the tree of the other folder, whatever changes in this one.
    (tmp_path / "other").mkdir()
    repository.git("config", "core.worktree", str(tmp_path / "other"))
    assert trees.read(repository.root) is None


def test_the_git_folder_may_lie_elsewhere(tmp_path):
    apart = Repository(tmp_path / "apart")
    apart.write("file", "one")
    apart.commit()
    (apart.root / ".git").rename(tmp_path / "kept.git")
    (apart.root / ".git").write_text("gitdir: ../kept.git\n")
    before = told(apart.root)
    apart.write("file", "two")
    assert told(apart.root) != before


def test_a_shallow_clone_has_the_same_tree(repository, tmp_path):
    repository.write("second", "second\n")
    repository.commit()
    shallow = repository.clone(tmp_path / "shallow", "--depth=1")
    assert shallow.git("rev-parse", "--is-shallow-repository") == "true"
    assert told(shallow.root) == told(repository.root)
    shallow.write("second", "changed\n")
    repository.write("second", "changed\n")
    assert told(shallow.root) == told(repository.root)


def test_a_clone_that_borrows_its_objects_has_the_same_tree(repository, tmp_path):
    borrowing = tmp_path / "borrowing"
    repository.git("clone", "-q", "--shared", str(repository.root), str(borrowing))
    (borrowing / "new").write_text("new")
    repository.write("new", "new")
    assert told(borrowing) == told(repository.root)


def test_a_partial_clone_is_asked_without_fetching_anything(repository, tmp_path):
    repository.git("config", "uploadpack.allowFilter", "true")
    partial = repository.clone(
        tmp_path / "partial", "--filter=blob:none", "--sparse", "--depth=1"
    )
    partial.git("remote", "set-url", "origin", "file:///nowhere")
    assert trees.tree_id(partial.root) == repository.committed
    partial.write("new", "new")
    tree = trees.read(partial.root)
    assert tree.beside == {"backend/app.py": "absent", "frontend/app.ts": "absent"}


@pytest.mark.parametrize("kind", ["sha1", "sha256"])
def test_the_entries_of_folders_are_those_of_git(tmp_path, kind):
    made = Repository(tmp_path / kind, f"--object-format={kind}")
    made.write("a/b/file", "text\n")
    made.write("a/run", "#!/bin/sh\n").chmod(0o755)
    made.link("a/link", "b/file")
    made.write(".gitignore", ".sametree/\n")
    tree = trees.read(made.root, made.root / ".sametree")
    made.commit()
    found = tree.entries(["", "a", "a/b", "nowhere", "a/run", "a/link"])
    assert tree.id == made.committed
    for folder in ("", "a", "a/b"):
        listed = made.git("ls-tree", "-z", f"HEAD:{folder}").strip("\0").split("\0")
        rows = [line.replace("\t", " ").split(" ", 3) for line in listed]
        assert found[folder] == {name: f"{mode} {id}" for mode, _, id, name in rows}
    assert found["nowhere"] == found["a/run"] == found["a/link"] == {}


def test_folders_of_any_name_have_entries(tmp_path):
    names = ["two\nlines", os.fsdecode(b"\xff"), "a b", 'q"', "co:lon", "back\\slash"]
    made = Repository(tmp_path / "odd")
    for name in names:
        made.write(f"{name}/in", name.encode(errors="surrogateescape"))
    made.commit()
    tree = trees.read(made.root, tmp_path / "state")
    found = tree.entries(["", *names, "other\nlines"])
    assert set(found[""]) == set(names)
    assert found.pop("other\nlines") == {}
    assert len({found[name]["in"] for name in names}) == len(names)


def test_what_lies_outside_of_the_project_has_no_entries(repository):
    tree = trees.read(repository.root / "backend", repository.root / ".sametree")
    found = tree.entries(["", "../frontend", "..", "/etc"])
    assert list(found[""]) == ["app.py"]
    assert found["../frontend"] == found[".."] == found["/etc"] == {}


# --- A project that is not the whole repository


def test_a_project_in_a_subfolder_has_the_tree_of_the_subfolder(repository):
    folder = repository.root / "backend"
    assert trees.tree_id(folder) == repository.git("rev-parse", "HEAD:backend")
    repository.write("backend/new.py", "new = 1\n")
    found = trees.tree_id(folder)
    repository.commit()
    assert found == repository.git("rev-parse", "HEAD:backend")


def test_what_changes_beside_a_subfolder_does_not_change_its_tree(repository):
    repository.write("frontend/app.ts", "const app = 2\n")
    found = trees.tree_id(repository.root / "backend")
    assert found == repository.git("rev-parse", "HEAD:backend")


@pytest.mark.parametrize(
    "name",
    ["with space", "Grüße-日本", 'quo"te', "semi;colon $HOME", "co:lon", "back\\slash"],
)
def test_any_name_of_a_folder_will_do(tmp_path, name):
    repository = Repository(tmp_path / name)
    os.utime(repository.write(f"{name}/{name}.txt", "text\n"), LONG_AGO)
    repository.commit()
    assert trees.tree_id(repository.root) == repository.committed
    assert trees.tree_id(repository.root / name) == repository.git(
        "rev-parse", f"HEAD:{name}"
    )


def test_a_line_end_in_the_path_of_the_project_is_no_wrong_answer(tmp_path):
    repository = Repository(tmp_path / "two\nlines")
    repository.write("sub\nfolder/file", "text\n")
    repository.write("sub/file", "another\n")
    repository.commit()
    assert trees.tree_id(repository.root) == repository.committed
    with pytest.raises(trees.Unreadable, match="has a line end"):
        trees.read(repository.root / "sub\nfolder")


def test_a_folder_that_git_does_not_know_has_no_tree(repository):
    (repository.root / "empty").mkdir()
    assert trees.tree_id(repository.root / "empty") is None


# --- Files that git was told not to look at


FLAGS = ["--assume-unchanged", "--skip-worktree"]


@pytest.mark.parametrize("flag", FLAGS)
@pytest.mark.parametrize("place", ["", "backend"], ids=["whole", "in a subfolder"])
def test_an_edited_file_counts_though_git_was_told_not_to_look(repository, flag, place):
    root = repository.root / place
    before = told(root)
    repository.git("update-index", flag, "backend/app.py")
    repository.write("backend/app.py", "app = 2\n")
    edited = told(root)
    repository.write("backend/app.py", "app = 3\n")
    again = told(root)
    (repository.root / "backend/app.py").chmod(0o755)
    executable = told(root)
    (repository.root / "backend/app.py").unlink()
    gone = told(root)
    seen = [before, edited, again, executable, gone]
    assert all(one != other for i, one in enumerate(seen) for other in seen[:i])


@pytest.mark.parametrize("flag", FLAGS)
def test_a_hidden_file_that_became_something_else_counts(repository, flag):
    repository.git("update-index", flag, "readme.txt")
    seen = [told(repository.root)]
    repository.link("readme.txt", "backend/app.py")
    seen.append(told(repository.root))
    repository.link("readme.txt", "frontend/app.ts")
    seen.append(told(repository.root))
    repository.link("readme.txt", "nowhere")
    seen.append(told(repository.root))
    (repository.root / "readme.txt").unlink()
    (repository.root / "readme.txt").mkdir()
    seen.append(told(repository.root))
    assert all(one != other for i, one in enumerate(seen) for other in seen[:i])


def test_a_hidden_file_whose_folder_became_a_file_counts(repository):
    repository.git("update-index", "--assume-unchanged", "backend/app.py")
    before = told(repository.root)
    shutil.rmtree(repository.root / "backend")
    gone = told(repository.root)
    repository.write("backend", "a file")
    assert before != gone != told(repository.root) != before


def test_of_a_file_beside_the_project_that_git_shall_not_look_at_nothing_is_told(
    repository,
):
    repository.git("update-index", "--assume-unchanged", "readme.txt")
    assert trees.read(repository.root / "backend").beside == {}


def test_git_itself_may_take_files_for_unchanged(repository):
    repository.git("config", "core.ignoreStat", "true")
    repository.write("readme.txt", "changed\n")
    repository.git("add", "readme.txt")  # this marks it
    repository.git("commit", "--quiet", "-m", "Change")
    before = told(repository.root)
    repository.write("readme.txt", "changed again\n")
    assert told(repository.root) != before


@pytest.mark.parametrize("index", ["false", "true"], ids=["full", "sparse"])
def test_what_a_sparse_checkout_leaves_out_is_told(repository, tmp_path, index):
    whole = told(repository.root)
    clone = repository.clone(tmp_path / "sparse")
    clone.git("config", "index.sparse", index)
    clone.git("sparse-checkout", "set", "--cone", "backend")
    found = told(clone.root)
    assert found[0] == whole[0]
    assert found[1] == {"frontend/app.ts": "absent"}
    clone.write("backend/app.py", "app = 2\n")
    assert told(clone.root)[0] != whole[0]


def test_a_file_that_came_back_into_a_sparse_checkout_counts(repository, tmp_path):
    clone = repository.clone(tmp_path / "sparse")
    clone.git("sparse-checkout", "set", "--cone", "backend")
    before = told(clone.root)
    clone.write("frontend/app.ts", "by hand")
    by_hand = told(clone.root)
    clone.write("frontend/app.ts", "by another hand")
    assert before != by_hand != told(clone.root)


def test_a_file_that_a_sparse_checkout_could_not_leave_out_counts(repository, tmp_path):
    clone = repository.clone(tmp_path / "sparse")
    clone.write("frontend/app.ts", "changed before")
    clone.git("sparse-checkout", "set", "--cone", "backend")  # leaves it, and says so
    before = told(clone.root)
    clone.write("frontend/app.ts", "changed after")
    found = told(clone.root)
    assert found != before
    repository.write("frontend/app.ts", "changed after")
    assert found == told(repository.root)


def test_a_sparse_checkout_of_an_old_git_is_asked_as_it_can(
    repository, tmp_path, monkeypatch
):
    clone = repository.clone(tmp_path / "sparse")
    clone.git("sparse-checkout", "set", "--cone", "backend")
    real = shutil.which("git")
    old = repository.write(
        "build/git",
        '#!/bin/sh\nfor each; do [ "$each" = --sparse ] && {\n'
        'echo "error: unknown option \\`sparse\'" >&2; exit 129; }; done\n'
        f"exec '{real}' \"$@\"\n",
    )
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(old.parent), prepend=os.pathsep)
    clone.write("backend/app.py", "app = 2\n")
    repository.write("backend/app.py", "app = 2\n")
    assert trees.tree_id(clone.root) == trees.tree_id(repository.root)


def test_a_new_file_outside_of_a_sparse_checkout_counts(repository, tmp_path):
    clone = repository.clone(tmp_path / "sparse")
    clone.git("sparse-checkout", "set", "--cone", "backend")
    before = told(clone.root)
    clone.write("frontend/new.ts", "new")
    found = told(clone.root)
    assert found != before
    repository.write("frontend/new.ts", "new")
    assert found[0] == trees.tree_id(repository.root)


def test_when_git_cannot_list_its_files_there_is_no_answer(repository, monkeypatch):
    said = beside.hidden(b"H readme.txt\0h backend/app.py\0S gone\0M both\0")
    assert said == [("h", "backend/app.py"), ("S", "gone")]
    with pytest.raises(trees.Unreadable, match="killed"):
        trees._output(-9, b"", "killed")


# --- Repositories in the repository


def test_work_in_a_submodule_counts_committed_or_not(repository, library):
    inner = repository.submodule("lib", library)
    seen = [told(repository.root)]
    inner.write("lib.py", "lib = 2\n")
    seen.append(told(repository.root))
    inner.write("new.py", "new = 1\n")
    seen.append(told(repository.root))
    inner.commit()
    seen.append(told(repository.root))
    (inner.root / "lib.py").chmod(0o755)
    seen.append(told(repository.root))
    assert all(one != other for i, one in enumerate(seen) for other in seen[:i])


def test_work_in_a_submodule_counts_though_git_is_told_to_ignore_it(
    repository, library
):
    inner = repository.submodule("lib", library)
    repository.git("config", "submodule.lib.ignore", "all")
    repository.git("config", "-f", ".gitmodules", "submodule.lib.ignore", "all")
    seen = [told(repository.root)]
    inner.write("lib.py", "lib = 2\n")
    seen.append(told(repository.root))
    inner.commit()
    seen.append(told(repository.root))
    inner.git("checkout", "--quiet", "HEAD~1")
    assert seen[0] != seen[1] != seen[2]
    assert told(repository.root) == seen[0]


def test_work_in_a_submodule_of_a_submodule_counts(repository, library, tmp_path):
    middle = Repository(tmp_path / "middle")
    middle.submodule("deep", library)
    repository.submodule("lib", middle)
    repository.git("submodule", "--quiet", "update", "--init", "--recursive")
    before = told(repository.root)
    repository.write("lib/deep/lib.py", "lib = 2\n")
    edited = told(repository.root)
    assert edited != before
    repository.write("lib/deep/lib.py", "lib = 3\n")
    assert told(repository.root) not in (before, edited)


def test_an_edit_that_git_shall_not_see_in_a_submodule_counts(repository, library):
    inner = repository.submodule("lib", library)
    inner.git("update-index", "--assume-unchanged", "lib.py")
    before = told(repository.root)
    inner.write("lib.py", "lib = 2\n")
    assert told(repository.root) != before


def test_a_submodule_that_is_not_initialised_is_told_from_one_that_is(
    repository, library, tmp_path
):
    repository.submodule("lib", library)
    clone = repository.clone(tmp_path / "clone")
    bare = told(clone.root)
    assert bare[0] == repository.committed
    assert bare[1] == {}
    clone.git("submodule", "--quiet", "update", "--init")
    assert told(clone.root) != bare
    assert told(clone.root) == told(repository.root)


def test_files_where_a_submodule_is_not_initialised_count(
    repository, library, tmp_path
):
    # git takes such a folder for an unchanged submodule, whatever is in it.
    repository.submodule("lib", library)
    clone = repository.clone(tmp_path / "clone")
    seen = [told(clone.root)]
    clone.write("lib/lib.py", "unpacked by hand")
    seen.append(told(clone.root))
    clone.write("lib/lib.py", "and changed")
    seen.append(told(clone.root))
    clone.write("lib/sub/more.py", "more")
    seen.append(told(clone.root))
    assert all(one != other for i, one in enumerate(seen) for other in seen[:i])


def test_a_submodule_whose_repository_is_gone_has_no_answer(repository, library):
    repository.submodule("lib", library)
    (repository.root / "lib" / ".git").write_text("gitdir: /nowhere\n")
    with pytest.raises(trees.Unreadable, match="nowhere"):
        trees.read(repository.root)


def test_a_submodule_whose_working_copy_is_elsewhere_has_no_answer(
    repository, library, tmp_path
):
    inner = repository.submodule("lib", library)
    inner.git("config", "core.worktree", str(tmp_path))
    with pytest.raises(trees.Unreadable):
        trees.read(repository.root)


def test_a_submodule_is_asked_as_a_project_too(repository, library):
    inner = repository.submodule("lib", library)
    before = told(inner.root)
    assert before == told(library.root)
    inner.write("lib.py", "lib = 2\n")
    assert told(inner.root) != before


def test_a_repository_that_is_no_submodule_counts_with_its_files(repository, library):
    inner = library.clone(repository.root / "inner")
    seen = [told(repository.root)]
    inner.write("lib.py", "lib = 2\n")
    seen.append(told(repository.root))
    inner.write("new.py", "new = 1\n")
    seen.append(told(repository.root))
    assert all(one != other for i, one in enumerate(seen) for other in seen[:i])


def test_where_a_folder_became_a_repository_its_files_count_as_before(repository):
    repository.git("init", "--quiet", "backend")
    before = told(repository.root)
    assert before[0] == repository.committed
    repository.write("backend/app.py", "app = 2\n")
    edited = told(repository.root)
    repository.write("backend/new.py", "new = 1\n")
    assert before != edited != told(repository.root)


def test_a_repository_inside_without_a_commit_gives_no_answer(repository):
    Repository(repository.root / "inside").write("file.txt")
    assert trees.tree_id(repository.root) is None
    with pytest.raises(trees.Unreadable, match="does not have a commit checked out"):
        trees.read(repository.root)


def test_in_a_sparse_checkout_too_what_git_refuses_gives_no_answer(
    repository, tmp_path
):
    clone = repository.clone(tmp_path / "sparse")
    clone.git("sparse-checkout", "set", "--cone", "backend")
    Repository(clone.root / "inside").write("file.txt")
    with pytest.raises(trees.Unreadable, match="does not have a commit checked out"):
        trees.read(clone.root)


def test_a_repository_without_a_configuration_has_a_tree(repository):
    before = trees.tree_id(repository.root)
    (repository.root / ".git" / "config").unlink()
    assert trees.tree_id(repository.root) == before


def test_errors_that_git_is_told_to_ignore_give_no_answer(repository):
    repository.git("config", "add.ignoreErrors", "true")
    Repository(repository.root / "inside").write("file.txt")
    with pytest.raises(trees.Unreadable):
        trees.read(repository.root)


def test_the_links_of_a_submodule_are_known(repository, library):
    library.link("out", "../backend/app.py")
    library.link("in", "docs/text")
    library.commit()
    repository.submodule("lib", library)
    links = {"lib/in": ["lib/docs/text"], "lib/out": ["backend/app.py"]}
    assert told(repository.root)[2] == links


# --- Links


@pytest.mark.parametrize(
    ("name", "target", "ends"),
    [
        ("link", "backend/app.py", ["backend/app.py"]),
        ("link", "./backend//app.py", ["backend/app.py"]),
        ("link", "backend/", ["backend"]),
        ("backend/link", "../frontend/app.ts", ["frontend/app.ts"]),
        ("backend/link", "..", [""]),
        ("link", ".", [""]),
        ("link", ".hidden/file", [".hidden/file"]),
        ("link", "nowhere/at/all", ["nowhere/at/all"]),
        ("link", "ROOT/backend/app.py", ["backend/app.py"]),
        ("backend/link", "../../project/readme.txt", ["readme.txt"]),
    ],
)
def test_a_link_is_known_with_where_it_leads(repository, name, target, ends):
    repository.link(name, target.replace("ROOT", str(repository.root)))
    assert told(repository.root)[2] == {name: ends}


def test_a_link_that_leads_through_others_is_known_with_all_of_them(repository):
    repository.link("one", "two/app.py")
    repository.link("two", "three")
    repository.link("three", "backend")
    assert told(repository.root)[2] == {
        "one": ["two", "three", "backend/app.py"],
        "two": ["three", "backend"],
        "three": ["backend"],
    }


def test_above_a_linked_folder_is_above_where_it_leads(repository):
    # The kernel follows `deep` before it goes up; a text would lose it.
    repository.write("a/b/c/file", "text")
    repository.write("a/b/data", "data")
    repository.link("deep", "a/b/c")
    repository.link("up", "deep/../data")
    assert told(repository.root)[2]["up"] == ["deep", "a/b/data"]


def test_links_in_a_circle_end(repository):
    repository.link("one", "two")
    repository.link("two", "one")
    before = told(repository.root)
    repository.link("two", "readme.txt")
    assert told(repository.root) != before


def test_a_file_outside_that_a_link_leads_to_counts(repository, tmp_path):
    outside = tmp_path / "outside"
    repository.link("relative", "../outside")
    repository.link("absolute", str(outside))
    nothing = told(repository.root)
    outside.write_text("one")
    one = told(repository.root)
    outside.write_text("two")
    two = told(repository.root)
    assert nothing[0] == one[0] == two[0]
    for name in ("relative", "absolute"):
        assert nothing[1][name] == "leads to nothing outside"
        assert one[1][name] != two[1][name]
        assert one[1][name].startswith("leads outside to ")


def test_a_folder_outside_that_a_link_leads_to_is_not_looked_at(repository, tmp_path):
    repository.link("link", "../outside")
    (tmp_path / "outside").mkdir()
    assert trees.read(repository.root).beside == {"link": beside.OUTSIDE}


def test_a_large_file_outside_is_not_looked_at(repository, tmp_path):
    repository.link("link", "../large")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(beside.LARGE + 1)
    assert trees.read(repository.root).beside == {"link": beside.OUTSIDE}


def test_a_link_that_leads_out_and_in_again_is_followed(repository, tmp_path):
    way = tmp_path / "way"
    way.symlink_to("project/backend")
    repository.link("link", "../way")
    before = told(repository.root)
    assert before[2] == {"link": ["backend"]}
    way.unlink()
    way.symlink_to("project/frontend")
    after = told(repository.root)
    assert after[0] == before[0]
    assert after[1] != before[1]  # what else would tell that no file has changed?
    assert after[2] == {"link": ["frontend"]}


def test_a_device_is_told_without_being_read(repository):
    repository.link("zero", "/dev/zero")
    assert trees.read(repository.root).beside == {"zero": "leads outside to special"}


def test_no_link_is_missed_whatever_form_the_index_has(repository):
    repository.link("link", "readme.txt")
    repository.commit()
    for version in ("2", "3", "4"):
        repository.git("update-index", "--index-version", version)
        assert told(repository.root)[2] == {"link": ["readme.txt"]}
    repository.git("config", "core.splitIndex", "true")
    repository.git("update-index", "--split-index")
    assert told(repository.root)[2] == {"link": ["readme.txt"]}


# --- Line ends and filters


@pytest.mark.parametrize("autocrlf", ["true", "input"])
@pytest.mark.parametrize("safe", ["true", "warn", "false"])
def test_with_autocrlf_line_ends_do_not_count(repository, autocrlf, safe):
    repository.git("config", "core.autocrlf", autocrlf)
    repository.git("config", "core.safecrlf", safe)
    repository.write("readme.txt", b"hello\r\n")
    assert trees.tree_id(repository.root) == repository.committed
    repository.write("readme.txt", b"hello\nworld\r\n")
    mixed = trees.tree_id(repository.root)
    repository.write("readme.txt", b"hello\r\nworld\r\n")
    assert trees.tree_id(repository.root) == mixed


def test_without_autocrlf_line_ends_count(repository):
    repository.write("readme.txt", b"hello\r\n")
    assert trees.tree_id(repository.root) != repository.committed


def test_line_ends_that_attributes_decide_are_the_same_for_all(repository, tmp_path):
    repository.write(".gitattributes", "* text=auto\n*.bat text eol=crlf\n")
    repository.write("run.bat", b"echo\r\n")
    repository.write("readme.txt", b"hello\r\nagain\r\n")
    repository.commit()
    clone = repository.clone(tmp_path / "clone")
    clone.git("config", "core.autocrlf", "true")
    (clone.root / "readme.txt").unlink()
    clone.git("checkout", "--quiet", ".")
    assert (clone.root / "readme.txt").read_bytes() == b"hello\r\nagain\r\n"
    assert (clone.root / "run.bat").read_bytes() == b"echo\r\n"
    assert told(clone.root) == told(repository.root)


def test_a_filter_decides_what_counts(repository):
    repository.write(".gitattributes", "*.txt filter=upper\n")
    repository.git("config", "filter.upper.clean", "tr a-z A-Z")
    repository.write("new.txt", "hello\n")
    found = trees.tree_id(repository.root)
    repository.write("new.txt", "HELLO\n")
    assert trees.tree_id(repository.root) == found
    repository.write("new.txt", "WORLD\n")
    assert trees.tree_id(repository.root) != found


def test_a_filter_that_fails_gives_no_answer(repository):
    repository.write(".gitattributes", "*.txt filter=broken\n")
    repository.git("config", "filter.broken.clean", "false")
    repository.git("config", "filter.broken.required", "true")
    repository.write("new.txt", "hello\n")
    with pytest.raises(trees.Unreadable, match="filter 'false' failed"):
        trees.read(repository.root)


# --- Other forms of the index, and other settings


def test_a_split_index_stays_untouched_too(repository):
    repository.git("config", "core.splitIndex", "true")
    repository.write("one more.txt")
    repository.commit()
    for number in range(20):
        repository.write(f"{number}.txt")
    before = repository.snapshot()
    assert trees.tree_id(repository.root)
    assert repository.snapshot() == before


@pytest.mark.proof
@pytest.mark.parametrize(
    "settings",
    [
        {"core.untrackedCache": "true"},
        {"feature.manyFiles": "true"},
        {"core.splitIndex": "true", "core.untrackedCache": "true"},
        {"status.showUntrackedFiles": "no"},
        {"core.checkStat": "minimal", "core.trustctime": "false"},
        {"core.preloadIndex": "false", "index.threads": "1"},
        {"core.quotePath": "true", "core.abbrev": "5"},
        {"core.fsync": "all", "core.fsyncMethod": "batch"},
    ],
    ids=lambda settings: " ".join(settings),
)
def test_with_other_settings_of_git_every_change_is_seen(repository, settings):
    for name, value in settings.items():
        repository.git("config", name, value)
    repository.git("status")  # writes what git then relies on
    for number, name in enumerate(("readme.txt", "new.txt", "backend/new/deep.py")):
        repository.write(name, f"changed for the {number}. time\n")
        kept = repository.snapshot()
        found = trees.tree_id(repository.root)
        assert repository.snapshot() == kept
        repository.commit()
        assert found == repository.committed
        repository.git("status")


def test_a_monitor_that_tells_which_files_changed_is_believed_as_git_does(repository):
    monitor = repository.write(
        ".git/monitor", "#!/bin/sh\nprintf 'token\\0readme.txt\\0'\n"
    )
    monitor.chmod(0o755)
    repository.git("config", "core.fsmonitor", str(monitor))
    repository.git("config", "core.fsmonitorHookVersion", "2")
    repository.git("update-index", "--fsmonitor")
    repository.git("status")
    before = told(repository.root)
    repository.write("readme.txt", "changed\n")
    assert told(repository.root) != before


def test_a_monitor_that_fails_makes_git_look_itself(repository):
    repository.git("update-index", "--fsmonitor")
    repository.git("config", "core.fsmonitor", "/nowhere/monitor")
    repository.git("status")
    before = told(repository.root)
    repository.write("readme.txt", "changed\n")
    assert told(repository.root) != before


def test_no_hook_of_the_user_runs(repository, tmp_path):
    (repository.root / ".git" / "hooks").mkdir(exist_ok=True)
    for name in ("post-index-change", "pre-commit", "reference-transaction"):
        hook = repository.write(
            f".git/hooks/{name}", f"#!/bin/sh\necho {name} >> '{tmp_path}/ran'\n"
        )
        hook.chmod(0o755)
    repository.write("new.txt", "new\n")
    trees.read(repository.root, repository.root / ".sametree")
    assert not (tmp_path / "ran").exists()
    repository.git("add", "--all")
    assert (tmp_path / "ran").exists()


def test_in_a_hook_the_project_is_asked_not_the_hooks_repository(
    repository, tmp_path, monkeypatch
):
    other = Repository(tmp_path / "other")
    other.write("other.txt", "other\n")
    other.commit()
    with monkeypatch.context() as hook:
        hook.setenv("GIT_DIR", str(other.root / ".git"))
        hook.setenv("GIT_WORK_TREE", str(other.root))
        hook.setenv("GIT_INDEX_FILE", str(other.root / ".git" / "index"))
        hook.setenv("GIT_OBJECT_DIRECTORY", str(other.root / ".git" / "objects"))
        hook.setenv("GIT_PREFIX", "nowhere/")
        found = trees.tree_id(repository.root)
    assert found == repository.committed


def test_in_a_real_hook_the_working_copy_is_told_not_what_is_committed(
    repository, tmp_path
):
    program = "import sys; from sametree import trees; print(trees.tree_id('.'))"
    path = os.pathsep.join(sys.path)
    hook = repository.write(
        ".git/hooks/pre-commit",
        f"#!/bin/sh\nPYTHONPATH='{path}' '{sys.executable}' -c \"{program}\""
        f" > '{tmp_path}/told'\n",
    )
    hook.chmod(0o755)
    repository.write("readme.txt", "committed\n")
    repository.write("backend/app.py", "app = 'stays'\n")
    whole = trees.tree_id(repository.root)
    repository.git("commit", "--quiet", "-m", "Part", "readme.txt")
    assert (tmp_path / "told").read_text().strip() == whole
    assert whole != repository.committed


def test_configuration_from_the_environment_counts(repository, monkeypatch):
    # As CI systems give it, above all safe.directory.
    excludes = repository.write("build/excludes", "*.skip\n")
    repository.write("file.skip")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.excludesFile")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(excludes))
    assert trees.tree_id(repository.root) == repository.committed


def test_no_tree_is_taken_for_another_that_replaces_it(repository):
    state = repository.root / ".sametree"
    tree = trees.read(repository.root, state)
    true = tree.entries([""])
    repository.write("readme.txt", "another\n")
    repository.commit()
    repository.git("replace", tree.id, repository.committed)
    repository.git("checkout", "--quiet", "HEAD~1", "--", ".")
    repository.write("readme.txt", "hello\n")
    again = trees.read(repository.root, state)
    assert again.id == tree.id
    assert again.entries([""]) == true


# --- Where there is no answer


def test_outside_git_there_is_no_answer(tmp_path):
    (tmp_path / "file.txt").touch()
    assert trees.tree_id(tmp_path) is None


def test_without_git_there_is_no_answer(repository, monkeypatch, tmp_path):
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert trees.read(repository.root) is None


def test_asking_does_not_need_a_writable_repository(repository):
    # GIT_OPTIONAL_LOCKS=0: a question never refreshes the index, so it can never
    # collide with a git command that a person runs at the same time.
    os.utime(repository.root / "readme.txt", LONG_AGO)
    (repository.root / ".git" / "index.lock").touch()
    assert trees.tree_id(repository.root) == repository.committed


def test_a_full_disk_gives_no_answer_and_leaves_nothing(repository):
    program = (
        "import resource, sys; from sametree import trees\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, -1))\n"
        "try: print(trees.read('.', '.sametree'))\n"
        "except trees.Unreadable as error: print('no:', error)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    argv = [sys.executable, "-B", "-c", program]
    done = subprocess.run(argv, cwd=repository.root, env=env, capture_output=True)
    assert done.stdout.startswith(b"no: File too large"), done
    left = [path for path in (repository.root / ".sametree").rglob("*")]
    assert [path for path in left if path.is_file()] == []


def test_an_index_that_is_garbled_gives_no_answer(repository):
    (repository.root / ".git" / "index").write_bytes(b"DIRC garbage")
    with pytest.raises(trees.Unreadable, match="index"):
        trees.read(repository.root)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_somebody_elses_repository_gives_no_answer_but_gits_reason(repository):
    for folder in (repository.root, repository.root / ".git"):
        os.chown(folder, NOBODY, NOBODY)
    with pytest.raises(trees.Unreadable, match="dubious ownership"):
        trees.read(repository.root)


@pytest.mark.parametrize("damage", ["empty", "gone"])
def test_objects_of_ours_that_are_damaged_are_made_anew(repository, damage):
    # A power cut leaves empty objects: git does not wait for the disk.
    state = repository.root / ".sametree"
    repository.write("backend/app.py", "app = 2\n")
    first = trees.read(repository.root, state)
    wanted = first.entries(["", "backend"])
    for path in (state / trees.OBJECTS).glob("??/*"):
        path.chmod(0o644)
        path.write_bytes(b"") if damage == "empty" else path.unlink()
    if damage == "empty":
        second = trees.read(repository.root, state)
        with pytest.raises(trees.Unreadable, match="is empty"):
            second.entries(["", "backend"])
    else:
        with pytest.raises(trees.Unreadable):
            first.entries(["", "backend"])
    third = trees.read(repository.root, state)
    assert third.entries(["", "backend"]) == wanted


def test_a_folder_whose_tree_is_gone_is_not_taken_for_no_folder(repository):
    state = repository.root / ".sametree"
    repository.write("backend/app.py", "app = 2\n")
    tree = trees.read(repository.root, state)
    _, _, id = tree.entries([""])[""]["backend"].partition(" ")
    (state / trees.OBJECTS / id[:2] / id[2:]).unlink()
    with pytest.raises(trees.Unreadable, match=f"there is no tree {id}"):
        tree.entries(["", "backend"])


# --- What is kept of it


def test_nothing_is_left_where_nothing_is_kept(repository, tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(trees, "_temporary", lambda: str(scratch))
    repository.write("new.txt", "new\n")
    trees.read(repository.root)
    assert list(scratch.iterdir()) == []


def test_only_new_objects_are_kept_and_the_old_ones_go(repository):
    state = repository.root / ".sametree"
    trees.read(repository.root, state)
    kept = state / trees.OBJECTS
    assert [path for path in kept.rglob("*") if path.is_file()] == []
    repository.write("new.txt", "new\n")
    trees.read(repository.root, state)
    objects = list(kept.glob("??/*"))
    assert len(objects) == 2  # the file, and the root's tree
    os.utime(objects[0], LONG_AGO)
    left = state / "tree-left-by-a-kill"
    young = state / "tree-at-work"
    for folder in (left, young):
        folder.mkdir()
        (folder / "index").touch()
    os.utime(left, LONG_AGO)
    trees.prune(state)
    assert list(kept.glob("??/*")) == objects[1:]
    assert not left.exists()
    assert young.exists()


def test_what_is_asked_again_is_not_old(repository):
    state = repository.root / ".sametree"
    repository.write("new.txt", "new\n")
    trees.read(repository.root, state)
    for path in (state / trees.OBJECTS).glob("??/*"):
        os.utime(path, LONG_AGO)
    trees.read(repository.root, state)
    trees.prune(state)
    assert trees.read(repository.root, state).entries([""])[""]


def test_a_large_file_is_pruned_too(repository, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.bigFileThreshold")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "1k")
    state = repository.root / ".sametree"
    repository.write("large", os.urandom(4096))
    trees.read(repository.root, state)
    packs = list((state / trees.OBJECTS).glob("pack/*"))
    assert packs
    for path in packs:
        os.utime(path, LONG_AGO)
    trees.prune(state)
    assert list((state / trees.OBJECTS).glob("pack/*")) == []


def test_many_at_once_come_to_the_same_tree(repository):
    state = repository.root / ".sametree"
    for number in range(30):
        repository.write(f"{number}/new.txt", f"{number}\n")
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(_entries(repository.root, state)))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    repository.commit()
    assert len(found) == 6
    assert {id for id, _ in found} == {repository.committed}
    assert all(listing == found[0][1] for _, listing in found)
    assert [path.name for path in state.iterdir()] == [trees.OBJECTS]


def _entries(root, state):
    tree = trees.read(root, state)
    return tree.id, tree.entries(["", "3"])


def test_two_clones_of_different_people_have_the_same_tree(repository, tmp_path):
    repository.write("run.sh", "#!/bin/sh\n").chmod(0o755)
    repository.commit()
    before = os.umask(0o077)
    try:
        clone = Opened(repository.clone(tmp_path / "their own", "--depth=1").root)
    finally:
        os.umask(before)
    for path in clone.root.rglob("*"):
        if ".git" not in path.parts:
            os.utime(path, LONG_AGO)
    assert (clone.root / "readme.txt").stat().st_mode & 0o077 == 0
    assert told(clone.root) == told(repository.root)
