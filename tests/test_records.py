"""What happened in a run is kept, one JSON file a unit."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from sametree import records
from sametree.files import try_lock
from sametree.records import Covered, Record


def record(run="run", unit="tests(backend)", **more):
    told = {"result": "success", "started": 1000.0, "seconds": 2.5, **more}
    return Record(run=run, unit=unit, **told)


def units(state, run="run"):
    return [each.unit for each in records.read(state, run)]


def test_a_record_is_read_as_it_was_written(tmp_path):
    written = record(
        result="failure",
        covered=Covered(91.5, None),
        notes=("coverage not judged",),
        reason="2 tests failed – Grüße",
        mend=("nox -s tests",),
    )
    records.write(tmp_path, written)
    assert records.read(tmp_path, "run") == [written]


def test_the_field_names_are_those_of_opentelemetry(tmp_path):
    records.write(tmp_path, record())
    text = (tmp_path / "runs" / "run" / "tests.backend.json").read_text()
    assert json.loads(text) == {
        "cicd.pipeline.run.id": "run",
        "cicd.pipeline.task.name": "tests(backend)",
        "cicd.pipeline.task.run.result": "success",
        "started": 1000.0,
        "seconds": 2.5,
    }


def test_records_come_in_the_order_in_which_the_units_began(tmp_path):
    for unit, started in {"a": 3.0, "b": 1.0, "c": 2.0}.items():
        records.write(tmp_path, record(unit=unit, started=started))
    assert units(tmp_path) == ["b", "c", "a"]


def test_a_unit_that_ran_again_has_its_last_record(tmp_path):
    records.write(tmp_path, record(result="failure"))
    records.write(tmp_path, record(result="success"))
    assert [each.result for each in records.read(tmp_path, "run")] == ["success"]


def test_each_run_has_its_own_records(tmp_path):
    records.write(tmp_path, record(run="one", unit="lint(suite)"))
    records.write(tmp_path, record(run="two", unit="tests(suite)"))
    assert units(tmp_path, "one") == ["lint(suite)"]


def test_a_run_that_is_not_known_has_no_records(tmp_path):
    assert units(tmp_path, "never") == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"cicd.pipeline.run.id": "run", "cicd', id="cut short"),
        pytest.param(b'{"of": "another version"}', id="of another version"),
        pytest.param(b'{"cicd.pipeline.run.id": "\xff"}', id="not UTF-8"),
    ],
)
def test_a_record_that_cannot_be_read_is_left_out(tmp_path, text):
    records.write(tmp_path, record())
    (tmp_path / "runs" / "run" / "other.json").write_bytes(text)
    assert units(tmp_path) == ["tests(backend)"]


def test_a_record_that_is_no_file_is_left_out(tmp_path):
    records.write(tmp_path, record())
    (tmp_path / "runs" / "run" / "folder.json").mkdir()
    assert units(tmp_path) == ["tests(backend)"]


def test_no_name_of_a_unit_leads_out_of_the_folder(tmp_path):
    records.write(tmp_path / "state", record(unit="../../outside"))
    assert os.listdir(tmp_path) == ["state"]
    assert units(tmp_path / "state") == ["../../outside"]


def test_git_ignores_what_the_suite_keeps(tmp_path):
    records.write(tmp_path / "state", record())
    assert (tmp_path / "state" / ".gitignore").read_text() == "*\n"


def test_the_oldest_runs_make_room_for_the_newest(tmp_path):
    runs = [f"20260101T0000{number:02}" for number in range(records.KEPT_RUNS + 3)]
    for run in runs:
        records.write(tmp_path, record(run=run))
    assert sorted(os.listdir(tmp_path / "runs")) == runs[3:]


def test_the_run_that_goes_on_stays_whatever_its_name(tmp_path):
    for number in range(records.KEPT_RUNS):
        records.write(tmp_path, record(run=f"20260101T0000{number:02}"))
    records.write(tmp_path, record(run="1234567890"))
    assert units(tmp_path, "1234567890") == ["tests(backend)"]


def test_the_first_process_of_a_run_names_it_and_the_others_join(monkeypatch):
    monkeypatch.setenv(records.RUN_VARIABLE, "")  # restored after the test
    name, first = records.run_id()
    assert first
    assert re.fullmatch(r"\d{8}T\d{6}-[0-9a-f]{6}", name)
    assert os.environ[records.RUN_VARIABLE] == name
    assert records.run_id() == (name, False)


def test_runs_of_the_same_second_sort_by_time(monkeypatch):
    names = []
    for moment in (1_000_000_000.0, 1_000_000_000.25, 1_000_000_000.999, 1e9 + 1):
        monkeypatch.setenv(records.RUN_VARIABLE, "")
        monkeypatch.setattr(records.time, "time", lambda at=moment: at)
        names.append(records.run_id()[0])
    assert names == sorted(names)
    assert len(set(names)) == 4


def test_a_run_that_has_a_name_keeps_it(monkeypatch):
    monkeypatch.setenv(records.RUN_VARIABLE, "outer")
    assert records.run_id() == ("outer", False)


# --- Marks of what runs


HOLDER = """
import sys, time
from pathlib import Path
from sametree import records
from sametree.records import Record

