"""What comes of a check of the migrations: what is known, tried, kept, and told.

The program that tries them has tests of its own; here it only tells (``telling``).
"""

import json

import pytest
from telling import Told, event

from sametree.database import kept, server
from sametree.errors import SurroundingsError, UnitFailed, UsageError
from sametree.settings import Component, Database, Project, Settings
from sametree.units import check

UP = "def upgrade():\n    pass\n\n\ndef downgrade():\n    pass\n"
INDEX = {
    "sql": "CREATE INDEX people_name ON people (name)",
    "seconds": 0.1,
    "line": 4,
    "transaction": 1,
    "autocommit": False,
    "times": 1,
    "tables": [
        {
            "name": "people",
            "lock": "ShareLock",
            "held": "ShareLock",
            "rows": 10,
            "read": 10,
            "work": ["scan"],
        }
    ],
}
ALLOWED = "# sametree: allow blocks-writes: ten people\n"


@pytest.fixture
def project(tmp_path, postgres, monkeypatch):
    """Return a way to make the work on a history of ``count`` revisions, on a server
    that is given."""
    monkeypatch.setenv(server.VARIABLE, postgres.url())
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "shop.txt").write_text("psycopg==3.2\n")
    (tmp_path / "migrations").mkdir()

    def make(count=2, baseline="", heads=None):
        component = Component(name="shop", path=".", language="python")
        database = Database(component="shop", rows=10, baseline=baseline)
        settings = Settings(components=(component,), database=database)
        root = tmp_path
        work = Told(Project(root, settings), component, "migrate", root / "venv")
        work.tree = "a tree"
        names = [f"000{number}" for number in range(1, count + 1)]
        for name in names:
            file = root / "migrations" / f"{name}.py"
            if not file.exists():
                file.write_text(UP)
        listed = [
            {
                "revision": name,
                "title": f"Number {name}",
                "file": f"migrations/{name}.py",
                "below": names[number - 1 : number] if number else [],
            }
            for number, name in enumerate(names)
        ]
        told = {"revisions": listed, "heads": heads or names[-1:]}
        work.answer("history", event("history", **told, folder="migrations"))
        return work

    make.write = lambda name, text: (tmp_path / "migrations" / name).write_text(text)
    return make


def measured(name, *statements):
    return event(
        "measured",
        revision=name,
        title=f"Number {name}",
        file=f"migrations/{name}.py",
        size=10,
        seconds=0.1,
        down_seconds=0.1,
        statements=list(statements),
    )


def test_a_history_is_tried_and_what_is_known_is_not_tried_again(project, capsys):
    work = project()
    tried = (measured("0001"), measured("0002", INDEX), event("no drift"))
    work.answer("check", *tried, event("way back", differences=[]))
    with pytest.raises(UnitFailed, match="1 thing to mend in the migrations"):
        check.check(work)
    said = capsys.readouterr().out
    assert "2 revisions: up, down, up, on tables of 10 rows" in said
    assert "migrations/0002.py:4  blocks-writes" in said
    assert [step.name for step in work.ran] == ["history", "check", "squawk"]

    told = check.figures(work, ["0002"])
    assert [each.lock for each in told] == ["ShareLock"]
    assert len(work.ran) == 4  # only the history was read

    project.write("0002.py", ALLOWED + UP)
    again = project()
    again.answer("check", measured("0002", INDEX), event("no drift"))
    check.check(again)
    said = capsys.readouterr().out
    assert "1 revision known from an earlier check" in said
    assert "1 revision: up, down, up" in said
    assert again.notes == ["2 revisions: up, down, up; no drift; 1 waived"]
    assert list(kept.folder(again.project.state).glob("*.whole.json"))

    third = project()
    third.answer("check", event("no drift"))
    check.check(third)
    assert third.notes == again.notes
    third.anew = True
    third.answer("check", measured("0001"), measured("0002", INDEX), event("no drift"))
    check.check(third)
    assert "2 revisions: up, down, up, on tables" in capsys.readouterr().out


