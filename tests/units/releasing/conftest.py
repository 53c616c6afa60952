"""Shops to release: one of a kind is begun and proven in each process, and copied."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import _open_folder, environment
from shops import Shop


@pytest.fixture(scope="session")
def proven(environments: Path) -> Iterator[Callable[[str], Shop]]:
    """Return a shop with more settings, at its first commit, proven; no test may change
    it."""
    known: dict[str, Shop] = {}
    with _open_folder(None) as made:

        def find(more: str) -> Shop:
            if more not in known:
                place = made / str(len(known)) / "shop"
                known[more] = shop = Shop(place, environments / "shops")
                place.parent.mkdir()
                shop.begin(more=more)
            return known[more]

        yield find


@pytest.fixture
def at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the environment of a person at home."""
    kept = environment()
    for name in os.environ.keys() - kept:
        monkeypatch.delenv(name)
    for name in ("PYTHONPATH", "SAMETREE_JOBS"):
        monkeypatch.setenv(name, kept[name])
    monkeypatch.setenv("NETRC", "none")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


def copied(shop: Shop, folder: Path) -> Shop:
    """Return a copy in ``folder``, whose environments are shared with others."""
    copy = shop.copy(folder)
    copy.share_environments()
    return copy


@pytest.fixture
def shop(proven: Callable[[str], Shop], folder: Path, at_home: None) -> Shop:
    """A shop that goes nowhere but to its remote."""
    return copied(proven(""), folder)
