"""How does the suite tell a person what is wrong, where, and what to do now?"""

from __future__ import annotations

from collections.abc import Sequence

FAILURE = 1
"""Exit code: the code under test is at fault (a test failed, a finding, a gate)."""
USAGE = 2
"""Exit code: the call or the settings are wrong; nothing was started."""
SURROUNDINGS = 3
"""Exit code: the machine is at fault (no server, no network, no space)."""
INTERRUPTED = 130
"""Exit code: stopped by Ctrl-C or SIGTERM, as shells report it (128 + SIGINT)."""


class SametreeError(Exception):
    """A problem that is explained to the person who meets it, without a traceback.

    ``problem`` says what is wrong and where, ``cure`` what to do now.
    """

    exit_code = FAILURE

    def __init__(self, problem: str, cure: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.problem}\n  -> {self.cure}" if self.cure else self.problem


class UnitFailed(SametreeError):
    """A unit did its work and the answer is no: the code is at fault."""


class UsageError(SametreeError):
    """Wrong arguments or settings."""

    exit_code = USAGE


class SettingsError(UsageError):
    """``[tool.sametree]`` cannot be used; ``problems`` lists all that is wrong."""

    def __init__(self, file: str, problems: Sequence[str], cure: str = "") -> None:
        listed = "\n".join(f"  {problem}" for problem in problems)
        super().__init__(f"{file}: the settings cannot be used:\n{listed}", cure)
        self.problems = tuple(problems)


class SurroundingsError(SametreeError):
    """The machine, the network or a server is at fault, not the code."""

    exit_code = SURROUNDINGS


def of_machine(error: OSError) -> SurroundingsError:
    """Return what the operating system refused, as an error for a person."""
    place = f" ({error.filename})" if error.filename else ""
    return SurroundingsError(f"this machine said no: {error.strerror or error}{place}")
