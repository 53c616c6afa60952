"""A real remote and a clone for each test."""

import shutil

import pytest
from hubs import WORKFLOW, Hub
from repositories import without_configuration


@pytest.fixture(scope="session")
def hub_template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    Hub.make(folder)
    return folder


@pytest.fixture
def hub(hub_template, tmp_path, monkeypatch):
    """A remote and a clone with one commit, ``first``."""
    without_configuration(monkeypatch, tmp_path)
    for name in (*WORKFLOW, "GITHUB_TOKEN", "GITHUB_ACTOR", "GITHUB_ACTOR_ID", "CI"):
        monkeypatch.delenv(name, raising=False)
    shutil.copytree(hub_template, tmp_path, dirs_exist_ok=True, symlinks=True)
    config = tmp_path / "first" / ".git" / "config"
    config.write_text(config.read_text().replace(str(hub_template), str(tmp_path)))
    return Hub(tmp_path)
