"""What is known of a revision stands as long as nothing that it depends on changes."""

import os

import pytest

from sametree.database import kept
from sametree.database.check_report import Known, Result
from sametree.database.measured import Revision
from sametree.database.phases import Said

RESULT = Result(figures=Revision(revision="b", title="B", size=5))


@pytest.fixture
def folder(tmp_path):
    own = tmp_path / "migrations"
    own.mkdir()
    for name in ("env.py", "a.py", "b.py", "c.py"):
        (own / name).write_text(name)
    return tmp_path


def digests(folder, *, imports=(), tree="tree", around=("suite",)):
    history = [Known(revision=n, file=f"migrations/{n}.py") for n in "abc"]
    said = {n: Said(imports=(("app", 1),) if n in imports else ()) for n in "abc"}
    found = kept.digests(folder, folder / "migrations", history, said, around, tree)
    return list(found.values())


def same(before, after):
    return [one == other for one, other in zip(before, after, strict=True)]


def test_a_change_concerns_the_revision_and_all_after_it(folder):
    before = digests(folder)
    (folder / "migrations" / "b.py").write_text("changed")
    assert same(before, digests(folder)) == [True, False, False]


@pytest.mark.parametrize("name", ["env.py", "names.sql", "sub/more.py"])
def test_what_lies_beside_the_revisions_concerns_all_of_them(folder, name):
    before = digests(folder)
    (folder / "migrations" / "sub").mkdir()
    (folder / "migrations" / name).write_text("changed")
    assert same(before, digests(folder)) == [False] * 3


def test_what_python_compiled_and_what_lies_elsewhere_concerns_nobody(folder):
    before = digests(folder)
    (folder / "migrations" / "__pycache__").mkdir()
    (folder / "migrations" / "__pycache__" / "a.cpython-311.pyc").write_text("x")
    (folder / "app.py").write_text("changed")
    assert same(before, digests(folder)) == [True] * 3


def test_the_suite_the_server_and_the_settings_concern_all(folder):
    assert same(digests(folder), digests(folder, around=("other",))) == [False] * 3


def test_who_imports_the_application_depends_on_all_sources(folder):
    before = digests(folder, imports="b")
    assert same(before, digests(folder, imports="b", tree="2")) == [True, False, False]
    assert [bool(each) for each in digests(folder, imports="b", tree="")] == [
        True,
        False,
        False,
    ]


def test_what_is_kept_is_read_again(tmp_path):
    kept.write(tmp_path, "d1", RESULT)
    assert kept.read(tmp_path, "d1") == RESULT
    assert kept.read(tmp_path, "d2") is None
    assert (tmp_path / ".gitignore").exists()


def test_nothing_is_kept_without_a_name(tmp_path):
    kept.write(tmp_path, "", RESULT)
    kept.keep_taken_back(tmp_path, "")
    assert not list(tmp_path.rglob("*.json"))
    assert kept.read(tmp_path, "") is None
    assert not kept.took_all_back(tmp_path, "")


def test_a_damaged_file_is_as_none(tmp_path):
    kept.write(tmp_path, "d1", RESULT)
    (kept.folder(tmp_path) / "d1.json").write_text('{"figures": ')
    assert kept.read(tmp_path, "d1") is None


def test_the_longest_unused_go_first(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "MOST", 2)
    for age, name in enumerate(("old", "used", "new")):
        kept.write(tmp_path, name, RESULT)
        path = kept.folder(tmp_path) / f"{name}.json"
        os.utime(path, (1000 + age, 1000 + age))
    assert kept.read(tmp_path, "old")
    kept.prune(tmp_path)
    assert {path.stem for path in kept.folder(tmp_path).glob("*.json")} == {
        "old",
        "new",
    }


def test_a_way_back_is_remembered_by_its_chain(tmp_path):
    kept.keep_taken_back(tmp_path, "d1")
    assert kept.took_all_back(tmp_path, "d1")
    assert not kept.took_all_back(tmp_path, "d2")
