"""What others have put in the ref breaks nothing, and stays as it is."""

import json

import msgspec
import pytest
from hubs import git, known, line_of, of_ci, record

from sametree import records
from sametree.sharing import notes, store
from sametree.sharing.store import Notes

DEEP = b"[" * 100_000
FOREIGN = [
    pytest.param(b"Reviewed-by: Ada\n", id="text"),
    pytest.param(b"no line end", id="no line end"),
    pytest.param(b"\n\ntwice\r\ntwice\r\n", id="lines that are alike"),
    pytest.param(b'{"record": 3}\n{"key": "x"}\n{}\n[]\n', id="JSON of another kind"),
    pytest.param(b'{"record": {"started": "x"}}\n', id="half a record"),
    pytest.param(b'{"record": {"started": 1e999}}\n', id="a number that is none"),
    pytest.param(b"\xff\xfe\0binary\n\0{", id="binary"),
    pytest.param(DEEP, id="brackets"),
    pytest.param(b'{"record": ' + DEEP, id="brackets in a record"),
    pytest.param(b"", id="nothing"),
]


def test_foreign_notes_and_files_stay_as_they_are(hub):
    there = {f"{number:040x}": each.values[0] for number, each in enumerate(FOREIGN)}
    names = ("a b/ü", "tab\tin it", "line\nend", "caf\udce9", "0" * 39, "g" * 40)
    there |= {name: b"foreign\n" for name in names}
    hub.put(there)
    assert notes.push(hub.first.root, [record(hub.first)]).new == 1
    assert hub.runs() == {"run-1"}
    assert {*there} < {*hub.paths()} and len(hub.paths()) == len(there) + 1
    for path, content in there.items():
        assert hub.content(path) == content, path


def test_in_a_foreign_note_on_the_same_commit_a_line_is_added(hub):
    made, there = [], {}
    for each in FOREIGN:
        hub.first.git("commit", "--quiet", "--allow-empty", "-m", "Next")
        made.append(record(hub.first, each.id))
        there[made[-1].revision] = each.values[0]
    hub.put(there)
    assert notes.push(hub.first.root, made).new == len(FOREIGN)
    assert hub.runs() == {each.id for each in FOREIGN}
    for path, content in there.items():
        before, mark, _ = hub.content(path).partition(b'{"record":{"schema"')
        ended = content.endswith(b"\n") or not content
        assert mark and before == content + (b"" if ended else b"\n"), content


def test_what_is_foreign_stays_when_old_records_go(hub):
    there = {f"{number:040x}": each.values[0] for number, each in enumerate(FOREIGN)}
    old = {
        path: b"\n" + line_of(record(hub.first, "old", revision=path, started=1e9))
        for path in there
    }
    hub.put({path: there[path] + old[path] + b"\nafter\n" for path in there})
    done = notes.push(hub.first.root, [record(hub.first, "new")])
    assert done.pruned == len(there)
    for path, content in there.items():
        assert hub.content(path) == content + b"\nafter\n"
    assert hub.runs() == {"new"}


def test_a_note_keeps_its_mode(hub):
    mode = "100755"
    here = hub.first.git("rev-parse", "HEAD")
    hub.put({"1" * 40: b"x\n", here: b"y\n"}, mode)
    notes.push(hub.first.root, [record(hub.first)])
    listed = git(hub.remote, "ls-tree", "-r", notes.REF).decode().splitlines()
    assert [row.split()[0] for row in listed] == [mode, mode]
    assert hub.runs() == {"run-1"}


def test_a_repository_among_the_notes_stays(hub):
    id = hub.first.git("rev-parse", "HEAD")
    rows = f"160000 commit {id}\tinner\0160000 commit {id}\t{'1' * 40}\0".encode()
    tree = git(hub.remote, "mktree", "-z", "--missing", given=rows).decode().strip()
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    made = git(hub.remote, *who, "commit-tree", "-m", "x", tree).decode().strip()
    git(hub.remote, "update-ref", notes.REF, made)
    notes.push(hub.first.root, [record(hub.first)])
    listed = git(hub.remote, "ls-tree", notes.REF).decode()
    assert listed.count("160000 commit") == 2
    assert hub.runs() == {"run-1"}


def test_a_record_on_another_object_is_no_record(hub):
    blob = hub.first.git("rev-parse", "HEAD:app.py")
    line = line_of(record(hub.first)) + b"\n"
    hub.put({blob: line, "1" * 40: line})
    assert notes.pull(hub.first.root) == []
    notes.push(hub.first.root, [record(hub.first, "two")])
    assert hub.runs() == {"two"}
    assert hub.content(blob) == line


def test_a_record_of_a_newer_version_is_not_read_and_stays(hub):
    newer = record(hub.first, "newer", schema=records.SCHEMA + 1, started=1e9)
    here = newer.revision
    hub.put({here: line_of(newer) + b"\n"})
    notes.push(hub.first.root, [record(hub.first, "ours")])
    assert hub.runs() == {"ours"}
    assert b'"newer"' in hub.content(here)


