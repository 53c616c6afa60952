"""What do the commits since the last version say? git-cliff reads them.

Commits are read as conventionalcommits.org says. The project's own ``cliff.toml`` counts
where there is one, else the one beside this file. git-cliff is asked twice: what the
commits say, as JSON, and what follows from that. So only what was made harmless in
between reaches a template, and the version to raise is the one that we name, whichever
other tags there are.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sysconfig
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from sametree import git, surroundings
from sametree.errors import SurroundingsError, UsageError
from sametree.release import changelog, harmless, versions

OURS = Path(__file__).with_name("cliff.toml")
THEIRS = "cliff.toml"
NOTHING = "No change to tell of."
"""The entry where no commit tells a change that a user would meet."""
SUBJECT = 72
"""Characters of a subject that a sentence has room for."""
_NO_TAG = "^$"
_LEVELS = ("major", "minor", "patch")

Release = dict[str, Any]
"""What git-cliff tells of a release: its commits, and the release before it."""


class Commit(Struct, frozen=True, kw_only=True):
    """A commit: its id, first line, kind (``feat``; "" when it is not conventional)."""

    id: str
    subject: str
    kind: str
    scope: str
    breaking: bool
    conventional: bool


class Unreleased(Struct, frozen=True, kw_only=True):
    """What came since the last version, the next final one by that ("" when no commit
    tells it), and why it is this one."""

    commits: tuple[Commit, ...]
    version: str
    why: str


def look(
    root: Path, last: str | None, prefix: str, paths: Sequence[str] = ()
) -> Unreleased:
    """Return what came since the tag ``last``, the oldest first, of all that touches
    ``paths`` of the repository (patterns; none: all). Merges are left out.

    Raises SurroundingsError when git-cliff is not installed or cannot read the
    repository, UsageError when the project's cliff.toml cannot be used or ``last`` is
    not in this clone.
    """
    told = _read(root, last, paths, OURS)
    if told is None:
        return Unreleased(commits=(), version="", why="")
    commits = {each["id"]: _commit(each) for each in told["commits"]}
    config = _config(root)
    if config != OURS:
        # Theirs says what is conventional; what it skips is a commit all the same.
        told = _read(root, last, paths, config) or {**told, "commits": []}
        theirs = {each["id"]: _commit(each) for each in told["commits"]}
        commits = {**commits, **theirs}
        telling = [each for each in theirs.values() if each.conventional]
    else:
        telling = [each for each in commits.values() if each.conventional]
    version = why = ""
    if last and telling:
        version = _next(root, config, told, last, prefix)
        why = _why(telling, last, prefix, version) if version else ""
    return Unreleased(commits=tuple(commits.values()), version=version, why=why)


def entry(
    root: Path,
    last: str | None,
    prefix: str,
    version: str,
    paths: Sequence[str] = (),
) -> str:
    """Return the entry of ``version`` for what came since the tag ``last``, in Markdown
    without a heading. What commits say cannot do anything there but be read.

    Raises what ``look`` raises.
    """
    config = _config(root)
    told = _read(root, last, paths, config)
    if told is None:
        return NOTHING
    told = {
        **told,
        "version": f"{prefix}{version}",
        "timestamp": max(each["committer"]["timestamp"] for each in told["commits"]),
        "previous": _before(told, last),
    }
    text = _from(root, config, told, "--strip", "all").replace("\r\n", "\n")
    lines = [each.rstrip() for each in text.split("\n")]
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
    return changelog.without_heading(text, version) or NOTHING


def _config(root: Path) -> Path:
    theirs = root / THEIRS
    return theirs if theirs.exists() else OURS


def _read(
    root: Path, last: str | None, paths: Sequence[str], config: Path
) -> Release | None:
    """Return what the commits since ``last`` say; None when there is none."""
    if (
        last
        and git.run(root, "rev-parse", "-q", "--verify", f"refs/tags/{last}") is None
    ):
        raise UsageError(
            f"the tag {last} is not in this clone, and what came since cannot be told",
            "`git fetch --tags`",
        )
    # No tag counts as a version: then all commits of the range come as one release.
    argv = ["--tag-pattern", _NO_TAG, "--context"]
    for path in paths:
        argv += ["--include-path", path]
    text = _cliff(root, config, *argv, *([f"refs/tags/{last}..HEAD"] if last else []))
    releases: list[Release] = json.loads(text)
    if not releases or not releases[0]["commits"]:
        return None
    return releases[0]


def _next(root: Path, config: Path, told: Release, last: str, prefix: str) -> str:
    """Return the version that follows on ``last`` by what the commits say."""
    before = versions.of_tag(last, prefix)
    if before is None:
        return ""
    three = {**told, "previous": _before(told, versions.three(before))}
    options = ("--bump", "--context", "--tag-pattern", "^[0-9]")
    releases: list[Release] = json.loads(_from(root, config, three, *options))
    found = versions.of_tag(str(releases[0]["version"] or ""), "") or ""
    return found and versions.epoch(before) + found


def _before(told: Release, tag: str | None) -> Release:
    """Return the release ``tag``, which is before ``told``; None is that there is none."""
    return {**told, "version": tag, "commits": [], "previous": None, "commit_id": None}


def _from(root: Path, config: Path, told: Release, *options: str) -> str:
    """Return what git-cliff makes of a release whose texts were made harmless."""
    safe = {**told, "commits": [_harmless(each) for each in told["commits"]]}
    context = json.dumps([safe]).encode()
    return _cliff(root, config, "--from-context", "-", *options, given=context)


def _harmless(commit: dict[str, Any]) -> dict[str, Any]:
    """Return a commit with all that people wrote in it made harmless."""
    made = dict(commit)
    made["raw_message"] = harmless.message(commit.get("raw_message") or "")
    for key in ("message", "body", "breaking_description"):
        if commit.get(key):
            made[key] = harmless.text(commit[key])
    if commit.get("scope"):
        made["scope"] = harmless.name(commit["scope"])
    for key in ("author", "committer"):
        person = commit[key]
        made[key] = {**person, "name": harmless.name(person.get("name") or "")}
    if commit.get("footers"):
        made["footers"] = [
            {**each, "value": harmless.text(each["value"])}
            for each in commit["footers"]
        ]
    made["links"] = [
        {**each, "text": harmless.name(each["text"])} for each in commit["links"]
    ]
    return made


def _cliff(root: Path, config: Path, *args: str, given: bytes = b"") -> str:
    """Return what ``git-cliff ARGS`` prints; its log is shown only when it fails.

    It reads and writes pipes: a file that a full disk cuts off is no error for it.
    """
    program = shutil.which("git-cliff", path=sysconfig.get_path("scripts"))
    if program is None:
        raise SurroundingsError(
            "git-cliff is not installed in this environment",
            "pip install 'sametree[release]' (here: README's first command)",
        )
    argv = [program, "--offline", "--config", str(config), *args]
    done = subprocess.run(
        argv,
        cwd=root,
        env=surroundings.clean(),
        input=given,
        capture_output=True,
        check=False,
    )
    if done.returncode == 0:
        return done.stdout.decode(errors="replace")
    said = _said(done.stderr.decode(errors="replace"))
    if config != OURS:
        raise UsageError(
            f"{THEIRS} cannot be used: {said}", "git-cliff's documentation has all keys"
        )
    raise SurroundingsError(f"git-cliff cannot read the commits: {said}")


def _said(log: str) -> str:
    """Return the error in a log."""
    lines = [each.strip() for each in harmless.seen(log).split("\n")]
    kept = [each for each in lines if each and not re.match("(INFO|WARN|DEBUG)", each)]
    return re.sub(r"^(Error:|ERROR\s+\S+ >) *", "", "\n  ".join(kept))


def _commit(told: Release) -> Commit:
    raw = harmless.seen(told.get("raw_message") or told.get("message") or "")
    subject = raw.strip().split("\n", 1)[0].strip()
    conventional = bool(told.get("conventional"))
    found = re.match(r"[\w-]+", subject)
    return Commit(
        id=str(told["id"]),
        subject=subject,
        kind=found[0].lower() if conventional and found else "",
        scope=harmless.seen(told.get("scope") or ""),
        breaking=bool(told.get("breaking")),
        conventional=conventional,
    )


def _why(telling: Sequence[Commit], last: str, prefix: str, version: str) -> str:
    """Return a sentence that says why the next version is ``version``."""
    breaking = [each for each in telling if each.breaking]
    kinds = Counter(each.kind for each in telling if not each.breaking)
    features, fixes = kinds.pop("feat", 0), kinds.pop("fix", 0)
    parts = [f"{len(breaking)} breaking"] if breaking else []
    parts += [f"{features} feature{'s' * (features != 1)}"] if features else []
    parts += [f"{fixes} fix{'es' * (fixes != 1)}"] if fixes else []
    parts += [f"{kinds.total()} other"] if kinds else []
    before = versions.of_tag(last, prefix) or ""
    raised = (each for each in _LEVELS if versions.raised(before, each) == version)
    weightiest = breaking or [e for e in telling if e.kind == "feat"] or telling
    subject = weightiest[0].subject
    if len(subject) > SUBJECT:
        subject = subject[: SUBJECT - 1] + "…"
    first = "first: " if len(telling) > 1 else ""
    return (
        f"{next(raised, 'raised')}: {', '.join(parts)} since {last} ({first}{subject})"
    )
