"""What proves that a unit has passed, and what does not, whoever wrote it."""

import json
import os
import subprocess
import sys
import time

import msgspec
import pytest

from sametree import proofs, records
from sametree.fingerprint import digest
from sametree.records import Record

UNIT = "tests(app)"
PARTS = {"session": "tests", "input:app": "040000 1234"}
PRINT = digest(PARTS)


def record(parts=PARTS, unit=UNIT, **more):
    told = {
        "schema": records.SCHEMA,
        "run": "run",
        "result": "success",
        "started": 1000.0,
        "seconds": 2.5,
        "proves": True,
        "fingerprint": digest(parts),
        **more,
    }
    return Record(unit=unit, parts=dict(parts), **told)


def place(state, fingerprint=PRINT):
    return state / "proofs" / "tests.app" / f"{fingerprint}.json"


def test_what_was_kept_is_found(tmp_path):
    proofs.keep(tmp_path, record())
    assert proofs.find(tmp_path, UNIT, PRINT) == record()


def test_nothing_is_found_for_another_unit_or_another_fingerprint(tmp_path):
    proofs.keep(tmp_path, record())
    assert proofs.find(tmp_path, "tests(other)", PRINT) is None
    assert proofs.find(tmp_path, UNIT, digest({})) is None
    assert proofs.find(tmp_path / "elsewhere", UNIT, PRINT) is None


def test_a_unit_without_a_fingerprint_is_never_found(tmp_path):
    proofs.keep(tmp_path, record(fingerprint=""))
    assert proofs.find(tmp_path, UNIT, "") is None


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param(record(unit="tests(other)"), id="of another unit"),
        pytest.param(record({"session": "lint"}), id="of another fingerprint"),
        pytest.param(record(proves=False), id="that proves nothing"),
        pytest.param(record(result="failure"), id="of a failure"),
        pytest.param(record(result="error"), id="of an error"),
        pytest.param(record(result="cancellation"), id="of a cancellation"),
        pytest.param(record(result="timeout"), id="of a timeout"),
        pytest.param(record(result="skip"), id="of a skip"),
        pytest.param(record(schema=records.SCHEMA + 1), id="of a newer version"),
        pytest.param(
            record({"session": "lint"}, fingerprint=PRINT), id="of other parts"
        ),
        pytest.param(record({}, fingerprint=PRINT), id="of no parts"),
    ],
)
def test_a_record_does_not_prove_by_its_place(tmp_path, forged):
    proofs.keep(tmp_path, record())
    place(tmp_path).write_text(records.encode(forged))
    assert proofs.find(tmp_path, UNIT, PRINT) is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="empty"),
        pytest.param(records.encode(record()).encode()[:-30], id="cut short"),
        pytest.param(records.encode(record()).encode() + b"x", id="with more after it"),
        pytest.param(b"\xff" * 40, id="not UTF-8"),
        pytest.param(b"[" * 100_000, id="too deep"),
        pytest.param(b"null", id="nothing"),
        pytest.param(
            records.encode(record()).replace("true", '"true"').encode(),
            id="of another type",
        ),
    ],
)
def test_a_proof_that_cannot_be_read_proves_nothing_and_does_not_disturb(
    tmp_path, text
):
    other = record({"session": "other"})
    proofs.keep(tmp_path, other)
    place(tmp_path).write_bytes(text)
    assert proofs.find(tmp_path, UNIT, PRINT) is None
    assert proofs.nearest(tmp_path, UNIT, PARTS) == other
    proofs.keep(tmp_path, record())
    assert proofs.find(tmp_path, UNIT, PRINT) == record()


def test_a_folder_or_a_dangling_link_is_no_proof(tmp_path):
    place(tmp_path).mkdir(parents=True)
    assert proofs.find(tmp_path, UNIT, PRINT) is None
    place(tmp_path).rmdir()
    place(tmp_path).symlink_to("nowhere")
    assert proofs.find(tmp_path, UNIT, PRINT) is None


def test_a_proof_that_is_taken_back_is_gone_and_the_others_stay(tmp_path):
    other = record({"session": "other"})
    proofs.keep(tmp_path, record())
    proofs.keep(tmp_path, other)
    proofs.forget(tmp_path, UNIT, PRINT)
    assert proofs.find(tmp_path, UNIT, PRINT) is None
    assert proofs.find(tmp_path, UNIT, other.fingerprint) == other


