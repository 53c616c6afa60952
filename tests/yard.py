"""Small releases, good and bad, that are deployed for real."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from conftest import Sample
from msgspec import structs
from packing import keep, lock_of, wheel

from sametree import deploy_tasks, proofs, records, settings
from sametree.artifacts import install
from sametree.artifacts import manifest as manifests
from sametree.artifacts.manifest import Manifest
from sametree.deploy import own_database, replicas
from sametree.stepwise import journal, lease
from sametree.deploy import site as sites
from sametree.deploy.site import Site
from sametree.deploy.strategies import WHOLE
from sametree.records import Record
from sametree.settings import Project
from sametree.units import deploy, identity, pack
from sametree.units.deploying import flow, looking, preflight, rollback, sizing
from sametree.units.deploying.change import Change
from sametree.units.deploying.code import ReleaseCode
from sametree.units.deploying.flow import Asked
from sametree.units.identity import Unit

RUNS = """
[[tool.sametree.components]]
name = "sample"
path = "."
run = ["sample", "{port}"]
routes = ["/api", "/ready"]
health = "/ready"

[[tool.sametree.components]]
name = "page"
path = "page"
"""
SERVER = """
import json, os, signal, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WORD = {word!r}
READY = 200
API = 200
SLOW = 0.0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one write an answer: else the kernel waits with the second

    def do_GET(self):
        time.sleep(SLOW)
        code = READY if self.path == "/ready" else API
        told = {{"word": WORD, "pid": os.getpid(), "key": os.environ.get("KEY", "")}}
        body = json.dumps(told).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128


def main():
    {more}
    server = Server(("127.0.0.1", int(sys.argv[1])), Handler)
    stop = lambda *_: threading.Thread(target=server.shutdown).start()
    signal.signal(signal.SIGTERM, stop)
    print(WORD, "serves", flush=True)
    server.serve_forever()
    time.sleep(0.1)  # for answers that are just being written
    os._exit(0)
