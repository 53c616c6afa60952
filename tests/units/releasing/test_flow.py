"""A release of a real project to a bare remote, and what it leaves."""

import pytest
from shops import CODE

from sametree.errors import SurroundingsError, UnitFailed, UsageError
from sametree.release import claim, message, repository
from sametree.release.claim import Claim
from sametree.stepwise import audit, journal, lease
from sametree.units.releasing import flow, world
from sametree.units.releasing.flow import Asked

YES = Asked(yes=True)


def release(shop, **asked):
    flow.release(shop.project, Asked(yes=True, **asked))


def refused(shop, **asked):
    with pytest.raises((UsageError, UnitFailed, SurroundingsError)) as caught:
        release(shop, **asked)
    return str(caught.value)


def refs(shop):
    """Return the refs of the remote, by name."""
    lines = shop.at_remote("for-each-ref", "--format=%(refname) %(objectname)")
    return dict(line.split(" ") for line in lines.split("\n"))


def test_a_release_is_a_commit_a_tag_and_files_with_their_digests(shop, capsys):
    before = refs(shop)["refs/heads/main"]
    release(shop)
    shown = capsys.readouterr().out
    assert "shop 0.1.0  the first version, as pyproject.toml says" in shown
    assert "shop 0.1.0 is released: v0.1.0" in shown
    # The remote has both, and nothing else.
    there = refs(shop)
    assert sorted(there) == ["refs/heads/main", "refs/tags/v0.1.0"]
    assert shop.at_remote("rev-parse", "main^") == before
    assert shop.at_remote("diff", "--name-only", "main^", "main") == "CHANGELOG.md"
    told = message.decode(
        shop.at_remote("cat-file", "tag", "v0.1.0").split("\n\n", 1)[1]
    )
    assert (told.title, told.version, told.component) == ("shop", "0.1.0", "")
    assert [each.name for each in told.files] == [
        "shop_api-0.1.0-py3-none-any.whl",
        "shop_api-0.1.0.tar.gz",
    ]
    # So has the clone, whose working copy is clean.
    assert shop.git("rev-parse", "main").strip() == there["refs/heads/main"]
    assert shop.git("rev-parse", "v0.1.0").strip() == there["refs/tags/v0.1.0"]
    assert shop.git("status", "--porcelain") == ""
    assert shop.text("CHANGELOG.md").startswith("# Changelog\n")
    # Nothing is left open.
    folder = world.folder_of(shop.project)
    assert journal.open_one(folder) is None and lease.read(folder) is None
    assert shop.git("for-each-ref", "refs/sametree") == ""
    assert [line["result"] for line in audit.read(folder)] == ["done"]


@pytest.mark.proof
def test_the_next_one_has_what_the_commits_say(shop, capsys):
    release(shop)
    shop.change("feat: count")
    shop.prove()
    capsys.readouterr()
    release(shop)
    shown = capsys.readouterr().out
    assert "minor: 1 feature since v0.1.0 (feat: count)" in shown
    assert "building api of tree" in shown
    assert "refs/tags/v0.2.0" in refs(shop)
    changed = shop.at_remote("diff", "main^", "main")
    assert '+version = "0.2.0"  # as of the last release' in changed
    assert "+- count (" in changed
    newest = shop.text("CHANGELOG.md").index("## 0.2.0")
    assert newest < shop.text("CHANGELOG.md").index("## 0.1.0")


def test_over_a_whole_release_there_is_nothing_to_do(shop, capsys):
    release(shop)
    head = refs(shop)
    release(shop)
    assert "nothing to release: all that is new is released" in capsys.readouterr().out
    assert refs(shop) == head


def test_a_component_that_did_not_change_is_not_released(shop, capsys):
    release(shop)
    shop.change("feat: a page about it", {"README.md": "# Shop\n"})
    release(shop)
    shown = capsys.readouterr().out
    assert "api has not changed since v0.1.0" in shown
    assert "nothing to release" in shown


def test_a_dry_run_changes_nothing(shop, capsys):
    before = refs(shop), shop.git("for-each-ref"), shop.git("status", "--porcelain")
    flow.release(shop.project, Asked(dry_run=True))
    assert "--dry-run: nothing was changed" in capsys.readouterr().out
    assert (
        refs(shop),
        shop.git("for-each-ref"),
        shop.git("status", "--porcelain"),
    ) == before
    assert not world.folder_of(shop.project).exists()


def test_without_a_terminal_somebody_has_to_say_yes(shop):
    with pytest.raises(UsageError, match="no terminal to ask on") as caught:
        flow.release(shop.project, Asked())
    assert "--yes" in caught.value.cure


@pytest.mark.proof
def test_versions_before_a_final_one_come_one_after_the_other(shop, capsys):
    release(shop, pre="rc")
    assert "refs/tags/v0.1.0rc1" in refs(shop)
    shop.change("fix: a slip")
    shop.prove()
    release(shop, pre="rc")
    shop.prove()
    release(shop)
    assert {"refs/tags/v0.1.0rc2", "refs/tags/v0.1.0"} <= set(refs(shop))


def test_what_people_wrote_below_unreleased_is_in_the_entry_and_in_the_tag(shop):
    written = "# Changes\n\n## Unreleased\n\nRead the guide first.\n"
    shop.change("docs: say what to read", {"CHANGELOG.md": written})
    release(shop)
    raw = shop.at_remote("cat-file", "tag", "v0.1.0").split("\n\n", 1)[1]
    assert "Read the guide first." in message.decode(raw).entry
    text = shop.text("CHANGELOG.md")
    assert text.startswith("# Changes\n\n## Unreleased\n\n## 0.1.0")


