"""What does a colour answer through the router, asked several times a second?

Each colour is asked by the preview header, whatever its share of the traffic is, from
threads of our own: a page that hangs holds up nobody but its own thread.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self
from urllib.parse import quote

from msgspec import Struct, structs

from sametree import masking

TIMEOUT = 2.0
"""Seconds for an answer, with its last byte."""
EVERY = 0.1
"""Seconds from one question to a colour's thread to the next."""
THREADS = 4
"""At most, of a colour; its paths are dealt out among them."""
SHOWN, KEPT = 200, 4096
"""How much of a failed answer is told, and how much of it is kept until secrets in it
are hidden: the end may cut one in two."""
MOST = 8 << 20
"""Bytes of an answer that are read; a longer one costs its connection."""
REMEMBERED = 10_000
"""Answers of a path whose latency is remembered."""
SAFE = "/%:@!$&'()*+,;=~?"
"""What a path may hold as it is (RFC 3986)."""
STALE = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)
"""What comes of a connection that the server closed while nobody used it."""


class Failure(Struct, frozen=True):
    """Why a probe failed: ``status`` is 0 where there was no answer."""

    status: int
    what: str

    def __str__(self) -> str:
        return f"answers {self.status}: {self.what}" if self.status else self.what


class Asked(Struct, frozen=True, kw_only=True):
    """What became of the probes of a path: how many were ``answered``, with whatever
    status, how many ``errors`` of these are 5xx, and how long each took in ms; and how
    many ``failed``, answered or not.

    ``in_a_row`` probes have failed since the last good one, the first of them begun at
    ``failed_since``, and ``failure`` is the last; ``succeeded`` is when the last good
    one was begun (seconds of the monotonic clock). ``unreachable`` says why the router
    could not be asked just now, which is no fault of the colour. ``counted`` are paths
    that the pool itself answers, so that the router's counts hold them as well; pages
    come from a handler of their own.
    """

    path: str
    counted: bool = True
    answered: int = 0
    errors: int = 0
    failed: int = 0
    millis: tuple[float, ...] = ()
    in_a_row: int = 0
    failure: Failure | None = None
    failed_since: float = 0.0
    succeeded: float = 0.0
    unreachable: str = ""

    @property
    def comparable(self) -> bool:
        """Whether another colour's failure of this path may have the same cause; this
        one may just not know the path (4xx)."""
        return self.failure is None or not 400 <= self.failure.status < 500

    def since(self, earlier: Asked) -> Asked:
        """Return what was counted since ``earlier``."""
        answered = self.answered - earlier.answered
        failed = self.failed - earlier.failed
        return structs.replace(
            self,
            answered=answered,
            errors=self.errors - earlier.errors,
            failed=failed,
            in_a_row=min(self.in_a_row, failed),
            millis=self.millis[-answered:] if answered else (),
        )

    def _good(self, began: float) -> Asked:
        return structs.replace(
            self, in_a_row=0, failure=None, succeeded=began, unreachable=""
        )

    def _failed(self, began: float, failure: Failure) -> Asked:
        since = self.failed_since if self.in_a_row else began
        return structs.replace(
            self,
            failed=self.failed + 1,
            in_a_row=self.in_a_row + 1,
            failure=failure,
            failed_since=since,
            unreachable="",
        )

    def _answered(self, error: bool, millis: float) -> Asked:
        return structs.replace(
            self,
            answered=self.answered + 1,
            errors=self.errors + error,
            millis=(*self.millis, millis)[-REMEMBERED:],
        )


class Probes:
    """Asks ``colours`` for ``paths`` at ``address`` (host, port) while it is entered.

    ``header`` is the name of the header by which the router sends a request to the
    colour that it names, ``prefixes`` the paths below which a pool answers itself.
    """

    def __init__(
        self,
        address: tuple[str, int],
        header: str,
        colours: Sequence[str],
        paths: Sequence[str],
        prefixes: Sequence[str] = ("/",),
        every: float = EVERY,
        timeout: float = TIMEOUT,
    ) -> None:
        self._address = address
        self._header = header
        self._every = every
        self._timeout = timeout
        self._stopping = threading.Event()
        self._turn = threading.Lock()
        self._known = {
            colour: {
                path: Asked(path=path, counted=_below(path, prefixes)) for path in paths
            }
            for colour in colours
        }
        self._threads: list[threading.Thread] = []

    def read(self) -> Mapping[str, tuple[Asked, ...]]:
        """Return what is known by now, by colour."""
        with self._turn:
            return {
                colour: tuple(asked.values()) for colour, asked in self._known.items()
            }

    def __enter__(self) -> Self:
        for colour, asked in self._known.items():
            paths = list(asked)
            for number in range(min(THREADS, len(paths))):
                thread = threading.Thread(
                    target=self._ask,
                    args=(colour, paths[number::THREADS]),
                    name=f"sametree probes {colour} {number}",
                    daemon=True,  # it may wait for an answer when we have to end
                )
                self._threads.append(thread)
                thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        until = time.monotonic() + 2 * self._timeout
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _ask(self, colour: str, paths: Sequence[str]) -> None:
        host, port = self._address
        connection = http.client.HTTPConnection(host, port, timeout=self._timeout)
        headers = {self._header: colour, "User-Agent": "sametree-probe"}
        number = 0
        while not self._stopping.is_set():
            path = paths[number % len(paths)]
            number += 1
            began = time.monotonic()
            try:
                change = _probe(connection, path, headers, began + self._timeout)
            except Exception as error:  # a silent end of this thread would look good
                connection.close()
                change = _unreachable(f"{path}: {_plain(error)}")
            with self._turn:
                self._known[colour][path] = change(self._known[colour][path], began)
            self._stopping.wait(max(0.0, began + self._every - time.monotonic()))
        connection.close()


