"""How does a new colour do, from the beginning of a stage until there is a verdict?

A watch only looks and judges: what a verdict leads to is its caller's to decide. So it
can look on at a rollback as well, and never starts one.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Literal, Self

from msgspec import Struct, structs

from sametree.deploy.gate.asides import Asides
from sametree.deploy.gate.command import Command
from sametree.deploy.gate.counts import Counts, Read
from sametree.deploy.gate.judge import Figures, Pool, Verdict, Window, judge
from sametree.deploy.gate.probes import Probes
from sametree.deploy.gate.prometheus import Questions
from sametree.settings.model import Gate
from sametree.steps import Step

EVERY = 0.25
"""Seconds between two polls."""
RENEWED = 2.0
"""Seconds after which a window in which both colours fail is begun anew."""


class Stage(Struct, frozen=True):
    """A part of a deployment: the new colour has ``share`` parts of 10,000 of the
    traffic, and is judged for ``bake`` seconds."""

    name: str
    share: int
    bake: float


class Shown(Struct, frozen=True, kw_only=True):
    """A colour at a moment: requests a second of late, those at work, and figures since
    the window began."""

    name: str
    rate: float
    active: int
    figures: Figures


class View(Struct, frozen=True, kw_only=True):
    """A poll as it is shown: ``left`` are the seconds until the bake is over, and
    ``patience`` those until time is."""

    stage: Stage
    elapsed: float
    left: float
    patience: float
    colours: tuple[Shown, ...]
    verdict: Verdict


class Watch:
    """Watches colour ``new`` beside ``old`` (None on a first deployment).

    ``read`` gives the router's statistics (``Router.stats``). ``probes`` are entered
    with the watch; ``command`` is run with ``env`` when a stage has baked. ``on_poll``
    is given each poll; what it raises ends the watch. Use it in a ``with`` statement,
    from before traffic moves, and ``run`` it for each stage.
    """

    def __init__(
        self,
        read: Read,
        new: str,
        old: str | None,
        rules: Gate,
        *,
        probes: Probes | None = None,
        command: Step | None = None,
        env: Mapping[str, str] | None = None,
        on_poll: Callable[[View], None] = lambda view: None,
        every: float = EVERY,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._new, self._old, self._rules = new, old, rules
        self._probes = probes
        self._start: Callable[[], Command] | None = None
        if command is not None:
            self._start = functools.partial(Command, command, env or {})
        self._on_poll = on_poll
        self._every, self._clock, self._sleep = every, clock, sleep
        self._counts = Counts(read, probes)
        self._questions: Questions | None = None
        if rules.prometheus and rules.query:
            self._questions = Questions(rules.prometheus, rules.query)
        self._before: Pool | None = None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as entered:
            for each in (self._probes, self._questions):
                if each is not None:
                    entered.enter_context(each)
            self._counts.look(self._clock())
            self._open = entered.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    def run(self, stage: Stage) -> Verdict:
        """Watch ``stage``, from now on, until it passes or fails."""
        began = self._clock()
        self._counts.look(began)
        self._keep_before()
        self._counts.begin(began)
        with ExitStack() as entered:
            asides = Asides(self._rules, self._questions, self._start)
            entered.callback(asides.stop)
            while True:
                now = self._clock()
                self._counts.look(now)
                view = self._view(stage, began, now, asides)
                self._on_poll(view)
                if view.verdict.kind != "wait":
                    self._keep_before()
                    return view.verdict
                if view.verdict.shared and now - self._counts.began >= RENEWED:
                    self._counts.begin(now)
                self._sleep(max(0.0, now + self._every - self._clock()))

    def _keep_before(self) -> None:
        """Remember what the old colour does while it has the traffic."""
        if self._old is None:
            return
        window = self._counts.pool(self._old)
        others = self._counts.pool(self._new)
        if window.users[1] and 2 * window.users[1] >= others.users[1]:
            self._before = window

    def _window(self, pool: Callable[[str], Pool], now: float) -> Window:
        return Window(
            new=pool(self._new),
            old=pool(self._old) if self._old else None,
            seconds=now - self._counts.began,
            before=self._before,
        )

    def _view(self, stage: Stage, began: float, now: float, asides: Asides) -> View:
        elapsed = now - began
        window = self._window(self._counts.pool, now)
        window = structs.replace(window, warm=self._window(self._counts.warm, now))
        verdict = judge(window, self._rules, bake=stage.bake, elapsed=elapsed)
        patience = max(self._rules.deadline, stage.bake) - elapsed
        if problem := self._counts.problem:
            problem = f"the router tells nothing: {problem}"
            if verdict.kind == "fail":
                problem = f"{verdict.reason}; {problem}"
            kind: Literal["fail", "wait"]
            kind = "fail" if verdict.kind == "fail" else "wait"
            verdict = structs.replace(verdict, kind=kind, reason=problem)
        verdict = asides.judge(verdict)
        if verdict.kind == "wait" and patience <= 0:
            reason = f"{verdict.reason}, and {self._rules.deadline:g} s are over"
            verdict = structs.replace(verdict, kind="fail", reason=reason)
        pools = [pool for pool in (window.new, window.old) if pool]
        figures = [each for each in (verdict.new, verdict.old) if each]
        return View(
            stage=stage,
            elapsed=elapsed,
            left=max(0.0, stage.bake - window.seconds),
            patience=max(0.0, patience),
            colours=tuple(
                Shown(
                    name=pool.name,
                    rate=self._counts.rate(pool.name),
                    active=pool.stats.active,
                    figures=each,
                )
                for pool, each in zip(pools, figures, strict=True)
            ),
            verdict=verdict,
        )
