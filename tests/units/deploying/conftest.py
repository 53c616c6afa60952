"""A yard of releases, whose environments end with the test."""

import os

import pytest
from conftest import processes_with
from repositories import without_configuration
from msgspec import structs
from yard import Yard, free_port

from sametree.deploy import site as sites
from sametree.surroundings.allowed import KEY


@pytest.fixture
def yard(sample, tmp_path, monkeypatch):
    """A project that can be deployed; no registry but its own folder of wheels."""
    without_configuration(monkeypatch, tmp_path)
    for name in ("PIP_INDEX_URL", "DATABASE_URL", "CI", "GITHUB_ACTIONS", KEY):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "registry"))
    # Two of these tests at once would take the same port for free.
    own = structs.replace(sites.MADE_UP, address=f"127.0.0.1:{free_port()}")
    monkeypatch.setattr(sites, "MADE_UP", own)
    made = Yard(sample, tmp_path / "registry")
    yield made
    made.down()
    assert not processes_with(str(sample.root / ".sametree" / "environments"))
