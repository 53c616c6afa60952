"""Steps are done in order, resumed where they were cut off, undone in reverse."""

import os
import signal

import pytest

from sametree.stepwise import engine, journal, lease
from sametree.errors import INTERRUPTED, SametreeError, SurroundingsError, UnitFailed


class Write:
    """A step that writes a file into the world; it can be told to fail."""

    world_tells = False

    def __init__(self, world, name, error=None, then=lambda: None):
        self.world, self.name, self.error, self.then = world, name, error, then
        self.times = 0

    def describe(self):
        return f"write {self.name}"

    def done(self):
        return (self.world / self.name).exists()

    def do(self):
        self.times += 1
        (self.world / self.name).write_text("")
        self.then()
        if self.error:
            raise self.error

    def undo(self):
        (self.world / self.name).unlink(missing_ok=True)


class Told:
    """Hears what is told."""

    def __init__(self):
        self.heard = []

    def begins(self, number, step):
        self.heard.append(("begins", step.name))

    def ends(self, number, step, seconds, word):
        self.heard.append((word, step.name))


@pytest.fixture
def world(folder):
    made = folder / "world"
    made.mkdir()
    return made


def there(world):
    return sorted(each.name for each in world.iterdir())


def run(steps, written, wish=None, allowed=lambda: None):
    told = Told()
    written.begin("test", {"steps": len(steps)})
    engine.run(steps, written, allowed, wish or engine.Wish(), told)
    return told.heard


def resume(steps, folder):
    told = Told()
    written = journal.open_one(folder)
    engine.run(steps, written, lambda: None, engine.Wish(), told)
    return told.heard


def test_all_are_done_in_order_and_each_is_in_the_journal(folder, world):
    steps = [Write(world, name) for name in "abc"]
    written = journal.new(folder, "run")
    assert [name for word, name in run(steps, written) if word == "done"] == [*"abc"]
    assert there(world) == [*"abc"]
    events = [(line["event"], line.get("step")) for line in written.lines[1:]]
    assert events == [(e, n) for n in range(3) for e in ("begin", "done")]


@pytest.mark.parametrize(
    ("error", "says", "code"),
    [
        (UnitFailed("the gate said no", "look there"), "the gate said no", 1),
        (SurroundingsError("no server"), "no server", 1),
        (OSError(28, "No space left on device"), "No space left on device", 1),
        (KeyboardInterrupt(), "Ctrl-C twice", 1),
    ],
)
def test_a_failure_undoes_all_the_last_first(folder, world, error, says, code):
    steps = [Write(world, "a"), Write(world, "b"), Write(world, "c", error)]
    steps.append(Write(world, "d"))
    written = journal.new(folder, "run")
    with pytest.raises(engine.Undone) as raised:
        run(steps, written)
    assert says in str(raised.value) and raised.value.exit_code == code
    assert there(world) == []
    undone = [line["step"] for line in written.lines if line["event"] == "undone"]
    assert undone == [2, 1, 0]


@pytest.mark.parametrize("lines", range(1, 8))
def test_it_goes_on_after_a_kill_at_any_line_of_the_journal(folder, world, lines):
    steps = [Write(world, name) for name in "abc"]
    run(steps, journal.new(folder, "run"))
    path = folder / journal.FOLDER / "run.jsonl"
    kept = path.read_bytes().splitlines(keepends=True)[:lines]
    path.write_bytes(b"".join(kept))
    finished = (lines - 1) // 2
    for name in "abc"[finished:]:  # what the journal does not vouch for is in doubt
        (world / name).unlink()
    heard = resume(steps, folder)
    assert [n for word, n in heard if word == "stands"] == [*"abc"[:finished]]
    assert there(world) == [*"abc"]


def test_what_the_journal_says_is_done_is_done_again_when_the_world_lacks_it(
    folder, world
):
    steps = [Write(world, name) for name in "ab"]
    run(steps, journal.new(folder, "run"))
    (world / "a").unlink()
    assert ("done", "a") in resume(steps, folder)
    assert there(world) == ["a", "b"]


def test_what_the_world_alone_tells_is_not_done_when_it_stands_already(folder, world):
    steps = [Write(world, "a"), Write(world, "b")]
    steps[0].world_tells = True
    for name in "ab":
        (world / name).write_text("")
    assert run(steps, journal.new(folder, "run"))[0] == ("stands", "a")
    assert (steps[0].times, steps[1].times) == (0, 1)


def test_abort_undoes_what_was_begun_and_no_more(folder, world):
    steps = [Write(world, name) for name in "abc"]
    written = journal.new(folder, "run")
    written.begin("test", {})
    written.write("begin", 0)
    steps[0].do()
    written.write("done", 0)
    written.write("begin", 1)
    (world / "c").write_text("somebody else's")
    told = Told()
    engine.undo(steps, journal.open_one(folder), lambda: None, told)
    assert there(world) == ["c"]
    assert [name for _, name in told.heard] == ["b", "a"]


