"""Compressed forms are for text, where they are smaller, the same bytes each time."""

import sys

import pytest

from sametree.artifacts import compress
from sametree.errors import SurroundingsError


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_only_text_above_a_packet_gets_compressed_forms(tmp_path):
    (tmp_path / "big.js").write_text("x" * 5000)
    (tmp_path / "small.js").write_text("x" * 1024)
    (tmp_path / "photo.png").write_text("x" * 5000)
    compress.add(tmp_path)
    assert names(tmp_path) == [
        *("big.js", "big.js.br", "big.js.gz", "photo.png", "small.js")
    ]


def test_what_does_not_become_smaller_stays_alone(tmp_path):
    import random

    (tmp_path / "noise.txt").write_bytes(random.Random(1).randbytes(4000))
    compress.add(tmp_path)
    assert names(tmp_path) == ["noise.txt"]


def test_what_the_build_has_made_stays(tmp_path):
    (tmp_path / "big.js").write_text("x" * 5000)
    (tmp_path / "big.js.gz").write_text("the build's own")
    compress.add(tmp_path)
    assert (tmp_path / "big.js.gz").read_text() == "the build's own"


def test_without_brotli_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "brotli", None)
    (tmp_path / "big.js").write_text("x" * 5000)
    with pytest.raises(SurroundingsError, match="brotli, which is not installed"):
        compress.add(tmp_path)
