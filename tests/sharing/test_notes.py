"""Records travel as git notes, between real repositories."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from sametree import records
from sametree.errors import SurroundingsError, UsageError
from sametree.records import Record
from sametree.sharing import notes, signatures

AUTHOR = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")


@pytest.fixture(autouse=True)
def nobodys_configuration(monkeypatch):
    """As in CI: nobody has told git who they are."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


def git(folder, *args, given=None):
    done = subprocess.run(
        ["git", *AUTHOR, *args],
        cwd=folder,
        check=True,
        capture_output=True,
        input=given,
    )
    return done.stdout.decode().strip()


@pytest.fixture
def remote(tmp_path):
    """A bare remote, and a first clone of it with one commit."""
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", "remote.git")
    clone(tmp_path, "first")
    (tmp_path / "first" / "file.txt").write_text("one\n")
    git(tmp_path / "first", "add", "--all")
    git(tmp_path / "first", "commit", "--quiet", "-m", "One")
    git(tmp_path / "first", "push", "--quiet", "origin", "HEAD:main")
    return tmp_path


def clone(folder, name, *options):
    url = f"file://{folder}/remote.git"
    git(folder, "clone", "--quiet", *options, url, name)
    return folder / name


def record(root, run="run-1", unit="tests(app)", **more):
    told = {
        "schema": records.SCHEMA,
        "result": "success",
        "started": time.time() - 60,
        "seconds": 1.0,
        "revision": git(root, "rev-parse", "HEAD"),
        "tree": git(root, "rev-parse", "HEAD^{tree}"),
        **more,
    }
    return Record(run=run, unit=unit, **told)


def known(root):
    return {shared.record.run for shared in notes.known(root)}


def test_what_one_clone_pushes_another_pulls(remote):
    first, second = remote / "first", clone(remote, "second")
    made = record(first)
    done = notes.push(first, [made])
    assert (done.new, done.known, done.private) == (1, 0, 0)
    (pulled,) = notes.pull(second)
    assert pulled.record == made
    assert pulled.commit == made.revision
    assert pulled.signer == ""


def test_pushing_again_changes_nothing(remote):
    first = remote / "first"
    notes.push(first, [record(first, started=1.7e9 + 1e8)])
    before = git(remote / "remote.git", "rev-parse", notes.REF)
    done = notes.push(first, [record(first, started=1.7e9 + 1e8)], days=1e5)
    assert (done.new, done.known) == (0, 1)
    assert git(remote / "remote.git", "rev-parse", notes.REF) == before


def test_two_clones_that_push_one_after_the_other_keep_both(remote):
    first, second = remote / "first", clone(remote, "second")
    notes.push(first, [record(first, "one")])
    notes.push(second, [record(second, "two")])
    notes.pull(first)
    assert known(first) == {"one", "two"}


PUSHER = """
import sys
from pathlib import Path
from sametree import records
from sametree.sharing import notes
root = Path(sys.argv[1])
notes.push(root, notes.local(root / ".sametree"))
"""


def all_push(remote, count):
    clones = [clone(remote, f"clone{number}") for number in range(count)]
    for number, root in enumerate(clones):
        records.write(root / ".sametree", record(root, f"run-{number}"))

    def push(root):
        argv = [sys.executable, "-c", PUSHER, str(root)]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.run(argv, env=env, capture_output=True, text=True)

    with ThreadPoolExecutor(count) as pool:
        for done in pool.map(push, clones):
            assert done.returncode == 0, done.stderr
    reader = clone(remote, "reader")
    notes.pull(reader)
    assert known(reader) == {f"run-{number}" for number in range(count)}


def test_clones_that_push_at_once_lose_no_record(remote):
    all_push(remote, 4)


@pytest.mark.proof
def test_twenty_clones_that_push_at_once_lose_no_record(remote):
    all_push(remote, 20)


def test_a_record_of_a_tree_in_no_commit_stays_at_home(remote):
    first = remote / "first"
    done = notes.push(first, [record(first, tree="1" * 40), record(first, revision="")])
    assert (done.new, done.private) == (0, 2)
    assert not git(remote / "remote.git", "for-each-ref", notes.REF)


def test_a_skipped_unit_tells_nothing_that_is_shared(remote):
    first = remote / "first"
    done = notes.push(first, [record(first, result="skip", proof="run-0")])
    assert (done.new, done.private) == (0, 0)


def test_a_project_in_a_subfolder_shares_its_own_tree(remote):
    first = remote / "first"
    (first / "app").mkdir()
    (first / "app" / "code.py").touch()
    git(first, "add", "--all")
    git(first, "commit", "--quiet", "-m", "Two")
    made = record(first, tree=git(first, "rev-parse", "HEAD:app"))
    assert notes.push(first / "app", [made]).new == 1


def test_old_records_are_pruned_and_new_ones_stay(remote):
    first = remote / "first"
    notes.push(first, [record(first, "old", started=time.time() - 8 * 86400)])
    done = notes.push(first, [record(first, "new")], days=7)
    assert (done.new, done.pruned) == (1, 1)
    assert known(first) == {"new"}


