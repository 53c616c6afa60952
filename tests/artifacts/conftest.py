"""A project that can be packed, without a network."""

import os
import shutil

import pytest
from conftest import Sample
from packing import CACHE, Shop
from repositories import without_configuration

from sametree.surroundings.allowed import KEY
from sametree.units import pack


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
def firsts(tmp_path_factory):
    """What the first test has made, for others to copy: a project that is built, the
    wheels that its release needs, and the release."""
    return tmp_path_factory.mktemp("firsts")


@pytest.fixture
def shop(request, registry, firsts, folder, environments):
    """A project with a component that runs and a page, built."""
    project, wheels = firsts / "project", firsts / "wheels"
    if project.is_dir():
        sample = Sample(folder / "sample", environments / "plain")
        shutil.copytree(project, sample.root, symlinks=True)
        shutil.copytree(firsts / "registry", registry)
        made = Shop.__new__(Shop)
        made.sample, made.registry = sample, registry
    else:
        made = Shop(request.getfixturevalue("sample"), registry).build()
        shutil.copytree(registry, firsts / "registry")
        shutil.copytree(made.sample.root, project, symlinks=True)
    cache = made.sample.root / CACHE
    if wheels.is_dir():
        shutil.copytree(wheels, cache)
    yield made
    if cache.is_dir() and not wheels.exists():
        shutil.copytree(cache, wheels)


@pytest.fixture
def release(request, firsts, folder):
    """The release of such a project."""
    kept = firsts / "release"
    if not kept.is_dir():
        made = pack.pack(request.getfixturevalue("shop").project)
        shutil.copytree(made, kept / made.name)
        return made
    (made,) = kept.iterdir()
    return shutil.copytree(made, folder / "sample" / "dist" / "releases" / made.name)
