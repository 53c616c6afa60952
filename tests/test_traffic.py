"""Do the load clients count each request, and lose none by their own fault?"""

import json
import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import traffic


class Shop(BaseHTTPRequestHandler):
    """Keeps what is posted, and answers in all ways in which HTTP/1.1 may."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    kept: list[str] = []

    def do_GET(self) -> None:
        if self.path == "/chunked":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"3\r\nabc\r\n10;note=1\r\n0123456789abcdef\r\n")
            self.wfile.write(b"0\r\nTrailer: yes\r\n\r\n")
        elif self.path == "/until-the-end":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"all of it")
            self.close_connection = True
        elif self.path == "/close":
            self.answer(200, b"bye", {"Connection": "close"})
            self.close_connection = True
        elif self.path == "/empty":
            self.send_response(204)
            self.end_headers()
        elif self.path == "/interim":
            self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
            self.answer(200, b"x" * 200_000)
        elif self.path == "/slow":
            time.sleep(0.5)
            self.answer(200, b"at last")
        else:
            self.answer(int(self.path.strip("/") or 200), b"said")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        told = json.loads(body)
        self.kept.append(told["email"])
        number = len(self.kept)
        self.answer(201, json.dumps({"id": f"{number}.{told['email']}"}).encode())

    def answer(self, status: int, body: bytes, headers: dict[str, str] = {}) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def shop() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Shop) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@contextmanager
def answering(behave: Callable[[socket.socket, int], None]) -> Iterator[str]:
    """A server that does to each connection, by its number, what ``behave`` says."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.02)
        stopping = threading.Event()

        def serve() -> None:
            number = 0
            while not stopping.is_set():
                try:
                    found, _ = listener.accept()
                except TimeoutError:
                    continue
                found.settimeout(5)
                with found:
                    try:
                        behave(found, number)
                    except OSError:
                        pass  # the client is gone
                number += 1

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        stopping.set()
        thread.join()


GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def test_every_kind_of_answer_is_read_to_its_end(shop):
    paths = ["/chunked", "/until-the-end", "/close", "/empty", "/interim", "/", "/301"]
    with traffic.running(shop, clients=2, paths=paths) as load:
        load.wait(70)
    told = load.result()
    assert told.failures == ()
    assert set(told.statuses) == {"200", "204", "301"}
    assert {each.path for each in told.requests} == set(paths)
    # An end that was announced, and one that marks the end of a body, lose nothing.
    assert told.reopened > 10
    assert told.connections <= told.reopened + 2


def test_a_connection_is_used_again_and_again(shop):
    with traffic.running(shop, clients=3) as load:
        load.wait(60)
    told = load.result()
    assert told.connections == 3
    assert told.reopened == 0
    assert told.total >= 60


def test_each_post_has_a_body_of_its_own_and_what_was_acknowledged_is_there(shop):
    Shop.kept.clear()
    with traffic.running(
        shop, clients=4, paths=["/"], posts=[traffic.PARTICIPANT], share=0.5
    ) as load:
        load.wait(100)
    told = load.result()
    posts = [each for each in told.requests if each.method == "POST"]
    assert abs(len(posts) - told.total / 2) <= 4
    assert len(posts) == len(told.acknowledged) == len(Shop.kept) == len(set(Shop.kept))
    assert {name.partition(".")[2] for name in told.acknowledged} == set(Shop.kept)
    assert told.unknown == ()


def test_a_status_from_400_on_is_a_failure_and_told_with_its_body(shop):
    with traffic.running(shop, clients=1, paths=["/", "/500", "/404"]) as load:
        load.wait(9)
    told = load.result()
    assert {(each.status, each.what) for each in told.failures} == {
        (500, "said"),
        (404, "said"),
    }
    assert load.failed == len(told.failures) >= 4
    assert "GET /500: 500 said" in str(told)


def test_requests_can_bear_a_header():
    seen = []

    def behave(found, number):
        seen.append(found.recv(4096))
        found.sendall(GOOD)

    with answering(behave) as url:
        headers = {"x-sametree-preview": "green"}
        with traffic.running(url, clients=1, headers=headers, rate=20) as load:
            load.wait(1)
    assert b"\r\nx-sametree-preview: green\r\n" in seen[0]


