"""Histories with planted faults, run by the real program on a real server."""

import pytest
from checking import History


@pytest.fixture
def history(tmp_path, postgres):
    return History(tmp_path, postgres)


CONCURRENTLY = (
    "with op.get_context().autocommit_block():\n"
    "        op.create_index('i2', 't', ['n'], postgresql_concurrently=True)"
)
LOOP = (
    "for low in range(0, 2000, 100):\n"
    "        op.execute(f'UPDATE t SET z = 5 WHERE id > {low} AND id <= {low + 100}')"
)
BATCHED = (
    "with op.get_context().autocommit_block():\n"
    "        for low in range(0, 2000, 100):\n"
    "            op.execute(f'UPDATE t SET z = 7 WHERE id > {low} AND id <= {low + 100}')"
)


@pytest.fixture(scope="module")
def planted(tmp_path_factory, postgres):
    """One long history; each revision does one thing, right or wrong."""
    history = History(tmp_path_factory.mktemp("planted"), postgres)
    made = (
        "CREATE TABLE p (id bigserial PRIMARY KEY, n int);"
        " CREATE TABLE t (id bigserial PRIMARY KEY, n int NOT NULL, v varchar(20),"
        " f bigint, g int, h int, old text, gone int)"
    )
    back = "DROP TABLE t; DROP TABLE p"
    history.add("tables", made, back)
    history.add("index", "CREATE INDEX i1 ON t (n)", "DROP INDEX i1")
    history.add("concurrently", CONCURRENTLY, "DROP INDEX i2")
    history.add("forgets", "CREATE INDEX concurrently_not ON p (n)", "SELECT 1")
    key = "ALTER TABLE t ADD CONSTRAINT fk FOREIGN KEY (f) REFERENCES p (id)"
    history.add("key", key, "ALTER TABLE t DROP CONSTRAINT fk")
    key = "ALTER TABLE t ADD CONSTRAINT fk2 FOREIGN KEY (g) REFERENCES p (id) NOT VALID"
    history.add("key_later", key, "ALTER TABLE t DROP CONSTRAINT fk2")
    history.add(
        "add_required",
        "ALTER TABLE t ADD COLUMN must int NOT NULL DEFAULT 3",
        "ALTER TABLE t DROP COLUMN must",
    )
    history.add(
        "set_not_null",
        "ALTER TABLE t ALTER h SET NOT NULL",
        "ALTER TABLE t ALTER h DROP NOT NULL",
    )
    history.add(
        "check",
        "ALTER TABLE t ADD CONSTRAINT small CHECK (g IS NOT NULL)",
        "ALTER TABLE t DROP CONSTRAINT small",
    )
    history.add(
        "proven",
        "ALTER TABLE t ALTER g SET NOT NULL",
        "ALTER TABLE t ALTER g DROP NOT NULL",
    )
    history.add(
        "widen",
        "ALTER TABLE t ALTER v TYPE text",
        "ALTER TABLE t ALTER v TYPE varchar(20)",
    )
    history.add(
        "retype", "ALTER TABLE t ALTER n TYPE bigint", "ALTER TABLE t ALTER n TYPE int"
    )
    history.add(
        "volatile",
        "ALTER TABLE t ADD COLUMN w timestamptz DEFAULT clock_timestamp()",
        "ALTER TABLE t DROP COLUMN w",
    )
    history.add(
        "unique",
        "ALTER TABLE t ADD CONSTRAINT one UNIQUE (n)",
        "ALTER TABLE t DROP CONSTRAINT one",
    )
    history.add(
        "add_z", "ALTER TABLE t ADD COLUMN z int", "ALTER TABLE t DROP COLUMN z"
    )
    history.add("backfill", "UPDATE t SET z = 1")
    history.add("loop", LOOP)
    history.add("batched", BATCHED)
    history.add(
        "lock_and_fill",
        "op.execute('ALTER TABLE t ADD COLUMN y int')\n"
        "    op.execute('UPDATE t SET y = id')",
        "ALTER TABLE t DROP COLUMN y",
    )
    history.add(
        "rename",
        "ALTER TABLE t RENAME COLUMN old TO new",
        "ALTER TABLE t RENAME COLUMN new TO old",
    )
    history.add(
        "drop", "ALTER TABLE t DROP COLUMN gone", "ALTER TABLE t ADD COLUMN gone int"
    )
    history.add(
        "drop_later",
        "ALTER TABLE t DROP COLUMN h",
        "ALTER TABLE t ADD COLUMN h int NOT NULL DEFAULT 1",
        head='phase = "contract"',
    )
    history.add("enum", "CREATE TYPE mood AS ENUM ('sad')", "DROP TYPE mood")
    history.add("enum_more", "ALTER TYPE mood ADD VALUE 'happy'")
    history.add("never", "SELECT 1", "raise NotImplementedError('no way back')")
    heard = history.check()
    assert history.code == 0, heard
    assert history.left == []
    return history, heard


