"""On a server that is not ours: templates that stay, and hands off all else."""

import threading
import time

import pytest

from sametree.database import cluster, given, server
from sametree.errors import SurroundingsError
from sametree.settings import Component, Database, Project, Settings


@pytest.fixture(scope="module")
def theirs():
    """A server that is not ours, as far as the suite can tell."""
    with cluster.throw_away(18) as address:
        with server.connection(address) as admin:
            admin.execute("CREATE ROLE clerk LOGIN CREATEDB PASSWORD 'clerk'")
            admin.execute("CREATE ROLE other LOGIN CREATEDB PASSWORD 'other'")
            admin.execute("CREATE DATABASE shop OWNER clerk")
        yield address


@pytest.fixture
def named(theirs, monkeypatch):
    """The server as a plain role meets it; without our databases."""
    url = f"postgresql://clerk:clerk@{theirs.host}:{theirs.port}/shop"
    monkeypatch.setenv(server.VARIABLE, url)
    yield server.given()
    with server.connection(theirs) as admin:
        for name in databases(theirs):
            if name.startswith("sametree_"):
                admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@pytest.fixture
def project(folder):
    return Project(folder, Settings(database=Database(component="app")))


class Migration:
    def __init__(self, seconds=0.0):
        self.runs = 0
        self.seconds = seconds

    def __call__(self, address):
        self.runs += 1
        time.sleep(self.seconds)
        with server.connection(address) as connection:
            connection.execute("CREATE TABLE people (name text)")


def databases(address):
    with server.connection(address) as connection:
        rows = connection.execute("SELECT datname FROM pg_database").fetchall()
    return {row[0] for row in rows}


def kept(address):
    return {name for name in databases(address) if name.startswith(given.TEMPLATE)}


def people(address):
    with server.connection(address) as connection:
        return connection.execute("SELECT to_regclass('people')").fetchone()


def test_a_second_run_pays_for_no_migration(project, named):
    migrate, before = Migration(), databases(named)
    seen = set()
    for of_earlier in (False, True):
        with server.migrated(project, "one", migrate) as template:
            assert (template.own, template.kept) == (False, of_earlier)
            assert template.maintenance == named
            assert template.address.database.startswith("sametree_tests_")
            assert people(template.address) == ("people",)
            with server.connection(template.address) as connection:
                connection.execute("DROP TABLE people")
            seen.add(template.address.database)
    assert migrate.runs == 1
    assert len(seen) == 2, "each run has a database of its own"
    (template,) = kept(named)
    assert databases(named) - before == {template}
    with pytest.raises(SurroundingsError, match="not currently accepting connections"):
        with server.connection(named.named(template)):
            pass


def test_two_at_once_make_one(project, named):
    migrate, seen = Migration(0.2), []

    def run():
        with server.migrated(project, "one", migrate) as template:
            seen.append((template.kept, people(template.address)))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert migrate.runs == 1
    assert sorted(seen) == [
        (False, ("people",)),
        (True, ("people",)),
        (True, ("people",)),
    ]


def test_by_way_of_another_database_of_the_server_a_template_is_not_made_twice(
    project, named, theirs, monkeypatch
):
    def at_once(address):
        monkeypatch.setenv(server.VARIABLE, named.named("postgres").url())
        with server.migrated(project, "one", Migration()) as inner:
            assert people(inner.address) == ("people",)
        Migration()(address)

    with server.migrated(project, "one", at_once) as template:
        assert people(template.address) == ("people",)
    assert len(kept(named)) == 1


def test_a_history_that_others_have_replaced_goes(project, named, theirs):
    foreign = f"{given.TEMPLATE}of_somebody"
    with server.connection(theirs) as admin:
        admin.execute(f'CREATE DATABASE "{foreign}"'.encode())
        for history in ("one", "two", "one", "three"):
            with server.migrated(project, history, Migration()):
                pass
            # The comments count seconds; these runs took less.
            for name in kept(named) - {foreign}:
                stamp = given._comment_of(admin, name)
                whose, _, used = stamp.rpartition(" ")
                given._comment(admin, name, f"{whose} {int(used) - 10}")
    assert len(kept(named)) == 3 and foreign in kept(named)
    for history, of_earlier in (("one", True), ("three", True)):
        with server.migrated(project, history, Migration()) as template:
            assert template.kept is of_earlier, history


def test_what_no_run_uses_any_more_goes_whosoever_it_is(project, named, theirs):
    with given.migrated(named, "sametree_tests_a", "older", "x", Migration()):
        pass
    (old,) = kept(named)
    with server.connection(theirs) as admin:
        given._comment(admin, old, f"{given.KEPT_STAMP}older 1000")
    with server.migrated(project, "one", Migration()):
        pass
    assert old not in kept(named) and len(kept(named)) == 1


