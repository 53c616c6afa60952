"""A program that stands where a component's Python does, and tells what a test wants.

Programs of ``sametree.inside`` tell by events, and have tests of their own. What comes of
an event is tried with this: a real process, which takes no time to start.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from sametree.units.work import Work

MARK = "\x1e"
PYTHON = """#!/bin/sh
# $3 is the command of the program: look, apply, history or check.
test -z "$SAMETREE_ORDERS" || cp -p "$SAMETREE_ORDERS" {folder}/orders
cat {folder}/"$3" 2> /dev/null || exit 66
read -r code < {folder}/"$3.code"
test "$code" != killed || kill -9 $$
exit "$code"
"""


def event(name: str, **told: Any) -> str:
    """Return the line with which a program tells something."""
    return MARK + json.dumps({"event": name, **told})


class Told(Work):
    """A unit's work whose component has our program for its Python."""

    @property
    def program(self) -> Path:
        """The folder that stands first on PATH."""
        return self.venv

    def install(self, purpose: str) -> dict[str, str]:
        """Return an environment in which ``python`` is our program."""
        return {"PATH": f"{self.program}:/usr/bin:/bin"}

    def answer(self, command: str, *lines: str, code: int | str = 0) -> None:
        """From now on ``command`` prints ``lines`` and ends with ``code``, or is
        ``killed``."""
        self.program.mkdir(exist_ok=True)
        python = self.program / "python"
        python.write_text(PYTHON.format(folder=shlex.quote(str(self.program))))
        python.chmod(0o755)
        text = "".join(f"{line}\n" for line in lines)
        (self.program / command).write_text(text)
        (self.program / f"{command}.code").write_text(f"{code}\n")
