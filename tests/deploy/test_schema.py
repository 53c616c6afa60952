"""What a database lacks of a release, and what of it may run now."""

import pytest

from sametree.artifacts.manifest import Revision
from sametree.deploy.schema import Lacking, lacking


def chain(*phases):
    """Return revisions 1, 2, 3 …, one after the other."""
    return [
        Revision(
            revision=str(number),
            phase=phase,
            below=(str(number - 1),) if number > 1 else (),
        )
        for number, phase in enumerate(phases, 1)
    ]


E, C = "expand", "contract"


@pytest.mark.parametrize(
    ("phases", "heads", "told"),
    [
        ((), (), Lacking()),
        ((E, E), (), Lacking(expand=("1", "2"))),
        ((E, E), ("1",), Lacking(expand=("2",))),
        ((E, E), ("2",), Lacking()),
        ((E, C), ("1",), Lacking(contract=("2",))),
        ((E, C, E), ("1",), Lacking(contract=("2",), behind=("3",))),
        ((E, C, E, C), ("1",), Lacking(contract=("2", "4"), behind=("3",))),
        ((E, E), ("9",), Lacking(unknown=("9",))),
        ((E, E), ("1", "9"), Lacking(unknown=("9",))),
    ],
)
def test_expand_runs_now_and_contract_later(phases, heads, told):
    assert lacking(chain(*phases), heads) == told


def test_branches_run_after_what_is_below_them():
    tree = [
        Revision(revision="merge", below=("left", "right")),
        Revision(revision="left", below=("base",)),
        Revision(revision="right", phase=C, below=("base",)),
        Revision(revision="base"),
    ]
    found = lacking(tree, ())
    assert found == Lacking(
        expand=("base", "left"), contract=("right",), behind=("merge",)
    )
    assert lacking(tree, ("left",)).expand == ()
    assert lacking(tree, ("merge",)) == Lacking()


def test_a_circle_is_left_to_alembic():
    circle = [
        Revision(revision="a", below=("b",)),
        Revision(revision="b", below=("a",)),
    ]
    assert sorted(lacking(circle, ()).expand) == ["a", "b"]
