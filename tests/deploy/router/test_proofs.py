"""No request is lost: not by a switch, not by a replica that dies."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from sametree.deploy.router.desired import WHOLE, Endpoint

from .conftest import Served, Site, nowhere

pytestmark = pytest.mark.proof

REPLICA = """
import os, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
begun = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
class Replica(ThreadingHTTPServer):
    daemon_threads, request_queue_size = True, 256
class Asked(BaseHTTPRequestHandler):
    protocol_version, wbufsize = "HTTP/1.1", -1
    def do_GET(self):
        os.write(begun, self.path.encode() + b"\\n")
        self.rfile.read(int(self.headers["content-length"] or 0))
        time.sleep(0.002)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    do_POST = do_GET
    def log_message(self, *arguments):
        pass
Replica(("127.0.0.1", int(sys.argv[1])), Asked).serve_forever()
"""


class User(threading.Thread):
    """A user who keeps his connection, posts now and then, and never tries again."""

    def __init__(self, site: Site, number: int, ended: threading.Event) -> None:
        super().__init__(daemon=True)
        self.site, self.number, self.ended = site, number, ended
        self.answered: list[str] = []
        self.lost: list[str] = []

    def run(self) -> None:
        client = HTTPConnection(
            self.site.listen.host, self.site.listen.port, timeout=20
        )
        count = 0
        while not self.ended.is_set():
            count += 1
            path = f"/{self.number}/{count}"
            method = "POST" if count % 4 == 0 else "GET"
            try:
                client.request(method, path, b"x" if method == "POST" else None)
                answer = client.getresponse()
                body = answer.read().decode()
            except (OSError, HTTPException) as error:
                self.lost.append(f"{path} {error!r}")
                client.close()
                continue
            if answer.status == 200:
                self.answered.append(body)
            else:
                self.lost.append(f"{path} {answer.status}")
        client.close()


@contextmanager
def users(site: Site, many: int) -> Iterator[list[User]]:
    ended = threading.Event()
    found = [User(site, number, ended) for number in range(many)]
    for each in found:
        each.start()
    try:
        yield found
    finally:
        ended.set()
        for each in found:
            each.join()


def test_twelve_switches_lose_no_request(
    two: Site, record_testsuite_property: Callable[[str, object], None]
) -> None:
    took = []
    with users(two, 8) as asking:
        for number in range(12):
            time.sleep(0.3)
            pool = ("green", "blue")[number % 2]
            took.append(two.shift(**{"blue": 0, "green": 0, pool: WHOLE}))
            assert two.router.drained(("blue", "green")[number % 2], 5)
    assert [each.lost for each in asking] == [[]] * 8
    answered = Counter(body for each in asking for body in each.answered)
    assert min(answered["blue"], answered["green"]) > 100
    assert max(took) < 1
    record_testsuite_property("switch_ms", [round(1000 * each, 1) for each in took])


def test_pools_that_come_and_go_lose_no_request(
    two: Site, serve: Callable[..., Served]
) -> None:
    with users(two, 8) as asking:
        for number in range(6):
            time.sleep(0.2)
            new, old = (("green", "blue"), ("blue", "green"))[number % 2]
            told = two.router.desired()
            assert told
            pools = {**told.pools, new: (serve(f"{new}{number}").endpoint,)}
            two.change(pools=pools, weights={old: WHOLE})
            two.change(pools=pools, weights={new: WHOLE})
            assert two.router.drained(old, 5)
            two.change(pools={new: pools[new]}, weights={new: WHOLE})
    assert [each.lost for each in asking] == [[]] * 8


def test_400_users_keep_their_colour_while_shares_rise(two: Site) -> None:
    """Who has a colour keeps it as long as it has a share; at the end all have the new
    one, and nobody has ever gone back."""
    two.change(sticky=True)
    cookies = dict.fromkeys(range(400), "")
    colours: dict[int, list[str]] = {user: [] for user in cookies}
    for share in (1, 10, 50, 100):
        two.shift(blue=WHOLE - 100 * share, green=100 * share)
        for _ in range(2):
            for user, cookie in cookies.items():
                answer = two.ask(**({"cookie": cookie} if cookie else {}))
                colours[user].append(answer.body)
                cookies[user] = answer.cookie or cookie
    assert [seen for seen in colours.values() if len(set(seen[:6])) > 1] == []
    assert {tuple(seen[6:]) for seen in colours.values()} == {("green", "green")}


@pytest.mark.parametrize("turn", range(3))
def test_a_replica_that_is_killed_costs_only_what_it_had_at_work(
    site: Site, tmp_path: Path, turn: int
) -> None:
    ends = nowhere(), nowhere()
    begun = [tmp_path / str(end.port) for end in ends]
    replicas = [_replica(end, log) for end, log in zip(ends, begun, strict=True)]
    try:
        site.start(site.desired({"blue": list(ends)}, {"blue": WHOLE}))
        with users(site, 8) as asking:
            time.sleep(1)
            replicas[0].kill()
            time.sleep(1)
        lost = [each for user in asking for each in user.lost]
        # One in four of a user's requests is a POST, which is not sent twice.
        gets = [each for each in lost if int(each.split()[0].rpartition("/")[2]) % 4]
        assert gets == []
        assert len(lost) <= len(asking)
        assert len(begun[1].read_text().split()) > 100
    finally:
        for each in replicas:
            each.kill()
            each.wait()


def _replica(end: Endpoint, log: Path) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-c", REPLICA, str(end.port)]
    return subprocess.Popen([*argv, str(log)])