def test_a_connection_that_ends_instead_of_an_answer_is_a_lost_request():
    def behave(found, number):
        found.recv(4096)
        found.sendall(GOOD)
        if number == 0:
            found.recv(4096)  # the second request gets nothing

    with answering(behave) as url:
        with traffic.running(url, clients=1, rate=50) as load:
            load.wait(4)
    told = load.result()
    lost = [each.what for each in told.failures]
    assert lost == ["cut off: the connection ended without an answer"]
    assert told.statuses["cut off"] == 1


def test_a_connection_that_ended_before_the_request_loses_nothing():
    def behave(found, number):
        found.recv(4096)
        found.sendall(GOOD)  # and it is closed while nobody uses it

    with answering(behave) as url:
        with traffic.running(url, clients=1, rate=20) as load:
            load.wait(4)
    told = load.result()
    assert told.failures == ()
    assert told.reopened >= 3


@pytest.mark.parametrize(
    ("said", "what"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "ended within a body"),
        (b"HTTP/1.1 200 OK\r\nContent-", "ended within an answer"),
        (b"220 mail.example ready\r\n\r\n", "malformed"),
    ],
)
def test_half_an_answer_is_no_answer(said, what):
    def behave(found, number):
        found.recv(4096)
        found.sendall(said)

    with answering(behave) as url:
        posts = [traffic.Post("/", "{unique}")]
        with traffic.running(url, clients=1, paths=[], posts=posts) as load:
            load.wait(2)
    told = load.result()
    assert all(each.failed and what in each.what for each in told.requests)
    # Whether such a POST was done, nobody knows.
    assert len(told.unknown) == told.total
    assert told.acknowledged == ()


def test_who_waits_too_long_has_failed(shop):
    with traffic.running(shop, clients=1, paths=["/slow"], timeout=0.1) as load:
        load.wait(1)
    assert load.result().failures[0].what.startswith("timeout")


def test_nobody_there_is_counted_and_does_not_stop_the_clients():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with traffic.running(f"http://127.0.0.1:{port}", clients=1) as load:
        load.wait(3)
    told = load.result()
    assert len(told.failures) == told.total
    assert set(told.statuses) == {"ConnectionRefusedError"}


def test_a_rate_is_kept_by_all_clients_together(shop):
    with traffic.running(shop, clients=4, rate=100) as load:
        time.sleep(1.0)
    assert 50 <= load.result().rate() <= 130


def test_latency_is_told_for_a_window_of_time(shop):
    with traffic.running(shop, clients=1, paths=["/"]) as load:
        load.wait(5)
        border = time.monotonic()
    with traffic.running(shop, clients=1, paths=["/slow"]) as slow:
        slow.wait(1)
    told = load.result()
    assert told.quantile(0.5, until=border) > 0.0
    assert told.quantile(0.5, since=border + 60) == 0.0
    assert slow.result().quantile(0.99) >= 500


def test_quantiles_are_those_of_the_nearest_rank():
    requests = tuple(
        traffic.Request(at=n, seconds=n / 1000, method="GET", path="/", status=200)
        for n in range(1, 101)
    )
    told = traffic.Result(requests, (), (), 1, 0)
    assert told.quantile(0.5) == 50
    assert told.quantile(0.99) == pytest.approx(99)
    assert told.quantile(1.0) == 100
    assert told.quantile(0.5, since=91, until=101) == pytest.approx(95)


def test_waiting_for_clients_that_get_nowhere_ends():
    def behave(found, number):
        time.sleep(0.3)

    with answering(behave) as url, traffic.running(url, clients=1, rate=1) as load:
        with pytest.raises(TimeoutError, match="of 9 requests ended"):
            load.wait(9, patience=0.1)


def test_the_clients_end_with_the_one_who_started_them(shop):
    program = f"""
        import sys, os, signal
        sys.path.insert(0, {os.path.dirname(traffic.__file__)!r})
        import traffic
        with traffic.running({shop!r}, clients=1) as load:
            load.wait(1)
            print(load._process.pid, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
    """
    argv = [sys.executable, "-c", textwrap.dedent(program)]
    pid = int(subprocess.run(argv, capture_output=True, text=True, timeout=20).stdout)
    until = time.monotonic() + 5
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        if "Z" in _state(pid):  # ended; nobody here collects it
            return
        time.sleep(0.02)
    pytest.fail("the clients go on")


def _state(pid: int) -> str:
    ps = ["ps", "-o", "stat=", "-p", str(pid)]
    return subprocess.run(ps, capture_output=True, text=True).stdout
