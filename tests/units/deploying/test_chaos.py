"""Whatever dies while a release is deployed: state stays sound, and users are served."""

import os
import signal
import subprocess
import sys
from contextlib import ExitStack

import pytest
import traffic
from conftest import eventually, small_disk
from yard import word

from sametree.stepwise import audit, journal, lease
from sametree.errors import SametreeError, UsageError
from sametree.units.deploying import looking

pytestmark = pytest.mark.proof

DEPLOYER = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from conftest import Sample
from sametree.errors import SametreeError
from yard import Yard

yard = object.__new__(Yard)
yard.sample, yard.used = Sample(Path({root!r}), Path("/nowhere")), set()
try:
    yard.deploy(Path({release!r}), "staging")
except SametreeError as error:
    print(error)
    sys.exit(error.exit_code)
"""


def deployer(yard, release):
    """Return another process that deploys ``release``."""
    code = DEPLOYER.format(
        path=sys.path, root=str(yard.sample.root), release=str(release)
    )
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def begun(yard, name):
    """Wait until the step ``name`` has begun."""
    site = yard.site("staging")

    def is_begun():
        found = journal.open_one(site.folder)
        lines = found.lines if found else []
        return any(e["event"] == "begin" and e["name"] == name for e in lines)

    assert eventually(is_begun, 30)


def at_rest(yard):
    site = yard.site("staging")
    assert lease.read(site.folder) is None
    assert journal.open_one(site.folder) is None
    assert audit.broken(site.folder) == []
    assert eventually(lambda: looking.drift(site) == []), looking.drift(site)
    return site


@pytest.fixture
def staged(yard):
    """A yard whose first release is on a canary environment, with two replicas."""
    keys = {"strategy": "canary", "replicas": 2, "bake": 0.4, "steps": [20.0, 50.0]}
    yard.environment("staging", **keys)
    yard.deploy(yard.release("one"), "staging")
    return yard


@pytest.mark.parametrize(
    ("victim", "step"),
    [
        ("router", "start 2 of green"),
        ("router", "shift 20 %"),
        ("router", "shift 100 %"),
        ("pages", "shift 20 %"),
        ("blue-1", "start 2 of green"),
        ("blue-1", "shift 20 %"),
        ("green-1", "shift 20 %"),
        ("green-1", "shift 100 %"),
    ],
)
def test_what_is_killed_comes_back_and_the_deployment_ends_well(staged, victim, step):
    release = staged.release("two")
    process = deployer(staged, release)
    begun(staged, step)
    site = staged.site("staging")
    os.kill(site.runner.inspect()[victim].pid, signal.SIGKILL)
    said, _ = process.communicate(timeout=60)
    assert process.returncode in (0, 1), said
    assert "Traceback" not in said, said
    site = at_rest(staged)
    expected = {0: "two", 1: "one"}[process.returncode]
    assert word(site) == expected, said


def test_a_replica_that_dies_costs_only_what_it_was_at(staged):
    site = staged.site("staging")
    with traffic.running(site.url, clients=4, paths=["/api", "/"], rate=200) as load:
        load.wait(100)
        os.kill(site.runner.inspect()["blue-1"].pid, signal.SIGKILL)
        load.wait(200)
    told = load.result()
    assert len(told.failures) <= 4, told  # what was at work in it, at most one a client
    assert all(request.path != "/" for request in told.failures)


def test_two_at_once_one_deploys_and_the_other_is_told_who(staged):
    release = staged.release("two")
    both = [deployer(staged, release) for _ in range(2)]
    said = [each.communicate(timeout=60)[0] for each in both]
    codes = sorted(each.returncode for each in both)
    assert codes in ([0, 2], [0, 0]), said
    if codes == [0, 2]:
        (loser,) = [text for text, each in zip(said, both) if each.returncode]
        assert (
            "staging is being changed" in loser
            or "has not ended" in loser
            or ("was changed while you looked" in loser)
        )
    assert word(at_rest(staged)) == "two"


def test_a_deployer_that_is_killed_and_an_impatient_second_one(staged):
    release = staged.release("two")
    process = deployer(staged, release)
    begun(staged, "shift 20 %")
    process.kill()
    process.communicate()
    with pytest.raises(UsageError, match="has not ended: deploy"):
        staged.deploy(release, "staging")
    site = staged.site("staging")
    assert {word(site) for _ in range(30)} <= {"one", "two"}
    staged.go_on("staging", undo=True)
    assert {word(site) for _ in range(20)} == {"one"}
    at_rest(staged)


@pytest.mark.parametrize("step", [0, 2, 3, 5])
def test_a_disk_that_becomes_full_in_the_middle(yard, folder, monkeypatch, step):
    with ExitStack() as stack:
        place = stack.enter_context(small_disk(folder, "48m"))
        stack.callback(yard.down)  # before the disk goes
        yard.environment("staging", strategy="rolling", folder=str(place / "staging"))
        yard.deploy(yard.release("one"), "staging")
        release = yard.release("two")
        write = journal.Journal.write
        filler = place / "filler"

        def fill(self, event, number=None, **told):
            write(self, event, number, **told)
            if event == "begin" and number == step:
                with filler.open("wb") as file:
                    while file.write(b"\0" * 4096):
                        file.flush()

        def filled(self, event, number=None, **told):
            try:
                fill(self, event, number, **told)
            except OSError as error:
                if error.errno != 28 or event != "begin" or number != step:
                    raise

        monkeypatch.setattr(journal.Journal, "write", filled)
        with pytest.raises((SametreeError, OSError)) as told:
            yard.deploy(release, "staging")
        monkeypatch.undo()
        assert "room" in str(told.value) or "space" in str(told.value)
        site = yard.site("staging")
        assert word(site) in ("one", "two")
        filler.unlink()
        if journal.open_one(site.folder):
            yard.go_on("staging", undo=True)
        assert word(at_rest(yard)) == "one"
        assert word(yard.deploy(release, "staging")) == "two"
