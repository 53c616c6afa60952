"""Tables of every kind are given rows that their own rules allow."""

import pytest
import sqlalchemy as sa

from sametree.database import cluster
from sametree.inside.sametree_check import catalogue, rows, values
from sametree.inside.sametree_check.asking import run

TABLES = """
create type mood as enum('sad','ok','happy');
create domain email as text check (value ~~ '_%@_%');
create domain pos as int not null check (value > 0);
create type pair as (a int, b text);
create table users(id bigserial primary key, mail email not null unique, name varchar(3) not null check (name <> ''), state text not null check (state in ('new','old')), m mood not null default 'ok', tags text[] , j jsonb not null default '{}', b bytea, r int4range, mr int4multirange, p pair, age pos, created timestamptz not null default clock_timestamp(), full_ text generated always as (name || state) stored, boss bigint references users(id), u uuid default gen_random_uuid(), n numeric(5,2) not null, c char(2), ip inet not null, price numeric check (price >= 0 and price < 10));
create unique index on users(lower(name), id);
create table posts(id int generated always as identity primary key, user_id bigint not null references users, title varchar(200) not null, exclude using gist (r with &&), r int4range not null, cnt bigint not null default 0, last timestamptz, check ((cnt = 0) = (last is null)));
create table likes(user_id bigint not null references users, post_id int not null references posts, primary key(user_id, post_id));
create table profile(user_id bigint primary key references users, bio text);
create table ev(id bigserial, at timestamptz not null, k int not null, primary key(id, at)) partition by range(at);
create table ev1 partition of ev for values from ('2024-01-01') to ('2024-02-01');
create table ev2 partition of ev for values from ('2024-02-01') to ('2024-03-01');
create table h(id int not null primary key) partition by hash(id);
create table h1 partition of h for values with (modulus 2, remainder 0);
create table h2 partition of h for values with (modulus 2, remainder 1);
create table l(id int not null, s text not null) partition by list(s);
create table l1 partition of l for values in ('a','b');
create table only_id(id bigint generated always as identity primary key);
create table only_serial(id serial primary key);
create table nothing();
create table a1(id int primary key, b int not null);
create table b1(id int primary key, a int not null references a1);
alter table a1 add foreign key (b) references b1 deferrable initially deferred;
create table comp(t1 bigint, t2 int, foreign key (t1,t2) references likes(user_id, post_id));
create table "Weird Name"("Col ""x" int not null, "select" text unique);
create table small(id smallint primary key, code char(1) not null unique, flag bool not null unique);
"""
ROWS = 300


@pytest.fixture(scope="module")
def connection():
    with cluster.throw_away(18) as address:
        engine = sa.create_engine(
            address.url("psycopg"), poolclass=sa.NullPool, isolation_level="AUTOCOMMIT"
        )
        with engine.connect() as connection:
            yield connection


@pytest.fixture
def schema(connection):
    """Return a way to make tables, and to learn their ids; they go afterwards."""

    def make(sql):
        run(connection, f"CREATE SCHEMA public; {sql}")
        query = """SELECT relname, oid::bigint FROM pg_class
                    WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"""
        return dict(run(connection, query).all())

    run(connection, "DROP SCHEMA public CASCADE")
    run(connection, "SET enable_nestloop = off")
    return make


def test_tables_of_all_types_and_constraints_are_filled(connection, schema):
    oids = schema(TABLES)
    run(connection, "SET session_replication_role = replica")
    filler = rows.Filler(connection, ROWS)
    filler.fill(oids.values())
    run(connection, "RESET session_replication_role")
    names = {oid: name for name, oid in oids.items()}
    few = {names[oid] for oid, count in filler.rows.items() if count < ROWS - 1}
    # A boolean that is unique has two values; parts of tables have their share.
    assert few == {"small", "ev1", "ev2", "h1", "h2"}
    assert filler.notes == ["small could only be given 2 rows, for its conditions"]
    # Keys that were not checked while the rows came hold all the same.
    keys = """SELECT format('ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %I %s',
                conrelid::regclass, conname, conname, pg_get_constraintdef(oid))
                FROM pg_constraint WHERE contype = 'f' AND conparentid = 0"""
    for sql in run(connection, keys).scalars().all():
        run(connection, sql)


def test_a_role_that_may_not_switch_keys_off_fills_tables_that_need_no_circle(
    connection, schema
):
    oids = schema(
        "CREATE TABLE a (id int PRIMARY KEY, up int REFERENCES a);"
        "CREATE TABLE b (id int PRIMARY KEY, a int NOT NULL REFERENCES a);"
    )
    filler = rows.Filler(connection, ROWS)
    filler.fill([oids["b"]])
    assert filler.rows == {oids["a"]: ROWS, oids["b"]: ROWS}


def test_rows_that_are_there_are_kept_and_counted(connection, schema):
    oids = schema("CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (1), (7)")
    filler = rows.Filler(connection, ROWS)
    filler.fill([oids["a"]])
    assert filler.rows == {oids["a"]: ROWS}


