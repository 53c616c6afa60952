"""How a session gets what its lock names, and what is said when it cannot."""

import os
import sys
from pathlib import Path

import pytest
from conftest import pins

from sametree import surroundings
from sametree.errors import SurroundingsError, UsageError
from sametree.toolchains import environments


@pytest.fixture
def nothing_installed(monkeypatch):
    """Make this environment look as if the wheels were not there."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "uv", None)


def test_uv_comes_from_its_wheel():
    assert Path(environments.uv()).is_file()


def test_without_its_wheel_uv_is_looked_for_on_the_path(
    nothing_installed, monkeypatch, tmp_path
):
    own = tmp_path / "uv"
    own.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environments.uv() == str(own)
    own.unlink()
    with pytest.raises(SurroundingsError, match="uv is not installed"):
        environments.uv()


def test_node_and_npm_come_from_a_wheel():
    node, code = environments.npm()
    assert os.access(node, os.X_OK)
    assert Path(code).name == "npm-cli.js"


def test_a_missing_node_is_explained(nothing_installed):
    with pytest.raises(SurroundingsError, match="Node is not installed") as caught:
        environments.node()
    assert "sametree[node]" in caught.value.cure


def test_a_node_component_without_a_lock_is_told_how_to_make_one(tmp_path):
    with pytest.raises(UsageError, match="no package-lock.json") as caught:
        environments.install_node(tmp_path, tmp_path / "state", {})
    assert "nox -s lock" in caught.value.cure


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        ("npm error code ENOTFOUND", "could not reach its registry"),
        ("error: Failed to fetch: `black`", "could not reach its registry"),
        ("error: Hash mismatch for `black`", "whose hash is not the one in"),
        ("npm error code SELF_SIGNED_CERT_IN_CHAIN", "does not trust the certificate"),
        ("npm error code EINTEGRITY", "whose hash is not the one in"),
        ("error: something else", "could not install"),
    ],
)
def test_a_failed_installation_is_told_by_its_cause(output, problem):
    error = environments._not_installed("npm", "page/package-lock.json", output)
    assert problem in error.problem
    assert output in error.problem


def test_a_virtual_environment_holds_what_its_lock_names_and_nothing_else(tmp_path):
    env = surroundings.clean()
    lock = tmp_path / "lock.txt"
    venv = tmp_path / "venv"
    packages = venv / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    lock.write_text(pins("lint"))
    environments.make_python(venv, [lock], env)
    assert (packages / "black").exists()
    lock.write_text(pins("tests"))
    environments.make_python(venv, [lock], env)
    assert (packages / "pytest").exists()
    assert not (packages / "black").exists()


def test_a_virtual_environment_that_cannot_be_made_is_explained(tmp_path):
    (tmp_path / "venv").write_text("in the way")
    with pytest.raises(SurroundingsError, match="cannot make a virtual environment"):
        environments.make_python(tmp_path / "venv", [], surroundings.clean())
