"""Real Envoys, and real HTTP servers behind them."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from sametree.deploy.router import Router
from sametree.deploy.router.desired import WHOLE, Desired, Endpoint

HOST = "127.0.0.1"


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: str
    headers: http.client.HTTPMessage

    @property
    def cookie(self) -> str:
        """What the browser sends from now on; empty when nothing was set."""
        return (self.headers["set-cookie"] or "").partition(";")[0]


class Served(ThreadingHTTPServer):
    """A server that remembers what it was asked."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, name: str, port: int = 0) -> None:
        super().__init__((HOST, port), Asked)
        self.name = name
        self.asked: list[tuple[str, str]] = []
        self.endpoint = Endpoint(HOST, self.server_address[1])
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is what some tests are about."""


class Asked(BaseHTTPRequestHandler):
    """Answers with the server's name, or as the path says."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: Served

    def do_GET(self) -> None:
        length = int(self.headers["content-length"] or 0)
        body = self.rfile.read(length)
        self.server.asked.append((self.command, self.path))
        word, _, number = self.path.rpartition("/")[2].partition("-")
        if word == "slow":
            time.sleep(float(number))
        if word == "stream":
            return self._stream(int(number))
        told = {
            "echo": json.dumps({k.lower(): v for k, v in self.headers.items()}),
            "length": str(len(body)),
        }.get(word, self.server.name)
        self.send_response(int(number) if word == "code" else 200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told.encode())

    do_POST = do_GET

    def _stream(self, parts: int) -> None:
        """Send a part each tenth of a second."""
        self.send_response(200)
        self.send_header("Content-Length", str(parts))
        self.end_headers()
        for _ in range(parts):
            self.wfile.write(b"x")
            self.wfile.flush()
            time.sleep(0.1)

    def log_message(self, *arguments: Any) -> None:
        pass


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def nowhere() -> Endpoint:
    """Return an endpoint that refuses connections."""
    return Endpoint(HOST, free_port())


class Site:
    """A router and its Envoy; ``start`` has it run."""

    def __init__(self, folder: Path) -> None:
        self.router = Router(folder)
        self.listen = nowhere()
        self.process: subprocess.Popen[bytes] | None = None
        self.log = folder.parent / "log"

    def desired(
        self, pools: Mapping[str, Any], weights: Mapping[str, int], **more: Any
    ) -> Desired:
        ends = {
            name: tuple(e.endpoint if isinstance(e, Served) else e for e in each)
            for name, each in pools.items()
        }
        return Desired(listen=self.listen, pools=ends, weights=weights, **more)

    def start(
        self,
        desired: Desired | None = None,
        until: Callable[[], object] | None = None,
    ) -> None:
        if desired:
            self.router.prepare(desired)
        self.log.parent.mkdir(exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.router.argv(), stdout=log, stderr=log)
        deadline = time.monotonic() + 10
        while not (until or self.router.ready)():
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.005)

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def ask(
        self,
        path: str = "/",
        method: str = "GET",
        body: bytes | None = None,
        **headers: str,
    ) -> Answer:
        """Ask what listens; ``_`` in a header's name is ``-``."""
        client = http.client.HTTPConnection(
            self.listen.host, self.listen.port, timeout=10
        )
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            client.request(method, path, body, named)
            answer = client.getresponse()
            return Answer(answer.status, answer.read().decode(), answer.headers)
        finally:
            client.close()

    def shift(self, **weights: int) -> float:
        """Give each pool a share."""
        told = self.router.desired()
        assert told
        return self.router.apply(told.shifted(weights))

    def change(self, **fields: Any) -> float:
        told = self.router.desired()
        assert told
        return self.router.apply(msgspec.structs.replace(told, **fields))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    found = Site(tmp_path / "environment" / "router")
    yield found
    found.kill()


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Starts servers that answer with their name."""
    started: list[Served] = []

    def start(name: str, port: int = 0) -> Served:
        started.append(Served(name, port))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture
def two(site: Site, serve: Callable[..., Served]) -> Site:
    """A router that sends everything to blue, and knows green."""
    pools = {"blue": [serve("blue")], "green": [serve("green")]}
    site.start(site.desired(pools, {"blue": WHOLE}))
    return site