unit = Record(run=sys.argv[2], unit=sys.argv[3], result="cancellation",
              started=time.time(), seconds=0.0)
with records.running(Path(sys.argv[1]), unit):
    print("running", flush=True)
    time.sleep(60)
"""


@contextmanager
def holding(state, run="run", unit="tests(backend)"):
    """A process of its own that holds the mark of a unit."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    argv = [sys.executable, "-c", HOLDER, str(state), run, unit]
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline() == b"running\n"
            yield process
        finally:
            process.kill()


def kill(process):
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def marks(state):
    return sorted(path.name for path in (state / "running").iterdir())


def test_while_a_unit_runs_its_mark_says_so(tmp_path):
    begun = record(result="cancellation")
    with records.running(tmp_path, begun):
        assert marks(tmp_path) == ["run.tests.backend.json"]
        mark = tmp_path / "running" / "run.tests.backend.json"
        assert records.load(mark) == begun
        assert try_lock(mark) is None
        assert records.complete(tmp_path) == []
    assert marks(tmp_path) == []
    assert records.read(tmp_path, "run") == []


def test_a_mark_goes_however_the_unit_ends(tmp_path):
    with pytest.raises(KeyboardInterrupt), records.running(tmp_path, record()):
        raise KeyboardInterrupt
    assert marks(tmp_path) == []


def test_what_another_process_runs_is_not_completed(tmp_path):
    with holding(tmp_path):
        assert records.complete(tmp_path) == []
        assert marks(tmp_path) == ["run.tests.backend.json"]


def test_what_was_killed_is_completed_as_cancelled(tmp_path):
    with holding(tmp_path) as process:
        kill(process)
        (killed,) = records.complete(tmp_path)
    assert killed.unit == "tests(backend)"
    assert killed.result == "cancellation"
    assert killed.reason == "it was killed, or the machine stopped"
    assert 0 <= killed.seconds < 60
    assert not killed.proves
    assert records.read(tmp_path, "run") == [killed]
    assert marks(tmp_path) == []
    assert records.complete(tmp_path) == []


def test_what_was_killed_after_its_record_was_written_keeps_it(tmp_path):
    with holding(tmp_path) as process:
        records.write(tmp_path, record(result="failure"))
        kill(process)
        assert records.complete(tmp_path) == []
    assert [each.result for each in records.read(tmp_path, "run")] == ["failure"]
    assert marks(tmp_path) == []


def left(state, name="run.tests.backend.json", **more):
    """Leave a mark that nobody holds."""
    mark = state / "running" / name
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.write_text(records.encode(record(result="cancellation", **more)))
    return mark


def test_a_mark_that_claims_to_prove_something_does_not(tmp_path):
    left(tmp_path, proves=True)
    (killed,) = records.complete(tmp_path)
    assert not killed.proves


def test_after_the_clock_jumped_back_no_time_is_negative(tmp_path):
    left(tmp_path, started=time.time() + 86400)
    (killed,) = records.complete(tmp_path)
    assert killed.seconds == 0


def test_a_mark_from_the_future_does_not_end_there(tmp_path):
    now = time.time()
    os.utime(left(tmp_path, started=now - 5), (now + 86400, now + 86400))
    (killed,) = records.complete(tmp_path)
    assert 5 <= killed.seconds < 60


@pytest.mark.parametrize("text", ["", '{"cicd.pipe', "[1, 2]", '{"schema": "x"}'])
def test_a_mark_that_cannot_be_read_is_removed(tmp_path, text):
    left(tmp_path).write_text(text)
    assert records.complete(tmp_path) == []
    assert marks(tmp_path) == []


def test_a_mark_of_a_newer_version_is_left_to_that(tmp_path):
    mark = left(tmp_path, schema=records.SCHEMA + 1)
    assert records.complete(tmp_path) == []
    assert mark.exists()
    assert try_lock(mark) is not None


def test_what_a_kill_left_of_a_mark_is_removed_in_time(tmp_path):
    fresh = left(tmp_path, ".run.lint.json.00ff00ff")
    old = left(tmp_path, ".run.tests.json.00ff00ff")
    long_ago = time.time() - records.UNFINISHED - 1
    os.utime(old, (long_ago, long_ago))
    assert records.complete(tmp_path) == []
    assert fresh.exists()
    assert not old.exists()


