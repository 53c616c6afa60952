"""Of those who release at once, one wins, and the others are told who."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from hubs import git

from sametree.errors import SurroundingsError, UsageError
from sametree.release import claim
from sametree.release.claim import REF, Claim

OURS = Claim(
    run="run-1",
    what="release maria 1.2.0",
    who="ada",
    host="laptop",
    pid=7,
    since=1_790_000_000,
)


def of(run):
    return msgspec.structs.replace(OURS, run=run)


def at(hub):
    """Return what the remote has."""
    told = git(hub.remote, "for-each-ref", "--format=%(objectname)", REF)
    return told.decode().strip()


def test_who_claims_is_read_by_all(hub):
    claim.take(hub.first.root, "origin", OURS)
    second = hub.clone("second")
    assert claim.read(second.root, "origin") == OURS
    assert claim.read(hub.first.root, "origin") == OURS


def test_where_nobody_claims_nothing_is_read_and_nothing_is_to_give_back(hub):
    assert claim.read(hub.first.root, "origin") is None
    claim.give_back(hub.first.root, "origin", "run-1")
    assert claim.break_(hub.first.root, "origin") is None


def test_the_second_is_told_who_where_since_when_what_for_and_the_ways_out(hub):
    claim.take(hub.first.root, "origin", OURS)
    second = hub.clone("second")
    with pytest.raises(UsageError) as told:
        claim.take(second.root, "origin", of("run-2"))
    for word in ("ada", "laptop", "2026-09-21", "maria 1.2.0", "run-1"):
        assert word in told.value.problem
    for word in ("wait", "invoke release --resume", "invoke release.unlock"):
        assert word in told.value.cure


def test_the_same_run_may_claim_again(hub):
    claim.take(hub.first.root, "origin", OURS)
    before = at(hub)
    resumed = msgspec.structs.replace(OURS, pid=8, since=OURS.since + 60)
    claim.take(hub.first.root, "origin", resumed)
    assert at(hub) == before


def test_a_claim_writes_no_ref_here_and_touches_no_file(hub):
    before = hub.first.git("for-each-ref"), hub.first.git("status", "--porcelain")
    claim.take(hub.first.root, "origin", OURS)
    claim.read(hub.first.root, "origin")
    after = hub.first.git("for-each-ref"), hub.first.git("status", "--porcelain")
    assert after == before


def test_only_ones_own_claim_is_given_back(hub):
    claim.take(hub.first.root, "origin", OURS)
    claim.give_back(hub.first.root, "origin", "run-2")
    assert claim.read(hub.first.root, "origin") == OURS
    claim.give_back(hub.first.root, "origin", "run-1")
    assert not at(hub)
    claim.take(hub.first.root, "origin", of("run-2"))


def test_a_claim_can_be_taken_away_and_is_told(hub):
    claim.take(hub.first.root, "origin", OURS)
    second = hub.clone("second")
    assert claim.break_(second.root, "origin") == OURS
    assert not at(hub)


def test_of_twelve_at_once_exactly_one_wins(hub):
    clones = [hub.first, hub.clone("second")]
    line = threading.Barrier(12)

    def race(number):
        line.wait()
        try:
            claim.take(clones[number % 2].root, "origin", of(f"run-{number}"))
        except UsageError as error:
            assert "releases already" in error.problem
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        won = list(pool.map(race, range(12)))
    assert won.count(True) == 1
    assert claim.read(hub.first.root, "origin").run == f"run-{won.index(True)}"


def test_a_claim_whose_answer_was_lost_is_ours(hub):
    hub.hook("post-receive", "kill -9 $PPID")
    claim.take(hub.first.root, "origin", OURS)
    assert claim.read(hub.first.root, "origin") == OURS


def test_a_claim_that_was_given_back_in_between_is_taken(hub, monkeypatch):
    claim.take(hub.first.root, "origin", of("run-0"))
    second = hub.clone("second")
    look = claim._look

    def given_back_first(root, there):
        monkeypatch.setattr(claim, "_look", look)
        claim.give_back(second.root, "origin", "run-0")
        return look(root, there)

    monkeypatch.setattr(claim, "_look", given_back_first)
    claim.take(hub.first.root, "origin", OURS)
    assert claim.read(second.root, "origin") == OURS


def test_a_claim_that_changes_under_our_eyes_is_looked_at_again(hub, monkeypatch):
    claim.take(hub.first.root, "origin", of("run-0"))
    second = hub.clone("second")
    call = claim.call
    asked = []

    def changed_after_the_first_look(root, *args, **more):
        done = call(root, *args, **more)
        if args[0] == "ls-remote" and not asked:
            asked.append(args)
            claim.break_(hub.first.root, "origin")
            claim.take(hub.first.root, "origin", OURS)
        return done

    monkeypatch.setattr(claim, "call", changed_after_the_first_look)
    assert claim.read(second.root, "origin") == OURS


def test_one_that_somebody_else_took_in_between_is_not_given_back(hub, monkeypatch):
    claim.take(hub.first.root, "origin", OURS)
    look = claim._look

    def changed_after_the_look(root, there):
        found = look(root, there)
        monkeypatch.setattr(claim, "_look", look)
        claim.break_(hub.first.root, "origin")
        claim.take(hub.first.root, "origin", of("run-2"))
        return found

    monkeypatch.setattr(claim, "_look", changed_after_the_look)
    claim.give_back(hub.first.root, "origin", "run-1")
    assert claim.read(hub.first.root, "origin").run == "run-2"


def test_an_end_whose_answer_was_lost_is_an_end(hub):
    claim.take(hub.first.root, "origin", OURS)
    hub.hook("post-receive", "kill -9 $PPID")
    claim.give_back(hub.first.root, "origin", "run-1")
    assert not at(hub)


def test_a_server_that_takes_no_claim_is_quoted(hub):
    hub.hook("pre-receive", "echo no claims here >&2; exit 1")
    with pytest.raises(SurroundingsError) as told:
        claim.take(hub.first.root, "origin", OURS)
    assert "origin took no claim" in told.value.problem
    assert "no claims here" in told.value.problem
    assert REF in told.value.cure


def test_a_server_that_lets_nothing_be_removed_is_quoted(hub):
    claim.take(hub.first.root, "origin", OURS)
    hub.hook("update", "case $3 in *[!0]*) ;; *) echo it stays >&2; exit 1;; esac")
    with pytest.raises(SurroundingsError) as told:
        claim.give_back(hub.first.root, "origin", "run-1")
    assert "it stays" in told.value.problem
    assert REF in told.value.cure


def test_a_lock_that_was_left_on_the_server_is_told(hub, monkeypatch):
    monkeypatch.setattr(claim, "TRIES", 2)
    lock = hub.remote / f"{REF}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    with pytest.raises(SurroundingsError) as told:
        claim.take(hub.first.root, "origin", OURS)
    assert "nobody has claimed" in told.value.problem
    assert "lock file" in told.value.cure


def test_without_the_remote_it_is_told_with_gits_words(hub):
    hub.remote.rename(hub.folder / "gone.git")
    for ask in (
        lambda: claim.read(hub.first.root, "origin"),
        lambda: claim.take(hub.first.root, "origin", OURS),
        lambda: claim.give_back(hub.first.root, "origin", "run-1"),
    ):
        with pytest.raises(SurroundingsError, match="does not appear to be a git"):
            ask()


def test_a_remote_that_does_not_exist_is_told_with_where_it_is_named(hub):
    with pytest.raises(UsageError) as told:
        claim.read(hub.first.root, "nowhere")
    assert "there is origin" in told.value.problem
    assert "[tool.sametree.release]" in told.value.cure


@pytest.mark.parametrize(
    "message", ["", "a person's", "[1]", json.dumps({"run": 1}), '{"since": 1e99}']
)
def test_something_else_in_its_place_is_told_and_can_be_removed(hub, message):
    made = hub.first.git(
        *("commit-tree", hub.first.committed, "-m", message), *("-p", "HEAD")
    )
    hub.first.git("push", "--quiet", "origin", f"{made}:{REF}")
    second = hub.clone("second")
    for ask in (
        lambda: claim.read(second.root, "origin"),
        lambda: claim.take(second.root, "origin", OURS),
    ):
        with pytest.raises(UsageError, match="no claim that this version understands"):
            ask()
    claim.give_back(second.root, "origin", "run-1")
    assert at(hub)
    assert claim.break_(second.root, "origin") is None
    assert not at(hub)


def test_a_claim_of_a_far_away_time_is_none(hub):
    told = json.dumps({**msgspec.to_builtins(OURS), "since": 10**17})
    made = hub.first.git("commit-tree", hub.first.committed, "-m", told)
    hub.first.git("push", "--quiet", "origin", f"{made}:{REF}")
    with pytest.raises(UsageError, match="no claim"):
        claim.read(hub.first.root, "origin")


def test_what_a_claim_says_steers_no_terminal(hub):
    evil = msgspec.structs.replace(OURS, who="\x1b[2Jada\n", what="\x9bx")
    claim.take(hub.first.root, "origin", evil)
    found = claim.read(hub.first.root, "origin")
    assert (found.who, found.what) == (" [2Jada ", " x")
    assert "\x1b" not in str(claim.taken(found, "origin"))


def test_a_claim_in_a_shallow_clone_and_without_an_identity_works(hub):
    shallow = hub.clone("shallow", "--depth=1")
    config = shallow.root / ".git" / "config"
    config.write_text(config.read_text().replace("[user]", "[nobody]"))
    claim.take(shallow.root, "origin", OURS)
    assert claim.read(hub.first.root, "origin") == OURS


def test_where_the_disk_cannot_be_written_it_is_told(hub):
    objects = hub.first.root / ".git" / "objects"
    objects.rename(hub.folder / "objects")
    objects.write_text("")
    with pytest.raises((SurroundingsError, UsageError)) as told:
        claim.take(hub.first.root, "origin", OURS)
    assert "git" in told.value.problem


def test_many_readers_of_one_clone_do_not_hinder_each_other(hub):
    claim.take(hub.first.root, "origin", OURS)
    second = hub.clone("second")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: claim.read(second.root, "origin"), range(4)))
    assert found == [OURS] * 4
