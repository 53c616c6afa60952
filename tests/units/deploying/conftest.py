"""Yards of releases: one for a test alone, and one that stands for all of them."""

import os

import pytest
from conftest import (
    NOXFILE,
    PYPROJECT,
    SAMPLE,
    Sample,
    _memory,
    _open_folder,
    processes_with,
)
from msgspec import structs
from repositories import without_configuration
from yard import Stand, Yard, free_port

from sametree.deploy import site as sites
from sametree.surroundings.allowed import KEY


def alone(monkeypatch, root):
    """No registry but the yard's own folder of wheels, nobody's configuration."""
    without_configuration(monkeypatch, root)
    for name in ("PIP_INDEX_URL", "DATABASE_URL", "CI", "GITHUB_ACTIONS", KEY):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_FIND_LINKS", str(root / "registry"))


@pytest.fixture
def yard(sample, tmp_path, monkeypatch):
    """A project that can be deployed; no registry but its own folder of wheels."""
    alone(monkeypatch, tmp_path)
    # Two of these tests at once would take the same port for free.
    own = structs.replace(sites.MADE_UP, address=f"127.0.0.1:{free_port()}")
    monkeypatch.setattr(sites, "MADE_UP", own)
    made = Yard(sample, tmp_path / "registry")
    yield made
    made.down()
    assert not processes_with(str(sample.root / ".sametree" / "environments"))


@pytest.fixture(scope="session")
def standing(tmp_path_factory, environments):
    """What ``stand`` gives to one test after the other. The project is smaller than
    ``sample``: nothing of it is linted or tested."""
    root = tmp_path_factory.mktemp("stand")
    with _open_folder(_memory()) as folder, pytest.MonkeyPatch.context() as patch:
        sample = Sample(folder / "sample", environments / "plain")
        sample.root.mkdir()
        sample.write(
            {
                "pyproject.toml": PYPROJECT,
                "noxfile.py": NOXFILE,
                "sample.py": SAMPLE,
                ".gitignore": "/.sametree/\n/dist/\n__pycache__/\n",
            }
        )
        sample.lock()
        alone(patch, root)
        sample.git("init", "--quiet", "--initial-branch=main")
        made = Stand(Yard(sample, root / "registry"), root)
        patch.undo()
        yield made
        made.yard.down()
        assert not processes_with(str(sample.root / ".sametree" / "environments"))


@pytest.fixture
def stand(standing, monkeypatch):
    """A project whose ``local`` runs release one on blue, and nothing on green; release
    two is installed. A test leaves it so: what it did is undone here."""
    alone(monkeypatch, standing.root)
    monkeypatch.setattr(sites, "MADE_UP", standing.made_up)
    standing.begin()
    settings = standing.yard.sample.text("pyproject.toml")
    yield standing
    standing.yard.sample.write({"pyproject.toml": settings})
    standing.end()
