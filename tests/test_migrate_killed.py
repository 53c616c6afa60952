"""kill -9 at any moment of `invoke migrate`: the next run finishes, and nothing is lost."""

import os
import random
import re
import secrets
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import eventually
from migrating import site

from sametree.database import connections, trail

ROWS = 8_000
ALONE = "with op.get_context().autocommit_block():\n        "


@pytest.fixture
def staging(with_database, postgres):
    """An environment with rows, and a history with two indexes and a backfill."""
    staging = site(with_database, postgres)
    staging.address = staging.server.named(staging.address.database)
    staging.invoke("migrate", "staging", "--yes")
    staging.do(
        "INSERT INTO people (name) SELECT 'p' || g"
        f" FROM generate_series(1, {ROWS}) g"
    )
    index = (
        f"{ALONE}op.create_index('first', 'people', ['name', 'id'],"
        " postgresql_concurrently=True, if_not_exists=True)"
    )
    staging.revise("0003", "0002", index)
    staging.revise(
        "0004",
        "0003",
        "op.execute('ALTER TABLE people ADD COLUMN score int; CREATE TABLE log (n int)')",
    )
    batches = (
        f"{ALONE}for low in range(0, {ROWS}, 500):\n"
        "            op.execute('UPDATE people SET score = coalesce(score, 0) + id'\n"
        "                       ' WHERE score IS NULL AND id > %d AND id <= %d'\n"
        "                       % (low, low + 500))\n"
        "            op.execute('SELECT pg_sleep(0.01)')"
    )
    staging.revise("0005", "0004", batches)
    staging.revise("0006", "0005", "op.execute('INSERT INTO log VALUES (1)')")
    unique = index.replace("'first'", "'second'").replace("['name', 'id']", "['score']")
    staging.revise(
        "0007", "0006", unique.replace("postgresql", "unique=True, postgresql")
    )
    return staging


def fresh(staging, template):
    """Give ``staging`` a new copy of ``template``."""
    name = f"staging_{secrets.token_hex(4)}"
    with connections.connection(staging.server) as admin:
        admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
    staging.address = staging.server.named(name)
    staging.env = {"STAGING_DATABASE_URL": staging.address.url()}


def descendants(pid):
    """Return the processes that ``pid`` has started, and they."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            stat = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(stat[1]), []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        each = todo.pop()
        found += parents.get(each, [])
        todo += parents.get(each, [])
    return found


def kill(process, *, alone):
    """Kill a run: the parent alone, or all of it."""
    others = [] if alone else descendants(process.pid)
    for pid in (process.pid, *others):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()


def assert_whole(staging):
    assert staging.revision() == "0007"
    total = ROWS * (ROWS + 1) // 2
    assert staging.ask("SELECT count(*), sum(score) FROM people") == [(ROWS, total)]
    assert staging.ask("SELECT count(*) FROM log") == [(1,)]
    invalid = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"
    assert staging.ask(invalid) == []
    ours = (
        "SELECT application_name FROM pg_stat_activity WHERE datname ="
        " current_database() AND application_name LIKE 'sametree%'"
    )
    assert eventually(lambda: staging.ask(ours) == [])
    locks = "SELECT * FROM pg_locks WHERE locktype = 'advisory' AND database = "
    here = "(SELECT oid FROM pg_database WHERE datname = current_database())"
    assert staging.ask(f"{locks}{here}") == []


@pytest.mark.proof(seconds=70)
def test_a_kill_at_any_moment_costs_nothing(staging):
    template = staging.address.database
    fresh(staging, template)
    began = time.monotonic()
    plain = staging.invoke("migrate", "staging", "--yes")
    length = time.monotonic() - began
    assert plain.code == 0, plain
    assert_whole(staging)
    chance = random.Random(20261123)
    seen = set()
    for moment in range(20):
        fresh(staging, template)
        process = staging.start("migrate", "staging", "--yes")
        if moment % 4 == 0:
            time.sleep(chance.uniform(0, length))
        else:  # while it is at work
            for line in process.stdout:
                if "to run" in line and "plan" not in line:
                    break
            time.sleep(chance.uniform(0, 1.8))
        kill(process, alone=moment % 2 == 1)
        seen.add(staging.revision())
        again = staging.invoke("migrate", "staging", "--yes")
        assert again.code == 0, (moment, again)
        assert_whole(staging)
        folder = staging.root / ".sametree/environments/staging"
        assert trail.killed(folder) == [], moment
    assert len(seen) > 2, seen  # the kills were not all too early or too late


@pytest.mark.proof
def test_ctrl_c_stops_at_once_and_of_four_that_go_on_one_works(staging):
    process = staging.start("migrate", "staging", "--yes")
    for line in process.stdout:
        if "0004" in line and " up " in line:
            break
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    assert staging.trail()[-1]["result"] == "stopped"
    left = 7 - int(staging.revision())
    running = [staging.start("migrate", "staging", "--yes") for _ in range(4)]
    outputs = [process.communicate(timeout=120)[0] for process in running]
    assert [process.returncode for process in running] == [0] * 4, outputs
    applied = [len(re.findall(r"^  up ", each, re.M)) for each in outputs]
    assert sorted(applied) == [0, 0, 0, left]
    assert_whole(staging)
    ended = [each for each in staging.trail() if each["event"] == "ended"]
    assert [each["result"] for each in ended[-4:]] == ["done"] * 4
