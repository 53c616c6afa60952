"""The check of a project's migrations: the real history, program, server and squawk."""

import pytest
from conftest import migration

from sametree.database import kept
from sametree.errors import UnitFailed, UsageError
from sametree.settings import load
from sametree.units import check
from sametree.units.work import Work

ROWS = "\nrows = 1000\n"
SECOND = "migrations/versions/0002_index.py"
PLAIN_INDEX = 'op.create_index("people_name", "people", ["name"])'


@pytest.fixture
def work(with_database, monkeypatch):
    """Return a way to make the unit's work anew, as each run of Nox does.

    0002 makes an index on a table that has rows by then, and blocks who writes to it.
    """
    monkeypatch.delenv("DATABASE_URL", raising=False)
    up, back = PLAIN_INDEX, 'op.drop_index("people_name")'
    with_database.write({SECOND: migration("0002", "0001", up, back)})
    with_database.settings(ROWS)

    def make(tree="tree"):
        project = load(with_database.root)
        (component,) = project.components
        venv = with_database.environments / "check"
        venv.parent.mkdir(parents=True, exist_ok=True)
        return Work(project, component, "migrate", venv, tree=tree)

    return make


UP = "    op.create_index('people_upper', 'people', [sa.text('upper(name)')])"


def bad(head=""):
    """Return a migration whose index blocks writes."""
    text = migration("0003", "0002", UP.strip(), "op.drop_index('people_upper')")
    return text.replace("\n\n\ndef upgrade", f"\n{head}\n\n\ndef upgrade", 1)


LAST = "migrations/versions/0003_bad.py"
REASON = "# sametree: allow blocks-writes: nobody has more than ten people"


@pytest.mark.proof(seconds=40)
def test_a_history_is_proven_once_and_then_only_what_is_new(
    work, with_database, capsys
):
    first = work()
    with pytest.raises(UnitFailed, match="1 thing to mend"):
        check.check(first)
    shown = capsys.readouterr().out
    assert "2 revisions: up, down, up, on tables of 1,000 rows" in shown
    assert "migrations/versions/0002_index.py:11  blocks-writes" in shown
    assert "models and database agree" in shown
    assert any("0002_index.py:11" in line for line in first.failing)
    # What came with packages is kept compiled for the next one; what is worked at is not.
    compiled = {path.parent.parent.name for path in first.venv.rglob("*.pyc")}
    assert {"alembic", "sqlalchemy", "psycopg"} <= compiled
    assert not list(with_database.root.joinpath("migrations").rglob("*.pyc"))

    text = with_database.text(SECOND)
    with_database.write(
        {SECOND: text.replace("import sqlalchemy", f"{REASON}\nimport sqlalchemy")}
    )
    second = work()
    check.check(second)
    shown = capsys.readouterr().out
    assert "1 revision known from an earlier check" in shown
    assert "1 revision: up, down, up" in shown
    assert second.notes == ["2 revisions: up, down, up; no drift; 1 waived"]

    third = work()
    check.check(third)
    assert "2 revisions known" in capsys.readouterr().out
    assert third.notes == second.notes
    assert len(list(kept.folder(third.project.state).glob("*.whole.json"))) == 1

    told = check.figures(work(), ["0002"])
    assert [each.lock for each in told] == ["ShareLock"]
    assert told[0].statements[0].sql.startswith("CREATE INDEX people_name")


@pytest.mark.proof
@pytest.mark.parametrize(
    "head, told",
    [
        (
            "# sametree: allow blocks-writes",
            "0003_bad.py:8  the waiver of blocks-writes has",
        ),
        (
            "# sametree: allow blocks-writs: so",
            "no rule blocks-writs; did you mean blocks-w",
        ),
        ('phase = "late"', '0003_bad.py:8  phase is "expand" or "contract"'),
    ],
)
def test_what_a_file_says_of_itself_is_looked_at_before_anything_runs(
    work, with_database, head, told
):
    with_database.write({LAST: bad(head)})
    made = work()
    with pytest.raises(UnitFailed) as caught:
        check.check(made)
    assert told in str(caught.value)
    assert [step.name for step in made.ran] == ["history"]


@pytest.mark.proof
def test_a_migration_that_imports_the_application_is_found(work, with_database, capsys):
    """The module changes later, and the migration runs no more."""
    head = f"{REASON}\nfrom sample import double\ndouble"
    ending = with_database.text("migrations/env.py").replace(
        'sa.Index("people_name", "name"),',
        'sa.Index("people_name", "name"), sa.Index("people_up", "name"),',
    )
    text = bad(head).replace("people_upper", "people_up")
    text = text.replace("[sa.text('upper(name)')]", "['name']")
    with_database.write({LAST: text, "migrations/env.py": ending})
    with_database.settings('baseline = "0002"\n')
    with pytest.raises(UnitFailed, match="1 thing to mend"):
        check.check(work())
    assert f"{LAST}:9  imports-application" in capsys.readouterr().out
    with_database.write({"sample.py": "def triple(n):\n    return 3 * n\n"})
    with pytest.raises(UnitFailed, match="cannot import name 'double'"):
        check.check(work("another tree"))


@pytest.mark.proof
def test_two_heads_and_a_wrong_baseline_are_told_at_once(work, with_database):
    with_database.write({LAST: bad().replace('"0002"', '"0001"')})
    with pytest.raises(UnitFailed, match="2 heads") as caught:
        check.check(work())
    assert "alembic merge -m 'merge' 0002 0003" in str(caught.value)
    with_database.write({LAST: bad()})
    with_database.settings('baseline = "0004"\n')
    with pytest.raises(UsageError, match="there is no revision '0004'"):
        check.check(work())


@pytest.mark.proof
def test_what_is_up_to_the_baseline_is_not_judged(work, with_database, capsys):
    with_database.settings('baseline = "0002"\n')
    made = work()
    check.check(made)
    assert (
        "2 revisions up to 0002 have run everywhere: not judged"
        in capsys.readouterr().out
    )
    assert made.notes == ["0 revisions: up, down, up; no drift"]


@pytest.mark.proof
def test_a_migration_that_fails_is_told_and_what_was_tried_before_is_kept(
    work, with_database, capsys
):
    with_database.write({LAST: bad().replace("upper(name)", "upper(nobody)")})
    with pytest.raises(UnitFailed):
        check.check(work())
    shown = capsys.readouterr().out
    assert f"migration 0003 fails at {LAST}:12: UndefinedColumn" in shown
    assert len(list(kept.folder(load(with_database.root).state).iterdir())) == 2
    with pytest.raises(UnitFailed, match="0003 fails"):
        check.figures(work(), ["0003"])
