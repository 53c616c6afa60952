"""Which traffic should go where? The router's state, as data."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from sametree.errors import UsageError

WHOLE = 10_000
"""The sum of all weights: shares are told to a hundredth of a percent."""
PREVIEW = "x-sametree-preview"
Port = Annotated[int, Meta(ge=1, le=65535)]
# Names stand in Envoy's statistics, in headers and in a cookie.
Pool = Annotated[str, Meta(pattern="^[a-z][a-z0-9]{0,30}$")]
Prefix = Annotated[str, Meta(pattern=r"^/[^\s?#]*$")]
Header = Annotated[str, Meta(pattern="^[a-z][a-z0-9-]{0,60}$")]


class Endpoint(Struct, frozen=True, order=True):
    """Where something listens: an IP address and a port."""

    host: str
    port: Port

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def checked(self) -> Endpoint:
        """Return the endpoint itself; raises UsageError when it has no IP address."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            raise UsageError(
                f"{self}: {self.host!r} is no IP address",
                "say 127.0.0.1 for this machine alone, 0.0.0.0 for all who reach it",
            ) from None
        return self


class Desired(Struct, frozen=True, kw_only=True):
    """What the router does: where it listens, and which pool gets which share.

    ``pools`` are the replicas of each colour; ``weights`` the share of each in parts of
    :data:`WHOLE`, or none at all before the first release. ``pages``, the handler of
    static files, serves every path that is below none of the ``prefixes``. A request
    whose header ``preview_header`` names a pool goes to it, also where its weight is 0.
    With ``sticky``, who has once been answered by a pool stays with it as long as it
    has a share. A replica that sends nothing for ``timeout`` seconds is given up.
    """

    listen: Endpoint
    pools: Mapping[Pool, tuple[Endpoint, ...]]
    weights: Mapping[Pool, int]
    prefixes: tuple[Prefix, ...] = ("/",)
    pages: Endpoint | None = None
    preview_header: Header = PREVIEW
    sticky: bool = False
    timeout: Annotated[float, Meta(gt=0)] = 30.0

    @property
    def shares(self) -> dict[str, int]:
        """The weights above zero, by pool."""
        return {name: share for name, share in sorted(self.weights.items()) if share}

    def checked(self) -> Desired:
        """Return the state itself; raises UsageError when it could lose requests."""
        try:  # Envoy takes nonsense without a word, so look before it is written.
            msgspec.json.decode(msgspec.json.encode(self), type=Desired)
        except msgspec.ValidationError as error:
            raise UsageError(f"the router cannot do this: {error}") from None
        for endpoint in self._endpoints():
            endpoint.checked()
        for name, weight in self.weights.items():
            if weight < 0:
                raise UsageError(f"the share of {name!r} is below zero: {weight}")
            if name not in self.pools:
                raise UsageError(f"the router has no pool {name!r} to send traffic to")
            if weight and not self.pools[name]:
                raise UsageError(f"the pool {name!r} has a share, but no replica")
        whole = sum(self.weights.values())
        if self.weights and whole != WHOLE:
            raise UsageError(f"the shares make {whole}, not {WHOLE}")
        return self

    def _endpoints(self) -> Iterator[Endpoint]:
        yield self.listen
        if self.pages:
            yield self.pages
        for endpoints in self.pools.values():
            yield from endpoints

    def shifted(self, shares: Mapping[str, int]) -> Desired:
        """Return the state with other shares. Raises UsageError."""
        return msgspec.structs.replace(self, weights=dict(shares)).checked()
