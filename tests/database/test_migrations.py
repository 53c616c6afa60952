"""Alembic histories, run by the program that runs inside a component's environment."""

import io
import subprocess
import sys

import pytest
from conftest import ENV, environment, migration

from sametree.database import applying, migrations, server
from sametree.errors import UsageError
from sametree.inside.sametree_migrate import __main__ as program
from sametree.inside.sametree_migrate import events
from sametree.settings import Component, Database, Project, Settings


@pytest.fixture
def history(tmp_path, postgres, request):
    """A folder with an Alembic history, and an empty database for it."""
    (tmp_path / "migrations" / "versions").mkdir(parents=True)
    (tmp_path / "alembic.ini").write_text(
        "[alembic]\nscript_location = %(here)s/migrations\n"
    )
    (tmp_path / "migrations" / "env.py").write_text(ENV.split("metadata = ")[0] + PLAIN)
    name = f"history_{abs(hash(request.node.name)) % 10**8}"
    with server.connection(postgres) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return History(tmp_path, postgres.named(name))


PLAIN = """
import pathlib

metadata = sa.MetaData()
models = pathlib.Path("models.py")
if models.exists():
    exec(models.read_text())
engine = sa.create_engine(os.environ["DATABASE_URL"], poolclass=sa.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()
"""


