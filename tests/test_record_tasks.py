"""What `invoke records.push`, `pull` and `key` do and say."""

import os
import shutil
import subprocess
import sys

import pytest
from conftest import environment
from hubs import WORKFLOW, Hub, of_ci, record
from repositories import without_configuration

from sametree import masking, record_tasks, records, settings, signatures
from sametree.errors import SurroundingsError, UsageError
from sametree.sharing import notes
from sametree.surroundings.allowed import KEY


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A remote and a clone, whose tree is committed but for the settings."""
    without_configuration(monkeypatch, tmp_path)
    for name in (*WORKFLOW, "GITHUB_TOKEN", "CI", KEY):
        monkeypatch.delenv(name, raising=False)
    return Hub.make(tmp_path)


@pytest.fixture
def key(monkeypatch):
    """A key in the environment; returns its public half."""
    private, public = signatures.new_key()
    monkeypatch.setenv(KEY, private)
    yield public
    masking._mask = masking.Mask()


def project(hub, signers=()):
    listed = ", ".join(f'"{each}"' for each in signers)
    text = f"[tool.sametree.ci]\nsigners = [{listed}]\n"
    (hub.first.root / "pyproject.toml").write_text(text)
    return settings.load(hub.first.root)


def keep(hub, *found):
    for each in found:
        records.write(hub.first.root / ".sametree", each)


def test_a_push_says_what_it_shared_and_what_stays(hub, capsys):
    keep(hub, record(hub.first, "one"), record(hub.first, "two", tree="1" * 40))
    record_tasks.push(project(hub))
    assert capsys.readouterr().out == (
        "  origin refs/notes/sametree: 1 new\n"
        "  1 record not shared: made of work that is in no commit\n"
        "    -> commit, run it again, and push\n"
    )
    record_tasks.push(project(hub))
    assert "1 known already" in capsys.readouterr().out


def test_a_push_with_nothing_to_share_says_so(hub, capsys):
    record_tasks.push(project(hub))
    assert "nothing to share" in capsys.readouterr().out


def test_records_stay_at_least_as_long_as_they_prove_something(hub, capsys):
    keep(hub, record(hub.first, started=1.7e9))
    (hub.first.root / "pyproject.toml").write_text(
        "[tool.sametree.ci]\nproof-days = 100000\n"
    )
    record_tasks.push(settings.load(hub.first.root))
    record_tasks.push(settings.load(hub.first.root))
    assert "removed" not in capsys.readouterr().out


@pytest.fixture
def artifacts(hub, tmp_path, monkeypatch):
    """What a job of CI has downloaded."""
    for name, value in WORKFLOW.items():
        monkeypatch.setenv(name, value)
    state = tmp_path / "down" / "unit-tests-app" / ".sametree"
    records.write(state, of_ci(hub.first))
    (state / "runs" / "run-1" / "cut.json").write_text('{"cicd')
    return tmp_path / "down"


def test_in_ci_what_the_jobs_left_is_signed(hub, artifacts, key, capsys):
    record_tasks.push(project(hub, [key]), folder=str(artifacts))
    cut = artifacts / "unit-tests-app" / ".sametree" / "runs" / "run-1" / "cut.json"
    assert capsys.readouterr().out == (
        f"  left out: {cut}: it was cut short, or a newer sametree wrote it\n"
        "  origin refs/notes/sametree: 1 new (1 signed)\n"
    )
    assert len(notes.trusted(notes.known(hub.first.root), [key])) == 1


def test_in_ci_a_key_that_the_settings_do_not_name_is_told(hub, artifacts, key, capsys):
    record_tasks.push(project(hub), folder=str(artifacts))
    said = capsys.readouterr().out
    assert f"signed by {key}, whom tool.sametree.ci.signers does not name" in said
    assert os.environ[KEY] not in said


def test_in_ci_it_is_told_that_there_is_no_key(hub, artifacts, capsys):
    record_tasks.push(project(hub), folder=str(artifacts))
    said = capsys.readouterr().out
    assert "not signed: SAMETREE_RECORDS_KEY is not set" in said
    assert "invoke records.key" in said


def test_a_laptops_records_are_not_signed_even_with_the_key(hub, key, capsys):
    keep(hub, record(hub.first))
    record_tasks.push(project(hub, [key]))
    assert "1 record not signed: made on a laptop" in capsys.readouterr().out


def test_a_key_that_is_none_ends_it_before_anything_is_pushed(hub, monkeypatch):
    monkeypatch.setenv(KEY, "hunter2")
    keep(hub, record(hub.first))
    with pytest.raises(SurroundingsError) as told:
        record_tasks.push(project(hub))
    assert "hunter2" not in str(told.value)
    assert not hub.tip()


def test_a_folder_that_is_not_there_is_named(hub):
    with pytest.raises(UsageError, match="there is no folder nowhere"):
        record_tasks.push(project(hub), folder="nowhere")


def test_a_pull_says_how_many_there_are_and_how_many_ci_signed(
    hub, artifacts, key, capsys
):
    record_tasks.push(project(hub, [key]), folder=str(artifacts))
    keep(hub, record(hub.first, "laptop"))
    shutil.rmtree(artifacts)
    record_tasks.push(project(hub, [key]))
    hub.first.git("update-ref", "-d", notes.TRACKED.format("origin"))
    capsys.readouterr()
    record_tasks.pull(project(hub, [key]))
    assert capsys.readouterr().out == "  2 records, 2 of them new, 1 signed by CI\n"
    record_tasks.pull(project(hub))
    assert capsys.readouterr().out == "  2 records, 0 of them new\n"


# The key


SHOW = """
from pathlib import Path
from sametree import record_tasks, settings
record_tasks.key(settings.load(Path(".")))
"""


def shown(root, **env):
    """Call ``records.key`` on a terminal of its own; return what that shows."""
    ours, theirs = os.openpty()
    done = subprocess.run(
        [sys.executable, "-c", SHOW],
        cwd=root,
        env=environment({"CI": "", **env}),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(theirs)
    found = b""
    while part := _read(ours):
        found += part
    os.close(ours)
    return found.decode().replace("\r\n", "\n"), done.stderr


def _read(descriptor):
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:  # nobody writes any more
        return b""


def test_both_halves_of_a_new_key_are_shown_with_where_they_go(hub):
    project(hub)
    said, _ = shown(hub.first.root)
    lines = [line.strip() for line in said.splitlines()]
    (listed,) = (line for line in lines if line.startswith("signers"))
    private = lines[lines.index("gh secret set SAMETREE_RECORDS_KEY --env records") - 2]
    assert listed == f'signers = ["{signatures.public_of(private)}"]'
    assert said.count(private) == 1


def test_a_new_key_stands_beside_the_old_one_for_a_while(hub):
    old = signatures.new_key()[1]
    project(hub, [old])
    said, _ = shown(hub.first.root)
    assert f'signers = ["{old}", "' in said
    assert "Take the old one out" in said


@pytest.mark.parametrize("where", ["a file", "CI"])
def test_a_private_key_goes_neither_into_a_file_nor_into_a_log(
    hub, where, capsys, monkeypatch
):
    if where == "CI":
        project(hub)
        said, error = shown(hub.first.root, CI="true")
        assert said == "" and "shown on a terminal" in error
        return
    with pytest.raises(UsageError, match="shown on a terminal, and nowhere else"):
        record_tasks.key(project(hub))
    assert capsys.readouterr().out == ""
