"""The tests of the release before run on the schema of this tree, whole Nox runs."""

import pytest
from conftest import SESSION, migration

pytestmark = pytest.mark.proof

OLD_TEST = """
import os

from sample import double
from sqlalchemy import create_engine, text


def test_people_have_names():
    assert double(2) == 4
    with create_engine(os.environ["DATABASE_URL"]).begin() as connection:
        connection.execute(text("INSERT INTO people (name) VALUES ('Ada')"))
        assert connection.execute(text("SELECT name FROM people")).scalar() == "Ada"
"""
RENAME = 'op.alter_column("people", "name", new_column_name="called")'
ADD = 'op.add_column("people", sa.Column("called", sa.Text))'
DROP = 'op.drop_column("people", "name")'


@pytest.fixture
def released(with_database):
    """The sample with a database, released as v1."""
    with_database.write(
        {
            "noxfile.py": with_database.text("noxfile.py")
            + SESSION.format(name="previous"),
            "test_sample.py": OLD_TEST,
        }
    )
    with_database.commit("Release")
    with_database.git("tag", "v1")
    return with_database


def revise(sample, number, up, back="pass", phase=""):
    text = migration(f"000{number}", f"000{number - 1}", up, back)
    marked = text.replace("\n\n\ndef upgrade", f"\n{phase}\n\n\ndef upgrade", 1)
    sample.write({f"migrations/versions/000{number}_next.py": marked})


def test_without_a_release_there_is_nothing_to_try(released):
    released.git("tag", "--delete", "v1")
    done = released.nox("-s", "previous")
    assert done.code == 0, done
    assert "there is no release before this tree" in done.output


def test_a_change_that_the_old_code_cannot_bear_is_told(released):
    revise(released, 3, RENAME)
    released.commit("Rename")
    done = released.nox("-s", "previous")
    assert done.code == 1
    assert "the code of v1 does not work on this tree's schema" in done.output
    assert "test_people_have_names" in done.output
    assert 'a later revision with phase = "contract"' in done.output


def test_what_contracts_the_schema_is_held_back(released):
    revise(released, 3, ADD)
    revise(released, 4, DROP, phase='phase = "contract"')
    called = OLD_TEST.replace("(name)", "(called)").replace(
        "SELECT name", "SELECT called"
    )
    released.write({"test_sample.py": called})
    released.commit("Expand and contract")
    done = released.nox("-s", "previous")
    assert done.code == 0, done
    assert "the tests of v1 pass on this tree's schema" in done.output
    assert "without 0004, which contract it" in done.output
    proven = released.nox("-s", "previous")
    assert "proven" in proven.output
    released.git("tag", "--annotate", "-m", "Release", "v2")
    released.git("commit", "--quiet", "--allow-empty", "-m", "Go on")
    after = released.nox("-s", "previous")
    assert after.code == 0, after
    assert "the tests of v2 pass on this tree's schema" in after.output
    assert "0004" not in after.output
