"""What Invoke's tasks do, called as ``tasks.py`` calls them; Invoke itself is not run."""

import json
import os
import signal
import sys
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import eventually
from invoke.exceptions import Exit

from sametree import files, records, tasks
from sametree.database import server
from sametree.development import services
from sametree.errors import INTERRUPTED
from sametree.settings import load

SERVER = """
import http.server
import os
import sys

if len(sys.argv) > 2:
    print("no such luck")
    sys.exit(7)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ.get("OTHER_URL", "").encode())


http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.fixture(autouse=True)
def at_home(monkeypatch):
    """Nothing of this run is taken for the user's; signals are as they were after it."""
    for name in [*os.environ]:
        if name.startswith(("SAMETREE_", "GITHUB_")) or name in ("CI", "DATABASE_URL"):
            monkeypatch.delenv(name)
    monkeypatch.setenv(records.RUN_VARIABLE, "this-run")
    kinds = (signal.SIGTERM, signal.SIGINT)
    before = {kind: signal.getsignal(kind) for kind in kinds}
    yield
    for kind, handler in before.items():
        signal.signal(kind, handler)


def refused(task, *args, **named):
    """Call a task that ends in a message; return that, and the exit code."""
    with pytest.raises(Exit) as caught:
        task(*args, **named)
    return str(caught.value.message), caught.value.code


# --- The application as a whole


@pytest.fixture
def served(sample):
    """Return a way to load the sample with two services, and no package at all."""

    def make(*args):
        more = "".join(f', "{each}"' for each in args)
        sample.settings(f"""
        [[tool.sametree.components]]
        name = "sample"
        path = "."
        serve = ["python", "-S", "server.py", "{{port}}"{more}]

        [[tool.sametree.components]]
        name = "other"
        path = "other"
        language = "python"
        serve = ["python", "-S", "../server.py", "{{port}}"]
        """)
        pyproject = '[project]\nname = "other"\nversion = "1"\n'
        sample.write({"server.py": SERVER, "other/pyproject.toml": pyproject})
        for name in ("sample", "other"):
            (sample.root / "locks" / f"{name}.txt").write_text("")
        sample.share_environments()
        return load(sample.root)

    return make


def stopped(project, screen):
    """In another thread: ask a service for something, and once that is on the screen,
    stop all as ``down`` does; return what the service said, and all addresses."""
    try:
        assert eventually(lambda: "Ctrl-C stops all" in screen.read_text(), 30)
        urls = json.loads((project.state / "up" / "state.json").read_text())["urls"]
        with urllib.request.urlopen(urls["sample"], timeout=5) as answer:
            said = answer.read().decode()
        assert eventually(lambda: '"GET / HTTP' in screen.read_text())
        return said, urls
    finally:
        services.stop(services.folder_of(project))


def test_up_serves_all_until_it_is_stopped(served, monkeypatch, folder):
    project = served()
    screen = folder / "screen"
    with screen.open("w") as output, ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(sys, "stdout", output)
        aside = pool.submit(stopped, project, screen)
        with pytest.raises(Exit) as caught:
            tasks.up(project)
        said, urls = aside.result()
    monkeypatch.undo()
    assert caught.value.code == INTERRUPTED
    assert said == urls["other"]
    shown = screen.read_text()
    assert urls["sample"] in shown and shown.endswith("\n  stopped\n")
    assert not (project.state / "up" / "state.json").exists()


def test_where_nothing_is_served_there_is_nothing_to_wait_for(sample):
    said, code = refused(tasks.up, load(sample.root))
    assert code == 2
    assert "nothing to run: no component says how it is served" in said


def test_a_service_that_does_not_start_is_told_with_its_last_words(served):
    project = served("fail")
    said, code = refused(tasks.up, project)
    assert code == 3
    assert "sample does not answer at" in said and "no such luck" in said


