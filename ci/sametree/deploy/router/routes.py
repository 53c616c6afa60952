"""Which request goes to which pool? Envoy's table of routes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from sametree.deploy.router.desired import Desired

NAME = "routes"
PAGES = "pages"
"""The cluster of the static handler."""
COLOUR = "x-sametree-colour"
"""The header that tells whoever answers of which colour the request is."""
COOKIE = "sametree-pool"
TRIES = 18
"""How often a request that reached nobody is tried again, on other replicas first. Each
pause is of a random length: many short ones take 1 s at least (all but 1 in 1,000) and
2 s at most, in which a keeper has started a replica anew."""
NOBODY = "No release has been deployed here yet.\n"

Part = Mapping[str, Any]
_NEVER_REACHED = "connect-failure,refused-stream,reset-before-request"
_SAFE: Part = {
    "name": ":method",
    "string_match": {"safe_regex": {"regex": "GET|HEAD|OPTIONS"}},
}
_SOCKET: Part = {
    "name": "upgrade",
    "string_match": {"exact": "websocket", "ignore_case": True},
}


_OTHERS: Part = {
    "name": "envoy.retry_host_predicates.previous_hosts",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3."
        "PreviousHostsPredicate"
    },
}
_AGAIN: Part = {
    "num_retries": TRIES,
    "retry_back_off": {"base_interval": "0.01s", "max_interval": "0.25s"},
    "retry_host_predicate": [_OTHERS],
    "host_selection_retry_max_attempts": 8,
}


class Choice(Struct, frozen=True):
    """Requests that bear ``headers`` are shared between pools by ``shares``.

    ``told`` is the cookie that tells which pool it was, by pool, if one does.
    """

    headers: tuple[Part, ...]
    shares: Mapping[str, int]
    told: Mapping[str, str] = {}


def table(desired: Desired, rollout: int) -> Part:
    """Return all routes; the first that matches a request is taken.

    ``rollout`` is in the cookies: one of an earlier sharing of the traffic counts no
    more, or everybody who was on a colour once would be on its next release at once.
    """
    safe, once = _safely(desired.timeout), _once(desired.timeout)
    silent = {**once, "idle_timeout": "3600s"}
    routes = []
    for choice in _choices(desired, rollout):
        own = choice.headers
        for prefix in desired.prefixes:
            routes += [
                _route(prefix, (*own, _SOCKET), _to_pools(choice, silent)),
                _route(prefix, (*own, _SAFE), _to_pools(choice, safe)),
                _route(prefix, own, _to_pools(choice, once)),
            ]
        if desired.pages and "/" not in desired.prefixes:
            routes.append(_route("/", own, _to_pages(choice, safe)))
    return {
        "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        "name": NAME,
        "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}],
    }


def _choices(desired: Desired, rollout: int) -> Iterator[Choice]:
    """Yield who goes where: previews first, who has a cookie, everybody else."""
    for pool in sorted(name for name, ends in desired.pools.items() if ends):
        yield Choice((_named(desired.preview_header, pool),), {pool: 1})
    shares = desired.shares
    sticky = shares if desired.sticky and len(shares) > 1 else ()
    told = {pool: f"{COOKIE}={pool}.{rollout}" for pool in sticky}
    for pool, cookie in told.items():
        yield Choice((_with_cookie(cookie),), {pool: 1})
    yield Choice((), shares, told)


def _to_pools(choice: Choice, manner: Part) -> Part:
    if not choice.shares:
        body = {"inline_string": NOBODY}
        return {"direct_response": {"status": 503, "body": body}}
    return _to(choice, manner)


def _to_pages(choice: Choice, manner: Part) -> Part:
    if not choice.shares:
        route = {"cluster": PAGES, **manner}
        return {"request_headers_to_remove": [COLOUR], "route": route}
    return _to(choice, manner, PAGES)


def _to(choice: Choice, manner: Part, cluster: str = "") -> Part:
    """Return where requests go: to the cluster of each pool's name, or all to one."""
    shared = [
        {
            "name": cluster or pool,
            "weight": share,
            "request_headers_to_add": [_header(COLOUR, pool)],
            "response_headers_to_add": _set(choice.told.get(pool)),
        }
        for pool, share in choice.shares.items()
    ]
    return {"route": {"weighted_clusters": {"clusters": shared}, **manner}}


def _once(timeout: float) -> Part:
    """Return how requests are passed on that may change something: none is sent twice.

    A replica has ``timeout`` seconds from the end of the request until it begins to
    answer; how long an upload or an answer takes does not matter.
    """
    return {
        "timeout": "0s",
        "retry_policy": {
            **_AGAIN,
            "retry_on": _NEVER_REACHED,
            "per_try_timeout": f"{timeout:.3f}s",
        },
    }


def _safely(timeout: float) -> Part:
    """Return how requests are passed on that change nothing (RFC 9110, 9.2.1).

    They are also sent to another replica when one dies at work: as it does, it still
    takes requests for some milliseconds. Envoy would take one that hangs for one that
    died, and try all replicas for ``timeout`` seconds each, so a little later it is
    over. Envoy then does not count it as an answer of the pool: see ``admin``.
    """
    return {
        "timeout": "0s",
        "idle_timeout": f"{timeout + 0.9 * min(timeout, 1):.3f}s",
        "retry_policy": {
            **_AGAIN,
            "retry_on": f"{_NEVER_REACHED},reset",
            "per_try_idle_timeout": f"{timeout:.3f}s",
        },
    }


def _route(prefix: str, headers: Sequence[Part], to: Part) -> Part:
    """Return the route of all paths below ``prefix``: "/api" is not "/apiary"."""
    below = "prefix" if prefix.endswith("/") else "path_separated_prefix"
    return {"match": {below: prefix, "headers": headers}, **to}


def _named(header: str, pool: str) -> Part:
    return {"name": header, "string_match": {"exact": pool}}


def _with_cookie(cookie: str) -> Part:
    pattern = f"(.*; ?)?{cookie.replace('.', '[.]')}(;.*)?"
    return {"name": "cookie", "string_match": {"safe_regex": {"regex": pattern}}}


def _set(cookie: str | None) -> Sequence[Part]:
    if cookie is None:
        return []
    told = f"{cookie}; Path=/; HttpOnly; SameSite=Lax"
    append = {"append_action": "APPEND_IF_EXISTS_OR_ADD"}
    return [{"header": {"key": "set-cookie", "value": told}, **append}]


def _header(name: str, value: str) -> Part:
    """Return what sets a header, also over one that the client has sent."""
    overwrite = {"append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    return {"header": {"key": name, "value": value}, **overwrite}
