"""Replicas whose answers a test decides on, and a real router before two of them."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import create_server
from types import SimpleNamespace

import pytest

from sametree.deploy.router import Router
from sametree.deploy.router.desired import Desired, Endpoint


def good(path: str) -> tuple[int, bytes]:
    return 200, b"ok"


class Replica:
    """A server: ``answer`` says for a path with which status and body, or waits first.

    It notes the headers of what it was asked.
    """

    def __init__(self) -> None:
        self.answer: Callable[[str], tuple[int, bytes]] = good
        self.asked: list[dict[str, str]] = []
        self.connections = 0
        self.port = 0


@contextmanager
def serving(replica: Replica) -> Iterator[Replica]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            replica.connections += 1

        def do_GET(self) -> None:
            replica.asked.append({"path": self.path, **dict(self.headers.items())})
            status, body = replica.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client: object) -> None:
            pass  # who asked is gone

    with Server(("127.0.0.1", 0), Handler) as server:
        replica.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield replica
        server.shutdown()
        thread.join()


def free_port() -> int:
    with create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@pytest.fixture
def replica() -> Iterator[Replica]:
    with serving(Replica()) as found:
        yield found


@pytest.fixture
def routed(router: SimpleNamespace) -> SimpleNamespace:
    """A router before ``blue``, which has all of the traffic, and ``green``; ``share``
    gives green its share, ``kill`` kills the router, and ``start`` starts it again."""
    for each in (router.blue, router.green):
        each.answer = good
        each.asked.clear()
    router.share(0)
    return router


@pytest.fixture(scope="module")
def router() -> Iterator[SimpleNamespace]:
    with ExitStack() as opened:
        blue, green = (opened.enter_context(serving(Replica())) for _ in range(2))
        folder = Path(tempfile.mkdtemp())
        opened.callback(shutil.rmtree, folder)
        router = Router(folder / "router")
        listen = Endpoint("127.0.0.1", free_port())
        desired = Desired(
            listen=listen,
            pools={
                name: (Endpoint("127.0.0.1", each.port),)
                for name, each in (("blue", blue), ("green", green))
            },
            weights={"blue": 10_000, "green": 0},
        )
        router.prepare(desired)
        running: list[subprocess.Popen[bytes]] = []

        def start() -> None:
            running.append(
                subprocess.Popen(
                    router.argv(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
            )
            until = time.monotonic() + 20
            while not router.ready() and time.monotonic() < until:
                time.sleep(0.01)
            assert router.ready()

        def kill() -> None:
            for each in running:
                each.kill()
                each.wait()

        opened.callback(kill)
        start()

        def share(green: int) -> None:
            told = {"blue": 10_000 - green, "green": green}
            router.apply(desired.shifted({k: v for k, v in told.items() if v}))

        yield SimpleNamespace(
            router=router,
            blue=blue,
            green=green,
            address=(listen.host, listen.port),
            url=f"http://{listen}",
            share=share,
            start=start,
            kill=kill,
        )
