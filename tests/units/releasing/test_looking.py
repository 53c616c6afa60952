"""What one can ask of releases, and write for the next one."""

import os
import pty
import sys

import pytest


from sametree.errors import SurroundingsError, UsageError
from sametree.release import claim
from sametree.release.claim import Claim
from sametree.units.releasing import choosing, flow, looking, notes
from sametree.units.releasing.flow import Asked


def release(shop):
    flow.release(shop.project, Asked(yes=True))


@pytest.fixture
def terminal(monkeypatch):
    """Have a terminal on which somebody types what the test writes to it."""
    ours, theirs = pty.openpty()
    with open(theirs, closefd=False) as typed:
        monkeypatch.setattr(sys, "stdin", typed)
        monkeypatch.setattr(choosing, "can_ask", lambda: True)
        yield lambda text: os.write(ours, text.encode())
    os.close(theirs)
    os.close(ours)


def entry(shop, **asked):
    given = {"edit": False, "fresh": False, "version": "", "pre": "", **asked}
    looking.entry(shop.project, **given)


def test_before_the_first_release_there_is_nothing_to_show(shop):
    (line,) = looking.status(shop.project)
    assert line == "  no version on origin was released with this"
    with pytest.raises(UsageError, match="v9 is no version"):
        list(looking.status(shop.project, "v9"))


def test_who_releases_just_now_is_told_and_may_be_dismissed(shop, capsys):
    looking.unlock(shop.project, yes=True)
    assert "nobody has claimed a release on origin" in capsys.readouterr().out
    theirs = Claim(
        run="r", what="release shop 9", who="eve", host="there", pid=1, since=10**9
    )
    claim.take(shop.root, "origin", theirs)
    assert "claimed by eve@there" in "\n".join(looking.status(shop.project))
    with pytest.raises(UsageError, match="no terminal to ask on"):
        looking.unlock(shop.project, yes=False)
    looking.unlock(shop.project, yes=True)
    assert claim.read(shop.root, "origin") is None


@pytest.mark.proof
def test_the_entry_is_printed_edited_kept_and_made_anew(
    shop, terminal, capsys, monkeypatch
):
    shop.change("feat: count the messages")
    entry(shop)
    assert "- count the messages (" in capsys.readouterr().out
    monkeypatch.setenv("EDITOR", "sed -i s/count/tell/")
    entry(shop, edit=True)
    assert "- tell the messages (" in capsys.readouterr().out
    entry(shop)
    assert "- tell the messages (" in capsys.readouterr().out
    shop.prove()
    flow.release(shop.project, Asked(dry_run=True))
    shown = capsys.readouterr().out
    assert "- tell the messages (" in shown and "was written by hand" in shown
    shop.change("fix: a slip")
    shop.prove()
    flow.release(shop.project, Asked(dry_run=True))
    assert "commits came since" in capsys.readouterr().out
    entry(shop, fresh=True)
    assert "- count the messages (" in capsys.readouterr().out


def test_an_editor_that_fails_keeps_nothing(shop, terminal, monkeypatch):
    monkeypatch.setenv("EDITOR", "false")
    with pytest.raises(SurroundingsError, match="the editor ended with 1"):
        entry(shop, edit=True)
    monkeypatch.setenv("EDITOR", "no-such-editor")
    with pytest.raises(SurroundingsError, match="cannot be started"):
        entry(shop, edit=True)
    monkeypatch.setenv("EDITOR", "truncate -s 0")
    with pytest.raises(UsageError, match="the entry is empty"):
        entry(shop, edit=True)
    assert notes.kept(shop.project, "v0.1.0") is None


def test_without_a_terminal_nothing_is_edited(shop):
    with pytest.raises(UsageError, match="no terminal to edit on"):
        entry(shop, edit=True)


@pytest.mark.proof
def test_where_no_commit_tells_the_version_a_person_is_asked(
    shop, terminal, capsys, monkeypatch
):
    release(shop)
    shop.change("Count the messages")
    shop.prove()
    terminal("min\n")
    wish = choosing.Wish(ask=True)
    local = flow.repository.state(shop.root)
    chosen = choosing.choose(shop.project, local.head, sorted(local.tags), wish, 0)
    assert chosen.items[0].version == "0.2.0"
    assert chosen.items[0].why == "minor, as you said"
    assert "Count the messages" in capsys.readouterr().out
    terminal("\n")
    with pytest.raises(UsageError, match="none of the 1 commits"):
        choosing.choose(shop.project, local.head, sorted(local.tags), wish, 0)


def test_over_a_whole_release_there_is_no_entry(shop, capsys):
    release(shop)
    entry(shop)
    assert "nothing to release" in capsys.readouterr().out
