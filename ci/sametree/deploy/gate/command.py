"""Does the project's own command say yes to the new colour?"""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from msgspec import structs

from sametree import masking, steps
from sametree.deploy.gate import leash
from sametree.errors import SametreeError
from sametree.steps import Outcome, Step

SHOWN = 10
"""Last lines of a failed command that are told."""
PATIENCE = 5.0
"""Seconds in which a stopped command is gone: ``steps`` kills it before."""


class _Enough(Exception):
    """Nobody waits for the command any more."""


class Command:
    """Runs ``step`` in a thread of its own, so that judging goes on meanwhile."""

    def __init__(self, step: Step, env: Mapping[str, str]) -> None:
        # A thread cannot be interrupted, and ``steps`` calls us for lines only; so a
        # program between us and the command prints one now and then.
        argv = (sys.executable, "-P", str(Path(leash.__file__)), *step.argv)
        self._step = structs.replace(step, argv=argv)
        self.name = str(step)
        self._env = env
        self._stopping = False
        self._problem: str | None = None
        self._thread = threading.Thread(
            target=self._run, name="sametree command", daemon=True
        )
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._thread.is_alive()

    @property
    def problem(self) -> str:
        """Why it says no; empty when it said yes, or has not ended yet."""
        if self.running:
            return ""
        return "it did not end as it should" if self._problem is None else self._problem

    def stop(self) -> None:
        """End it, if it runs, with all that it has started."""
        self._stopping = True
        self._thread.join(PATIENCE)

    def _run(self) -> None:
        try:
            outcome = steps.run(self._step, self._env, on_line=self._take)
            self._problem = "" if outcome.passed else self._why(outcome)
        except _Enough:
            self._problem = f"`{self.name}` was stopped"
        except (SametreeError, OSError) as error:
            self._problem = str(error)

    def _take(self, line: str) -> None:
        if self._stopping:
            raise _Enough

    def _why(self, outcome: Outcome) -> str:
        # A sign may come in the middle of a line, and even of a secret.
        said = masking.hide(outcome.output.replace(f"{leash.SIGN}\n", ""))
        last = [line.rstrip() for line in said.splitlines() if line.strip()][-SHOWN:]
        shown = "".join(f"\n  {line}" for line in last)
        return f"`{self.name}` ended with {outcome.code}{shown}"
