"""Releases that cannot be are told before anything is looked at."""

import pytest

from sametree.errors import SettingsError
from sametree.settings import load

APP = """
[[tool.sametree.components]]
name = "app"
path = "."
language = "python"

[[tool.sametree.components]]
name = "page"
path = "."
language = "node"

[tool.sametree.environments.staging]
"""


def problems(folder, text):
    (folder / "pyproject.toml").write_text(APP + text)
    try:
        load(folder)
    except SettingsError as error:
        return list(error.problems)
    return []


def test_releases_that_can_be(tmp_path):
    good = """
    [tool.sametree.release]
    components = ["app"]
    deploy = ["staging"]
    smoke = { app = ["app", "--version"] }

    [tool.sametree.release.targets.index]
    kind = "index"
    address = "http://127.0.0.1:1/"
    simple = "http://127.0.0.1:1/simple/"
    components = ["app"]

    [tool.sametree.release.targets.github]
    kind = "github"
    """
    assert problems(tmp_path, good) == []
    assert problems(tmp_path, "[tool.sametree.release]\ndeploy = ['staging']\n") == []


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ("components = ['ap']", "release.components[0]: there is no component 'ap'"),
        (
            "components = ['page']",
            "page is a Node component: what is released is Python",
        ),
        ("deploy = ['stagin']", "release.deploy[0]: there is no environment 'stagin'"),
        ("smoke = { app = ['x'] }", "release.smoke.app: app is not released"),
        (
            "[tool.sametree.release.targets.x]\nkind = 'index'",
            "release.targets.x: nothing would go there",
        ),
        (
            "components = ['app']\n[tool.sametree.release.targets.x]\n"
            "kind = 'github'\nsimple = 'http://there/'",
            "release.targets.x.simple: only an index has it",
        ),
        (
            "components = ['app']\n[tool.sametree.release.targets.x]\n"
            "kind = 'index'\ncomponents = ['page']",
            "release.targets.x.components[0]: page is a Node component",
        ),
    ],
)
def test_what_cannot_be_is_told_with_its_key(tmp_path, keys, why):
    told = problems(tmp_path, f"[tool.sametree.release]\n{keys}\n")
    assert any(why in each for each in told), told
