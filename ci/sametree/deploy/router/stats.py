"""What has a pool of replicas answered, and how fast?"""

from __future__ import annotations

from msgspec import Struct


class PoolStats(Struct, frozen=True):
    """One reading of a pool's counters, or the window between two of them.

    ``requests`` were answered, with whatever code, since Envoy began; ``errors`` of
    them with a 5xx, also where no replica could be reached and Envoy said so itself.
    ``active`` are at work now. ``buckets`` count how long requests took: an upper bound
    in milliseconds (``inf`` at last), and how many were within it, but above the bound
    before it.
    """

    requests: int
    errors: int
    active: int
    buckets: tuple[tuple[float, int], ...]

    def since(self, earlier: PoolStats) -> PoolStats:
        """Return what happened between ``earlier`` and this reading.

        Counters that fell were begun anew, with Envoy: then all of this reading
        happened since.
        """
        before = dict(earlier.buckets)
        counts = tuple((top, n - before.get(top, 0)) for top, n in self.buckets)
        requests = self.requests - earlier.requests
        errors = self.errors - earlier.errors
        gone = before.keys() - dict(self.buckets).keys()
        if gone or min(requests, errors, *(n for _, n in counts)) < 0:
            return self
        return PoolStats(requests, errors, self.active, counts)


EMPTY = PoolStats(requests=0, errors=0, active=0, buckets=())
"""What a pool has answered that nobody has asked yet."""
