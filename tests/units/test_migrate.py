"""What `migrate` is asked for, what it does, and how it shows that."""

import sys

import pytest
from telling import Told, event

from sametree.database import server
from sametree.database.address import parse
from sametree.database.applying import Applying
from sametree.database.migrations import Progress
from sametree.errors import SurroundingsError, UnitFailed, UsageError
from sametree.settings import Component, Database, Project, Settings
from sametree.steps import Step
from sametree.units import migrate

WHERE = parse("postgresql://ada:s3cret@db.example.org/shop")


def test_check_is_the_only_option_that_it_knows():
    assert migrate.arguments(["--check"]).check
    assert not migrate.arguments([]).check
    with pytest.raises(UsageError, match="migrate does not know --chekc"):
        migrate.arguments(["--chekc"])


def test_elsewhere_than_on_a_terminal_progress_is_a_line_a_second(capsys):
    screen = migrate.Screen()
    screen.lines([], "rows of t: 1")
    screen.lines([], "rows of t: 2")
    screen.lines(["up 0001"], "")
    assert capsys.readouterr().out == "  rows of t: 1\n  up 0001\n"


def test_on_a_terminal_progress_is_one_line_that_gives_way(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    screen = migrate.Screen()
    for rows in (1, 1, 2):
        screen.lines([], f"rows of t: {rows}")
    screen.lines(["up 0001"], "")
    clear = "\r\033[2K"
    assert capsys.readouterr().out == (
        f"{clear}  rows of t: 1{clear}  rows of t: 2{clear}  up 0001\n"
    )


@pytest.fixture
def work(tmp_path):
    component = Component(name="shop", path=".", language="python")
    settings = Settings(
        components=(component,), database=Database(component="shop", rows=10)
    )
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "shop.txt").write_text("psycopg==3.2\n")
    project = Project(tmp_path, settings)
    return Told(project, component, "migrate", tmp_path / "venv")


def applied(*revisions):
    yield event("plan", current=[], pending=len(revisions), verb="run")
    for name in revisions:
        yield event(
            "done",
            direction="upgrade",
            revision=name,
            title="t",
            seconds=0.1,
            tries=1,
            rows={},
        )


def test_the_development_database_is_brought_to_the_newest_migration(
    work, postgres, monkeypatch, capsys
):
    monkeypatch.setenv(server.VARIABLE, postgres.url())
    for names, note in (
        (("0001", "0002"), "2 migrations run"),
        (("0003",), "1 migration run"),
        ((), "at the newest migration"),
    ):
        work.answer("apply", *applied(*names))
        migrate.migrate(work)
        assert work.notes[-1] == note
    assert postgres.password not in capsys.readouterr().out


def test_with_check_the_history_is_tried_instead(work):
    work.args = ("--check",)
    history = event("history", revisions=[], heads=["a", "b"], folder="migrations")
    history = history.replace(
        '"revisions": []',
        '"revisions": [{"revision": "a", "file": "a.py"},'
        ' {"revision": "b", "file": "b.py"}]',
    )
    work.answer("history", history)
    with pytest.raises(UnitFailed, match="2 heads"):
        migrate.migrate(work)


def test_a_template_is_told_in_one_line(work, capsys):
    work.answer("apply", *applied("0001", "0002"))
    migrate.upgrade(work, work.install("run"), WHERE, brief=True)
    assert capsys.readouterr().out.startswith("  shop: 2 migrations in ")
    assert [each.kept for each in work.ran] == [True]


def runs(work, progress, script):
    """Run a step that is a line of the shell; return what it raises."""
    step = Step(name="apply", argv=("sh", "-c", script), cwd=work.folder)
    env = work.install("run")
    with pytest.raises((SurroundingsError, UnitFailed)) as caught:
        migrate.run(work, step, env, WHERE, progress, None)
    return caught.value


def test_whoever_fails_without_an_event_has_its_last_words(work):
    error = runs(work, Progress(), "echo boom of s3cret; exit 1")
    assert isinstance(error, UnitFailed)
    assert "boom of" in str(error) and "s3cret" not in str(error)


def test_what_is_around_is_told_apart_from_the_code(work):
    error = runs(work, Progress(), "echo half way; kill -9 $$")
    assert isinstance(error, SurroundingsError)
    assert "SIGKILL" in str(error) and "half way" in str(error)
    lost = event("unreachable", error="OperationalError: refused", place="")
    error = runs(work, Applying(), f"echo '{lost}'; exit 1")
    assert isinstance(error, SurroundingsError)
    assert "cannot connect to the database: refused" in str(error)
