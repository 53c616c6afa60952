"""Are the bounds exact where that can be computed, and do they hold at every look?"""

import bisect
import doctest
import math
import random

import pytest

from sametree.deploy.gate import bounds

SEEDS = range(100)


def test_the_examples_in_the_module_hold():
    assert doctest.testmod(bounds).failed == 0


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.5, 1.0])
@pytest.mark.parametrize("tries", [1, 7, 40])
def test_the_tail_is_that_of_the_binomial_distribution(rate, tries):
    for hits in range(tries + 1):
        exact = math.fsum(
            math.comb(tries, k) * rate**k * (1 - rate) ** (tries - k)
            for k in range(hits, tries + 1)
        )
        assert bounds.tail(hits, tries, rate) == pytest.approx(exact, abs=1e-12)


def test_nothing_is_sure_of_nothing():
    assert not bounds.surely_above(0, 0, 0.0)
    assert not bounds.surely_below(0, 0, 1.0)
    assert bounds.highest(0, 0) == 1.0
    assert bounds.at_least([], 0.5) == 0.0
    assert bounds.at_most([], 0.5) == math.inf


def test_a_rate_that_is_met_exactly_is_never_surely_missed():
    for tries in (10, 100, 10_000):
        assert not bounds.surely_above(tries // 10, tries, 0.1)
        assert not bounds.surely_below(tries // 10, tries, 0.1)


def test_one_error_is_too_many_where_none_is_allowed():
    assert bounds.surely_above(1, 1_000_000, 0.0)
    assert bounds.surely_below(99, 100, 1.0)


def test_five_errors_of_ten_are_sure_and_one_of_a_hundred_is_not():
    assert bounds.surely_above(5, 10, 0.01)
    assert bounds.surely_above(2, 2, 0.01)
    assert not bounds.surely_above(1, 1, 0.01)
    assert not bounds.surely_above(2, 100, 0.01)


def test_more_hits_never_make_it_less_sure_and_the_highest_rate_follows():
    for tries in (5, 60, 700):
        sure = [bounds.surely_above(hits, tries, 0.02) for hits in range(tries + 1)]
        assert sure == sorted(sure)
        highest = [bounds.highest(hits, tries) for hits in range(tries + 1)]
        assert highest == sorted(highest)
        assert all(high >= hits / tries for hits, high in enumerate(highest))


def test_looking_at_every_request_makes_no_more_false_alarms_than_the_risk():
    # At the very border, where it is hardest; by chance alone 1 % and more would alarm
    # at one of 2,000 looks: it is under 0.05 %.
    alarms = 0
    for seed in SEEDS:
        chance = random.Random(seed)
        hits = 0
        for tries in range(1, 801):
            hits += chance.random() < 0.01
            alarms += bounds.surely_above(hits, tries, 0.01)
    assert alarms == 0


def test_a_naive_test_at_every_request_would_make_many():
    alarmed = 0
    for seed in range(60):
        chance = random.Random(seed)
        hits = 0
        for tries in range(1, 401):
            hits += chance.random() < 0.01
            if hits and bounds.tail(hits, tries, 0.01) < 0.05:
                alarmed += 1
                break
    assert alarmed > 60 * 0.08


def test_the_quantile_is_interpolated_and_wrong_by_a_bucket_at_most():
    chance = random.Random(1)
    tops = [1.25**n for n in range(30)]
    values = sorted(chance.lognormvariate(2.5, 0.8) for _ in range(4000))
    counts = [0] * (len(tops) + 1)
    for value in values:
        counts[bisect.bisect_left(tops, value)] += 1
    buckets = list(zip([*tops, math.inf], counts, strict=True))
    for share in (0.5, 0.9, 0.99):
        true = values[math.ceil(share * len(values)) - 1]
        top = tops[bisect.bisect_left(tops, true)]
        assert abs(bounds.quantile(buckets, share) - true) <= top - top / 1.25


def test_the_quantile_of_nothing_is_unknown_and_beyond_the_last_bound_is_that():
    assert bounds.quantile([], 0.5) is None
    assert bounds.quantile([(10.0, 0), (math.inf, 0)], 0.5) is None
    assert bounds.quantile([(10.0, 0), (math.inf, 7)], 0.5) == 10.0


def test_the_bounds_of_a_quantile_hold_at_all_looks_together():
    # The true p90 of an exponential distribution with mean 10 is 23.03.
    true = -10 * math.log(1 - 0.9)
    for seed in range(15):
        chance = random.Random(seed)
        values: list[float] = []
        for _ in range(25):
            values += (chance.expovariate(0.1) for _ in range(15))
            buckets = bounds.of_each(values)
            assert bounds.at_least(buckets, 0.9) <= true
            assert bounds.at_most(buckets, 0.9) >= true


def test_the_bounds_of_a_quantile_come_near_with_many_values():
    chance = random.Random(2)
    buckets = bounds.of_each(chance.expovariate(0.1) for _ in range(5000))
    assert (
        20 < bounds.at_least(buckets, 0.9) < 23.03 < bounds.at_most(buckets, 0.9) < 27
    )


def test_few_values_say_nothing_of_a_quantile():
    buckets = bounds.of_each([10.0, 11.0, 12.0])
    assert bounds.at_least(buckets, 0.9) == 0.0
    assert bounds.at_most(buckets, 0.9) == math.inf


def test_wide_buckets_hide_a_difference_but_make_none_up():
    values = [40.0] * 500
    assert bounds.at_least([(25.0, 0), (50.0, 500), (math.inf, 0)], 0.5) == 25.0
    assert bounds.at_most([(25.0, 0), (50.0, 500), (math.inf, 0)], 0.5) == 50.0
    assert bounds.at_least(bounds.of_each(values), 0.5) <= 40.0


def test_taking_out_what_is_known_leaves_the_others():
    buckets = [(1.0, 2), (5.0, 3), (800.0, 1), (math.inf, 0)]
    # What took 5.2 ms from farther away was not among those that took 800.
    left = [(1.0, 1), (5.0, 2), (800.0, 1), (math.inf, 0)]
    assert bounds.without(buckets, [1.2, 5.2]) == left
    assert bounds.without(buckets, [4.9, 0.1, 0.1, 0.1])[:2] == [(1.0, 0), (5.0, 1)]
    assert [n for _, n in bounds.without(buckets, [9.0] * 9)] == [0, 0, 0, 0]
    assert bounds.without([], [1.0]) == []
