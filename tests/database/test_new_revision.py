"""New migrations are what black, flake8 and Alembic take as they are."""

import pytest

from sametree.database import new_revision
from sametree.errors import UsageError

KINDS = [
    {},
    {"contract": True},
    {"backfill": "sales.people"},
    {"index": "people:name,born"},
    {"index": f"people:{'a' * 30},{'b' * 30}"},
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_file_is_python_and_says_what_it_follows(kind):
    text = new_revision.text("add a column", "0002", "0001", **kind)
    told = {}
    exec(text, told)
    assert told["revision"] == "0002"
    assert told["down_revision"] == "0001"
    assert told["__doc__"].startswith("Add a column.\n")
    assert told.get("phase", "expand") == (
        "contract" if kind.get("contract") else "expand"
    )
    assert max(map(len, text.splitlines())) <= 79
    assert not any(line != line.rstrip() for line in text.splitlines())


def test_any_title_is_a_docstring():
    title = 'a "quoted" \\N """ title ' + "of many words " * 10
    told = {}
    exec(new_revision.text(title, "a'b", None), told)
    assert told["down_revision"] is None
    assert "of many words" in told["__doc__"]


@pytest.mark.parametrize(
    "message, options, problem",
    [
        (" ", {}, "needs a title"),
        ("x", {"contract": True, "backfill": "t"}, "of their own"),
        ("x", {"backfill": "t; DROP"}, "no table"),
        ("x", {"index": "people"}, "no table with columns"),
    ],
)
def test_what_makes_no_sense_is_refused(message, options, problem):
    asked = {"contract": False, "backfill": "", "index": "", **options}
    with pytest.raises(UsageError, match=problem):
        new_revision.check(message, **asked)


def test_what_comes_next_is_told():
    assert "replace SET" in new_revision.next_steps(contract=False, backfill="t")[0]
    assert "--contract" in new_revision.next_steps(contract=True, backfill="")[-1]
