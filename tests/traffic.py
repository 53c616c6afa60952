"""Users that ask a server all the time and never ask twice: who is lost by a switch?

    with traffic.running(url, clients=8, paths=["/"], posts=[traffic.PARTICIPANT]) as load:
        load.wait(500)
        ...
    told = load.result()
    assert told.failures == ()
    assert rows == len(told.acknowledged)

The clients are threads of a process of their own, with keep-alive connections, HTTP/1.1
by hand and the standard library only, so that they hold up neither the test nor one
another. This file is also that process's program.
"""

from __future__ import annotations

import bisect
import json
import random
import select
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

TIMEOUT = 10.0
"""Seconds for an answer, as a user has patience; then the request has failed."""
TELLS = 0.05
"""Seconds between two words of how far the clients are."""
UNIQUE = "{unique}"
"""In a body, it becomes a text that no other body has."""
ACK = frozenset({200, 201, 202, 204})


@dataclass(frozen=True)
class Post:
    """A POST of ``body`` to ``path``; ``{unique}`` in either is different each time."""

    path: str
    body: object
    headers: Mapping[str, str] = field(
        default_factory=lambda: {"Content-Type": "application/json"}
    )


PARTICIPANT = Post(
    "/api/participants",
    {"name": "User {unique}", "email": "{unique}@users.example"},
)
"""What makes a participant of maria."""


def message(conversation: int, author: int) -> Post:
    """Return what says something in a conversation of maria."""
    path = f"/api/conversations/{conversation}/messages"
    return Post(path, {"author": author, "body": "Said by {unique}"})


@dataclass(frozen=True)
class Request:
    """A request that ended: when it began (``time.monotonic()``, the same in all
    processes), how many seconds it took, and its status (0: no whole answer)."""

    at: float
    seconds: float
    method: str
    path: str
    status: int
    what: str = ""  # the class of error, or the beginning of an answer that says no

    @property
    def failed(self) -> bool:
        """Whether a user would have seen an error."""
        return not 200 <= self.status < 400


@dataclass(frozen=True)
class Result:
    """All that the clients saw. ``acknowledged`` are what POSTs were answered with: the
    ``id`` in the answer (or its Location), else the text that made the body unique.
    ``reopened`` counts connections that the server had closed, and said so, between
    two requests: nothing is lost by that."""

    requests: tuple[Request, ...]
    acknowledged: tuple[str, ...]
    unknown: tuple[str, ...]  # POSTs without an answer: done or not, nobody knows
    connections: int
    reopened: int

    @property
    def total(self) -> int:
        """How many requests there were."""
        return len(self.requests)

    @property
    def failures(self) -> tuple[Request, ...]:
        """Those that failed, in the order in which they began."""
        return tuple(each for each in self.requests if each.failed)

    @property
    def statuses(self) -> Mapping[str, int]:
        """How many ended how: by status, or class of error."""
        return Counter(
            f"{each.status}" if each.status else each.what.partition(":")[0]
            for each in self.requests
        )

    def between(self, since: float, until: float) -> Result:
        """Return what was begun between two times of ``time.monotonic()``; only the
        requests, the rest as it is."""
        times = [each.at for each in self.requests]
        first, last = bisect.bisect_left(times, since), bisect.bisect_left(times, until)
        told = self.requests[first:last]
        return Result(
            told, self.acknowledged, self.unknown, self.connections, self.reopened
        )

    def quantile(
        self, share: float, since: float = 0.0, until: float = float("inf")
    ) -> float:
        """Return the latency in ms that ``share`` of the requests begun between two
        times did not exceed (nearest rank); 0 of none."""
        found = sorted(r.seconds for r in self.between(since, until).requests)
        if not found:
            return 0.0
        return 1000 * found[min(len(found) - 1, max(0, -int(-share * len(found)) - 1))]

    def rate(self) -> float:
        """Return how many requests ended a second."""
        if len(self.requests) < 2:
            return 0.0
        first, last = self.requests[0], self.requests[-1]
        return len(self.requests) / max(1e-9, last.at + last.seconds - first.at)

    def __str__(self) -> str:
        shown = [f"{self.total} requests, {len(self.failures)} failed"]
        shown += [
            f"  at {each.at - self.requests[0].at:.3f} s after {each.seconds:.3f} s:"
            f" {each.method} {each.path}: {each.status or ''} {each.what}"
            for each in self.failures[:20]
        ]
        return "\n".join(shown)


