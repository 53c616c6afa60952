"""What does Envoy say of itself, on the socket that only its owner may open?"""

from __future__ import annotations

import http.client
import os
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct

from sametree.deploy.router import envoy, routes
from sametree.deploy.router.stats import PoolStats

TIMEOUT = 2.0
LONGEST = 100
"""Bytes of a socket's path; the system's limit is 104 on macOS, 108 on Linux."""
_READ = {
    envoy.CLUSTERS: "cluster_manager.cds",
    envoy.LISTENERS: "listener_manager.lds",
    envoy.ROUTES: f"http.{envoy.LISTENER}.rds.{routes.NAME}",
}
_ANSWERED = ("1xx", "2xx", "3xx", "4xx", "5xx")
_HUNG = "per_try_idle_timeout"
"""Replicas that were given up, and that no answer tells of (see ``routes``)."""


class Taken(Struct, frozen=True):
    """Of each file: the version that Envoy works by, and how often it refused one."""

    versions: Mapping[str, str]
    refused: Mapping[str, int]


class Admin:
    """Asks the Envoy that was started in ``folder``.

    All methods raise OSError when none answers.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder.absolute() / envoy.SOCKET

    def ready(self) -> bool:
        """Return whether it works and listens."""
        return self._ask("/ready").strip() == b"LIVE" and bool(self.listening())

    def listening(self) -> list[str]:
        """Return the addresses on which requests are taken, as ``host:port``."""
        told = self._json("/listeners?format=json")
        sockets = [
            each["local_address"]["socket_address"]
            for each in told.get("listener_statuses", [])
        ]
        return [f"{each['address']}:{each['port_value']}" for each in sockets]

    def taken(self) -> Taken:
        """Return what it has taken over of its files."""
        found = self._stats("(version_text|update_rejected)$")
        return Taken(
            {file: found.get(f"{at}.version_text", "") for file, at in _READ.items()},
            {file: found.get(f"{at}.update_rejected", 0) for file, at in _READ.items()},
        )

    def why_not(self) -> str:
        """Return why it does not listen where it should, in its words; or nothing."""
        told = self._json("/config_dump?resource=dynamic_listeners")
        for each in told.get("configs", []):
            if details := each.get("error_state", {}).get("details"):
                return str(details)
        return ""

    def active(self, pool: str) -> int:
        """Return how many requests are at work in ``pool``, or wait to be."""
        found = self._stats(rf"^cluster\.{pool}\.upstream_rq_(pending_)?active$")
        return sum(found.values())

    def stats(self) -> dict[str, PoolStats]:
        """Return what each pool has answered since Envoy began."""
        counters, times = self._counted(
            rf"^cluster\.[a-z0-9]+\.upstream_rq_([1-5]xx|active|time|{_HUNG})$"
        )
        pools = {name.split(".")[1] for name in counters} - {routes.PAGES}
        return {pool: _pool(pool, counters, times) for pool in sorted(pools)}

    def _stats(self, pattern: str) -> dict[str, Any]:
        return self._counted(pattern)[0]

    def _counted(self, pattern: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return counters, and histograms, by the names that match ``pattern``."""
        query = f"format=json&histogram_buckets=detailed&filter={quote(pattern)}"
        counters, times = {}, {}
        for each in self._json(f"/stats?{query}")["stats"]:
            if "name" in each:
                counters[each["name"]] = each["value"]
            for time in each.get("histograms", {}).get("details", []):
                times[time["name"]] = time["totals"]
        return counters, times

    def _json(self, path: str) -> dict[str, Any]:
        told: dict[str, Any] = msgspec.json.decode(self._ask(path))
        return told

    def _ask(self, path: str) -> bytes:
        connection = Local(self.socket)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        except (http.client.HTTPException, ValueError) as error:
            raise OSError(f"it broke off: {error!r}") from error
        finally:
            connection.close()


class Local(http.client.HTTPConnection):
    """HTTP over a socket of the file system."""

    def __init__(self, place: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self.place = place

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        if len(os.fsencode(self.place)) <= LONGEST:
            return self.sock.connect(str(self.place))
        # Only what is said to the system has to be short: go by a link to the folder.
        with tempfile.TemporaryDirectory(prefix="st") as short:
            link = Path(short, "x")
            link.symlink_to(self.place.parent)
            self.sock.connect(str(link / self.place.name))


def _pool(
    name: str, counters: Mapping[str, Any], times: Mapping[str, Any]
) -> PoolStats:
    at = f"cluster.{name}.upstream_rq_"
    counts: dict[float, int] = {}
    for each in times.get(f"{at}time", []):
        top = float(each["lower_bound"]) + float(each["width"])
        counts[top] = counts.get(top, 0) + each["count"]
    hung = counters.get(at + _HUNG, 0)
    return PoolStats(
        requests=sum(counters.get(at + code, 0) for code in _ANSWERED) + hung,
        errors=counters.get(f"{at}5xx", 0) + hung,
        active=counters.get(f"{at}active", 0),
        buckets=(*sorted(counts.items()), (float("inf"), 0)),
    )