EXPECTED = {
    "tables": [],
    "index": ["blocks-writes"],
    "concurrently": [],
    "forgets": ["blocks-writes", "irreversible"],
    "key": ["blocks-writes"],
    "key_later": [],
    "add_required": [],
    "set_not_null": ["blocks-reads", "breaks-old-code"],
    "check": ["blocks-reads"],
    "proven": ["breaks-old-code"],
    "widen": [],
    "retype": ["blocks-reads", "breaks-old-code"],
    "volatile": ["blocks-reads"],
    "unique": ["blocks-reads"],
    "add_z": [],
    "backfill": ["unbatched-backfill"],
    "loop": ["unbatched-backfill"],
    "batched": [],
    "lock_and_fill": ["blocks-reads"],
    "rename": ["breaks-old-code"],
    "drop": ["breaks-old-code"],
    "enum": [],
    "enum_more": ["irreversible"],
    "never": ["irreversible"],
}
"""What is found about each revision; of ``drop_later`` and others see below."""


def each_fault_is_found_and_nothing_else(planted):
    history, heard = planted
    found = {n: [f.rule for f in history.findings(heard, n)] for n in EXPECTED}
    assert {n: sorted(rules) for n, rules in found.items()} == EXPECTED


def texts(planted, name):
    history, heard = planted
    return "\n".join(f"{f.text} -> {f.cure}" for f in history.findings(heard, name))


def a_finding_names_statement_table_lock_work_and_the_safe_form(planted):
    text = texts(planted, "index")
    assert "`CREATE INDEX i1 ON t (n)` holds Share on t, which blocks writes" in text
    assert "reads all of t" in text and "for 2,000 rows here" in text
    assert "postgresql_concurrently=True" in text


def a_finding_names_the_line_of_the_statement(planted):
    history, heard = planted
    (found,) = history.findings(heard, "index")
    assert (
        "CREATE INDEX" in history.file("index").read_text().split("\n")[found.line - 1]
    )


def work_under_a_lock_that_was_taken_before_names_who_took_it(planted):
    text = texts(planted, "lock_and_fill")
    assert "`UPDATE t SET y = id` holds AccessExclusive on t" in text
    assert "`ALTER TABLE t ADD COLUMN y int` took the lock" in text
    assert "into a revision of its own" in text


def what_a_downgrade_forgets_or_cannot_restore_is_told_in_words(planted):
    text = texts(planted, "forgets")
    assert (
        "after the downgrade of forgets the index concurrently_not is still there"
        in text
    )
    text = texts(planted, "enum_more")
    assert "the labels of the type mood was sad and is sad, happy" in text
    assert "NotImplementedError: no way back" in texts(planted, "never")


def a_contract_revision_may_break_old_code_and_still_has_to_go_back(planted):
    history, heard = planted
    assert history.said("drop_later").phase == "contract"
    (found,) = history.findings(heard, "drop_later")
    assert found.rule == "irreversible"
    assert "the default of the column t.h was nothing and is 1" in found.text


