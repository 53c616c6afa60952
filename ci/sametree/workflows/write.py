"""What do the settings say that ``.github/workflows/ci.yml`` is?

The text is a function of the settings alone, so it can be written, compared and shown
as a difference. Why each part is there stands beside it, in the text itself.
"""

from __future__ import annotations

import difflib
import json
import re
import shlex
import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from sametree import files
from sametree.errors import UsageError
from sametree.settings import Project
from sametree.workflows import deployment, publishing

WORKFLOW = ".github/workflows/ci.yml"
RUNTIME = ".github/actions/runtime/action.yml"
HEADER = (
    "# Made by `invoke workflows.write` from [tool.sametree]: change that, not this."
)

CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1"
UPLOAD = "actions/upload-artifact@043fb46d1a93c77aae656e7c1c64a875d1fc6a0a # v7.0.1"
DOWNLOAD = "actions/download-artifact@3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c # v8.0.1"
SETUP_UV = "astral-sh/setup-uv@20cfd1bf945f4377ade1205e4dbc17946fc9a30d # v10.0.1"

LIGHT_MINUTES = 10
"""How long a job may take that only plans, or moves records."""
GATE_MINUTES = 5
GATE_RUNNER = "ubuntu-slim"
"""GitHub's smallest machine: the gate only looks at results."""

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:-]*@sha256:[0-9a-f]{64}")
_WORDS = frozenset("true false yes no on off y n null".split())
"""What YAML 1.1 takes for something else than a string."""

_WORKFLOW = """\
{header}
# No logic lives here: each job makes one call, which anyone can make at home.
name: ci

on:
  push:
    branches: [{branch}]
  pull_request:
  merge_group:

permissions: {{}}

concurrency:
  group: ci-${{{{ github.workflow }}}}-${{{{ github.ref }}}}
  cancel-in-progress: ${{{{ github.event_name == 'pull_request' }}}}

jobs:
  plan:
    name: Plan
    runs-on: {runner}
    timeout-minutes: {light}
    permissions:
      contents: read # to check the sources out, and to fetch what is proven
    outputs:
      units: ${{{{ steps.plan.outputs.units }}}}
      any: ${{{{ steps.plan.outputs.any }}}}
    steps:
      - uses: {checkout}
        with:
          persist-credentials: false
          fetch-depth: 0 # the plan compares with earlier trees
      - uses: $/.github/actions/runtime
      - id: plan
        run: nox -s plan
        env:
          GITHUB_TOKEN: ${{{{ github.token }}}} # to fetch what is proven

  unit:
    name: ${{{{ matrix.unit }}}}
    needs: plan
    if: ${{{{ needs.plan.outputs.any == 'true' }}}} # GitHub refuses an empty matrix
    runs-on: {runner}
    timeout-minutes: {minutes}
    permissions:
      contents: read # to check the sources out
    strategy:
      fail-fast: false # each unit's answer counts, also beside a failure
      matrix:
        include: ${{{{ fromJSON(needs.plan.outputs.units) }}}}
{service}    steps:
      - uses: {checkout}
        with:
          persist-credentials: false
          fetch-depth: 0 # the coverage gate names files changed since {branch_name}
      - uses: $/.github/actions/runtime
      - run: nox -s "$UNIT"
        env:
          UNIT: ${{{{ matrix.unit }}}}
{address}      - uses: {upload}
        if: ${{{{ always() }}}}
        with:
          name: unit-${{{{ matrix.name }}}}
          include-hidden-files: true # .sametree
          path: |
            .sametree/runs/
            {reports}/
            {dist}/

  # Saves what this run proved, so that no later run does it again.
  records:
    name: Records
    needs: [plan, unit]
    # Also when a unit failed: the others passed. A fork's run may write nothing here.
    if: >-
      ${{{{ !cancelled() && needs.plan.outputs.any == 'true'
      && (github.event_name != 'pull_request'
      || github.event.pull_request.head.repo.full_name == github.repository) }}}}
    runs-on: {runner}
    timeout-minutes: {light}
    environment: # holds the key, so that no other job can read it
      name: records
      deployment: false
    permissions:
      contents: write # to push the records as git notes
    steps:
      - uses: {checkout}
        with:
          persist-credentials: false
      - uses: $/.github/actions/runtime
      - uses: {download}
        with:
          pattern: unit-*
          path: ${{{{ runner.temp }}}}/records
      - run: invoke records.push --folder "$RUNNER_TEMP/records"
        env:
          GITHUB_TOKEN: ${{{{ github.token }}}} # to push
          SAMETREE_RECORDS_KEY: ${{{{ secrets.SAMETREE_RECORDS_KEY }}}} # to sign

  # The one job that branch protection requires. A skipped job would count as passed,
  # so it runs always and looks at the results itself. Units are skipped rightly only
  # when the plan has none. Lost records cost the next run time, never truth, so they
  # do not fail it.
  required:
    name: Required
    if: ${{{{ always() }}}}
    needs: [plan, unit, records]
    runs-on: {gate_runner}
    timeout-minutes: {gate}
    permissions: {{}}
    steps:
      - name: Every unit has passed, or the plan has none
        if: >-
          ${{{{ needs.plan.result != 'success' || needs.unit.result != 'success'
          && (needs.unit.result != 'skipped' || needs.plan.outputs.any != 'false') }}}}
        run: exit 1
"""

