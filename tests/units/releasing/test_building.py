"""Which bytes a release has: built from its commit once, and again only as the same."""

import msgspec
import pytest

from sametree.errors import SurroundingsError, UnitFailed
from sametree.units.releasing import building, flow
from sametree.units.releasing.flow import Asked


@pytest.fixture
def plan(shop):
    return flow.planned(shop.project, Asked(yes=True))


@pytest.fixture
def place(folder):
    return folder / "files"


def build(shop, plan, place):
    said = []
    made = building.build(shop.project, plan, plan.parent, place, said.append)
    return made, "\n".join(said)


def test_what_was_built_of_this_tree_is_taken(shop, plan, place):
    made, said = build(shop, plan, place)
    assert said == "    api is built already: taken from dist/"
    assert building.kept(place) == made
    for each in made:
        theirs = shop.root / "dist" / "api" / each.name
        assert building.file_of(place, each).read_bytes() == theirs.read_bytes()


def test_what_was_changed_in_dist_is_built_again(shop, plan, place):
    (wheel,) = (shop.root / "dist" / "api").glob("*.whl")
    wheel.write_bytes(b"changed")
    made, said = build(shop, plan, place)
    assert "building api of tree" in said
    assert all(building.file_of(place, each).stat().st_size > 100 for each in made)


def test_what_a_tag_names_is_built_to_the_same_bytes_or_not_at_all(shop, plan, place):
    made, _ = build(shop, plan, place)
    tagged = msgspec.structs.replace(plan, commit=plan.parent, built=made)
    again, said = build(shop, tagged, place)
    assert "building api of tree" in said and set(again) == set(made)
    other = msgspec.structs.replace(made[0], sha256="0" * 64)
    tagged = msgspec.structs.replace(tagged, built=(other, *made[1:]))
    with pytest.raises(UnitFailed) as caught:
        build(shop, tagged, place)
    assert f"v0.1.0 names other bytes than its commit gives here: {other.name}" in str(
        caught.value
    )
    assert "finish it where it was begun" in caught.value.cure
    assert building.kept(place) == again  # what was there stands


@pytest.mark.parametrize("content", [None, b"", b"[1]", b"\xff"])
def test_a_list_that_cannot_be_read_is_no_list(tmp_path, content):
    if content is not None:
        (tmp_path / building.LISTED).write_bytes(content)
    assert building.kept(tmp_path) is None


def test_files_that_are_gone_or_changed_are_not_there(shop, plan, place):
    made, _ = build(shop, plan, place)
    path = building.file_of(place, made[0])
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert building.kept(place) is None
    path.unlink()
    assert building.kept(place) is None
    path.write_bytes(whole)
    assert building.kept(place) == made
    building.forget(place)
    assert building.kept(place) is None


def test_a_commit_that_is_not_here_cannot_be_built(shop, plan, place):
    tagged = msgspec.structs.replace(plan, commit="0" * 40)
    with pytest.raises(SurroundingsError, match="git cannot read commit 000000000000"):
        building.build(shop.project, tagged, "0" * 40, place, lambda line: None)
    assert not place.exists()


def test_a_build_that_makes_nothing_to_publish_is_told(tmp_path):
    (tmp_path / "api").mkdir()
    (tmp_path / "api" / "notes.txt").write_text("nothing")
    with pytest.raises(UnitFailed, match="the build of api made no wheel and no sdist"):
        list(building._built(tmp_path, ["api"]))
