"""`invoke migrate ENVIRONMENT` and `invoke db.*`, as people call them."""

import os
import re
import subprocess
import time

import msgspec
import pytest
from migrating import site

from sametree import database_tasks
from sametree.database import address, connections, plan
from sametree.database.plan import Pending
from sametree.errors import UsageError
from sametree.units.migrate_environment import Wishes, agreed


@pytest.fixture
def staging(with_database, postgres):
    return site(with_database, postgres)


@pytest.mark.proof
def test_a_plan_is_printed_agreed_to_done_looked_at_and_recorded(staging):
    refused = staging.invoke("migrate", "staging", "--dry-run", env={"CI": "1"})
    assert refused.code == 0, refused
    assert "at nothing; 2 migrations to run" in refused.output
    assert staging.revision() == ""
    assert staging.trail() == []
    done = staging.invoke("migrate", "staging", "--yes", "--restore-point")
    assert done.code == 0, done
    assert "looked again: staging is at 0002; 2 migrations" in done.output
    assert staging.revision() == "0002"
    events = [each["event"] for each in staging.trail()]
    assert events == [
        *("started", "restore point", "alone", "revision", "revision", "ended")
    ]
    named = re.search(r"plan ([0-9a-f]{16})", refused.output)
    assert named and staging.trail()[0]["plan"] == named[1]
    assert staging.trail()[-1]["result"] == "done"
    (dump,) = (staging.root / ".sametree/restore-points").glob("staging-*.dump")
    assert str(dump.relative_to(staging.root)) in done.output
    written = staging.everything_written()
    assert "migrate(staging)" in written
    assert staging.address.password not in written + done.output + refused.output


@pytest.mark.proof
def test_what_is_wrong_is_told_before_anything_is_done(staging, postgres):
    wrong = staging.invoke("migrate", "stagin")
    assert wrong.code == 2
    assert "did you mean 'staging'?" in wrong.output
    unset = staging.invoke("migrate", "staging", env={"STAGING_DATABASE_URL": ""})
    assert unset.code == 3
    assert "STAGING_DATABASE_URL is not set" in unset.output
    lost = msgspec.structs.replace(staging.address, port=1, password="never shown")
    away = staging.invoke(
        "migrate", "staging", env={"STAGING_DATABASE_URL": lost.url()}
    )
    assert away.code == 3, away
    assert "cannot connect to the database" in away.output
    assert "never" not in away.output + staging.everything_written()
    assert "Traceback" not in wrong.output + unset.output + away.output


def pending(*phases):
    return tuple(
        Pending(revision=f"r{n}", title="", file="", digest="", phase=phase)
        for n, phase in enumerate(phases)
    )


EXPANDS = plan.Plan(
    environment="staging", where="", server="", at=(), steps=pending("expand")
)
CONTRACTS = msgspec.structs.replace(EXPANDS, steps=pending("expand", "contract"))


def answer(text):
    return lambda question: text


def test_nobody_is_asked_twice_and_no_answer_is_no():
    for said, saves in (("y", False), ("yes", False), ("r", True)):
        assert agreed(EXPANDS, Wishes(), local=False, ask=answer(said)) is saves
    for said in ("", "n", "what"):
        with pytest.raises(UsageError, match="not agreed to"):
            agreed(EXPANDS, Wishes(), local=False, ask=answer(said))
    with pytest.raises(UsageError, match="no terminal"):
        agreed(EXPANDS, Wishes(), local=False, ask=None)
    assert agreed(EXPANDS, Wishes(yes=True), local=False, ask=None) is False
    assert agreed(EXPANDS, Wishes(), local=True, ask=None) is False