def test_fields_that_a_newer_version_adds_stay_in_the_line(hub):
    told = json.loads(line_of(record(hub.first, "before")))
    told["record"]["mood"] = "bright"
    here = hub.first.git("rev-parse", "HEAD")
    hub.put({here: json.dumps(told).encode() + b"\n"})
    notes.push(hub.first.root, [record(hub.first, "ours")])
    assert hub.runs() == {"before", "ours"}
    assert b'"mood": "bright"' in hub.content(here)


def test_a_record_that_was_cut_short_is_left_out(hub):
    here = hub.first.git("rev-parse", "HEAD")
    line = line_of(record(hub.first))
    hub.put({here: line[:-20] + b"\n" + line + b"\n" + line[: len(line) // 2]})
    assert [each.record.run for each in notes.pull(hub.first.root)] == ["run-1"]


def test_a_huge_note_is_not_read_and_gets_no_line(hub, monkeypatch):
    monkeypatch.setattr(store, "LARGEST", 5_000)
    here = hub.first.git("rev-parse", "HEAD")
    hub.put({here: b"x" * 5_001})
    done = notes.push(hub.first.root, [record(hub.first)])
    assert (done.new, done.left) == (0, {notes.NO_ROOM: 1})
    assert hub.content(here) == b"x" * 5_001


def test_a_note_does_not_grow_until_nobody_reads_it(hub, monkeypatch):
    monkeypatch.setattr(store, "LARGEST", 5_000)
    found = [record(hub.first, f"run-{number}") for number in range(20)]
    done = notes.push(hub.first.root, found)
    assert done.new + done.left[notes.NO_ROOM] == 20
    assert len(hub.runs()) == done.new > 5


# Fan-out


@pytest.mark.parametrize("cuts", [(), (2,), (2, 4, 6)])
def test_notes_are_read_and_kept_where_git_has_put_them(hub, cuts):
    made = record(hub.first)
    id = made.revision
    ends = (0, *cuts, len(id))
    path = "/".join(id[a:b] for a, b in zip(ends, ends[1:], strict=False))
    hub.put({path: line_of(made) + b"\n", f"{'1' * 38}/readme": b"x\n"})
    notes.push(hub.first.root, [record(hub.first, "run-2")])
    assert known(hub.first) == {"run-1", "run-2"}
    assert path in hub.paths() and len(hub.paths()) == 2


def test_a_note_in_two_places_is_read_as_one(hub):
    one, two = record(hub.first, "one"), record(hub.first, "two")
    id = one.revision
    hub.put({id: line_of(one) + b"\n", f"{id[:2]}/{id[2:]}": line_of(two) + b"\n"})
    assert {each.record.run for each in notes.pull(hub.first.root)} == {"one", "two"}
    done = notes.push(hub.first.root, [record(hub.first, "three")])
    assert done.new == 1
    assert hub.runs() == {"one", "two", "three"}


def test_a_line_that_is_in_one_of_two_places_is_known(hub):
    notes.push(hub.first.root, [made := record(hub.first)])
    (path,) = hub.paths()
    hub.put({path: hub.content(path), path.replace("/", ""): b"other\n"})
    assert notes.push(hub.first.root, [made]).known == 1


def test_where_a_file_is_in_the_way_the_note_has_the_other_form(hub):
    id = hub.first.git("rev-parse", "HEAD")
    hub.put({id[:2]: b"in the way\n"})
    assert notes.push(hub.first.root, [record(hub.first)]).new == 1
    assert hub.paths() == sorted([id[:2], id])
    assert hub.content(id[:2]) == b"in the way\n"


def test_where_there_is_no_place_for_a_note_it_stays_here(hub):
    id = hub.first.git("rev-parse", "HEAD")
    hub.put({id[:2]: b"in the way\n", f"{id}/folder": b"too\n"})
    done = notes.push(hub.first.root, [record(hub.first)])
    assert done.left == {notes.NO_ROOM: 1}


def test_many_folders_are_written_and_taken_away_at_once(hub):
    first = hub.first
    made = record(first)
    found = []
    for number in range(20):
        first.git("commit", "--quiet", "--allow-empty", "-m", str(number))
        commit = first.git("rev-parse", "HEAD")
        found.append(msgspec.structs.replace(made, revision=commit, started=1e9))
    assert notes.push(first.root, found, days=1e6).new == 20
    assert len(notes.pull(first.root)) == len(hub.paths()) == 20
    git(hub.remote, "fsck", "--strict")
    assert notes.push(first.root, [made]).pruned == 20
    assert hub.runs() == {"run-1"} and len(hub.paths()) == 1


def test_when_the_last_note_goes_an_empty_tree_is_left(hub):
    here = hub.first.git("rev-parse", "HEAD")
    line = line_of(record(hub.first))
    hub.put({here: line + b"\n"})
    notes.pull(hub.first.root)
    tip = hub.first.git("rev-parse", notes.TRACKED.format("origin"))
    read = Notes(hub.first.root, tip)
    read.remove(here, {line})
    made = read.commit("Take out", afresh=True)
    assert hub.first.git("ls-tree", made) == ""


def test_a_signed_record_is_known_beside_its_claim(hub, on_github):
    here = hub.first.git("rev-parse", "HEAD")
    made = of_ci(hub.first)
    hub.put({here: line_of(made) + b"\n"})
    assert [each.record for each in notes.pull(hub.first.root)] == [made]
