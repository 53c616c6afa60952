"""By which moves traffic goes over: never to nothing, never without a way back."""

import pytest

from sametree.deploy import strategies
from sametree.deploy.strategies import WHOLE, Seen, Shift, Start, Stop, after, moves
from sametree.settings.model import Environment

STRATEGIES = ("blue-green", "canary", "rolling")


def environment(strategy, replicas=3, **more):
    return Environment(strategy=strategy, replicas=replicas, bake=6.0, **more)


def listed(strategy, seen, **more):
    return list(moves(environment(strategy, **more), seen))


def test_blue_green_goes_over_at_once():
    assert listed("blue-green", Seen(3, 0, 0)) == [Start(3), Shift(WHOLE, 6.0)]


def test_a_canary_goes_by_its_steps():
    assert listed("canary", Seen(3, 0, 0), steps=(50.0, 1.0)) == [
        Start(3),
        Shift(100, 6.0),
        Shift(5000, 6.0),
        Shift(WHOLE, 6.0),
    ]


def test_rolling_goes_by_replica_and_never_has_fewer():
    assert listed("rolling", Seen(3, 0, 0)) == [
        Start(1),
        Shift(3333, 2.0),
        Stop(2),
        Start(2),
        Shift(6666, 2.0),
        Stop(1),
        Start(3),
        Shift(WHOLE, 2.0),
        Stop(0),
    ]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_first_deployment_has_nothing_to_move_from(strategy):
    found = listed(strategy, Seen(None, 0, 0))
    assert found == [Start(3), Shift(WHOLE, 6.0)]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("old", [None, 1, 2, 3, 5])
@pytest.mark.parametrize("replicas", [1, 2, 3, 7])
def test_from_wherever_it_stands_it_ends_with_all_on_the_new_colour(
    strategy, old, replicas
):
    wish = environment(strategy, replicas)
    for new in range(replicas + 1):
        for share in (0, 100, 5000, WHOLE):
            if share and not new:
                continue  # no router gives a share to an empty pool
            seen = Seen(old, new, share)
            for move in moves(wish, seen):
                seen = after(seen, move)
                busy = seen.new if seen.share else 0
                if seen.share < WHOLE:
                    busy += seen.old or 0
                assert busy >= 1 or old is None, move
                if strategy == "rolling" and isinstance(move, Stop):
                    assert seen.new + (seen.old or 0) >= replicas
            assert (seen.share, seen.new) == (WHOLE, replicas)
            if strategy == "rolling":
                assert not seen.old


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_resumed_deployment_does_what_is_left(strategy):
    wish = environment(strategy)
    seen = Seen(3, 0, 0)
    whole = list(moves(wish, seen))
    for done, move in enumerate(whole, 1):
        seen = after(seen, move)
        assert list(moves(wish, seen)) == whole[done:]


def test_the_other_colour():
    assert [strategies.other(each) for each in (None, "blue", "green")] == [
        "blue",
        "green",
        "blue",
    ]


def test_shares_make_the_whole():
    for share in (0, 1, 100, 9999, WHOLE):
        assert sum(strategies.shares("green", share, "blue").values()) == WHOLE
    assert strategies.shares("blue", WHOLE, None) == {"blue": WHOLE}
