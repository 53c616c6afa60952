"""A release that comes up and is bad is found by its first users, who are few."""

import time

import pytest
import traffic
from yard import word

from sametree.stepwise import audit, journal
from sametree.errors import UnitFailed
from sametree.units.deploying import looking

pytestmark = pytest.mark.proof

PAGES_FAIL = "global API; API = 500"
SLOW = "global SLOW; SLOW = 0.06"


@pytest.fixture
def canary(yard):
    """A yard whose first release is on a canary environment."""
    keys = {"strategy": "canary", "replicas": 1, "bake": 5.0, "steps": [1.0, 20.0]}
    yard.environment("staging", **keys)
    yard.sample.settings("""
    [tool.sametree.environments.staging.gate]
    deadline = 20.0
    """)
    yard.deploy(yard.release("one"), "staging")
    return yard


@pytest.mark.parametrize(
    ("more", "says"),
    [(PAGES_FAIL, "failed"), (SLOW, "green is slower than blue")],
    ids=["pages that fail", "slow"],
)
def test_it_is_rolled_back_from_the_first_step_and_few_users_meet_it(
    canary, more, says
):
    release = canary.release("two", more)
    site = canary.site("staging")
    with traffic.running(site.url, clients=16, paths=["/api"], rate=400) as load:
        load.wait(400)
        with pytest.raises(UnitFailed) as told:
            canary.deploy(release, "staging")
        load.wait(200)
    seen = load.result()
    site = canary.site("staging")
    assert word(site) == "one"
    assert looking.drift(site) == []
    assert audit.read(site.folder)[-1]["result"] == "undone"
    assert says in str(told.value), told.value
    found = (site.folder / journal.FOLDER).glob("*.jsonl")
    steps = [line for path in found for line in journal.Journal(path).lines]
    shifts = [e for e in steps if e["event"] == "failed" and "green" in e["problem"]]
    assert len(shifts) == 1
    assert "at 1 %" in shifts[0]["problem"]
    assert len(seen.failures) <= 0.01 * seen.total, seen


def test_without_users_and_probes_it_is_never_promoted(yard):
    yard.environment("staging", strategy="canary", bake=0.2)
    yard.sample.settings("""
    [tool.sametree.environments.staging.gate]
    probes = []
    deadline = 1.0
    """)
    yard.sample.write({"seen.txt": ""})
    with pytest.raises(UnitFailed, match="no request reached blue"):
        yard.deploy(yard.release("one"), "staging")
    assert yard.site("staging").runner.inspect() == {}


def test_a_command_of_the_project_has_a_say(yard):
    yard.environment("staging", bake=0.1)
    yard.sample.settings("""
    [tool.sametree.environments.staging.gate]
    samples = 3
    command = ["sh", "-c", "echo the orders are gone; exit 1"]
    """)
    with pytest.raises(UnitFailed, match="the orders are gone"):
        yard.deploy(yard.release("one"), "staging")
    text = yard.sample.text("pyproject.toml").replace("exit 1", "exit 0")
    yard.sample.write({"pyproject.toml": text})
    assert word(yard.deploy(yard.release("two"), "staging")) == "two"


def test_a_quick_way_back(canary):
    canary.deploy(canary.release("two"), "staging")
    began = time.monotonic()
    canary.roll_back("staging")
    assert word(canary.site("staging")) == "one"
    assert time.monotonic() - began < 5