class History:
    def __init__(self, folder, address):
        self.folder = folder
        self.address = address

    def add(self, revision, down, up="pass", back="pass"):
        text = migration(revision, down if isinstance(down, str) else None, up, back)
        if isinstance(down, tuple):
            text = text.replace("down_revision = None", f"down_revision = {down}")
        path = self.folder / "migrations" / "versions" / f"{revision}.py"
        path.write_text(text)

    def run(self):
        """Run what is pending; return whether it succeeded, what was shown, the end."""
        progress = applying.Applying()
        with pytest.MonkeyPatch.context() as patch:
            output = io.StringIO()
            patch.chdir(self.folder)
            patch.setenv(server.VARIABLE, self.address.url("psycopg"))
            patch.setattr(events, "OUTPUT", output)
            patch.setattr(sys, "stderr", output)
            patch.setattr(sys, "stdout", output)
            code = program.main("apply", "alembic.ini")
        lines = output.getvalue().split("\n")
        shown = [text for line in lines for text in progress.take(line)]
        return code == 0, shown, progress

    def run_as_a_program(self):
        """Run it as the suite does; return its exit code and output."""
        step = migrations.program("apply", self.folder)
        done = subprocess.run(
            [sys.executable, *step.argv[1:]],
            cwd=self.folder,
            env=environment({server.VARIABLE: self.address.url("psycopg"), **step.env}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.returncode, done.stdout

    def revision(self):
        with server.connection(self.address) as connection:
            rows = connection.execute("SELECT version_num FROM alembic_version")
            return [row[0] for row in rows]


def moves(shown):
    return [tuple(line.split()[:4:3]) for line in shown if line[:4] in ("up  ", "down")]


def test_each_revision_is_run_and_told_in_order(history):
    history.add("b", "a")
    history.add("a", None)
    passed, shown, progress = history.run()
    assert passed
    assert moves(shown) == [("up", "a"), ("up", "b")]
    assert progress.applied == 2
    assert history.revision() == ["b"]


@pytest.mark.proof
def test_the_program_reports_on_standard_output_and_ends_with_an_exit_code(history):
    history.add("a", None)
    code, output = history.run_as_a_program()
    assert code == 0
    assert '\x1e{"event": "plan"' in output
    history.add("b", "a", "op.execute('SELECT 1/0')")
    code, output = history.run_as_a_program()
    assert code == 1
    assert '"event": "failed"' in output


def test_only_what_is_missing_is_run(history):
    history.add("a", None)
    history.run()
    history.add("b", "a")
    _, shown, _ = history.run()
    assert moves(shown) == [("up", "b")]
    _, shown, _ = history.run()
    assert shown == ["at b, the newest"]


def test_each_revision_is_committed_so_that_a_failure_keeps_the_ones_before(history):
    history.add("a", None, "op.execute('CREATE TABLE kept ()')")
    history.add("b", "a", "op.execute('CREATE TABLE lost (); SELECT 1/0')")
    passed, _, progress = history.run()
    assert not passed
    assert history.revision() == ["a"]
    assert "b (upgrade) failed at migrations/versions/b.py:11" in progress.problem
    assert "CREATE TABLE lost (); SELECT 1/0" in progress.problem
    assert "stays at a" in progress.problem
    with server.connection(history.address) as connection:
        found = connection.execute("SELECT to_regclass('kept'), to_regclass('lost')")
        assert found.fetchone() == ("kept", None)


def test_an_index_may_be_made_concurrently(history):
    history.add("a", None, "op.execute('CREATE TABLE t (n int)')", "op.drop_table('t')")
    history.add(
        "b",
        "a",
        "with op.get_context().autocommit_block():\n"
        "        op.create_index('i', 't', ['n'], postgresql_concurrently=True)",
        "op.drop_index('i')",
    )
    (history.folder / "models.py").write_text(
        "sa.Table('t', metadata, sa.Column('n', sa.Integer), sa.Index('i', 'n'))"
    )
    passed, _, progress = history.run()
    assert passed, progress


def test_a_branched_history_is_run_in_order(history):
    history.add("a", None)
    history.add("left", "a")
    history.add("right", "a")
    history.add("join", ("left", "right"))
    history.add("z", "join")
    passed, shown, progress = history.run()
    assert passed, progress
    assert shown[0] == "at nothing; 5 migrations to run"
    assert history.revision() == ["z"]


def test_two_heads_are_refused_before_anything_runs(history):
    history.add("a", None)
    history.add("b", "a")
    history.add("c", "a")
    passed, shown, progress = history.run()
    assert not passed and shown == []
    assert "2 heads" in progress.problem
    assert "alembic merge -m 'merge' b c" in progress.cure


def test_a_broken_env_is_told_with_its_words(history):
    (history.folder / "migrations" / "env.py").write_text("import no_such_module")
    passed, _, progress = history.run()
    assert not passed
    assert "No module named 'no_such_module'" in progress.problem


def test_an_env_that_reads_the_address_from_the_file_works_too(history):
    env = PLAIN.replace(
        'os.environ["DATABASE_URL"]', 'context.config.get_main_option("sqlalchemy.url")'
    )
    header = "import os\nimport sqlalchemy as sa\nfrom alembic import context\n"
    (history.folder / "migrations" / "env.py").write_text(header + env)
    history.add("a", None)
    passed, _, progress = history.run()
    assert passed, progress


def test_what_else_is_printed_is_kept_apart(history):
    history.add("a", None, "print('hello')")
    passed, _, progress = history.run()
    assert passed
    assert "hello" in progress.other


def test_flask_migrates_configuration_is_found(tmp_path):
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "alembic.ini").touch()
    assert migrations.config_of(tmp_path) == "migrations/alembic.ini"


def test_a_component_without_alembic_is_told_so(tmp_path):
    with pytest.raises(UsageError, match="there is no alembic.ini"):
        migrations.config_of(tmp_path)


def test_the_driver_is_the_one_that_is_pinned(tmp_path):
    component = Component(name="app", path=".")
    project = Project(tmp_path, Settings(database=Database(component="app")))
    lock = tmp_path / "app.txt"
    lock.write_text("flask==3.0\npsycopg2-binary==2.9 \\\n    --hash=sha256:0\n")
    assert migrations.driver_of(project, component, lock) == "psycopg2"
    named = Settings(database=Database(component="app", driver="pg8000"))
    assert migrations.driver_of(Project(tmp_path, named), component, lock) == "pg8000"
