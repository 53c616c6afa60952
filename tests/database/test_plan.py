"""What a plan says, and which revisions it takes."""

import pytest

from sametree.database import plan
from sametree.database.measured import Revision, Statement, Table
from sametree.errors import UsageError


def step(name, *down, phase="expand"):
    return plan.Pending(
        revision=name,
        title=f"Change {name}",
        file=f"{name}.py",
        digest="0",
        down=down,
        phase=phase,
    )


LINE = [step("a"), step("b", "a"), step("c", "b", phase="contract"), step("d", "c")]
KNOWN = ["abc1", "abd2", "a", "b", "c", "d"]


def names(steps):
    return [each.revision for each in steps]


def test_without_contract_the_first_one_and_all_after_it_wait():
    run, wait, why = plan.chosen(LINE, KNOWN, "", contract=False)
    assert (names(run), names(wait)) == (["a", "b"], ["c", "d"])
    assert "c contracts" in why and "--contract" in why


def test_with_contract_all_run():
    run, wait, why = plan.chosen(LINE, KNOWN, "", contract=True)
    assert (names(run), wait, why) == (["a", "b", "c", "d"], [], "")


def test_to_stops_after_a_revision_and_what_it_needs():
    branch = [step("l", "a"), step("r", "a"), step("m", "l", "r")]
    run, wait, why = plan.chosen(
        [step("a"), *branch], ["a", "l", "r", "m"], "r", contract=False
    )
    assert (names(run), names(wait)) == (["a", "r"], ["l", "m"])
    assert why == "after r, where --to stops"


def test_to_takes_the_beginning_of_a_name_and_names_the_nearest_else():
    run, _, _ = plan.chosen([step("abc1")], KNOWN, "abc", contract=False)
    assert names(run) == ["abc1"]
    with pytest.raises(UsageError, match="more than one"):
        plan.chosen(LINE, KNOWN, "ab", contract=False)
    with pytest.raises(UsageError, match="did you mean 'abd2'"):
        plan.chosen(LINE, KNOWN, "bd2", contract=False)


def test_to_a_revision_that_has_run_leaves_nothing_to_do():
    run, wait, _ = plan.chosen(LINE, ["z", *KNOWN], "z", contract=False)
    assert (run, names(wait)) == ([], ["a", "b", "c", "d"])


def test_the_phase_is_read_and_a_wrong_one_is_named_with_its_line(tmp_path):
    file = tmp_path / "a.py"
    file.write_text('phase = "contract"\nraise SystemExit\n')
    assert plan.phase_of(file) == "contract"
    file.write_text("revision = 'a'\n")
    assert plan.phase_of(file) == "expand"
    file.write_text('revision = "a"\nphase = "contrakt"\n')
    with pytest.raises(UsageError, match="a.py, line 2"):
        plan.phase_of(file)


def table(**told):
    return Table(name="people", rows=1000, **told)


def test_only_what_grows_with_the_table_is_expected_to_take_longer():
    scan = Statement(sql="A", seconds=1.0, tables=(table(work=("scan",)),))
    quick = Statement(sql="B", seconds=1.0, tables=(table(read=3),))
    many = Statement(sql="C", seconds=1.0, tables=(table(written=900),))
    rows = {"people": 5000}
    assert plan.seconds(scan, rows) == 5.0
    assert plan.seconds(quick, rows) == 1.0
    assert plan.seconds(many, rows) == 5.0
    assert plan.seconds(scan, {"people": -1}) == 1.0  # never analyzed
    figures = Revision(revision="a", title="A", statements=(scan, many))
    assert plan.expected(figures, rows) == 10.0


def test_the_batches_of_a_backfill_count_as_one_statement():
    batches = [
        Statement(
            sql=f"UPDATE people SET n = 0 WHERE id BETWEEN {low} AND {low + 99}",
            seconds=0.1,
            tables=(table(lock="RowExclusiveLock", written=100),),
        )
        for low in range(0, 1000, 100)
    ]
    (one,) = plan.grouped(batches)
    assert one.times == 10
    assert one.rows == 1000
    assert one.seconds == pytest.approx(1.0)
    assert plan.seconds(one, {"people": 3000}) == pytest.approx(3.0)


def test_a_plan_is_told_with_locks_tables_and_time():
    alter = Statement(
        sql="ALTER TABLE people\n   ALTER n TYPE bigint",
        seconds=0.5,
        tables=(
            table(
                lock="AccessExclusiveLock",
                held="AccessExclusiveLock",
                work=("rewrite",),
            ),
        ),
    )
    made = plan.Plan(
        environment="staging",
        where="database 'x' on here",
        server="PostgreSQL 18.4, as role ada",
        at=("z",),
        steps=(LINE[0],),
        waiting=(LINE[2],),
        reason="c contracts",
        rows={"people": 4000},
        figures=(Revision(revision="a", title="A", size=1000, statements=(alter,)),),
        unmeasured="something",
    )
    text = "\n".join(made.lines())
    assert "staging: database 'x' on here" in text
    assert "at z; 1 migration to run" in text
    assert "a  expand    Change a" in text
    assert "ALTER TABLE people ALTER n TYPE bigint" in text
    assert (
        "2.0 s; AccessExclusiveLock on people of about 4,000 rows, blocks reads, rewrite"
        in text
    )
    assert "waits: c contracts" in text
    assert "expected: about 2.0 s" in text
    assert "not measured: something" in text
    other = plan.msgspec.structs.replace(made, steps=(LINE[1],))
    assert made.digest != other.digest
    assert '"a": "0"' in made.program()


def test_a_plan_with_nothing_to_run_says_so():
    made = plan.Plan(environment="e", where="w", server="s", at=())
    assert made.lines()[-1] == "  at nothing, the newest"


def test_a_long_revision_is_told_in_short():
    long = [Statement(sql=f"SELECT {'x' * n} FROM t") for n in range(1, 300, 10)]
    figures = Revision(revision="a", title="A", statements=tuple(long), notes=("odd",))
    made = plan.Plan(
        environment="e",
        where="w",
        server="s",
        at=(),
        steps=(LINE[0],),
        figures=(figures,),
    )
    lines = made.lines()
    assert "        and 18 more" in lines
    assert "        note: odd" in lines
    assert max(map(len, lines)) < 220
