"""A release gets to its users, the next one replaces it, and the one before comes back."""

import json
import os
import pty
import shutil
import sys
from contextlib import contextmanager
from dataclasses import replace

import pytest
from msgspec import structs
from yard import ask, free_port, word

from sametree import deploy_tasks
from sametree.artifacts import manifest
from sametree.stepwise import audit, journal, lease, telling
from sametree.errors import UnitFailed, UsageError
from sametree.units import deploy
from sametree.units.deploying import flow, looking
from sametree.units.deploying.flow import Asked


def steps_in(text):
    return [line for line in text.splitlines() if line[:7].strip().endswith(".")]


def test_the_next_release_replaces_the_first_one_which_comes_back(stand, capsys):
    yard = stand.yard
    first = yard.site()
    yard.deploy(stand.two, plan=True)
    planned = capsys.readouterr().out
    assert "--plan: nothing was changed" in planned
    assert yard.site().colours == first.colours and word(first) == "one"
    site = yard.deploy(stand.two, why="it is better")
    done = capsys.readouterr().out
    steps = steps_in(planned)
    assert len(steps) == 5 and steps_in(done) == steps
    assert "start 1 replica of green" in done
    assert f"local has 100 % on green (tree {site.colours.green.tree[:12]})" in done
    assert word(site) == "two" and word(site, x_sametree_preview="blue") == "one"
    assert "<title>two</title>" in ask(site, "/")[1]
    assert looking.drift(site) == []
    status = yard.status()
    assert "blue   warm        0 %" in status and "green  active    100 %" in status
    last = audit.read(site.folder)[-1]
    assert (last["event"], last["why"]) == ("deploy", "it is better")
    yard.roll_back()
    assert word(yard.site()) == "one"
    yard.roll_back()
    assert word(yard.site()) == "two"
    yard.roll_back()


def test_what_runs_there_already_is_left_alone(stand, capsys):
    site = stand.yard.site()
    before = site.runner.inspect()
    stand.yard.deploy(stand.one)
    said = capsys.readouterr().out
    assert f"local runs this very release already, at {site.url}" in said
    assert "--again deploys it all the same" in said
    assert site.runner.inspect() == before
    stand.yard.deploy(stand.one, again=True, plan=True)
    assert "--plan: nothing was changed" in capsys.readouterr().out


def test_the_very_same_release_is_moved_to_another_address(stand):
    with stand.changing() as change:
        site = change.site
        code = replace(change.code, manifest=manifest.read(stand.one))
        told = (site, code, stand.one, "deploy", Asked())
        assert flow.planned(*told) is None
        usual = site.environment
        address = f"127.0.0.2:{free_port()}"
        site.environment = structs.replace(usual, address=address)
        (note,) = flow.planned(*told).notes
        site.environment = usual
        assert note.startswith("drift: settings have it at 127.0.0.2:")


def gated(stand, code):
    """Have settings judge ``local`` by a command."""
    listen = stand.yard.site().listen
    stand.yard.sample.settings(f"""
    [tool.sametree.environments.local]
    address = "{listen}"
    bake = 0.1
    [tool.sametree.environments.local.gate]
    samples = 1
    command = ["sh", "-c", {json.dumps(code)}]
    """)


def test_all_is_undone_when_it_is_not_good(stand, capsys):
    gated(stand, "echo the orders are gone; exit 1")
    before = stand.yard.site().colours
    with pytest.raises(UnitFailed) as told:
        stand.yard.deploy(stand.two)
    site = stand.yard.site()
    assert "the orders are gone" in str(told.value)
    assert (
        f"all was undone; local has 100 % on blue (tree {before.blue.tree[:12]})"
        in str(told.value)
    )
    assert site.colours == before and word(site) == "one"
    assert lease.read(site.folder) is None and journal.open_one(site.folder) is None
    last = audit.read(site.folder)[-1]
    assert (last["result"], "orders" in last["problem"]) == ("undone", True)
    assert "undone" in capsys.readouterr().out


def test_what_could_not_be_undone_is_told_and_undone_later(stand):
    place = stand.yard.site().folder / "services" / "blue-1"
    gated(stand, f"mv {place}/spec.json {place}/away.json; exit 1")
    with pytest.raises(UnitFailed) as told:
        stand.yard.deploy(stand.two)
    (place / "away.json").rename(place / "spec.json")
    assert "and undoing that failed: blue-1 does not run" in str(told.value)
    assert "then `invoke deploy local --abort`" in told.value.cure
    said = "was cut off: `invoke deploy local --resume` or `--abort`"
    assert said in stand.yard.status()
    with pytest.raises(UsageError, match="a change of local has not ended"):
        stand.yard.deploy(stand.two)
    stand.yard.go_on(undo=True)
    site = stand.yard.site()
    assert audit.read(site.folder)[-1]["result"] == "aborted"
    assert site.sizes() == {"blue": 1, "green": 0}


def test_a_disk_that_is_full_at_the_end_is_told(stand, capsys):
    with stand.changing() as change:
        gone = journal.new(change.site.folder / "gone", "run")
        shutil.rmtree(change.site.folder / "gone")
        flow._end(change, gone, "done")
    assert "the end could not be written down: No such file" in capsys.readouterr().out