def test_a_contract_needs_a_restore_point_or_words():
    assert agreed(CONTRACTS, Wishes(yes=True), local=False, ask=None) is True
    without = Wishes(yes=True, restore_point=False)
    with pytest.raises(UsageError, match="r1 may drop data"):
        agreed(CONTRACTS, without, local=False, ask=None)
    spoken = Wishes(yes=True, restore_point=False, backed_up="nightly, tried")
    assert agreed(CONTRACTS, spoken, local=False, ask=None) is False
    empty = Wishes(yes=True, restore_point=False, backed_up="  ")
    with pytest.raises(UsageError):
        agreed(CONTRACTS, empty, local=False, ask=None)
    asked = []
    agreed(CONTRACTS, Wishes(), local=False, ask=lambda text: asked.append(text) or "y")
    assert asked == ["  Run this on staging after a restore point? [y/N] "]


def test_options_are_taken_as_invoke_gives_them():
    told = {"patience": "12.5", "no_restore_point": True, "to": "a", "yes": True}
    wish = database_tasks.wishes(told)
    assert wish == Wishes(patience=12.5, restore_point=False, to="a", yes=True)
    for wrong in ("soon", "-1", "nan", "inf"):
        with pytest.raises(UsageError, match="no number of seconds"):
            database_tasks.wishes({"patience": wrong})
    with pytest.raises(UsageError, match="one of them"):
        database_tasks.wishes({"restore_point": True, "no_restore_point": True})


@pytest.mark.proof
def test_a_contract_waits_then_runs_with_a_proof_of_a_backup(staging):
    staging.revise("0003", "0002", "phase:contract;op.drop_column('people', 'name')")
    waits = staging.invoke("migrate", "staging", "--yes")
    assert waits.code == 0, waits
    assert "waits: 0003 contracts" in waits.output
    assert staging.revision() == "0002"
    staging.do("INSERT INTO people (name) VALUES ('Ada')")
    args = ("migrate", "staging", "--yes", "--contract")
    refused = staging.invoke(*args, "--no-restore-point")
    assert refused.code == 2
    assert "0003 may drop data" in refused.output
    assert staging.revision() == "0002"
    done = staging.invoke(*args, "--no-restore-point", "--backed-up", "nightly, tried")
    assert done.code == 0, done
    assert staging.revision() == "0003"
    started = [each for each in staging.trail() if each["event"] == "started"]
    assert started[-1]["backed_up"] == "nightly, tried"
    assert started[-1]["contract"] == ["0003"]


@pytest.mark.proof
def test_a_restore_points_command_of_the_settings_is_run(with_database, postgres):
    staging = site(
        with_database,
        postgres,
        'restore-point = ["python", "-c", "import os; print(\'point\','
        " os.environ['SAMETREE_RESTORE_POINT'],"
        " os.environ['DATABASE_URL'].startswith('postgresql://'))\"]\n",
    )
    done = staging.invoke("migrate", "staging", "--yes", "--restore-point")
    assert done.code == 0, done
    assert re.search(r"restore point: point staging-\d{8}T\d{6}Z True", done.output)
    pyproject = staging.root / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace("import os;", "import os_;"))
    staging.revise("0003", "0002", "op.execute('SELECT 1')")
    failed = staging.invoke("migrate", "staging", "--yes", "--restore-point")
    assert failed.code == 3
    assert "the restore point of staging was not made" in failed.output
    assert staging.revision() == "0002"
    assert staging.trail()[-1]["result"] == "gave up"


@pytest.mark.proof
def test_the_password_is_in_no_command_line(staging):
    staging.do("CREATE TABLE held ()")
    seen = ""
    with connections.connection(staging.address) as holder:
        holder.execute(b"BEGIN")
        holder.execute(b"LOCK TABLE held IN ACCESS EXCLUSIVE MODE")
        process = staging.start("migrate", "staging", "--yes", "--restore-point")
        # pg_dump may be done between two looks: it waits for this table's lock.
        while process.poll() is None and "pg_dump" not in seen:
            seen += command_lines()
        holder.execute(b"COMMIT")
    while process.poll() is None:
        seen += command_lines()
        time.sleep(0.02)
    output = process.communicate()[0]
    assert process.returncode == 0, output
    assert "pg_dump" in seen and "sametree_migrate" in seen
    assert staging.address.password not in seen + output


