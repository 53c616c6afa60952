"""Does a command really do nothing on an unchanged tree, and how long does that take?"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import sample
from peers import Daemon

SETTLING = 0.5
"""Seconds between a change and the command: a daemon hears of the change with a delay."""


class Wrong(Exception):
    """A command ran what it should not, or did not run what it should."""


@dataclass
class Contender:
    """A command that is timed in a repository.

    ``units`` are those that a run proves, none for a command that has nothing to prove;
    each adds its name to ``log`` when it runs. ``proven`` says that another contender
    in the same folder ran them before, ``skips`` is false for a tool that always runs.
    ``second_run`` is the time of the first run with nothing to do. ``seconds`` has the
    time of each round and ``processor`` what of it the processors worked, daemons left
    out; ``wrong`` is why there is none.
    """

    name: str
    folder: Path
    argv: Sequence[str]
    env: Mapping[str, str]
    version: str = ""
    units: Sequence[str] = ()
    log: Path = Path(os.devnull)
    proven: bool = False
    skips: bool = True
    daemon: Daemon | None = None
    second_run: float = 0.0
    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    wrong: str = ""

    def prove(self) -> None:
        """Let it do its work once, and see that it does not do it again."""
        if self.daemon:
            self._run(self.daemon.begin)
        self._run(self.argv)
        self._expect([] if self.proven else self.units, "first run")
        began = time.perf_counter()
        self._run(self.argv)
        self.second_run = time.perf_counter() - began
        self._expect([], "second run")

    def time(self) -> None:
        """Run the command once more, and keep the time. Raises Wrong when it fails."""
        began = time.perf_counter()
        process = subprocess.Popen(
            self.argv,
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, used = os.wait4(process.pid, 0)
        self.seconds.append(time.perf_counter() - began)
        self.processor.append(used.ru_utime + used.ru_stime)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise Wrong(f"exit code {process.returncode} while timed")

    def doubt(self) -> None:
        """See that nothing ran while it was timed, and that it notices a change."""
        if self.daemon and self.daemon.text not in self._run(self.daemon.alive):
            raise Wrong("its daemon is not running")
        if not self.units:
            return
        ran = self._ran()
        if self.skips and ran:
            raise Wrong(f"while timed: ran {_named(ran)}")
        changed = self.units[1]
        path = self.folder / sample.data_file(changed)
        text = path.read_text(encoding="utf-8")
        path.write_text(("b" if text[0] == "a" else "a") + text[1:], encoding="utf-8")
        if self.daemon:
            time.sleep(SETTLING)
        self._run(self.argv)
        self._expect([changed], f"after a change in {changed}")

    def end(self) -> None:
        """Stop the daemon, if there is one."""
        if self.daemon:
            with suppress(Wrong):
                self._run(self.daemon.end)

    def _run(self, argv: Sequence[str]) -> str:
        """Return what ``argv`` prints. Raises Wrong when it fails."""
        done = subprocess.run(
            argv,
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        if done.returncode:
            end = done.stdout[-2000:]
            raise Wrong(f"{Path(argv[0]).name}: exit code {done.returncode}\n{end}")
        return done.stdout

    def _ran(self) -> list[str]:
        """Return the units that ran since we last asked."""
        ran = self.log.read_text().split() if self.log.is_file() else []
        if ran:
            self.log.unlink()
        return ran

    def _expect(self, units: Sequence[str], when: str) -> None:
        """Raise Wrong when other units ran than ``units`` (all, if it never skips)."""
        ran, expected = sorted(self._ran()), units if self.skips else self.units
        if ran != sorted(expected):
            raise Wrong(f"{when}: ran {_named(ran)} instead of {_named(expected)}")


def measure(contenders: Sequence[Contender], rounds: int) -> None:
    """Prove, time in interleaved rounds, and doubt all ``contenders``.

    Every other round goes backwards, so that none always follows the same one. What
    goes wrong stays with the contender it went wrong with.
    """
    sample.settle({each.folder for each in contenders})
    try:
        for each in contenders:
            _try(each, each.prove)
        for number in range(rounds):
            for each in contenders[:: -1 if number % 2 else 1]:
                _try(each, each.time)
        for each in contenders:
            _try(each, each.doubt)
    finally:
        for each in contenders:
            each.end()


def _try(contender: Contender, act: Callable[[], None]) -> None:
    if contender.wrong:
        return
    try:
        act()
    except Wrong as error:
        contender.wrong = str(error)


def _named(units: Sequence[str]) -> str:
    shown = ", ".join(units[:4]) or "nothing"
    return f"{shown} and {len(units) - 4} more" if len(units) > 4 else shown