def test_a_change_whose_release_is_nowhere_any_more_is_undone(stand):
    away = stand.two.with_name("away")
    with stand.changing() as change:
        flow.begun(change).write("begin", 0, name="install")
    stand.two.rename(away)
    try:
        with pytest.raises(UnitFailed, match="is no release"):
            stand.yard.go_on(undo=False)
    finally:
        away.rename(stand.two)
    assert journal.open_one(stand.yard.site().folder) is None
    with stand.changing() as change:
        flow.begun(change)
    stand.two.rename(away)
    try:
        stand.yard.go_on(undo=True)
    finally:
        away.rename(stand.two)
    last = audit.read(stand.yard.site().folder)[-1]
    assert (last["event"], last["result"]) == ("deploy", "aborted")


def test_the_lease_of_one_who_was_killed_at_the_start_is_cleared_away(stand, capsys):
    site = stand.yard.site()
    with lease.held(site.folder, "run", "deploy"):
        left = (site.folder / lease.FILE).read_text()
    dead = json.loads(left) | {"born": "long ago"}
    (site.folder / lease.FILE).write_text(json.dumps(dead))
    stand.yard.go_on(undo=False)
    assert lease.read(site.folder) is None
    said = capsys.readouterr().out
    assert "its process is gone" in said and "nothing of local was cut off" in said


@contextmanager
def typing(monkeypatch, text):
    """Have a terminal on which somebody types."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs) as keyboard, os.fdopen(os.dup(theirs), "w") as screen:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", keyboard)
            patch.setattr(sys, "stdout", screen)
            os.write(ours, text.encode())
            yield
    os.close(ours)


@pytest.mark.parametrize("text", ["y\n", " Yes \n"])
def test_who_types_yes_has_agreed(monkeypatch, text):
    with typing(monkeypatch, text):
        telling.agree("deploy this to staging", False)


@pytest.mark.parametrize("text", ["\n", "n\n", "sure\n", "\x04"])
def test_all_else_changes_nothing(monkeypatch, text):
    with typing(monkeypatch, text):
        with pytest.raises(UsageError, match="not agreed to; nothing was changed"):
            telling.agree("deploy this to staging", False)


class TestTheLastSession:
    def test_what_it_does_not_know(self, stand):
        work = deploy_tasks.work_of(stand.yard.project, "deploy", "deploy")
        work = replace(work, args=("production",))
        with pytest.raises(UsageError, match="deploy does not know production") as told:
            deploy.deploy(work)
        assert "`invoke deploy ENVIRONMENT`" in told.value.cure

    def test_it_asks_the_application_and_the_page(self, stand):
        site = stand.yard.site()
        assert deploy.smoke(site) == [("/ready", "answers 200"), ("/", "answers 200")]

    def test_it_fails_when_nobody_answers(self, stand):
        site = stand.yard.site()
        site.port = free_port()
        with pytest.raises(UnitFailed, match="/ready is not listened on") as told:
            deploy.smoke(site)
        assert "`invoke logs local`" in told.value.cure


@pytest.mark.proof
def test_the_first_release_is_served_and_the_next_one_replaces_it(yard, capsys):
    site = yard.deploy(yard.release("one"))
    assert word(site) == "one"
    assert "<title>one</title>" in ask(site, "/")[1]
    shown = capsys.readouterr().out
    assert "start 1 replica of blue" in shown
    assert f"local has 100 % on blue (tree {site.colours.blue.tree[:12]})" in shown
    site = yard.deploy(yard.release("two"))
    assert word(site) == "two"
    assert word(site, x_sametree_preview="blue") == "one"
    assert "<title>two</title>" in ask(site, "/")[1]
    assert looking.drift(site) == []
    status = yard.status()
    assert "blue   warm        0 %" in status and "green  active    100 %" in status
    assert [line["event"] for line in audit.read(site.folder)] == ["deploy", "deploy"]

    yard.roll_back()
    assert word(yard.site()) == "one"
    yard.roll_back()
    assert word(yard.site()) == "two"
    with pytest.raises(UsageError, match="no release begins with 'ffff'"):
        yard.roll_back(to="ffff")
    first = site.colours.blue.digest
    third = yard.deploy(yard.release("three"))
    assert word(third) == "three"
    yard.roll_back(to=first[:10])
    assert word(yard.site()) == "one"
    assert looking.drift(yard.site()) == []


@pytest.mark.proof
def test_another_address_in_settings_is_drift_until_it_is_deployed_to(yard):
    yard.environment("staging")
    release = yard.release("one")
    site = yard.deploy(release, "staging")
    old = site.listen
    text = yard.sample.text("pyproject.toml")
    new = f"127.0.0.1:{free_port()}"
    yard.sample.write({"pyproject.toml": text.replace(str(old), new)})
    (told,) = looking.drift(yard.site("staging"))
    assert told.startswith(f"settings have it at {new}, and it listens at {old}")
    yard.deploy(release, "staging")
    site = yard.site("staging")
    assert str(site.listen) == new and word(site) == "one"
    assert looking.drift(site) == []
