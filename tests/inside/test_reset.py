"""Real commits, after which the database is what it was."""

import pytest

slow = pytest.mark.proof
TESTS = """
    import threading
    from concurrent.futures import ThreadPoolExecutor
    from urllib.request import urlopen
    from wsgiref.simple_server import make_server
    import pytest
    import sqlalchemy as sa
    from sqlalchemy.orm import Session
    from conftest import ask, engine, run

    pytestmark = pytest.mark.database("reset")


    def test_nothing():
        pass


    def test_an_identity_column_counts_from_where_it_was():
        run("INSERT INTO people (name) VALUES ('Bob')")
        assert ask("SELECT max(id) FROM people") == 2


    def test_again_it_does():
        run("INSERT INTO people (name) VALUES ('Eve')")
        assert ask("SELECT max(id) FROM people") == 2


    def test_rows_of_the_template_come_back():
        run("UPDATE people SET name = 'Eve'")
        run("DELETE FROM countries")


    def test_a_table_that_others_restrict():
        run("INSERT INTO letters (person) VALUES (1), (1)")
        run("UPDATE people SET name = 'Changed'")


    def test_cycles():
        run("INSERT INTO hens VALUES (2, NULL)")
        run("INSERT INTO eggs VALUES (2, 2)")
        run("UPDATE hens SET egg = 2")


    def test_only_one_of_a_cycle():
        run("UPDATE hens SET egg = NULL")


    def test_partitions_by_their_parent():
        run("INSERT INTO days VALUES ('2026-01-02', 'a'), ('2026-02-02', 'b')")


    def test_partitions_by_themselves():
        run("INSERT INTO days_2 VALUES ('2026-02-03', 'c')")


    def test_a_row_that_moves():
        run("UPDATE days SET day = '2026-02-01'")


    def test_truncate():
        run("TRUNCATE days; TRUNCATE people, letters RESTART IDENTITY CASCADE")


    def test_odd_names():
        run('INSERT INTO "Odd ""table" VALUES (1)')


    def test_another_schema():
        run("INSERT INTO aside.notes (text) VALUES ('x')")


    def test_a_sequence_alone():
        run("SELECT nextval('aside.notes_id_seq')")


    def test_a_sequence_that_is_set():
        run("SELECT setval('letters_id_seq', 1, false)")


    def test_what_is_rolled_back_leaves_nothing():
        with engine.connect() as connection:
            connection.exec_driver_sql("INSERT INTO letters (person) VALUES (1)")


    def test_the_session_of_the_application():
        with Session(engine) as session:
            session.execute(sa.text("INSERT INTO people (name) VALUES ('Bob')"))
            session.commit()
            session.execute(sa.text("DELETE FROM people WHERE name = 'Bob'"))
            session.commit()


    def test_two_connections_see_each_other():
        with engine.connect() as one, engine.connect() as two:
            one.exec_driver_sql("INSERT INTO people (name) VALUES ('Bob')")
            count = "SELECT count(*) FROM people"
            assert two.exec_driver_sql(count).scalar() == 1
            two.rollback()
            one.commit()
            assert two.exec_driver_sql(count).scalar() == 2


    def test_threads():
        barrier = threading.Barrier(4)

        def work(number):
            with engine.begin() as connection:
                barrier.wait()
                connection.exec_driver_sql(f"INSERT INTO people (name) VALUES ('{number}')")
                barrier.wait()  # all have written, nobody has committed

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        assert ask("SELECT count(*) FROM people") == 5


    def test_a_server_in_a_thread():
        def answer(environ, start):
            run("INSERT INTO people (name) VALUES ('Bob')")
            start("200 OK", [("Content-Length", "0")])
            return []

        with make_server("127.0.0.1", 0, answer) as served:
            worker = threading.Thread(target=served.serve_forever)
            worker.start()
            urlopen(f"http://127.0.0.1:{served.server_port}/").close()
            served.shutdown()
            worker.join()
        assert ask("SELECT count(*) FROM people") == 2


    def test_our_own_connection_is_ended():
        run("INSERT INTO people (name) VALUES ('Bob')")
        run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()")


    def test_temporary_tables_are_the_tests_own():
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TEMPORARY TABLE mine (id serial PRIMARY KEY)")
            connection.exec_driver_sql("INSERT INTO mine DEFAULT VALUES")
            connection.exec_driver_sql("INSERT INTO letters (person) VALUES (1)")
            connection.exec_driver_sql("DROP TABLE mine")
"""
DDL = """


    def test_ddl():
        run("CREATE TABLE extra (id serial)")
        run("ALTER TABLE people ADD COLUMN age int")
        run("INSERT INTO people (name) VALUES ('Bob')")


    def test_after_ddl():
        assert ask("SELECT to_regclass('extra')") is None
        run("INSERT INTO people (name) VALUES ('Bob')")
        run("DROP TABLE letters")


    def test_as_others_see_it():
        assert ask("SELECT count(*) FROM letters") == 0
"""


