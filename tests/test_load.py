"""maria, deployed again and again under load: no user loses a request.

A user here is a client that never asks twice. Every request is counted, and what the
database holds is what was acknowledged.
"""

from __future__ import annotations

import pytest
import traffic
from deployed_maria import STRATEGIES, Maria
from yard import ask

from sametree.stepwise import journal
from sametree.units.deploying import looking

pytestmark = pytest.mark.proof(seconds=120)

DEPLOYMENTS = 20
PATHS = ["/api/conversations", "/", "/version"]
RATE = 30.0
"""Requests a second: enough to be in every moment of a switch."""


@pytest.fixture
def maria(tmp_path_factory):
    """The application; all processes of this run of tests share what is built."""
    made = Maria(tmp_path_factory.getbasetemp().parent / "maria")
    yield made
    made.down()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_twenty_deployments_lose_no_request(maria, strategy):
    site = maria.deploy(maria.releases[1], strategy)
    assert ask(site, "/readyz")[0] == 200
    before = maria.rows(strategy)
    with traffic.running(
        site.url, paths=PATHS, posts=[traffic.PARTICIPANT], share=0.3, rate=RATE
    ) as load:
        load.wait(100)
        for number in range(DEPLOYMENTS):
            site = maria.deploy(maria.releases[number % 2], strategy)
        load.wait(100)
    told = load.result()
    assert told.failures == ()
    assert maria.rows(strategy) - before == len(told.acknowledged) > DEPLOYMENTS
    assert told.total > 50 * DEPLOYMENTS
    assert looking.drift(site) == []
    assert journal.open_one(site.folder) is None