def a_loop_is_one_statement_many_times(planted):
    history, heard = planted
    (loop,) = history.result(heard, "batched").figures.statements
    assert (loop.times, loop.autocommit, loop.rows) == (20, True, 2000)


def figures_tell_locks_rewrites_and_rows(planted):
    history, heard = planted
    told = history.result(heard, "retype").figures
    assert told.lock == "AccessExclusiveLock" and told.rewrite
    assert told.size == 2000 and told.statements[0].seconds > 0
    assert (
        history.result(heard, "concurrently").figures.lock == "ShareUpdateExclusiveLock"
    )
    assert history.result(heard, "backfill").figures.statements[0].rows == 2000


def what_one_revision_left_does_not_reach_the_next(planted):
    """``forgets`` leaves an index behind; the revisions after it meet a clean state."""
    history, heard = planted
    assert heard.results["key"]["down"] == []


def a_verdict_is_the_same_when_only_the_last_revision_is_tried(planted):
    history, heard = planted
    alone = history.check("retype", whole=False)
    rules = [each.rule for each in history.findings(alone, "retype")]
    assert rules == [each.rule for each in history.findings(heard, "retype")]
    assert list(alone.results) == ["retype"]


@pytest.mark.proof
def test_a_history_with_planted_faults(planted):
    """All about one long history: to run it takes longest, so it is run once."""
    for question in (
        each_fault_is_found_and_nothing_else,
        a_finding_names_statement_table_lock_work_and_the_safe_form,
        a_finding_names_the_line_of_the_statement,
        work_under_a_lock_that_was_taken_before_names_who_took_it,
        what_a_downgrade_forgets_or_cannot_restore_is_told_in_words,
        a_contract_revision_may_break_old_code_and_still_has_to_go_back,
        a_loop_is_one_statement_many_times,
        figures_tell_locks_rewrites_and_rows,
        what_one_revision_left_does_not_reach_the_next,
        a_verdict_is_the_same_when_only_the_last_revision_is_tried,
    ):
        question(planted)


def test_a_column_that_has_to_be_filled_fails_on_a_table_with_rows(history):
    history.add("a", "CREATE TABLE t (id int PRIMARY KEY)", "DROP TABLE t")
    history.add("b", "ALTER TABLE t ADD COLUMN n int NOT NULL", "ALTER TABLE t DROP n")
    heard = history.check()
    found = {each.rule: each for each in history.findings(heard, "b")}
    assert set(found) == {"fails-on-rows", "breaks-old-code"}
    assert "contains null values" in found["fails-on-rows"].text
    assert found["fails-on-rows"].line == 14 - 2


def test_a_backfill_that_fails_half_way_is_told_with_its_line(history):
    history.add("a", "CREATE TABLE t (id bigserial PRIMARY KEY, n int)", "DROP TABLE t")
    history.add("b", "UPDATE t SET n = 1 / (500 - id)")
    heard = history.check()
    (found,) = [f for f in history.findings(heard, "b") if f.rule == "fails-on-rows"]
    assert "division by zero" in found.text


@pytest.mark.proof
def test_rows_that_a_new_rule_refuses_are_made_anew_as_it_wants_them(history):
    history.add("a", "CREATE TABLE t (id int PRIMARY KEY, n int)", "DROP TABLE t")
    history.add(
        "b",
        "ALTER TABLE t ADD CONSTRAINT c CHECK (n IS NOT NULL AND n < 9) NOT VALID",
        "ALTER TABLE t DROP CONSTRAINT c",
    )
    history.add(
        "c",
        "ALTER TABLE t ALTER n SET NOT NULL; ALTER TABLE t VALIDATE CONSTRAINT c",
        "ALTER TABLE t DROP CONSTRAINT c; ALTER TABLE t ALTER n DROP NOT NULL;"
        " ALTER TABLE t ADD CONSTRAINT c CHECK (n IS NOT NULL AND n < 9) NOT VALID",
    )
    history.add(
        "d",
        "ALTER TABLE t ADD CONSTRAINT few CHECK (n IN (3, 4)) NOT VALID;"
        " ALTER TABLE t VALIDATE CONSTRAINT few",
        "ALTER TABLE t DROP CONSTRAINT few",
    )
    heard = history.check()
    assert heard.results["d"]["size"] == 2000
    assert "fails: CheckViolation" in heard.results["d"]["notes"][0]
    assert heard.results["d"]["down"] == []


