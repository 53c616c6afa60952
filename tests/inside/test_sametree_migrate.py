"""Revisions run on a real server, while others hold locks, kill, and get in the way."""

import contextlib
import io
import os
import subprocess
import sys
import threading
import time

import psycopg
import pytest
from conftest import environment, eventually, migration

from sametree.database import applying, connections, migrations, plan
from sametree.inside.sametree_migrate import __main__ as program
from sametree.inside.sametree_migrate import events
from sametree.inside.sametree_migrate.applying import backoff
from sametree.inside.sametree_migrate.connections import without_comments

ENV = """
import os
import sqlalchemy as sa
from alembic import context

engine = sa.create_engine(os.environ["DATABASE_URL"], poolclass=sa.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
TABLE = "op.execute('CREATE TABLE t (id int PRIMARY KEY, n int)')"
COLUMN = "op.execute('ALTER TABLE t ADD COLUMN c text')"
ALONE = "with op.get_context().autocommit_block():\n        "
INDEX = f"{ALONE}op.create_index('i', 't', ['n'], postgresql_concurrently=True)"
ONCE = INDEX.replace("=True)", "=True, if_not_exists=True)")


@pytest.fixture
def history(tmp_path, postgres, request):
    """An Alembic history, and a database for it with a table of 100 rows."""
    (tmp_path / "migrations" / "versions").mkdir(parents=True)
    (tmp_path / "alembic.ini").write_text(
        "[alembic]\nscript_location = %(here)s/migrations\n"
    )
    (tmp_path / "migrations" / "env.py").write_text(ENV)
    name = f"applied_{abs(hash(request.node.name)) % 10**8}"
    with connections.connection(postgres) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return History(tmp_path, postgres.named(name))


class History:
    """A history in ``folder`` of the database at ``address``."""

    def __init__(self, folder, address):
        self.folder = folder
        self.address = address

    def add(self, revision, down, up="pass", back="pass"):
        text = migration(revision, down if isinstance(down, str) else None, up, back)
        if isinstance(down, tuple):
            text = text.replace("down_revision = None", f"down_revision = {down}")
        path = self.folder / "migrations" / "versions" / f"{revision}.py"
        path.write_text(text)

    def begin(self):
        """Add revision a, which makes the table t, and run it."""
        self.add("a", None, TABLE)
        assert self.apply()[0] == 0
        self.do("INSERT INTO t SELECT g, g FROM generate_series(1, 100) g")

    def plan(self, lock_timeout, patience, seen=None):
        """Write the plan of what is pending; return its file."""
        progress = seen or self.run("look")[1]
        lacking = plan.pending(progress.state["pending"], self.folder)
        made = plan.Plan(
            environment="test",
            where="here",
            server="",
            at=tuple(progress.state["current"]),
            steps=tuple(lacking),
            lock_timeout=lock_timeout,
            patience=patience,
        )
        (self.folder / "plan.json").write_text(made.program())

    def apply(self, lock_timeout=0.2, patience=10.0):
        """Run what is pending; return exit code, what was shown, and the progress."""
        self.plan(lock_timeout, patience)
        code, progress = self.run("apply", "plan.json")
        return code, progress.shown, progress

    def run(self, *command):
        progress = Progress()
        output = io.StringIO()
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            patch.setenv("DATABASE_URL", self.address.url("psycopg"))
            patch.setattr(events, "OUTPUT", output)
            patch.setattr(sys, "stderr", output)
            patch.setattr(sys, "stdout", output)
            name, *rest = command
            code = program.main(name, "alembic.ini", *rest)
        for line in output.getvalue().split("\n"):
            progress.shown += progress.take(line)
        return code, progress

    def start(self, *command, env={}):
        """Start a command as the suite does."""
        step = migrations.program(command[0], self.folder, *command[1:])
        variables = {"DATABASE_URL": self.address.url("psycopg"), **step.env, **env}
        return subprocess.Popen(
            [sys.executable, *step.argv[1:]],
            cwd=self.folder,
            env=environment(variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def do(self, statement):
        with connections.connection(self.address) as connection:
            connection.execute(statement.encode())

    def ask(self, query):
        with connections.connection(self.address) as connection:
            return connection.execute(query.encode()).fetchall()

    def revision(self):
        return [row[0] for row in self.ask("SELECT * FROM alembic_version")]

    def indexes(self):
        query = "SELECT indexrelid::regclass::text, indisvalid FROM pg_index"
        return dict(self.ask(f"{query} WHERE indrelid = 't'::regclass"))

    @contextlib.contextmanager
    def long_transaction(self, statement, seconds=None):
        """Hold what a statement locks: for the block, or so many seconds."""
        name = "the report"
        connection = psycopg.connect(self.address.url(), application_name=name)
        connection.execute(statement.encode())
        ending = threading.Timer(seconds or 0, connection.rollback)
        if seconds is not None:
            ending.start()
        try:
            yield connection.info.backend_pid
        finally:
            ending.cancel()
            if seconds is not None:
                ending.join()
            connection.close()


class Progress(applying.Applying):
    shown: list[str] = []


def test_a_lock_that_is_not_granted_is_asked_for_again_once_traffic_has_passed(history):
    history.begin()
    history.add("b", "a", COLUMN)
    with history.long_transaction("SELECT * FROM t", 1.2) as pid:
        code, shown, progress = history.apply()
    assert code == 0, shown
    assert history.revision() == ["b"]
    assert progress.retries >= 1
    assert any("a lock was not granted; again in" in line for line in shown)
    told = [line for line in shown if f"process {pid}, 'the report'" in line]
    assert told and "(we need AccessExclusiveLock on t)" in told[0]


def test_we_give_up_politely_when_patience_is_at_its_end(history):
    history.begin()
    history.add("b", "a", "op.execute('CREATE TABLE kept ()')")
    history.add("c", "b", f"op.execute('CREATE TABLE lost ()'); {COLUMN}")
    with history.long_transaction("SELECT * FROM t") as pid:
        code, shown, progress = history.apply(patience=0.6)
        assert history.ask("SELECT count(*) FROM t") == [(100,)]
    assert code == 3
    assert history.revision() == ["b"]
    assert history.ask("SELECT to_regclass('kept'), to_regclass('lost')") == [
        ("kept", None)
    ]
    assert f"process {pid}" in progress.problem
    assert "the database stays at b" in progress.problem
    assert progress.error().exit_code == 3
    assert history.apply()[0] == 0


@pytest.mark.proof
def test_readers_get_through_while_we_wait_and_back_off(history):
    history.begin()
    history.add("b", "a", COLUMN)
    ending = threading.Event()
    waits, errors = [], []

    def read():
        with psycopg.connect(history.address.url(), autocommit=True) as connection:
            while not ending.is_set():
                began = time.monotonic()
                try:
                    connection.execute("SELECT count(*) FROM t")
                except psycopg.Error as error:
                    errors.append(error)
                waits.append((began, time.monotonic() - began))
                time.sleep(0.01)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    with history.long_transaction("SELECT * FROM t"):
        began = time.monotonic()
        code, _, progress = history.apply(lock_timeout=0.2, patience=2.5)
        ended = time.monotonic()
        ending.set()
    for reader in readers:
        reader.join()
    assert code == 3
    assert errors == []
    meanwhile = [wait for at, wait in waits if began <= at <= ended]
    # Without a limit nobody would have read from our first try to the end.
    assert max(meanwhile) < 1.5
    assert sum(wait < 0.1 for wait in meanwhile) > 20
    assert progress.retries >= 1


@pytest.mark.proof
def test_a_deadlock_is_tried_again(history):
    history.begin()
    history.do(
        f"ALTER DATABASE {history.address.database} SET deadlock_timeout = '100ms'"
    )
    both = "LOCK TABLE u; SELECT pg_sleep(0.6); LOCK TABLE t"
    history.add("b", "a", f"op.execute('{both}')")
    history.do("CREATE TABLE u ()")

    def cross():
        with psycopg.connect(history.address.url()) as other:
            other.execute("SET deadlock_timeout = '1min'")  # so it is us who are ended
            other.execute("LOCK TABLE t")
            time.sleep(0.3)
            other.execute("LOCK TABLE u")

    crossing = threading.Thread(target=cross)
    crossing.start()
    time.sleep(0.1)
    code, shown, progress = history.apply(lock_timeout=5.0, patience=30.0)
    crossing.join()
    assert code == 0, progress.problem
    assert any("a deadlock was ended" in line for line in shown)


@pytest.mark.proof
def test_an_index_may_wait_longer_since_nobody_queues_behind_it(history):
    history.begin()
    history.add("b", "a", INDEX)
    with history.long_transaction("INSERT INTO t VALUES (0, 0)", 1.8) as pid:
        code, shown, progress = history.apply(lock_timeout=0.2)
    assert code == 0, progress.problem
    assert progress.retries == 0
    assert history.indexes()["i"]
    assert any("waiting for" in line and f"process {pid}" in line for line in shown)


def test_an_index_that_was_not_granted_its_lock_leaves_nothing_invalid(history):
    history.begin()
    history.add("b", "a", INDEX)
    with history.long_transaction("INSERT INTO t VALUES (0, 0)"):
        code, shown, progress = history.apply(lock_timeout=0.1, patience=0.5)
        assert code == 3
    assert history.indexes() == {"t_pkey": True} or not history.indexes()["i"]
    assert history.apply()[0] == 0
    assert history.indexes()["i"]


def test_an_invalid_index_of_a_killed_try_is_removed_but_nobody_elses(history):
    history.begin()
    history.do("INSERT INTO t VALUES (101, 1)")
    for name in ("i", "theirs"):
        with contextlib.suppress(Exception):
            history.do(f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON t (n)")
    assert history.indexes() == {"t_pkey": True, "i": False, "theirs": False}
    history.add("b", "a", ONCE)
    code, shown, _ = history.apply()
    assert code == 0
    assert "removed the INVALID index i of an earlier try" in shown
    assert history.indexes() == {"t_pkey": True, "i": True, "theirs": False}


@pytest.mark.proof
def test_an_invalid_index_that_somebody_builds_just_now_is_left_alone(history):
    history.begin()
    history.add("b", "a", ONCE)
    done = threading.Event()

    def build():
        history.do("CREATE INDEX CONCURRENTLY i ON t (n)")
        done.set()

    with history.long_transaction("INSERT INTO t VALUES (0, 0)", 1.5):
        building = threading.Thread(target=build)
        building.start()
        assert eventually(lambda: "i" in history.indexes())
        code, shown, progress = history.apply()
    building.join()
    assert code == 0, progress.problem
    assert done.is_set()
    assert not any("removed" in line for line in shown)
    assert history.indexes()["i"]


def test_a_failed_unique_index_leaves_nothing_and_says_why(history):
    history.begin()
    history.do("INSERT INTO t VALUES (101, 1)")
    history.add("b", "a", INDEX.replace("['n'],", "['n'], unique=True,"))
    code, shown, progress = history.apply()
    assert code == 1
    assert "UniqueViolation" in progress.problem
    assert history.indexes() == {"t_pkey": True}


def test_an_unnamed_index_that_failed_is_removed_too(history):
    history.begin()
    history.do("INSERT INTO t VALUES (101, 1)")
    history.add(
        "b",
        "a",
        f"{ALONE}op.execute('/* x */ CREATE UNIQUE INDEX CONCURRENTLY ON t (n)')",
    )
    code, _, progress = history.apply()
    assert code == 1
    assert history.indexes() == {"t_pkey": True}


def test_a_backfill_that_fails_half_way_goes_on_where_it_stopped(history):
    history.begin()
    history.do("ALTER TABLE t ADD COLUMN done int")
    batch = (
        f"{ALONE}for low in range(0, 100, 10):\n"
        "            op.execute(f'UPDATE t SET done = n / (id - 55) WHERE done IS NULL"
        " AND id > {low} AND id <= {low + 10}')"
    )
    history.add("b", "a", batch)
    code, _, progress = history.apply()
    assert code == 1
    assert "DivisionByZero" in progress.problem
    assert "stays at a" in progress.problem
    assert history.ask("SELECT count(*) FROM t WHERE done IS NOT NULL") == [(50,)]
    history.do("UPDATE t SET id = 555 WHERE id = 55")
    code, shown, progress = history.apply()
    assert code == 0
    assert "rows: 49 of t" in shown[-1]
    assert history.ask("SELECT count(*) FROM t WHERE done IS NULL") == [(1,)]


@pytest.mark.proof
def test_progress_is_told_while_batches_run(history):
    history.begin()
    history.do("ANALYZE t")
    history.add(
        "b",
        "a",
        f"{ALONE}for id in range(1, 11):\n"
        "            op.execute(f'UPDATE t SET n = 0 WHERE id = {id}')\n"
        "            op.execute('SELECT pg_sleep(0.06)')",
    )
    process = history.start("apply")
    progress = Progress(tables={"t": 100})
    live = []
    for line in process.communicate(timeout=30)[0].split("\n"):
        progress.take(line)
        live.append(progress.live)
    assert process.returncode == 0
    told = [line for line in live if line]
    assert told and told[0].startswith("b  t: ")
    assert told[0].endswith("rows of about 100")


def test_the_limit_of_the_role_does_not_end_a_migration(history):
    history.begin()
    database = history.address.database
    history.do(f"ALTER DATABASE {database} SET statement_timeout = '300ms'")
    history.add("b", "a", "op.execute('SELECT pg_sleep(0.5)')")
    assert history.apply()[0] == 0


def test_a_branch_that_merges_is_run_in_order(history):
    history.add("a", None, TABLE)
    history.add("left", "a", "op.execute('CREATE TABLE l ()')")
    history.add("right", "a", "op.execute('CREATE TABLE r ()')")
    history.add("join", ("left", "right"), "op.execute('DROP TABLE l, r')")
    code, _, progress = history.apply()
    assert code == 0, progress.problem
    assert progress.applied == 4
    assert history.revision() == ["join"]


@pytest.mark.proof
def test_a_history_of_500_revisions_is_run_though_each_leaves_a_connection(history):
    history.add("r000", None, TABLE)
    for number in range(1, 500):
        down = f"r{number - 1:03}"
        column = f"op.execute('ALTER TABLE t ADD COLUMN c{number} int')"
        history.add(f"r{number:03}", down, column)
    history.plan(0.2, 10.0)
    env = history.folder / "migrations" / "env.py"
    env.write_text(ENV.replace(", poolclass=sa.NullPool", ""))
    process = history.start("apply", "plan.json")
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output[-2000:]
    assert history.revision() == ["r499"]


def test_two_heads_are_refused(history):
    history.add("a", None)
    history.add("b", "a")
    history.add("c", "a")
    code, progress = history.run("look")
    assert code == 1
    assert "2 heads" in progress.problem


def test_a_database_that_is_ahead_of_this_tree_is_left_alone(history):
    history.begin()
    history.do("UPDATE alembic_version SET version_num = 'f00'")
    code, progress = history.run("look")
    assert code == 1
    assert "the database is ahead" in progress.problem
    assert "f00" in progress.problem
    (history.folder / "plan.json").write_text(
        '{"revisions": {}, "lock_timeout": 1, "patience": 1}'
    )
    assert history.run("apply", "plan.json")[0] == 1
    assert history.revision() == ["f00"]


def test_looking_changes_nothing(history):
    history.add("a", None, TABLE)
    code, progress = history.run("look")
    assert code == 0
    assert [each["revision"] for each in progress.state["pending"]] == ["a"]
    assert progress.server["database"] == history.address.database
    assert history.ask("SELECT to_regclass('alembic_version')") == [(None,)]


def test_what_was_planned_is_what_runs(history):
    history.begin()
    history.add("b", "a", COLUMN)
    history.plan(1, 1)
    history.add("c", "b", "op.execute('DROP TABLE t')")
    assert history.run("apply", "plan.json")[0] == 0
    assert history.revision() == ["b"]
    history.plan(1, 1)
    history.add("c", "b", "op.execute('DROP TABLE t CASCADE')")
    code, progress = history.run("apply", "plan.json")
    assert code == 1
    assert "has changed since the plan was made" in progress.problem
    assert history.revision() == ["b"]


def test_a_database_that_went_back_since_the_plan_is_noticed(history):
    history.begin()
    history.add("b", "a")
    history.add("c", "b")
    history.apply()
    history.add("d", "c")
    history.plan(1, 1)
    history.do("UPDATE alembic_version SET version_num = 'a'")
    code, progress = history.run("apply", "plan.json")
    assert code == 1
    assert "d needs c, which it lacks now" in progress.problem


def test_who_waits_says_for_whom_and_gives_up(history):
    history.begin()
    history.add("b", "a", COLUMN)
    holder = psycopg.connect(
        history.address.url(), autocommit=True, application_name="sametree migrate, x"
    )
    with holder:
        holder.execute("SELECT pg_advisory_lock(23102, 0)")
        code, shown, progress = history.apply(patience=0.3)
        assert code == 3
        assert f"process {holder.info.backend_pid}" in progress.problem
        assert "'sametree migrate, x'" in shown[0]
        assert history.revision() == ["a"]
        ending = threading.Timer(0.3, holder.close)
        ending.start()
        code, shown, _ = history.apply(patience=20)
        ending.join()
    assert code == 0


@pytest.mark.proof
def test_of_four_at_once_one_works_and_all_succeed(history):
    history.add("a", None, TABLE)
    history.add("b", "a", INDEX)
    history.add("c", "b", "op.execute('SELECT pg_sleep(0.2)')")
    running = [history.start("apply") for _ in range(4)]
    outputs = [process.communicate(timeout=60)[0] for process in running]
    assert [process.returncode for process in running] == [0] * 4, outputs
    assert sorted(each.count('"event": "done"') for each in outputs) == [0, 0, 0, 3]
    assert history.revision() == ["c"]


def test_what_a_killed_run_left_on_the_server_is_ended(history):
    history.begin()
    history.add("b", "a", COLUMN)
    name = "sametree migration by ada@home 1"
    lost = psycopg.connect(history.address.url(), application_name=name)
    lost.execute("LOCK TABLE t")
    code, shown, progress = history.apply()
    assert code == 0, progress.problem
    assert progress.retries == 0
    assert shown[0] == "ended a statement that a killed migration left on the server"
    with pytest.raises(psycopg.OperationalError):
        lost.execute("SELECT 1")
    lost.close()


def test_a_run_that_lost_its_lock_stops_at_the_next_border(history):
    history.begin()
    end = (
        'op.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE'
        " application_name LIKE 'sametree migrate, the turn of%' AND datname ="
        ' current_database()")'
    )
    history.add("b", "a", end)
    history.add("c", "b", COLUMN)
    code, _, progress = history.apply()
    assert code == 3
    assert "connection that holds the lock" in progress.problem
    assert history.revision() == ["b"]


@pytest.mark.proof
def test_a_program_whose_suite_was_killed_stops_at_the_next_border(history):
    history.add("a", None, TABLE)
    history.add("b", "a", "print('x' * 100); op.execute('SELECT pg_sleep(0.6)')")
    history.add("c", "b", COLUMN)
    process = history.start("apply")
    while "xxx" not in process.stdout.readline():
        pass
    process.stdout.close()
    assert process.wait(30) == 1
    assert history.revision() == ["b"]


@pytest.mark.proof
def test_a_killed_program_leaves_no_lock_and_its_statement_ends(history):
    history.begin()
    history.add("b", "a", "op.execute('LOCK TABLE t; SELECT pg_sleep(60)')")
    process = history.start("apply")
    waiting = "SELECT 1 FROM pg_stat_activity WHERE query ~ 'LOCK TABLE t; SELECT pg_s'"
    assert eventually(lambda: history.ask(f"{waiting} AND pid <> pg_backend_pid()"))
    process.kill()
    process.communicate()
    locks = "SELECT 1 FROM pg_locks WHERE locktype IN ('advisory') AND classid = 23102"
    assert eventually(lambda: not history.ask(locks))
    # The server looks once a second whether its client lives.
    assert eventually(lambda: not history.ask(f"{waiting} AND pid <> pg_backend_pid()"))


def test_a_role_without_rights_is_told_so(history):
    history.begin()
    role = f"plain_{os.urandom(4).hex()}"
    history.do(f"CREATE ROLE {role} LOGIN PASSWORD 'p'")
    history.do(f"GRANT SELECT ON alembic_version TO {role}")
    history.add("b", "a", COLUMN)
    history.plan(1, 1)
    owner = history.address
    url = owner.url().replace("postgres:", f"{role}:").replace(owner.password, "p")
    from sametree.database import address

    history.address = address.parse(url)
    code, progress = history.run("apply", "plan.json")
    assert code == 1
    assert "must be owner of table t" in progress.problem
    assert "give the role that right" in progress.cure


def test_a_server_that_is_not_there_is_told_without_the_password(history):
    history.address = history.address.named("nothing_here")
    code, progress = history.run("look")
    assert code == 1
    assert "cannot connect to the database" in progress.problem
    assert history.address.password not in progress.problem
    assert progress.error().exit_code == 3


def test_a_failure_names_the_line_of_the_file_however_deep_it_was(history):
    history.add("a", None, "import json\n    json.loads('{')")
    code, _, progress = history.apply()
    assert code == 1
    assert "failed at migrations/versions/a.py:12: JSONDecodeError" in progress.problem


def test_a_broken_env_is_told_with_its_words(history):
    (history.folder / "migrations" / "env.py").write_text("import no_such_module")
    code, progress = history.run("look")
    assert code == 1
    assert "No module named 'no_such_module'" in progress.problem


def test_a_pause_grows_and_is_never_the_same_for_two():
    assert 0.25 <= backoff(1) <= 0.75
    assert 15 <= backoff(100) <= 45
    assert len({backoff(3) for _ in range(20)}) > 10


def test_a_comment_before_a_statement_hides_nothing():
    assert without_comments("-- a\n /* b\n */ CREATE").strip() == "CREATE"


def test_sessions_are_told_without_what_they_ask():
    told = {"pid": 7, "application_name": "psql", "usename": "ada", "seconds": 75.0}
    assert applying.session(told) == "process 7, 'psql', role ada, for 1 min 15 s"
    assert applying.session(None) == "a session that we may not see"
