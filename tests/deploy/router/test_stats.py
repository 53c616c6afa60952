from __future__ import annotations

from sametree.deploy.router.stats import EMPTY, PoolStats

INF = float("inf")
EARLIER = PoolStats(10, 1, 3, ((1.0, 8), (5.0, 2), (INF, 0)))


def test_a_window_is_what_came_between_two_readings() -> None:
    later = PoolStats(15, 3, 2, ((1.0, 9), (2.0, 3), (5.0, 3), (INF, 0)))
    window = later.since(EARLIER)
    assert window == PoolStats(5, 2, 2, ((1.0, 1), (2.0, 3), (5.0, 1), (INF, 0)))


def test_all_of_it_is_since_nothing() -> None:
    assert EARLIER.since(EMPTY) == EARLIER


def test_counters_that_fell_began_anew() -> None:
    for anew in (
        PoolStats(9, 1, 0, EARLIER.buckets),
        PoolStats(10, 0, 0, EARLIER.buckets),
        PoolStats(10, 1, 0, ((1.0, 7), (5.0, 2), (INF, 0))),
        PoolStats(12, 1, 0, ((1.0, 12), (INF, 0))),
    ):
        assert anew.since(EARLIER) == anew


def test_nothing_happened_between_equal_readings() -> None:
    window = EARLIER.since(EARLIER)
    assert (window.requests, window.errors) == (0, 0)
    assert not any(count for _, count in window.buckets)
