"""How is a list of steps done so that it can be stopped, resumed and undone?

The steps are data that do themselves: what a plan prints is what runs. What is left to
do is asked of the world each time, so a resumed run does what is missing, no more.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn, Protocol

from sametree.stepwise.journal import Journal
from sametree.stepwise.lease import Lost
from sametree.errors import INTERRUPTED, SametreeError, of_machine


class Step(Protocol):
    """One change of the world.

    ``done`` says whether the world is as it is after ``do``, or past that. ``do`` can be
    done again after it was cut off; ``undo`` can be done after any part of it. With
    ``world_tells``, a step that finds it done before it ever began has nothing to do;
    else something in it has to happen now, such as judging.
    """

    @property
    def world_tells(self) -> bool:
        """Whether the world alone says that nothing is to be done."""

    @property
    def name(self) -> str:
        """What it is called in the journal."""

    def describe(self) -> str:
        """Return what it does, in a sentence."""

    def done(self) -> bool:
        """Return whether nothing is left to do."""

    def do(self) -> None:
        """Do it. Raises SametreeError or OSError."""

    def undo(self) -> None:
        """Make the world what it was before."""


class Stopped(SametreeError):
    """Ctrl-C at a safe border: what was done stands."""

    exit_code = INTERRUPTED


class Undone(SametreeError):
    """A step failed, and all was undone."""


class Half(SametreeError):
    """A step failed, and not all could be undone: that is still to be done."""


class Left(SametreeError):
    """A step failed where nothing is undone any more: what was done stands, and the rest
    is still to be done."""


class Unsure(SametreeError):
    """Nobody knows whether the step was done: it is neither undone nor gone on with."""


class Wish:
    """Whether somebody wants it to stop (Ctrl-C once) or to be undone (twice)."""

    def __init__(self) -> None:
        self.count = 0

    def at_border(self) -> None:
        """Raise Stopped when somebody wants it to stop."""
        if self.count:
            raise Stopped("stopped by Ctrl-C at a safe border")

    @contextmanager
    def heard(self, say: Callable[[str], None]) -> Iterator[None]:
        """Hear SIGINT and SIGTERM for the length of the block."""

        def note(number: int, frame: object) -> None:
            self.count += 1
            if self.count == 1:
                say("  stopping at the next safe border; Ctrl-C again undoes all")
            elif self.count == 2:
                _interrupt()

        before = {
            number: signal.signal(number, note)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _interrupt() -> NoReturn:
    raise KeyboardInterrupt


class Teller(Protocol):
    """Who is told what happens to each step."""

    def begins(self, number: int, step: Step) -> None:
        """A step begins."""

    def ends(self, number: int, step: Step, seconds: float, word: str) -> None:
        """It is ``done``, ``stands`` already, ``failed`` or is ``undone``."""


def run(
    steps: Sequence[Step],
    journal: Journal,
    allowed: Callable[[], None],
    wish: Wish,
    teller: Teller,
    last_undone: int | None = None,
) -> None:
    """Do what is left of ``steps``, in their order.

    ``allowed`` raises Lost when we may not change anything any more; it is asked before
    each step. When a step fails, or Ctrl-C comes twice, all that was begun is undone;
    but behind the step ``last_undone`` (by its number) there is no way back.
    Raises Stopped (what was done stands), Lost (nobody undoes: it is another's now),
    Undone, which says why, Half, which says what is in the way, and Left.
    """
    for number, step in enumerate(steps):
        wish.at_border()
        allowed()
        before = journal.last(number)
        known = before == "done" or not before and step.world_tells
        if known and step.done():
            teller.ends(number, step, 0.0, "stands")
            continue
        began = time.monotonic()
        journal.write("begin", number, name=step.name)
        teller.begins(number, step)
        try:
            step.do()
        except (Lost, Stopped):
            raise
        except (SametreeError, OSError, KeyboardInterrupt) as error:
            reason = _reason(error)
            teller.ends(number, step, time.monotonic() - began, "failed")
            _note(journal, "failed", number, problem=str(reason))
            final = last_undone is not None and number > last_undone
            if final or isinstance(error, Unsure):
                raise Left(reason.problem, reason.cure) from None
            try:
                undo(steps, journal, allowed, teller)
            except (SametreeError, OSError) as second:
                why = _reason(second)
                raise Half(
                    f"{reason.problem}\n  and undoing that failed: {why.problem}",
                    why.cure,
                ) from None
            raise Undone(reason.problem, reason.cure) from None
        journal.write("done", number, seconds=round(time.monotonic() - began, 3))
        teller.ends(number, step, time.monotonic() - began, "done")


def undo(
    steps: Sequence[Step],
    journal: Journal,
    allowed: Callable[[], None],
    teller: Teller,
) -> None:
    """Undo all that was begun, the last first. Raises Lost, and what ``undo`` raises."""
    for number in reversed(range(len(steps))):
        if journal.last(number) in ("", "undone"):
            continue
        allowed()
        began = time.monotonic()
        _note(journal, "undo", number)
        steps[number].undo()
        _note(journal, "undone", number)
        teller.ends(number, steps[number], time.monotonic() - began, "undone")


def _note(journal: Journal, event: str, number: int, **told: object) -> None:
    """Write a line; on a full disk undoing is more than telling of it."""
    try:
        journal.write(event, number, **told)  # type: ignore[arg-type]
    except OSError:
        pass


def _reason(error: BaseException) -> SametreeError:
    if isinstance(error, SametreeError):
        return error
    if isinstance(error, OSError):
        return of_machine(error)
    return SametreeError("Ctrl-C twice")
