"""A release that does not work is never promoted: what ran before goes on."""

import json
import threading
import time

import pytest
from msgspec import structs
from yard import ask, word

from sametree.stepwise import audit, journal, lease
from sametree.errors import UnitFailed
from sametree.units.deploying import looking

CRASHES = "print('no such table: hunters', file=sys.stderr); sys.exit(3)"
NEVER_READY = "global READY; READY = 503"


def taken_back(yard, release, name="local"):
    """Return why a release is taken back; the one before serves, and all is at rest."""
    before = yard.site(name).colours
    with pytest.raises(UnitFailed) as told:
        yard.deploy(release, name)
    site = yard.site(name)
    assert structs.replace(site.colours, port=before.port) == before
    assert lease.read(site.folder) is None
    assert journal.open_one(site.folder) is None
    assert audit.read(site.folder)[-1]["result"] == "undone"
    return str(told.value)


def test_one_that_crashes_at_start_says_its_last_words(stand):
    yard, first = stand.yard, stand.yard.site()
    said = taken_back(yard, yard.release("two", CRASHES))
    assert "green-1 does not come up: it ended with exit code 3" in said
    assert "no such table: hunters" in said
    tree = first.colours.blue.tree[:12]
    assert f"all was undone; local has 100 % on blue (tree {tree})" in said
    site = yard.site()
    assert word(site) == "one" and word(site, x_sametree_preview="green") == "one"
    assert site.sizes()["green"] == 0
    assert looking.drift(site) == []


@pytest.mark.proof
def test_one_that_is_never_ready_says_what_it_answers(yard, monkeypatch):
    from sametree.deploy import replicas

    monkeypatch.setattr(replicas.await_ready, "__defaults__", (0.6,))
    yard.deploy(yard.release("one"))
    said = taken_back(yard, yard.release("two", NEVER_READY))
    assert "green-1 does not come up: after 0.6 s, /ready at 127.0.0.1:" in said
    assert "answers 503" in said
    assert word(yard.site()) == "one"


@pytest.mark.proof
def test_the_first_release_leaves_nothing_behind(yard):
    said = taken_back(yard, yard.release("one", CRASHES))
    assert "nothing runs on local" in said
    assert yard.site().runner.inspect() == {}
    assert word(yard.deploy(yard.release("two"))) == "two"


@pytest.mark.proof
def test_no_request_is_lost_when_one_is_taken_back(yard):
    yard.environment("staging", strategy="rolling", replicas=2)
    site = yard.deploy(yard.release("one"), "staging")
    over = threading.Event()
    wrong = []

    def use():
        while not over.is_set():
            status, body = ask(site)
            if status != 200 or json.loads(body)["word"] != "one":
                wrong.append((status, body))

    users = [threading.Thread(target=use) for _ in range(4)]
    for each in users:
        each.start()
    try:
        release = yard.release("two", CRASHES)
        taken_back(yard, release, "staging")
        time.sleep(0.2)
    finally:
        over.set()
        for each in users:
            each.join()
    assert wrong == []
