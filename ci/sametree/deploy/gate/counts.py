"""What have the colours answered since a window began, whatever happened to the router?"""

from __future__ import annotations

import collections
from collections.abc import Callable, Mapping

from msgspec import structs

from sametree.deploy.gate.judge import Pool
from sametree.deploy.gate.probes import Asked, Probes
from sametree.deploy.router.stats import EMPTY, PoolStats

RATE = 3.0
"""Seconds over which a rate is told."""
COLD = 1.0
"""Seconds in the beginning of a window in which caches and connections are made."""

Read = Callable[[], Mapping[str, PoolStats]]
Seen = tuple[Mapping[str, PoolStats], Mapping[str, tuple[Asked, ...]]]


class Counts:
    """Adds up what is read, look by look: a router that was started anew counts from
    zero. ``problem`` says why the last look saw nothing."""

    def __init__(self, read: Read, probes: Probes | None) -> None:
        self._read = read
        self._probes = probes
        self._last: Mapping[str, PoolStats] | None = None
        self._sums: dict[str, PoolStats] = {}
        self._probed: Mapping[str, tuple[Asked, ...]] = {}
        self._from: Seen = ({}, {})
        self._warm: Seen | None = None
        self._of_late: collections.deque[tuple[float, Mapping[str, int]]]
        self._of_late = collections.deque()
        self.began = 0.0
        self.problem = ""

    def look(self, now: float) -> None:
        """Read all; the probes first, so that the router has counted each of them."""
        probed = self._probes.read() if self._probes else {}
        try:
            found = self._read()
        except Exception as error:  # whatever it is: it is no data
            self.problem = str(error).partition("\n")[0] or type(error).__name__
            return
        self.problem, self._probed = "", probed
        # What was there before our first look is none of ours.
        last = found if self._last is None else self._last
        for name, reading in found.items():
            new = reading.since(last.get(name, EMPTY))
            self._sums[name] = add(self._sums.get(name, EMPTY), new)
        self._last = found
        self._of_late.append((now, {k: v.requests for k, v in self._sums.items()}))
        while self._of_late[0][0] < now - RATE:
            self._of_late.popleft()
        if self._warm is None and now >= self.began + COLD:
            self._warm = dict(self._sums), self._probed

    def begin(self, now: float) -> None:
        """Begin a window with what was seen at the last look."""
        self.began = now
        self._from = dict(self._sums), self._probed
        self._warm = None

    def pool(self, name: str) -> Pool:
        """Return what ``name`` has done in the window."""
        return self._since(name, self._from)

    def warm(self, name: str) -> Pool:
        """Return what ``name`` has done in the window after its first second."""
        if self._warm is None:
            return Pool(name=name, stats=EMPTY)
        return self._since(name, self._warm)

    def _since(self, name: str, seen: Seen) -> Pool:
        sums, probed = seen
        earlier = {asked.path: asked for asked in probed.get(name, ())}
        return Pool(
            name=name,
            stats=self._sums.get(name, EMPTY).since(sums.get(name, EMPTY)),
            probed=tuple(
                asked.since(earlier.get(asked.path, Asked(path=asked.path)))
                for asked in self._probed.get(name, ())
            ),
        )

    def rate(self, name: str) -> float:
        """Return how many requests a second ``name`` has answered of late."""
        if len(self._of_late) < 2:
            return 0.0
        (since, before), (until, after) = self._of_late[0], self._of_late[-1]
        many = after.get(name, 0) - before.get(name, 0)
        return many / (until - since) if until > since else 0.0


def add(one: PoolStats, other: PoolStats) -> PoolStats:
    """Return the sum of two windows, the second one being the later."""
    counts = dict(one.buckets)
    for top, count in other.buckets:
        counts[top] = counts.get(top, 0) + count
    return structs.replace(
        other,
        requests=one.requests + other.requests,
        errors=one.errors + other.errors,
        buckets=tuple(sorted(counts.items())),
    )
