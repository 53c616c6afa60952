"""A new migration is written where Alembic looks for it, and never over another one."""

import pytest
from telling import Told, event

from sametree.errors import UnitFailed, UsageError
from sametree.settings import Component, Database, Project, Settings
from sametree.units import new_migration


@pytest.fixture
def work(tmp_path):
    component = Component(name="shop", path="shop", language="python")
    settings = Settings(components=(component,), database=Database(component="shop"))
    (tmp_path / "shop" / "migrations").mkdir(parents=True)
    ini = tmp_path / "shop" / "alembic.ini"
    ini.write_text("[alembic]\nscript_location = migrations\n")
    return Told(Project(tmp_path, settings), component, "migrate", tmp_path / "venv")


def history(work, taken=False):
    told = {"head": "0001", "revision": "0002", "taken": taken}
    place = "migrations/0002_add_it.py"
    work.answer("history", event("history", **told, file=place))


def test_the_file_follows_the_newest_revision(work):
    history(work)
    made = new_migration.new(work, "add it", index="people:name")
    assert str(made) == "shop/migrations/0002_add_it.py"
    text = (work.project.root / made).read_text()
    assert 'revision = "0002"' in text and 'down_revision = "0001"' in text
    assert "postgresql_concurrently=True" in text
    compile(text, str(made), "exec")


def test_what_is_there_already_stays(work):
    history(work)
    made = work.project.root / new_migration.new(work, "add it")
    made.write_text("# edited\n")
    with pytest.raises(UsageError, match="there is 0002_add_it.py already"):
        new_migration.new(work, "add it")
    assert made.read_text() == "# edited\n"
    made.unlink()
    history(work, taken=True)
    with pytest.raises(UsageError, match="take another title"):
        new_migration.new(work, "add it")


def test_a_history_that_cannot_be_read_is_told(work):
    heads = event("heads", heads={"0001": "a.py", "0002": "b.py"})
    work.answer("history", heads, code=1)
    with pytest.raises(UnitFailed, match="2 heads") as caught:
        new_migration.new(work, "add it")
    assert "alembic merge" in str(caught.value)
    work.answer("history", "ImportError: no flask", code=1)
    with pytest.raises(UnitFailed, match="ImportError: no flask"):
        new_migration.new(work, "add it")


def test_what_makes_no_sense_is_refused_before_anything_runs(work):
    with pytest.raises(UsageError, match="needs a title"):
        new_migration.new(work, " ")
    assert work.ran == []
