"""A dump that really restores, of a client that fits, with nothing left half done."""

import os
import shutil
import stat
import subprocess

import pytest

from sametree import steps
from sametree.database import connections, restore_points
from sametree.database.address import Address, parse
from sametree.database.restore_points import Client
from sametree.errors import SurroundingsError

HERE = Address(host="db", database="shop", user="ada", password="s3cret/x")


def test_what_was_saved_is_there_again_in_another_database(postgres, tmp_path):
    with connections.connection(postgres) as admin:
        admin.execute("CREATE DATABASE shop")
        admin.execute("CREATE DATABASE again")
    with connections.connection(postgres.named("shop")) as shop:
        shop.execute("CREATE TABLE t AS SELECT g AS n FROM generate_series(1, 500) g")
    where = postgres.named("shop")
    client = restore_points.fitting(restore_points.clients(), 18, where)
    part, lock = restore_points.begin(tmp_path / ".sametree", "staging")
    step = restore_points.dump_step(client, where, part)
    assert where.password not in " ".join(step.argv)
    assert steps.run(step, dict(os.environ)).passed
    listed = steps.run(restore_points.list_step(client, part), dict(os.environ))
    assert "TABLE DATA public t" in listed.output
    made = restore_points.finish(part)
    os.close(lock)
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert made.name.startswith("staging-") and made.suffix == ".dump"
    lines = restore_points.how_to_restore(str(made), "STAGING_DATABASE_URL")
    command = next(line for line in lines if "pg_restore" in line).split()
    argv = [each.replace("ADDRESS", postgres.named("again").url()) for each in command]
    subprocess.run([client.folder / argv[0], *argv[1:]], check=True)
    with connections.connection(postgres.named("again")) as again:
        assert again.execute("SELECT count(*) FROM t").fetchone() == (500,)


def client(major, tls=True):
    return Client(folder=restore_points.Path(f"/{major}"), major=major, tls=tls)


def test_the_client_is_not_older_than_the_server_and_the_nearest():
    known = [client(17), client(15), client(18, tls=False), client(16, tls=False)]
    assert restore_points.fitting(known, 16, HERE).major == 16
    assert restore_points.fitting(known, 17, HERE).major == 17
    with pytest.raises(SurroundingsError, match="of version 19 or newer") as told:
        restore_points.fitting(known, 19, HERE)
    assert "postgresql-client-19" in told.value.cure
    assert "restore-point" in told.value.cure


def test_a_server_that_demands_tls_needs_a_client_that_knows_it():
    where = parse("postgresql://ada@db/shop?sslmode=require")
    known = [client(18, tls=False), client(17)]
    assert restore_points.fitting(known, 16, where).major == 17
    with pytest.raises(SurroundingsError, match="speaks TLS"):
        restore_points.fitting(known, 18, where)


def test_what_pg_dump_says_is_told_without_the_password():
    said = "connection failed: s3cret/x\nFATAL: no pg_hba.conf entry, no encryption"
    told = restore_points.refused(said, HERE, 17)
    assert "s3cret" not in str(told)
    assert "postgresql-client-17: its pg_dump knows TLS" in told.cure
    assert "TLS" not in restore_points.refused("no such table", HERE, 17).cure


def test_an_installed_client_is_found_and_something_else_of_that_name_is_not(tmp_path):
    for name, said in (("good", "pg_dump (PostgreSQL) 17.2"), ("bad", "nothing")):
        folder = tmp_path / name / "bin"
        folder.mkdir(parents=True)
        for program in ("pg_dump", "pg_restore"):
            (folder / program).write_text(f"#!/bin/sh\necho '{said}'\n")
            (folder / program).chmod(0o755)
    (tmp_path / "alone").mkdir()
    shutil.copy(tmp_path / "good/bin/pg_dump", tmp_path / "alone")
    found = restore_points.clients(
        {"PATH": str(tmp_path / "alone")}, [f"{tmp_path}/*/bin"]
    )
    assert [(each.major, each.tls) for each in found if each.tls] == [(17, True)]
    assert {each.major for each in found if not each.tls} == {16, 18}


def test_what_a_killed_dump_left_goes_and_one_at_work_stays(tmp_path):
    first, lock = restore_points.begin(tmp_path, "staging")
    second, other = restore_points.begin(tmp_path, "other")
    assert first.exists() and second.exists()
    os.close(lock)
    third, last = restore_points.begin(tmp_path, "third")
    assert not first.exists() and second.exists()
    for each in (other, last):
        os.close(each)


def test_two_points_of_a_second_have_two_names(tmp_path):
    names = set()
    for number in (1, 2):
        part = tmp_path / f".staging-20260101T000000Z-{number}.part"
        part.write_bytes(b"x")
        names.add(restore_points.finish(part).name)
    assert names == {"staging-20260101T000000Z.dump", "staging-20260101T000000Z-2.dump"}