@slow
@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "pg8000"])
def test_exactly_what_was_written_is_put_back(with_helpers, template, driver):
    with_helpers.env |= template.variables(driver=driver)
    with_helpers.write(test_it=TESTS + DDL)
    code, said = with_helpers.run()
    assert "DIFFERENT" not in said and "25 passed" in said, said


@pytest.mark.proof
def test_a_plain_role_on_a_given_server_can_do_it_too(with_helpers, template):
    with_helpers.env |= template.variables(given=True)
    with_helpers.write(test_it=TESTS)
    code, said = with_helpers.run()
    assert "DIFFERENT" not in said and "22 passed" in said, said


@pytest.mark.proof
def test_what_is_in_the_way_is_named_ended_and_an_error_of_its_test(with_helpers):
    with_helpers.write(test_it="""
        import pytest
        import sqlalchemy as sa
        from sametree.inside.sametree_pytest import reset
        from conftest import ask, engine, run

        reset.PATIENCE = 0.2
        pytestmark = pytest.mark.database("reset")
        kept = []


        def test_that_leaves_a_transaction_open():
            run("INSERT INTO letters (person) VALUES (1)")
            kept.append(engine.connect())
            kept[0].exec_driver_sql("UPDATE people SET name = 'left open'")


        def test_the_next_one():
            assert ask("SELECT name FROM people") == "Ada"
            run("UPDATE people SET name = 'Eve'")


        @pytest.fixture(scope="module")
        def older():
            with engine.connect() as connection:
                connection.exec_driver_sql("UPDATE hens SET egg = NULL")
                yield
                connection.invalidate()


        def test_that_an_older_one_holds_up(older):
            run("INSERT INTO hens VALUES (2, NULL)")


        def test_the_last(older):
            assert ask("SELECT count(*) FROM hens") == 1
        """)
    code, said = with_helpers.run()
    assert "ERROR at teardown of test_that_an_older_one_holds_up" in said, said
    assert "it was begun before the test" in said
    assert "4 passed, 2 errors" in said and "DIFFERENT" not in said, said
    assert "ERROR at teardown of test_that_leaves_a_transaction_open" in said
    assert "idle in transaction" in said
    assert "its last statement: UPDATE people SET name = 'left open'" in said
    assert "During handling" not in said and "Traceback" not in said


@pytest.mark.proof
def test_what_wider_fixtures_have_written_stays_as_long_as_they_do(with_helpers):
    with_helpers.write(test_it="""
        import pytest
        from conftest import ask, run

        BOB = "SELECT count(*) FROM people WHERE name = 'Bob'"


        @pytest.fixture(scope="module")
        def bob():
            run("INSERT INTO people (name) VALUES ('Bob')")
            yield
            run("DELETE FROM people WHERE name = 'Bob'")


        @pytest.mark.database("reset")
        def test_before():
            run("DELETE FROM people")


        @pytest.mark.database("reset")
        @pytest.mark.parametrize("n", range(2))
        def test_with_bob(bob, n):
            assert ask(BOB) == 1
            run("DELETE FROM people")
            run("INSERT INTO people (name) VALUES ('Carl')")


        def test_without_isolation(bob):
            assert ask(BOB) == 1
            run("CREATE TABLE extra (id int)")


        @pytest.mark.database("reset")
        def test_after_ddl_that_stays(bob):
            assert ask(BOB) == 1
            run("INSERT INTO extra VALUES (1)")


        @pytest.mark.database("none")
        def test_the_last():
            assert ask("SELECT count(*) FROM extra") == 0
        """)
    code, said = with_helpers.run()
    assert "6 passed" in said, said


@pytest.mark.proof
def test_dead_rows_are_cleared_away(with_helpers):
    with_helpers.write(test_it="""
        import pytest
        from conftest import ask, run


        @pytest.mark.database("reset")
        @pytest.mark.parametrize("n", range(5))
        def test_many_rows(n):
            run("INSERT INTO letters (person) SELECT 1 FROM generate_series(1, 20000)")


        def test_their_space_is_free():
            assert ask("SELECT pg_relation_size('letters')") == 0
        """)
    code, said = with_helpers.run()
    assert "6 passed" in said and "DIFFERENT" not in said, said


@pytest.mark.proof
def test_a_schema_of_ours_that_is_theirs_is_a_message(with_helpers):
    with_helpers.write(test_it="""
        import pytest
        from conftest import run


        def test_that_makes_it():
            run("CREATE SCHEMA sametree")


        @pytest.mark.database("reset")
        def test_reset():
            pass
        """)
    code, said = with_helpers.run()
    assert "the database cannot note what a test writes: the schema" in said, said
    assert "1 passed, 1 error" in said and "Traceback" not in said
