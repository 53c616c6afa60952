"""One transaction for a whole test, although the application commits."""

import pytest

slow = pytest.mark.proof
DRIVERS = ["psycopg", *(pytest.param(d, marks=slow) for d in ("psycopg2", "pg8000"))]
TESTS = """
    import threading
    import pytest
    import sqlalchemy as sa
    from sqlalchemy.orm import Session
    from conftest import ask, engine, run

    pytestmark = pytest.mark.database("transaction")
    PEOPLE = "SELECT count(*) FROM people"
    BOB = "INSERT INTO people (name) VALUES ('Bob')"
    EVE = "INSERT INTO people (name) VALUES ('Eve')"


    def test_a_commit_is_seen_by_every_engine_of_the_process(database_url):
        other = sa.create_engine(database_url)
        run(BOB)
        assert ask(PEOPLE) == ask(PEOPLE, other) == 2


    def test_a_rollback_undoes_its_own_work_only():
        with Session(engine) as session:
            session.execute(sa.text(BOB))
            session.commit()
            session.execute(sa.text(EVE))
            session.rollback()
            session.execute(sa.text(EVE))
        assert ask(PEOPLE) == 2


    def test_an_error_leaves_a_connection_that_works():
        with Session(engine) as session:
            with pytest.raises(sa.exc.IntegrityError):
                session.execute(sa.text("INSERT INTO people (name) VALUES ('Ada')"))
            session.rollback()
            session.execute(sa.text(BOB))
            session.commit()
        with pytest.raises(sa.exc.IntegrityError), engine.begin() as connection:
            connection.exec_driver_sql(BOB)
        assert ask(PEOPLE) == 2


    def test_savepoints_of_the_application():
        with engine.begin() as connection:
            with connection.begin_nested() as inner:
                connection.exec_driver_sql(BOB)
                inner.rollback()
            with connection.begin_nested():
                connection.exec_driver_sql(EVE)
        assert ask("SELECT max(name) FROM people") == "Eve"


    def test_sessions_within_sessions():
        with Session(engine) as outer, Session(engine) as inner:
            outer.execute(sa.text(BOB))
            inner.execute(sa.text(EVE))
            outer.commit()
            inner.rollback()
            outer.execute(sa.text("SELECT 1"))
            inner.execute(sa.text(EVE))
            inner.commit()
        assert ask(PEOPLE) == 3


    def test_a_reader_that_is_closed_takes_no_commit_with_it():
        with Session(engine) as reader:
            reader.execute(sa.text("SELECT 1"))
            run(BOB)
        assert ask(PEOPLE) == 2


    def test_one_that_wrote_and_is_rolled_back_would_and_says_so():
        with Session(engine) as writer:
            writer.execute(sa.text(BOB))
            run(EVE)
            with pytest.raises(Exception, match="two transactions were open at once"):
                writer.rollback()
        assert ask(PEOPLE) == 1


    def test_a_younger_one_goes_with_the_older_one():
        with engine.connect() as older, engine.connect() as younger:
            older.exec_driver_sql(BOB)
            younger.exec_driver_sql(EVE)
            older.rollback()
            younger.commit()
        assert ask(PEOPLE) == 1


    def test_ddl():
        run("CREATE TABLE extra (id int)")
        run("INSERT INTO extra VALUES (1)")


    def test_the_fixtures_see_it_too(database_session, database_connection):
        run(BOB)
        assert database_session.execute(sa.text(PEOPLE)).scalar() == 2
        database_connection.exec_driver_sql(EVE)
        database_session.commit()
        assert ask(PEOPLE) == 3


    def test_a_driver_connection():
        raw = engine.raw_connection()
        cursor = raw.cursor()
        cursor.execute(BOB)
        raw.commit()
        cursor.execute(EVE)
        raw.rollback()
        cursor.execute(PEOPLE)
        assert cursor.fetchone()[0] == 2
        raw.close()
        assert ask(PEOPLE) == 2


    def test_threads_one_after_the_other():
        worker = threading.Thread(target=run, args=(BOB,))
        worker.start()
        worker.join()
        assert ask(PEOPLE) == 2


    def test_no_connection_is_left_in_use():
        assert engine.pool.checkedout() == 0
        with engine.connect() as one, engine.connect() as two:
            one.execute(sa.text("SELECT 1"))
            two.execute(sa.text("SELECT 1"))
            assert engine.pool.checkedout() == 1


    def test_a_level_is_refused():
        with engine.connect() as connection:
            with pytest.raises(Exception, match="the isolation level AUTOCOMMIT"):
                connection.execution_options(isolation_level="AUTOCOMMIT")
        with pytest.raises(Exception, match="the isolation level AUTOCOMMIT"):
            engine.execution_options(isolation_level="AUTOCOMMIT").connect()


    def test_an_engine_that_always_commits_is_refused():
        always = sa.create_engine(engine.url, isolation_level="AUTOCOMMIT")
        with pytest.raises(Exception, match="the isolation level AUTOCOMMIT"):
            always.connect()
        run(BOB)


    def test_detaching_is_refused():
        with engine.connect() as connection:
            with pytest.raises(Exception, match="cannot be detached"):
                connection.detach()


    kept = Session(engine)


    def test_a_session_that_is_never_closed():
        kept.execute(sa.text(BOB))


    def test_and_used_in_the_next():
        with pytest.raises(Exception, match="of an earlier test is used"):
            kept.execute(sa.text(PEOPLE))
        kept.close()
        assert kept.execute(sa.text(PEOPLE)).scalar() == 1
        kept.close()


    @pytest.mark.database("none")
    @pytest.mark.usefixtures("database_transaction")
    def test_asked_for_by_its_name():
        run(BOB)


    def test_a_broken_connection_is_replaced():
        with engine.connect() as connection:
            mine = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
            own = sa.create_engine(engine.url.update_query_dict({"application_name": "x"}))
            ask(f"SELECT pg_terminate_backend({mine})", own)
            with pytest.raises(sa.exc.DBAPIError):
                connection.exec_driver_sql("SELECT 1")
        assert ask(PEOPLE) == 1
"""
SQLITE = """
    import pytest
    import sqlalchemy as sa
    from sqlalchemy.orm import Session
    from conftest import ask, engine, run

    BOB = "INSERT INTO people (name) VALUES ('Bob')"
    PEOPLE = "SELECT count(*) FROM people"
    count = pytest.mark.parametrize("n", range(2))


    @pytest.mark.database("transaction")
    @count
    def test_commits_in_a_transaction(n):
        with Session(engine) as session:
            session.execute(sa.text(BOB))
            session.commit()
            session.execute(sa.text("INSERT INTO people (name) VALUES ('Eve')"))
            session.rollback()
        assert ask(PEOPLE) == 2
        with pytest.raises(sa.exc.IntegrityError):
            run(BOB)


    @pytest.mark.database("reset")
    @count
    def test_commits_and_ddl_and_a_reset(n):
        run(BOB)
        run("CREATE TABLE extra (id int)")
        assert ask(PEOPLE) == 2


    def test_each_of_them_is_undone(database_session, database_engine):
        assert ask(PEOPLE) == ask(PEOPLE, database_engine) == 1
        database_session.execute(sa.text(BOB))
        database_session.commit()


    @count
    def test_an_own_database(own_database, database_url, n):
        own = sa.create_engine(own_database)
        run(BOB, own)
        assert (ask(PEOPLE, own), ask(PEOPLE)) == (2, 1)
        assert own_database != database_url
        own.dispose()

"""
LEFT_OPEN = """
    from sametree.inside.sametree_pytest import sqlite_reset

    sqlite_reset.PATIENCE = 0.2


    @pytest.mark.database("reset")
    def test_what_is_left_open():
        run(BOB)
        pytest.left = engine.connect()
        pytest.left.exec_driver_sql("DELETE FROM people")


    def test_the_last():
        assert ask(PEOPLE) == 1
"""


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_application_commits_and_nothing_stays(with_helpers, template, driver):
    with_helpers.env |= template.variables(driver=driver)
    tests = TESTS
    if driver == "pg8000":  # which knows no application_name in an address
        tests = tests.partition("\n\n    def test_a_broken_connection")[0]
    with_helpers.write(test_it=tests)
    code, said = with_helpers.run()
    alone = [line for line in said.splitlines() if "DIFFERENT" in line]
    assert code == 0 and alone and all("_seq" in line for line in alone), said


@pytest.fixture
def on_sqlite(with_helpers, sqlite_template):
    for name in [each for each in with_helpers.env if each.startswith("SAMETREE_")]:
        del with_helpers.env[name]
    with_helpers.env["SAMETREE_SQLITE_TEMPLATE"] = str(sqlite_template)
    helpers = (with_helpers.folder / "conftest.py").read_text()
    with_helpers.write(conftest=helpers.partition("@pytest.hookimpl")[0])
    return with_helpers


@pytest.mark.proof
def test_sqlite_in_memory_has_the_same_fixtures(on_sqlite):
    on_sqlite.write(test_it=SQLITE)
    code, said = on_sqlite.run("-W", "error")
    assert "7 passed" in said, said


def test_what_is_left_open_there_is_an_error_of_its_test(on_sqlite):
    on_sqlite.write(test_it=SQLITE + LEFT_OPEN)
    code, said = on_sqlite.run()
    assert "9 passed, 1 error" in said and "During handling" not in said, said
    assert "ERROR test_it.py::test_what_is_left_open - Failed: the test left a" in said