def test_a_note_whose_records_are_all_old_goes(remote):
    first = remote / "first"
    notes.push(first, [record(first, "old", started=1000.0)], days=1e6)
    git(first, "commit", "--quiet", "--allow-empty", "-m", "Two")
    notes.push(first, [record(first, "new")])
    assert len(git(first, "ls-tree", "-r", "--name-only", notes.REF).split()) == 1


FOREIGN = [
    pytest.param(b"Reviewed-by: Ada\n", id="text"),
    pytest.param(b'{"record": 3}\n', id="JSON of another kind"),
    pytest.param(b'{"record": {"started": "x"}}\n', id="half a record"),
    pytest.param(b"\xff\xfe\0binary", id="binary"),
    pytest.param(b"[" * 100_000, id="brackets"),
    pytest.param(b"", id="nothing"),
]


@pytest.mark.parametrize("content", FOREIGN)
def test_foreign_content_breaks_nothing_and_stays(remote, content):
    first = remote / "first"
    git(first, "commit", "--quiet", "--allow-empty", "-m", "Two")
    blob = git(first, "hash-object", "-w", "--stdin", given=content)
    on = git(first, "rev-parse", "HEAD~1")
    readme = git(first, "hash-object", "-w", "--stdin", given=b"about\n")
    listing = f"100644 blob {blob}\t{on}\n100644 blob {readme}\tREADME\n"
    tree = git(first, "mktree", given=listing.encode())
    commit = git(first, "commit-tree", "-m", "Foreign", tree)
    git(first, "push", "--quiet", "origin", f"{commit}:{notes.REF}")
    assert notes.push(first, [record(first)]).new == 1
    second = clone(remote, "second")
    assert [shared.record.run for shared in notes.pull(second)] == ["run-1"]
    assert git(second, "rev-parse", f"{notes.REF}:{on}") == blob
    assert git(second, "rev-parse", f"{notes.REF}:README") == readme


def test_a_record_is_added_to_a_note_that_holds_something_else(remote):
    first = remote / "first"
    git(first, "notes", f"--ref={notes.REF}", "add", "-m", "Reviewed-by: Ada")
    git(first, "push", "--quiet", "origin", notes.REF)
    notes.push(first, [record(first)])
    shown = git(first, "notes", f"--ref={notes.REF}", "show", "HEAD")
    assert shown.startswith("Reviewed-by: Ada\n{")


def test_notes_in_gits_own_fan_out_are_read_and_kept_in_place(remote):
    first = remote / "first"
    made = record(first)
    line = json.dumps({"record": json.loads(records.encode(made))})
    blob = git(first, "hash-object", "-w", "--stdin", given=line.encode())
    inner = git(
        first, "mktree", given=f"100644 blob {blob}\t{made.revision[2:]}\n".encode()
    )
    tree = git(
        first, "mktree", given=f"040000 tree {inner}\t{made.revision[:2]}\n".encode()
    )
    commit = git(first, "commit-tree", "-m", "Fanned out", tree)
    git(first, "push", "--quiet", "origin", f"{commit}:{notes.REF}")
    notes.push(first, [record(first, "run-2")])
    assert known(first) == {"run-1", "run-2"}
    names = git(first, "ls-tree", "-r", "--name-only", notes.REF).split()
    assert names == [f"{made.revision[:2]}/{made.revision[2:]}"]


def test_a_ref_that_holds_no_commit_is_told_with_what_to_do(remote):
    first = remote / "first"
    blob = git(first, "hash-object", "-w", "--stdin", given=b"no notes\n")
    git(first, "push", "--quiet", "origin", f"{blob}:{notes.REF}")
    with pytest.raises(SurroundingsError, match="holds no notes but something else"):
        notes.push(first, [record(first)])


def test_a_record_of_a_newer_version_is_left_alone_and_stays(remote):
    first = remote / "first"
    newer = record(first, "newer", schema=records.SCHEMA + 1)
    notes.push(first, [newer])
    assert known(first) == set()
    notes.push(first, [record(first, "ours")])
    assert known(first) == {"ours"}
    assert "newer" in git(first, "notes", f"--ref={notes.REF}", "show", "HEAD")


def test_the_users_branch_index_and_files_stay_as_they_are(remote):
    first = remote / "first"
    (first / "staged.txt").write_text("staged\n")
    git(first, "add", "staged.txt")
    (first / "file.txt").write_text("changed\n")
    before = git(first, "status", "--porcelain"), git(first, "for-each-ref")
    notes.push(first, [record(first)])
    assert git(first, "status", "--porcelain") == before[0]
    refs = set(git(first, "for-each-ref").splitlines()) - set(before[1].splitlines())
    assert [line.split("\t")[1] for line in refs] == [notes.REF]


