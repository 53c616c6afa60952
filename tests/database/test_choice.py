"""Whose programs run a project's servers, and which PostgreSQLs are installed."""

import os
import shutil
import stat

import pytest

from sametree.database import binaries, choice, cluster, installed, server
from sametree.database.extensions import Created
from sametree.errors import SurroundingsError
from sametree.settings import Component, Database, Project, Settings

TRGM = Created("pg_trgm", "migrations/versions/0003.py", 12)
VECTOR = Created("vector", "app.py", 1)


@pytest.fixture
def machine(folder):
    """A machine on which these PostgreSQLs are installed; call it with what they have."""

    def made(**has):
        shutil.rmtree(folder / "lib", ignore_errors=True)
        installed.look.cache_clear()
        for name, names in has.items():
            version = name.strip("v").replace("_", ".")
            place = folder / "lib" / version / "bin"
            share = place.parent / "share"
            (share / "extension").mkdir(parents=True)
            place.mkdir()
            (share / "postgres.bki").touch()
            for extension in names.split():
                (share / "extension" / f"{extension}.control").touch()
            program(place / "postgres", f"postgres (PostgreSQL) {version} (Debian)")
            program(place / "initdb", "")
        return find(folder)

    return made


def find(folder):
    return installed.find({"PATH": "/nowhere"}, [f"{folder}/lib/*/bin"])


def program(path, says):
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


def test_the_embedded_one_runs_what_it_can(machine):
    machine(v18_1="pg_trgm")
    for needed in ((), (VECTOR,)):
        found = choice.of(18, needed)
        assert (str(found.programs), found.why) == ("embedded 18", "")


def test_one_of_the_same_major_version_comes_before_the_newest(machine, monkeypatch):
    known = machine(v16_9="pg_trgm", v17_2="pg_trgm", v18_1="hstore", v19_0="pg_trgm")
    assert [each.version for each in known] == ["19.0", "18.1", "17.2", "16.9"]
    monkeypatch.setattr(installed, "find", lambda: known)
    assert str(choice.of(16, [TRGM]).programs) == "installed 16.9"
    found = choice.of(18, [TRGM])
    assert str(found.programs) == "installed 19.0"
    assert found.why == "installed 19.0: the embedded one lacks pg_trgm"
    assert found.programs.major == 19


def test_where_none_has_it_the_message_names_file_line_and_package(
    machine, monkeypatch
):
    postgis = Created("postgis", "pyproject.toml")
    for known, package in (
        (machine(), "apt install postgresql-18 postgresql-18-postgis-3"),
        (machine(v15_3=""), "apt install postgresql-15 postgresql-15-postgis-3"),
    ):
        monkeypatch.setattr(installed, "find", lambda known=known: known)
        monkeypatch.setattr("sys.platform", "linux")
        with pytest.raises(SurroundingsError) as caught:
            choice.of(18, [TRGM, postgis])
        assert (
            "PostgreSQL 18 has no extension 'pg_trgm', which"
            " migrations/versions/0003.py:12 creates" in caught.value.problem
        )
        assert "nor 'postgis', which pyproject.toml names" in caught.value.problem
        assert package in caught.value.cure
        assert "DATABASE_URL" in caught.value.cure
    assert "installed 15.3 is here, but lacks 'pg_trgm', 'postgis'" in str(caught.value)
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(SurroundingsError, match="brew install postgresql@15 postgis"):
        choice.of(18, [TRGM, postgis])


@pytest.mark.parametrize(
    ("extension", "packages"),
    [
        ("pg_trgm", "postgresql-17"),
        ("vector", "postgresql-17 postgresql-17-pgvector"),
        ("plpython3u", "postgresql-17 postgresql-plpython3-17"),
        ("pg_partman", "postgresql-17 postgresql-17-partman"),
        ("timescale_x", "postgresql-17 postgresql-17-timescale-x"),
    ],
)
def test_the_packages_have_debians_names(extension, packages):
    assert choice.packages(extension, 17) == packages