_SERVICE = """\
    services:
      postgres: # for units that work on the database; without an image none is started
        image: ${{{{ matrix.database && '{image}' || '' }}}}
        env:
          POSTGRES_PASSWORD: throw-away # of a server that is gone with the job
        ports:
          - 5432 # at whichever port of the machine is free
        # Over TCP, where it does not answer before its first start is through.
        options: >-
          --health-cmd "pg_isready --host 127.0.0.1 --username postgres"
          --health-interval 1s --health-timeout 5s --health-retries 60
"""
_ADDRESS = """\
          DATABASE_URL: >-
            ${{ matrix.database && format(
            'postgresql://postgres:throw-away@127.0.0.1:{0}/postgres',
            job.services.postgres.ports['5432']) || '' }}
"""

_RUNTIME = """\
{header}
# README's first command, here: Python, and what the lock of `dev` pins.
# Nothing is cached. A cache can be poisoned, and wheels are fetched about as fast as
# it is restored (uv's guide: "Caching in continuous integration").
name: Runtime
description: Python, nox and invoke, as the lock pins them
{inputs}runs:
  using: composite
  steps:
    - uses: {setup_uv}
      with:
        version-file: {lock}
        python-version: "{python}"
        activate-environment: true
        venv-path: {place}/venv # beside the tree, where no tool looks
        enable-cache: false
    - run: uv pip install --require-hashes -r {lock_argument}
      shell: bash
"""

_INPUTS = """\
inputs:
  venv:
    description: A folder for it that outlives the job; else it goes with the job
    default: ""
"""
"""Where jobs deploy: services are kept running by what the job has set up."""

_SUITE = """\
    - run: uv pip install --no-deps --no-build-isolation -e .
      shell: bash
"""
"""The suite's own repository pins no suite: it works with the one that it holds."""


class Change(msgspec.Struct, frozen=True):
    """What writing did to a file: ``made``, ``changed`` or ``unchanged``."""

    file: str
    what: str


def texts(project: Project) -> Mapping[str, str]:
    """Return the files that the settings of ``project`` ask for: path -> text."""
    found = {WORKFLOW: workflow(project), RUNTIME: runtime(project)}
    by_hand = {
        deployment.FILE: deployment.text(project, header=HEADER, checkout=CHECKOUT),
        publishing.FILE: publishing.text(
            project,
            header=HEADER,
            checkout=CHECKOUT,
            upload=UPLOAD,
            download=DOWNLOAD,
            runner=_scalar(project.settings.ci.runner),
        ),
    }
    return found | {file: text for file, text in by_hand.items() if text}


def workflow(project: Project) -> str:
    """Return the text of ci.yml for ``project``."""
    settings = project.settings
    image = service(project)
    return _WORKFLOW.format(
        service=_SERVICE.format(image=image) if image else "",
        address=_ADDRESS if image else "",
        header=HEADER,
        branch=_scalar(settings.main_branch),
        branch_name=settings.main_branch,
        runner=_scalar(settings.ci.runner),
        minutes=settings.ci.timeout_minutes,
        light=LIGHT_MINUTES,
        gate=GATE_MINUTES,
        gate_runner=_gate_runner(settings.ci.runner),
        checkout=CHECKOUT,
        upload=UPLOAD,
        download=DOWNLOAD,
        reports=settings.reports.rstrip("/"),
        dist=settings.dist.rstrip("/"),
    )