@pytest.mark.proof
def test_branches_that_merge_run_one_revision_at_a_time(history):
    history.add("a", "CREATE TABLE a (n int)", "DROP TABLE a")
    history.add("right", "CREATE TABLE r (n int)", "DROP TABLE r", after="a")
    history.add("left", "CREATE TABLE l (n int)", "SELECT 1", after="a")
    history.add("join", after=("left", "right"))
    history.add("z", "DROP TABLE r", "CREATE TABLE r (n int)")
    heard = history.check()
    assert list(heard.results) == ["a", "left", "right", "join", "z"]
    assert [n for n in heard.results if heard.results[n]["down"]] == ["left"]
    assert heard.way_back["failed"] if heard.way_back.get("failed") else True
    told, _ = history.run("history")
    assert [each.revision for each in told.history] == list(heard.results)
    assert told.heads == ("z",)


def test_the_way_back_ends_at_the_baseline(history):
    history.add("a", "CREATE TABLE t (n int)", "raise NotImplementedError")
    history.add("b", "CREATE TABLE u (n int)", "DROP TABLE u")
    history.baseline = "a"
    heard = history.check("b", drift=True)
    assert heard.way_back == {"event": "way back", "differences": []}
    assert list(heard.results) == ["b"]


def test_models_and_database_are_compared(history):
    history.add("a", "CREATE TABLE t (n int)", "DROP TABLE t")
    (history.folder / "models.py").write_text("sa.Table('pets', metadata)")
    assert "pets" in history.check(drift=True).drift
    (history.folder / "models.py").write_text(
        "sa.Table('t', metadata, sa.Column('n', sa.Integer))"
    )
    assert history.check(drift=True).agreed


def test_a_revision_that_does_not_run_at_all_is_told_with_its_line(history):
    history.add("a", "CREATE TABLE t (n int)", "DROP TABLE t")
    history.add("b", "ALTER TABLE nothing ADD COLUMN n int")
    heard = history.check()
    assert history.code == 1
    assert heard.failed["revision"] == "b" and heard.failed["line"] == 12
    assert heard.failed["statement"] == "ALTER TABLE nothing ADD COLUMN n int"
    assert list(heard.results) == ["a"]


def test_what_is_written_past_sqlalchemy_is_seen_all_the_same(history):
    history.add("a", "CREATE TABLE t (id bigserial PRIMARY KEY, n int)", "DROP TABLE t")
    history.add(
        "b",
        "with op.get_bind().connection.cursor() as raw:\n"
        "        raw.execute('UPDATE t SET n = 1')\n"
        "    op.execute('SELECT 1')",
    )
    (found,) = history.findings(history.check(), "b")
    assert found.rule == "unbatched-backfill"


def test_a_history_whose_env_is_broken_is_told_so(history):
    history.add("a")
    (history.folder / "migrations" / "env.py").write_text("import no_such_module")
    heard = history.check()
    assert "No module named 'no_such_module'" in heard.failed["error"]


