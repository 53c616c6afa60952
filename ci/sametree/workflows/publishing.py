"""What do the settings say that ``.github/workflows/release.yml`` is?

It is written where settings name a place that files go to, or an environment that follows.
Each job has the rights of its part alone: who may write the repository cannot publish,
and who publishes holds nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator

from sametree.settings import Project
from sametree.settings.model import Release

FILE = ".github/workflows/release.yml"
ATTEST = "actions/attest@1e69f48acb82d1966a394da916b4c1698aa569d6 # v4.2.2"
MINUTES = 30
"""For building, inspecting, uploading: all of it waits for others' servers."""
DEPLOY_MINUTES = 120

_WORKFLOW = """\
{header}
# By hand alone. No logic lives here: each job makes one call, and has the rights for its
# own part of the release. What is done is asked of the world, so a job can be run again.
name: release
run-name: Release ${{{{ inputs.version || inputs.pre }}}}

on:
  workflow_dispatch:
    inputs:
      version:
        description: This version; when empty, the one that the commits tell
        type: string
        default: ""
      pre:
        description: One before the final version
        type: choice
        default: ""
        options: ["", rc, b, a]
      resume:
        description: Finish a release that was cut off
        type: boolean
        default: false

permissions: {{}}

# One after the other, and never cancelled in the middle.
concurrency:
  group: release
  cancel-in-progress: false

jobs:
  tag:
    name: Build, inspect, tag
    if: ${{{{ !inputs.resume }}}}
    runs-on: {runner}
    timeout-minutes: {minutes}
    environment: # asks for the approvals that it has
      name: release
      deployment: false
    permissions:
      contents: write # to push commit and tag
    steps:
{checkout}      - run: invoke release --yes --until push --version="$VERSION" --pre="$PRE"
        env:
          VERSION: ${{{{ inputs.version }}}}
          PRE: ${{{{ inputs.pre }}}}
          GITHUB_TOKEN: ${{{{ github.token }}}} # to push{asked}
{keep}
{publish}
  # Gives the claim back at last: from then on the next release may begin.
  finish:
    name: {last_name}
    needs: [tag{needed}]
    if: ${{{{ !cancelled() && {went} }}}}
    runs-on: {last_runner}
    timeout-minutes: {last_minutes}{last_environment}
    permissions:
      contents: write # to give the claim back{github}
    steps:
{checkout}{take}      - run: invoke release --resume --yes
        env:
          GITHUB_TOKEN: ${{{{ github.token }}}}{given}
"""

_CHECKOUT = """\
      - uses: {checkout}
        with:
          ref: {ref}
          persist-credentials: false
          fetch-depth: 0 # what came since the last version, and its tag
      - uses: $/.github/actions/runtime
"""

_KEEP = """\
      - uses: {upload}
        if: ${{{{ always() }}}} # what a later job, or a person, goes on with
        with:
          name: {name}
          include-hidden-files: true # .sametree
          path: .sametree/releasing/
"""

_TAKE = """\
      - uses: {download}
        if: ${{{{ needs.{job}.result == 'success' }}}}
        with:
          name: {name}
          path: .sametree/releasing/
"""

_PUBLISH = """\
  # Holds nothing but the right to publish.
  publish:
    name: Publish
    needs: [tag]
    if: ${{{{ !cancelled() && (needs.tag.result == 'success' || inputs.resume) }}}}
    runs-on: {runner}
    timeout-minutes: {minutes}
    environment: # whom the index trusts
      name: publish
      deployment: false
    permissions:
      contents: read # to check the tag out{oidc}
    steps:
{checkout}{take}      - run: invoke release --resume --yes --until publish{given}
{keep}
  # Says where, and of which commit, the published files were built.
  attest:
    name: Attest
    needs: [publish]
    if: ${{{{ !cancelled() && needs.publish.result == 'success' }}}}
    runs-on: {runner}
    timeout-minutes: {light}
    permissions:
      id-token: write # to sign as this workflow
      attestations: write # to keep what was signed
    steps:
      - uses: {download}
        with:
          name: published
          path: ${{{{ runner.temp }}}}/published
      - uses: {attest}
        with:
          subject-path: |
            ${{{{ runner.temp }}}}/published/**/*.whl
            ${{{{ runner.temp }}}}/published/**/*.tar.gz
"""


def text(
    project: Project,
    *,
    header: str,
    checkout: str,
    upload: str,
    download: str,
    runner: str,
) -> str:
    """Return the text of release.yml; empty when nothing is published or deployed."""
    settings = project.settings
    told = settings.release
    if not told.targets and not told.deploy:
        return ""
    indexes = [each for each in told.targets.values() if each.kind == "index"]
    branch = "${{ github.ref_name }}"
    first = _CHECKOUT.format(checkout=checkout, ref=branch)
    publish = ""
    if indexes:
        tokens = [each.token for each in indexes if each.token]
        publish = _PUBLISH.format(
            runner=runner,
            minutes=MINUTES,
            light=10,
            oidc=(
                "\n      id-token: write # by which the index knows this job"
                if len(tokens) < len(indexes)
                else ""
            ),
            checkout=first,
            take=_TAKE.format(download=download, job="tag", name="tagged"),
            given=_env(tokens),
            keep=_KEEP.format(upload=upload, name="published"),
            download=download,
            attest=ATTEST,
        )
    last = "publish" if indexes else "tag"
    after = told.deploy[0] if told.deploy else ""
    return _WORKFLOW.format(
        header=header,
        runner=runner,
        minutes=MINUTES,
        checkout=first,
        asked=_lines(_asked(told)),
        keep=_KEEP.format(upload=upload, name="tagged").rstrip("\n") + "\n",
        publish=publish,
        last_name="Announce, deploy" if after else "Announce, verify",
        needed=", publish" if indexes else "",
        went=(
            "needs.publish.result == 'success'"
            if indexes
            else "(needs.tag.result == 'success' || inputs.resume)"
        ),
        last_runner=(
            f'[self-hosted, "{after}"] # zizmor: ignore[self-hosted-runner]'
            if after
            else runner
        ),
        last_minutes=DEPLOY_MINUTES if after else MINUTES,
        last_environment=f"\n    environment: {after}" if after else "",
        github=(
            ", and to publish on GitHub"
            if any(each.kind == "github" for each in told.targets.values())
            else ""
        ),
        take=_TAKE.format(
            download=download, job=last, name="published" if indexes else "tagged"
        ),
        given=_lines(_secrets(project)),
    )


def _asked(told: Release) -> Iterator[str]:
    """Yield the variables with which the first job tries the credentials."""
    for each in told.targets.values():
        if each.token:
            yield each.token


def _secrets(project: Project) -> Iterator[str]:
    """Yield the variables that the last job needs: tokens, and what is deployed with."""
    told = project.settings.release
    for each in told.targets.values():
        if each.kind == "github" and each.token:
            yield each.token
    for name in told.deploy:
        environment = project.settings.environments[name]
        if environment.database and project.settings.database:
            yield environment.database
        yield from environment.secrets.values()


def _lines(names: Iterator[str]) -> str:
    return "".join(
        f"\n          {name}: ${{{{ secrets.{name} }}}}"
        for name in dict.fromkeys(names)
    )


def _env(names: list[str]) -> str:
    lines = _lines(iter(names))
    return f"\n        env:{lines}" if lines else ""
