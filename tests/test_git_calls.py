"""What git refuses is told to a person, with what to do now."""

import pytest

from sametree import git_calls


@pytest.mark.parametrize(
    ("said", "cure"),
    [
        ("remote: Permission to o/r.git denied to bot.\nerror: 403", "get the right"),
        ("git@github.com: Permission denied (publickey).", "get the right"),
        ("fatal: could not read Username for 'https://x': no tty", "get the right"),
        ("remote: Repository not found.", "the remote's address"),
        ("ssh: connect to host x port 22: Connection refused", "at the network"),
        ("fatal: the remote end hung up unexpectedly", "at the network"),
        ("remote: error: GH006: Protected ref update failed", "allow pushes to main"),
        ("! [remote rejected] x (deletion prohibited)", "allow pushes to main"),
    ],
)
def test_what_to_do_follows_from_what_git_says(monkeypatch, said, cure):
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    assert cure in git_calls.refused("x took nothing", said, "main").cure


@pytest.mark.parametrize("said", ["fatal: something new", ""])
def test_where_nobody_knows_what_to_do_no_cure_is_made_up(said):
    assert git_calls.refused("x took nothing", said, "main").cure == ""


def test_on_github_the_workflow_is_told_what_it_lacks(monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    said = "remote: Permission to o/r.git denied"
    told = git_calls.refused("x took nothing", said, "main")
    assert "permissions: contents: write" in told.cure
