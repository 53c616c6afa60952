"""A remote and a clone for each test."""

import shutil

import pytest
from hubs import WORKFLOW, Hub
from repositories import without_configuration


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    Hub.make(folder)
    return folder


@pytest.fixture
def hub(template, tmp_path, monkeypatch):
    """A remote and a clone."""
    without_configuration(monkeypatch, tmp_path)
    for name in (*WORKFLOW, "GITHUB_TOKEN", "CI"):
        monkeypatch.delenv(name, raising=False)
    shutil.copytree(template, tmp_path, dirs_exist_ok=True, symlinks=True)
    config = tmp_path / "first" / ".git" / "config"
    config.write_text(config.read_text().replace(str(template), str(tmp_path)))
    return Hub(tmp_path)


@pytest.fixture
def on_github(monkeypatch):
    """This process is a step of a workflow."""
    for name, value in WORKFLOW.items():
        monkeypatch.setenv(name, value)