def test_a_template_that_another_run_copies_is_not_dropped(project, named, theirs):
    with given.migrated(named, "sametree_tests_a", "older", "x", Migration()):
        pass
    (old,) = kept(named)
    with server.connection(theirs) as other, server.connection(theirs) as admin:
        given._comment(admin, old, f"{given.KEPT_STAMP}older 1000")
        given._lock(other, old)
        with server.migrated(project, "one", Migration()):
            pass
    assert old in kept(named)


def test_another_role_has_templates_of_its_own(project, named, monkeypatch):
    with server.migrated(project, "one", Migration()):
        pass
    url = named.url().replace("clerk:clerk", "other:other")
    monkeypatch.setenv(server.VARIABLE, url.replace("/shop", "/postgres"))
    with server.migrated(project, "one", Migration()) as template:
        assert not template.kept
    assert len(kept(named)) == 2


def test_a_migration_that_fails_leaves_nothing(project, named):
    before = databases(named)

    def failing(address):
        raise SurroundingsError("no")

    with pytest.raises(SurroundingsError, match="^no$"):
        with server.migrated(project, "one", failing):
            pass
    assert databases(named) == before


def test_a_database_with_our_template_s_name_that_is_not_ours_is_not_touched(
    project, named, theirs, capsys
):
    with server.migrated(project, "one", Migration()):
        pass
    (name,) = kept(named)
    with server.connection(theirs) as admin:
        admin.execute(f'DROP DATABASE "{name}"'.encode())
        admin.execute(f'CREATE DATABASE "{name}"'.encode())
    migrate = Migration()
    with server.migrated(project, "one", migrate) as template:
        assert not template.kept
        assert people(template.address) == ("people",)
    assert migrate.runs == 1
    assert f"{name} is none of ours" in capsys.readouterr().out
    assert people(theirs.named(name)) == (None,)


def test_a_database_with_our_name_that_we_did_not_make_is_refused(
    project, named, theirs, monkeypatch
):
    monkeypatch.setattr("secrets.token_hex", lambda size: "0badcafe")
    with server.connection(theirs) as admin:
        admin.execute("CREATE DATABASE sametree_tests_0badcafe")
        admin.execute("CREATE DATABASE sametree_tests_0badcafe__gw0")
    with pytest.raises(SurroundingsError, match="we did not make it"):
        with server.fresh(project, "tests"):
            pass
    both = {"sametree_tests_0badcafe", "sametree_tests_0badcafe__gw0"}
    assert both <= databases(named)


def settings_of(address):
    query = (
        "SELECT name, setting, source, sourcefile FROM pg_settings"
        " WHERE name NOT IN ('client_encoding', 'application_name') ORDER BY 1"
    )
    roles = "SELECT setdatabase, setrole, setconfig FROM pg_db_role_setting"
    with server.connection(address) as connection:
        rows = connection.execute(query).fetchall()
        return rows, connection.execute(roles).fetchall()


def test_nothing_of_a_given_server_is_tuned(project, folder, monkeypatch):
    with cluster.kept(folder / "theirs", 18) as theirs:
        monkeypatch.setenv(server.VARIABLE, theirs.url())
        before, bystanders = settings_of(theirs), databases(theirs)
        told = {name: setting for name, setting, _, _ in before[0]}
        assert (told["fsync"], told["synchronous_commit"]) == ("on", "on")
        with server.migrated(project, "one", Migration()) as template:
            assert settings_of(template.address) == before
            with server.fresh(project, "check") as address:
                assert settings_of(address) == before
        assert settings_of(theirs) == before
        assert databases(theirs) - bystanders == kept(theirs)


def test_an_extension_that_a_given_server_lacks_is_told_before_the_start(folder, named):
    (folder / "a.sql").write_text("CREATE EXTENSION\n  pg_trgm;")
    component = Component(name="app", path=".", language="python")
    database = Database(component="app", extensions=("vector",))
    project = Project(folder, Settings(components=(component,), database=database))
    before = databases(named)
    for run in (server.fresh, lambda p, h: server.migrated(p, h, Migration())):
        with pytest.raises(SurroundingsError, match="'pg_trgm', which a.sql:1 creates"):
            with run(project, "one"):
                pass
    assert databases(named) == before
    (folder / "a.sql").unlink()
    with server.fresh(project, "tests"):
        pass


def test_the_witness_tells_what_new_databases_begin_with(theirs):
    before = given.witness(theirs)
    with server.connection(theirs.named("template1")) as admin:
        admin.execute("CREATE TABLE leftover (id int PRIMARY KEY, name text)")
    assert given.witness(theirs) == before, "asked once a process"
    given._witness.cache_clear()
    assert given.witness(theirs)[0] == before[0]
    assert given.witness(theirs)[1] != before[1]
    with server.connection(theirs.named("template1")) as admin:
        admin.execute("DROP TABLE leftover")
