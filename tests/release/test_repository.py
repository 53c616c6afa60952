"""Commit and tags come to be unseen, and get to the remote all or none."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import eventually
from hubs import WORKFLOW, git
from repositories import Opened, Repository

from sametree.errors import SurroundingsError, UsageError
from sametree.release import repository, sending

SUITE = Path(repository.__file__).parents[2]
WHEN = 1_790_000_000
KILLS = int(os.environ.get("KILLS", "4"))
"""How often a release is killed; all the moments are more than a suite has time for."""
LOG = {"CHANGELOG.md": "# Changelog\n\n## 1.2.0\n"}
MESSAGE = "Maria 1.2.0\n\n# not a comment\n\nSametree-Run: run-1\n"


def make(of, files=LOG, tags={"v1.2.0": MESSAGE}, run="run-1"):
    """Make commit and tags, as a release does."""
    parent = of.git("rev-parse", "HEAD")
    commit = repository.prepare(of.root, run, parent, files, "Release 1.2.0", WHEN)
    return parent, repository.tag(of.root, run, commit, tags, WHEN)


def send(of, parent, made):
    repository.push(of.root, "origin", "main", parent, made)


def at(hub, name):
    """Return what a ref of the remote is, "" for nothing."""
    asked = ("for-each-ref", "--format=%(objectname)", name)
    return git(hub.remote, *asked).decode().strip()


def refused(hub, kind=UsageError):
    """Push what was made, and return how that is refused; nothing was taken."""
    parent, made = make(hub.first)
    before = git(hub.remote, "for-each-ref")
    with pytest.raises(kind) as told:
        send(hub.first, parent, made)
    assert git(hub.remote, "for-each-ref") == before
    return told.value


# This clone


def test_a_clone_tells_what_it_is(hub):
    first = hub.first
    first.git("tag", "v1", "-m", "one")
    first.git("tag", "light")
    told = repository.state(first.root)
    assert told.head == first.git("rev-parse", "HEAD")
    assert (told.branch, told.shallow, told.changed) == ("main", False, ())
    assert told.tags == {"v1": first.git("rev-parse", "v1"), "light": told.head}


def test_what_is_not_committed_is_named_of_the_project_alone(hub):
    first = hub.first
    first.write("sub/inner.py", "other\n")
    first.write("sub/new file", "")
    first.git("mv", "app.py", "main.py")
    changed = repository.state(first.root).changed
    assert set(changed) == {"app.py", "main.py", "sub/inner.py", "sub/new file"}
    inside = repository.state(first.root / "sub").changed
    assert set(inside) == {"sub/inner.py", "sub/new file"}


def test_a_detached_head_has_no_branch(hub):
    hub.first.git("checkout", "--quiet", "--detach")
    assert repository.state(hub.first.root).branch == ""


def test_a_branch_named_like_a_tag_keeps_its_name(hub):
    hub.first.git("tag", "main")
    assert repository.state(hub.first.root).branch == "main"


def test_a_shallow_clone_is_known(hub):
    hub.first.commit()
    hub.first.git("push", "--quiet")
    assert repository.state(hub.clone("shallow", "--depth=1").root).shallow


def test_before_the_first_commit_there_is_no_head(hub):
    empty = Repository(hub.folder / "empty")
    assert repository.state(empty.root).head == ""


def test_outside_of_a_working_copy_it_is_told(hub):
    with pytest.raises(UsageError, match="not a git repository"):
        repository.state(hub.folder)
    with pytest.raises(UsageError, match="it is a bare repository"):
        repository.state(hub.remote)


def test_files_of_a_commit_are_read_as_they_are(hub):
    first = hub.first
    first.write("log.md", b"one\r\ntwo\xff\n")
    first.commit()
    text = repository.read_file(first.root, "HEAD", "log.md")
    assert text.encode("utf-8", "surrogateescape") == b"one\r\ntwo\xff\n"
    assert repository.read_file(first.root / "sub", "HEAD", "log.md") == text
    assert repository.read_file(first.root, "HEAD", "gone.md") is None
    assert repository.read_file(first.root, "HEAD", "sub") is None
    with pytest.raises(SurroundingsError, match="not in this clone"):
        repository.read_file(first.root, "f" * 40, "log.md")


# The remote


def test_one_look_tells_branch_tags_and_claim(hub):
    first = hub.first
    first.git("tag", "v1", "-m", "one")
    first.git("tag", "light")
    first.git("push", "--quiet", "origin", "v1", "light", "HEAD:refs/sametree/release")
    first.git("push", "--quiet", "origin", "HEAD:refs/heads/x/refs/heads/main")
    seen = repository.look(first.root, "origin", "main")
    head = first.git("rev-parse", "HEAD")
    assert (seen.head, seen.claim) == (head, head)
    assert seen.tags == {"v1": first.git("rev-parse", "v1"), "light": head}
    assert seen.peeled == {"v1": head, "light": head}


def test_a_remote_without_the_branch_has_no_head(hub):
    seen = repository.look(hub.first.root, "origin", "other")
    assert (seen.head, seen.tags, seen.claim) == ("", {}, "")


def test_it_is_looked_where_it_would_be_pushed(hub):
    git(hub.folder, "clone", "--quiet", "--bare", str(hub.remote), "fork.git")
    hub.first.git("remote", "set-url", "--push", "origin", f"{hub.folder}/fork.git")
    parent, made = make(hub.first)
    send(hub.first, parent, made)
    assert repository.pushed(hub.first.root, "origin", "main", made) == "all"
    assert at(hub, "refs/heads/main") == parent


def test_without_the_remote_it_is_told_with_gits_words(hub):
    hub.remote.rename(hub.folder / "gone.git")
    with pytest.raises(SurroundingsError) as told:
        repository.look(hub.first.root, "origin", "main")
    assert "does not appear to be a git repository" in told.value.problem
    assert "git remote -v" in told.value.cure


def test_a_remote_of_another_name_is_told_with_those_that_are_there(hub):
    with pytest.raises(UsageError, match="no remote 'upstream'; there is origin"):
        repository.look(hub.first.root, "upstream", "main")


def test_how_two_branches_differ_is_told_with_what_to_do(hub):
    first, second = hub.first, hub.clone("second")
    base = first.git("rev-parse", "HEAD")
    first.write("here.py")
    first.commit()
    ours = first.git("rev-parse", "HEAD")
    second.write("there.py")
    second.commit()
    second.git("push", "--quiet")
    theirs = second.git("rev-parse", "HEAD")

    def apart(one, other):
        return repository.apart(first.root, "origin", "main", one, other)

    assert "that are not here: `git pull --ff-only origin main`" in apart(ours, theirs)
    first.git("fetch", "--quiet")
    assert "(1 here, 1 there): `git pull --rebase" in apart(ours, theirs)
    assert "a commit of main is not on origin: `git push origin main`" in apart(
        ours, base
    )
    assert "a commit of origin's main is not here: `git pull --ff-only" in apart(
        base, theirs
    )


# Making


def test_the_commit_is_the_parent_with_other_files(hub):
    first = hub.first
    parent, made = make(first, {**LOG, "sub/inner.py": "v2\r\n", "a/b/c.txt": "new"})
    changed = first.git("diff", "--name-only", parent, made.commit).split()
    assert changed == ["CHANGELOG.md", "a/b/c.txt", "sub/inner.py"]
    assert first.git("log", "-1", "--format=%P %s %an %ce %at", made.commit) == (
        f"{parent} Release 1.2.0 Ada ada@example.org {WHEN}"
    )
    text = repository.read_file(first.root, made.commit, "sub/inner.py")
    assert text == "v2\r\n"
    first.git("fsck", "--strict", "--no-dangling")


def test_a_tag_has_its_message_byte_by_byte(hub):
    _, made = make(hub.first)
    raw = git(hub.first.root, "cat-file", "tag", made.tags["v1.2.0"]).decode()
    head, _, body = raw.partition("\n\n")
    assert body == MESSAGE
    assert head.splitlines() == [
        f"object {made.commit}",
        "type commit",
        "tag v1.2.0",
        f"tagger Ada <ada@example.org> {WHEN} +0000",
    ]


def test_nothing_is_seen_of_what_was_made(hub):
    def visible():
        names = ("refs/heads", "refs/tags", "refs/remotes")
        return (
            hub.first.git("for-each-ref", *names),
            hub.first.git("status", "--porcelain"),
            hub.first.git("log", "-1", "--format=%H"),
            (hub.first.root / ".git" / "index").read_bytes(),
        )

    before = visible()
    make(hub.first)
    assert visible() == before


def test_the_same_release_has_the_same_ids_in_every_clone(hub):
    _, one = make(hub.first)
    _, other = make(hub.clone("second"), run="run-2")
    assert one == other


def test_what_is_made_again_is_there_already(hub):
    first = hub.first
    assert repository.prepared(first.root, "run-1") is None
    _, made = make(first)
    first.git("config", "--replace-all", "user.name", "Bea")
    assert make(first)[1] == made
    assert repository.prepared(first.root, "run-1") == made


def test_a_tag_of_other_files_is_made_anew(hub):
    _, made = make(hub.first)
    _, other = make(hub.first, tags={"v1.2.0": MESSAGE + "Sametree-File: x\n"})
    assert other.commit == made.commit
    assert other.tags != made.tags
    assert repository.prepared(hub.first.root, "run-1") == other


def test_a_commit_of_other_files_is_made_anew(hub):
    _, made = make(hub.first)
    _, other = make(hub.first, {"CHANGELOG.md": "another\n"})
    assert other.commit != made.commit
    assert other.tags != made.tags


def test_of_no_change_the_commit_is_the_proven_one(hub):
    for files in ({}, {"app.py": "print(1)\n"}):
        parent, made = make(hub.first, files)
        assert made.commit == parent
    assert repository.prepared(hub.first.root, "run-1").commit == parent


def test_garbage_collection_spares_what_was_made_until_it_is_forgotten(hub):
    first = hub.first
    _, made = make(first)
    first.git("gc", "--quiet", "--prune=now")
    assert first.git("cat-file", "-t", made.tags["v1.2.0"]) == "tag"
    repository.forget(first.root, "run-1")
    repository.forget(first.root, "run-1")
    assert repository.prepared(first.root, "run-1") is None
    first.git("gc", "--quiet", "--prune=now")
    with pytest.raises(subprocess.CalledProcessError):
        first.git("cat-file", "-t", made.commit)


def test_modes_of_files_are_kept(hub):
    first = hub.first
    first.write("tool.sh", "1\n").chmod(0o755)
    first.commit()
    _, made = make(first, {"tool.sh": "2\n", "new.sh": "3\n"})
    listed = first.git("ls-tree", made.commit, "tool.sh", "new.sh").splitlines()
    assert [row.split()[0] for row in listed] == ["100644", "100755"]


def test_line_ends_and_odd_names_stay(hub):
    first = hub.first
    first.git("config", "core.autocrlf", "true")
    odd = 'sub/ünï "quoted"\ttab\nline.md'
    files = {odd: "a\r\nb\n", "bytes.md": "\udcff\r\n"}
    _, made = make(first, files)
    for path, text in files.items():
        assert repository.read_file(first.root, made.commit, path) == text


def test_a_release_of_a_project_below_the_root_names_paths_from_the_root(hub):
    parent = hub.first.git("rev-parse", "HEAD")
    inner = hub.first.root / "sub"
    files = {"sub/CHANGELOG.md": "x\n"}
    commit = repository.prepare(inner, "run-1", parent, files, "Release", WHEN)
    assert repository.read_file(inner, commit, "sub/CHANGELOG.md") == "x\n"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("link.md", "link.md is a symbolic link"),
        ("sub", "sub is a folder"),
        ("app.py/x.md", "app.py is a file"),
        ("inner/x.md", "inner is a submodule"),
        ("../out.md", "cannot be the path"),
        ("/etc/x", "cannot be the path"),
        ("sub/.git/x", "sub/.git/x cannot be the path"),
        ("sub//x", "cannot be the path"),
    ],
)
def test_a_path_that_cannot_be_a_file_there_is_told(hub, path, said):
    first = hub.first
    first.link("link.md", "app.py")
    first.commit()
    head = first.git("rev-parse", "HEAD")
    first.git("update-index", "--add", "--cacheinfo", f"160000,{head},inner")
    first.git("commit", "--quiet", "-m", "submodule")
    with pytest.raises(UsageError) as told:
        make(first, {path: "x"})
    assert said in told.value.problem
    assert told.value.cure


def test_a_name_that_cannot_be_a_tags_is_told(hub):
    with pytest.raises(UsageError, match="'v 1' cannot be the name of a tag"):
        make(hub.first, tags={"v 1": MESSAGE})


def test_without_an_identity_it_is_told_what_to_set(hub, monkeypatch):
    config = hub.first.root / ".git" / "config"
    config.write_text(config.read_text().replace("[user]", "[nobody]"))
    with pytest.raises(UsageError) as told:
        make(hub.first)
    assert "who you are" in told.value.problem
    assert "git config user.email" in told.value.cure


def test_on_github_the_author_is_who_pressed_the_button(hub, monkeypatch):
    config = hub.first.root / ".git" / "config"
    config.write_text(config.read_text().replace("[user]", "[nobody]"))
    for name, value in {**WORKFLOW, "GITHUB_ACTOR": "bea"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError):
        make(hub.first)
    monkeypatch.setenv("GITHUB_ACTOR_ID", "12")
    _, made = make(hub.first)
    told = hub.first.git("log", "-1", "--format=%an <%ce>", made.commit)
    assert told == "bea <12+bea@users.noreply.github.example>"
    raw = hub.first.git("cat-file", "tag", made.tags["v1.2.0"])
    assert "tagger bea <12+bea@users.noreply.github.example>" in raw


def test_a_full_disk_is_told(hub):
    # A limit of the size of files is met by git as a full disk is.
    limit = "import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (2000, 2000)); "
    text = limit + PREPARE % "str(list(range(9000)))"
    process = started(hub.first, text)
    _, said = process.communicate()
    assert process.returncode == 3, said
    assert b"git hash-object failed" in said
    assert repository.prepared(hub.first.root, "run-1") is None


# Signing


@pytest.fixture
def signer(hub):
    """The clone, told by a setting that hangs on its place to sign with an SSH key."""
    key = hub.folder / "key"
    asked = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
    subprocess.run(asked, check=True)
    extra = hub.folder / "signing"
    extra.write_text(
        "[gpg]\nformat = ssh\n[commit]\ngpgSign\n[tag]\ngpgSign = true\n"
        f"[user]\nsigningKey = {key}.pub\n"
    )
    first = hub.first
    first.git("config", f"includeIf.gitdir:{first.root}/.path", str(extra))
    allowed = hub.folder / "allowed"
    allowed.write_text(f"ada@example.org {key.with_suffix('.pub').read_text()}")
    first.git("config", "gpg.ssh.allowedSignersFile", str(allowed))
    return first


def test_commit_and_tag_are_signed_where_the_user_signs(hub, signer):
    parent, made = make(signer)
    signer.git("verify-commit", made.commit)
    signer.git("verify-tag", made.tags["v1.2.0"])
    assert make(signer) == (parent, made)
    send(signer, parent, made)
    told = repository.tagged(hub.clone("second").root, "origin", "v1.2.0")
    assert told.startswith(MESSAGE + "-----BEGIN SSH SIGNATURE-----")


def test_a_key_that_is_gone_is_told_with_the_way_out(hub, signer):
    (hub.folder / "key").unlink()
    with pytest.raises(SurroundingsError) as told:
        make(signer)
    assert "git cannot sign" in told.value.problem
    assert "commit.gpgSign false" in told.value.cure


# Other kinds of clones


def test_a_shallow_clone_can_release(hub):
    hub.first.commit()
    hub.first.git("push", "--quiet")
    shallow = hub.clone("shallow", "--depth=1")
    parent, made = make(shallow)
    send(shallow, parent, made)
    assert at(hub, "refs/heads/main") == made.commit


def test_a_clone_without_old_files_can_release(hub):
    git(hub.remote, "config", "uploadpack.allowFilter", "true")
    partial = hub.clone("partial", "--filter=blob:none", "--no-checkout")
    parent, made = make(partial)
    send(partial, parent, made)
    assert at(hub, "refs/heads/main") == made.commit


def test_a_second_working_copy_can_release(hub):
    hub.first.git("checkout", "--quiet", "--detach")
    hub.first.git("worktree", "add", "--quiet", str(hub.folder / "tree"), "main")
    tree = Opened(hub.folder / "tree")
    parent, made = make(tree)
    send(tree, parent, made)
    assert repository.catch_up(tree.root, "main", parent, made) == []
    assert tree.git("rev-parse", "HEAD") == made.commit
    assert (tree.root / "CHANGELOG.md").read_text() == LOG["CHANGELOG.md"]


def test_repositories_of_longer_ids_can_release(hub, monkeypatch):
    git(hub.folder, "init", "--quiet", "--bare", "--object-format=sha256", "long.git")
    long = Repository(hub.folder / "long", "--object-format=sha256")
    long.write("app.py")
    long.commit()
    long.git("remote", "add", "origin", str(hub.folder / "long.git"))
    long.git("push", "--quiet", "origin", "main")
    parent, made = make(long)
    assert len(made.tags["v1.2.0"]) == 64
    send(long, parent, made)
    assert repository.catch_up(long.root, "main", parent, made) == []
    assert long.git("rev-parse", "v1.2.0", "HEAD").split() == [
        made.tags["v1.2.0"],
        made.commit,
    ]


# Pushing


def test_commit_and_tags_arrive_together(hub):
    tags = {"api-v1.0.0": MESSAGE, "web-v2.0.0": MESSAGE}
    parent, made = make(hub.first, tags=tags)
    assert repository.pushed(hub.first.root, "origin", "main", made) == "none"
    send(hub.first, parent, made)
    assert repository.pushed(hub.first.root, "origin", "main", made) == "all"
    assert at(hub, "refs/heads/main") == made.commit
    assert {name: at(hub, f"refs/tags/{name}") for name in tags} == made.tags


def test_tags_of_the_proven_commit_itself_are_pushed_alone(hub):
    parent, made = make(hub.first, {})
    send(hub.first, parent, made)
    assert at(hub, "refs/heads/main") == parent
    assert repository.pushed(hub.first.root, "origin", "main", made) == "all"


def test_a_commit_without_tags_is_pushed_too(hub):
    parent, made = make(hub.first, tags={})
    assert repository.pushed(hub.first.root, "origin", "main", made) == "none"
    send(hub.first, parent, made)
    second = hub.clone("second")
    second.commit()
    second.git("push", "--quiet")
    assert repository.pushed(hub.first.root, "origin", "main", made) == "all"


def test_a_release_is_out_also_when_the_branch_has_gone_on(hub):
    parent, made = make(hub.first)
    send(hub.first, parent, made)
    second = hub.clone("second")
    second.commit()
    second.git("push", "--quiet")
    assert repository.pushed(hub.first.root, "origin", "main", made) == "all"


def test_a_push_of_somebody_else_in_between_is_told_with_who_and_what(hub):
    second = hub.clone("second")
    for number in range(4):
        second.write("more.py", str(number))
        second.git("add", ".")
        second.git("commit", "--quiet", "-m", f"Add {number}\x1b[2J")
    second.git("push", "--quiet")
    told = refused(hub)
    assert "not what was proven any more" in told.problem
    assert "Ada: Add 3 [2J" in told.problem and "and 1 more" in told.problem
    assert "git pull --ff-only origin main" in told.cure


def test_a_push_at_the_same_moment_is_told_too(hub):
    second = hub.clone("second")
    second.commit()
    # The hook of our own push, after the server has told us where the branch is.
    hub.hook(
        "pre-receive",
        "[ -e seen ] && exit 0; touch seen; unset GIT_QUARANTINE_PATH GIT_DIR"
        " GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_PUSH_OPTION_COUNT\n"
        f"cd {second.root} && git push --quiet",
    )
    parent, made = make(hub.first)
    with pytest.raises(UsageError, match="not what was proven any more") as told:
        send(hub.first, parent, made)
    assert "Ada: Change" in told.value.problem
    assert not at(hub, "refs/tags")


def test_a_branch_that_is_gone_or_rewritten_is_told(hub):
    parent, made = make(hub.first)
    git(hub.remote, "update-ref", "-d", "refs/heads/main")
    with pytest.raises(UsageError, match="the branch is gone there"):
        send(hub.first, parent, made)
    first = hub.first
    first.commit()
    parent, made = make(first, run="run-2")
    old = first.git("rev-parse", "HEAD^")
    first.git("push", "--quiet", "origin", f"{old}:refs/heads/main")
    with pytest.raises(UsageError, match=f"it is at {old[:12]} there"):
        send(first, parent, made)


def test_a_tag_that_is_there_already_is_told(hub):
    second = hub.clone("second")
    second.git("tag", "v1.2.0", "-m", "by hand")
    second.git("push", "--quiet", "origin", "v1.2.0")
    told = refused(hub)
    assert "origin has v1.2.0 already" in told.problem
    _, made = make(hub.first)
    assert repository.pushed(hub.first.root, "origin", "main", made) == "other"


def test_of_two_releases_at_once_one_wins_and_nothing_is_mixed(hub):
    second = hub.clone("second")
    parent, one = make(hub.first)
    _, other = make(second, {"CHANGELOG.md": "other\n"})
    send(hub.first, parent, one)
    with pytest.raises(UsageError, match="has v1.2.0 already"):
        send(second, parent, other)
    assert at(hub, "refs/heads/main") == one.commit


@pytest.mark.parametrize(
    ("hook", "text"),
    [
        ("pre-receive", "echo 'GH006: changes must be made by a pull request' >&2"),
        ("update", "[ $1 = refs/heads/main ] || exit 0; echo GH006: no main >&2"),
        ("update", "[ $1 = refs/tags/v1.2.0 ] || exit 0; echo GH006: no tags >&2"),
    ],
)
def test_a_protected_branch_or_tag_is_told_with_the_servers_words(hub, hook, text):
    hub.hook(hook, f"{text}; exit 1")
    told = refused(hub)
    assert "GH006:" in told.problem
    assert "nothing was pushed" in told.problem
    assert "server's rules for main" in told.cure


def test_a_hook_that_says_nothing_is_told_by_its_name(hub):
    hub.hook("pre-receive", "exit 1")
    assert "pre-receive hook declined" in refused(hub).problem


def test_a_server_that_cannot_take_all_or_none_gets_nothing(hub):
    git(hub.remote, "config", "receive.advertiseAtomic", "false")
    told = refused(hub, SurroundingsError)
    assert "all or none" in told.problem
    assert "receive.advertiseAtomic true" in told.cure


def test_a_lock_that_was_left_on_the_server_is_told(hub):
    (hub.remote / "refs" / "heads" / "main.lock").touch()
    told = refused(hub, SurroundingsError)
    assert "was busy" in told.problem
    assert "lock file" in told.cure


def test_without_the_right_to_write_it_is_told(hub, monkeypatch):
    monkeypatch.setattr(sending, "SETTLE", 0.0)
    hub.first.git("config", "remote.origin.receivepack", "echo Permission denied >&2;:")
    told = refused(hub, SurroundingsError)
    assert "took no push" in told.problem and "Permission denied" in told.problem
    assert "right to write" in told.cure


def test_a_push_that_was_taken_though_its_answer_was_lost_is_done(hub):
    hub.hook("post-receive", "kill -9 $PPID")
    parent, made = make(hub.first)
    send(hub.first, parent, made)
    assert at(hub, "refs/heads/main") == made.commit


def test_a_server_that_ends_what_it_took_after_the_connection_broke_is_waited_for(hub):
    parent, made = make(hub.first)
    specs = [f"{made.commit}:refs/heads/main"]
    specs += [f"{id}:refs/tags/{name}" for name, id in made.tags.items()]
    real = hub.folder / "pack"
    real.write_text(
        "#!/bin/sh\n"
        f"(sleep 0.3; cd {hub.first.root}; git push -q --atomic {hub.remote}"
        f" {' '.join(specs)}) >{hub.folder}/said 2>&1 </dev/null &\n"
        "exit 1\n"
    )
    real.chmod(0o755)
    hub.first.git("config", "remote.origin.receivepack", str(real))
    send(hub.first, parent, made)
    assert at(hub, "refs/heads/main") == made.commit


def test_where_nobody_knows_whether_it_was_taken_that_is_told(hub):
    parent, made = make(hub.first)
    gone = hub.folder / "gone.git"
    hub.hook("post-receive", f"mv {hub.remote} {gone}; kill -9 $PPID")
    with pytest.raises(SurroundingsError, match="cannot be told whether it took"):
        send(hub.first, parent, made)
    gone.rename(hub.remote)
    assert repository.pushed(hub.first.root, "origin", "main", made) == "all"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SurroundingsError("silent")])
def test_what_cuts_a_push_off_does_not_decide_whether_it_was_taken(
    hub, monkeypatch, error
):
    monkeypatch.setattr(sending, "SETTLE", 0.0)
    call = sending.call

    def cut_off(root, *args, **more):
        if args[0] != "push":
            return call(root, *args, **more)
        if taken:
            call(root, *args, **more)
        raise error

    parent, made = make(hub.first)
    monkeypatch.setattr(sending, "call", cut_off)
    taken = False
    with pytest.raises((KeyboardInterrupt, SurroundingsError)):
        send(hub.first, parent, made)
    taken = True
    send(hub.first, parent, made)
    assert at(hub, "refs/heads/main") == made.commit


def test_hooks_of_the_user_have_no_part_in_it(hub):
    for name in ("pre-push", "reference-transaction", "post-merge", "post-checkout"):
        hub.hook(
            name, f"echo {name} >> {hub.folder}/ran; exit 1", hub.first.root / ".git"
        )
    parent, made = make(hub.first)
    send(hub.first, parent, made)
    assert repository.catch_up(hub.first.root, "main", parent, made) == []
    assert not (hub.folder / "ran").exists()


# Tags of others


def test_the_message_of_a_tag_is_fetched_when_it_is_not_here(hub):
    parent, made = make(hub.first)
    second = hub.clone("second")
    send(hub.first, parent, made)
    assert repository.tag_ids(second.root, ["v1.2.0", "v9"]) == {}
    assert repository.tagged(second.root, "origin", "v1.2.0") == MESSAGE
    assert repository.tag_ids(second.root, ["v1.2.0", "v9"]) == made.tags
    hub.remote.rename(hub.folder / "gone.git")
    assert repository.tagged(second.root, "origin", "v1.2.0") == MESSAGE
    with pytest.raises(SurroundingsError, match="does not give the tag v9"):
        repository.tagged(second.root, "origin", "v9")


def test_what_is_no_tag_or_a_light_one_has_no_message(hub):
    hub.first.git("tag", "light")
    assert repository.tagged(hub.first.root, "origin", "light") is None
    assert repository.tagged(hub.first.root, "origin", "v9") is None


# Catching up


@pytest.fixture
def out(hub):
    """A release that the remote has, and this clone not yet."""
    parent, made = make(hub.first, {**LOG, "app.py": "print(2)\n"})
    send(hub.first, parent, made)
    return hub.first, parent, made


def catch_up(out):
    of, parent, made = out
    return repository.catch_up(of.root, "main", parent, made)


def test_branch_tags_files_and_index_catch_up(out):
    of, parent, made = out
    assert catch_up(out) == []
    assert of.git("symbolic-ref", "HEAD") == "refs/heads/main"
    assert of.git("rev-parse", "HEAD", "v1.2.0").split() == [
        made.commit,
        made.tags["v1.2.0"],
    ]
    assert of.git("status", "--porcelain") == ""
    assert (of.root / "app.py").read_text() == "print(2)\n"
    assert catch_up(out) == []


def test_changes_that_are_not_in_the_way_stay_as_they_are(out):
    of, _, made = out
    of.write("sub/inner.py", "mine\n")
    of.write("new.py", "mine too\n")
    of.write("staged.py", "staged\n")
    of.git("add", "staged.py")
    assert catch_up(out) == []
    assert of.git("rev-parse", "HEAD") == made.commit
    assert of.git("status", "--porcelain").splitlines() == [
        "A  staged.py",
        " M sub/inner.py",
        "?? new.py",
    ]


@pytest.mark.parametrize("staged", [False, True])
@pytest.mark.parametrize("path", ["app.py", "CHANGELOG.md"])
def test_a_change_that_is_in_the_way_stays_and_is_told(out, path, staged):
    of, parent, made = out
    of.write(path, "mine\n")
    if staged:
        of.git("add", path)
    before = of.git("status", "--porcelain")
    [told] = catch_up(out)
    assert path in told and f"git merge --ff-only {made.commit[:12]}" in told
    assert (of.root / path).read_text() == "mine\n"
    assert of.git("status", "--porcelain") == before
    assert of.git("rev-parse", "HEAD") == parent
    assert of.git("rev-parse", "v1.2.0") == made.tags["v1.2.0"]


def test_a_commit_of_the_user_meanwhile_stays_and_is_told(out):
    of, _, _ = out
    of.write("mine.py")
    of.commit()
    head = of.git("rev-parse", "HEAD")
    [told] = catch_up(out)
    assert "commits of its own" in told
    assert of.git("rev-parse", "HEAD") == head


def test_a_clone_that_has_pulled_in_between_has_nothing_to_do(out):
    of, _, _ = out
    of.git("pull", "--quiet", "--ff-only", "origin", "main")
    of.commit()
    assert catch_up(out) == []


def test_a_branch_that_is_not_checked_out_moves_alone(out):
    of, _, made = out
    of.git("switch", "--quiet", "-c", "topic")
    of.write("app.py", "mine\n")
    assert catch_up(out) == []
    assert of.git("rev-parse", "main") == made.commit
    assert of.git("symbolic-ref", "--short", "HEAD") == "topic"
    assert (of.root / "app.py").read_text() == "mine\n"


def test_a_branch_that_is_checked_out_elsewhere_stays_and_is_told(out):
    of, parent, _ = out
    of.git("switch", "--quiet", "-c", "topic")
    elsewhere = of.root.parent / "elsewhere"
    of.git("worktree", "add", "--quiet", str(elsewhere), "main")
    [told] = catch_up(out)
    assert f"checked out in {elsewhere}" in told
    assert of.git("rev-parse", "main") == parent


def test_without_the_branch_as_in_ci_only_tags_come(out):
    of, parent, made = out
    of.git("checkout", "--quiet", "--detach")
    of.git("branch", "--quiet", "-D", "main")
    assert catch_up(out) == []
    assert of.git("rev-parse", "HEAD", "v1.2.0").split() == [
        parent,
        made.tags["v1.2.0"],
    ]


def test_a_tag_of_the_user_stays_and_is_told(out):
    of, _, made = out
    of.git("tag", "v1.2.0", "-m", "mine")
    mine = of.git("rev-parse", "v1.2.0")
    [told] = catch_up(out)
    assert "the tag v1.2.0 is another one here" in told
    assert of.git("rev-parse", "v1.2.0") == mine
    assert of.git("rev-parse", "HEAD") == made.commit


def test_a_lock_that_another_git_holds_is_told(out):
    of, parent, _ = out
    of.git("switch", "--quiet", "-c", "topic")
    (of.root / ".git" / "refs" / "heads" / "main.lock").touch()
    [told] = catch_up(out)
    assert "main stays as it is here" in told and "main.lock" in told
    assert of.git("rev-parse", "main") == parent


def test_catching_up_can_go_on_after_it_was_cut_off_before_the_branch_moved(out):
    of, parent, made = out
    of.git("update-index", "-q", "--refresh")
    of.git("read-tree", "-u", "-m", parent, made.commit)
    assert catch_up(out) == []
    assert of.git("status", "--porcelain") == ""
    assert of.git("rev-parse", "HEAD") == made.commit


# Killed at any moment


PREPARE = """
import sys
from pathlib import Path
from sametree.errors import SametreeError
from sametree.release import repository
root, parent = Path(sys.argv[1]), sys.argv[2]
try:
    files = {"CHANGELOG.md": %s}
    made = repository.prepare(root, "run-1", parent, files, "Release 1.2.0", 1790000000)
    message = "Maria 1.2.0\\n\\nSametree-Run: run-1\\n"
    tags = {"a-v1": message, "b-v2": message}
    made = repository.tag(root, "run-1", made, tags, 1790000000)
    repository.push(root, "origin", "main", parent, made)