def test_what_the_program_is_asked_for_is_in_a_file_that_only_we_can_read(project):
    work = project(baseline="0001")
    text = "# sametree: allow irreversible: nobody goes back\n" + UP
    project.write("0002.py", text)
    work.answer("check", measured("0002"), event("no drift"))
    check.check(work)
    orders = work.program / "orders"
    told = json.loads(orders.read_text())
    assert orders.stat().st_mode & 0o777 == 0o600
    assert told["measure"] == ["0002"] and told["baseline"] == "0001"
    assert told["irreversible"] == ["0002"]
    assert told["maintenance"].startswith("postgresql+psycopg://")
    assert (told["drift"], told["whole"], told["own"]) == (True, True, False)


def test_a_history_of_many_is_kept_from_time_to_time(project, monkeypatch, capsys):
    monkeypatch.setattr(check, "BATCH", 2)
    work = project(count=3)
    stop = event("failed", revision="0003", file="migrations/0003.py", error="boom")
    work.answer("check", measured("0001", INDEX), measured("0002"), stop, code=1)
    with pytest.raises(UnitFailed):
        check.check(work)
    assert "migration 0003 fails at migrations/0003.py: boom" in capsys.readouterr().out
    again = project(count=3)
    again.answer("check", stop, code=1)
    with pytest.raises(UnitFailed, match="0003 fails"):
        check.figures(again, ["0001", "0003"])
    with pytest.raises(UnitFailed):
        check.check(again)
    assert "2 revisions known from an earlier check" in capsys.readouterr().out


def test_what_a_plan_asks_for_is_measured_where_it_is_not_known(project):
    work = project()
    nothing = {**INDEX, "sql": "SELECT 1", "tables": []}
    work.answer("check", "", measured("0002", nothing), event("progress"))
    (told,) = check.figures(work, ["0002"])
    assert (told.revision, told.lock) == ("0002", "")


def test_two_heads_are_told_with_what_merges_them(project):
    with pytest.raises(UnitFailed, match="2 heads") as caught:
        check.check(project(heads=["0001", "0002"]))
    assert "  0002  migrations/0002.py" in str(caught.value)
    assert "alembic merge -m 'merge' 0001 0002" in str(caught.value)


def test_a_baseline_that_is_none_is_told_with_the_nearest(project):
    with pytest.raises(UsageError, match="there is no revision '0003'") as caught:
        check.check(project(baseline="0003"))
    assert "did you mean 0002?" in str(caught.value)
    with pytest.raises(UsageError, match="remove it: there are no migrations"):
        check.check(project(count=0, baseline="0001"))


def test_what_is_up_to_the_baseline_is_not_judged(project, capsys):
    work = project(baseline="0002")
    work.answer("check", event("no drift"))
    check.check(work)
    said = capsys.readouterr().out
    assert "2 revisions up to 0002 have run everywhere: not judged" in said
    assert work.notes == ["0 revisions: up, down, up; no drift"]


def test_what_a_file_says_of_itself_is_looked_at_before_anything_runs(
    project, capsys, monkeypatch
):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    project.write("0002.py", f"# sametree: allow blocks-writs: so\n{UP}")
    work = project()
    with pytest.raises(UnitFailed, match="did you mean blocks-w"):
        check.check(work)
    assert [step.name for step in work.ran] == ["history"]
    said = capsys.readouterr().out
    assert "::error file=migrations/0002.py,line=1,title=migration::" in said


def test_a_program_that_cannot_go_on_is_told_with_its_last_words(project, postgres):
    work = project()
    work.answer("check", "Traceback", f"boom of {postgres.password}", code=1)
    with pytest.raises(UnitFailed, match="boom of") as caught:
        check.check(work)
    assert postgres.password not in str(caught.value)
    work.answer("history", event("broken", error="env.py asks for a variable"), code=1)
    with pytest.raises(UnitFailed, match="cannot be run: env.py asks for a variable"):
        check.check(work)


def test_a_program_that_was_killed_is_no_fault_of_the_migrations(project):
    work = project()
    work.answer("check", "half way", code="killed")
    with pytest.raises(SurroundingsError, match="SIGKILL"):
        check.check(work)
