"""Replicas are added, taken away and brought back; the warm colour and all can be ended."""

import json
import os
import signal

import pytest
from conftest import eventually
from yard import ask, word

from sametree.artifacts import manifest
from sametree.stepwise import audit
from sametree.deploy.strategies import WHOLE
from sametree.errors import UsageError
from sametree.units.deploying import looking, sizing


def pids(site, times=40):
    """Return the processes that answer."""
    return {json.loads(ask(site)[1])["pid"] for _ in range(times)}


def killed_keeper(site, name):
    """Kill a service and whoever would start it again."""
    state = json.loads((site.folder / "services" / name / "state.json").read_text())
    os.kill(state["keeper"], signal.SIGKILL)
    os.kill(state["pid"], signal.SIGKILL)
    assert eventually(lambda: not site.runner.inspect()[name].alive)


def test_replicas_come_and_go_and_come_back(stand):
    yard, site = stand.yard, stand.yard.site()
    assert len(pids(site)) == 1
    yard.scale(3)
    assert len(pids(site)) == 3
    assert looking.drift(site) == []
    killed_keeper(site, "blue-2")
    (missing,) = looking.drift(site)
    assert "blue has 2 of 3 replicas alive: `invoke scale local`" in missing
    assert word(site) == "one"
    yard.scale(0)
    assert len(pids(site)) == 3 and looking.drift(site) == []
    yard.scale(1)
    assert len(pids(site)) == 1 and site.sizes()["blue"] == 1
    lines = audit.read(site.folder)
    assert [line["replicas"] for line in lines if line["event"] == "scale"][-3:] == [
        3,
        3,
        1,
    ]
    with pytest.raises(UsageError, match="65 replicas: it should be 1 to 64"):
        yard.scale(65)


@pytest.mark.proof
def test_the_router_and_the_pages_are_brought_back(yard):
    site = yard.deploy(yard.release("one"))
    for name in ("router", "pages"):
        killed_keeper(site, name)
    told = "\n".join(looking.drift(site))
    assert "router does not run" in told and "pages does not run" in told
    yard.scale(0)
    assert word(site) == "one" and ask(site, "/")[0] == 200
    assert looking.drift(site) == []


@pytest.mark.proof
def test_what_dies_comes_back_by_itself(yard):
    site = yard.deploy(yard.release("one"))
    for name in ("blue-1", "router", "pages"):
        os.kill(site.runner.inspect()[name].pid, signal.SIGKILL)
    assert eventually(
        lambda: all(each.alive for each in site.runner.inspect().values())
    )
    assert eventually(lambda: site.router.ready() and ask(site, "/ready")[0] == 200)
    assert eventually(lambda: ask(site, "/")[0] == 200)
    assert "blue-1 was started again 1 times, last ended with -9" in yard.status()


def test_the_warm_colour_can_be_ended(stand):
    yard = stand.yard
    assert not sizing.retire(yard.site())
    site = yard.deploy(stand.two)
    assert sizing.retire(site)
    assert site.sizes() == {"blue": 0, "green": 1}
    assert word(site) == "two" and looking.drift(site) == []
    with pytest.raises(UsageError) as told:
        yard.roll_back()
    assert "local has no warm colour: blue was stopped" in str(told.value)
    assert "invoke rollback local --to" in str(told.value)
    yard.roll_back(to=manifest.read(stand.one).tree[:10])
    assert word(yard.site()) == "one"


def test_a_release_that_is_gone_cannot_be_scaled(stand):
    away = stand.one.with_name("away")
    stand.one.rename(away)
    try:
        with pytest.raises(
            UsageError, match=f"the release {stand.one.name} of local is"
        ):
            stand.yard.scale(2)
    finally:
        away.rename(stand.one)


def test_a_router_that_was_taken_along_is_pointed_anew(stand):
    site = stand.yard.site()
    site.runner.stop(["router"])
    site.forget_router()
    stand.yard.scale(0)
    assert site.share("blue") == WHOLE
    assert word(stand.yard.site()) == "one"


@pytest.mark.proof
def test_a_warm_colour_that_died_is_not_returned_to(yard):
    yard.deploy(yard.release("one"))
    site = yard.deploy(yard.release("two"))
    killed_keeper(site, "blue-1")
    with pytest.raises(UsageError, match="blue of local is not warm any more: 0 of 1"):
        yard.roll_back()
    assert word(site) == "two"


@pytest.mark.proof
def test_all_of_it_is_ended_and_can_begin_again(yard):
    release = yard.release("one")
    site = yard.deploy(release)
    assert sizing.down(site)
    assert site.runner.inspect() == {}
    assert not sizing.down(yard.site())
    assert "all of local is stopped: `invoke deploy local`, or" in yard.status()
    assert word(yard.deploy(release)) == "one"


def test_nothing_to_change_where_nothing_was_deployed(stand):
    yard, site = stand.yard, stand.yard.site("staging")
    with pytest.raises(UsageError, match="nothing was deployed to staging yet"):
        yard.scale(2, "staging")
    with pytest.raises(UsageError, match="nothing was deployed to staging yet"):
        yard.roll_back("staging")
    told = "  nothing has happened to staging yet"
    assert list(looking.history(site, 5)) == [told]
    with pytest.raises(UsageError, match="nothing was deployed to staging yet"):
        list(looking.logs(site, "", 5))
    assert "nothing was deployed to staging yet" in yard.status("staging")
    assert not sizing.down(site) and not sizing.retire(site)
