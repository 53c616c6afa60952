"""How is git asked for more than a look, and what does its refusal mean for a person?

The user's hooks and submodules have no part in it, and only what is named is written.
"""

from __future__ import annotations

import base64
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from sametree import git, machine
from sametree.errors import SurroundingsError, UsageError

NETWORK = 120.0
"""Seconds for one call to a remote, where nobody sits before it to type a password."""
KINDNESS = 2.0
"""Seconds that a call has to clean up after SIGTERM."""

_OURS = tuple(
    word
    for setting in (
        "core.hooksPath=/dev/null",
        # Reflogs would keep what was pruned.
        "core.logAllRefUpdates=false",
        "gc.auto=0",
        "maintenance.auto=false",
        "fetch.writeCommitGraph=false",
        "push.gpgSign=false",
        "push.followTags=false",
    )
    for word in ("-c", setting)
)
FETCH = (
    *("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-prune"),
    *("--no-recurse-submodules", "--no-auto-gc", "--refmap="),
    "--no-filter",  # in a partial clone, each object would be fetched by itself
)
"""``git fetch`` of what is named, and nothing else."""
PUSH = (
    *("push", "--porcelain", "--no-verify", "--no-signed", "--no-follow-tags"),
    "--recurse-submodules=no",
)
"""``git push`` of what is named, and nothing else."""
_BUSY = re.compile(
    r"stale info|fetch first|cannot lock ref|failed to (lock|update ref)"
    r"|incorrect old value|already exists"
)
"""How git says that somebody else was faster (send-pack.c, receive-pack.c, refs.c)."""
_DECLINED = r"hook declined|protected|prohibited|GH0\d\d"
_RIGHTS = "get the right to write there; `git remote -v` shows where that is"
_RIGHTS_ON_GITHUB = (
    "the job needs `permissions: contents: write`, and GITHUB_TOKEN in the environment"
    " of this step"
)
_CURES = (
    (
        _DECLINED,
        "let the rules of the server allow pushes to {}",
    ),
    (
        r"\b40[13]\b|permission|denied|not allowed|unauthori[sz]ed|authentication"
        r"|username",
        _RIGHTS,
    ),
    (
        r"not appear to be a git repository|not found|not exist",
        "look at the remote's address: git remote -v",
    ),
    (
        r"resolve host|connect to|connection|timed out|network|early eof|hung up",
        "look at the network and the remote's address, then try again",
    ),
)
"""What to do, by what git says; the first that fits."""


class Answer(msgspec.Struct, frozen=True):
    """How a call of git ended: exit code, output, and what it said beside it."""

    code: int
    output: bytes
    said: str


class Busy(Exception):
    """Somebody else wrote the ref between our look at it and our push."""


def ask(
    root: Path, *args: str, given: bytes = b"", env: Mapping[str, str] = {}
) -> bytes:
    """Return what ``git ARGS`` prints in ``root``, given ``given``.

    Raises SurroundingsError, with what git said, when it fails.
    """
    done = call(root, *args, given=given, env=env)
    if done.code:
        raise failed(args, done)
    return done.output


def failed(args: Sequence[str], done: Answer) -> SurroundingsError:
    """Return the error for ``git ARGS`` that failed on this machine."""
    plain = (word for word in args if not word.startswith("-") and "=" not in word)
    full = "No space left" in done.said
    return SurroundingsError(
        f"git {next(plain)} failed: {told(done.said)}",
        "make room on the disk, then go on" if full else "",
    )


def target(root: Path, remote: str, way: str) -> str:
    """Return what to fetch from, and push to, so that both are the same place.

    It is the name of the remote, or its own address for pushes where it has one.
    Raises UsageError when there is no such remote; ``way`` says where another is named.
    """
    known = ask(root, "remote").decode(errors="surrogateescape").split("\n")
    if remote not in known or not remote:
        there = ", ".join(filter(None, known))
        raise UsageError(
            f"there is no remote {remote!r}; "
            + (f"there is {there}" if there else "this clone has none"),
            f"{way}, or add it: git remote add NAME ADDRESS",
        )
    asked = ("remote", "get-url", "--all")
    fetched = ask(root, *asked, remote).decode(errors="surrogateescape").split("\n")
    pushed = ask(root, *asked, "--push", remote).decode(errors="surrogateescape")
    places = pushed.split("\n")
    return remote if places == fetched[:1] + [""] else places[0]


def push(root: Path, remote: str, ref: str, new: str, old: str, what: str) -> None:
    """Make ``ref`` of ``remote`` the object ``new``, if it still is ``old`` ("" is none,
    in both). ``what`` names, for people, what the ref holds.

    Raises Busy when it is not, and SurroundingsError when the remote cannot be reached
    or refuses.
    """
    lease = f"--force-with-lease={ref}:{old}"
    done = call(root, *PUSH, lease, remote, f"{new}:{ref}", network=True)
    if not done.code:
        return
    reason = rejected(done)
    if busy(reason or done.said):
        raise Busy(told(reason or done.said))
    said = f"{reason}\n{done.said}" if reason else done.said
    raise refused(f"{shown(remote)} took no {what}", said, ref)


def rejected(done: Answer) -> str:
    """Return the reasons for which a push was rejected, a line each; "" when it was not
    told any."""
    rows = done.output.decode(errors="replace").splitlines()
    reasons = (row.split("\t")[-1] for row in rows if row.startswith("!"))
    return "\n".join(dict.fromkeys(reasons))


