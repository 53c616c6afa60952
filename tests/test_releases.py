"""The release before a tree is found, and checked out beside an untouched repository."""

import pytest
from repositories import Repository, without_configuration

from sametree import releases
from sametree.errors import SurroundingsError, UsageError


@pytest.fixture(autouse=True)
def plain_git(monkeypatch, tmp_path):
    without_configuration(monkeypatch, tmp_path)


@pytest.fixture
def history(tmp_path):
    """A repository with releases v1 and v2, and work after them."""
    made = Repository(tmp_path / "made")
    for text in ("one", "two"):
        made.write("app/version.txt", text)
        made.commit()
        made.git("tag", "-a", f"v{1 if text == 'one' else 2}", "-m", "Release")
    made.write("app/version.txt", "three")
    made.commit()
    return made


def test_the_last_tag_is_the_release_before(history):
    found = releases.before(history.root)
    assert found == releases.Release("v2", history.git("rev-parse", "v2^{commit}"))


def test_a_release_is_not_the_one_before_itself(history):
    history.git("checkout", "--quiet", "v2")
    assert releases.before(history.root).name == "v1"


def test_what_settings_name_comes_before_tags(history):
    commit = history.git("rev-parse", "v1^{commit}")
    assert releases.before(history.root, "v1").commit == commit
    assert releases.before(history.root, commit[:12]).commit == commit


def test_without_tags_there_is_none(tmp_path):
    plain = Repository(tmp_path / "plain")
    assert releases.before(plain.root) is None
    plain.write("a")
    plain.commit()
    assert releases.before(plain.root) is None


@pytest.mark.parametrize("name", ["v9", "--all", "v1:app", "v1^^"])
def test_a_name_that_is_no_commit_is_told(history, name):
    with pytest.raises(UsageError, match="git knows no revision"):
        releases.before(history.root, name)


def test_a_shallow_clone_fetches_what_is_named_and_guesses_nothing(history, tmp_path):
    clone = tmp_path / "clone"
    history.git("clone", "--quiet", "--depth=1", history.root.as_uri(), str(clone))
    with pytest.raises(UsageError, match="a shallow clone cannot tell"):
        releases.before(clone)
    commit = history.git("rev-parse", "v1^{commit}")
    found = releases.before(clone, "v1")
    assert found.commit == commit
    with releases.checked_out(clone, found) as tree:
        assert (tree / "app" / "version.txt").read_text() == "one"
    with pytest.raises(SurroundingsError, match="cannot be fetched"):
        releases.before(clone, "v9")


def test_files_are_had_without_touching_the_repository(history):
    before = history.snapshot()
    history.write("app/version.txt", "not committed")
    with releases.checked_out(history.root, releases.before(history.root)) as tree:
        assert (tree / "app" / "version.txt").read_text() == "two"
        assert not (tree / ".git").exists()
    assert not tree.exists()
    assert history.snapshot() == before
    assert (history.root / "app" / "version.txt").read_text() == "not committed"


def test_a_project_in_a_folder_of_its_repository_is_found_there(history):
    found = releases.before(history.root / "app")
    with releases.checked_out(history.root / "app", found) as tree:
        assert (tree / "version.txt").read_text() == "two"


def test_a_commit_that_git_cannot_read_is_told(history):
    broken = releases.Release("v0", "0" * 40)
    with pytest.raises(SurroundingsError, match="git cannot read v0"):
        with releases.checked_out(history.root, broken):
            raise AssertionError("never reached")