def ask(
    address: tuple[str, int],
    header: str,
    colour: str,
    paths: Sequence[str],
    *,
    times: int = 1,
    at_once: int = 1,
    timeout: float = TIMEOUT,
) -> Mapping[str, Asked]:
    """Ask ``colour`` for each path ``times`` times on each of ``at_once`` connections;
    return what became of them, by path."""
    known = {path: Asked(path=path) for path in paths}
    turn = threading.Lock()

    def one(_: int) -> None:
        host, port = address
        connection = http.client.HTTPConnection(host, port, timeout=timeout)
        headers = {header: colour, "User-Agent": "sametree-probe"}
        try:
            for path in (*paths,) * times:
                began = time.monotonic()
                try:
                    change = _probe(connection, path, headers, began + timeout)
                except Exception as error:  # what the colour says may be anything
                    connection.close()
                    change = _unreachable(f"{path}: {_plain(error)}")
                with turn:
                    known[path] = change(known[path], began)
        finally:
            connection.close()

    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(one, range(at_once)))
    return known


def _below(path: str, prefixes: Sequence[str]) -> bool:
    """
    >>> _below("/api", ["/api"]), _below("/apiary", ["/api"]), _below("/x", ["/"])
    (True, False, True)
    """
    return any(f"{path}/".startswith(f"{each.rstrip('/')}/") for each in prefixes)


Change = Callable[[Asked, float], Asked]


def _probe(
    connection: http.client.HTTPConnection,
    path: str,
    headers: Mapping[str, str],
    until: float,
) -> Change:
    """Ask once; return what that makes of what was known."""
    reused = connection.sock is not None
    if not reused:
        try:
            connection.timeout = max(0.01, until - time.monotonic())
            connection.connect()
        except OSError as error:
            connection.close()
            said = f"{connection.host}:{connection.port}: {_plain(error)}"
            return _unreachable(said)
    began = time.monotonic()
    try:
        status, body = _exchange(connection, path, headers, until)
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        if reused and isinstance(error, STALE):
            return _probe(connection, path, headers, until)
        return _failed(_cut_off(error))
    millis = 1000 * (time.monotonic() - began)

    def answered(known: Asked, at: float) -> Asked:
        known = known._answered(status >= 500, millis)
        if status < 400:
            return known._good(at)
        return known._failed(at, Failure(status, one_line(body)))

    return answered


def _failed(what: str) -> Change:
    return lambda known, at: known._failed(at, Failure(0, what))


def _unreachable(what: str) -> Change:
    return lambda known, _: structs.replace(known, unreachable=what)


def _cut_off(error: Exception) -> str:
    """
    >>> _cut_off(TimeoutError())
    'gives no whole answer in time'
    """
    if isinstance(error, TimeoutError):
        return "gives no whole answer in time"
    return f"ends without a whole answer ({_plain(error)})"


def _exchange(
    connection: http.client.HTTPConnection,
    path: str,
    headers: Mapping[str, str],
    until: float,
) -> tuple[int, bytes]:
    """Return status and first bytes of the answer; all of it is read, so that the
    connection can be used again. Raises TimeoutError after ``until``."""

    def patience() -> float:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    connection.sock.settimeout(patience())
    connection.request("GET", quote(path, safe=SAFE), headers=dict(headers))
    # An answer that ends the connection takes its socket away from it.
    sock = connection.sock
    with connection.getresponse() as response:
        body, size = b"", 0
        while size < MOST:
            sock.settimeout(patience())
            piece = response.read1(1 << 16)
            if not piece:
                if response.length:  # of the body this many bytes did not come
                    raise http.client.IncompleteRead(body, response.length)
                return response.status, body
            body, size = (body + piece)[:KEPT], size + len(piece)
        connection.close()
        return response.status, body


def one_line(text: bytes) -> str:
    """Return the beginning of an answer as one line without secrets, which does nothing
    to a terminal.

    >>> one_line(b"<h1>Oh\\x1b[2J no</h1>\\n\\n  Sorry")
    '<h1>Oh [2J no</h1> Sorry'
    """
    told = masking.hide(text.decode("utf-8", "replace"))
    plain = "".join(c if c.isprintable() else " " for c in told)
    return " ".join(plain.split())[:SHOWN] or "(nothing)"


def _plain(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
