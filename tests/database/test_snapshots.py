"""Named copies of a database, taken while somebody is connected to it."""

import threading
import time

import psycopg
import pytest

from sametree.database import connections, snapshots
from sametree.database.snapshots import Copies
from sametree.errors import UsageError
from sametree.settings import Database, Component, Project, Settings


@pytest.fixture
def ours(postgres, request):
    name = f"dev_{abs(hash(request.node.name)) % 10**8}"
    with connections.connection(postgres) as admin:
        admin.execute(f'CREATE DATABASE "{name}"'.encode())
        copies = Copies(admin, postgres, name)
        copies.where = postgres.named(name)
        do(copies, "CREATE TABLE t (n int); INSERT INTO t VALUES (1)")
        yield copies


def do(copies, statement):
    with connections.connection(copies.where) as connection:
        connection.execute(statement.encode())


def rows(copies):
    with connections.connection(copies.where) as connection:
        return [row[0] for row in connection.execute("SELECT n FROM t ORDER BY n")]


def databases(copies):
    query = "SELECT datname FROM pg_database WHERE starts_with(datname, %s)"
    found = copies._admin.execute(query, [copies.database])
    return sorted(row[0].removeprefix(copies.database) for row in found)


def test_a_copy_brings_back_what_was_there(ours):
    ours.snapshot("before")
    do(ours, "INSERT INTO t VALUES (2)")
    ours.snapshot("after")
    ours.restore("before")
    assert rows(ours) == [1]
    ours.restore("after")
    assert rows(ours) == [1, 2]
    assert [each.name for each in ours.taken()] == ["after", "before"]
    assert all(time.time() - each.taken < 60 for each in ours.taken())
    assert all(each.size > 1_000_000 for each in ours.taken())
    ours.drop("after")
    assert databases(ours) == ["", "__copy_before"]


def test_who_is_connected_is_ended_and_connects_again(ours):
    ending = threading.Event()
    served = []

    def serve():
        while not ending.is_set():
            try:
                with psycopg.connect(ours.where.url(), autocommit=True) as connection:
                    while not ending.is_set():
                        connection.execute("SELECT count(*) FROM t")
                        served.append(time.monotonic())
            except psycopg.Error:
                continue

    serving = [threading.Thread(target=serve) for _ in range(3)]
    for each in serving:
        each.start()
    ours.snapshot("one")
    ours.restore("one")
    done = time.monotonic()
    time.sleep(0.3)
    ending.set()
    for each in serving:
        each.join()
    assert max(served) > done
    assert rows(ours) == [1]


def test_a_name_that_is_taken_unknown_or_impossible_is_refused(ours):
    ours.snapshot("one")
    with pytest.raises(UsageError, match="already"):
        ours.snapshot("one")
    with pytest.raises(UsageError, match="did you mean 'one'"):
        ours.restore("onne")
    with pytest.raises(UsageError, match="there is no copy"):
        ours.drop("x")
    for name in ("", "One", 'a"b', "x" * 22):
        with pytest.raises(UsageError, match="cannot be the name"):
            ours.snapshot(name)


def test_what_a_kill_left_half_done_goes(ours):
    ours._do(f'CREATE DATABASE "{ours.database}__making"')
    ours._do(f'CREATE DATABASE "{ours.database}__old"')
    ours.sweep()
    assert databases(ours) == [""]


def test_a_given_server_is_none_of_ours(tmp_path, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://ada@db.example.org/shop")
    component = Component(name="app", path=".")
    settings = Settings(components=(component,), database=Database(component="app"))
    with pytest.raises(UsageError, match="a server that is not ours"):
        with snapshots.at_hand(Project(tmp_path, settings)):
            raise AssertionError
