"""Environments that cannot be are told before anything is deployed."""

import pytest

from sametree.errors import SettingsError
from sametree.settings import load

RUNS = """
[[tool.sametree.components]]
name = "app"
path = "."
run = ["serve", "{port}"]
"""


def problems(folder, text):
    (folder / "pyproject.toml").write_text(RUNS + text)
    try:
        load(folder)
    except SettingsError as error:
        return list(error.problems)
    return []


def table(name, **keys):
    lines = "".join(f"{key} = {value}\n" for key, value in keys.items())
    return f"[tool.sametree.environments.{name}]\n{lines}"


def test_environments_that_can_be(tmp_path):
    good = (
        "[tool.sametree.variables]\nKEY = { type = 'secret' }\n"
        + table("staging")
        + table("production", address="'0.0.0.0:80'", after="'staging'")
        + "[tool.sametree.environments.production.secrets]\nKEY = 'PRODUCTION_KEY'\n"
        + "[tool.sametree.environments.production.gate]\n"
        + "prometheus = 'http://127.0.0.1:9090'\nquery = 'up'\n"
    )
    assert problems(tmp_path, good) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (table("a", after="'b'"), "environments.a.after: there is no environment 'b'"),
        (table("a", after="'a'"), "environments.a.after: goes round in a circle: a"),
        (
            table("a", after="'b'") + table("b", after="'a'", address="'127.0.0.1:1'"),
            "goes round in a circle: a after b",
        ),
        (table("a") + table("b"), "environments.b.address: is that of 'a' already"),
        (table("a", address="'localhost:80'"), "'localhost:80' is no IP address with"),
        (table("a", address="'127.0.0.1:99999'"), "'127.0.0.1:99999' is no IP address"),
        (table("a", address="'127.0.0.1'"), "environments.a.address"),
        (
            table("a") + "[tool.sametree.environments.a.secrets]\nKEY = 'OTHER'\n",
            "secrets.KEY: no variable 'KEY' is declared",
        ),
        (
            table("a") + "[tool.sametree.environments.a.gate]\nquery = 'up'\n",
            "environments.a.gate: prometheus is missing: one needs the other",
        ),
    ],
)
def test_what_cannot_be_is_told_with_its_key(tmp_path, text, told):
    problem, *_ = problems(tmp_path, text)
    assert told in problem


def test_a_command_without_a_port_and_two_that_run(tmp_path):
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "pyproject.toml").write_text("")
    found = problems(
        tmp_path,
        '[[tool.sametree.components]]\nname = "two"\npath = "page"\nrun = ["x"]\n',
    )
    assert len(found) == 3
    assert "components[0].run: one component runs, not app and two" in found[0]
    assert "{port} is missing" in found[2]


def test_a_component_called_as_the_folder_of_releases(tmp_path):
    (tmp_path / "pyproject.toml").write_text(RUNS.replace('"app"', '"releases"'))
    with pytest.raises(SettingsError, match="is where releases are"):
        load(tmp_path)