except SametreeError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


def started(of, text):
    argv = [sys.executable, "-c", text, str(of.root), of.git("rev-parse", "HEAD")]
    env = {**os.environ, "PYTHONPATH": str(SUITE)}
    pipe = subprocess.PIPE
    return subprocess.Popen(argv, env=env, stdout=pipe, stderr=pipe)


def working(*folders):
    """Return the processes that work in one of ``folders``: git goes on without us."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            place = os.readlink(process / "cwd")
            found += [process.name] if place in map(str, folders) else []
    return found


@pytest.mark.proof
def test_a_kill_leaves_all_or_nothing_and_the_rest_can_be_done(hub):
    """From the first object to the push: the remote has all or none, the clone shows
    nothing, and the same calls again give the very same ids."""
    text = PREPARE % repr(LOG["CHANGELOG.md"])
    message = "Maria 1.2.0\n\nSametree-Run: run-1\n"
    tags = {"a-v1": message, "b-v2": message}
    parent, wanted = make(hub.clone("twin"), tags=tags)
    first, chance = hub.first, random.Random()
    for _ in range(KILLS):
        for name in ("refs/heads/main", "refs/tags/a-v1", "refs/tags/b-v2"):
            value = parent if name.endswith("main") else "0" * 40
            git(hub.remote, "update-ref", name, value)
        repository.forget(first.root, "run-1")
        moment = chance.uniform(0.1, 0.4)
        process = started(first, text)
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert eventually(lambda: not working(first.root, hub.remote))
        said = f"killed after {moment:.4f} s"
        told = repository.pushed(first.root, "origin", "main", wanted)
        assert told in ("all", "none"), said
        assert (at(hub, "refs/heads/main") == wanted.commit) == (told == "all"), said
        assert first.git("for-each-ref", "refs/tags") == "", said
        assert first.git("status", "--porcelain") == "", said
        assert make(first, tags=tags) == (parent, wanted), said
        if told == "none":
            send(first, parent, wanted)
        assert repository.pushed(first.root, "origin", "main", wanted) == "all", said
    assert repository.catch_up(first.root, "main", parent, wanted) == []
