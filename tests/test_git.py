"""What git knows of a working copy, asked of real repositories."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sametree import git, trees

LONG_AGO = (1_000_000_000, 1_000_000_000)


@pytest.fixture(autouse=True)
def nobodys_configuration(monkeypatch, tmp_path):
    """Keep the reader's own git configuration, and hooks that run us, out."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))


class Repository:
    """A real git repository in ``root``."""

    def __init__(self, root):
        self.root = root
        root.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("config", "user.name", "Ada")
        self.git("config", "user.email", "ada@example.org")

    def git(self, *args):
        done = subprocess.run(
            ["git", *args], cwd=self.root, check=True, stdout=subprocess.PIPE
        )
        return done.stdout.decode().strip()

    def write(self, name, text=""):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def commit(self):
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", "Change")

    @property
    def committed(self):
        return self.git("rev-parse", "HEAD^{tree}")

    def snapshot(self):
        """Return the bytes of every file that git keeps."""
        kept = (path for path in (self.root / ".git").rglob("*") if path.is_file())
        return {str(path): path.read_bytes() for path in kept}


@pytest.fixture
def repository(tmp_path):
    made = Repository(tmp_path / "project")
    made.write("readme.txt", "hello\n")
    made.write("backend/app.py", "app = 1\n")
    made.write("frontend/app.ts", "const app = 1\n")
    made.write(".gitignore", "*.log\nbuild/\n")
    made.commit()
    return made


def change_untracked(repository):
    repository.write("backend/new.py", "new = 1\n")


def change_modified(repository):
    repository.write("readme.txt", "hello, world\n")


def change_staged(repository):
    repository.write("readme.txt", "hello, index\n")
    repository.git("add", "readme.txt")


def change_deleted(repository):
    (repository.root / "backend" / "app.py").unlink()


def change_executable(repository):
    (repository.root / "backend" / "app.py").chmod(0o755)


def change_symlink(repository):
    (repository.root / "link").symlink_to("readme.txt")


def change_file_to_symlink(repository):
    path = repository.root / "readme.txt"
    path.unlink()
    path.symlink_to("backend/app.py")


def change_renamed(repository):
    repository.git("mv", "readme.txt", "read me, ümlaut.txt")


def change_intent_to_add(repository):
    repository.write("later.py", "later = 1\n")
    repository.git("add", "--intent-to-add", "later.py")


CHANGES = [
    pytest.param(function, id=name.removeprefix("change_").replace("_", " "))
    for name, function in list(globals().items())
    if name.startswith("change_")
]


def test_the_tree_of_a_clean_commit_is_the_commits_tree(repository):
    assert trees.tree_id(repository.root) == repository.committed


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_makes_the_tree_that_a_commit_of_it_would_have(repository, change):
    change(repository)
    found = trees.tree_id(repository.root)
    assert found != repository.committed
    repository.commit()
    assert found == repository.committed


@pytest.mark.parametrize("change", CHANGES)
def test_git_keeps_nothing_of_the_question(repository, change):
    change(repository)
    before = repository.snapshot()
    assert trees.tree_id(repository.root)
    assert repository.snapshot() == before


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
    [
        "with space",
        "Grüße-日本",
        'quo"te',
        "semi;colon $HOME",
        "co:lon",
    ],
)
def test_any_name_of_a_folder_will_do(tmp_path, name):
    repository = Repository(tmp_path / name)
    os.utime(repository.write(f"{name}/{name}.txt", "text\n"), LONG_AGO)
    repository.commit()
    assert trees.tree_id(repository.root) == repository.committed
    assert trees.tree_id(repository.root / name) == repository.git(
        "rev-parse", f"HEAD:{name}"
    )


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
        found = trees.tree_id(repository.root), git.files(repository.root)
    assert found[0] == repository.committed
    assert "readme.txt" in found[1]


def test_a_split_index_stays_untouched_too(repository):
    repository.git("config", "core.splitIndex", "true")
    repository.write("one more.txt")
    repository.commit()
    for number in range(20):
        repository.write(f"{number}.txt")
    before = repository.snapshot()
    assert trees.tree_id(repository.root)
    assert repository.snapshot() == before


def test_configuration_from_the_environment_counts(repository, monkeypatch):
    # As CI systems give it, above all safe.directory.
    excludes = repository.write("build/excludes", "*.skip\n")
    repository.write("file.skip")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.excludesFile")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(excludes))
    assert trees.tree_id(repository.root) == repository.committed


def test_outside_git_there_is_no_answer(tmp_path):
    (tmp_path / "file.txt").touch()
    assert trees.tree_id(tmp_path) is None
    assert git.files(tmp_path) is None
    assert git.changed_since(tmp_path, "main") == set()


def test_without_git_there_is_no_answer(repository, monkeypatch, tmp_path):
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert trees.tree_id(repository.root) is None
    assert git.files(repository.root) is None


def test_a_file_that_git_cannot_add_gives_no_answer(repository):
    # A repository inside, without a commit: `git add` refuses it.
    Repository(repository.root / "inside").write("file.txt")
    assert trees.tree_id(repository.root) is None


def test_a_folder_that_git_does_not_know_has_no_tree(repository):
    (repository.root / "empty").mkdir()
    assert trees.tree_id(repository.root / "empty") is None


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


def test_asking_does_not_need_a_writable_repository(repository):
    # GIT_OPTIONAL_LOCKS=0: a question never refreshes the index, so it can never
    # collide with a git command that a person runs at the same time.
    os.utime(repository.root / "readme.txt", LONG_AGO)
    Path(repository.root, ".git", "index.lock").touch()
    assert trees.tree_id(repository.root) == repository.committed
    assert git.changed_since(repository.root, "main") == set()