def test_hooks_of_the_user_do_not_run(remote):
    first = remote / "first"
    hook = first / ".git" / "hooks" / "pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    assert notes.push(first, [record(first)]).new == 1


def test_signing_of_commits_is_not_asked_for(remote):
    first = remote / "first"
    git(first, "config", "commit.gpgSign", "true")
    git(first, "config", "gpg.program", "/nonexistent")
    assert notes.push(first, [record(first)]).new == 1


@pytest.mark.parametrize("kind", ["worktree", "shallow", "sparse"])
def test_any_kind_of_checkout_shares(remote, kind):
    root = remote / "other"
    if kind == "worktree":
        git(remote / "first", "worktree", "add", "--quiet", "--detach", str(root))
    else:
        clone(remote, "other", "--depth=1" if kind == "shallow" else "--sparse")
    assert notes.push(root, [record(root)]).new == 1
    assert known(root) == {"run-1"}


def test_a_remote_that_is_not_there_is_told_and_nothing_is_lost(remote):
    first = remote / "first"
    with pytest.raises(SurroundingsError, match="cannot be asked for records"):
        notes.push(first, [record(first)], remote="upstream")
    (remote / "remote.git").rename(remote / "gone.git")
    with pytest.raises(SurroundingsError, match="git says"):
        notes.pull(first)


def test_a_remote_that_refuses_is_told_at_once(remote):
    first = remote / "first"
    hook = remote / "remote.git" / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho no notes here >&2\nexit 1\n")
    hook.chmod(0o755)
    began = time.monotonic()
    with pytest.raises(SurroundingsError, match="no notes here"):
        notes.push(first, [record(first)])
    assert time.monotonic() - began < notes.PATIENCE / 4


def test_outside_a_repository_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    with pytest.raises(UsageError, match="no repository"):
        notes.pull(tmp_path)


def test_records_are_found_in_downloaded_artifacts(tmp_path, remote):
    first = remote / "first"
    state = tmp_path / "down" / "unit-tests-app" / ".sametree"
    made = record(first)
    records.write(state, made)
    cut = state / "runs" / "run-1" / "lint.app.json"
    cut.write_text(records.encode(made)[:50])
    (tmp_path / "down" / "package.json").write_text("{}")
    assert notes.below(tmp_path / "down") == ([made], [cut])


def test_only_records_signed_by_a_known_key_are_trusted(remote):
    first = remote / "first"
    private, public = signatures.new_key()
    other, _ = signatures.new_key()
    notes.push(first, [record(first, "ci", place="github")], key=private)
    notes.push(first, [record(first, "stranger", place="github")], key=other)
    notes.push(first, [record(first, "laptop", place="github")])
    trusted = notes.trusted(notes.known(first), [public])
    assert [each.run for each in trusted] == ["ci"]
    assert len(notes.known(first)) == 3


def forge_the_result(line):
    line["record"]["cicd.pipeline.task.run.result"] = "success"


def forge_the_key(line):
    line["key"] = signatures.new_key()[1]


def forge_an_empty_signature(line):
    line["signature"] = ""


def forge_a_field_more(line):
    line["record"]["place"] = "github"


FORGERIES = [
    pytest.param(function, id=name.removeprefix("forge_").replace("_", " "))
    for name, function in list(globals().items())
    if name.startswith("forge_")
]


@pytest.mark.parametrize("forge", FORGERIES)
def test_a_forged_record_is_never_trusted(remote, forge):
    first = remote / "first"
    private, public = signatures.new_key()
    notes.push(first, [record(first, result="failure")], key=private)
    line = json.loads(git(first, "notes", f"--ref={notes.REF}", "show", "HEAD"))
    forge(line)
    git(first, "notes", f"--ref={notes.REF}", "add", "-f", "-m", json.dumps(line))
    (forged,) = notes.known(first)
    assert forged.signer == ""
    assert notes.trusted([forged], [public, ""]) == []


def test_a_key_that_is_none_is_told_without_its_text(monkeypatch):
    monkeypatch.setenv(signatures.VARIABLE, "hunter2-is-no-key")
    with pytest.raises(UsageError, match="holds no key") as told:
        signatures.given()
    assert "hunter2" not in str(told.value)


def test_without_a_key_nothing_is_signed(monkeypatch):
    monkeypatch.delenv(signatures.VARIABLE, raising=False)
    assert signatures.given() is None
    private, _ = signatures.new_key()
    monkeypatch.setenv(signatures.VARIABLE, f" {private}\n")
    assert signatures.given() == private


def test_a_thousand_records_are_read_with_three_calls_of_git(remote, monkeypatch):
    first = remote / "first"
    notes.push(first, [record(first, f"run-{number}") for number in range(1000)])
    called = []
    call = notes._call

    def counted(root, *args, **more):
        called.append(args[0])
        return call(root, *args, **more)

    monkeypatch.setattr(notes, "_call", counted)
    assert len(notes.known(first)) == 1000
    assert called == ["ls-tree", "cat-file", "cat-file"]