def test_half_of_what_may_be_null_is(connection, schema):
    oids = schema("CREATE TABLE a (id int PRIMARY KEY, n int, d int DEFAULT 5)")
    rows.Filler(connection, ROWS).fill([oids["a"]])
    told = run(connection, "SELECT count(n), min(d), max(d) FROM a").one()
    assert tuple(told) == (ROWS // 2, 5, 5)


def test_a_table_that_cannot_be_filled_is_named_with_the_reason(connection, schema):
    oids = schema(
        "CREATE TABLE a (id int PRIMARY KEY, x pg_node_tree NOT NULL);"
        "CREATE TABLE b (n int NOT NULL CHECK (n * n = -1))"
    )
    filler = rows.Filler(connection, ROWS)
    filler.fill(oids.values())
    assert any(
        "a could only be given 0 rows: no value is known for x" in note
        for note in filler.notes
    )
    assert "b could only be given 0 rows, for its conditions" in filler.notes


def test_what_a_later_state_wants_is_read_from_it(connection, schema):
    oids = schema("CREATE TABLE a (id int PRIMARY KEY, n int)")
    run(
        connection,
        "BEGIN; ALTER TABLE a ADD CHECK (n < 3) NOT VALID; ALTER TABLE a ALTER n SET NOT NULL",
    )
    after = catalogue.snapshot(connection)
    run(connection, "ROLLBACK")
    wanted = rows.wanted(after, oids)
    assert wanted.required[oids["a"]] == {"id", "n"}
    rows.Filler(connection, ROWS, wanted).fill([oids["a"]])
    assert run(connection, "SELECT count(*) FROM a WHERE n < 3").scalar() == ROWS


@pytest.mark.parametrize(
    "change, told",
    [
        ("DROP INDEX i", ["the index i is missing"]),
        ("DROP TABLE u", ["the table u is missing"]),
        (
            "ALTER TABLE t ALTER n DROP NOT NULL",
            ["the column t.n was NOT NULL and is nullable"],
        ),
        ("ALTER TABLE t ADD UNIQUE (v)", ["the constraint t.t_v_key is still there"]),
        (
            "ALTER TABLE t ALTER v SET DEFAULT 'x'",
            ["the default of the column t.v was nothing and is 'x'::text"],
        ),
        (
            "ALTER TABLE t RENAME v TO w",
            ["the column t.v is missing", "the column t.w is still there"],
        ),
        (
            "COMMENT ON COLUMN t.v IS 'so'",
            ["the comment of the column t.v was nothing and is so"],
        ),
        (
            "CREATE OR REPLACE VIEW w AS SELECT 2 AS n",
            ["the definition of the view w was SELECT 1 AS n; and is SELECT 2 AS n;"],
        ),
        (
            "ALTER SEQUENCE s INCREMENT 2",
            [
                "the options of the sequence s was 1 1 1 9223372036854775807 1 f and is 1 2 1 9223372036854775807 1 f"
            ],
        ),
        (
            "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
            ["the row security of the table t was false and is true"],
        ),
        ("CREATE POLICY p ON t USING (true)", ["the policy t.p is still there"]),
        ("CREATE SCHEMA more", ["the schema more is still there"]),
        (
            "CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()",
            ["the trigger t.g is still there"],
        ),
        ("DROP FUNCTION f()", ["the function f() is missing"]),
        (
            "ALTER TABLE t VALIDATE CONSTRAINT c",
            ["the constraint t.c was not validated and is validated"],
        ),
        ("GRANT SELECT ON t TO PUBLIC; REVOKE SELECT ON t FROM PUBLIC", []),
        ("ALTER TABLE t ALTER n SET NOT NULL", []),
        ("CREATE TYPE pair AS (a int)", ["the type pair is still there"]),
        ("CREATE DOMAIN d AS int", ["the type d is still there"]),
        ("CREATE STATISTICS st ON n, v FROM t", ["the statistics st is still there"]),
        ("CREATE RULE r AS ON DELETE TO t DO NOTHING", ["the rule t.r is still there"]),
    ],
)
def test_the_catalogue_tells_what_changed(connection, schema, change, told):
    from sametree.database.check_report import Change, sentence

    schema(
        "CREATE TABLE t (n int NOT NULL, v text); CREATE INDEX i ON t (n);"
        "CREATE TABLE u (n serial PRIMARY KEY); CREATE VIEW w AS SELECT 1 AS n;"
        "CREATE SEQUENCE s; ALTER TABLE t ADD CONSTRAINT c CHECK (n > 0) NOT VALID;"
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
    )
    before = catalogue.snapshot(connection)
    run(connection, f"BEGIN; {change}")
    after = catalogue.snapshot(connection)
    run(connection, "ROLLBACK")
    found = catalogue.differences(before, after)
    changes = [Change(e.kind, e.name, e.change, e.before, e.after) for e in found]
    assert [sentence(each) for each in changes] == told


def test_another_order_of_columns_is_no_difference_but_told(connection, schema):
    schema("CREATE TABLE t (a int, b int)")
    before = catalogue.snapshot(connection)
    run(connection, "ALTER TABLE t DROP a; ALTER TABLE t ADD a int")
    after = catalogue.snapshot(connection)
    assert catalogue.differences(before, after) == []
    assert catalogue.reordered(before, after) == ["t"]


def test_values_of_a_condition_are_found_in_its_text():
    assert values.candidates(
        "((state)::text = ANY (ARRAY['a'::text, 'b''c'::text]))"
    ) == [
        "'a'",
        "'b''c'",
    ]
    assert values.candidates("(mail ~~ '_%@_%'::text)") == [
        "'x' || i || '@x' || i || ''"
    ]
    assert values.candidates("(n > 5)") == ["5", "6", "4"]
