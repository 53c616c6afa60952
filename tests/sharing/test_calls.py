"""What git refuses is told to a person, with what to do; nothing is lost."""

import base64
import os
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from conftest import eventually, processes_with
from hubs import git, record

from sametree import git_calls
from sametree.errors import SurroundingsError, UsageError
from sametree.sharing import notes


def refusal(hub, **options):
    """Push, and return what is told when that fails."""
    with pytest.raises(SurroundingsError) as told:
        notes.push(hub.first.root, [record(hub.first)], **options)
    assert "nothing is lost" in told.value.cure
    return told.value


def test_a_remote_that_is_gone_is_told_with_its_address(hub):
    hub.remote.rename(hub.folder / "gone.git")
    told = refusal(hub)
    assert told.problem.startswith("origin cannot be asked for records:")
    assert "does not appear to be a git repository" in told.problem
    assert "git remote -v" in told.cure
    with pytest.raises(SurroundingsError):
        notes.pull(hub.first.root)


def test_a_hook_that_declines_is_told_at_once_with_what_it_said(hub):
    hub.hook("pre-receive", "echo no notes here >&2; exit 1")
    began = time.monotonic()
    told = refusal(hub)
    assert time.monotonic() - began < notes.PATIENCE / 4
    assert told.problem.startswith("origin took no records:")
    assert "remote: no notes here" in told.problem
    assert "let the rules of the server allow" in told.cure


def test_a_hook_that_declines_while_old_ones_go_is_told_too(hub):
    old = record(hub.first, "old", started=1e9)
    notes.push(hub.first.root, [old], days=1e6)
    hub.hook("update", "exit 1")
    assert "hook declined" in refusal(hub).problem


def test_a_host_that_does_not_exist_is_told_as_the_networks_fault(hub):
    hub.first.git("remote", "set-url", "origin", "http://nowhere.invalid/r.git")
    told = refusal(hub)
    assert "Could not resolve host" in told.problem
    assert "look at the network" in told.cure


def test_a_remote_that_never_answers_is_given_up(hub, monkeypatch):
    monkeypatch.setattr(git_calls, "NETWORK", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/r.git"
        hub.first.git("remote", "set-url", "origin", address)
        told = refusal(hub)
    assert "no answer from the remote" in told.problem
    assert eventually(lambda: not processes_with(address))


def test_a_person_at_a_terminal_may_be_asked_for_a_password(hub, monkeypatch):
    ours, theirs = os.openpty()
    hub.hook("pre-receive", "echo prompt=$GIT_TERMINAL_PROMPT >&2; exit 1")
    with os.fdopen(theirs) as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        assert refusal(hub).problem.endswith("remote: prompt=")
    os.close(ours)


def test_where_nobody_is_there_git_does_not_ask(hub):
    hub.hook("pre-receive", "echo prompt=$GIT_TERMINAL_PROMPT >&2; exit 1")
    assert refusal(hub).problem.endswith("remote: prompt=0")


def test_git_that_ignores_sigterm_is_killed(hub, monkeypatch):
    monkeypatch.setattr(git_calls, "NETWORK", 0.3)
    monkeypatch.setattr(git_calls, "KINDNESS", 0.3)
    stubborn = hub.folder / "stubborn"
    stubborn.write_text("#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 0.1; done\n")
    stubborn.chmod(0o755)
    hub.first.git("config", "remote.origin.uploadpack", str(stubborn))
    refusal(hub)
    assert eventually(lambda: not processes_with(str(stubborn)))


def test_where_the_disk_of_the_remote_cannot_be_written_git_is_quoted(hub):
    (hub.remote / "objects").rename(hub.folder / "objects")
    (hub.remote / "objects").write_text("")
    assert refusal(hub).problem


def test_where_our_own_objects_cannot_be_written_git_is_quoted(hub):
    notes.push(hub.first.root, [record(hub.first)])
    made = record(hub.first, "two")
    objects = hub.first.root / ".git" / "objects"
    objects.rename(hub.folder / "objects")
    objects.write_text("")
    with pytest.raises((SurroundingsError, UsageError)) as told:
        notes.push(hub.first.root, [made])
    assert "Traceback" not in str(told.value)
    objects.unlink()
    (hub.folder / "objects").rename(objects)
    assert notes.push(hub.first.root, [made]).new == 1


def test_without_git_it_is_told_to_install_it(hub, monkeypatch, tmp_path):
    made = record(hub.first)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SurroundingsError, match="there is no git on this machine"):
        notes.push(hub.first.root, [made])
    assert notes.known(hub.first.root) == []


