"""What is found out by asking a colour several times a second?"""

import doctest
import socket
import threading
import time
from contextlib import contextmanager

import msgspec
import pytest

from sametree import masking
from sametree.deploy.gate import probes as module
from sametree.deploy.gate.probes import Asked, Failure, Probes

HEADER = "x-sametree-preview"


def until(condition, patience=5.0):
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.005)


def asking(port, paths, colours=("green",), every=0.01, **options):
    return Probes(("127.0.0.1", port), HEADER, colours, paths, every=every, **options)


def only(probes, colour="green"):
    (asked,) = probes.read()[colour]
    return asked


@contextmanager
def answering(*answers):
    """A server that gives each connection the next of ``answers``, then closes it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stopping = threading.Event()
        listener.settimeout(0.02)

        def serve():
            left = list(answers)
            while not stopping.is_set():
                try:
                    found, _ = listener.accept()
                except TimeoutError:
                    continue
                with found:
                    found.recv(4096)
                    answer = left.pop(0) if len(left) > 1 else left[0]
                    for piece in answer:
                        if stopping.wait(piece if isinstance(piece, float) else 0):
                            break
                        try:
                            found.sendall(piece if isinstance(piece, bytes) else b"")
                        except OSError:
                            break

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        stopping.set()
        thread.join()


def test_the_examples_in_the_module_hold():
    assert doctest.testmod(module).failed == 0


def test_each_path_of_each_colour_is_asked_by_the_header_on_one_connection(replica):
    with asking(replica.port, ["/a", "/b"], ["green", "blue"]) as probes:
        until(lambda: all(a.answered > 5 for c in probes.read().values() for a in c))
    asked = {(each["path"], each[HEADER]) for each in replica.asked}
    assert asked == {(p, c) for p in ("/a", "/b") for c in ("green", "blue")}
    # A thread for each path of each colour, and each thread has one connection.
    assert replica.connections == 4
    found = probes.read()["green"][0]
    assert found.path == "/a"
    assert len(found.millis) == found.answered
    assert 0 < min(found.millis) < 2000
    assert (found.errors, found.failure, found.in_a_row) == (0, None, 0)
    assert found.succeeded > 0


def test_many_paths_are_dealt_out_among_a_few_threads(replica):
    paths = [f"/{n}" for n in range(10)]
    with asking(replica.port, paths) as probes:
        until(lambda: all(each.answered for each in probes.read()["green"]))
        running = [t for t in threading.enumerate() if "probes" in t.name]
        assert len(running) == module.THREADS
    assert not [t for t in threading.enumerate() if "probes" in t.name]


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_a_status_from_400_on_is_a_failed_probe(replica, status):
    replica.answer = lambda path: (status, b"<h1>no</h1>\n" + b"x" * 500)
    with asking(replica.port, ["/"]) as probes:
        until(lambda: only(probes).in_a_row >= 2)
    found = only(probes)
    assert found.failure.status == status
    assert str(found.failure) == f"answers {status}: <h1>no</h1> {'x' * 188}"
    assert found.errors == (found.answered if status >= 500 else 0)
    assert 0 < found.failed_since < time.monotonic()


def test_a_redirect_is_an_answer(replica):
    replica.answer = lambda path: (302, b"")
    with asking(replica.port, ["/"]) as probes:
        until(lambda: only(probes).answered >= 2)
    assert only(probes).failure is None


def test_a_good_answer_ends_the_row(replica):
    answers = iter([(500, b""), (200, b""), (500, b"")])
    replica.answer = lambda path: next(answers, (200, b"ok"))
    with asking(replica.port, ["/"]) as probes:
        until(lambda: only(probes).answered >= 4)
    found = only(probes)
    assert (found.in_a_row, found.failure, found.errors) == (0, None, 2)


def test_a_page_that_hangs_is_given_up_and_holds_up_no_other(replica):
    gone = threading.Event()
    replica.answer = lambda path: (path == "/slow" and gone.wait(5), (200, b""))[1]
    with asking(replica.port, ["/slow", "/fast"], timeout=0.2) as probes:
        until(lambda: probes.read()["green"][0].in_a_row >= 2)
        slow, fast = probes.read()["green"]
        gone.set()
    assert str(slow.failure) == "gives no whole answer in time"
    assert slow.answered == 0
    assert fast.answered > 5


def test_an_answer_that_trickles_is_no_answer_in_time():
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"
    with answering([head, *[0.03, b"x"] * 300]) as port:
        with asking(port, ["/"], timeout=0.15) as probes:
            until(lambda: only(probes).in_a_row >= 1)
    assert str(only(probes).failure) == "gives no whole answer in time"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        b"SSH-2.0-OpenSSH\r\n",
    ],
)
def test_half_an_answer_is_a_failed_probe(answer):
    with answering([answer]) as port, asking(port, ["/"]) as probes:
        until(lambda: only(probes).in_a_row >= 2)
    assert "ends without a whole answer" in str(only(probes).failure)


def test_a_connection_that_was_closed_while_idle_is_opened_again():
    good = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    with answering([good]) as port, asking(port, ["/"]) as probes:
        until(lambda: only(probes).answered >= 5)
    assert only(probes).failure is None


def test_a_body_without_an_end_is_not_read_for_ever():
    head = b"HTTP/1.1 200 OK\r\n\r\n"
    piece = b"x" * (1 << 20)
    with answering([head, *[piece] * 12]) as port:
        with asking(port, ["/"], timeout=5.0) as probes:
            until(lambda: only(probes).answered >= 1)
    assert only(probes).failure is None


def test_a_router_that_is_not_there_is_no_failure_of_the_colour():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with asking(port, ["/"]) as probes:
        until(lambda: only(probes).unreachable)
    found = only(probes)
    assert found.unreachable == f"127.0.0.1:{port}: Connection refused"
    assert (found.in_a_row, found.answered) == (0, 0)


def test_what_cannot_be_asked_at_all_is_told(replica):
    address = ("127.0.0.1", replica.port)
    with Probes(address, "no\nheader", ["green"], ["/"], every=0.01) as probes:
        until(lambda: only(probes).unreachable)
    assert only(probes).unreachable.startswith("/: Invalid header name")


def test_a_path_of_any_letters_can_be_asked(replica):
    with asking(replica.port, ["/über/ö"]) as probes:
        until(lambda: only(probes).answered)
    assert replica.asked[0]["path"] == "/%C3%BCber/%C3%B6"


def test_a_secret_in_an_answer_is_not_told(replica, monkeypatch):
    monkeypatch.setattr(masking, "_mask", masking.Mask(["hunter2secret"]))
    replica.answer = lambda path: (500, b"x" * 190 + b" hunter2secret")
    with asking(replica.port, ["/"]) as probes:
        until(lambda: only(probes).failure)
    assert only(probes).failure.what == "x" * 190 + " ***"


def test_pages_are_told_apart_from_what_the_pool_counts(replica):
    paths = ["/api/things", "/api", "/apiary", "/"]
    probes = asking(replica.port, paths, prefixes=["/api"])
    counted = {each.path: each.counted for each in probes.read()["green"]}
    assert counted == {"/api/things": True, "/api": True, "/apiary": False, "/": False}


def test_a_colour_is_asked_so_often_on_so_many_connections(replica):
    address = ("127.0.0.1", replica.port)
    found = module.ask(address, HEADER, "green", ["/a", "/b"], times=3, at_once=4)
    assert [each.answered for each in found.values()] == [12, 12]
    assert replica.connections == 4
    replica.answer = lambda path: (500 if path == "/a" else 200, b"oh no")
    found = module.ask(address, HEADER, "green", ["/a", "/b"], times=2)
    assert found["/a"].in_a_row == 2 and found["/b"].failure is None
    odd = module.ask(address, HEADER, "a\nb", ["/a"])
    assert odd["/a"].unreachable and not odd["/a"].answered


def test_a_window_counts_what_came_since():
    early = Asked(path="/", answered=3, errors=1, millis=(1.0, 2.0, 3.0))
    late = Asked(
        path="/",
        answered=5,
        errors=2,
        millis=(1.0, 2.0, 3.0, 4.0, 5.0),
        failed=4,
        in_a_row=4,
        failure=Failure(500, "no"),
    )
    found = late.since(msgspec.structs.replace(early, failed=3, in_a_row=3))
    assert (found.answered, found.errors, found.millis) == (2, 1, (4.0, 5.0))
    # Three of the four that failed in a row belong to what was before.
    assert (found.failed, found.in_a_row) == (1, 1)
    assert late.since(late).millis == ()


def test_only_a_failure_that_is_not_for_want_of_the_path_can_be_compared():
    assert Asked(path="/").comparable
    assert Asked(path="/", failure=Failure(500, "")).comparable
    assert Asked(path="/", failure=Failure(0, "")).comparable
    assert not Asked(path="/", failure=Failure(404, "")).comparable
