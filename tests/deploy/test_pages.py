from __future__ import annotations

import gzip
import http.client
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import brotli
import pytest

from sametree.deploy import page_handler, pages
from sametree.errors import UsageError

SCRIPT = "assets/index-BnHk3x2a.js"
BODY = b"console.log('" + b"x" * 3000 + b"')"


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Handled:
    """The handler as it runs in an environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir()
        with socket.socket() as probe:
            probe.bind((pages.HOST, 0))
            self.port = int(probe.getsockname()[1])
        argv = pages.argv(folder, self.port)
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self.process = subprocess.Popen(argv, stderr=subprocess.PIPE, env=env)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                self.ask("/")
                break
            except OSError:
                time.sleep(0.01)

    def ask(self, path: str, method: str = "GET", **headers: str) -> Answer:
        client = http.client.HTTPConnection(pages.HOST, self.port, timeout=10)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            client.request(method, path, headers=named)
            answer = client.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            client.close()

    def stop(self) -> tuple[int, str]:
        self.process.terminate()
        said = self.process.communicate(timeout=10)[1].decode()
        return self.process.returncode, said


@pytest.fixture(scope="module")
def handled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handled]:
    found = Handled(tmp_path_factory.mktemp("environment") / "pages")
    yield found
    found.stop()


@pytest.fixture
def release(tmp_path: Path) -> Callable[..., Path]:
    """Makes the page of a release, which says its name."""

    def make(name: str) -> Path:
        page = tmp_path / name / "index.html"
        page.parent.mkdir()
        page.write_text(f"<html>{name}</html>")
        # As of an archive that is the same each time it is made.
        os.utime(page, (1_000_000_000, 1_000_000_000))
        return page.parent

    return make


def _write(place: Path, path: str, body: bytes = BODY) -> None:
    file = place / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(body)


def test_a_user_gets_the_page_of_his_colour(
    handled: Handled, release: Callable[..., Path]
) -> None:
    colours = {"blue": release("blue"), "green": release("green")}
    pages.point(handled.folder, colours, "blue", [])
    assert handled.ask("/").body == b"<html>blue</html>"
    assert handled.ask("/", x_sametree_colour="green").body == b"<html>green</html>"
    assert handled.ask("/", x_sametree_colour="none").body == b"<html>blue</html>"
    pages.point(handled.folder, colours, "green", [])
    assert handled.ask("/").body == b"<html>green</html>"


def test_a_page_is_asked_for_again_and_not_sent_again(
    handled: Handled, release: Callable[..., Path]
) -> None:
    pages.point(handled.folder, {"blue": release("blue")}, "blue", [])
    answer = handled.ask("/")
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    tag = answer.headers["etag"]
    again = handled.ask("/", if_none_match=tag)
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)


def test_a_page_of_equal_size_and_time_is_another_when_it_says_something_else(
    handled: Handled, release: Callable[..., Path]
) -> None:
    colours = {"blue": release("one"), "green": release("two")}
    pages.point(handled.folder, colours, "blue", [])
    answer = handled.ask("/")
    assert answer.headers["last-modified"] is None
    again = handled.ask(
        "/", if_none_match=answer.headers["etag"], x_sametree_colour="green"
    )
    assert (again.status, again.body) == (200, b"<html>two</html>")


def test_hashed_assets_never_change_and_outlive_their_release(
    handled: Handled, release: Callable[..., Path]
) -> None:
    old, blue, green = release("old"), release("blue"), release("green")
    _write(old, SCRIPT)
    _write(old, "robots.txt", b"old")
    _write(green, "assets/green-CnHk3x2b.js", b"green")
    _write(blue, "assets/shared-DnHk3x2c.js", b"blue's")
    _write(old, "assets/shared-DnHk3x2c.js", b"old's")
    pages.point(handled.folder, {"blue": blue, "green": green}, "blue", [old])
    answer = handled.ask(f"/{SCRIPT}")
    assert (answer.status, answer.body) == (200, BODY)
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert handled.ask("/assets/green-CnHk3x2b.js").body == b"green"
    assert handled.ask("/assets/shared-DnHk3x2c.js").body == b"blue's"
    assert handled.ask("/robots.txt").status == 404
    pages.point(handled.folder, {"blue": blue, "green": green}, "blue", [])
    assert handled.ask(f"/{SCRIPT}").status == 404


@pytest.mark.parametrize(
    "name, lasting",
    [
        ("/assets/index-BnHk3x2a.js", True),
        ("/assets/index-B_Hk-x2a.css", True),
        ("/assets/deep/font-abcdEfgh.woff2", True),
        ("/static/js/main.8d1c4a6e.js", True),
        ("/static/js/787.cda612ba.chunk.js", True),
        ("/static/media/logo.6ce24c58023cc2f8fd88fe9d219db6c6.svg", True),
        ("/6ce24c58023cc2f8fd88.js.map", True),
        ("/index.html", False),
        ("/assets/site-manifest.json", False),
        ("/assets/My-Document.pdf", False),
        ("/downloads/index-BnHk3x2a.js", False),
        ("/photos/party-20251231.jpg", False),
        ("/jquery.min.js", False),
        ("/sw.js", False),
        ("/decade-facade.txt", False),
    ],
)
def test_a_hash_in_a_name_is_told_from_a_word(name: str, lasting: bool) -> None:
    assert page_handler.lasting(name) is lasting


def test_the_smallest_form_that_the_browser_accepts_is_sent(
    handled: Handled, release: Callable[..., Path]
) -> None:
    blue = release("blue")
    _write(blue, SCRIPT)
    _write(blue, f"{SCRIPT}.gz", gzip.compress(BODY))
    _write(blue, f"{SCRIPT}.br", brotli.compress(BODY))
    pages.point(handled.folder, {"blue": blue}, "blue", [])

    def packed(accepted: str) -> str | None:
        answer = handled.ask(f"/{SCRIPT}", accept_encoding=accepted)
        unpack = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}
        how = answer.headers["content-encoding"]
        assert unpack[how](answer.body) == BODY
        assert answer.headers["vary"] == "Accept-Encoding"
        assert answer.headers["content-type"].startswith("text/javascript")
        return how

    assert packed("gzip, deflate, br") == "br"
    assert packed("gzip") == "gzip"
    assert packed("identity") is None
    assert packed("br;q=0, gzip;q=0.5") == "gzip"
    assert handled.ask(f"/{SCRIPT}.gz").status == 404


def test_paths_within_the_application_are_answered_with_the_page(
    handled: Handled, release: Callable[..., Path]
) -> None:
    blue = release("blue")
    _write(blue, "docs/index.html", b"docs")
    pages.point(handled.folder, {"blue": blue}, "blue", [])
    html = "text/html,application/xhtml+xml,*/*;q=0.8"
    assert handled.ask("/users/7", accept=html).body == b"<html>blue</html>"
    assert handled.ask("/users/7", "HEAD", accept=html).status == 200
    assert handled.ask("/docs/", accept=html).body == b"docs"
    for path, accept in (("/users/7", "*/*"), ("/gone.js", html), ("/v1.2", html)):
        answer = handled.ask(path, accept=accept)
        assert (answer.status, answer.body) == (404, b"Not Found\n")
        assert answer.headers["cache-control"] == "no-store"


def test_pages_can_only_be_read(handled: Handled, release: Callable[..., Path]) -> None:
    pages.point(handled.folder, {"blue": release("blue")}, "blue", [])
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        answer = handled.ask("/", method)
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    answer = handled.ask("/", "HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-length"] == str(len(b"<html>blue</html>"))
    assert handled.ask("/gone", "HEAD").body == b""


@pytest.mark.parametrize(
    "asked, status, part",
    [
        ("bytes=0-4", 206, BODY[:5]),
        ("bytes=10-", 206, BODY[10:]),
        ("bytes=-7", 206, BODY[-7:]),
        ("bytes=3-3", 200, BODY),
        ("bytes=0-1,5-6", 200, BODY),
        ("bytes=99999-", 416, b""),
    ],
)
def test_parts_of_a_file_can_be_asked_for(
    handled: Handled,
    release: Callable[..., Path],
    asked: str,
    status: int,
    part: bytes,
) -> None:
    blue = release("blue")
    _write(blue, "film.mp4")
    pages.point(handled.folder, {"blue": blue}, "blue", [])
    answer = handled.ask("/film.mp4", range=asked)
    assert (answer.status, answer.body) == (status, part)


def test_no_part_is_sent_of_what_may_have_changed(
    handled: Handled, release: Callable[..., Path]
) -> None:
    blue = release("blue")
    _write(blue, "film.mp4")
    pages.point(handled.folder, {"blue": blue}, "blue", [])
    tag = handled.ask("/film.mp4").headers["etag"]
    answer = handled.ask("/film.mp4", range="bytes=0-4", if_range=tag)
    assert (answer.status, answer.body) == (200, BODY)


def test_nothing_is_served_that_is_hidden_or_elsewhere(
    handled: Handled, release: Callable[..., Path], tmp_path: Path
) -> None:
    blue = release("blue")
    (tmp_path / "secret.txt").write_text("secret")
    (blue / "link.txt").symlink_to(tmp_path / "secret.txt")
    (blue / "up").symlink_to(tmp_path)
    (blue / "own.txt").symlink_to(blue / "index.html")
    os.mkfifo(blue / "pipe.txt")
    _write(blue, ".env", b"secret")
    _write(blue, ".git/config", b"secret")
    _write(blue, ".well-known/security.txt", b"told")
    pages.point(handled.folder, {"blue": blue}, "blue", [])
    for path in (
        "/.env",
        "/.git/config",
        "/link.txt",
        "/up/secret.txt",
        "/pipe.txt",
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "//secret.txt",
        "/assets/",
        "/docs",
        "/%00",
        "/%ff",
    ):
        assert handled.ask(path).status == 404, path
    assert handled.ask("/.well-known/security.txt").body == b"told"
    assert handled.ask("/own.txt").body == b"<html>blue</html>"


def test_names_may_hold_any_letters(
    handled: Handled, release: Callable[..., Path]
) -> None:
    blue = release("blue")
    _write(blue, "ärger & co.txt", b"text")
    _write(blue, os.fsdecode(b"no-utf8-\xff.1a2b3c4d.js"), b"text")
    pages.point(handled.folder, {"blue": blue}, "blue", [])
    assert handled.ask("/%C3%A4rger%20%26%20co.txt").body == b"text"


def test_a_release_that_is_removed_is_simply_not_found(
    handled: Handled, release: Callable[..., Path]
) -> None:
    blue, old = release("blue"), release("old")
    _write(old, SCRIPT)
    pages.point(handled.folder, {"blue": blue}, "blue", [old, old / "gone"])
    assert handled.ask(f"/{SCRIPT}").status == 200
    (old / SCRIPT).unlink()
    assert handled.ask(f"/{SCRIPT}").status == 404


def test_a_colour_without_pages_has_those_of_the_active_one_or_none(
    handled: Handled, release: Callable[..., Path]
) -> None:
    pages.point(handled.folder, {"blue": release("blue")}, "blue", [])
    assert handled.ask("/", x_sametree_colour="green").body == b"<html>blue</html>"
    pages.point(handled.folder, {}, "blue", [])
    assert handled.ask("/").status == 404


def test_a_folder_without_a_page_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the pages of blue have no index.html"):
        pages.point(tmp_path, {"blue": tmp_path}, "blue", [])
    assert pages.read(tmp_path) is None


def test_it_serves_as_before_when_its_file_is_broken_and_says_so_before_it_ends(
    tmp_path: Path, release: Callable[..., Path]
) -> None:
    handled = Handled(tmp_path / "own")
    try:
        first = handled.ask("/")
        assert first.status == 503
        assert first.body == b"No page has been deployed here yet.\n"
        pages.point(handled.folder, {"blue": release("blue")}, "blue", [])
        assert handled.ask("/").status == 200
        (handled.folder / pages.FILE).write_text('{"colours": 3}')
        assert handled.ask("/").body == b"<html>blue</html>"
        (handled.folder / pages.FILE).unlink()
        assert handled.ask("/").body == b"<html>blue</html>"
    finally:
        code, said = handled.stop()
    assert code == 0
    assert said.count("serving as before") == 1


def test_a_switch_under_load_shows_each_user_one_of_the_two_pages(
    handled: Handled, release: Callable[..., Path]
) -> None:
    colours = {"blue": release("blue"), "green": release("green")}
    pages.point(handled.folder, colours, "blue", [])
    seen: set[tuple[int, bytes]] = set()
    ended = threading.Event()

    def load() -> None:
        while not ended.is_set():
            answer = handled.ask("/")
            seen.add((answer.status, answer.body))

    users = [threading.Thread(target=load) for _ in range(4)]
    for each in users:
        each.start()
    for number in range(10):
        pages.point(handled.folder, colours, ("green", "blue")[number % 2], [])
        time.sleep(0.02)
    ended.set()
    for each in users:
        each.join()
    assert seen == {(200, b"<html>blue</html>"), (200, b"<html>green</html>")}


def test_the_handler_is_a_wsgi_application(
    tmp_path: Path, release: Callable[..., Path]
) -> None:
    """In this process, where it can be measured line by line."""
    blue = release("blue")
    _write(blue, SCRIPT)
    handler = page_handler.Handler(tmp_path)
    told: list[Any] = []

    def ask(path: str, method: str = "GET", **more: str) -> str:
        request: dict[str, Any] = {"REQUEST_METHOD": method, "PATH_INFO": path, **more}
        request["wsgi.file_wrapper"] = lambda file, block: [file.read(), file.close()]
        body = handler(request, lambda status, headers: told.append(status))
        return str(told[-1]) + "".join(p.decode() for p in body if p)

    assert ask("/").startswith("503")
    pages.point(tmp_path, {"blue": blue}, "blue", [])
    assert ask("/") == "200 OK<html>blue</html>"
    assert ask("/", "HEAD") == "200 OK"
    assert ask("/", "POST").startswith("405")
    assert ask("/gone").startswith("404")
    assert ask("/x", HTTP_ACCEPT="text/html") == "200 OK<html>blue</html>"
    ranged = {"HTTP_RANGE": "bytes=0-0", "HTTP_IF_RANGE": "x"}
    assert ask(f"/{SCRIPT}", **ranged).startswith("200")
