"""Who stops a server when its users are gone, however they ended?

Run as a program: ``python guard.py JSON``. It starts a command and waits for the
lock file that the command's users hold. The kernel frees a lock when its holder
ends, be it by kill -9; so when the guard gets the lock, nobody needs the command any
more: it stops it and removes what should not stay. It imports the standard library
only, since it starts in the background of every session that needs a server.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from typing import Any

PATIENCE = 10.0
"""Seconds that a command has to end after its stop signal, before SIGKILL."""

PROGRAM = (sys.executable, "-I", "-S", __file__)
"""Started without site-packages, since it needs nothing of them and should be quick."""

_started: list[subprocess.Popen[bytes]] = []
"""Kept, since a guard may well outlive the caller's interest in it."""


class Ended(Exception):
    """The command ended by itself, or the guard was told to end."""


def start(
    argv: list[str],
    *,
    lock: str,
    own_lock: str,
    log: str,
    stop_signal: int,
    remove: str = "",
    cwd: str = "/",
    env: dict[str, str] | None = None,
    user: tuple[int, int] | None = None,
) -> subprocess.Popen[bytes]:
    """Start ``argv`` under a guard in a session of its own; return the guard.

    ``lock`` is what users hold, ``own_lock`` what the guard holds while it lives,
    ``remove`` a folder to remove at the end, ``user`` a (uid, gid) for the command.
    The caller has to hold ``lock`` already, or the guard stops the command at once.
    """
    plan = {
        "argv": argv,
        "lock": lock,
        "own_lock": own_lock,
        "log": log,
        "stop_signal": int(stop_signal),
        "remove": remove,
        "cwd": cwd,
        "user": user,
    }
    process = subprocess.Popen(
        [*PROGRAM, json.dumps(plan)],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    _started.append(process)
    return process


def main(plan: dict[str, Any]) -> None:
    """Do what :func:`start` was asked for; returns when all of it is gone."""
    own = os.open(plan["own_lock"], os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(own, fcntl.LOCK_EX)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _raise_ended)
    uid, gid = plan["user"] or (None, None)
    with open(plan["log"], "ab") as log:
        command = subprocess.Popen(
            plan["argv"],
            cwd=plan["cwd"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            process_group=0,
            user=uid,
            group=gid,
            extra_groups=None if uid is None else [],
        )
    users = os.open(plan["lock"], os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        signal.signal(signal.SIGCHLD, _raise_ended)
        if command.poll() is None:
            # Kept until we end, so that nobody begins to use what is being stopped.
            fcntl.flock(users, fcntl.LOCK_EX)
    except Ended:
        pass
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _stop(command, plan["stop_signal"])
    if plan["remove"]:
        # After an early end the users may still want to read the log in there.
        fcntl.flock(users, fcntl.LOCK_EX)
        shutil.rmtree(plan["remove"], ignore_errors=True)
    # In this order: who gets the users' lock must not find a guard any more.
    os.close(own)
    os.close(users)


def _stop(command: subprocess.Popen[bytes], number: int) -> None:
    if command.poll() is None:
        command.send_signal(number)
        try:
            command.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            pass
    try:
        os.killpg(command.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    command.wait()


def _raise_ended(number: int, frame: object) -> None:
    raise Ended


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
