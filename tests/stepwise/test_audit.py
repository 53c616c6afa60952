"""What is written stays, in its order; a change is seen."""

import threading

from sametree import masking
from sametree.stepwise import audit


def written(folder, count=3):
    for number in range(count):
        audit.append(folder, "deploy", tree=str(number))
    return folder / audit.FILE


def test_each_line_says_who_when_and_what(folder):
    written(folder, 1)
    (line,) = audit.read(folder)
    assert line["event"] == "deploy" and line["tree"] == "0"
    assert line["user"] and line["host"] and line["time"].endswith("Z")
    assert line["before"] == audit.FIRST
    assert audit.broken(folder) == []


def test_no_trail_is_an_empty_one(folder):
    assert audit.read(folder) == [] and audit.broken(folder) == []


def test_a_line_that_is_changed_taken_out_or_moved_is_seen(folder):
    path = written(folder)
    lines = path.read_bytes().splitlines(keepends=True)
    for told in (
        [lines[0], lines[1].replace(b'"1"', b'"9"'), lines[2]],
        [lines[0], lines[2]],
        [lines[1], lines[0], lines[2]],
        [lines[1], lines[2]],
    ):
        path.write_bytes(b"".join(told))
        assert audit.broken(folder)
    path.write_bytes(b"".join(lines))
    assert audit.broken(folder) == []


def test_a_line_that_a_kill_cut_short_breaks_nothing(folder):
    path = written(folder, 2)
    with path.open("ab") as file:
        file.write(b'{"time": "20')
    written(folder, 1)
    assert len(audit.read(folder)) == 3
    assert audit.broken(folder) == []


def test_two_at_once_make_one_chain(folder):
    threads = [threading.Thread(target=written, args=(folder, 20)) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(audit.read(folder)) == 80
    assert audit.broken(folder) == []


def test_no_secret_is_in_it(folder):
    masking.register(["hunter22-of-audit"])
    audit.append(folder, "deploy", why="with hunter22-of-audit")
    assert "hunter22" not in (folder / audit.FILE).read_text()
