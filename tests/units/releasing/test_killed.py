"""After a kill -9 at any moment of a release, the next command knows what to do."""

import os
import random
import signal
import sys
import time
import traceback

import pytest
from shops import Shop

from sametree import files
from sametree.errors import UsageError
from sametree.release import claim, message
from sametree.stepwise import journal, lease
from sametree.units.releasing import flow, halves, world
from sametree.units.releasing.flow import Asked

YES = Asked(yes=True)


def killed(shop: Shop, do, lines: int = -1, seconds: float = 0.0) -> bool:
    """``do`` in a process of its own, which is killed before line ``lines`` of the
    journal, or after ``seconds``; return whether it was."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setpgid(0, 0)
            append = files.append_line
            left = [lines]

            def counted(path, line):
                if path.parent.name == journal.FOLDER:
                    if left[0] == 0:
                        os.killpg(0, signal.SIGKILL)
                    left[0] -= 1
                append(path, line)

            files.append_line = counted
            do()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    if seconds:
        time.sleep(seconds)
        try:
            os.killpg(child, signal.SIGKILL)
        except ProcessLookupError:
            pass
    _, status = os.waitpid(child, 0)
    ended = os.waitstatus_to_exitcode(status)
    assert ended in (0, -signal.SIGKILL), ended
    return ended == -signal.SIGKILL


def whole(shop: Shop, version: str) -> None:
    """Check that the release is whole: nothing half, nothing left open."""
    tag = f"v{version}"
    told = message.decode(shop.at_remote("cat-file", "tag", tag).split("\n\n", 1)[1])
    assert told is not None and len(told.files) == 2
    assert shop.at_remote("rev-parse", f"{tag}^{{commit}}") == shop.at_remote(
        "rev-parse", "main"
    )
    at_rest(shop)
    assert shop.git("rev-parse", "main").strip() == shop.at_remote("rev-parse", "main")
    assert shop.git("status", "--porcelain") == ""


def at_rest(shop: Shop) -> None:
    folder = world.folder_of(shop.project)
    assert journal.open_one(folder) is None
    assert lease.read(folder) is None
    assert claim.read(shop.root, "origin") is None
    assert shop.git("for-each-ref", "refs/sametree") == ""


def release(shop: Shop) -> None:
    flow.release(shop.project, YES)


def test_it_goes_on_where_it_was_killed(shop, capsys):
    assert killed(shop, lambda: release(shop), lines=7)
    with pytest.raises(UsageError, match="a release has not ended: release shop 0.1.0"):
        release(shop)
    flow.go_on(shop.project, YES)
    whole(shop, "0.1.0")


@pytest.mark.proof
def test_it_is_undone_where_it_was_killed(shop, capsys):
    before = shop.at_remote("for-each-ref")
    assert killed(shop, lambda: release(shop), lines=8)
    flow.abort(shop.project)
    assert "undone: nothing of release shop 0.1.0 is left" in capsys.readouterr().out
    assert shop.at_remote("for-each-ref") == before
    at_rest(shop)
    release(shop)
    whole(shop, "0.1.0")


def test_after_the_push_nothing_is_undone(shop):
    assert killed(shop, lambda: release(shop), lines=13)
    assert "v0.1.0" in shop.at_remote("tag")
    with pytest.raises(UsageError, match="nothing is undone any more") as caught:
        flow.abort(shop.project)
    assert "--resume" in caught.value.cure
    flow.go_on(shop.project, YES)
    whole(shop, "0.1.0")


@pytest.mark.proof
def test_another_clone_sees_what_is_half_done_and_finishes_it(shop, capsys):
    assert killed(shop, lambda: release(shop), lines=13)
    other = shop.clone("other")
    with pytest.raises(UsageError, match="v0.1.0 is half released") as caught:
        release(other)
    assert "--resume" in caught.value.cure
    flow.go_on(other.project, YES)
    assert halves.find(other.project, flow.seen(other.project)) is None
    assert claim.read(other.root, "origin") is None
    # Where it began, too, it goes on from what the world is by now.
    flow.go_on(shop.project, YES)
    whole(shop, "0.1.0")


@pytest.mark.proof(seconds=30)
def test_a_kill_at_any_line_is_got_over(proven, shop, folder):
    lines = 0
    while True:
        copy = proven("").copy(folder / str(lines))
        copy.share_environments()
        if not killed(copy, lambda: release(copy), lines=lines):
            break
        pushed = "v0.1.0" in copy.at_remote("tag")
        if lines // 2 % 2 and not pushed:
            flow.abort(copy.project)
            at_rest(copy)
            release(copy)
        else:
            flow.go_on(copy.project, YES)
            if lines == 0:
                release(copy)  # killed before there was a plan: nothing was begun
        whole(copy, "0.1.0")
        lines += 1
    assert lines > 14


@pytest.mark.proof
def test_a_kill_at_any_moment_is_got_over(proven, shop, folder):
    began = time.monotonic()
    release(shop)
    took = time.monotonic() - began
    rnd = random.Random(6)
    for number in range(20):
        copy = proven("").copy(folder / str(number))
        copy.share_environments()
        if killed(copy, lambda: release(copy), seconds=rnd.uniform(0.05, took)):
            flow.go_on(copy.project, YES)
            if "v0.1.0" not in copy.at_remote("tag"):
                release(copy)
        whole(copy, "0.1.0")
