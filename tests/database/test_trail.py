"""The lines that stay of what was done to an environment."""

import stat

from sametree.database import trail


def test_lines_are_added_and_only_the_owner_reads_them(tmp_path):
    folder = tmp_path / "staging"
    folder.mkdir()
    trail.append(folder, "r1", "started", user="ada")
    trail.append(folder, "r1", "ended", result="done")
    assert [each["event"] for each in trail.read(folder)] == ["started", "ended"]
    assert stat.S_IMODE((folder / trail.FILE).stat().st_mode) == 0o600


def test_a_line_that_was_cut_short_harms_no_other(tmp_path):
    trail.append(tmp_path, "r1", "started")
    with (tmp_path / trail.FILE).open("a") as file:
        file.write('{"run": "r2", "eve')
    trail.append(tmp_path, "r3", "started")
    assert [each["run"] for each in trail.read(tmp_path)] == ["r1", "r3"]


def test_there_may_be_no_trail(tmp_path):
    assert trail.read(tmp_path) == []


def test_a_run_that_was_killed_is_completed_by_the_next(tmp_path):
    trail.append(tmp_path, "dead", "started")
    with trail.run(tmp_path) as alive:
        trail.append(tmp_path, alive, "started")
        with trail.run(tmp_path) as next_one:
            assert trail.complete(tmp_path, next_one, "0002") == ["dead"]
        assert trail.killed(tmp_path) == []
        trail.append(tmp_path, alive, "ended", result="done")
    last = [each for each in trail.read(tmp_path) if each["run"] == "dead"][-1]
    assert (last["event"], last["result"], last["at"]) == ("ended", "killed", "0002")
    assert list(tmp_path.glob("*.lock")) == []


def test_the_lock_of_a_killed_run_is_free_and_goes(tmp_path):
    trail.append(tmp_path, "dead", "started")
    (tmp_path / "dead.lock").touch()
    assert trail.complete(tmp_path, "r2", "") == ["dead"]
    assert not (tmp_path / "dead.lock").exists()
