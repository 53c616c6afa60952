"""The application as a whole, started and stopped for real."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest
from conftest import environment, eventually, pins, processes_with

from sametree import files, settings
from sametree.development import cleaning, services
from sametree.errors import SurroundingsError
from sametree.settings import Component

SERVER = """
import http.server
import os
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        variables = {name: os.environ.get(name, "") for name in sys.argv[2:]}
        self.wfile.write(repr(variables).encode())


print("serving", flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
TASKS = """
from invoke import task
from sametree import tasks

project = tasks.load(__file__)


@task
def up(context):
    tasks.up(project)


@task
def down(context):
    tasks.down(project)


@task
def psql(context):
    tasks.psql(project)


@task
def clean(context, database=False, dry_run=False):
    tasks.clean(project, database=database, dry_run=dry_run)
"""


@pytest.fixture
def application(with_database):
    """A project with a database and two services, one of which needs the other."""
    pyproject = with_database.text("pyproject.toml")
    components = """
    [[tool.sametree.components]]
    name = "sample"
    path = "."
    serve = ["python", "server.py", "{port}", "DATABASE_URL", "TZ"]

    [[tool.sametree.components]]
    name = "page"
    path = "page"
    language = "python"
    serve = ["python", "../server.py", "{port}", "SAMPLE_URL"]
    """
    with_database.write(
        {
            "pyproject.toml": pyproject,
            "page/pyproject.toml": '[project]\nname = "page"\nversion = "1"\n',
            "server.py": SERVER,
            "tasks.py": TASKS,
        }
    )
    with_database.settings(components)
    with_database.lock()
    (with_database.root / "locks" / "page.txt").write_text(pins("tests"))
    with_database.commit("Add services")
    return with_database


def invoke(project, *args):
    """Run ``invoke ARGS`` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "invoke", *args],
        cwd=project.root,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=90,
    )


def start_up(project):
    """Start ``invoke up`` and wait for its addresses."""
    project.share_environments()
    process = subprocess.Popen(
        [sys.executable, "-m", "invoke", "up"],
        cwd=project.root,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )
    said = []
    for line in process.stdout:
        said.append(line)
        if "Ctrl-C stops all" in line:
            state = (project.root / ".sametree" / "up" / "state.json").read_text()
            return process, json.loads(state)["urls"]
    raise AssertionError("".join(said))


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def nothing_runs(project):
    assert eventually(lambda: not processes_with(str(project.root))), processes_with(
        str(project.root)
    )


@pytest.mark.proof
def test_up_serves_all_until_ctrl_c(application):
    process, urls = start_up(application)
    assert "sample_development" in get(urls["sample"])
    assert "'TZ': 'UTC'" in get(urls["sample"])
    assert urls["sample"] in get(urls["page"])
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 130, output
    assert "stopped" in output and "Traceback" not in output
    nothing_runs(application)


@pytest.mark.proof
def test_down_stops_what_another_terminal_runs(application):
    process, _ = start_up(application)
    second = invoke(application, "up")
    assert second.returncode == 2
    assert f"runs already (process {process.pid})" in second.stderr
    assert "nothing to" not in invoke(application, "clean", "--dry-run").stdout
    refused = invoke(application, "clean")
    assert "up is in use in this checkout" in refused.stderr
    down = invoke(application, "down")
    assert "stopped" in down.stdout
    process.communicate(timeout=30)
    nothing_runs(application)
    assert "nothing was running" in invoke(application, "down").stdout


@pytest.mark.proof
def test_after_kill_9_all_services_end(application):
    process, _ = start_up(application)
    process.kill()
    process.communicate()
    nothing_runs(application)
    again, urls = start_up(application)
    assert "sample_development" in get(urls["sample"])
    again.terminate()
    again.communicate(timeout=30)
    nothing_runs(application)


@pytest.mark.proof
def test_a_service_that_does_not_start_is_told_with_its_last_words(application):
    application.write({"server.py": "raise SystemExit('no such luck')"})
    ran = invoke(application, "up")
    assert ran.returncode == 3
    assert "sample does not answer" in ran.stderr
    assert "no such luck" in ran.stderr
    nothing_runs(application)


@pytest.mark.proof
def test_when_a_service_ends_all_end(application):
    server = SERVER.replace("print(", "import threading; threading.Timer(")
    server = server.replace('"serving", flush=True', "3, lambda: os._exit(7)).start(")
    application.write({"server.py": server})
    process, _ = start_up(application)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "has ended; so everything is stopped" in output
    nothing_runs(application)


@pytest.mark.proof
def test_psql_opens_what_clean_keeps_while_it_removes_what_can_be_made_again(
    application,
):
    (application.root / "dist").mkdir()
    query = "CREATE TABLE kept (); SELECT current_database(), 'a b'"
    made = invoke(application, "psql", "--", "-Atc", query)
    assert made.stdout == "CREATE TABLE\nsample_development|a b\n"
    before = set(application.root.iterdir())
    planned = invoke(application, "clean", "--dry-run")
    assert "would remove dist" in planned.stdout
    assert set(application.root.iterdir()) == before
    assert "removed dist" in invoke(application, "clean").stdout
    assert not (application.root / "dist").exists()
    tables = invoke(application, "psql", "--", "-Atc", r"\dt")
    assert "kept" in tables.stdout
    nothing_runs(application)
    assert "postgres-18" in invoke(application, "clean", "--database").stdout
    gone = invoke(application, "psql", "--", "-c", "SELECT * FROM kept")
    assert gone.returncode == 1 and "does not exist" in gone.stderr


def test_tasks_explain_wrong_settings(application):
    application.settings('\n[tool.sametree.databse]\ncomponent = "sample"\n')
    ran = invoke(application, "-l")
    assert ran.returncode == 2
    assert "did you mean 'database'?" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_port_that_is_taken_is_passed_over():
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", services.FIRST_PORT["python"]))
            taken.listen()
        except OSError:
            pass  # somebody else has it, which is as good
        one = Component(name="one", path=".", language="python")
        two = Component(name="two", path=".", language="python")
        ports = services.ports([one, two])
    assert services.FIRST_PORT["python"] not in ports.values()
    assert len(set(ports.values())) == 2


@pytest.mark.proof
def test_a_project_without_a_database_is_served_too(sample):
    sample.settings("""
    [[tool.sametree.components]]
    name = "sample"
    path = "."
    serve = ["python", "server.py", "{port}", "DATABASE_URL"]
    """)
    sample.write({"server.py": SERVER, "tasks.py": TASKS})
    sample.lock()
    process, urls = start_up(sample)
    assert "'DATABASE_URL': ''" in get(urls["sample"])
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=30)
    nothing_runs(sample)


def test_state_that_cannot_be_written_is_told_with_exit_code_3(sample):
    sample.write({"tasks.py": TASKS, ".sametree": "in the way"})
    ran = invoke(sample, "clean")
    assert ran.returncode == 3
    assert "this machine said no" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_when_no_port_is_free_it_is_said(monkeypatch):
    monkeypatch.setattr(services, "_is_free", lambda port: False)
    with pytest.raises(SurroundingsError, match="no port from 8000 to 8099 is free"):
        services.ports([Component(name="one", path=".", language="python")])


def test_clean_keeps_what_cannot_be_made_again(sample):
    sample.write(
        {
            ".sametree/environments/staging/audit.jsonl": "",
            ".sametree/restore-points/production/one.dump": "",
            ".sametree/cache/thing": "",
        }
    )
    project = settings.load(sample.root)
    files.add_exclude_file(project.state)
    found = [place.name for place in cleaning.plan(project, database=True)]
    assert found == ["cache"]


def test_clean_removes_a_link_and_leaves_what_it_points_to(sample):
    sample.write({"elsewhere/data": "kept", ".sametree/cache/thing": ""})
    (sample.root / "node").symlink_to("elsewhere")
    project = settings.load(sample.root)
    cleaning.remove(project, [sample.root / "node", project.state / "cache"])
    assert (sample.root / "elsewhere" / "data").read_text() == "kept"
    assert not (sample.root / "node").exists()
    assert not (project.state / "cache").exists()
