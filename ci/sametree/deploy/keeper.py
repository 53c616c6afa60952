"""Who keeps a service running when the command that started it is long gone?

Run as a program: ``python keeper.py FOLDER``. It runs what ``spec.json`` in the folder
says, starts it again when it ends, and stops it on SIGTERM. The environment of the
service is its own: what is secret is in no file. It imports the standard library only,
since one runs for each service. In the folder::

    spec.json    argv, cwd, stop signal, patience, user
    state.json   what runs: its process, since when, how often it was started again
    keeper.lock  held while the keeper lives; its number is in it
    log          what the service prints
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from typing import Any

PROGRAM = (sys.executable, "-I", "-S", __file__)
LOG_MOST = 10_000_000
"""Bytes of a log, after which it is ``log.1`` and a new one begins."""
WAITS = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds before a service that ended is started again: the more often, the longer."""
LOOKS = 10.0
"""Seconds between two looks at the size of the log."""
TRIES = 50
"""How often the lock is asked for, 10 ms apart: who looks whether it is held, holds it
for a moment."""
STEADY = 30.0
"""Seconds after which a service that runs counts as well again."""


class Keeper:
    """Runs one service until it is told to stop."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        with open(os.path.join(folder, "spec.json"), "rb") as file:
            self.spec: dict[str, Any] = json.load(file)
        self.log = os.path.join(folder, "log")
        self.restarts = 0
        self.exit: int | None = None
        self.stopping = False
        self.child: subprocess.Popen[bytes] | None = None
        self.woken = -1

    def run(self) -> None:
        """Keep it running; returns when it was stopped."""
        self.hear()
        signal.setitimer(signal.ITIMER_REAL, LOOKS, LOOKS)
        failed = 0
        while not self.stopping:
            began = time.monotonic()
            self._start()
            self._wait()
            failed = 0 if time.monotonic() - began > STEADY else failed + 1
            if not self.stopping:
                self.restarts += 1
                self._tell()
                self._sleep(WAITS[min(failed, len(WAITS)) - 1] if failed else WAITS[0])
        # Python ends with the handlers that it began with: an alarm would kill it.
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._tell()

    def hear(self) -> None:
        """Hear signals from now on, also those that come before one waits for them."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGALRM, self._alarm)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        self.woken, wakes = os.pipe()
        os.set_blocking(wakes, False)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)

    def _start(self) -> None:
        spec = self.spec
        uid, gid = spec.get("user") or (None, None)
        # A signal that comes while it starts is heard at once afterwards.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        try:
            if self.stopping:
                return
            with open(self.log, "ab") as log:
                try:
                    self.child = subprocess.Popen(
                        spec["argv"],
                        cwd=spec["cwd"],
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        process_group=0,
                        user=uid,
                        group=gid,
                        extra_groups=None if uid is None else [],
                        preexec_fn=_hear,
                    )
                except OSError as error:
                    log.write(f"cannot be started: {error}\n".encode())
                    self.child, self.exit = None, 127
            self._tell()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def _wait(self) -> None:
        """Wait until the service has ended.

        Not in wait(2): a SIGTERM right before it would be heard when that is over.
        """
        if self.child is not None:
            while (code := self.child.poll()) is None:
                select.select([self.woken], [], [])
                os.read(self.woken, 4096)
            self.exit = code
            self._kill()
            self.child = None

    def _stop(self, number: int, frame: object) -> None:
        """Stop the service: kindly, and after its patience by SIGKILL."""
        if self.stopping:
            return
        self.stopping = True
        child = self.child
        if child is None:
            return
        try:
            os.kill(child.pid, self.spec["stop"])
        except ProcessLookupError:
            return
        signal.setitimer(signal.ITIMER_REAL, self.spec["patience"])

    def _alarm(self, number: int, frame: object) -> None:
        if self.stopping:
            self._kill()
        else:
            self._turn_log()

    def _kill(self) -> None:
        """Kill what is left of the service's group."""
        if self.child is not None:
            try:
                os.killpg(self.child.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass

    def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self.stopping and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.05))

    def _turn_log(self) -> None:
        """Begin a new log; the service goes on writing to the same open file."""
        try:
            if os.path.getsize(self.log) > LOG_MOST:
                with open(self.log, "rb") as old, open(self.log + ".1", "wb") as kept:
                    while part := old.read(1 << 20):
                        kept.write(part)
                os.truncate(self.log, 0)
        except OSError:
            pass  # a full disk: the service is more than its log

    def _tell(self) -> None:
        """Write down what runs."""
        pid = self.child.pid if self.child else 0
        told = {
            "keeper": os.getpid(),
            "pid": pid,
            "born": _born(pid),
            "since": time.time(),
            "restarts": self.restarts,
            "exit": self.exit,
            "stopped": self.stopping,
        }
        path = os.path.join(self.folder, "state.json")
        scratch = f"{path}.{os.getpid()}"
        try:
            with open(scratch, "w") as file:
                json.dump(told, file)
            os.replace(scratch, path)
        except OSError:
            pass  # a full disk: it runs all the same


def _hear() -> None:
    """In the service, before it begins: hear the signals that the keeper does not."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def _born(pid: int) -> str:
    """Return what ``sametree.processes.born`` does, without the suite."""
    if not pid:
        return ""
    try:
        with open(f"/proc/{pid}/stat", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        pass
    if os.path.exists("/proc/self"):
        return ""
    argv = ["ps", "-o", "lstart=", "-p", str(pid)]
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout


def main(folder: str) -> None:
    """Keep the service in ``folder``; returns at once when somebody does already."""
    path = os.path.join(folder, "keeper.lock")
    own = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    for _ in range(TRIES):
        try:
            fcntl.flock(own, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.01)
        else:
            Keeper(folder).run()
            return


if __name__ == "__main__":
    main(sys.argv[1])
