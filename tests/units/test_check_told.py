"""What the check of migrations found is told so that one knows what to do."""

import msgspec
import pytest

from sametree.database.check_report import Change, Failure, Heard, Known, Result
from sametree.database.measured import Revision, Statement, Table
from sametree.database.phases import Said, Waiver
from sametree.errors import UnitFailed
from sametree.settings import Component, Database, Project, Settings
from sametree.units import check_told
from sametree.units.check_told import History
from sametree.units.work import Work

FILE = "migrations/versions/{}.py"
INDEX = Statement(
    sql="CREATE INDEX i ON t (n)",
    seconds=0.1,
    line=7,
    tables=(
        Table(
            name="t",
            lock="ShareLock",
            held="ShareLock",
            rows=1000,
            read=1000,
            work=("scan",),
        ),
    ),
)
REASON = Waiver(rule="blocks-writes", reason="ten rows", line=3)
LOST = Change(kind="index", name="i", change="added")


@pytest.fixture
def history(tmp_path):
    """Return a way to make the history of ``a``, then ``b``, and what is known of ``b``."""

    def make(baseline="", said=Said(downgrade=20), statements=(INDEX,), **found):
        database = Database(component="shop", baseline=baseline)
        project = Project(tmp_path, Settings(database=database))
        work = Work(project, Component(name="shop", path="."), "check", tmp_path)
        made = History(work, {}, "alembic.ini", "psycopg")
        made.revisions = (
            Known(revision="a", file=FILE.format("a")),
            Known(revision="b", file=FILE.format("b"), below=("a",)),
        )
        made.said = {"a": Said(), "b": said}
        figures = Revision(revision="a", title="", file=FILE.format("a"), size=1000)
        made.results["a"] = Result(figures=figures)
        figures = msgspec.structs.replace(
            figures, revision="b", file=FILE.format("b"), statements=statements
        )
        made.results["b"] = Result(figures=figures, **found)
        return made

    return make


def failed(made, problems=()):
    with pytest.raises(UnitFailed) as caught:
        check_told.tell(made, problems)
    return str(caught.value)


def test_a_finding_has_its_place_its_reason_and_what_to_write(history, capsys):
    made = history()
    assert "1 thing to mend" in failed(made)
    shown = capsys.readouterr().out
    assert f"{FILE.format('b')}:7  blocks-writes: nobody can write" in shown
    assert "-> with op.get_context().autocommit_block()" in shown
    assert made.work.failing[0] == f"{FILE.format('b')}:7  blocks-writes"


def test_on_github_a_finding_is_an_annotation(history, capsys, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    failed(history())
    assert f"::error file={FILE.format('b')},line=7" in capsys.readouterr().out


def test_a_waiver_lets_a_finding_pass_and_one_too_many_is_told(history, capsys):
    made = history(said=Said(waivers=(REASON,)))
    check_told.tell(made, ())
    assert made.work.notes == ["2 revisions: up, down, up; no drift; 1 waived"]
    spare = Waiver(rule="irreversible", reason="so", line=4)
    check_told.tell(history(said=Said(waivers=(REASON, spare))), ())
    told = capsys.readouterr().out
    assert "b: line 4: nothing needs the waiver of irreversible any more" in told


def test_what_is_up_to_the_baseline_is_left_out(history):
    made = history(baseline="b")
    check_told.tell(made, ())
    assert made.work.notes == ["0 revisions: up, down, up; no drift"]
    assert [each.revision for each in history(baseline="a").judged] == ["b"]


def test_a_downgrade_that_fails_or_forgets_is_told(history, capsys):
    failed(history(statements=(), down=(LOST,), reordered=("t",)))
    shown = capsys.readouterr().out
    assert "irreversible" in shown and "the index i is still there" in shown
    assert "the columns of t are in another order" in shown
    failed(history(statements=(), down_failed=Failure(error="no way", line=21)))
    assert f"{FILE.format('b')}:21  irreversible" in capsys.readouterr().out


def test_what_is_wrong_with_the_whole_is_told_with_its_cure(history, capsys):
    heard = Heard(drift="a table too many", failed={"revision": "b", "error": "boom"})
    heard.failed |= {"file": "b.py", "line": 3, "statement": "SELECT\n1"}
    problems = check_told.problems(history(), heard)
    assert [each[0].partition(":")[0] for each in problems] == [
        "migration b fails at b.py",
        "models and database differ",
    ]
    assert "    SELECT\n    1" in problems[0][0]
    assert "3 things to mend" in failed(history(), problems)
    assert "-> mend the migration" in capsys.readouterr().out


@pytest.mark.parametrize(
    "way_back, told",
    [
        ({"failed": "a", "error": "boom", "differences": []}, "downgrade of a fails"),
        (
            {"differences": [{"kind": "index", "name": "i", "change": "added"}]},
            "after the downgrade to nothing the index i is still there",
        ),
        ({"differences": []}, ""),
        ({}, ""),
    ],
)
def test_the_way_back_as_a_whole_is_told_unless_a_revision_has_been(
    history, way_back, told
):
    found = check_told.problems(history(), Heard(way_back=way_back, agreed=True))
    assert bool(found) == bool(told)
    assert all(told in text for text, _ in found)
    assert check_told.problems(history(down=(LOST,)), Heard(way_back=way_back)) == []


def test_on_github_what_a_file_says_wrongly_is_an_annotation(
    history, capsys, monkeypatch
):
    said = Said(problems=((3, "no rule blocks-writs"),))
    for machine, count in (("", 0), ("true", 1)):
        monkeypatch.setenv("GITHUB_ACTIONS", machine)
        with pytest.raises(UnitFailed, match="b.py:3  no rule blocks-writs"):
            check_told.refuse_mistakes(history(said=said))
        assert capsys.readouterr().out.count("::error") == count
    check_told.refuse_mistakes(history())


def test_a_failure_without_statement_and_a_problem_without_cure_are_short(
    history, capsys
):
    assert check_told.failure({"revision": "b", "file": "b.py", "error": "boom"}) == (
        "migration b fails at b.py: boom",
        "mend the migration",
    )
    assert "1 thing to mend" in failed(history(statements=()), [("it is late", "")])
    assert "->" not in capsys.readouterr().out


def test_what_two_revisions_have_below_them_is_left_out_once(history):
    made = history(baseline="c")
    top = Known(revision="c", file=FILE.format("c"), below=("a", "b"))
    made.revisions = (*made.revisions, top)
    assert made.judged == []
