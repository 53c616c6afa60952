"""A project that can be packed, without a network."""

import os
import shutil

import pytest

from packing import Shop
from repositories import without_configuration

from sametree.surroundings.allowed import KEY

CACHE = ".sametree/cache/wheels"


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """No registry but our own, no key, nobody's configuration of git."""
    without_configuration(monkeypatch, tmp_path)
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv(KEY, raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """A folder of wheels where pip looks."""
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "registry"))
    return tmp_path / "registry"


@pytest.fixture(scope="session")
def wheels_kept(tmp_path_factory):
    """The wheels that the first test has fetched."""
    return tmp_path_factory.mktemp("wheels") / "kept"


@pytest.fixture
def shop(sample, registry, wheels_kept):
    """A project with a component that runs and a page, built."""
    made = Shop(sample, registry).build()
    cache = sample.root / CACHE
    if wheels_kept.is_dir():
        shutil.copytree(wheels_kept, cache)
    yield made
    if cache.is_dir() and not wheels_kept.exists():
        shutil.copytree(cache, wheels_kept)
