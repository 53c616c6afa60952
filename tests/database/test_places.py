"""Throw-away clusters live in memory where there is room for what they may come to."""

import pytest

from sametree.database import cluster, places


@pytest.fixture
def seed(folder):
    """The data of a stopped cluster, with databases of 3 and 7 MiB."""
    for name, size in (
        ("base/1/a", 3),
        ("base/2/a", 4),
        ("base/2/b", 3),
        ("pg_wal/a", 16),
    ):
        file = folder / "seed" / "data" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as opened:
            opened.truncate(size << 20)
    return folder / "seed"


def test_the_room_is_that_of_template_clones_log_and_a_margin(seed):
    known = places.LOG + places.MARGIN
    assert places.room(seed, 0) - known == 26 << 20
    assert places.room(seed, 3) - known == (26 + 3 * 7) << 20


def test_a_large_template_has_its_cluster_on_the_disk(
    seed, folder, monkeypatch, capsys
):
    monkeypatch.delenv(places.SCRATCH, raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setattr(places, "_free_memory", lambda: 500 << 20)
    monkeypatch.setattr(places, "MEMORY", folder / "memory")
    places.MEMORY.mkdir()
    assert (
        places.throw_away_base(places.room(seed, 1), say=True).parent == places.MEMORY
    )
    assert capsys.readouterr().out == ""
    assert places.throw_away_base(places.room(seed, 20), say=True).parent == folder
    assert capsys.readouterr().out == (
        "  the database is on the disk: it may take 550 MiB, and in memory 500 MiB are"
        " free\n"
    )


def test_without_a_folder_in_memory_nothing_is_said(folder, monkeypatch, capsys):
    monkeypatch.delenv(places.SCRATCH, raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setattr(places, "MEMORY", folder / "none")
    assert places.throw_away_base(say=True).parent == folder
    assert capsys.readouterr().out == ""


def test_memory_that_others_have_taken_does_not_count():
    free = places._free_memory()
    assert free is None or free >= 0
    if free is not None:
        assert free <= places.shutil.disk_usage(places.MEMORY).free


def test_a_scratch_folder_that_is_not_there_is_named(folder, monkeypatch):
    from sametree.errors import SurroundingsError

    monkeypatch.setenv(cluster.SCRATCH, str(folder / "gone"))
    with pytest.raises(SurroundingsError, match="gone is no folder"):
        cluster.throw_away_base()
