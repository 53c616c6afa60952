"""The migrations of a folder are told from their text: nothing is imported."""

import pytest

from sametree.database import revisions
from sametree.errors import UsageError


@pytest.fixture
def app(tmp_path):
    """A component with Alembic's configuration, whose env.py nobody may import."""
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
    (tmp_path / "migrations" / "versions").mkdir(parents=True)
    (tmp_path / "migrations" / "env.py").write_text("raise SystemExit\n")
    return tmp_path


def write(app, name, text, folder="migrations/versions"):
    (app / folder).mkdir(parents=True, exist_ok=True)
    (app / folder / f"{name}.py").write_text(f"raise SystemExit\n{text}\n")


def told(app):
    return [(e.revision, e.phase, e.down, e.needs) for e in revisions.read(app)]


def test_revisions_are_read_with_what_they_come_after(app):
    write(app, "b", 'revision: str = "b"\ndown_revision: str = "a"\nphase = "contract"')
    write(app, "a", 'revision = "a"\ndown_revision = None\nbranch_labels = None')
    write(app, "m", 'revision = "m"\ndown_revision = ("b", "c")\ndepends_on = ["d"]')
    write(app, "c", 'revision = "c"\ndown_revision = "a"')
    write(app, "d", 'revision = "d"')
    write(app, "notes", "nothing = revision_of(1)")
    assert told(app) == [
        ("a", "expand", (), ()),
        ("b", "contract", ("a",), ()),
        ("c", "expand", ("a",), ()),
        ("d", "expand", (), ()),
        ("m", "expand", ("b", "c"), ("d",)),
    ]
    assert revisions.heads(revisions.read(app)) == ["d", "m"]


def test_the_beginning_of_a_revision_is_enough(app):
    write(app, "a", 'revision = "abcdef"')
    write(app, "b", 'revision = "b"\ndown_revision = "abc"')
    write(app, "c", 'revision = "c"\ndown_revision = "unknown"')
    assert told(app)[1:] == [
        ("b", "expand", ("abcdef",), ()),
        ("c", "expand", ("unknown",), ()),
    ]


def test_without_a_configuration_there_are_none(tmp_path):
    assert revisions.read(tmp_path) == []
    assert revisions.heads([]) == []


def test_other_folders_are_read_where_the_configuration_says_so(app):
    (app / "alembic.ini").write_text(
        "[alembic]\nscript_location = migrations\n"
        "version_locations = %(here)s/one %(here)s/two\n"
        "recursive_version_locations = true\n"
    )
    write(app, "a", 'revision = "a"', "one")
    write(app, "b", 'revision = "b"\ndown_revision = "a"', "two/deeper")
    write(app, "old", 'revision = "old"')  # in versions/, which counts no more
    assert [each[0] for each in told(app)] == ["a", "b"]


@pytest.mark.parametrize(
    "text, said",
    [
        ("revision = made()", "have to be written out"),
        ('revision = "a"\ndown_revision = made()', "have to be written out"),
        ('revision = "a"\ndepends_on = 7', "have to be written out"),
        ('revision = "a"\ndown_revision = (1, 2)', "have to be written out"),
        ('revision = "a', "versions/one.py cannot be read"),
    ],
)
def test_what_cannot_be_told_without_running_it_is_named(app, text, said):
    write(app, "one", text)
    with pytest.raises(UsageError, match=said) as problem:
        revisions.read(app)
    assert "migrations/versions/one.py" in str(problem.value)


def test_two_of_one_name_are_refused(app):
    write(app, "one", 'revision = "a"')
    write(app, "two", 'revision = "a"')
    with pytest.raises(UsageError, match="two migrations are called a"):
        revisions.read(app)


def test_folders_that_are_not_there_are_told(app):
    (app / "alembic.ini").write_text("[alembic]\nscript_location = ../elsewhere\n")
    with pytest.raises(UsageError, match="that alembic.ini names are not all in the"):
        revisions.read(app)