def test_a_mark_that_another_put_in_the_place_of_ours_is_left_alone(
    tmp_path, monkeypatch
):
    left(tmp_path)
    real = records.files.try_lock

    def late(path):
        descriptor = real(path)
        left(tmp_path, "other").rename(path)
        return descriptor

    monkeypatch.setattr(records.files, "try_lock", late)
    assert records.complete(tmp_path) == []
    assert marks(tmp_path) == ["run.tests.backend.json"]


def test_when_the_record_cannot_be_written_the_mark_stays_for_the_next(tmp_path):
    left(tmp_path)
    (tmp_path / "runs").write_text("in the way")
    assert records.complete(tmp_path) == []
    (tmp_path / "runs").unlink()
    assert [each.unit for each in records.complete(tmp_path)] == ["tests(backend)"]


def test_where_nothing_ever_ran_nothing_is_completed(tmp_path):
    assert records.complete(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


COMPLETER = """
import sys
from pathlib import Path
from sametree import records

print("ready", flush=True)
sys.stdin.readline()
for killed in records.complete(Path(sys.argv[1])):
    print(killed.unit)
"""


def test_two_that_complete_at_once_complete_each_unit_once(tmp_path):
    for number in range(60):
        left(tmp_path, f"run.unit{number}.json", unit=f"unit{number}")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    argv = [sys.executable, "-c", COMPLETER, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(argv, env=env, **pipes) for _ in range(2)]
    for each in both:
        assert each.stdout.readline() == "ready\n"
    for each in both:
        each.stdin.write("\n")
        each.stdin.flush()
    told = [line for each in both for line in each.communicate(timeout=60)[0].split()]
    assert [each.returncode for each in both] == [0, 0]
    every = sorted(f"unit{number}" for number in range(60))
    assert sorted(told) == every
    assert sorted(each.unit for each in records.read(tmp_path, "run")) == every
    assert marks(tmp_path) == []


# --- A full disk, and names of any bytes


FULL = """
import resource, sys
from pathlib import Path
from sametree import records
from sametree.records import Record

state = Path(sys.argv[1])
unit = Record(run="run", unit="tests(backend)", result="success", started=1.0,
              seconds=1.0, notes=("a long note " * 100,))
resource.setrlimit(resource.RLIMIT_FSIZE, (512, resource.RLIM_INFINITY))
try:
    if sys.argv[2] == "write":
        records.write(state, unit)
    else:
        with records.running(state, unit):
            print("it runs")
except OSError as error:
    print("refused:", error.strerror)
resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
"""


@pytest.mark.parametrize("what", ["write", "mark"])
def test_on_a_full_disk_nothing_is_left_half_done(tmp_path, what):
    # The limit of a file's size stops the kernel in the middle of a file, as a full
    # disk does, whoever runs this.
    before = record(result="failure")
    records.write(tmp_path, before)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    argv = [sys.executable, "-B", "-c", FULL, str(tmp_path), what]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("refused: ")
    assert records.read(tmp_path, "run") == [before]
    files = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(files) == [".gitignore", "tests.backend.json"]


def test_names_of_any_bytes_can_be_told(tmp_path):
    name = os.fsdecode(b"caf\xe9")
    odd = record(outside=(name,), args=(name,), parts={"input:�e9": "1"})
    records.write(tmp_path, odd)
    (found,) = records.read(tmp_path, "run")
    assert found.outside == found.args == ("caf�e9",)
    assert found.parts == odd.parts
    with records.running(tmp_path, odd):
        assert len(marks(tmp_path)) == 1


@pytest.mark.parametrize("schema", [records.SCHEMA + 1, 10**6])
def test_a_record_of_a_newer_version_is_left_out(tmp_path, schema):
    records.write(tmp_path, record())
    records.write(tmp_path, record(unit="new(one)", schema=schema))
    assert units(tmp_path) == ["tests(backend)"]


def test_a_record_with_keys_that_we_do_not_know_is_read(tmp_path):
    told = json.loads(records.encode(record())) | {"later": [1, {"x": None}]}
    place = tmp_path / "runs" / "run" / "x.json"
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps(told))
    assert records.read(tmp_path, "run") == [record()]


def test_runs_are_told_the_newest_last(tmp_path):
    names = ["20260102T000000-aaaaaa", "20260101T000000-ffffff"]
    for name in names:
        records.write(tmp_path, record(run=name))
    (tmp_path / "runs" / "a file").touch()
    assert records.runs(tmp_path) == sorted(names)
    assert records.runs(tmp_path / "elsewhere") == []


def test_coverage_is_told_in_one_line():
    assert str(Covered(91.55, 80.0)) == "lines 91.5 %, branches 80.0 %"
    assert str(Covered(100.0, None)) == "lines 100.0 %"