# What is refused, with the reason, and nothing changed


def test_all_that_is_in_the_way_is_told_at_once(shop):
    shop.git("switch", "--quiet", "--detach")
    shop.write({"api/new.py": CODE})
    said = refused(shop)
    assert "no branch is checked out (detached HEAD): `git switch main`" in said
    assert "something is not committed: api/new.py" in said
    assert "nothing was changed" in said


def test_another_branch_is_not_released(shop):
    shop.git("switch", "--quiet", "-c", "topic")
    assert "branch topic is checked out, and releases are made of main" in refused(shop)


def test_outside_git_there_is_nothing_to_tag(shop):
    (shop.root / ".git").rename(shop.root.parent / "away")
    assert "is no working copy that git opens" in refused(shop)


def test_a_tree_that_nothing_proves_is_not_released(shop):
    shop.change("feat: count")
    said = refused(shop)
    assert "no record proves build(api) for this tree" in said
    assert 'nox -s "build(api)"' in said


def test_a_branch_that_is_not_level_with_its_remote_is_not_released(shop):
    shop.write({"README.md": "# Shop\n"})
    shop.commit("docs: begin a page")
    assert "`git push origin main`" in refused(shop)
    shop.git("push", "--quiet", "origin", "main")
    shop.git("reset", "--quiet", "--hard", "HEAD^")
    assert "`git pull --ff-only origin main`" in refused(shop)


def test_a_shallow_clone_is_not_released(shop):
    shop.change("fix: one")
    other = shop.root.parent / "shallow"
    url = f"file://{shop.remote}"
    shop.git("clone", "--quiet", "--depth=1", url, str(other))
    shallow = type(shop)(other, shop.environments)
    assert "`git fetch --unshallow --tags`" in refused(shallow)


def test_without_its_remote_nothing_is_released(shop):
    shop.remote.rename(shop.root.parent / "away")
    said = refused(shop)
    assert "cannot be asked" in said
    shop.git("remote", "remove", "origin")
    assert "there is no remote 'origin'" in refused(shop)


@pytest.mark.proof
def test_commits_that_tell_no_version_need_one_by_hand(shop):
    release(shop)
    shop.change("Count the messages")
    shop.prove()
    said = refused(shop)
    assert "none of the 1 commits since v0.1.0 is conventional" in said
    assert "--version=1.0.0 or 0.2.0 or 0.1.1" in said
    release(shop, version="0.3.0")
    assert "refs/tags/v0.3.0" in refs(shop)


@pytest.mark.proof
@pytest.mark.parametrize(
    ("version", "why"),
    [("one", "no version"), ("0.1.0", "is taken"), ("0.0.1", "lower than 0.1.0")],
)
def test_a_version_that_cannot_be_is_refused(shop, version, why):
    release(shop)
    shop.change("fix: count")
    shop.prove()
    assert why in refused(shop, version=version)


def test_tags_that_are_no_version_are_left_alone(shop, capsys):
    shop.git("tag", "deployed-2024")
    shop.git("tag", "vanilla")
    shop.git("push", "--quiet", "origin", "--tags")
    release(shop)
    assert "refs/tags/v0.1.0" in refs(shop)


# What fails on the way


@pytest.mark.proof
def test_a_protected_branch_undoes_all(shop, capsys):
    hook = shop.remote / "hooks" / "update"
    hook.write_text(
        '#!/bin/sh\ncase $1 in refs/heads/*) echo "main is protected"; exit 1;; esac\n'
    )
    hook.chmod(0o755)
    before = refs(shop)
    said = refused(shop)
    assert (
        "main is protected" in said and "nothing of release shop 0.1.0 is left" in said
    )
    assert refs(shop) == before
    assert shop.git("for-each-ref", "refs/sametree", "refs/tags") == ""
    assert journal.open_one(world.folder_of(shop.project)) is None
    hook.unlink()
    release(shop)  # and the next one goes through


def test_a_remote_that_moves_in_between_undoes_all(shop, monkeypatch):
    other = shop.clone("other")

    def moved(*args, **more):
        other.write({"README.md": "# Shop\n"})
        other.commit("docs: in between")
        other.git("push", "--quiet", "origin", "main")
        return tag(*args, **more)

    tag = repository.tag
    monkeypatch.setattr(repository, "tag", moved)
    said = refused(shop)
    assert "is not what was proven any more; nothing was pushed" in said
    assert "Ada: docs: in between" in said
    assert "refs/tags/v0.1.0" not in refs(shop)
    assert claim.read(shop.root, "origin") is None


@pytest.mark.proof
def test_a_wheel_that_does_not_work_alone_is_not_published(shop):
    shop.change(
        "feat: need something",
        {"api/shop_api/__init__.py": "import nothing_there\n" + CODE},
    )
    shop.prove()
    said = refused(shop)
    assert "does not work alone" in said and "No module named 'nothing_there'" in said
    assert list(refs(shop)) == ["refs/heads/main"]


def test_of_two_maintainers_one_wins_and_the_other_is_told_who(shop):
    theirs = Claim(
        run="r",
        what="release shop 9",
        who="eve",
        host="there",
        pid=1,
        since=1_700_000_000,
    )
    claim.take(shop.root, "origin", theirs)
    said = refused(shop)
    assert "eve on there" in said and "release shop 9" in said and "unlock" in said
    claim.break_(shop.root, "origin")
    release(shop)
