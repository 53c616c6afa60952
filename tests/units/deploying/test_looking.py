"""What is told of an environment fits on the screen, and says what to do."""

import json
import os
import signal
import time
from contextlib import contextmanager

import pytest
from conftest import eventually
from msgspec import structs
from yard import word

from sametree.artifacts import manifest
from sametree.stepwise import audit, lease
from sametree.deploy.router import Router
from sametree.deploy.site import site
from sametree.errors import UsageError
from sametree.settings import load
from sametree.settings.model import Environment
from sametree.units.deploying import looking, steps


def test_the_history_has_the_first_line_of_a_problem_alone(sample):
    found = site(load(sample.root), "staging", Environment())
    found.folder.mkdir(parents=True)
    told = "it does not come up:\n  Traceback\n  more"
    audit.append(found.folder, "deploy", result="undone", problem=told)
    audit.append(found.folder, "deploy", result="undone", problem="x" * 300)
    first, second = looking.history(found, 10)
    assert first.endswith("  it does not come up:")
    assert second.endswith("x" * looking.SHOWN + "...") and len(second) < 200


def test_a_colour_that_is_not_settled_and_whoever_changes_it_are_shown(stand):
    with stand.changing(bake=0.1) as change:
        _, start, preview, *_ = steps.steps_of(change)
        start.do()
        preview.do()
        status = "\n".join(looking.status(change.site))
        assert "green  new         0 %  1 replicas, not settled" in status
        assert f"being changed: deploy {change.plan.tree[:12]} to local, by" in status
        assert "was cut off" not in status
        assert "; gone" not in looking.owner(change.site)
        gone = looking.owner(change.site, time.time() + 60)
        assert "; gone: silent for" in gone
    assert looking.owner(change.site) == "free"


def test_a_router_that_was_never_started_is_told(stand, tmp_path):
    site = stand.yard.site()
    site.router = Router(tmp_path / "router")
    assert "the router was never started" in "\n".join(looking.status(site))


def test_a_witness_changes_with_what_is_decided_and_with_what_dies(stand):
    site = stand.yard.site()
    assert looking.witness(stand.yard.site("staging")) == "nothing"
    first = looking.witness(site)
    assert looking.witness(stand.yard.site()) == first
    with lease.held(site.folder, "run", "say so") as site.held:
        before = site.colours
        site.decide(structs.replace(before, contracts=("0009",)))
        assert looking.witness(site) != first
        site.decide(before)
    with dead(site, "blue-1"):
        assert looking.witness(site) != first
    stand.yard.scale(0)
    assert looking.witness(site) == first


@contextmanager
def dead(site, name):
    """Kill a service, and whoever would start it again."""
    state = json.loads((site.folder / "services" / name / "state.json").read_text())
    os.kill(state["keeper"], signal.SIGKILL)
    assert eventually(lambda: not site.runner.inspect()[name].kept)
    (unkept,) = looking.drift(site)
    assert f"{name} runs, but nobody starts it again when it ends" in unkept
    assert "`invoke scale local` mends it" in unkept
    os.kill(state["pid"], signal.SIGKILL)
    assert eventually(lambda: not site.runner.inspect()[name].alive)
    yield


def test_the_logs_of_a_colour_and_of_a_part(stand):
    site = stand.yard.site()
    assert any("one serves" in line for line in looking.logs(site, "", 50))
    assert any("one serves" in line for line in looking.logs(site, "blue", 50))
    with (site.folder / "services" / "router" / "log").open("a") as log:
        log.write("a word of the router\n")
    (line,) = looking.logs(site, "router", 1)
    assert line.endswith("a word of the router")
    with pytest.raises(UsageError, match="nothing called 'green' runs on local; there"):
        list(looking.logs(site, "green", 5))


def test_a_warm_colour_that_died_is_no_affair_of_scale(stand):
    found = stand.yard.deploy(stand.two)
    with dead(found, "blue-1"):
        (line,) = looking.drift(found)
    assert "there is no way back at once; `invoke retire local` ends it" in line
    with pytest.raises(UsageError, match="blue of local is not warm any more: 0 of 1"):
        stand.yard.roll_back()
    assert word(stand.yard.site()) == "two"
    stand.yard.roll_back(to=manifest.read(stand.one).digest[:12])