"""


class Yard:
    """A project whose releases are deployed to the environments that settings name."""

    def __init__(self, sample: Sample, registry: Path) -> None:
        self.sample = sample
        self.registry = registry
        sample.settings(RUNS)
        package = {
            "name": "page",
            "private": True,
            "devDependencies": {"vite": "7.0.0"},
        }
        sample.write(
            {
                "page/package.json": json.dumps(package),
                "page/package-lock.json": "{}",
            }
        )
        if not (sample.root / "locks" / "sample.txt").exists():
            lock = lock_of(wheel(registry, "dep", "answer = 42\n"))
            sample.write({"locks/sample.txt": lock})
        self.used: set[str] = set()

    @property
    def project(self) -> Project:
        """The project, as its settings are now."""
        return settings.load(self.sample.root)

    def environment(self, name: str, **keys: object) -> None:
        """Add an environment on a free port to the settings."""
        told = {
            "replicas": 1,
            "bake": 0.1,
            "address": f"127.0.0.1:{free_port()}",
            **keys,
        }
        lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in told.items())
        self.sample.settings(f"\n[tool.sametree.environments.{name}]\n{lines}")

    def prove(self) -> None:
        """Keep proofs that the tests of all components passed for this tree."""
        project = self.project
        units = [
            Unit(name=f"tests({c.name})", kind="tests", component=c)
            for c in project.components
        ]
        for unit, now in zip(units, identity.identify(project, units), strict=True):
            record = Record(
                schema=records.SCHEMA,
                run="20261122T211231-473095",
                unit=unit.name,
                result="success",
                started=time.time(),
                seconds=1.0,
                place="local",
                tree=now.tree,
                parts=dict(now.parts),
                fingerprint=now.fingerprint,
                proves=True,
            )
            proofs.keep(project.state, record)

    def release(
        self, word: str, more: str = "pass", *, commit: bool = True, proven: bool = True
    ) -> Path:
        """Return a packed release whose code says ``word``; ``more`` is done at start."""
        self.sample.write({"word.txt": word})
        if commit:
            self.sample.commit(word)
        dist = self.sample.root / "dist"
        text = SERVER.format(word=word, more=more)
        wheel(dist / "sample", "sample", text, scripts={"sample": "sample:main"})
        for path, body in {
            "index.html": f"<!doctype html>\n<title>{word}</title>\n",
            f"assets/index-{word:x<8}.js": f"console.log('{word}');\n",
        }.items():
            place = dist / "page" / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(body)
        keep(self.project)
        if proven:
            self.prove()
        return pack.pack(self.project)

    def site(self, name: str = "local") -> Site:
        """Return an environment, as any command sees it."""
        found = preflight.find(self.project, name)
        self.used.add(name)
        return found

    def deploy(
        self,
        release: Path,
        name: str = "local",
        environ: Mapping[str, str] = {},
        **asked: object,
    ) -> Site:
        """Deploy a release; return the environment."""
        site = self.site(name)
        work = deploy_tasks.work_of(self.project, "deploy", f"deploy({name})")
        wish = Asked(**{"yes": True, **asked})
        flow.deploy(work, site, release, wish, {**os.environ, **environ})
        return self.site(name)

    def go_on(self, name: str = "local", *, undo: bool) -> None:
        """Go on with what was cut off, or undo it."""
        work = deploy_tasks.work_of(self.project, "deploy", f"deploy({name})")
        flow.go_on(work, self.site(name), os.environ, undo=undo)

    def roll_back(self, name: str = "local", to: str = "") -> None:
        """Return to the warm colour, or to a kept release."""
        if not to:
            rollback.warm(self.site(name), Asked(yes=True))
            return
        work = deploy_tasks.work_of(self.project, "deploy", f"rollback({name})")
        rollback.cold(work, self.site(name), to, Asked(yes=True), os.environ)

    def scale(self, count: int, name: str = "local") -> None:
        """Change the number of replicas."""
        work = deploy_tasks.work_of(self.project, "deploy", f"scale({name})")
        sizing.scale(work, self.site(name), count, os.environ)

    def status(self, name: str = "local") -> str:
        """Return what `invoke status` says."""
        return "\n".join(looking.status(self.site(name)))

    def down(self) -> None:
        """Stop all environments, whatever a test has left of them."""
        for name in self.used:
            site = preflight.find(self.project, name)
            runner = site.runner
            runner.stop([each for each in runner.inspect() if each == "router"])
            runner.stop(list(runner.inspect()))
            if self.project.settings.database:
                place = own_database.of(self.project, site.folder).folder
                shutil.rmtree(place, ignore_errors=True)  # root's is not in the project


class Stand:
    """A yard whose ``local`` has release one on blue, deployed as `nox -s deploy` does
    it, for many tests: each leaves it as it found it. Release two is at hand."""

    def __init__(self, yard: Yard, root: Path) -> None:
        self.yard = yard
        self.root = root
        self.made_up = structs.replace(
            sites.MADE_UP, address=f"127.0.0.1:{free_port()}"
        )
        self.one = self.two = Path()

    @property
    def manifest(self) -> Manifest:
        """What release two is."""
        return manifests.read(self.two)

    def begin(self) -> None:
        """Have release one on blue alone, however that was left."""
        yard = self.yard
        if not self.one.name:
            yard.environment("staging")
            yard.environment("production", after="staging")
            yard.release("one")
            project = yard.project
            site = yard.site()
            deploy.deploy(deploy_tasks.work_of(project, "deploy", "deploy"))
            self.one = self._kept(site)
            self.two = install.install(yard.release("two"), site.folder).folder

    def _kept(self, site: Site) -> Path:
        side = site.colours.blue
        found = install.installed(site.folder, side.digest) if side else None
        assert found is not None
        return found.folder

    def end(self) -> None:
        """Undo what a test did; what it should not have left is a failure of it."""
        yard = self.yard
        site = yard.site()
        left = journal.open_one(site.folder), lease.read(site.folder)
        if left[0]:
            yard.go_on(undo=True)
        if site.colours.active == "green":
            yard.roll_back()
        sizing.retire(yard.site())
        site = yard.site()
        assert site.sizes() == {"blue": 1, "green": 0}
        assert looking.drift(site) == []
        assert word(site) == "one"
        assert left == (None, None)

    @contextmanager
    def changing(self, **environment: object) -> Iterator[Change]:
        """Yield the change that deploys release two to an environment with these
        settings, with the lease of it; what was done of it is undone."""
        site = self.yard.site()
        site.environment = structs.replace(site.environment, **environment)
        made = manifests.read(self.two)
        work = deploy_tasks.work_of(self.yard.project, "deploy", "deploy")
        code = ReleaseCode(work.project, site, made, os.environ, work, records.new_id())
        plan = flow.planned(site, code, self.two, "deploy", Asked())
        assert plan is not None
        change = flow.change_of(site, plan, made, code)
        before = site.colours
        with lease.held(site.folder, plan.run, plan.title()) as held:
            site.held = held
            try:
                yield change
            finally:
                change.judge.close()
                sizes = {"blue": 1, "green": 0}
                site.point({"blue": WHOLE}, sizes, change.prefixes)
                found = site.runner.inspect()
                more = [each.name for each in replicas.of(found, "blue")[1:]]
                gone = [each.name for each in replicas.of(found, "green")]
                site.runner.stop([*more, *gone])
                site.decide(before)


def ask(site: Site, path: str = "/api", **headers: str) -> tuple[int, str]:
    """Return status and body of what users get."""
    connection = http.client.HTTPConnection(
        site.listen.host, site.listen.port, timeout=10
    )
    try:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET", path, headers=given)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def word(site: Site, **headers: str) -> str:
    """Return which release answers."""
    status, body = ask(site, **headers)
    assert status == 200, body
    return str(json.loads(body)["word"])


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
