"""Verdicts where nothing could be observed, and on what the form of a statement tells."""

import pytest
from msgspec import structs

from sametree import steps
from sametree.database import safety, squawk
from sametree.database.measured import Revision, Statement, Table, stronger

FEW = (Table(name="t", lock="AccessExclusiveLock", held="AccessExclusiveLock"),)


def judged(tmp_path, sql, tables=FEW, phase="expand", size=1000):
    """Return the findings about a revision of one statement, squawk's part included."""
    statements = (Statement(sql="SELECT %(a)s"), Statement(sql=sql, tables=tables))
    told = Revision(
        revision="a", title="", phase=phase, size=size, statements=statements
    )
    text, lines = squawk.text_of([each.sql for each in statements])
    file = tmp_path / "a.sql"
    file.write_text(text)
    outcome = steps.run(squawk.step(tmp_path, 18), {})
    assert outcome.passed, outcome
    remarks = squawk.remarks(outcome.output, {file.name: lines}).get(file.name, [])
    return list(safety.of_statements(told, remarks))


@pytest.mark.parametrize(
    "sql, rules, cure",
    [
        ("CREATE INDEX i ON t (n)", ["blocks-writes"], "postgresql_concurrently"),
        ("CREATE INDEX CONCURRENTLY i ON t (n)", [], ""),
        (
            "ALTER TABLE t\n ADD CONSTRAINT f FOREIGN KEY (n) REFERENCES p (id)",
            ["blocks-reads"],
            "VALIDATE CONSTRAINT",
        ),
        ("ALTER TABLE t ADD CONSTRAINT c CHECK (n > 0)", ["blocks-reads"], "not_valid"),
        ("ALTER TABLE t ADD CONSTRAINT c CHECK (n > 0) NOT VALID", [], ""),
        ("ALTER TABLE t ADD CONSTRAINT u UNIQUE (n)", ["blocks-reads"], "USING INDEX"),
        (
            "ALTER TABLE t ALTER COLUMN n TYPE bigint",
            ["blocks-reads", "breaks-old-code"],
            "new type",
        ),
        ("ALTER TABLE t ADD COLUMN n int NOT NULL", ["breaks-old-code"], "default"),
        ("ALTER TABLE t RENAME TO u", ["breaks-old-code"], "view"),
        ("DROP TABLE t", ["breaks-old-code"], "contract"),
    ],
)
def test_the_form_decides_where_there_were_no_rows(tmp_path, sql, rules, cure):
    found = judged(tmp_path, sql)
    assert [each.rule for each in found] == rules
    assert not found or cure in found[0].cure


def test_what_was_observed_on_rows_goes_before_the_form(tmp_path):
    full = (structs.replace(FEW[0], rows=1000),)
    assert judged(tmp_path, "CREATE INDEX i ON t (n)", full) == []
    assert judged(tmp_path, "ALTER TABLE t ALTER v TYPE text", full) == []


def test_tables_of_the_same_revision_are_nobodys_yet(tmp_path):
    assert judged(tmp_path, "CREATE INDEX i ON t (n); DROP TABLE t", ()) == []


def test_a_contract_revision_may_drop(tmp_path):
    assert judged(tmp_path, "DROP TABLE t", phase="contract") == []


@pytest.mark.parametrize(
    "sql, cure",
    [
        ("REINDEX TABLE t", "REINDEX … CONCURRENTLY"),
        ("REFRESH MATERIALIZED VIEW t", "VIEW CONCURRENTLY"),
        ("VACUUM FULL t", "pg_repack"),
        ("CLUSTER t USING i", "pg_repack"),
        ("ALTER TABLE p ATTACH PARTITION t FOR VALUES IN (1)", "CHECK with the bounds"),
        ("ALTER TABLE t ALTER n SET NOT NULL", "CHECK (… IS NOT NULL) NOT VALID"),
        ("UPDATE t SET n = 1", "change t in ranges of ids"),
        ("LOCK TABLE t", "take the lock afterwards"),
    ],
)
def test_every_kind_of_statement_has_its_safe_form(tmp_path, sql, cure):
    busy = structs.replace(FEW[0], rows=1000, read=1000, work=("scan",))
    (found,) = [
        each for each in judged(tmp_path, sql, (busy,)) if each.rule == "blocks-reads"
    ]
    assert cure in found.cure


def test_squawk_that_is_not_installed_is_told_with_its_cure(monkeypatch, tmp_path):
    from sametree.errors import SurroundingsError

    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(SurroundingsError, match="squawk") as caught:
        squawk.program()
    assert "sametree[postgres]" in caught.value.cure


def test_the_strongest_of_all_locks_is_the_revisions():
    share = Table(name="a", lock="ShareLock")
    told = Revision(
        revision="a",
        title="",
        statements=(
            Statement(sql="", tables=(share,)),
            Statement(sql="", tables=(Table(name="b", work=("rewrite",)),)),
        ),
    )
    assert (told.lock, told.rewrite) == ("ShareLock", True)
    assert stronger("", "") == ""
