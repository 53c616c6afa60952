"""Records travel as git notes, between real repositories."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from conftest import eventually
from hubs import git, known, line_of, of_ci, record
from repositories import AUTHOR, Repository

from sametree import git_calls, records, signatures
from sametree.errors import SurroundingsError, UsageError
from sametree.sharing import notes
from sametree.sharing.store import Notes

DAY = 86_400.0


def test_what_one_clone_pushes_another_pulls(hub):
    second = hub.clone("second")
    made = record(hub.first)
    done = notes.push(hub.first.root, [made])
    assert (done.new, done.known, done.pruned) == (1, 0, 0)
    (pulled,) = notes.pull(second.root)
    assert pulled.record == made
    assert pulled.commit == made.revision
    assert not pulled.signature
    assert known(hub.first) == known(second) == {"run-1"}


def test_a_remote_without_records_has_none(hub):
    assert notes.pull(hub.first.root) == notes.known(hub.first.root) == []


def test_pushing_again_changes_nothing(hub):
    made = record(hub.first)
    notes.push(hub.first.root, [made])
    before = hub.tip()
    done = notes.push(hub.first.root, [made, made])
    assert (done.new, done.known) == (0, 2)
    assert hub.tip() == before


def test_clones_that_push_one_after_the_other_keep_both(hub):
    second = hub.clone("second")
    notes.push(hub.first.root, [record(hub.first, "one")])
    notes.push(second.root, [record(second, "two")])
    assert hub.runs() == {"one", "two"}


def test_what_the_remote_no_longer_has_is_forgotten(hub):
    notes.push(hub.first.root, [record(hub.first)])
    git(hub.remote, "update-ref", "-d", notes.REF)
    assert notes.pull(hub.first.root) == notes.known(hub.first.root) == []
    assert notes.push(hub.first.root, [record(hub.first, "two")]).new == 1
    assert hub.runs() == {"two"}


def test_what_a_clone_has_in_the_ref_itself_is_known_and_stays(hub):
    made = record(hub.first, "by hand")
    hub.first.git(*("notes", f"--ref={notes.REF}", "add", "-m", line_of(made).decode()))
    notes.push(hub.first.root, [record(hub.first, "pushed")])
    assert known(hub.first) == {"by hand", "pushed"}
    assert hub.runs() == {"pushed"}


def test_git_itself_shows_the_notes(hub):
    notes.push(hub.first.root, [record(hub.first, f"run-{n}") for n in range(3)])
    shown = git(hub.remote, "notes", f"--ref={notes.REF}", "show", "main")
    assert [line[:10] for line in shown.splitlines()] == [b'{"record":'] * 3
    git(hub.remote, "fsck", "--strict")


PUSHER = """
import sys
from pathlib import Path
from sametree.sharing import notes
root = Path(sys.argv[1])
notes.push(root, notes.local(root / ".sametree"))
"""


def pusher(root, **options):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    argv = [sys.executable, "-c", PUSHER, str(root)]
    return subprocess.Popen(
        argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
    )


def all_push(hub, count, of_each):
    clones = [hub.clone(f"clone{number}") for number in range(count)]
    for number, each in enumerate(clones):
        for run in range(of_each):
            made = record(each, f"run-{number}-{run}")
            records.write(each.root / ".sametree", made)
    started = [pusher(each.root) for each in clones]
    for process in started:
        _, said = process.communicate(timeout=280)
        assert process.returncode == 0, said.decode()
    expected = {f"run-{n}-{run}" for n in range(count) for run in range(of_each)}
    assert hub.runs() == expected


@pytest.mark.proof
def test_clones_that_push_at_once_lose_no_record(hub):
    all_push(hub, 4, 2)


@pytest.mark.proof
def test_twenty_clones_that_push_at_once_lose_no_record(hub):
    all_push(hub, 20, 3)


def test_processes_that_push_at_once_from_one_clone_lose_no_record(hub):
    def push(number):
        notes.push(hub.first.root, [record(hub.first, f"run-{number}")])

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(push, range(3)))
    assert hub.runs() == {"run-0", "run-1", "run-2"}


def test_a_push_that_is_killed_loses_nothing_and_is_in_nobodys_way(hub):
    hub.hook("pre-receive", f"touch {hub.folder}/reached; sleep 30")
    records.write(hub.first.root / ".sametree", record(hub.first))
    process = pusher(hub.first.root, process_group=0)
    assert eventually((hub.folder / "reached").exists)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    (hub.remote / "hooks" / "pre-receive").unlink()
    found = notes.local(hub.first.root / ".sametree")
    assert notes.push(hub.first.root, found).new == 1
    assert hub.runs() == {"run-1"}


@pytest.mark.proof
def test_ctrl_c_ends_git_too_and_leaves_no_lock(hub):
    hub.hook("pre-receive", f"touch {hub.folder}/reached; exec sleep 30")
    records.write(hub.first.root / ".sametree", record(hub.first))
    process = pusher(hub.first.root)
    assert eventually((hub.folder / "reached").exists)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert b"KeyboardInterrupt" in said
    (hub.remote / "hooks" / "pre-receive").unlink()
    assert notes.push(hub.first.root, [record(hub.first, "two")]).new == 1


def test_others_who_are_always_faster_are_named_at_last(hub, monkeypatch):
    monkeypatch.setattr(notes, "PATIENCE", 0.0)
    other = 'git update-ref "$1" $(git commit-tree -m x main^{tree})'
    author = "export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=b"
    author += " GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=b"
    hub.hook("update", f"unset GIT_QUARANTINE_PATH; {author}; {other}")
    with pytest.raises(SurroundingsError, match="others have written") as told:
        notes.push(hub.first.root, [record(hub.first)])
    assert "nothing is lost" in str(told.value)


@pytest.mark.parametrize("what", ["a lock", "a ref below the name"])
def test_where_only_something_is_in_the_way_it_is_not_tried_for_ever(
    hub, monkeypatch, what
):
    monkeypatch.setattr(notes, "STILL", 0.1)
    place = hub.remote / notes.REF
    if what == "a lock":
        place.parent.mkdir(parents=True)
        place.with_name("sametree.lock").touch()
    else:
        git(hub.remote, "update-ref", f"{notes.REF}/below", "main")
    with pytest.raises(SurroundingsError, match="though nobody else does") as told:
        notes.push(hub.first.root, [record(hub.first)])
    assert "look there for a lock file" in told.value.cure


def test_what_git_replaces_is_taken_as_it_is(hub):
    made = record(hub.first)
    hub.first.write("app.py", "print(9)\n")
    hub.first.commit()
    hub.first.git("replace", made.revision, "HEAD")
    assert notes.push(hub.first.root, [made]).new == 1


# What stays at home


def test_work_that_is_in_no_commit_stays_at_home(hub):
    found = [record(hub.first, tree="1" * 40), record(hub.first, tree="")]
    done = notes.push(hub.first.root, found)
    assert (done.new, done.private, done.left) == (0, 2, {notes.IN_NO_COMMIT: 2})
    assert not hub.tip()


def test_a_record_whose_commit_is_not_here_stays_here(hub):
    named = ("", "1" * 40, "HEAD", "--all", "x\ny")
    found = [record(hub.first, revision=revision) for revision in named]
    done = notes.push(hub.first.root, found)
    assert (done.new, done.left) == (0, {notes.NO_COMMIT: len(named)})


def test_what_is_named_as_commit_but_is_a_tree_is_none(hub):
    tree = hub.first.committed
    done = notes.push(hub.first.root, [record(hub.first, revision=tree)])
    assert done.new == 0


def test_a_skipped_unit_tells_nothing_that_is_shared(hub):
    done = notes.push(hub.first.root, [record(hub.first, result="skip", proof="run-0")])
    assert (done.new, done.left) == (0, {})


def test_a_project_in_a_subfolder_shares_its_own_tree(hub):
    made = record(hub.first, tree=hub.first.git("rev-parse", "HEAD:sub"))
    assert notes.push(hub.first.root / "sub", [made]).new == 1
    assert notes.push(hub.first.root, [made]).private == 1


def test_nobody_learns_whose_laptop_it_was(hub):
    told = {"host.name": "adas-laptop", "user": "ada", "os.type": "linux"}
    notes.push(hub.first.root, [record(hub.first, surroundings=told)])
    (shared,) = notes.known(hub.first.root)
    assert shared.record.surroundings == {"os.type": "linux"}


def test_it_is_told_that_root_ran_the_steps(hub):
    notes.push(hub.first.root, [record(hub.first, surroundings={"user": "root"})])
    (shared,) = notes.known(hub.first.root)
    assert shared.record.surroundings == {"user": "root"}


# Pruning


def test_old_records_go_and_young_ones_stay(hub):
    for run, days in {"old": 8, "young": 6}.items():
        made = record(hub.first, run, started=time.time() - days * DAY)
        notes.push(hub.first.root, [made], days=1000)
    done = notes.push(hub.first.root, [record(hub.first, "new")], days=7)
    assert (done.new, done.pruned) == (1, 1)
    assert hub.runs() == {"young", "new"}


def test_with_nothing_to_share_old_records_go_as_well(hub):
    old = record(hub.first, "old", started=time.time() - 9 * DAY)
    notes.push(hub.first.root, [old, record(hub.first, "new")], days=1000)
    assert notes.push(hub.first.root, [], days=7).pruned == 1
    assert hub.runs() == {"new"}


def test_what_was_pruned_git_can_forget(hub):
    old = record(hub.first, "old", started=time.time() - 100 * DAY)
    notes.push(hub.first.root, [old], days=1000)
    notes.push(hub.first.root, [record(hub.first, "new")])
    assert git(hub.remote, "rev-list", "--count", notes.REF) == b"1\n"


def test_where_the_server_takes_only_what_goes_on_it_goes_on(hub):
    goes_on = '[ "$2" = "${2#0000}" ] || exit 0; git merge-base --is-ancestor $2 $3'
    hub.hook("update", goes_on)
    old = record(hub.first, "old", started=time.time() - 100 * DAY)
    notes.push(hub.first.root, [old], days=1000)
    notes.push(hub.first.root, [record(hub.first, "new")])
    assert git(hub.remote, "rev-list", "--count", notes.REF) == b"2\n"
    assert hub.runs() == {"new"}


def test_a_note_whose_records_are_all_old_goes(hub):
    old = record(hub.first, "old", started=time.time() - 100 * DAY)
    notes.push(hub.first.root, [old], days=1000)
    hub.first.commit()
    notes.push(hub.first.root, [record(hub.first, "new")])
    assert len(hub.paths()) == 1


def test_nothing_goes_for_being_a_little_older(hub):
    old = record(hub.first, "old", started=time.time() - 92 * DAY)
    notes.push(hub.first.root, [old], days=1000)
    assert notes.push(hub.first.root, [record(hub.first, "new")]).pruned == 0
    assert hub.runs() == {"old", "new"}


@pytest.mark.parametrize("ahead", [-400 * DAY, 400 * DAY])
def test_one_clock_that_is_wrong_prunes_nothing(hub, monkeypatch, ahead):
    notes.push(hub.first.root, [record(hub.first, "new")])
    moved = time.time() + ahead
    with monkeypatch.context() as patch:
        patch.setattr(notes.time, "time", lambda: moved)
        notes.push(hub.first.root, [])
    assert hub.runs() == {"new"}


def test_a_young_record_that_comes_while_old_ones_are_pruned_is_not_lost(
    hub, monkeypatch
):
    second = hub.clone("second")
    old = record(hub.first, "old", started=time.time() - 100 * DAY)
    notes.push(hub.first.root, [old], days=1000)
    written = Notes.commit
    came = []

    def slow(self, *args, **more):
        made = written(self, *args, **more)
        if not came:
            came.append("meanwhile")
            notes.push(second.root, [record(second, "meanwhile")], days=1000)
        return made

    monkeypatch.setattr(Notes, "commit", slow)
    notes.push(hub.first.root, [record(hub.first, "new")])
    assert hub.runs() == {"meanwhile", "new"}


# What belongs to the user


def refs(of):
    return set(of.git("for-each-ref").splitlines())


def test_the_users_branch_index_files_and_refs_stay_as_they_are(hub):
    first = hub.first
    first.write("staged.txt", "staged\n")
    first.git("add", "staged.txt")
    first.write("app.py", "changed\n")
    first.git("fetch", "--quiet", "origin")
    had, status = refs(first), first.git("status", "--porcelain")
    made = record(first)
    watched = ("index", "HEAD", "FETCH_HEAD", "config")
    before = [(first.root / ".git" / name).read_bytes() for name in watched]
    notes.push(first.root, [made])
    notes.pull(first.root)
    assert [(first.root / ".git" / name).read_bytes() for name in watched] == before
    assert first.git("status", "--porcelain") == status
    (new,) = refs(first) - had
    assert new.endswith("commit\trefs/notes/remotes/origin/sametree")
    assert not list((first.root / ".git" / "logs").rglob("*sametree*"))


def test_settings_and_hooks_of_the_user_have_no_part_in_it(hub):
    first, marker = hub.first, hub.folder / "called"
    for name in ("pre-push", "reference-transaction", "post-commit", "pre-auto-gc"):
        hub.hook(name, f"touch {marker}; exit 1", first.root / ".git")
    for setting in (
        "commit.gpgSign=true",
        "gpg.program=/nonexistent",
        "push.gpgSign=if-asked",
        "push.followTags=true",
        "push.recurseSubmodules=on-demand",
        "fetch.prune=true",
        "fetch.pruneTags=true",
        "fetch.recurseSubmodules=true",
        "remote.origin.tagOpt=--tags",
        "core.logAllRefUpdates=always",
        "notes.rewriteRef=refs/notes/*",
    ):
        first.git("config", *setting.split("=", 1))
    first.git("-c", "core.hooksPath=/dev/null", "-c", "tag.gpgSign=false", *ANNOTATED)
    assert notes.push(first.root, [record(first)]).new == 1
    assert not marker.exists()
    assert not git(hub.remote, "tag")
    assert first.git("tag") == "v1"


ANNOTATED = ("-c", "user.name=A", "-c", "user.email=a@b", "tag", "-a", "-m", "1", "v1")


def test_as_in_ci_nobody_has_to_tell_git_who_they_are(hub):
    config = hub.first.root / ".git" / "config"
    made = record(hub.first)
    config.write_text(
        config.read_text().replace(AUTHOR, "[user]\nuseConfigOnly = yes\n")
    )
    assert notes.push(hub.first.root, [made]).new == 1
    who = git(hub.remote, "log", "-1", "--format=%an %ae %cn %ce", notes.REF).decode()
    assert who.split() == ["sametree", "records@sametree.invalid"] * 2


def test_in_a_hook_of_another_repository_the_right_one_is_meant(hub, monkeypatch):
    monkeypatch.setenv("GIT_DIR", str(hub.folder / "nowhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(hub.folder / "nowhere" / "index"))
    assert notes.push(hub.first.root, [record(hub.first)]).new == 1


@pytest.mark.parametrize("kind", ["worktree", "shallow", "sparse", "partial", "sha256"])
def test_any_kind_of_clone_shares(hub, kind):
    notes.push(hub.first.root, [record(hub.first, "before")])
    other = hub.folder / "other"
    if kind == "worktree":
        hub.first.git("worktree", "add", "--quiet", "--detach", str(other))
        made = Worktree(other)
    elif kind == "sha256":
        (hub.folder / "long").mkdir()
        options = ("--object-format=sha256",)
        made = Repository(other, *options)
        made.commit()
        git(hub.folder, "init", "--quiet", "--bare", *options, "long.git")
        made.git("remote", "add", "origin", f"file://{hub.folder}/long.git")
        notes.push(made.root, [record(made, "before")])
    else:
        hub.first.commit()
        hub.first.git("push", "--quiet")
        git(hub.remote, "config", "uploadpack.allowFilter", "true")
        option = {"shallow": "--depth=1", "partial": "--filter=blob:none"}
        made = hub.clone("other", option.get(kind, "--sparse"))
    commits = made.git("rev-list", "--count", "HEAD")
    assert notes.push(made.root, [record(made, "here")]).new == 1
    assert known(made) == {"before", "here"}
    assert made.git("rev-list", "--count", "HEAD") == commits


class Worktree(Repository):
    def __init__(self, root):
        self.root = root


def test_a_remote_may_have_another_address_for_pushes(hub):
    git(hub.folder, "clone", "--quiet", "--bare", str(hub.remote), "fork.git")
    fork = f"file://{hub.folder}/fork.git"
    hub.first.git("remote", "set-url", "--push", "origin", fork)
    notes.push(hub.first.root, [record(hub.first)])
    assert notes.push(hub.first.root, [record(hub.first, "two")]).new == 1
    assert not hub.tip()
    assert git(hub.folder / "fork.git", "rev-parse", notes.REF)


def test_records_of_several_remotes_are_known_together(hub):
    git(hub.folder, "clone", "--quiet", "--bare", str(hub.remote), "fork.git")
    hub.first.git("remote", "add", "team/fork", f"file://{hub.folder}/fork.git")
    notes.push(hub.first.root, [record(hub.first, "one")])
    notes.push(hub.first.root, [record(hub.first, "two")], remote="team/fork")
    assert known(hub.first) == {"one", "two"}
    assert [each.record.run for each in notes.pull(hub.first.root)] == ["one"]


# What cannot be


def test_outside_a_repository_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / "plain").mkdir()
    with pytest.raises(UsageError, match="no repository"):
        notes.pull(tmp_path / "plain")
    assert notes.known(tmp_path / "plain") == []


@pytest.mark.parametrize("remote", ["upstream", "", "--upload-pack=touch x", ".git"])
def test_a_remote_that_is_not_there_is_named_with_those_that_are(hub, remote):
    with pytest.raises(UsageError, match="there is origin"):
        notes.push(hub.first.root, [record(hub.first)], remote=remote)


def test_a_clone_without_any_remote_is_told_how_to_add_one(hub):
    hub.first.git("remote", "remove", "origin")
    with pytest.raises(UsageError, match="this clone has none") as told:
        notes.pull(hub.first.root)
    assert "git remote add" in str(told.value)


@pytest.mark.parametrize("kind", ["blob", "tree", "tag"])
def test_a_ref_that_holds_no_commit_is_told_with_what_to_do(hub, kind):
    first = hub.first
    first.git(*ANNOTATED)
    named = {"blob": "HEAD:app.py", "tree": "HEAD^{tree}", "tag": "v1"}[kind]
    first.git("push", "--quiet", "origin", f"{named}:{notes.REF}")
    before = hub.tip()
    with pytest.raises(UsageError, match="is no commit") as told:
        notes.push(first.root, [record(first)])
    assert f"git push origin :{notes.REF}" in str(told.value)
    assert notes.pull(first.root) == []
    assert hub.tip() == before


# Records of this checkout, and of CI's jobs


def test_the_records_of_a_checkout_are_chosen_by_run(hub, tmp_path):
    for run in ("one", "two"):
        records.write(tmp_path / "state", record(hub.first, run))
    assert [r.run for r in notes.local(tmp_path / "state")] == ["one", "two"]
    assert [r.run for r in notes.local(tmp_path / "state", ["two"])] == ["two"]


def test_records_are_found_in_downloaded_artifacts(hub, tmp_path):
    state = tmp_path / "down" / "unit-tests-app" / ".sametree"
    made = record(hub.first)
    records.write(state, made)
    cut = state / "runs" / "run-1" / "lint.app.json"
    cut.write_text(records.encode(made)[:50])
    newer = state / "runs" / "run-1" / "newer.json"
    newer.write_text(records.encode(msgspec.structs.replace(made, schema=99)))
    (tmp_path / "down" / "package.json").write_text("{}")
    found, left = notes.below(tmp_path / "down")
    assert found == [made]
    assert [line.partition(": ")[0] for line in left] == [str(cut), str(newer)]
    assert all("cut short, or a newer sametree" in line for line in left)


def test_a_unit_does_not_speak_for_another(hub, tmp_path):
    state = tmp_path / "down" / "unit-lint-app" / ".sametree"
    records.write(state, record(hub.first))
    found, left = notes.below(tmp_path / "down")
    assert found == []
    assert "not about the unit of its artifact" in left[0]


# Speed


def test_a_thousand_records_are_read_with_four_calls_of_git(hub, monkeypatch):
    parts = {f"input:folder/file-{number}.py": "1" * 47 for number in range(20)}
    made = record(hub.first, parts=parts)
    found = [msgspec.structs.replace(made, run=f"run-{n}") for n in range(1000)]
    notes.push(hub.first.root, found)
    called = []
    call = git_calls.call

    def counted(root, *args, **more):
        called.append(args[0])
        return call(root, *args, **more)

    monkeypatch.setattr(git_calls, "call", counted)
    began = time.perf_counter()
    assert len(notes.known(hub.first.root)) == 1000
    assert called == ["for-each-ref", "rev-parse", "ls-tree", "cat-file"]
    assert time.perf_counter() - began < 2.0  # 0.05 s where nothing else runs


def test_signed_records_are_what_a_signer_vouches_for(hub, on_github):
    private, public = signatures.new_key()
    stranger, _ = signatures.new_key()
    first = hub.first
    assert notes.push(first.root, [of_ci(first, "ci")], key=private).signed == 1
    notes.push(first.root, [of_ci(first, "stranger")], key=stranger)
    notes.push(first.root, [of_ci(first, "claim")])
    second = hub.clone("second")
    pulled = notes.pull(second.root)
    assert {each.record.run for each in pulled} == {"ci", "stranger", "claim"}
    assert [each.run for each in notes.trusted(pulled, [public])] == ["ci"]