class Load:
    """Clients at work."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._turn = threading.Condition()
        self._done = self._failed = 0
        self._told: dict[str, object] | None = None
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    @property
    def done(self) -> int:
        """How many requests have ended, as was told some ms ago."""
        return self._done

    @property
    def failed(self) -> int:
        """How many of them failed."""
        return self._failed

    def wait(self, more: int, patience: float = 30.0) -> None:
        """Wait until ``more`` requests have ended from now on. Raises TimeoutError."""
        wanted = self._done + more
        with self._turn:
            if not self._turn.wait_for(lambda: self._done >= wanted, patience):
                raise TimeoutError(f"{self._done} of {wanted} requests ended")

    def stop(self) -> None:
        """Let each client end its request, and send no more."""
        if self._process.stdin and not self._process.stdin.closed:
            self._process.stdin.close()
        self._thread.join(TIMEOUT + 5)
        if self._process.poll() is None:
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    def result(self) -> Result:
        """Stop, and return all that was seen."""
        self.stop()
        assert self._told is not None, f"the clients died: {self._process.returncode}"
        told = self._told
        requests = sorted(
            (Request(*each) for each in told["requests"]),  # type: ignore[attr-defined]
            key=lambda each: each.at,
        )
        return Result(
            requests=tuple(requests),
            acknowledged=tuple(told["acknowledged"]),  # type: ignore[arg-type]
            unknown=tuple(told["unknown"]),  # type: ignore[arg-type]
            connections=int(told["connections"]),  # type: ignore[call-overload]
            reopened=int(told["reopened"]),  # type: ignore[call-overload]
        )

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            with self._turn:
                self._done, self._failed = told["done"], told["failed"]
                if "requests" in told:
                    self._told = told
                self._turn.notify_all()


@contextmanager
def running(
    url: str,
    *,
    clients: int = 8,
    paths: Sequence[str] = ("/",),
    posts: Sequence[Post] = (),
    share: float = 0.25,
    rate: float | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = TIMEOUT,
) -> Iterator[Load]:
    """Have ``clients`` ask for ``paths`` and send ``posts``, in turn, until the block is
    left; ``share`` of the requests are POSTs, where there are any.

    With ``rate``, all together begin so many requests a second, as users do; without,
    each asks again as soon as it has its answer. Whether they began is not waited for.
    """
    told = {
        "url": url,
        "clients": clients,
        "paths": list(paths),
        "posts": [asdict(each) for each in posts],
        "share": share if posts and paths else float(bool(posts)),
        "rate": rate,
        "headers": dict(headers or {}),
        "timeout": timeout,
    }
    process = subprocess.Popen(
        [sys.executable, "-I", str(Path(__file__)), json.dumps(told)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    load = Load(process)
    try:
        yield load
    finally:
        load.stop()


# From here on, what runs in the process of the clients.


class Lost(Exception):
    """A request got no whole answer."""


class Connection:
    """A keep-alive connection, as a browser has it.

    One that the server has closed, or said that it will, is opened anew before the
    next request. A request that was sent is never sent again.
    """

    def __init__(self, host: str, port: int, timeout: float) -> None:
        self._address = (host, port)
        self._timeout = timeout
        self._sock: socket.socket | None = None
        self._rest = b""
        self.opened = self.reopened = 0

    def exchange(self, request: bytes) -> tuple[int, dict[bytes, bytes], bytes]:
        """Send a request; return status, headers and body. Raises Lost."""
        until = time.monotonic() + self._timeout
        try:
            sock = self._open()
            sock.settimeout(self._timeout)
            sock.sendall(request)
            status, headers, body, ends = self._answer(sock, until)
        except Lost:
            self.close()
            raise
        except TimeoutError:
            self.close()
            raise Lost("timeout: no whole answer") from None
        except OSError as error:
            self.close()
            raise Lost(f"{type(error).__name__}: {error.strerror}") from None
        except ValueError as error:
            self.close()
            raise Lost(f"malformed: {error}") from None
        if ends:
            self.close()
            self.reopened += 1
        return status, headers, body

    def close(self) -> None:
        """Close it, if it is open."""
        if self._sock is not None:
            self._sock.close()
        self._sock, self._rest = None, b""

    def _open(self) -> socket.socket:
        if self._sock is not None and select.select([self._sock], [], [], 0)[0]:
            # An end, or what nobody asked for, that came before we ask: no request is
            # lost by that, and no browser would send one here.
            self.close()
            self.reopened += 1
        if self._sock is None:
            self._sock = socket.create_connection(self._address, self._timeout)
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.opened += 1
        return self._sock

    def _answer(
        self, sock: socket.socket, until: float
    ) -> tuple[int, dict[bytes, bytes], bytes, bool]:
        """Return status, headers, body, and whether the connection ends with it."""
        status = 100
        while 100 <= status < 200:  # RFC 9110, 15.2: any number of interim answers
            head = self._until(sock, b"\r\n\r\n", until)
            first, *lines = head.split(b"\r\n")
            version, code, *_ = first.split(b" ", 2)
            status = int(code)
            pairs = (line.partition(b":")[::2] for line in lines)
            headers = {name.lower(): value.strip() for name, value in pairs}
        said = headers.get(b"connection", b"").lower()
        ends = b"close" in said or version == b"HTTP/1.0" and b"keep" not in said
        if status in (204, 304):
            body = b""
        elif b"chunked" in headers.get(b"transfer-encoding", b"").lower():
            body = self._chunks(sock, until)
        elif b"content-length" in headers:
            body = self._exactly(sock, int(headers[b"content-length"]), until)
        else:
            body, ends = self._all(sock, until), True
        return status, headers, body, ends

    def _more(self, sock: socket.socket, until: float, what: str) -> bytes:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        sock.settimeout(left)
        piece = sock.recv(1 << 16)
        if not piece:
            raise Lost(f"cut off: the connection ended {what}")
        return piece

    def _until(self, sock: socket.socket, mark: bytes, until: float) -> bytes:
        while mark not in self._rest:
            what = "within an answer" if self._rest else "without an answer"
            self._rest += self._more(sock, until, what)
        found, _, self._rest = self._rest.partition(mark)
        return found

    def _exactly(self, sock: socket.socket, size: int, until: float) -> bytes:
        pieces, have = [self._rest], len(self._rest)
        while have < size:
            pieces.append(self._more(sock, until, "within a body"))
            have += len(pieces[-1])
        found = b"".join(pieces)
        self._rest = found[size:]
        return found[:size]

    def _chunks(self, sock: socket.socket, until: float) -> bytes:
        pieces = []
        while size := int(self._until(sock, b"\r\n", until).partition(b";")[0], 16):
            pieces.append(self._exactly(sock, size, until))
            self._exactly(sock, 2, until)
        while self._until(sock, b"\r\n", until):  # trailers
            pass
        return b"".join(pieces)

    def _all(self, sock: socket.socket, until: float) -> bytes:
        pieces = [self._rest]
        self._rest = b""
        try:
            while True:
                pieces.append(self._more(sock, until, ""))
        except Lost:
            return b"".join(pieces)


class Client:
    """One user: asks, waits for the answer, asks the next."""

    def __init__(self, number: int, told: dict[str, object], begins: float) -> None:
        parts = urlsplit(str(told["url"]))
        self._number = number
        self._told = told
        host, port = parts.hostname or "127.0.0.1", parts.port or 80
        self.connection = Connection(host, port, float(told["timeout"]))  # type: ignore
        self._host = parts.netloc.rpartition("@")[2]
        clients, rate = told["clients"], told["rate"]
        self._period = clients / rate if rate else 0.0  # type: ignore[operator]
        # Not all in the same instant.
        self._next = begins + self._period * number / clients  # type: ignore[operator]
        self._run = f"{random.SystemRandom().randrange(1 << 48):x}"
        self.requests: list[tuple[float, float, str, str, int, str]] = []
        self.acknowledged: list[str] = []
        self.unknown: list[str] = []
        self.failed = 0

    def work(self, stopping: threading.Event) -> None:
        """Ask until it is time to stop."""
        told = self._told
        paths: list[str] = told["paths"]  # type: ignore[assignment]
        posts: list[dict[str, object]] = told["posts"]  # type: ignore[assignment]
        share = float(told["share"])  # type: ignore[arg-type]
        gets = sent = 0
        due = share * self._number % 1
        while not stopping.is_set():
            if self._period:
                if stopping.wait(max(0.0, self._next - time.monotonic())):
                    return
                # Who was kept waiting does not make up for it by a burst.
                self._next = max(self._next, time.monotonic() - self._period)
                self._next += self._period
            due += share
            if due >= 1:
                due -= 1
                post = posts[(sent + self._number) % len(posts)]
                sent += 1
                self._post(post, f"u{self._run}x{sent}")
            else:
                self._get(paths[(gets + self._number) % len(paths)])
                gets += 1
        self.connection.close()

    def _get(self, path: str) -> None:
        self._ask("GET", path, self._headers({}), b"")

    def _post(self, post: dict[str, object], unique: str) -> None:
        path = str(post["path"]).replace(UNIQUE, unique)
        body = post["body"]
        text = body if isinstance(body, str) else json.dumps(body)
        headers = self._headers(post["headers"])  # type: ignore[arg-type]
        answer = self._ask("POST", path, headers, text.replace(UNIQUE, unique).encode())
        if answer is None:
            self.unknown.append(unique)
            return
        status, said, got = answer
        if status in ACK:
            self.acknowledged.append(_id(said, got) or unique)

    def _headers(self, own: Mapping[str, str]) -> Mapping[str, str]:
        return {**self._told["headers"], **own}  # type: ignore[dict-item]

    def _ask(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[bytes, bytes], bytes] | None:
        head = [f"{method} {path} HTTP/1.1", f"Host: {self._host}"]
        head += [f"{name}: {value}" for name, value in headers.items()]
        if method == "POST":
            head.append(f"Content-Length: {len(body)}")
        raw = "\r\n".join((*head, "", "")).encode() + body
        began = time.monotonic()
        try:
            answer = self.connection.exchange(raw)
        except Lost as error:
            took = time.monotonic() - began
            self.requests.append((began, took, method, path, 0, str(error)))
            self.failed += 1
            time.sleep(0.001)  # a port that refuses would be asked without a pause
            return None
        took = time.monotonic() - began
        status = answer[0]
        good = 200 <= status < 400
        what = "" if good else answer[2][:200].decode("utf-8", "replace")
        self.requests.append((began, took, method, path, status, what))
        self.failed += not good
        return answer


def _id(headers: Mapping[bytes, bytes], body: bytes) -> str:
    """Return what the server calls the thing that it made; empty where it is silent."""
    try:
        found = json.loads(body)["id"]
    except (ValueError, TypeError, KeyError):
        found = headers.get(b"location", b"").decode().rpartition("/")[2]
    return str(found)


def main(told: dict[str, object]) -> None:
    """Run the clients until standard input ends, then tell all."""
    stopping = threading.Event()
    begins = time.monotonic()
    clients = [Client(n, told, begins) for n in range(int(told["clients"]))]  # type: ignore
    threads = [
        threading.Thread(target=each.work, args=(stopping,), daemon=True)
        for each in clients
    ]
    sys.setswitchinterval(0.001)
    for thread in threads:
        thread.start()

    def counts() -> dict[str, object]:
        return {
            "done": sum(len(each.requests) for each in clients),
            "failed": sum(each.failed for each in clients),
        }

    while not select.select([sys.stdin], [], [], TELLS)[0]:
        print(json.dumps(counts()), flush=True)
    stopping.set()
    for thread in threads:
        thread.join()
    whole = {
        **counts(),
        "requests": [request for each in clients for request in each.requests],
        "acknowledged": [name for each in clients for name in each.acknowledged],
        "unknown": [name for each in clients for name in each.unknown],
        "connections": sum(each.connection.opened for each in clients),
        "reopened": sum(each.connection.reopened for each in clients),
    }
    print(json.dumps(whole), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