SIGNALS = (
    ("reindex", "REINDEX TABLE t", "AccessExclusiveLock", ("scan",)),
    ("truncate", "TRUNCATE t", "AccessExclusiveLock", ()),
    (
        "attach",
        "ALTER TABLE parent ATTACH PARTITION part FOR VALUES FROM (0) TO (9999)",
        "AccessExclusiveLock",
        ("scan",),
    ),
    ("proven", "ALTER TABLE t ALTER g SET NOT NULL", "AccessExclusiveLock", ()),
    (
        "validate",
        "ALTER TABLE t VALIDATE CONSTRAINT m",
        "ShareUpdateExclusiveLock",
        ("scan",),
    ),
    ("refresh", "REFRESH MATERIALIZED VIEW seen", "AccessExclusiveLock", ("scan",)),
    (
        "unlogged",
        "ALTER TABLE t SET UNLOGGED",
        "AccessExclusiveLock",
        ("rewrite", "scan"),
    ),
    ("constant", "ALTER TABLE t ADD COLUMN k int DEFAULT 4", "AccessExclusiveLock", ()),
)


def alone(sql):
    return f"with op.get_context().autocommit_block():\n        op.execute('{sql}')"


ALONE = (
    ("full", "VACUUM FULL t", "AccessExclusiveLock", ("rewrite",)),
    ("cluster", "CLUSTER t USING t_pkey", "AccessExclusiveLock", ("rewrite",)),
    ("vacuum", "VACUUM t", "ShareUpdateExclusiveLock", ()),
    (
        "wrapped",
        "ALTER TABLE t ADD COLUMN u timestamptz DEFAULT clock_timestamp()",
        "AccessExclusiveLock",
        ("rewrite", "scan"),
    ),
    ("commits", "DO $$ BEGIN UPDATE t SET n = 2; COMMIT; END $$", "", ()),
    ("reindex_c", "REINDEX TABLE CONCURRENTLY t", "ShareUpdateExclusiveLock", ()),
)


@pytest.mark.proof
def test_locks_and_work_of_many_kinds_of_statements_are_seen(history):
    history.add(
        "a",
        "CREATE TABLE t (id bigserial PRIMARY KEY, n int, g int NOT NULL);"
        " ALTER TABLE t ADD CONSTRAINT m CHECK (id > 0) NOT VALID;"
        " ALTER TABLE t ALTER g DROP NOT NULL;"
        " ALTER TABLE t ADD CONSTRAINT gg CHECK (g IS NOT NULL);"
        " CREATE TABLE parent (id int NOT NULL, n int) PARTITION BY RANGE (id);"
        " CREATE TABLE part (id int NOT NULL, n int);"
        " CREATE MATERIALIZED VIEW seen AS SELECT count(*) FROM t",
        "DROP MATERIALIZED VIEW seen; DROP TABLE t; DROP TABLE part; DROP TABLE parent",
    )
    for name, sql, _, _ in SIGNALS:
        history.add(name, sql, after="a")
    for name, sql, _, _ in ALONE:
        history.add(name, alone(sql), after="a")
    history.add("z", after=tuple(n for n, *_ in (*SIGNALS, *ALONE)))
    heard = history.check(*(n for n, *_ in (*SIGNALS, *ALONE)), whole=False)
    assert history.code == 0, heard
    for name, _, lock, work in (*SIGNALS, *ALONE):
        told = history.result(heard, name).figures
        found = {kind for s in told.statements for t in s.tables for kind in t.work}
        assert (name, told.lock, sorted(found)) == (name, lock, sorted(work))


@pytest.mark.proof
def test_of_a_history_of_500_revisions_only_the_new_ones_are_tried(history):
    for number in range(500):
        name, table = f"r{number:03}", f"t{number - number % 5}"
        if number % 5 == 0:
            up = f"CREATE TABLE {table} (id bigserial PRIMARY KEY, n int)"
            history.add(name, up, f"DROP TABLE {table}")
        else:
            column = f"ALTER TABLE {table} ADD COLUMN c{number} int"
            back = f"ALTER TABLE {table} DROP COLUMN c{number}"
            history.add(name, column, back)
    history.baseline = history.names[-6]
    heard = history.check(*history.names[-5:])
    assert list(heard.results) == history.names[-5:]
    assert heard.way_back["differences"] == []
    sizes = [heard.results[name]["size"] for name in history.names[-5:]]
    assert sizes == [0, *[history.rows] * 4], "the first of them makes the table"