def command_lines() -> str:
    """Return the command lines of all that runs on this machine."""
    argv = ["ps", "-eo", "args"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


@pytest.mark.proof
def test_new_migrations_run_with_plain_alembic_and_count_on(staging):
    made = [
        staging.invoke("migrate.new", *args)
        for args in (
            ("add a column",),
            ("fill it", "--backfill", "people"),
            ("index it", "--index", "people:name,id"),
            ("take it away", "--contract"),
        )
    ]
    assert [each.code for each in made] == [0] * 4, made
    names = sorted(path.name for path in staging.root.glob("migrations/versions/*.py"))
    assert names[2:] == [
        "0003_add_a_column.py",
        "0004_fill_it.py",
        "0005_index_it.py",
        "0006_take_it_away.py",
    ]
    backfill = staging.root / "migrations/versions/0004_fill_it.py"
    text = backfill.read_text()
    text = text.replace('"id = id"', "\"name = 'x'\"").replace(
        '"false"', '"name IS NULL"'
    )
    backfill.write_text(text.replace("1_000", "2"))
    python = staging.root / ".sametree/venvs/sample/bin/python"
    env = {**os.environ, "DATABASE_URL": staging.address.url("psycopg")}
    up = [python, "-m", "alembic", "upgrade"]
    subprocess.run([*up, "0003"], cwd=staging.root, env=env, check=True)
    staging.do("INSERT INTO people (id) SELECT g * 7 FROM generate_series(1, 9) g")
    subprocess.run([*up, "head"], cwd=staging.root, env=env, check=True)
    assert staging.revision() == "0006"
    assert staging.ask("SELECT DISTINCT name, count(*) FROM people GROUP BY 1") == [
        ("x", 9)
    ]
    assert staging.ask(
        "SELECT indisvalid FROM pg_index WHERE indexrelid ="
        " 'ix_people_name_id'::regclass"
    ) == [(True,)]
    same = staging.invoke("migrate.new", "x", "--contract", "--backfill", "people")
    assert same.code == 2


@pytest.mark.proof
def test_the_development_database_is_copied_brought_back_and_seeded(with_database):
    sample = with_database
    file = sample.root / "pyproject.toml"
    seed = "seed = ['python', 'seed.py']\n"
    file.write_text(
        file.read_text().replace(
            'component = "sample"\n', f'component = "sample"\n{seed}'
        )
    )
    sample.write({"seed.py": """
            import os
            import psycopg

            url = os.environ["DATABASE_URL"].replace("+psycopg", "")
            with psycopg.connect(url) as connection:
                connection.execute("INSERT INTO people (name) VALUES ('Ada')")
                print(connection.execute("SELECT count(*) FROM people").fetchone())
            """})
    local = site(sample, address.parse("postgresql://h/x"), make=False)
    seeded = local.invoke("db.seed")
    assert seeded.code == 0, seeded
    assert "(1,)" in seeded.output
    assert local.invoke("db.snapshot", "one").code == 0
    assert "(2,)" in local.invoke("db.seed").output
    restored = local.invoke("db.restore", "one")
    assert restored.code == 0, restored
    took = re.search(r"in ([0-9.]+) s", restored.output)
    assert took and float(took[1]) < 5
    assert "(2,)" in local.invoke("db.seed").output
    assert re.search(r"one +\S+ .*MB", local.invoke("db.list").output)
    assert local.invoke("db.drop", "one").code == 0
    assert "none;" in local.invoke("db.list").output
    there = local.invoke("migrate", "local")
    assert there.code == 0
    assert "at 0002, the newest" in there.output
    given = local.invoke("db.list", env={"DATABASE_URL": "postgresql://a@b/c"})
    assert given.code == 2
    assert "a server that is not ours" in given.output
