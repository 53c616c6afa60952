"""What is built before a rehearsal: the place of GitHub, and stand-ins for its actions?

========================  =====================================================
``remote.git``            the repository, from which jobs fetch, to which they push
``repository``            where act reads the workflow
``artifacts``             what jobs upload
``actions``               a composite action for each action that is used
``programs``              uv, which the runtime puts on PATH
``home``                  HOME of all jobs, empty but for links to caches and pips' files
``work``                  act's own place, with the workspaces of the jobs
========================  =====================================================
"""

from __future__ import annotations

import getpass
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from sametree import git
from sametree.errors import SurroundingsError, UsageError
from sametree.workflows import document, standins
from sametree.workflows.document import Document, Kind, Said, Unreadable

OWNER = "rehearsal"
"""Who has the repository, as the jobs see it."""

LENT = frozenset(
    "SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE NODE_EXTRA_CA_CERTS "
    "GIT_SSL_CAINFO HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY "
    "http_proxy https_proxy all_proxy no_proxy".split()
)
LENT_PREFIXES = ("UV_", "PIP_", "NPM_CONFIG_", "npm_config_")
"""What jobs get of our environment: how this machine reaches package registries."""
LENT_FILES = (
    *(".npmrc", ".netrc", ".pip", ".config/pip", ".config/uv"),
    *(".npm", ".cache/uv", ".cache/pip"),
)
"""What jobs find of our HOME, for the same purpose."""

NO_PAGER = {"PAGER": "cat", "GIT_PAGER": "cat"}
"""act gives a step a terminal, GitHub none: there, no program waits for a key."""

STRATEGY, ONE_BY_ONE = (
    re.compile(rb"^( +)strategy:[^\n]*\n", re.MULTILINE),
    rb"\g<0>\1  max-parallel: 1\n",
)
"""act runs four jobs of a matrix at a time; sharing one machine, they would be slow
enough to run into time limits that each of them alone keeps."""
TRANSLATED = (
    # An action of this repository at the workflow's own commit: here, what is in the
    # workspace is of that commit as well.
    (re.compile(rb"(uses:\s*[\"']?)\$/"), rb"\1./"),
    # An environment that is no deployment: act has neither.
    (re.compile(rb"^ +deployment: *(?:true|false) *\n", re.MULTILINE), b""),
)
SERVICES = (
    re.compile(rb"^( +)services:[^\n]*\n(?:\1 +[^\n]*\n)+", re.MULTILINE),
    re.compile(
        rb"^( +)DATABASE_URL: *>-\n(?:\1 +[^\n]*\n)*\1 +job\.services[^\n]*\n",
        re.MULTILINE,
    ),
)
"""A job's services and the address of one: act, without containers, starts none, so the
jobs of a rehearsal work with the embedded server."""
"""What GitHub knows and act does not, and what says the same to act. It is changed in
act's copy alone; what jobs check out is the commit as it is."""

_ACTION = """\
name: A stand-in
description: {name} in a rehearsal
inputs: {inputs}
runs:
  using: composite
  steps:
    - run: {run}
      shell: bash
"""


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """What act is given: where it works, the workflow, its machines, the stand-ins.

    ``services`` says that jobs have some on GitHub, and none here."""

    repository: Path
    workflow: Document
    event: Path
    machines: tuple[str, ...]
    actions: Mapping[str, Path]
    services: bool = False


def build(
    root: Path, place: Path, *, commit: str, branch: str, workflow: str, uv: str
) -> Stage:
    """Build in folder ``place`` what rehearses ``workflow`` of ``commit``.

    Raises UsageError when the workflow is not there, or uses what has no stand-in.
    """
    services = _copy(root, place, commit, branch)
    (place / "artifacts").mkdir()
    (place / "programs").mkdir()
    (place / "programs" / "uv").symlink_to(uv)
    repository = place / "repository"
    reached = list(_reached(repository, workflow))
    event = place / "event.json"
    event.write_text(json.dumps(_event(root.name, commit, branch)))
    return Stage(
        repository=repository,
        workflow=reached[0],
        event=event,
        machines=tuple(sorted(set(_machines(reached)))),
        actions={name: _stand_in(place, name) for name in sorted(_actions(reached))},
        services=services,
    )


