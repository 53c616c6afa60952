"""What is shown of a run of migrations that waits, is refused, or meets a killed one."""

import json

import pytest

from sametree.database.applying import Applying, holding, session
from sametree.errors import SurroundingsError, UnitFailed

MARK = "\x1e"
ADA = {"pid": 7, "application_name": "psql", "usename": "ada", "seconds": 75}


def told(progress, name, **event):
    return list(progress.take(MARK + json.dumps({"event": name, **event})))


def test_a_turn_that_had_to_be_waited_for_is_told():
    progress = Applying()
    assert told(progress, "turn taken", waited=0.2) == []
    assert told(progress, "turn taken", waited=2.0) == ["our turn, after 2.0 s"]
    assert [each["waited"] for each in progress.kept] == [0.2, 2.0]


@pytest.mark.parametrize(
    "name, event, words",
    [
        ("turn lost", {"at": "0001"}, "the database stays at 0001"),
        ("stuck", {"pids": [7, 8]}, "left statements on the server: process 7, 8"),
        ("turn denied", {"holder": None, "waited": 3}, "it is gone by now"),
    ],
)
def test_what_the_server_keeps_us_from_is_no_fault_of_the_migrations(
    name, event, words
):
    progress = Applying()
    told(progress, name, **event)
    error = progress.error()
    assert isinstance(error, SurroundingsError)
    assert words in str(error) and progress.cure


def test_a_lock_that_somebody_holds_is_told_while_we_wait():
    (line,) = told(Applying(), "lock waits", waited=5.0, blocker=ADA)
    assert line.startswith("waiting for 5.0 s already: ")
    assert "'psql', role ada" in line


@pytest.mark.parametrize("code, ours", [("42501", False), ("25006", False), ("", True)])
def test_a_right_that_the_role_lacks_is_told_with_who_gives_it(code, ours):
    progress = Applying()
    told(progress, "broken", place="", error="permission denied", code=code)
    assert isinstance(progress.error(), UnitFailed if ours else SurroundingsError)
    assert ("give the role that right" in progress.cure) != ours


def test_of_a_session_only_what_is_known_is_told():
    assert session({"pid": 7}) == "process 7"
    assert session(None) == "a session that we may not see"
    assert session(ADA) == "process 7, 'psql', role ada, for 1 min 15 s"
    assert "process 7" in holding({"pid": 7})
