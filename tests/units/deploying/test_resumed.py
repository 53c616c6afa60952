"""After a kill at any moment, one goes on or goes back; users notice neither."""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import nullcontext

import pytest
from yard import free_port, word

from sametree.stepwise import audit, engine, journal, lease
from sametree.errors import UnitFailed
from sametree.units.deploying import looking

DEPLOYER = """
import os, sys
sys.path[:0] = {path!r}
from sametree.stepwise import journal
from yard import Yard
from pathlib import Path
from conftest import Sample

lines = int(sys.argv[1])
write = journal.files.append_line
def counted(path, line):
    global lines
    if "journals" in str(path):
        if lines == 0:
            os.kill(os.getpid(), 9)
        lines -= 1
    write(path, line)
journal.files.append_line = counted
yard = object.__new__(Yard)
yard.sample = Sample(Path({root!r}), Path("/nowhere"))
yard.used = set()
yard.deploy(Path({release!r}))
"""


def killed(yard, release, lines):
    """Deploy by another process, which is killed before line ``lines`` of the journal;
    return whether it was."""
    code = DEPLOYER.format(
        path=sys.path, root=str(yard.sample.root), release=str(release)
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(lines)], capture_output=True, text=True
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stdout + done.stderr
    return done.returncode == -signal.SIGKILL


def at_rest(site):
    assert lease.read(site.folder) is None
    assert journal.open_one(site.folder) is None
    assert looking.drift(site) == []
    assert audit.broken(site.folder) == []


def test_it_goes_on_where_it_was_killed(stand):
    yard = stand.yard
    assert killed(yard, stand.two, 4)
    assert word(yard.site()) == "one"
    status = yard.status()
    assert "was cut off: `invoke deploy local --resume` or `--abort`" in status
    yard.go_on(undo=False)
    assert word(yard.site()) == "two"
    at_rest(yard.site())
    yard.roll_back()


@pytest.mark.proof
def test_it_is_undone_where_it_was_killed(yard):
    yard.deploy(yard.release("one"))
    assert killed(yard, yard.release("two"), 8)
    yard.go_on(undo=True)
    site = yard.site()
    assert word(site) == "one"
    assert site.sizes() == {"blue": 1, "green": 0}
    assert audit.read(site.folder)[-1]["result"] == "aborted"
    at_rest(site)


@pytest.mark.proof
@pytest.mark.parametrize("undo", [False, True], ids=["resumed", "aborted"])
def test_it_can_be_undone_when_its_release_is_nowhere_any_more(yard, undo):
    release = yard.release("one")
    assert killed(yard, release, 2)
    shutil.rmtree(release)
    shutil.rmtree(yard.site().folder / "releases")
    with nullcontext() if undo else pytest.raises(UnitFailed, match="is no release"):
        yard.go_on(undo=undo)
    at_rest(yard.site())
    assert yard.site().runner.inspect() == {}


@pytest.mark.proof(seconds=40)
@pytest.mark.parametrize(
    "strategy, ways",
    [
        ("blue-green", ["--resume", "--abort"]),
        ("rolling", ["--resume", "--abort"]),
    ],
    ids=["blue-green", "rolling"],
)
def test_a_kill_at_any_line_is_got_over(yard, strategy, ways):
    yard.sample.settings(f"""
    [tool.sametree.environments.local]
    strategy = "{strategy}"
    address = "127.0.0.1:0"
    replicas = 2
    bake = 0.05
    """)
    text = yard.sample.text("pyproject.toml")
    yard.sample.write(
        {"pyproject.toml": text.replace("127.0.0.1:0", f"127.0.0.1:{free_port()}")}
    )
    releases = [yard.release("one"), yard.release("two")]
    serves = 0
    yard.deploy(releases[0])
    lines, done = 0, False
    while not done:
        done = not killed(yard, releases[1 - serves], lines)
        assert word(yard.site()) in ("one", "two")
        undo = ways[lines // 2 % len(ways)] == "--abort"
        if not done:
            yard.go_on(undo=undo)
        if done or lines and not undo:
            serves = 1 - serves
        site = yard.site()
        assert word(site) == ("one", "two")[serves], (lines, yard.status())
        at_rest(site)
        lines += 1
    assert lines > 10


def test_ctrl_c_stops_at_a_border_and_says_what_stands(stand, monkeypatch, capsys):
    yard, release = stand.yard, stand.two
    begin = journal.Journal.write

    def press(self, event, step=None, **told):
        begin(self, event, step, **told)
        if event == "done" and step == 1:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(journal.Journal, "write", press)
        with pytest.raises(engine.Stopped) as stopped:
            yard.deploy(release)
    assert "stopped by Ctrl-C at a safe border; local has 100 % on blue" in str(
        stopped.value
    )
    assert "`invoke deploy local --resume` goes on, `--abort` undoes it" in str(
        stopped.value
    )
    assert "Ctrl-C again undoes all" in capsys.readouterr().out
    assert word(yard.site()) == "one"
    yard.go_on(undo=False)
    assert word(yard.site()) == "two"
    at_rest(yard.site())
    yard.roll_back()


@pytest.mark.proof
def test_who_lost_his_lease_stops_and_leaves_the_rest_to_the_next(yard, monkeypatch):
    yard.deploy(yard.release("one"))
    release = yard.release("two")
    begin = journal.Journal.write

    def broken(self, event, step=None, **told):
        begin(self, event, step, **told)
        if event == "done" and step == 0:
            lease.break_(yard.site().folder)

    monkeypatch.setattr(journal.Journal, "write", broken)
    with pytest.raises(lease.Lost, match="it was broken"):
        yard.deploy(release)
    monkeypatch.undo()
    assert word(yard.site()) == "one"
    yard.go_on(undo=True)
    at_rest(yard.site())
