"""What happened in a run is kept, one JSON file a unit."""

import json
import os
import re

import pytest

from sametree import records
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


def test_a_run_that_has_a_name_keeps_it(monkeypatch):
    monkeypatch.setenv(records.RUN_VARIABLE, "outer")
    assert records.run_id() == ("outer", False)