def test_of_two_that_would_serve_one_checkout_the_second_is_refused(served, capsys):
    project = served()
    folder = services.folder_of(project)
    with services.alone(folder):
        said, code = refused(tasks.up, project)
        assert code == 2
        assert f"runs already (process {os.getpid()})" in said
        said, code = refused(tasks.clean, project)
        assert code == 2 and "up is in use in this checkout" in said
    tasks.down(project)
    assert capsys.readouterr().out == "  nothing was running\n"


def test_what_ends_ends_all(tmp_path):
    ended = threading.Event()
    shown = []

    class Guard:
        def poll(self):
            return 7 if ended.is_set() else None

    (tmp_path / "one.log").write_bytes(b"first\nhalf")

    def show(name, line):
        shown.append((name, line))
        ended.set()

    assert services.watch({"one": Guard()}, tmp_path, show) == "one"
    assert shown == [("one", "first")]


# --- The development database


@pytest.fixture
def database(with_database):
    """The sample with a development database whose server runs meanwhile."""
    project = load(with_database.root)
    with server.development(project):
        yield project


def test_the_development_database_is_opened_copied_brought_back_and_removed(
    database, monkeypatch, capfd
):
    def psql(*args):
        monkeypatch.setattr(sys, "argv", ["invoke", "psql", "--", *args])
        capfd.readouterr()
        tasks.psql(database)
        return capfd.readouterr().out

    before = signal.getsignal(signal.SIGINT)
    query = "CREATE TABLE kept (); SELECT current_database(), 'a b'"
    assert psql("-Atc", query) == "CREATE TABLE\nsample_development|a b\n"
    assert signal.getsignal(signal.SIGINT) == before

    tasks.snapshot(database, "listed")
    assert "none; `invoke db.snapshot NAME` takes one" in capfd.readouterr().out
    tasks.snapshot(database, "snapshot", "one")
    assert "one: a copy of sample_development, in " in capfd.readouterr().out
    psql("-c", "DROP TABLE kept")
    said, code = refused(psql, "-c", "SELECT FROM kept")
    assert code == 1
    tasks.snapshot(database, "restore", "one")
    assert "sample_development is what one was, in " in capfd.readouterr().out
    assert "kept" in psql("-Atc", r"\dt")
    tasks.snapshot(database, "listed")
    assert " MB" in capfd.readouterr().out
    said, code = refused(tasks.snapshot, database, "drop", "two")
    assert code == 2 and "there is no copy 'two'" in said
    tasks.snapshot(database, "drop", "one")
    assert "one is gone" in capfd.readouterr().out
    said, code = refused(tasks.clean, database, database=True)
    assert code == 2 and "in use" in said


