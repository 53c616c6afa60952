"""A real package index on loopback (pypiserver), and a door before it that has faults.

``python indexes.py FOLDER TOKEN FALLBACK ALGORITHM ACTIONS`` serves FOLDER; it prints its port.
"""

from __future__ import annotations

import http.client
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HOST = "127.0.0.1"
TOKEN = "index-token-0123456789"


@dataclass
class Faults:
    """What goes wrong at the door: each list is used up from its front.

    ``answers`` are statuses that POSTs get instead of the index's answer (0: what the
    index says); ``cut`` says at which of them the connection is cut: "before" the index
    has it, "after", or "" not at all. ``hidden`` is how many more times a page is shown
    as if nothing was uploaded. ``delay`` is in seconds, for every request. ``pages`` are
    bodies by path, with their media type, in place of the index's (``short``: cut in
    the middle); ``gets`` statuses of
    pages. ``words`` are what a refusal says.
    """

    answers: list[int] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    gets: list[int] = field(default_factory=list)
    short: bool = False
    pages: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    hidden: int = 0
    delay: float = 0.0
    words: str = "out of order"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Index:
    """A served index: ``address`` takes files, ``simple`` lists them."""

    address: str
    folder: Path
    faults: Faults
    posts: list[bytes] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)

    @property
    def simple(self) -> str:
        """Where the files are listed."""
        return f"{self.address}simple/"

    def names(self) -> set[str]:
        """Return the names of the files that it really has."""
        return {each.name for each in self.folder.iterdir()}

    def empty(self) -> None:
        """Be as new."""
        for each in self.folder.iterdir():
            each.unlink()
        self.faults = Faults()
        self.posts.clear()
        self.asked.clear()

    def uploads(self) -> int:
        """Return how many times a file was sent."""
        return sum(b'name="content"' in body for body in self.posts)


@contextmanager
def index(
    folder: Path,
    token: str = TOKEN,
    fallback: str = "",
    algorithm: str = "sha256",
    actions: str = "update",
    certificate: Path | None = None,
) -> Iterator[Index]:
    """Serve ``folder`` as an index; ``actions`` are what needs the token. With a
    ``certificate`` (PEM, with its key) it is served by TLS."""
    folder.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, __file__, str(folder), token, fallback, algorithm, actions]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        port = int(process.stdout.readline())
        with _door(port, folder, certificate) as opened:
            yield opened
    finally:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


@contextmanager
def _door(behind: int, folder: Path, certificate: Path | None) -> Iterator[Index]:
    server = ThreadingHTTPServer((HOST, 0), _Door)
    server.daemon_threads = True
    scheme = "http"
    if certificate:
        scheme, context = "https", ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    address = f"{scheme}://{HOST}:{server.server_address[1]}/"
    opened = Index(address, folder, Faults())
    server.behind, server.index = behind, opened  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield opened
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *told: object) -> None:
        """Be quiet."""

    def do_GET(self) -> None:
        index: Index = self.server.index  # type: ignore[attr-defined]
        faults = index.faults
        time.sleep(faults.delay)
        index.asked.append((self.path, self.headers.get("Authorization", "")))
        if faults.gets and (status := faults.gets.pop(0)):
            self._send(status, "text/html", faults.words.encode())
        elif self.path in faults.pages:
            self._send(200, *faults.pages[self.path])
        elif self.path.startswith("/simple/") and faults.hidden > 0:
            faults.hidden -= 1
            self._send(404, "text/html", b"Not Found")
        else:
            self._pass(b"")

    def do_POST(self) -> None:
        index: Index = self.server.index  # type: ignore[attr-defined]
        faults = index.faults
        time.sleep(faults.delay)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        index.posts.append(body)
        cut = faults.cut.pop(0) if faults.cut else ""
        status = faults.answers.pop(0) if faults.answers else 0
        if cut == "before":
            self.close_connection = True
        elif cut == "after":
            self._ask(body)
            self.close_connection = True
        elif status:
            self._send(status, "text/plain", faults.words.encode())
        else:
            self._pass(body)

    def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        behind = http.client.HTTPConnection(HOST, self.server.behind)  # type: ignore[attr-defined]
        try:
            skipped = ("connection", "content-length")
            told = {k: v for k, v in self.headers.items() if k.lower() not in skipped}
            behind.request(self.command, self.path, body or None, told)
            answer = behind.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            behind.close()

    def _pass(self, body: bytes) -> None:
        status, headers, text = self._ask(body)
        self.send_response(status)
        for name, value in headers:
            if name.lower() in ("content-type", "location", "www-authenticate"):
                self.send_header(name, value)
        self._end(text)

    def _send(self, status: int, kind: str, text: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for name, value in self.server.index.faults.headers.items():  # type: ignore[attr-defined]
            self.send_header(name, value)
        self._end(text)

    def _end(self, text: bytes) -> None:
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        short = self.server.index.faults.short  # type: ignore[attr-defined]
        self.wfile.write(text[: len(text) // 2] if short else text)
        self.close_connection = self.close_connection or short


def serve(folder: str, token: str, fallback: str, algorithm: str, actions: str) -> None:
    """Serve ``folder`` until killed; the user is always ``__token__``."""
    from socketserver import ThreadingMixIn
    from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

    import pypiserver

    class Threaded(ThreadingMixIn, WSGIServer):
        daemon_threads = True

    class Quiet(WSGIRequestHandler):
        def log_message(self, *told: object) -> None:
            """Be quiet."""

    app = pypiserver.app(
        roots=[Path(folder)],
        authenticate=actions.split(","),
        password_file=None,
        auther=lambda user, given: (user, given) == ("__token__", token),
        disable_fallback=not fallback,
        fallback_url=fallback,
        hash_algo=algorithm or None,
        backend_arg="simple-dir",
    )
    server = make_server(HOST, 0, app, Threaded, Quiet)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    serve(*sys.argv[1:])
