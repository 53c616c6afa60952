"""What git knows of a working copy, asked of real repositories."""

import os
from pathlib import Path

import pytest
from repositories import LONG_AGO, Repository, without_configuration

from sametree import git


@pytest.fixture(autouse=True)
def nobodys_configuration(monkeypatch, tmp_path):
    without_configuration(monkeypatch, tmp_path)


@pytest.fixture
def repository(tmp_path):
    made = Repository(tmp_path / "project")
    made.write("readme.txt", "hello\n")
    made.write("backend/app.py", "app = 1\n")
    made.write("frontend/app.ts", "const app = 1\n")
    made.write(".gitignore", "*.log\nbuild/\n")
    made.commit()
    return made


def test_run_gives_what_git_prints(repository):
    assert git.run(repository.root, "symbolic-ref", "HEAD") == "refs/heads/main\n"


def test_run_gives_nothing_when_git_fails(repository):
    assert git.run(repository.root, "rev-parse", "--verify", "no-such-branch") is None


def test_files_are_those_tracked_and_those_not_ignored(repository):
    repository.write("new, Grüße.txt")
    repository.write("debug.log")
    assert sorted(git.files(repository.root)) == [
        ".gitignore",
        "backend/app.py",
        "frontend/app.ts",
        "new, Grüße.txt",
        "readme.txt",
    ]


def test_files_of_a_subfolder_are_relative_to_it(repository):
    assert git.files(repository.root / "backend") == ["app.py"]


def test_changed_are_commits_of_the_branch_and_what_is_not_committed(repository):
    repository.git("switch", "--quiet", "-c", "topic")
    repository.write("backend/committed.py")
    repository.commit()
    repository.write("readme.txt", "changed\n")
    repository.write("untracked, Grüße.txt")
    (repository.root / "frontend" / "app.ts").unlink()
    assert git.changed_since(repository.root, "main") == {
        "backend/committed.py",
        "frontend/app.ts",
        "readme.txt",
        "untracked, Grüße.txt",
    }


def test_what_the_main_branch_did_meanwhile_is_not_our_change(repository):
    repository.git("switch", "--quiet", "-c", "topic")
    repository.git("switch", "--quiet", "main")
    repository.write("theirs.txt")
    repository.commit()
    repository.git("switch", "--quiet", "topic")
    assert git.changed_since(repository.root, "main") == set()


def test_what_the_server_has_of_the_main_branch_counts_not_the_local_copy(
    repository, tmp_path
):
    clone = tmp_path / "clone"
    repository.git("clone", "--quiet", str(repository.root), str(clone))
    for name in ("user.name", "user.email"):
        git.run(clone, "config", name, "ada")
    (clone / "ours.txt").touch()
    git.run(clone, "add", "--all")
    assert git.run(clone, "commit", "--quiet", "-m", "Ours") is not None
    assert git.changed_since(clone, "main") == {"ours.txt"}


def test_on_an_unknown_branch_only_uncommitted_changes_are_left(repository):
    repository.write("readme.txt", "changed\n")
    assert git.changed_since(repository.root, "no-such-branch") == {"readme.txt"}


def test_changes_are_relative_to_the_folder_that_asks(repository):
    repository.git("switch", "--quiet", "-c", "topic")
    repository.write("backend/app.py", "app = 2\n")
    repository.write("backend/new.py")
    repository.write("frontend/app.ts", "const app = 2\n")
    assert git.changed_since(repository.root / "backend", "main") == {
        "app.py",
        "new.py",
    }


def test_before_the_first_commit_new_files_are_the_changes(tmp_path):
    unborn = Repository(tmp_path / "unborn")
    unborn.write("file.txt")
    assert git.changed_since(unborn.root, "main") == {"file.txt"}


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
        hook.setenv("GIT_PREFIX", "nowhere/")
        assert "readme.txt" in git.files(repository.root)


def test_outside_git_there_is_no_answer(tmp_path):
    (tmp_path / "file.txt").touch()
    assert git.files(tmp_path) is None
    assert git.changed_since(tmp_path, "main") == set()


def test_in_a_folder_that_is_not_there_there_is_no_answer(tmp_path):
    assert git.run(tmp_path / "nowhere", "--version") is None


def test_without_git_there_is_no_answer(repository, monkeypatch, tmp_path):
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert git.files(repository.root) is None


def test_a_call_tells_what_git_said_beside_its_output(repository):
    code, output, said = git.Call(repository.root, "rev-parse", "nothing").result()
    assert code == 128
    assert output == b"nothing\n"
    assert "unknown revision" in said


def test_asking_does_not_need_a_writable_repository(repository):
    # GIT_OPTIONAL_LOCKS=0: a question never refreshes the index, so it can never
    # collide with a git command that a person runs at the same time.
    os.utime(repository.root / "readme.txt", LONG_AGO)
    Path(repository.root, ".git", "index.lock").touch()
    assert git.changed_since(repository.root, "main") == set()
