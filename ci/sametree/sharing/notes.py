"""How do records travel with the repository? As git notes in a ref of their own.

A note hangs on the commit whose tree the record is about; it has a record a line. The
ref is written by a union: to what the remote has, our lines are added; when somebody
else was faster, again. Lines that are no records of ours are never touched.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from sametree import git, records
from sametree.errors import SurroundingsError, UsageError
from sametree.records import Record
from sametree.sharing import signatures

REF = "refs/notes/sametree"
DAYS = 90
"""How long shared records are kept."""
PATIENCE = 120.0
"""Seconds for which a push is tried again when others are faster."""
LARGEST = 8 << 20
"""Bytes; a larger note is none of ours, and is left alone unread."""
IDENTITY = {
    f"GIT_{who}_{what}": text
    for who in ("AUTHOR", "COMMITTER")
    for what, text in (("NAME", "sametree"), ("EMAIL", "sametree@localhost"))
}


class Shared(msgspec.Struct, frozen=True):
    """A record that others can see: on which commit, and who signed it ("": nobody)."""

    record: Record
    commit: str
    signer: str = ""


class Pushed(msgspec.Struct, frozen=True):
    """What a push did: records that are new on the remote, and such that were pruned.

    ``private`` counts records of a tree that is in no commit; they stay at home.
    """

    new: int
    known: int
    private: int
    pruned: int


def push(
    root: Path,
    found: Iterable[Record],
    *,
    remote: str = "origin",
    days: float = DAYS,
    key: str | None = None,
) -> Pushed:
    """Add records to those that ``remote`` has; with ``key`` they are signed.

    Records of other clones that arrive at the same time stay. Raises SurroundingsError
    when the remote cannot be reached or refuses.
    """
    _repository(root)
    lines, private = _lines(root, found, key)
    deadline = time.monotonic() + PATIENCE
    wait = 0.02
    while True:
        there = _fetch(root, remote)
        notes = _Notes(root, there)
        new = sum(notes.add(commit, line) for commit, line in lines)
        pruned = notes.prune(time.time() - days * 86400)
        known = len(lines) - new
        if not new and not pruned:
            return Pushed(0, known, private, 0)
        made = notes.commit()
        if _sent(root, remote, made, there):
            _git(root, "update-ref", REF, made)
            return Pushed(new, known, private, pruned)
        if time.monotonic() > deadline:
            raise SurroundingsError(
                f"{remote} took no notes for {PATIENCE:.0f} s: others were always faster",
                "try again later; nothing is lost",
            )
        time.sleep(wait * random.random())
        wait = min(1.0, wait * 1.5)


def pull(root: Path, *, remote: str = "origin") -> list[Shared]:
    """Take over the records that ``remote`` has; return all that are known then.

    Raises SurroundingsError when the remote cannot be reached.
    """
    _repository(root)
    there = _fetch(root, remote)
    if there:
        _git(root, "update-ref", REF, there)
    return known(root)


def known(root: Path) -> list[Shared]:
    """Return the shared records that this repository has already."""
    found = []
    for commit, line in _Notes(root, _tip(root)).lines():
        shared = _read(commit, line)
        if shared is not None:
            found.append(shared)
    return found


def _lines(
    root: Path, found: Iterable[Record], key: str | None
) -> tuple[list[tuple[str, str]], int]:
    """Return commit and line for each record that can be shared; count the others."""
    lines, private = [], 0
    trees: dict[str, str] = {}
    prefix = (git.run(root, "rev-parse", "--show-prefix") or "").strip()
    for record in found:
        if record.result == "skip":
            continue  # it tells only of another record
        commit = record.revision
        if commit and commit not in trees:
            told = git.run(root, "rev-parse", "--verify", f"{commit}:{prefix}")
            trees[commit] = (told or "").strip()
        if not commit or not record.tree or trees[commit] != record.tree:
            private += 1
            continue
        builtins = msgspec.to_builtins(record)
        line = signatures.sign(builtins, key) if key else {"record": builtins}
        lines.append((commit, json.dumps(line, sort_keys=True, separators=(",", ":"))))
    return lines, private


def _read(commit: str, line: str) -> Shared | None:
    """Return the record in a line of a note; None for what is no record of ours."""
    if not line.startswith("{"):
        return None
    try:
        told = json.loads(line)
        record = msgspec.convert(told["record"], Record)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if record.schema > records.SCHEMA:
        return None
    return Shared(
        record, commit, signatures.signer(told) if "signature" in told else ""
    )


class _Notes:
    """The notes of one commit of the ref, and what is to be changed in them."""

    def __init__(self, root: Path, tip: str) -> None:
        self._root = root
        self._tip = tip
        self._paths: dict[str, str] = {}
        listed = _git(root, "ls-tree", "-r", "-z", tip) if tip else ""
        self._blobs: dict[str, str] = {}
        for entry in listed.split("\0"):
            head, _, path = entry.partition("\t")
            kind, commit = head.split(" ")[1:2], path.replace("/", "")
            if kind == ["blob"] and len(commit) in (40, 64) and _is_hex(commit):
                self._paths[commit] = path
                self._blobs[commit] = head.split(" ")[2]
        self._texts: dict[str, str | None] = self._all_texts()
        self._changed: set[str] = set()

    def lines(self) -> Iterator[tuple[str, str]]:
        """Yield commit and line of all notes."""
        for commit, text in self._texts.items():
            for line in (text or "").split("\n"):
                yield commit, line

    def add(self, commit: str, line: str) -> bool:
        """Add a line to a note; return whether it is new."""
        text = self._texts.get(commit, "")
        if text is None or line in text.split("\n"):
            return False
        body = text if not text or text.endswith("\n") else f"{text}\n"
        self._texts[commit] = f"{body}{line}\n"
        self._changed.add(commit)
        return True

    def prune(self, oldest: float) -> int:
        """Take out the records that began before ``oldest``; return how many."""
        count = 0
        for commit, text in self._texts.items():
            lines = (text or "").split("\n")
            kept = [line for line in lines if not _is_older(line, oldest)]
            if len(kept) < len(lines):
                count += len(lines) - len(kept)
                self._texts[commit] = "\n".join(kept)
                self._changed.add(commit)
        return count

    def commit(self) -> str:
        """Write the changed notes as a commit on top of the old one; return its id."""
        with tempfile.TemporaryDirectory(prefix="sametree-notes-") as scratch:
            env = {"GIT_INDEX_FILE": str(Path(scratch, "index"))}
            if self._tip:
                _git(self._root, "read-tree", self._tip, env=env)
            entries = []
            for commit in sorted(self._changed):
                text = self._texts[commit] or ""
                path = self._paths.get(commit, commit)
                if not text.strip():
                    entries.append(f"0 {'0' * len(commit)}\t{path}\n")
                    continue
                blob = _git(self._root, "hash-object", "-w", "--stdin", given=text)
                entries.append(f"100644 {blob.strip()}\t{path}\n")
            update = ("update-index", "--index-info")
            _git(self._root, *update, env=env, given="".join(entries))
            tree = _git(self._root, "write-tree", env=env).strip()
        parent = ("-p", self._tip) if self._tip else ()
        message = ("-m", "Add run records", tree)
        argv = ("commit-tree", "--no-gpg-sign", *parent, *message)
        return _git(self._root, *argv, env=IDENTITY).strip()

    def _all_texts(self) -> dict[str, str | None]:
        """Read all notes with one process; None stands for one that is not text of ours."""
        if not self._blobs:
            return {}
        sizes = ("cat-file", "--batch-check=%(objectsize)")
        asked = "".join(f"{blob}\n" for blob in self._blobs.values())
        told = _git(self._root, *sizes, given=asked).split("\n")
        small = {
            commit: blob
            for (commit, blob), size in zip(self._blobs.items(), told, strict=False)
            if size.isdigit() and int(size) <= LARGEST
        }
        found: dict[str, str | None] = dict.fromkeys(self._blobs)
        asked = "".join(f"{blob}\n" for blob in small.values())
        output = _git_bytes(self._root, "cat-file", "--batch", given=asked.encode())
        position = 0
        for commit in small:
            end = output.index(b"\n", position)
            size = int(output[position:end].rsplit(b" ", 1)[1])
            try:
                found[commit] = output[end + 1 : end + 1 + size].decode()
            except UnicodeDecodeError:
                found[commit] = None
            position = end + size + 2
        return found


def _is_hex(text: str) -> bool:
    return not text.strip("0123456789abcdef")


def _is_older(line: str, oldest: float) -> bool:
    """Return whether ``line`` is a record that began before ``oldest``."""
    try:
        return float(json.loads(line)["record"]["started"]) < oldest
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def _repository(root: Path) -> None:
    if git.run(root, "rev-parse", "--git-dir") is None:
        raise UsageError(
            "records are shared by git, and this is no repository", "git init"
        )


def _tip(root: Path) -> str:
    told = git.run(root, "rev-parse", "--verify", "--quiet", f"{REF}^{{commit}}")
    return (told or "").strip()


def _fetch(root: Path, remote: str) -> str:
    """Fetch what ``remote`` has under our ref; return its commit, "" where there is none."""
    own = f"refs/sametree/incoming-{os.getpid()}-{os.urandom(4).hex()}"
    options = (
        "--quiet",
        "--no-tags",
        "--no-write-fetch-head",
        "--no-recurse-submodules",
    )
    done = _call(root, "fetch", *options, "--no-auto-gc", remote, f"+{REF}:{own}")
    if done.returncode:
        said = done.stderr.decode(errors="replace")
        if "couldn't find remote ref" in said:
            return ""
        raise _refused(remote, "cannot be asked for records", said)
    try:
        return _git(root, "rev-parse", "--verify", f"{own}^{{commit}}").strip()
    except SurroundingsError:
        raise SurroundingsError(
            f"{REF} of {remote} holds no notes but something else",
            f"remove it there: git push {remote} :{REF}",
        ) from None
    finally:
        git.run(root, "update-ref", "-d", own)


def _sent(root: Path, remote: str, commit: str, there: str) -> bool:
    """Push ``commit`` over ``there``; False when somebody else was faster."""
    lease = f"--force-with-lease={REF}:{there}"
    options = ("--quiet", "--no-verify", "--no-recurse-submodules", lease)
    done = _call(root, "push", *options, remote, f"{commit}:{REF}")
    if not done.returncode:
        return True
    said = done.stderr.decode(errors="replace")
    faster = ("stale info", "rejected", "cannot lock ref", "already exists")
    refused = ("pre-receive hook declined", "protected", "permission", "denied", "403")
    if any(sign in said for sign in faster) and not any(
        sign in said.lower() for sign in refused
    ):
        return False
    raise _refused(remote, "took no records", said)


def _refused(remote: str, what: str, said: str) -> SurroundingsError:
    lines = [line for line in said.strip().splitlines() if line.strip()]
    told = "\n".join(f"  {line}" for line in lines[-6:])
    return SurroundingsError(
        f"{remote} {what}; git says:\n{told}",
        "check the network, the remote's name and your rights; nothing is lost",
    )


def _call(
    root: Path, *args: str, env: Mapping[str, str] = {}, given: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    own = {"GIT_TERMINAL_PROMPT": "0", **env}
    return subprocess.run(
        ["git", "-c", "core.logAllRefUpdates=false", *args],
        cwd=root,
        env=git.environment(own),
        input=given,
        capture_output=True,
        check=False,
    )


def _git_bytes(
    root: Path, *args: str, env: Mapping[str, str] = {}, given: bytes = b""
) -> bytes:
    done = _call(root, *args, env=env, given=given)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise SurroundingsError(f"git {args[0]} failed: {said}")
    return done.stdout


def _git(root: Path, *args: str, env: Mapping[str, str] = {}, given: str = "") -> str:
    raw = given.encode(errors="surrogateescape")
    return _git_bytes(root, *args, env=env, given=raw).decode(errors="surrogateescape")


def local(state: Path, runs: Sequence[str] | None = None) -> list[Record]:
    """Return the records of ``runs`` (all by default) that were made in this checkout."""
    chosen = records.runs(state) if runs is None else runs
    return [record for run in chosen for record in records.read(state, run)]


def below(folder: Path) -> tuple[list[Record], list[Path]]:
    """Return the records in the files below ``folder``, and the files that hold none.

    So come the artifacts of CI's jobs, each in a folder of its own.
    """
    found: dict[tuple[str, str], Record] = {}
    broken = []
    for path in sorted(folder.rglob("*.json")):
        if path.parent.parent.name != records.RUNS:
            continue
        record = records.load(path)
        if record is None:
            broken.append(path)
        else:
            found[record.run, record.unit] = record
    return list(found.values()), broken


def trusted(found: Iterable[Shared], signers: Iterable[str]) -> list[Record]:
    """Return the records that one of ``signers`` (public keys) has signed.

    What any other record says of its origin is a claim.
    """
    believed = set(signers)
    return [each.record for each in found if each.signer and each.signer in believed]
