"""What a request meets between the user and the replica."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any

import pytest

from sametree.deploy.router.admin import Local
from sametree.deploy.router.desired import WHOLE, Desired, Endpoint

from .conftest import HOST, Served, Site, nowhere

Serve = Callable[..., Served]
HALF = {"blue": WHOLE // 2, "green": WHOLE // 2}


class Shared(Site):
    """An Envoy that runs already: to start it is to point it elsewhere."""

    def start(self, desired: Desired | None = None, until: Any = None) -> None:
        if self.process is None:
            return super().start(desired)
        assert desired
        self.router.apply(desired)
        client = Local(self.router.admin.socket)
        client.request("POST", "/reset_counters")
        assert client.getresponse().read() == b"OK\n"
        client.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    found = Shared(tmp_path_factory.mktemp("shared") / "environment" / "router")
    found.start(found.desired({}, {}))
    yield found
    found.kill()


@pytest.fixture
def site(running: Shared) -> Shared:
    return running


def test_traffic_is_split_by_weight(two: Site) -> None:
    two.shift(blue=7000, green=3000)
    bodies = [two.ask().body for _ in range(400)]
    assert 0.2 < bodies.count("green") / len(bodies) < 0.4


def test_a_header_reaches_a_colour_without_a_share_and_sets_no_cookie(
    two: Site,
) -> None:
    two.change(sticky=True)
    answer = two.ask(x_sametree_preview="green")
    assert (answer.body, answer.cookie) == ("green", "")
    two.shift(**HALF)
    answer = two.ask(x_sametree_preview="green", cookie="sametree-pool=blue.1")
    assert (answer.body, answer.cookie) == ("green", "")


def test_a_header_that_names_no_colour_changes_nothing(two: Site) -> None:
    assert two.ask(x_sametree_preview="red").body == "blue"


def test_a_user_stays_with_his_colour_as_long_as_it_has_a_share(two: Site) -> None:
    two.change(sticky=True)
    assert two.ask().cookie == ""
    two.shift(blue=9999, green=1)
    first = two.ask()
    assert first.cookie.startswith("sametree-pool=blue.")
    told = first.headers["set-cookie"]
    assert told == f"{first.cookie}; Path=/; HttpOnly; SameSite=Lax"
    two.shift(blue=1, green=9999)
    for cookie in (first.cookie, f"a=b; {first.cookie}; c=d"):
        answers = [two.ask(cookie=cookie) for _ in range(5)]
        assert {(each.body, each.cookie) for each in answers} == {("blue", "")}
    two.shift(green=WHOLE)
    assert two.ask(cookie=first.cookie).body == "green"


def test_a_cookie_of_an_earlier_rollout_does_not_count(two: Site) -> None:
    two.change(sticky=True)
    two.shift(blue=1, green=9999)
    cookie = two.ask().cookie
    assert cookie.startswith("sametree-pool=green.")
    two.shift(blue=WHOLE)
    two.shift(blue=9999, green=1)
    answer = two.ask(cookie=cookie)
    assert answer.body == "blue"
    assert answer.cookie.startswith("sametree-pool=blue.")


def test_pages_are_of_the_colour_of_the_user(site: Site, serve: Serve) -> None:
    pools = {"blue": [serve("blue")], "green": [serve("green")]}
    site.start(
        site.desired(
            pools,
            {"blue": WHOLE},
            prefixes=("/api", "/healthz"),
            pages=serve("pages").endpoint,
            sticky=True,
        )
    )
    assert [site.ask(p).body for p in ("/api", "/api/x", "/api?x=/", "/healthz")] == [
        "blue"
    ] * 4
    assert [site.ask(p).body for p in ("/", "/apiary", "/a/api", "/healthzz")] == [
        "pages"
    ] * 4

    def colour(**headers: str) -> str:
        return str(_echoed(site, "/echo", **headers)["x-sametree-colour"])

    assert colour(x_sametree_colour="green") == "blue"
    assert colour(x_sametree_preview="green") == "green"
    site.shift(**HALF)
    assert {colour() for _ in range(30)} == {"blue", "green"}
    cookies = {site.ask("/").cookie.partition(".")[0] for _ in range(30)}
    assert cookies == {"sametree-pool=blue", "sametree-pool=green"}
    cookie = site.ask("/").cookie
    own = cookie.partition("=")[2].partition(".")[0]
    assert {colour(cookie=cookie) for _ in range(5)} == {own}
    other = {"blue": "green", "green": "blue"}[own]
    site.shift(**{other: WHOLE})
    assert colour(cookie=cookie) == other


def test_pages_are_served_where_there_is_no_backend(site: Site, serve: Serve) -> None:
    pages = serve("pages").endpoint
    site.start(site.desired({}, {}, prefixes=("/api",), pages=pages))
    assert "x-sametree-colour" not in _echoed(site, "/echo", x_sametree_colour="evil")
    assert site.ask("/api").status == 503


def test_a_replica_knows_who_asked_and_the_user_nothing_of_the_router(
    two: Site,
) -> None:
    seen = _echoed(two, "/echo", x_forwarded_for="10.1.1.1", x_sametree_colour="evil")
    assert seen["x-forwarded-proto"] == "http"
    assert seen["x-forwarded-for"].startswith("10.1.1.1,")
    assert seen["x-sametree-colour"] == "blue"
    assert "x-request-id" in seen
    answer = two.ask()
    assert answer.headers["server"].startswith("BaseHTTP")
    assert not [name for name in answer.headers if name.lower().startswith("x-")]


def test_a_header_that_a_wsgi_application_would_take_for_ours_is_dropped(
    two: Site,
) -> None:
    client = HTTPConnection(two.listen.host, two.listen.port, timeout=5)
    client.request("GET", "/echo", headers={"X_Sametree_Colour": "evil"})
    assert "x_sametree_colour" not in json.loads(client.getresponse().read())
    client.close()


def test_paths_are_made_plain_before_they_are_matched(site: Site, serve: Serve) -> None:
    pools = {"blue": [serve("blue")]}
    pages = serve("pages").endpoint
    site.start(site.desired(pools, {"blue": WHOLE}, prefixes=("/api",), pages=pages))
    assert site.ask("/assets/../api/x").body == "blue"
    assert site.ask("/api/../x").body == "pages"
    assert site.ask("/../../x").status in (200, 400)


def test_no_client_can_have_a_post_sent_twice(site: Site, serve: Serve) -> None:
    blue = serve("blue")
    site.start(site.desired({"blue": [blue]}, {"blue": WHOLE}))
    headers = {"x_envoy_retry_on": "5xx,reset", "x_envoy_max_retries": "3"}
    answer = site.ask("/code-503", "POST", b"pay", **headers)
    assert answer.status == 503
    assert blue.asked == [("POST", "/code-503")]


def test_a_request_that_breaks_off_at_the_replica_is_not_sent_again(
    site: Site,
) -> None:
    with _raw(lambda connection: (connection.recv(4096), connection.close())) as raw:
        site.start(site.desired({"blue": [raw.endpoint]}, {"blue": WHOLE}))
        assert site.ask("/", "POST", b"pay").status == 503
        assert raw.connections == 1
        assert site.router.stats()["blue"].errors == 1


def test_a_dead_replica_costs_no_request(site: Site, serve: Serve) -> None:
    pools = {"blue": [nowhere(), serve("blue"), nowhere()]}
    site.start(site.desired(pools, {"blue": WHOLE}))
    for number in range(20):
        answer = site.ask("/", "POST" if number % 2 else "GET", b"x")
        assert (answer.status, answer.body) == (200, "blue")
    assert site.router.stats()["blue"].errors == 0


def test_requests_wait_for_the_only_replica_to_be_started_anew(
    site: Site, serve: Serve
) -> None:
    end = nowhere()
    site.start(site.desired({"blue": [end]}, {"blue": WHOLE}))
    threading.Timer(0.5, lambda: serve("blue", end.port)).start()
    assert site.ask("/", "POST", b"x").body == "blue"


@pytest.mark.proof
def test_a_pool_in_which_nobody_answers_is_counted_as_errors(site: Site) -> None:
    site.start(site.desired({"blue": [nowhere()]}, {"blue": WHOLE}))
    began = time.monotonic()
    assert site.ask().status == 503
    assert 0.3 < time.monotonic() - began < 5
    stats = site.router.stats()["blue"]
    assert (stats.requests, stats.errors) == (1, 1)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_replica_that_hangs_is_given_up_and_counted(
    site: Site, serve: Serve, method: str
) -> None:
    pools = {"blue": [serve("blue")]}
    site.start(site.desired(pools, {"blue": WHOLE}, timeout=0.3))
    began = time.monotonic()
    assert site.ask("/slow-0.8", method).status == 504
    assert 0.25 < time.monotonic() - began < 1
    stats = site.router.stats()["blue"]
    assert (stats.requests, stats.errors) == (1, 1)


@pytest.mark.proof
def test_a_page_that_one_replica_does_not_give_is_had_of_another(
    site: Site, serve: Serve
) -> None:
    with _raw(lambda connection: connection.recv(4096) and time.sleep(1)) as raw:
        pools = {"blue": [raw.endpoint, serve("blue")]}
        site.start(site.desired(pools, {"blue": WHOLE}, timeout=0.5))
        answers = [site.ask("/") for _ in range(6)]
        assert {(each.status, each.body) for each in answers} == {(200, "blue")}


@pytest.mark.proof
def test_a_stream_and_an_upload_may_take_longer_than_a_replica_may_be_silent(
    site: Site, serve: Serve
) -> None:
    pools = {"blue": [serve("blue")]}
    site.start(site.desired(pools, {"blue": WHOLE}, timeout=0.3))
    assert site.ask("/stream-6").body == "x" * 6
    with socket.create_connection((site.listen.host, site.listen.port)) as client:
        client.sendall(b"POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
        for _ in range(5):
            time.sleep(0.12)
            client.sendall(b"x")
        assert client.recv(4096).startswith(b"HTTP/1.1 200")


def test_an_answer_is_passed_on_while_it_comes(two: Site) -> None:
    client = HTTPConnection(two.listen.host, two.listen.port, timeout=5)
    began = time.monotonic()
    client.request("GET", "/stream-5")
    answer = client.getresponse()
    assert answer.read(1) == b"x"
    assert time.monotonic() - began < 0.3
    assert answer.read() == b"xxxx"
    client.close()


def test_a_large_upload_arrives_whole(two: Site) -> None:
    size = 20_000_000
    assert two.ask("/length", "POST", b"x" * size).body == str(size)


def test_connections_of_users_are_kept_open_across_a_switch(two: Site) -> None:
    client = HTTPConnection(two.listen.host, two.listen.port, timeout=5)
    client.request("GET", "/")
    assert client.getresponse().read() == b"blue"
    kept = client.sock
    two.shift(green=WHOLE)
    client.request("GET", "/")
    assert client.getresponse().read() == b"green"
    assert client.sock is kept
    client.close()


def test_websockets_pass_and_may_be_silent(site: Site) -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\n\r\n"
        )
        connection.sendall(connection.recv(100).upper())
        connection.recv(100)

    with _raw(talk) as raw:
        pools = {"blue": [raw.endpoint]}
        site.start(site.desired(pools, {"blue": WHOLE}, timeout=0.2))
        with socket.create_connection((site.listen.host, site.listen.port)) as client:
            client.settimeout(5)
            client.sendall(
                b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
                b"Upgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n"
            )
            assert client.recv(4096).startswith(b"HTTP/1.1 101")
            time.sleep(0.5)
            client.sendall(b"hello")
            assert client.recv(100) == b"HELLO"


def test_http_2_is_understood_without_tls(two: Site) -> None:
    # RFC 9113: preface, SETTINGS, and HEADERS of the static table (RFC 7541, A).
    fields = b"\x82\x86\x84\x41\x01a"  # GET, http, /, :authority a
    headers = len(fields).to_bytes(3, "big") + b"\x01\x05" + b"\x00\x00\x00\x01"
    with socket.create_connection((two.listen.host, two.listen.port)) as client:
        client.settimeout(5)
        client.sendall(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04" + bytes(5)
        )
        client.sendall(headers + fields)
        came = b""
        while b"blue" not in came:
            part = client.recv(4096)
            assert part, came
            came += part
    assert came[3] == 4


def test_an_old_client_that_speaks_http_1_0_is_answered(two: Site) -> None:
    with socket.create_connection((two.listen.host, two.listen.port)) as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        came = b""
        while part := client.recv(4096):
            came += part
    assert came.endswith(b"\r\n\r\nblue")


@pytest.mark.proof
def test_more_requests_at_once_than_envoy_allows_by_default_are_answered(
    site: Site,
) -> None:
    many = 1_100
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        asyncio.run(_flood(site, many))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def _flood(site: Site, many: int) -> None:
    """Have all requests wait in the replica until the last one is there."""
    waiting: list[asyncio.StreamWriter] = []

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        waiting.append(writer)
        if len(waiting) == many:
            for each in waiting:
                each.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async def ask() -> bytes:
        place = (site.listen.host, site.listen.port)
        reader, writer = await asyncio.open_connection(*place)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        line = await reader.readline()
        writer.close()
        return line

    server = await asyncio.start_server(hold, HOST, 0, backlog=many)
    end = Endpoint(HOST, server.sockets[0].getsockname()[1])
    await asyncio.to_thread(site.start, site.desired({"blue": [end]}, {"blue": WHOLE}))
    lines = await asyncio.wait_for(asyncio.gather(*(ask() for _ in range(many))), 30)
    assert set(lines) == {b"HTTP/1.1 200 OK\r\n"}
    server.close()
    for each in waiting:
        each.close()


class _Raw:
    """A server of which each connection is handled by a function."""

    def __init__(self, talk: Callable[[socket.socket], Any]) -> None:
        self.talk = talk
        self.listener = socket.create_server((HOST, 0))
        self.endpoint = Endpoint(HOST, self.listener.getsockname()[1])
        self.connections = 0
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                self.talk(connection)


@contextmanager
def _raw(talk: Callable[[socket.socket], Any]) -> Iterator[_Raw]:
    raw = _Raw(talk)
    try:
        yield raw
    finally:
        raw.listener.shutdown(socket.SHUT_RDWR)
        raw.listener.close()


def _echoed(site: Site, path: str, **headers: str) -> dict[str, str]:
    """Return the headers that came to whoever answers."""
    found: dict[str, str] = json.loads(site.ask(path, **headers).body)
    return found
