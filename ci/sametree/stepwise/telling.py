"""How is a person asked, and told what happens to each step?"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from sametree import terminal
from sametree.errors import UsageError
from sametree.stepwise.engine import Step


def agree(what: str, yes: bool) -> None:
    """Ask on the terminal; raises UsageError when nobody agrees."""
    if yes:
        return
    if not (sys.stdin and sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "there is no terminal to ask on", "add --yes to agree to the plan"
        )
    try:
        answer = input(f"  {what}? [y/N] ").strip().lower()
    except EOFError:
        answer = ""
    if answer not in ("y", "yes"):
        raise UsageError("not agreed to; nothing was changed")


class Teller:
    """Tells what happens to each step, in a line."""

    def __init__(self, listed: Sequence[Step]) -> None:
        self.width = max(len(step.name) for step in listed)

    def begins(self, number: int, step: Step) -> None:
        """Nothing is said: the line comes with the end."""

    def ends(self, number: int, step: Step, seconds: float, word: str) -> None:
        """Print the line of a step."""
        mark = terminal.mark("failed" if word == "failed" else "passed")
        told = "" if word in ("done", "failed") else f"  {word}"
        spent = terminal.duration(seconds)
        terminal.say(f"  {mark}  {step.name:<{self.width}}  {spent:>8}{told}")