def test_a_given_database_is_opened_with_a_psql_of_this_machine(
    with_database, postgres, monkeypatch, capfd, folder
):
    """One that prints what it gets: no password is in the command line."""
    program = folder / "psql"
    program.write_text('#!/bin/sh\necho "$@"\ntest -n "$PGPASSWORD"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv(server.VARIABLE, postgres.url())
    monkeypatch.setattr(sys, "argv", ["invoke", "psql"])
    tasks.psql(load(with_database.root))
    said = capfd.readouterr().out
    assert f"{postgres.host}:{postgres.port}" in said
    assert postgres.password not in said


def test_what_can_be_made_again_goes_and_the_database_stays(with_database, capsys):
    with_database.write({"dist/made": "", ".sametree/cache/made": ""})
    project = load(with_database.root)
    files.add_exclude_file(project.state)
    kept = project.state / "postgres-18" / "data"
    kept.mkdir(parents=True)
    tasks.clean(project, dry_run=True)
    said = capsys.readouterr().out
    assert "would remove dist" in said and "would remove .sametree/cache" in said
    assert (project.root / "dist").exists()
    tasks.clean(project)
    assert "  removed dist\n" in capsys.readouterr().out
    assert not (project.root / "dist").exists() and kept.exists()
    tasks.clean(project)
    assert capsys.readouterr().out == "  nothing to remove\n"
    tasks.clean(project, database=True)
    assert not kept.exists()


def test_without_settings_for_it_there_is_no_seed_and_no_database(
    sample, with_database
):
    said, code = refused(tasks.snapshot, load(with_database.root), "seed")
    assert code == 2 and "name no command that fills the development database" in said
    text = with_database.text("pyproject.toml").partition("[tool.sametree.database]")
    with_database.write({"pyproject.toml": text[0], "alembic.ini": ""})
    (with_database.root / "alembic.ini").unlink()
    said, code = refused(tasks.new_migration, load(with_database.root), "add it")
    assert code == 2 and "this project has no database" in said


# --- Migrations of an environment


@pytest.fixture
def staging(with_database):
    with_database.settings(
        '\n[tool.sametree.environments.staging]\ndatabase = "STAGING_DATABASE_URL"\n'
    )
    return load(with_database.root)


def test_what_is_wrong_is_told_before_anything_is_done(staging, monkeypatch):
    said, code = refused(tasks.migrate, staging, "stagin", {})
    assert code == 2 and "did you mean 'staging'?" in said
    assert not (staging.state / "runs").exists()
    said, code = refused(tasks.migrate, staging, "staging", {"yes": True})
    assert code == 3 and "STAGING_DATABASE_URL is not set" in said
    (record,) = records.read(staging.state, "this-run")
    assert (record.unit, record.result) == ("migrate(staging)", "error")
    monkeypatch.setenv("STAGING_DATABASE_URL", "mysql://ada:s3cret@host/app")
    said, code = refused(tasks.migrate, staging, "staging", {})
    assert code == 2 and "STAGING_DATABASE_URL" in said and "s3cret" not in said


def test_a_migration_that_makes_no_sense_is_refused(staging):
    said, code = refused(
        tasks.new_migration, staging, "both", contract=True, backfill="people"
    )
    assert code == 2 and "are migrations of their own" in said


# --- Ends


def test_wrong_settings_and_a_machine_that_says_no_are_messages(sample):
    sample.write({".sametree": "in the way"})
    said, code = refused(tasks.clean, load(sample.root))
    assert code == 3 and "this machine said no" in said
    sample.settings('\n[tool.sametree.databse]\ncomponent = "sample"\n')
    said, code = refused(tasks.load, str(sample.root / "tasks.py"))
    assert code == 2 and "did you mean 'database'?" in said


def test_a_task_that_is_interrupted_ends_as_a_shell_expects_it(sample, monkeypatch):
    @tasks._explained
    def stops():
        raise KeyboardInterrupt

    _, code = refused(stops)
    assert code == INTERRUPTED


def test_workflows_records_and_exports_are_told(sample, capsys, folder):
    project = load(sample.root)
    tasks.list_records(project)
    assert "no run is known yet" in capsys.readouterr().out
    said, code = refused(tasks.export_records, project, format="otpl")
    assert code == 2 and "otlp" in said
    record = records.Record(
        run="one", unit="tests(sample)", result="success", started=1.0, seconds=1.0
    )
    records.write(project.state, record)
    tasks.export_records(project, format="junit", run="one")
    assert "<testsuite" in capsys.readouterr().out
    out = folder / "one.xml"
    tasks.export_records(project, format="junit", run="one", out=str(out))
    assert "<testsuite" in out.read_text()
    assert str(out) in capsys.readouterr().out
    said, code = refused(tasks.write_workflows, project)
    assert code == 2 and "there is no locks/dev.txt" in said
    tasks.artifacts(project, "listed")
    assert "none; `nox -s build` makes that of this tree" in capsys.readouterr().out
    said, code = refused(tasks.pull_records, project, remote="nowhere")
    assert code and "nowhere" in said
    said, code = refused(tasks.push_records, project, folder="no such folder")
    assert code == 2 and "there is no folder no such folder" in said
    said, code = refused(tasks.new_records_key, project)
    assert code == 2
    said, code = refused(tasks.compare, project, left="one", right="two")
    assert code
    said, code = refused(tasks.environment, project, "status", "nowhere")
    assert code == 2
