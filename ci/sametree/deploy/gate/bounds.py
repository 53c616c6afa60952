"""What can be said for sure of a rate, or of a quantile, that is looked at all the time?

Whoever tests at every poll, and stops at the first alarm, is alarmed by chance sooner
or later. The bounds here hold at all polls together: a binomial likelihood ratio, mixed
over all rates by Jeffreys' Beta(1/2, 1/2), is at the true rate a martingale that begins
with 1, so the chance that it ever reaches 1/RISK is at most RISK (Ville's inequality;
Robbins, "Statistical methods related to the law of the iterated logarithm", 1970).
Requests count as independent of each other.

How many requests are at most ``x`` ms is binomial, too, so the same bound gives those
of quantiles, with no assumption on how long requests take (Howard and Ramdas,
"Sequential estimation of quantiles", 2022). It is rounded to the bounds of the buckets
on the safe side, so buckets that are wide hide a difference, but never make one up.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Sequence

RISK = 0.0005
"""Of one bound, however often it is asked for. A stage asks for 15 at most."""

Buckets = Sequence[tuple[float, int]]
"""An upper bound in milliseconds (``inf`` at last), and how many are within it, but
above the bound before."""
NARROW = 1.1
"""A bucket of Envoy's ends at most so many times where it begins: its bounds are numbers
of two digits."""


def surely_above(hits: int, tries: int, rate: float) -> bool:
    """Return whether ``hits`` of ``tries`` come of a rate above ``rate``, for sure.

    >>> surely_above(1, 20, 0.01), surely_above(5, 10, 0.01)
    (False, True)
    """
    return tries > 0 and hits > tries * rate and _evidence(hits, tries, rate) >= _LIMIT


def surely_below(hits: int, tries: int, rate: float) -> bool:
    """Return whether ``hits`` of ``tries`` come of a rate below ``rate``, for sure."""
    return surely_above(tries - hits, tries, 1 - rate)


def highest(hits: int, tries: int) -> float:
    """Return the highest rate of which ``hits`` of ``tries`` may come.

    >>> highest(0, 0), round(highest(20, 10_000), 4)
    (1.0, 0.0051)
    """
    low, high = hits / tries if tries else 1.0, 1.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        if surely_below(hits, tries, middle):
            high = middle
        else:
            low = middle
    return high


def tail(hits: int, tries: int, rate: float) -> float:
    """Return the chance of ``hits`` or more of ``tries`` at ``rate``: the p-value of the
    one-sided binomial test, for a single look.

    >>> round(tail(1, 20, 0.01), 4)
    0.1821
    """
    if hits <= 0 or rate >= 1:
        return 1.0
    if rate <= 0:
        return 0.0
    fewer = math.fsum(math.exp(_log_chance(k, tries, rate)) for k in range(hits))
    return max(0.0, 1.0 - fewer)


def quantile(buckets: Buckets, share: float) -> float | None:
    """Return the quantile, interpolated within its bucket; None of nothing.

    It is wrong by at most the width of that bucket; of what is above the last finite
    bound only that bound is known.

    >>> quantile([(10, 1), (20, 2), (float("inf"), 0)], 0.5)
    12.5
    """
    rest = share * sum(count for _, count in buckets)
    below = 0.0
    for top, count in buckets:
        if count and rest <= count:
            return below + (top - below) * rest / count if top < math.inf else below
        rest -= count
        below = top if top < math.inf else below
    return None


def at_least(buckets: Buckets, share: float) -> float:
    """Return what the quantile is at least, for sure; 0 when nothing is sure."""
    tries = sum(count for _, count in buckets)
    within, bound = 0, 0.0
    for top, count in buckets:
        within += count
        if not surely_below(within, tries, share):
            break
        bound = top
    return bound


def at_most(buckets: Buckets, share: float) -> float:
    """Return what the quantile is at most, for sure; ``inf`` when nothing is sure."""
    tries = sum(count for _, count in buckets)
    within = 0
    for top, count in buckets:
        within += count
        if surely_above(within, tries, share):
            return top
    return math.inf


def filled(buckets: Buckets) -> Buckets:
    """Return Envoy's buckets with the empty ones that it leaves out between them, as far
    as they make a difference.

    >>> filled([(5.5, 2), (110.0, 1)])
    [(5.0, 0), (5.5, 2), (100.0, 0), (110.0, 1)]
    """
    found: list[tuple[float, int]] = []
    below = 0.0
    for top, count in buckets:
        if top < math.inf and (begin := round(top / NARROW, 6)) > below:
            found.append((begin, 0))
        found.append((top, count))
        below = top
    return found


def of_each(values: Iterable[float]) -> Buckets:
    """Return single values as buckets that are as wide as the gaps between them."""
    return [(value, 1) for value in sorted(values)]


def without(buckets: Buckets, values: Iterable[float]) -> Buckets:
    """Return ``buckets`` less one for each of ``values``. These were measured from
    farther away, so each was counted in the bucket in which it would be now, or below.

    >>> without([(4.1, 1), (5.1, 2), (500, 1)], [5.3])
    [(4.1, 1), (5.1, 1), (500, 1)]
    """
    tops = [top for top, _ in buckets]
    counts = [count for _, count in buckets]
    for value in values:
        at = bisect.bisect_right(tops, NARROW * value) - 1
        below = (number for number in range(at, -1, -1) if counts[number])
        above = (number for number in range(at + 1, len(counts)) if counts[number])
        found = next(below, next(above, None))
        if found is None:
            break
        counts[found] -= 1
    return list(zip(tops, counts, strict=True))


_LIMIT = -math.log(RISK)


def _evidence(hits: int, tries: int, rate: float) -> float:
    """Return the logarithm of the mixed likelihood ratio against ``rate``."""
    if rate <= 0 and hits or rate >= 1 and hits < tries:
        return math.inf
    misses = tries - hits
    # The mixture is B(hits + 1/2, misses + 1/2) / B(1/2, 1/2), and that one is pi.
    mixed = (
        math.lgamma(hits + 0.5)
        + math.lgamma(misses + 0.5)
        - math.lgamma(tries + 1)
        - math.log(math.pi)
    )
    told = hits * math.log(rate) if hits else 0.0
    told += misses * math.log1p(-rate) if misses else 0.0
    return mixed - told


def _log_chance(hits: int, tries: int, rate: float) -> float:
    ways = (
        math.lgamma(tries + 1) - math.lgamma(hits + 1) - math.lgamma(tries - hits + 1)
    )
    return ways + hits * math.log(rate) + (tries - hits) * math.log1p(-rate)