def test_to_take_back_what_was_never_proven_is_no_problem(tmp_path):
    proofs.forget(tmp_path, UNIT, PRINT)
    assert list(tmp_path.iterdir()) == []


def test_the_oldest_proofs_of_a_unit_make_room_those_of_others_stay(tmp_path):
    other = record(unit="lint(app)")
    proofs.keep(tmp_path, other)
    kept = [record({"input:app": str(number)}) for number in range(proofs.KEPT + 2)]
    for number, each in enumerate(kept):
        proofs.keep(tmp_path, each)
        os.utime(place(tmp_path, each.fingerprint), (number, number))
    proofs.keep(tmp_path, record())
    there = {path.stem for path in (tmp_path / "proofs" / "tests.app").iterdir()}
    assert there == {PRINT, *(each.fingerprint for each in kept[3:])}
    assert proofs.find(tmp_path, "lint(app)", other.fingerprint) == other


def test_after_the_clock_jumped_back_the_newest_proof_stays(tmp_path):
    future = time.time() + 86400
    for number in range(proofs.KEPT):
        each = record({"input:app": str(number)})
        proofs.keep(tmp_path, each)
        os.utime(place(tmp_path, each.fingerprint), (future, future))
    proofs.keep(tmp_path, record())
    assert proofs.find(tmp_path, UNIT, PRINT) == record()


def test_a_proof_is_written_whole_or_not_at_all(tmp_path):
    proofs.keep(tmp_path, record())
    assert [path.name for path in place(tmp_path).parent.iterdir()] == [f"{PRINT}.json"]


def test_the_nearest_proof_differs_in_the_fewest_parts(tmp_path):
    two = record({"session": "lint", "input:app": "040000 9999"}, started=3000.0)
    one = record({**PARTS, "input:app": "040000 9999"})
    more = record({**PARTS, "input:b": "1", "input:c": "2"}, started=4000.0)
    for each in (one, two, more):
        proofs.keep(tmp_path, each)
    assert proofs.nearest(tmp_path, UNIT, PARTS) == one


def test_of_two_that_are_as_near_the_newest_is_the_nearest(tmp_path):
    old = record({**PARTS, "input:app": "a"}, started=1.0)
    new = record({**PARTS, "input:app": "b"}, started=2.0)
    for each in (new, old):
        proofs.keep(tmp_path, each)
    assert proofs.nearest(tmp_path, UNIT, PARTS) == new


def test_what_proves_nothing_or_another_unit_is_never_near(tmp_path):
    assert proofs.nearest(tmp_path, UNIT, PARTS) is None
    for forged in (record(proves=False), record(unit="tests(other)")):
        place(tmp_path).parent.mkdir(parents=True, exist_ok=True)
        place(tmp_path).write_text(records.encode(forged))
        assert proofs.nearest(tmp_path, UNIT, PARTS) is None


KEEPER = """
import json, sys
from pathlib import Path
import msgspec
from sametree import proofs, records
from sametree.fingerprint import digest

state, who = Path(sys.argv[1]), sys.argv[2]
first = records.load(Path(sys.argv[3]))
for number in range(40):
    parts = {"by": who, "number": str(number)}
    made = msgspec.structs.replace(first, parts=parts, fingerprint=digest(parts))
    proofs.keep(state, made)
    if number % 5 == 0:
        proofs.forget(state, made.unit, made.fingerprint)
    found = proofs.find(state, made.unit, made.fingerprint)
    assert (found == made) == (number % 5 != 0), number
"""


def test_two_processes_keep_and_forget_at_once(tmp_path):
    first = tmp_path / "first.json"
    first.write_text(records.encode(record()))
    state = tmp_path / "state"
    argv = [sys.executable, "-c", KEEPER, str(state)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    both = [
        subprocess.Popen([*argv, who, str(first)], env=env, stderr=subprocess.PIPE)
        for who in ("one", "other")
    ]
    for each in both:
        _, said = each.communicate(timeout=60)
        assert each.returncode == 0, said.decode()
    left = [*(state / "proofs" / "tests.app").iterdir()]
    assert len(left) == min(2 * 40 * 4 // 5, proofs.KEPT)
    assert all(json.loads(path.read_text())["proves"] for path in left)


def test_a_proof_has_all_that_its_record_has(tmp_path):
    whole = msgspec.structs.replace(
        record(), outputs={"dist/a.whl": "0" * 64}, notes=("a note",), args=("-x",)
    )
    proofs.keep(tmp_path, whole)
    assert proofs.find(tmp_path, UNIT, PRINT) == whole
