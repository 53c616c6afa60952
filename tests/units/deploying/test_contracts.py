"""A contract migration waits for all code that needs what it takes away."""

import pytest
from msgspec import structs

from sametree.stepwise import audit, lease
from sametree.errors import UsageError
from sametree.units.deploying import contracts, steps


def test_it_waits_for_the_code_that_has_the_traffic(stand):
    site = stand.yard.site()
    with pytest.raises(UsageError) as told:
        contracts.refuse(site, ["0009", "0010"])
    assert "blue of local runs tree" in str(told.value)
    assert "does not know 0009, 0010" in str(told.value)
    assert "`invoke deploy local` the code that can do without" in told.value.cure
    contracts.refuse(site, [])


def test_it_waits_for_the_warm_colour_too(stand):
    with stand.changing() as change:
        site = change.site
        steps.steps_of(change)[1].do()
        blue = structs.replace(site.colours.blue, revisions=("0009",))
        green = structs.replace(blue, revisions=())
        site.decide(structs.replace(site.colours, blue=blue, green=green))
        with pytest.raises(UsageError, match="green of local runs") as told:
            contracts.refuse(site, ["0009"])
        assert "`invoke retire local` stops it" in told.value.cure
        site.decide(structs.replace(site.colours, green=blue))
        contracts.refuse(site, ["0009"])


def test_that_it_ran_is_written_down_once(stand):
    site = stand.yard.site()
    before = site.colours
    contracts.ran(site, ["0009"])
    contracts.ran(site, ["0009"])
    assert site.colours.contracts == ("0009",)
    assert audit.read(site.folder)[-1]["revisions"] == ["0009"]
    assert audit.read(site.folder)[-2]["event"] != "contract"
    with lease.held(site.folder, "run", "put it back") as site.held:
        site.decide(before)
    elsewhere = stand.yard.site("staging")
    contracts.ran(elsewhere, ["0009"])
    assert not elsewhere.folder.exists()