def busy(said: str) -> bool:
    """Return whether git says that somebody else was faster."""
    return bool(_BUSY.search(said))


def declined(said: str) -> bool:
    """Return whether the rules of the server are against it: a hook, or protection."""
    return bool(re.search(_DECLINED, said, re.IGNORECASE))


def resolved(root: Path, name: str) -> str:
    """Return the id that ``name`` stands for, "" when there is nothing."""
    done = call(root, "rev-parse", "--quiet", "--verify", name)
    return "" if done.code else done.output.decode().strip()


def refused(problem: str, said: str, refs: str) -> SurroundingsError:
    """Return the error for a remote that did not do what it should; git ``said`` why.
    ``refs`` are what was pushed."""
    return SurroundingsError(f"{problem}: {told(said)}", cure_of(said, refs))


def cure_of(said: str, refs: str = "these refs") -> str:
    """Return what to do after git ``said`` why a push of ``refs`` failed; "" when nobody
    knows."""
    fitting = (cure for sign, cure in _CURES if re.search(sign, said, re.IGNORECASE))
    cure = next(fitting, "").format(refs)
    on_github = cure == _RIGHTS and machine.place().name == "github"
    return _RIGHTS_ON_GITHUB if on_github else cure


def told(said: str) -> str:
    """Return what matters of what git said, without passwords in addresses.

    >>> told("hint: x\\nfatal: unable to access 'https://ada:pw@host/r/': refused\\n")
    "unable to access 'https://host/r/': refused"
    """
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    signs = ("fatal:", "error:", "remote:", "ssh:", "[")
    telling = [line for line in lines if line.startswith(signs) or "denied" in line]
    telling = telling or lines
    telling = [line for line in telling if "failed to push some refs" not in line]
    plain = (re.sub(r"^(fatal|error): ", "", shown(line)) for line in telling[:4])
    return "; ".join(plain) or "git does not say why"


def shown(text: str) -> str:
    """Return ``text`` without user and password in addresses."""
    return re.sub(r"(\w://)[^/@\s']*@", r"\1", text)


def call(
    root: Path,
    *args: str,
    given: bytes = b"",
    env: Mapping[str, str] = {},
    network: bool = False,
    person: bool = False,
) -> Answer:
    """Run ``git ARGS`` in ``root`` to its end.

    On a terminal, a call to the ``network`` or one for which a ``person`` may be needed
    can ask for a password. Without one, a call to a remote ends after NETWORK seconds.

    Raises SurroundingsError when there is no git, or the remote does not answer.
    """
    terminal = sys.stdin is not None and sys.stdin.isatty()
    asked = (network or person) and terminal
    # With `git replace` one object would be taken for another.
    own = {"GIT_NO_REPLACE_OBJECTS": "1", **(_credentials() if network else {}), **env}
    if not asked:
        own["GIT_TERMINAL_PROMPT"] = "0"
    try:
        process = subprocess.Popen(
            ["git", *_OURS, *args],
            cwd=root,
            env=git.environment(own),
            stdin=subprocess.PIPE if given else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # A group of its own can be ended with all that git has started; but only
            # the terminal's own group can ask.
            process_group=None if asked else 0,
        )
    except FileNotFoundError:
        raise SurroundingsError(
            "there is no git on this machine", "install git, version 2.31 or newer"
        ) from None
    try:
        output, said = process.communicate(
            given or None, timeout=NETWORK if network and not asked else None
        )
    except subprocess.TimeoutExpired:
        _stop(process, group=not asked)
        raise SurroundingsError(
            f"git {args[0]}: no answer from the remote for {NETWORK:.0f} s",
            "look at the network and the remote's address, then try again",
        ) from None
    except BaseException:
        _stop(process, group=not asked)
        raise
    return Answer(process.returncode, output, said.decode(errors="replace"))


def _credentials(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables that give git GitHub's token, where a step has it.

    A checkout that keeps no credentials (persist-credentials: false) leaves git
    without. Not as an argument: command lines are for all to see.
    """
    server, token = environ.get("GITHUB_SERVER_URL"), environ.get("GITHUB_TOKEN")
    if machine.place(environ).name != "github" or not server or not token:
        return {}
    known = environ.get("GIT_CONFIG_COUNT", "")
    first = int(known) if known.isdigit() else 0
    secret = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    # The empty one takes back what a checkout may have left: GitHub refuses two.
    values = ("", f"AUTHORIZATION: basic {secret}")
    found = {"GIT_CONFIG_COUNT": str(first + len(values))}
    for number, value in enumerate(values, first):
        found[f"GIT_CONFIG_KEY_{number}"] = f"http.{server}/.extraheader"
        found[f"GIT_CONFIG_VALUE_{number}"] = value
    return found


def _stop(process: subprocess.Popen[bytes], *, group: bool) -> None:
    """End git and all that it has started; they have time to remove their lock files."""
    send = os.killpg if group else os.kill
    deadline = time.monotonic() + KINDNESS
    with suppress(ProcessLookupError, PermissionError):
        send(process.pid, signal.SIGTERM)
        while time.monotonic() < deadline:
            process.poll()
            send(process.pid, 0)  # tells that nobody is left
            time.sleep(0.01)
        send(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
