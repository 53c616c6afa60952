"""The way back: to what is warm in milliseconds, to what is kept by starting it."""

import os
import shutil

import pytest
from msgspec import structs
from yard import word

from sametree import deploy_tasks
from sametree.artifacts import manifest
from sametree.stepwise import audit, lease
from sametree.errors import UsageError
from sametree.units.deploying import rollback
from sametree.units.deploying.flow import Asked


def to(stand, begins, *, name="local", **asked):
    """Return to a kept release."""
    site = stand.yard.site(name)
    work = deploy_tasks.work_of(stand.yard.project, "deploy", "rollback")
    rollback.cold(work, site, begins, Asked(**asked), os.environ)


def test_to_what_is_warm(stand, capsys):
    site = stand.yard.deploy(stand.two)
    rollback.warm(site, Asked(plan=True))
    said = capsys.readouterr().out
    assert "back to tree" in said and "on blue, which is warm" in said
    assert "--plan: nothing was changed" in said
    assert word(site) == "two"
    rollback.warm(site, Asked(why="it is slow"))
    assert word(site) == "one"
    last = audit.read(site.folder)[-1]
    assert (last["event"], last["why"], last["colour"]) == (
        "rollback",
        "it is slow",
        "blue",
    )


def test_to_one_that_is_kept(stand, capsys):
    first, second = manifest.read(stand.one), manifest.read(stand.two)
    with pytest.raises(UsageError, match="no release begins with 'ffff'") as told:
        to(stand, "ffff")
    assert f"{first.digest[:12]}  tree {first.tree[:12]}" in str(told.value)
    with pytest.raises(UsageError, match="begins with"):
        to(stand, first.digest[:3])
    to(stand, first.tree[:8])
    assert "local runs this very release" in capsys.readouterr().out
    site = stand.yard.deploy(stand.two)
    to(stand, first.digest[:10], plan=True)
    assert "--plan: nothing was changed" in capsys.readouterr().out
    assert word(site) == "two"
    to(stand, first.digest[:10])
    assert word(site) == "one"
    assert stand.yard.site().colours.kept[:2] == (first.digest, second.digest)


def test_elsewhere_than_at_home_somebody_has_to_agree(stand):
    """Here ``staging`` is told that it has what ``local`` has."""
    local, site = stand.yard.site(), stand.yard.site("staging")
    site.folder.mkdir()
    (site.folder / "releases").symlink_to(local.folder / "releases")
    told = local.colours
    first, second = manifest.read(stand.one), manifest.read(stand.two)
    green = structs.replace(told.blue, digest=second.digest, tree=second.tree)
    with lease.held(site.folder, "run", "say so") as site.held:
        kept = (second.digest, first.digest, "0" * 64)  # that one is not installed
        site.decide(structs.replace(told, active="green", green=green, kept=kept))
    with pytest.raises(UsageError, match="add --yes to agree"):
        to(stand, first.digest[:10], name="staging")
    with pytest.raises(UsageError, match="staging has no warm colour"):
        rollback.warm(site, Asked())
    shutil.rmtree(site.folder)


def test_all_that_is_stopped_says_how_it_begins_again(stand):
    site = stand.yard.site("staging")
    site.folder.mkdir()
    told = stand.yard.site().colours
    with lease.held(site.folder, "run", "say so") as site.held:
        site.decide(structs.replace(told, active=None, blue=None))
    with pytest.raises(UsageError, match="all of staging is stopped") as said:
        rollback.warm(site, Asked())
    assert f"`invoke rollback staging --to {told.kept[0][:12]}`" in said.value.cure
    assert "all of staging is stopped" in stand.yard.status("staging")
    shutil.rmtree(site.folder)


def test_a_release_that_does_not_know_a_contract_is_not_returned_to(stand):
    site = stand.yard.site()
    before = site.colours
    first, second = manifest.read(stand.one), manifest.read(stand.two)
    newer = structs.replace(
        before.blue, digest=second.digest, tree=second.tree, revisions=("0009",)
    )
    with lease.held(site.folder, "run", "say so") as site.held:
        told = structs.replace(before, active="green", green=newer, contracts=("0009",))
        site.decide(told)
    with pytest.raises(UsageError) as warm:
        rollback.warm(site, Asked())
    with pytest.raises(UsageError, match="does not work on the database of local"):
        to(stand, first.digest[:12])
    with lease.held(site.folder, "run", "put it back") as site.held:
        site.decide(before)
    assert "does not work on the database of local any more" in str(warm.value)
    assert "it has had the contract migration 0009" in str(warm.value)


def test_a_release_that_does_not_know_a_contract_is_not_deployed(stand):
    site = stand.yard.site()
    before = site.colours
    with lease.held(site.folder, "run", "say so") as site.held:
        site.decide(structs.replace(before, contracts=("0009",)))
    with pytest.raises(UsageError, match="contract migration 0009, which this"):
        stand.yard.deploy(stand.two)
    with lease.held(site.folder, "run", "put it back") as site.held:
        site.decide(before)