def service(project: Project) -> str:
    """Return the image of the server that the jobs of database units get; empty where
    that is the embedded one.

    Raises UsageError when settings name one that is not told by its digest.
    """
    database = project.settings.database
    image = database.service if database else ""
    if image and not _IMAGE.fullmatch(image):
        name = re.split(r"@", image)[0]
        raise UsageError(
            f"pyproject.toml: [tool.sametree.database] service: {image!r} does not name"
            " an image by its digest, and so may be another one tomorrow",
            f"write NAME:TAG@sha256:DIGEST; `docker buildx imagetools inspect {name}`"
            " tells the digest",
        )
    return image


def runtime(project: Project) -> str:
    """Return the text of the composite action that sets a job's runtime up."""
    lock = dev_lock(project)
    outlives = bool(deployment.environments(project))
    text = _RUNTIME.format(
        header=HEADER,
        setup_uv=SETUP_UV,
        lock=_scalar(lock),
        lock_argument=shlex.quote(lock),
        inputs=_INPUTS if outlives else "",
        place="${{ inputs.venv || runner.temp }}" if outlives else "${{ runner.temp }}",
        python=project.settings.ci.python,
    )
    return text + (_SUITE if _is_the_suite(project) else "")


def dev_lock(project: Project) -> str:
    """Return the path, in the project, of the lock that holds nox and invoke."""
    return f"{project.settings.locks.rstrip('/')}/dev.txt"


def write(project: Project) -> list[Change]:
    """Write the files of :func:`texts`; each whole or not at all.

    Raises UsageError, before anything is written, when a file is there that somebody
    else made, or when there is no lock for the runtime.
    """
    if not (project.root / dev_lock(project)).exists():
        raise UsageError(
            f"there is no {dev_lock(project)}, from which CI installs nox and invoke",
            "name sametree in a dependency group 'dev' of pyproject.toml, then make"
            " the lock with `nox -s lock`",
        )
    found = {file: read(project.root / file) for file in texts(project)}
    for file, old in found.items():
        if old and not ours(old):
            raise UsageError(
                f"{file} is there already, and not made by `invoke workflows.write`",
                f"keep it under another name, or remove it: git mv {file} OTHER",
            )
    return [
        _put(project.root, file, found[file], new)
        for file, new in texts(project).items()
    ]


def ours(text: str) -> bool:
    """Return whether a file with ``text`` was made by :func:`write`."""
    return HEADER in text.splitlines()[:3]


def read(path: Path) -> str | None:
    """Return the text of ``path`` with plain line ends; None when there is no file."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def difference(file: str, old: str, new: str) -> tuple[int, str]:
    """Return the first line (from 1) of ``old`` that differs, and a unified diff."""
    lines = list(
        difflib.unified_diff(
            old.splitlines(), new.splitlines(), file, "settings", lineterm="", n=1
        )
    )
    pairs = zip(old.splitlines(), new.splitlines(), strict=False)
    same = next((n for n, (a, b) in enumerate(pairs) if a != b), None)
    first = min(len(old.splitlines()), len(new.splitlines())) if same is None else same
    return min(first + 1, max(1, len(old.splitlines()))), "\n".join(lines)


def _put(root: Path, file: str, old: str | None, new: str) -> Change:
    if old == new:
        return Change(file, "unchanged")
    files.write_atomically(root / file, new)
    return Change(file, "made" if old is None else "changed")


def _scalar(text: str) -> str:
    """Return ``text`` as YAML has it: quoted where it would not be a string else.

    >>> _scalar("ubuntu-24.04"), _scalar("on"), _scalar("my runner")
    ('ubuntu-24.04', '"on"', '"my runner"')
    """
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return json.dumps(text, ensure_ascii=False)


def _gate_runner(runner: str) -> str:
    """Return the gate's machine; who has machines of his own has no ubuntu-slim."""
    return GATE_RUNNER if runner.startswith("ubuntu-") else _scalar(runner)


def _is_the_suite(project: Project) -> bool:
    try:
        document = tomllib.loads((project.root / "pyproject.toml").read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return False
    own = document.get("project", {})
    return isinstance(own, dict) and own.get("name") == "sametree"
