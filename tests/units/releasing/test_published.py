"""A release goes to a real index and to GitHub, file by file, and is got from there."""

import hashlib
import shutil
from pathlib import Path

import github_api
import indexes
import pytest
from conftest import small_disk

from sametree.errors import SametreeError, UnitFailed, UsageError
from sametree.release import claim
from sametree.stepwise import journal
from sametree.units.releasing import flow, looking, world, yanking
from sametree.units.releasing.flow import Asked

YES = Asked(yes=True)
INDEX = """
[tool.sametree.release.targets.index]
kind = "index"
"""
GITHUB = """
[tool.sametree.release.targets.github]
kind = "github"
"""


@pytest.fixture
def index(folder, at_home, monkeypatch):
    with indexes.index(folder / "index") as served:
        monkeypatch.setenv("TWINE_REPOSITORY_URL", served.address)
        monkeypatch.setenv("TWINE_PASSWORD", indexes.TOKEN)
        yield served


@pytest.fixture
def hub(at_home, monkeypatch):
    with github_api.github() as served:
        monkeypatch.setenv("GITHUB_API_URL", served.api)
        monkeypatch.setenv("GITHUB_REPOSITORY", served.repository)
        monkeypatch.setenv("GITHUB_TOKEN", served.token)
        yield served
        assert served.wrong == []


def copied(shop, folder):
    copy = shop.copy(folder / "copy")
    copy.share_environments()
    return copy


@pytest.fixture
def published(proven, folder, index):
    """A shop that goes to an index."""
    return copied(proven(INDEX), folder)


def release(shop, **asked):
    flow.release(shop.project, Asked(yes=True, **asked))


def refused(do, *args):
    with pytest.raises((SametreeError, OSError)) as caught:
        do(*args)
    return str(caught.value)


def digests(folder: Path):
    return {
        each.name: hashlib.sha256(each.read_bytes()).hexdigest()
        for each in folder.iterdir()
    }


FILES = ["shop_api-0.1.0-py3-none-any.whl", "shop_api-0.1.0.tar.gz"]


def test_what_users_get_is_what_was_inspected(published, index, capsys):
    release(published)
    assert sorted(index.names()) == FILES
    shown = capsys.readouterr().out
    assert "verify index" in shown and "is released: v0.1.0, " in shown
    status = "\n".join(looking.status(published.project))
    assert "shop 0.1.0  v0.1.0, commit " in status
    assert indexes.TOKEN not in shown + status


@pytest.mark.proof
def test_an_index_that_fails_in_the_middle_gets_the_rest_later(published, index):
    index.faults.answers = [0, 0] + [
        500
    ] * 40  # the form without a file, the first file
    with pytest.raises(UnitFailed) as caught:
        release(published)
    said = str(caught.value)
    assert "v0.1.0 is out" in said and "`invoke release --resume` goes on" in said
    assert sorted(index.names()) == FILES[:1]
    # It is never taken for nothing to release.
    assert "a release has not ended" in refused(release, published)
    index.faults.answers = []
    before = digests(index.folder)
    flow.go_on(published.project, YES)
    assert sorted(index.names()) == FILES
    assert before.items() <= digests(index.folder).items()
    assert claim.read(published.root, "origin") is None


@pytest.mark.proof
def test_another_clone_finishes_it_with_the_same_bytes(published, index, capsys):
    index.faults.answers = [0, 0] + [500] * 40
    with pytest.raises(UnitFailed):
        release(published)
    index.faults.answers = []
    other = published.clone("other")
    other.share_environments()
    assert "v0.1.0 is half released" in refused(release, other)
    flow.go_on(other.project, YES)
    assert "building api of tree" in capsys.readouterr().out
    assert sorted(index.names()) == FILES
    flow.go_on(published.project, YES)  # where it began it finds that all is done
    assert journal.open_one(world.folder_of(published.project)) is None


def test_other_bytes_under_the_same_version_are_found_before_anything_is_done(
    published, index
):
    (index.folder / FILES[1]).write_bytes(b"others made it")
    said = refused(release, published)
    assert "has shop-api 0.1.0 already, and there is no tag v0.1.0" in said
    assert published.at_remote("tag") == ""


def test_a_token_that_expired_is_found_before_anything_is_done(published, monkeypatch):
    monkeypatch.setenv("TWINE_PASSWORD", "expired-0123456789")
    said = refused(release, published)
    assert "refuses the token in TWINE_PASSWORD" in said
    assert "expired-0123456789" not in said
    monkeypatch.delenv("TWINE_PASSWORD")
    assert "set TWINE_PASSWORD" in refused(release, published)
    assert published.at_remote("tag") == ""


