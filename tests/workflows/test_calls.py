"""A shell line of a workflow is one call of nox or invoke, and what it names exists."""

import pytest

from sametree.workflows import calls
from sametree.workflows.calls import Call


@pytest.mark.parametrize(
    ("run", "program", "names"),
    [
        ("nox", "nox", ()),
        ("nox -s tests", "nox", ("tests",)),
        ('nox -s "tests(backend)"', "nox", ("tests(backend)",)),
        ("nox -s lint tests -- -k name", "nox", ("lint", "tests")),
        ("nox --session=lint --no-color", "nox", ("lint",)),
        ("nox -e lint --sessions build", "nox", ("lint", "build")),
        ('nox -s "$UNIT"', "nox", ("$UNIT",)),
        ("nox -f other.py -s anything", "nox", ()),
        ("nox -t slow", "nox", ()),
        ("python -m nox -s lint", "nox", ("lint",)),
        ("invoke records.push --folder x", "invoke", ("records.push",)),
        ("inv -e up", "invoke", ("up",)),
        ("python3 -m invoke -D 2 up", "invoke", ("up",)),
        ("invoke -c other whatever", "invoke", ()),
        ("invoke", "invoke", ()),
        ("invoke --list", "invoke", ()),
        ("  nox -s a\n", "nox", ("a",)),
    ],
)
def test_a_call_is_understood(run, program, names):
    assert calls.parse(run) == Call(program, names)


@pytest.mark.parametrize(
    "run",
    [
        "",
        "pip install nox",
        "python -m pytest",
        "nox -s a && nox -s b",
        "nox -s a | tee log",
        "nox -s a > log",
        "nox -s $(cat session)",
        "nox -s `cat session`",
        "nox -s a; rm -rf build",
        "nox -s a &",
        "(nox)",
        "nox -s a\nnox -s b",
        "CI=1 nox -s a",
        "nox -s 'a",
        "sudo nox",
        "exit 1",
    ],
)
def test_anything_more_is_no_plain_call(run):
    assert calls.parse(run) is None


def test_a_name_may_be_that_of_a_variable():
    assert calls.variable("$UNIT") == calls.variable("${UNIT}") == "UNIT"
    assert calls.variable("tests") == calls.variable("$UNIT-x") == ""


def test_nox_and_invoke_say_what_there_is(tmp_path, monkeypatch):
    monkeypatch.setenv("NOXSESSION", "tests")
    monkeypatch.setenv("FORCE_COLOR", "1")
    (tmp_path / "noxfile.py").write_text(
        "import nox\nnox.options.sessions = ['tests']\n"
        "@nox.session(default=False)\ndef plan(session): pass\n@nox.session(name='check-it', python=['3.11', '3.12'])\n"
        "def check(session): pass\n"
        "@nox.session\n@nox.parametrize('a', [nox.param(1, id='one')])\n"
        "def tests(session, a): pass\n"
    )
    (tmp_path / "tasks.py").write_text(
        "from invoke import Collection, task\n"
        "@task(aliases=['first', 'second'])\ndef up(context):\n"
        f"    '''{'A very long sentence. ' * 20}'''\n"
        "@task(default=True)\ndef push(context): pass\n"
        "ns = Collection(up, records=Collection(push))\n"
    )
    found = calls.listing(tmp_path)
    assert found.problems == {}
    assert {
        "check-it",
        "check-it-3.11",
        "tests",
        "tests(one)",
        "plan",
    } <= found.sessions
    assert found.tasks == {"up", "first", "second", "records.push", "records"}
    assert found.has(Call("nox"), "tests(one)")
    assert not found.has(Call("nox"), "tests(two)")
    assert not found.has(Call("invoke"), "tests")


def test_a_file_that_cannot_be_listed_says_why(tmp_path):
    (tmp_path / "noxfile.py").write_text("import nox\nraise ValueError('not today')\n")
    found = calls.listing(tmp_path)
    assert "not today" in found.problems["noxfile.py"]
    assert found.problems["tasks.py"] == "there is no such file"
    assert found.has(Call("nox"), "anything")


def test_a_noxfile_that_hangs_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(calls, "PATIENCE", 1)
    (tmp_path / "noxfile.py").write_text("import time\ntime.sleep(60)\n")
    assert "more than 1 seconds" in calls.listing(tmp_path).problems["noxfile.py"]


def test_a_noxfile_without_sessions_has_none(tmp_path):
    (tmp_path / "noxfile.py").write_text("import nox\n")
    found = calls.listing(tmp_path)
    assert found.problems["noxfile.py"].startswith("nox > No sessions found")
