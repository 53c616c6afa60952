"""Who releases now, so that nobody else does?

A claim is a ref on the remote that only one can make, as git compares and swaps it. It
is a commit without files, whose message is JSON. It waits for a person: nobody but he
can know that a release, whose files may be out, will not be finished.
"""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
from msgspec import Struct

from sametree import git_calls, terminal
from sametree.errors import SurroundingsError, UsageError
from sametree.git_calls import Busy, call, resolved

REF = "refs/sametree/release"
"""Where the remote has the claim."""
WAY = "name another as `remote` in [tool.sametree.release]"
TRIES = 5
"""How often it is looked again when the claim changes under our eyes."""
_IDENTITY = {
    f"GIT_{who}_{what}": text
    for who in ("AUTHOR", "COMMITTER")
    for what, text in (("NAME", "sametree"), ("EMAIL", "release@sametree.invalid"))
}


class Claim(Struct, frozen=True, kw_only=True):
    """Who releases: the run, what it does in words, the person, his machine, the number
    of the process, and since when, in seconds since 1970."""

    run: str
    what: str
    who: str
    host: str
    pid: int
    since: int


def take(root: Path, remote: str, claim: Claim) -> None:
    """Claim the release for ``claim.run``; again is fine, for the same run.

    Raises UsageError when another has it, and SurroundingsError when the remote cannot
    be reached, or takes no claim.
    """
    there = git_calls.target(root, remote, WAY)
    ours = _commit(root, claim)
    for _ in range(TRIES):
        refusal: SurroundingsError | None = None
        try:
            git_calls.push(root, there, REF, ours, "", "claim")
            return
        except Busy:
            pass
        except SurroundingsError as error:
            refusal = error  # the answer may be lost, though the claim was taken
        id, found = _look(root, there)
        if found is not None and found.run == claim.run:
            return
        if refusal is not None and not id:
            raise refusal
        if found is not None:
            raise taken(found, remote)
        if id:
            raise _foreign(remote)
        time.sleep(0.05)
    raise SurroundingsError(
        f"{REF} of {remote} cannot be written, though nobody has claimed a release",
        "look there for a lock file that was left, or for refs below that name",
    )


def read(root: Path, remote: str) -> Claim | None:
    """Return who has claimed the release; None when nobody has.

    Raises UsageError when something else is there, SurroundingsError when the remote
    cannot be asked.
    """
    id, found = _look(root, git_calls.target(root, remote, WAY))
    if id and found is None:
        raise _foreign(remote)
    return found


def give_back(root: Path, remote: str, run: str) -> None:
    """Give back the claim of ``run``; one of another stays.

    Raises SurroundingsError when the remote cannot be reached, or refuses.
    """
    there = git_calls.target(root, remote, WAY)
    id, found = _look(root, there)
    if found is not None and found.run == run:
        _remove(root, there, id)


def break_(root: Path, remote: str) -> Claim | None:
    """Take away whatever claim is there, and return it; None when it was none.

    Raises SurroundingsError when the remote cannot be reached, or refuses.
    """
    there = git_calls.target(root, remote, WAY)
    id, found = _look(root, there)
    if id:
        _remove(root, there, id)
    return found


def taken(found: Claim, remote: str) -> UsageError:
    """Return the error that tells who has claimed the release."""
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(found.since))
    ago = terminal.ago(time.time() - found.since)
    return UsageError(
        f"{found.who or 'somebody'} on {found.host or 'an unknown machine'} (process"
        f" {found.pid}) releases already: {found.what}, since {since} ({ago}), run"
        f" {found.run}; {REF} of {remote} says so",
        "wait for it; where it was cut off, `invoke release --resume` finishes it there;"
        " `invoke release.unlock` takes the claim from one that nobody will finish",
    )


def _look(root: Path, there: str) -> tuple[str, Claim | None]:
    """Return the id of what is there ("" for nothing), and the claim that it is."""
    id = ""
    for _ in range(TRIES):
        asked = call(root, "ls-remote", "--quiet", there, REF, network=True)
        if asked.code:
            raise _unreachable(there, asked.said)
        rows = (row.split("\t") for row in asked.output.decode().splitlines())
        id = next((id for id, name in rows if name == REF), "")
        if not id or resolved(root, f"{id}^{{object}}"):
            break
        fetched = call(root, *git_calls.FETCH, there, REF, network=True)
        if fetched.code and "couldn't find remote ref" not in fetched.said:
            raise _unreachable(there, fetched.said)
    if not id:
        return "", None
    shown = call(root, "cat-file", "commit", id)
    return id, None if shown.code else _decoded(shown.output.partition(b"\n\n")[2])


def _decoded(raw: bytes) -> Claim | None:
    """Return the claim in a message, which anybody may have written."""
    try:
        found = msgspec.json.decode(raw, type=Claim)
        time.gmtime(found.since)
    except (msgspec.MsgspecError, UnicodeDecodeError, OverflowError, OSError):
        return None
    words = ("run", "what", "who", "host")
    plain = {name: _plain(getattr(found, name)) for name in words}
    return msgspec.structs.replace(found, **plain)


def _plain(text: str) -> str:
    """Return ``text`` without what could steer a terminal."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _commit(root: Path, claim: Claim) -> str:
    """Write the commit of ``claim``; return its id, which is the same each time."""
    tree = git_calls.ask(root, "mktree").decode().strip()
    when = f"{claim.since} +0000"
    dates = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
    asked = ("-c", "i18n.commitEncoding=UTF-8", "commit-tree", "--no-gpg-sign", tree)
    told = msgspec.json.encode(claim) + b"\n"
    env = {**_IDENTITY, **dates}
    return git_calls.ask(root, *asked, given=told, env=env).decode().strip()


def _remove(root: Path, there: str, id: str) -> None:
    """Remove the claim, if it still is the object ``id``."""
    try:
        git_calls.push(root, there, REF, "", id, "end of the claim")
    except Busy:
        return  # somebody else took it away; what is there now is not ours
    except SurroundingsError:
        if _look(root, there)[0] == id:
            raise


def _unreachable(there: str, said: str) -> SurroundingsError:
    problem = f"{git_calls.shown(there)} cannot be asked who releases"
    return git_calls.refused(problem, said, REF)


def _foreign(remote: str) -> UsageError:
    return UsageError(
        f"{REF} of {remote} is no claim that this version understands",
        "if no newer one releases, `invoke release.unlock` removes it",
    )
