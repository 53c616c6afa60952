"""A release gets to its users, the next one replaces it, and the one before comes back."""

import pytest
from yard import ask, free_port, word

from sametree.deploy import audit
from sametree.errors import UsageError
from sametree.units.deploying import looking


def test_the_first_release_is_served_and_the_next_one_replaces_it(yard, capsys):
    site = yard.deploy(yard.release("one"))
    assert word(site) == "one"
    assert "<title>one</title>" in ask(site, "/")[1]
    shown = capsys.readouterr().out
    assert "start 1 replica of blue" in shown
    assert f"local has 100 % on blue (tree {site.colours.blue.tree[:12]})" in shown
    site = yard.deploy(yard.release("two"))
    assert word(site) == "two"
    assert word(site, x_sametree_preview="blue") == "one"
    assert "<title>two</title>" in ask(site, "/")[1]
    assert looking.drift(site) == []
    status = yard.status()
    assert "blue   warm        0 %" in status and "green  active    100 %" in status
    assert [line["event"] for line in audit.read(site.folder)] == ["deploy", "deploy"]

    yard.roll_back()
    assert word(yard.site()) == "one"
    yard.roll_back()
    assert word(yard.site()) == "two"
    with pytest.raises(UsageError, match="no release begins with 'ffff'"):
        yard.roll_back(to="ffff")
    first = site.colours.blue.digest
    third = yard.deploy(yard.release("three"))
    assert word(third) == "three"
    yard.roll_back(to=first[:10])
    assert word(yard.site()) == "one"
    assert looking.drift(yard.site()) == []


@pytest.mark.proof
def test_another_address_in_settings_is_drift_until_it_is_deployed_to(yard):
    yard.environment("staging")
    release = yard.release("one")
    site = yard.deploy(release, "staging")
    old = site.listen
    text = yard.sample.text("pyproject.toml")
    new = f"127.0.0.1:{free_port()}"
    yard.sample.write({"pyproject.toml": text.replace(str(old), new)})
    (told,) = looking.drift(yard.site("staging"))
    assert told.startswith(f"settings have it at {new}, and it listens at {old}")
    yard.deploy(release, "staging")
    site = yard.site("staging")
    assert str(site.listen) == new and word(site) == "one"
    assert looking.drift(site) == []
