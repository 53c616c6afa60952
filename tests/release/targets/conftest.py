"""Both kinds of places where releases go."""

from __future__ import annotations

from collections.abc import Iterator

import github_api
import indexes
import pytest
from places import Place, a_github, an_index

from sametree import masking


@pytest.fixture(autouse=True)
def no_secrets_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget at the end what is hidden; have no netrc and no proxy of this machine."""
    monkeypatch.setattr(masking, "_mask", masking.Mask())
    monkeypatch.setenv("NETRC", "none")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


@pytest.fixture(scope="session")
def index_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[indexes.Index]:
    """Serve an index: its start costs as much as a whole test."""
    with indexes.index(tmp_path_factory.mktemp("index")) as made:
        yield made


@pytest.fixture
def served(index_process: indexes.Index) -> indexes.Index:
    """Return a served index with nothing in it, and without faults."""
    index_process.empty()
    return index_process


@pytest.fixture
def hub() -> Iterator[github_api.GitHub]:
    """Return a served GitHub."""
    with github_api.github() as made:
        yield made


@pytest.fixture(params=["index", "github"])
def place(request: pytest.FixtureRequest) -> Place:
    """Return a place of either kind."""
    if request.param == "index":
        served = request.getfixturevalue("served")
        return Place(an_index(served), served, "index")
    hub = request.getfixturevalue("hub")
    return Place(a_github(hub), hub, "github")