def test_passwords_in_addresses_are_never_shown(hub):
    address = "http://ada:hunter2@127.0.0.1:1/r.git"
    hub.first.git("remote", "set-url", "origin", address)
    said = str(refusal(hub))
    assert "hunter2" not in said and "127.0.0.1:1" in said
    fork = "http://ada:hunter2@127.0.0.1:1/fork.git"
    hub.first.git("remote", "set-url", "origin", f"file://{hub.remote}")
    hub.first.git("remote", "set-url", "--push", "origin", fork)
    assert "hunter2" not in str(refusal(hub))


# GitHub's token, at a real server that asks for it


class Server(BaseHTTPRequestHandler):
    """git over HTTP, as `git http-backend` has it; only ``authorization`` may enter."""

    folder = ""
    authorization = ""
    may_push = True
    seen: list[list[str]] = []

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, *args: object) -> None:
        pass

    def _answer(self) -> None:
        given = self.headers.get_all("Authorization") or []
        self.seen.append(given)
        if given != [self.authorization]:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        if "git-receive-pack" in self.path and not self.may_push:
            self.send_response(403)
            self.end_headers()
            return
        size = int(self.headers.get("Content-Length") or 0)
        environ = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": self.folder,
            "GIT_HTTP_EXPORT_ALL": "1",
            "REMOTE_USER": "bot",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path.removeprefix("/o"),
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(size),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(
            ["git", "http-backend"],
            env=environ,
            input=self.rfile.read(size),
            capture_output=True,
        )
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        rows = [row.split(": ", 1) for row in head.decode().split("\r\n")]
        told = {name: value for name, value in rows}
        self.send_response(int(told.pop("Status", "200")[:3]))
        for name, value in told.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server(hub, on_github, monkeypatch):
    """A server as GitHub's: it takes the token, and only one header with it."""
    basic = base64.b64encode(b"x-access-token:ghs_secret").decode()
    told = {
        "folder": str(hub.folder),
        "authorization": f"AUTHORIZATION: basic {basic}".partition(": ")[2],
        "may_push": True,
        "seen": [],
    }
    handler = type("Handler", (Server,), told)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        address = f"http://127.0.0.1:{listening.server_address[1]}"
        hub.first.git("remote", "set-url", "origin", f"{address}/o/remote.git")
        monkeypatch.setenv("GITHUB_SERVER_URL", address)
        yield handler
        listening.shutdown()
        thread.join()


def test_on_github_the_token_of_the_step_is_used(hub, server, monkeypatch):
    monkeypatch.setenv("GITHUB_TOKEN", "ghs_secret")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.name")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "Ada")
    assert notes.push(hub.first.root, [record(hub.first)]).new == 1
    assert len(notes.pull(hub.first.root)) == 1
    assert all(given == [server.authorization] for given in server.seen)
    assert "ghs_secret" not in (hub.first.root / ".git" / "config").read_text()


def test_what_a_checkout_left_of_the_token_does_not_count_twice(
    hub, server, monkeypatch
):
    monkeypatch.setenv("GITHUB_TOKEN", "ghs_secret")
    key = f"http.{os.environ['GITHUB_SERVER_URL']}/.extraheader"
    hub.first.git("config", key, "AUTHORIZATION: basic old")
    assert notes.push(hub.first.root, [record(hub.first)]).new == 1


def test_without_the_token_the_step_is_told_what_it_needs(hub, server):
    told = refusal(hub)
    assert "could not read Username" in told.problem
    assert "GITHUB_TOKEN in the environment of this step" in told.cure


def test_with_a_token_that_may_only_read_the_job_is_told_what_it_needs(
    hub, server, monkeypatch
):
    monkeypatch.setenv("GITHUB_TOKEN", "ghs_secret")
    server.may_push = False
    told = refusal(hub)
    assert "403" in told.problem
    assert "permissions: contents: write" in told.cure
    assert notes.pull(hub.first.root) == []
    assert not git(hub.remote, "for-each-ref", notes.REF)


def test_the_token_goes_to_no_other_server(hub, server, monkeypatch):
    monkeypatch.setenv("GITHUB_TOKEN", "ghs_secret")
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.example")
    refusal(hub)
    assert not any(server.seen[0])


def test_outside_of_github_a_token_is_nobodys_affair(hub, server, monkeypatch):
    monkeypatch.setenv("GITHUB_TOKEN", "ghs_secret")
    monkeypatch.delenv("GITHUB_ACTIONS")
    refusal(hub)
    assert not any(server.seen[0])