def environment(home: Path, outer: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment in which a rehearsal runs, with the new HOME ``home``.

    It is empty but for what every runner has, and for what ``outer`` lends.
    """
    kept = {
        name: value
        for name, value in outer.items()
        if name in LENT or name.startswith(LENT_PREFIXES)
    }
    tools = [shutil.which(name) or "" for name in ("git", "bash")]
    folders = [*(os.path.dirname(tool) for tool in tools), "/usr/local/bin"]
    path = dict.fromkeys([*filter(None, folders), "/usr/bin", "/bin"])
    user = {}
    with suppress(KeyError, OSError):
        user = {"USER": getpass.getuser(), "LOGNAME": getpass.getuser()}
    fixed = {"HOME": str(home), "PATH": ":".join(path), "LANG": "C.UTF-8"}
    return {**kept, **user, **fixed, **NO_PAGER}


def make_home(home: Path, own: Path) -> None:
    """Make ``home``, with links to what ``own``, our HOME, lends."""
    for name in LENT_FILES:
        if (own / name).exists():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).symlink_to(own / name)
    home.mkdir(exist_ok=True)


def _copy(root: Path, place: Path, commit: str, branch: str) -> bool:
    """Copy the repository of ``root``, with ``commit`` as what was pushed; return whether
    jobs have services, which were left out.

    Notes are not copied: what CI has proven must not spare the rehearsal its work.
    """
    remote, repository = place / "remote.git", place / "repository"
    _git(root, "clone", "--quiet", "--bare", ".", str(remote))
    _git(remote, "update-ref", f"refs/heads/{branch}", commit)
    _git(remote, "symbolic-ref", "HEAD", f"refs/heads/{branch}")
    # As on GitHub, where any commit can be fetched.
    _git(remote, "config", "uploadpack.allowAnySHA1InWant", "true")
    _git(place, "clone", "--quiet", "--no-checkout", str(remote), str(repository))
    url = f"https://github.com/{OWNER}/{root.name}"
    _git(repository, "remote", "set-url", "origin", url)
    listed = _git(repository, "ls-tree", "--name-only", "HEAD", ".github")
    if listed.strip():
        _git(repository, "checkout", "--quiet", "HEAD", "--", ".github")
    services = False
    for path in (repository / ".github").rglob("*.y*ml"):
        text = path.read_bytes()
        for part in SERVICES:
            text, count = part.subn(b"", text)
            services = services or bool(count)
        for unknown, known in TRANSLATED:
            text = unknown.sub(known, text)
        if b"max-parallel:" not in text:
            text = STRATEGY.sub(ONE_BY_ONE, text)
        path.write_bytes(text)
    return services


def _reached(repository: Path, workflow: str) -> Iterator[Document]:
    """Yield the workflow, those that it calls, and the local actions that are used."""
    left: list[tuple[str, Kind]] = [(workflow, "workflow")]
    seen = set(left)
    while left:
        file, kind = left.pop(0)
        found = _read(repository, file, kind)
        yield found
        for uses, of_job in _uses(found):
            if not uses.text.startswith("./"):
                continue
            local = uses.text[2:].rstrip("/")
            more: tuple[str, Kind] = (local, "workflow")
            if not of_job:
                yml = (repository / local / "action.yml").exists()
                more = (f"{local}/action.{'yml' if yml else 'yaml'}", "action")
            if more not in seen:
                seen.add(more)
                left.append(more)


def _read(repository: Path, file: str, kind: Kind) -> Document:
    try:
        return document.read(file, kind, (repository / file).read_bytes())
    except OSError:
        raise UsageError(
            f"there is no {file} in the last commit",
            "write it with `invoke workflows.write`, and commit it",
        ) from None
    except Unreadable as error:
        raise UsageError(f"{file}:{error.line}  {error.text}") from None


def _actions(documents: Sequence[Document]) -> set[str]:
    """Return the actions to be stood in for; raise UsageError for one that has none."""
    found: set[str] = set()
    for each in documents:
        for uses, of_job in _uses(each):
            name = uses.text.partition("@")[0]
            if uses.text.startswith("./"):
                continue
            if of_job or name not in standins.INPUTS:
                known = ", ".join(standins.INPUTS)
                raise UsageError(
                    f"{each.file}:{uses.line}  {name} cannot be rehearsed: its code is on"
                    " GitHub, and nothing stands in for it here",
                    f"what has a stand-in: {known}",
                )
            found.add(uses.text)
        for step in (*each.steps, *(step for job in each.jobs for step in job.steps)):
            _known_inputs(each, step)
    return found


def _known_inputs(document_: Document, step: document.Step) -> None:
    name = step.uses.text.partition("@")[0] if step.uses else ""
    for given in step.inputs if name in standins.INPUTS else ():
        if given.text not in standins.INPUTS[name]:
            raise UsageError(
                f"{document_.file}:{given.line}  {name} cannot be rehearsed with"
                f" {given.text!r}: its stand-in does not know it",
                f"it knows {', '.join(standins.INPUTS[name])}",
            )


def _uses(found: Document) -> Iterator[tuple[Said, bool]]:
    """Yield all that a document uses, and whether it is a job that uses it."""
    for step in found.steps:
        if step.uses:
            yield step.uses, False
    for job in found.jobs:
        if job.uses:
            yield job.uses, True
        for step in job.steps:
            if step.uses:
                yield step.uses, False


def _machines(documents: Sequence[Document]) -> Iterator[str]:
    for job in (job for each in documents for job in each.jobs):
        for label in job.machines:
            from_matrix = re.fullmatch(r"\$\{\{\s*matrix\.([\w-]+)\s*\}\}", label)
            yield from job.matrix.get(from_matrix[1], ()) if from_matrix else (label,)


def _stand_in(place: Path, uses: str) -> Path:
    """Write the composite action that stands in for ``uses``; return its folder."""
    name = uses.partition("@")[0]
    folder = place / "actions" / uses.replace("/", "-")
    folder.mkdir(parents=True)
    inputs = {key: {"default": value} for key, value in standins.INPUTS[name].items()}
    argv = (sys.executable, "-I", "-S", standins.__file__, name, str(place))
    text = _ACTION.format(
        name=name, inputs=json.dumps(inputs), run=json.dumps(shlex.join(argv))
    )
    (folder / "action.yml").write_text(text)
    return folder


def _event(name: str, commit: str, branch: str) -> dict[str, object]:
    """Return the event of a push (docs: webhook events, ``push``)."""
    repository = {
        "name": name,
        "full_name": f"{OWNER}/{name}",
        "default_branch": branch,
        "owner": {"login": OWNER},
    }
    return {
        "ref": f"refs/heads/{branch}",
        "after": commit,
        "head_commit": {"id": commit},
        "repository": repository,
    }


def _git(cwd: Path, *args: str) -> str:
    done = subprocess.run(
        ["git", *args],
        cwd=cwd,
        env=git.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise SurroundingsError(f"git {args[0]} failed: {said}")
    return done.stdout.decode(errors="surrogateescape")
