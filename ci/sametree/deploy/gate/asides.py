"""What do others say of a new colour: a Prometheus server, and a command?"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import structs

from sametree.deploy.gate.command import Command
from sametree.deploy.gate.judge import Verdict
from sametree.deploy.gate.prometheus import Questions
from sametree.settings.model import Gate


class Asides:
    """Those who are asked in one stage besides the router: ``questions`` all the time,
    and what ``start`` starts once, when nothing else speaks against a pass."""

    def __init__(
        self,
        rules: Gate,
        questions: Questions | None,
        start: Callable[[], Command] | None,
    ) -> None:
        self._most = rules.most
        self._questions = questions
        self._start = start
        self._command: Command | None = None
        self._needed = 0  # the number of the question whose answer a pass needs

    def judge(self, verdict: Verdict) -> Verdict:
        """Return ``verdict``, or a stricter one."""
        if verdict.kind == "fail":
            return verdict
        if said := self._too_much():
            return structs.replace(verdict, kind="fail", reason=said)
        if verdict.kind == "wait":
            return verdict
        if said := self._no_data():
            return structs.replace(verdict, kind="wait", reason=said)
        return self._commanded(verdict)

    def stop(self) -> None:
        """End the command, if it still runs."""
        if self._command is not None:
            self._command.stop()

    def _too_much(self) -> str:
        answer = self._questions.last if self._questions else None
        for labels, value in answer.values if answer else ():
            if value > self._most:
                return (
                    f"Prometheus: {value:g}{labels}, at most {self._most:g} is allowed"
                )
        return ""

    def _no_data(self) -> str:
        """Return why Prometheus does not say yes, by an answer to a question that was
        asked when everything else had been seen."""
        if self._questions is None:
            return ""
        if not self._needed:
            self._needed = self._questions.ask_now()
        answer = self._questions.last
        if answer and answer.problem:
            return f"no data from Prometheus: {answer.problem}"
        if answer is None or answer.number < self._needed:
            return "waiting for Prometheus"
        return ""

    def _commanded(self, verdict: Verdict) -> Verdict:
        if self._start is None:
            return verdict
        if self._command is None:
            self._command = self._start()
        if self._command.running:
            said = f"waiting for `{self._command.name}`"
            return structs.replace(verdict, kind="wait", reason=said)
        if problem := self._command.problem:
            return structs.replace(verdict, kind="fail", reason=problem)
        return verdict