def test_ctrl_c_stops_at_the_next_border_and_what_was_done_stands(folder, world):
    wish = engine.Wish()
    said = []

    def press():
        os.kill(os.getpid(), signal.SIGINT)

    steps = [Write(world, "a", then=press), Write(world, "b")]
    with wish.heard(said.append), pytest.raises(engine.Stopped) as stopped:
        run(steps, journal.new(folder, "run"), wish)
    assert stopped.value.exit_code == INTERRUPTED
    assert there(world) == ["a"]
    assert said == ["  stopping at the next safe border; Ctrl-C again undoes all"]
    assert [w for w, _ in resume(steps, folder)] == ["stands", "begins", "done"]


def test_ctrl_c_twice_undoes_all(folder, world):
    wish = engine.Wish()

    def press():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    steps = [Write(world, "a"), Write(world, "b", then=press)]
    with wish.heard(lambda text: None), pytest.raises(engine.Undone):
        run(steps, journal.new(folder, "run"), wish)
    assert there(world) == []


def test_who_has_lost_the_lease_neither_does_nor_undoes(folder, world):
    answers = iter([None, lease.Lost("lost")])

    def allowed():
        if (answer := next(answers)) is not None:
            raise answer

    steps = [Write(world, "a"), Write(world, "b")]
    with pytest.raises(lease.Lost):
        run(steps, journal.new(folder, "run"), allowed=allowed)
    assert there(world) == ["a"]


def test_a_full_disk_does_not_keep_it_from_undoing(folder, world, monkeypatch):
    steps = [Write(world, "a"), Write(world, "b", SametreeError("no"))]
    written = journal.new(folder, "run")
    write = written.write

    def full(event, *args, **told):
        if event in ("failed", "undo", "undone"):
            raise OSError(28, "No space left on device")
        write(event, *args, **told)

    monkeypatch.setattr(written, "write", full)
    with pytest.raises(engine.Undone):
        run(steps, written)
    assert there(world) == []


def test_what_cannot_be_undone_is_told_with_the_reason_and_can_be_tried_again(
    folder, world
):
    class Stuck(Write):
        stuck = True

        def undo(self):
            if self.stuck:
                raise SurroundingsError("the router is silent", "start it")
            super().undo()

    steps = [Stuck(world, "a"), Write(world, "b", UnitFailed("the gate said no"))]
    with pytest.raises(engine.Half) as told:
        run(steps, journal.new(folder, "run"))
    assert str(told.value) == (
        "the gate said no\n  and undoing that failed: the router is silent\n  -> start it"
    )
    assert there(world) == ["a"]
    steps[0].stuck = False
    engine.undo(steps, journal.open_one(folder), lambda: None, Told())
    assert there(world) == []


class TestJournals:
    def test_one_that_has_ended_is_not_open(self, folder):
        written = journal.new(folder, "run")
        written.begin("deploy", {"tree": "abc"})
        assert journal.open_one(folder).plan == {"tree": "abc"}
        written.write("end", result="done")
        assert journal.Journal(written.path).result == "done"
        assert journal.open_one(folder) is None

    def test_one_without_a_plan_was_nothing(self, folder):
        (folder / journal.FOLDER).mkdir()
        path = folder / journal.FOLDER / "run.jsonl"
        path.write_text('{"event": "pl')
        assert journal.open_one(folder) is None
        assert not path.exists()

    def test_the_newest_counts(self, folder):
        journal.new(folder, "20260101").begin("deploy", {"n": 1})
        journal.new(folder, "20260102").begin("deploy", {"n": 2})
        assert journal.open_one(folder).run == "20260102"


def test_behind_the_last_step_that_is_undone_nothing_is_taken_back(folder, world):
    written = journal.new(folder, "run")
    failing = Write(world, "c", UnitFailed("the index is full", "make room"))
    steps = [Write(world, "a"), Write(world, "b"), failing]
    with pytest.raises(engine.Left, match="the index is full") as caught:
        engine.run(steps, written, lambda: None, engine.Wish(), Told(), 1)
    assert caught.value.cure == "make room"
    assert there(world) == ["a", "b", "c"]
    assert [written.last(number) for number in range(3)] == ["done", "done", "failed"]
    failing.error = None
    engine.run(steps, written, lambda: None, engine.Wish(), Told(), 1)
    assert failing.times == 2


def test_up_to_it_all_is_undone(folder, world):
    written = journal.new(folder, "run")
    steps = [Write(world, "a"), Write(world, "b", UnitFailed("no"))]
    with pytest.raises(engine.Undone, match="no"):
        engine.run(steps, written, lambda: None, engine.Wish(), Told(), 1)
    assert there(world) == []


def test_what_nobody_knows_to_be_done_is_not_undone(folder, world):
    written = journal.new(folder, "run")
    steps = [Write(world, "a"), Write(world, "b", engine.Unsure("no answer"))]
    with pytest.raises(engine.Left, match="no answer"):
        engine.run(steps, written, lambda: None, engine.Wish(), Told(), 1)
    assert there(world) == ["a", "b"]