@pytest.mark.proof
def test_where_it_stops_before_it_publishes_another_job_has_the_token(
    published, index, monkeypatch, capsys
):
    monkeypatch.delenv("TWINE_PASSWORD")
    release(published, until="push")
    assert (
        "done until push; `invoke release --resume` goes on" in capsys.readouterr().out
    )
    assert published.at_remote("tag") == "v0.1.0" and not index.names()
    monkeypatch.setenv("TWINE_PASSWORD", indexes.TOKEN)
    flow.go_on(published.project, Asked(yes=True, until="publish"))
    assert sorted(index.names()) == FILES
    flow.go_on(published.project, YES)
    assert claim.read(published.root, "origin") is None


@pytest.mark.proof
def test_each_job_goes_on_with_what_the_one_before_it_hands_over(
    published, index, capsys
):
    release(published, until="push")
    kept = published.root / ".sametree" / "releasing"
    for number, until in enumerate(("publish", None)):
        job = published.clone(f"job-{number}")
        shutil.copytree(kept, job.root / ".sametree" / "releasing")
        flow.go_on(job.project, Asked(yes=True, until=until))
        assert sorted(index.names()) == FILES
        kept = job.root / ".sametree" / "releasing"
    assert "building" not in capsys.readouterr().out  # what was inspected goes out
    assert claim.read(published.root, "origin") is None


@pytest.mark.proof
def test_without_a_network_nothing_is_begun(published, monkeypatch):
    monkeypatch.setenv("TWINE_REPOSITORY_URL", "http://127.0.0.1:9/")
    assert "index: " in refused(release, published)
    assert published.at_remote("tag") == ""


@pytest.mark.proof
def test_github_gets_a_draft_then_files_then_all_see_it(proven, folder, hub, capsys):
    shop = copied(proven(GITHUB), folder)
    release(shop)
    (made,) = hub.of_tag("v0.1.0")
    assert made["draft"] is False and made["name"] == "shop 0.1.0"
    order = [
        each for each in hub.asked if not each.startswith(("repos/get", "repos/list"))
    ]
    first = order.index("repos/create-release")
    assert order.index("repos/upload-release-asset") > first
    assert order.index("repos/update-release") > order.index(
        "repos/upload-release-asset"
    )
    assert sorted(made_file["name"] for made_file in made["assets"]) == FILES
    said = yanking.yank(shop.project, "v0.1.0", "loses messages", yes=True)
    assert said is None
    assert "[YANKED]" in shop.text("CHANGELOG.md")
    assert "loses messages" in shop.at_remote("show", "main:CHANGELOG.md")
    assert "is yanked on github" in "\n".join(looking.status(shop.project))


@pytest.mark.proof
def test_a_half_release_that_is_yanked_is_given_up(published, index, capsys):
    index.faults.answers = [0, 0] + [500] * 40
    with pytest.raises(UnitFailed):
        release(published)
    index.faults.answers = []
    other = published.clone("other")
    shutil.copytree(published.root / "dist", other.root / "dist")
    assert "`invoke release.yank` gives it up" in refused(release, other)
    yanking.yank(other.project, "v0.1.0", "half of it is missing", yes=True)
    looking.unlock(other.project, yes=True)
    other.change("fix: once more")
    other.prove()
    release(other)
    assert other.at_remote("tag").split() == ["v0.1.0", "v0.1.1"]


@pytest.mark.proof
@pytest.mark.parametrize("size", ["8k", "16k", "24k"])
def test_a_full_disk_leaves_nothing_half(published, folder, size):
    place = published.root / ".sametree" / "releasing"
    with small_disk(folder, size) as disk:
        place.symlink_to(disk)
        assert "No space left" in refused(release, published)
        left = folder / "left"
        shutil.copytree(disk, left)
    # With room again, the next command knows what to do.
    place.unlink()
    shutil.copytree(left, place)
    flow.go_on(published.project, YES)
    if "v0.1.0" not in published.at_remote("tag"):
        release(published)
    assert published.at_remote("tag") == "v0.1.0"
    assert claim.read(published.root, "origin") is None
    assert journal.open_one(place) is None


@pytest.mark.proof
def test_what_is_yanked_is_said_in_the_changelog(published, capsys):
    release(published)
    yanking.yank(published.project, "v0.1.0", "loses messages", yes=True)
    assert "Do not use it: loses messages" in published.text("CHANGELOG.md")
    with pytest.raises(UsageError, match="is no version that was released with this"):
        yanking.yank(published.project, "v9", "no", yes=True)