def test_too_old_or_odd_ones_are_passed_over(machine, folder):
    assert machine(v9_6="", v14_11="", v19beta1="") == []
    machine(v17_2="")
    (folder / "lib" / "17.2" / "share" / "postgres.bki").unlink()
    installed.look.cache_clear()
    assert find(folder) == []


def test_pg_config_and_path_are_asked(machine, folder):
    machine(v17_2="")
    place = folder / "lib" / "17.2" / "bin"
    config = folder / "pg_config"
    program(config, place)
    found = installed.find({"PATH": "/nowhere", "PG_CONFIG": str(config)}, ())
    assert [each.version for each in found] == ["17.2"]
    found = installed.find({"PATH": str(place)}, ())
    assert [each.version for each in found] == ["17.2"]
    gone = {"PATH": "/nowhere", "PG_CONFIG": str(folder / "gone")}
    assert installed.find(gone, ()) == []


def test_a_machine_is_looked_at_in_the_usual_places():
    for each in installed.find():
        assert (each.share / "postgres.bki").is_file()
        assert each.origin == "installed" and each.major >= installed.OLDEST


@pytest.fixture
def real():
    """A PostgreSQL that is installed on this machine, with its contrib."""
    known = [each for each in installed.find() if each.has("pg_trgm")]
    if not known:
        pytest.skip("no PostgreSQL with contrib is installed here (apt: postgresql)")
    return known[0]


@pytest.fixture
def with_trgm(folder, monkeypatch):
    """A project whose migration creates an extension that the embedded one lacks."""
    monkeypatch.delenv(server.VARIABLE, raising=False)
    (folder / "0001.sql").write_text("\nCREATE EXTENSION pg_trgm;\n")
    component = Component(name="app", path=".", language="python")
    database = Database(component="app")
    return Project(folder, Settings(components=(component,), database=database))


@pytest.mark.proof
def test_an_installed_one_runs_throw_away_databases(real, with_trgm, capsys):
    with server.fresh(with_trgm, "tests") as address:
        with server.connection(address) as connection:
            connection.execute("CREATE EXTENSION pg_trgm")
            row = connection.execute("SELECT show_trgm('a'), version()").fetchone()
    assert real.version in row[1]
    assert f"PostgreSQL is {real}: the embedded one lacks pg_trgm" in (
        capsys.readouterr().out
    )


@pytest.mark.proof
def test_the_development_data_of_another_version_are_not_opened(
    real, with_trgm, capsys
):
    older = with_trgm.root / "0001.sql"
    text = older.read_text()
    older.write_text("")
    with server.development(with_trgm) as address:
        with server.connection(address) as connection:
            connection.execute("CREATE TABLE stays ()")
    older.write_text(text)
    with server.development(with_trgm) as address:
        with server.connection(address) as connection:
            connection.execute("CREATE EXTENSION pg_trgm")
            found = connection.execute("SELECT to_regclass('stays')").fetchone()
    kept = cluster.kept_folder(with_trgm.state, real.major)
    assert kept.name == f"postgres-{real.major}"
    if real.major != 18:
        assert found == (None,)
        assert "the data of postgres-18 stay where they are" in capsys.readouterr().out
    assert server.version_of(with_trgm) == real.major
    older.write_text("")
    with server.development(with_trgm) as address:
        with server.connection(address) as connection:
            found = connection.execute("SELECT to_regclass('stays')").fetchone()
    assert found == ("stays",)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server is another user")
def test_root_runs_a_server_as_whoever_its_data_belong_to(folder):
    assert binaries.owner(folder / "none") == binaries.unprivileged()
    assert binaries.owner(folder) == binaries.unprivileged(), "never as root"
    os.chown(folder, 12345, 12346)
    assert binaries.owner(folder) == (12345, 12346)
