"""How an environment is migrated: what is looked at, refused, done, told and kept.

The migrations themselves run in other tests; here their program only tells (``telling``).
"""

import json
import sys

import pytest
from telling import Told, event

from sametree.database import trail
from sametree.database.address import parse
from sametree.errors import SurroundingsError, UnitFailed, UsageError
from sametree.settings import Component, Database, Project, Settings
from sametree.settings.model import Environment
from sametree.units import migrate_environment
from sametree.units.migrate_environment import Site, Wishes

URL = "postgresql://ada:s3cret@db.example.org:5432/shop"
ENVIRON = {"STAGING_URL": URL}
SERVER = {"shown": "18.1 (Debian)", "role": "ada", "version": 180001}
TABLES = {"people": 10}


@pytest.fixture
def work(tmp_path, monkeypatch):
    for name in ("DATABASE_URL", "CI", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    component = Component(name="shop", path=".", language="python")
    environments = {
        "staging": Environment(database="STAGING_URL"),
        "own": Environment(),
        "local": Environment(database="STAGING_URL", restore_point=("true",)),
    }
    database = Database(component="shop")
    settings = Settings(
        components=(component,), database=database, environments=environments
    )
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "shop.txt").write_text("psycopg==3.2\n")
    for number in (1, 2, 3):
        phase = 'phase = "contract"\n' if number == 3 else ""
        path = tmp_path / "migrations" / f"000{number}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'"""Number {number}."""\n{phase}')
    project = Project(tmp_path, settings)
    return Told(project, component, "migrate", tmp_path / "venv", tree="a tree")


def state(*pending, current=()):
    listed = [
        {
            "revision": name,
            "title": f"Number {name}",
            "file": f"migrations/{name}.py",
            "digest": "d",
            "needs": [],
        }
        for name in pending
    ]
    return event(
        "state",
        current=list(current),
        known=["0001", "0002", "0003"],
        pending=listed,
        tables=TABLES,
    )


def seen(work, *pending, current=(), **server):
    """Have ``look`` tell that ``pending`` are lacking."""
    told = event("server", **{**SERVER, **server})
    work.answer("look", told, state(*pending, current=current))


def done(revision):
    return event(
        "done",
        direction="upgrade",
        revision=revision,
        title="t",
        seconds=0.1,
        tries=1,
        rows={"people": 3},
    )


def plan_of(*revisions):
    return event("plan", current=[], pending=len(revisions), verb="run")


def applies(work, *revisions, lacking=()):
    """Have ``apply`` tell that it runs ``revisions``, and ``lacking`` still lack."""
    work.answer(
        "apply",
        event("turn taken", waited=0.0),
        plan_of(*revisions),
        *(done(each) for each in revisions),
        state(*lacking, current=revisions[-1:]),
    )


def run(work, name="staging", **wish):
    migrate_environment.run(work, name, Wishes(**wish), ENVIRON)


def lines(work, name="staging"):
    return trail.read(work.project.state / "environments" / name)


def test_what_is_run_was_looked_at_is_looked_at_again_and_recorded(work, capsys):
    seen(work, "0001", "0002", "0003")
    applies(work, "0001", "0002", lacking=["0003"])
    run(work, yes=True)
    said = capsys.readouterr().out
    assert "looked again: staging is at 0002; 2 migrations in" in said
    assert "0003" in said.rpartition("looked again")[2]  # it waits
    kept = lines(work)
    assert [each["event"] for each in kept] == [
        *("started", "alone", "revision", "revision", "ended")
    ]
    assert kept[0]["revisions"] == ["0001", "0002"]
    assert (kept[-1]["result"], kept[-1]["at"]) == ("done", "0002")
    assert "s3cret" not in said + json.dumps(kept)


def test_a_dry_run_tells_the_plan_and_touches_nothing(work, capsys):
    seen(work, "0001")
    run(work, dry_run=True, patience=5.0)
    said = capsys.readouterr().out
    assert "--dry-run: nothing was changed" in said
    assert work.notes[0].endswith("; nothing was changed")
    assert lines(work) == []


def test_what_is_not_known_about_a_migration_keeps_nobody_from_the_plan(work, capsys):
    seen(work, "0001")
    work.answer("history", "env.py wants a variable", code=1)
    assert migrate_environment._figures(work, ["0001"]) == (
        (),
        "env.py wants a variable",
    )
    run(work, dry_run=True)
    assert "env.py wants a variable" in capsys.readouterr().out


def test_on_the_newest_migration_only_a_killed_run_is_completed(work, capsys):
    trail.append(site(work).folder, "killed", trail.STARTED)
    seen(work, current=["0003"])
    run(work)
    assert "the run killed had been killed" in capsys.readouterr().out
    assert work.notes == ["at 0003; nothing to run"]
    assert lines(work)[-1] | {"time": ""} == {
        **{"time": "", "run": "killed", "event": "ended", "result": "killed"},
        **{"at": "0003", "told_by": lines(work)[-1]["told_by"]},
    }


def test_a_standby_takes_no_changes(work):
    seen(work, "0001", standby=True)
    with pytest.raises(SurroundingsError, match="standby") as caught:
        run(work, yes=True)
    assert "let STAGING_URL name the primary" in str(caught.value)


def test_a_program_that_fails_ends_the_trail_with_its_words(work):
    seen(work, "0001")
    failed = event(
        "failed",
        revision="0001",
        direction="upgrade",
        place="migrations/0001.py:3",
        error="division by zero",
        statement="SELECT 1/0",
        at="nothing",
    )
    work.answer("apply", plan_of("0001"), failed, code=1)
    with pytest.raises(UnitFailed, match="division by zero"):
        run(work, yes=True)
    assert lines(work)[-1]["result"] == "failed"
    assert "division by zero" in lines(work)[-1]["problem"]
    lost = event("unreachable", error="OperationalError: s3cret is refused", place="")
    work.answer("apply", lost, code=1)
    with pytest.raises(SurroundingsError, match="cannot connect to the database"):
        run(work, yes=True)
    assert lines(work)[-1]["result"] == "gave up"


def test_what_somebody_takes_back_meanwhile_is_told(work):
    seen(work, "0001")
    applies(work, "0001", lacking=["0001"])
    with pytest.raises(
        SurroundingsError, match="0001: run, and yet the database lacks"
    ):
        run(work, yes=True)


def test_what_somebody_else_has_run_is_told(work, capsys):
    seen(work, "0001")
    work.answer("apply", plan_of(), state(current=["0001"]))
    run(work, yes=True)
    assert "somebody else has run them" in capsys.readouterr().out


def test_who_takes_our_turn_after_a_kill_completes_its_trail(work, capsys):
    trail.append(site(work).folder, "killed", trail.STARTED)
    seen(work, "0001")
    applies(work, "0001")
    run(work, yes=True)
    assert "the run killed had been killed" in capsys.readouterr().out


def test_the_environment_called_local_is_not_asked_about_and_saved_where_wished(work):
    seen(work, "0001")
    applies(work, "0001")
    run(work, "local", restore_point=True)
    kept = [each["event"] for each in lines(work, "local")]
    assert kept == ["started", "restore point", "alone", "revision", "ended"]


def test_the_own_database_of_an_environment_has_an_address_once_it_runs(work):
    with pytest.raises(UsageError, match="own has a PostgreSQL of its own"):
        run(work, "own")


def test_the_development_database_is_the_one_that_is_given(work, postgres, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", postgres.url())
    environments = work.project.settings.environments
    del environments["local"]
    seen(work, "0001")
    applies(work, "0001")
    run(work, "local")
    assert work.notes[-1].startswith("at 0001; 1 migration in")


def site(work):
    environment = work.project.settings.environments["staging"]
    return Site("staging", environment, parse(URL), work, work.install("run"))


def test_before_code_is_deployed_its_expand_migrations_run(work):
    seen(work, "0001", "0003")
    applies(work, "0001", lacking=["0003"])
    migrate_environment.expand(site(work))
    assert lines(work)[0]["revisions"] == ["0001"]
    seen(work, "0003")
    count = len(lines(work))
    migrate_environment.expand(site(work))
    assert len(lines(work)) == count


def test_what_was_done_is_not_undone_for_want_of_a_line(work, capsys):
    made = site(work)
    (made.folder / trail.FILE).mkdir()
    migrate_environment._keep(made, "run", "revision")
    migrate_environment._complete(made, "run", "0001")
    said = capsys.readouterr().out
    assert "the trail could not be written: " in said
    assert "the trail could not be completed: " in said


def test_a_question_is_asked_on_a_terminal_only(monkeypatch):
    assert migrate_environment._ask() is None
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    ask = migrate_environment._ask()
    answers = iter([" Yes \n"])
    monkeypatch.setattr("builtins.input", lambda question: next(answers))
    assert ask("Run this?") == "yes"

    def at_the_end(question):
        raise EOFError

    monkeypatch.setattr("builtins.input", at_the_end)
    assert ask("Run this?") == ""
