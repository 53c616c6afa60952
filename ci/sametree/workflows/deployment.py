"""What do the settings say that ``.github/workflows/deploy.yml`` is?

It is written for environments that a job can deploy to: those whose ``folder`` is an
absolute path. A job's checkout empties the workspace, and would empty an environment that
is in it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from sametree.settings import Project
from sametree.settings.model import Environment

FILE = ".github/workflows/deploy.yml"
RUNTIME_FOLDER = "runtime"
"""In an environment's folder: the interpreter that its services are kept running with.
That of any other job is gone with the job."""
BUILD_MINUTES = 30
"""For the build, the installation, the start of replicas and their draining."""
LIGHT_MINUTES = 15

_WORKFLOW = """\
{header}
# By hand alone. No logic lives here: each job makes one call.
name: deploy
run-name: ${{{{ inputs.action }}}} ${{{{ inputs.environment }}}}

on:
  workflow_dispatch:
    inputs:
      environment:
        description: The environment
        type: choice
        required: true
        options: {names}
      action:
        description: resume and abort are for a deployment that was cut off
        type: choice
        required: true
        default: deploy
        options: [deploy, rollback, resume, abort]
      commit:
        description: A commit, tag or branch; that of this workflow when empty
        type: string
        default: ""
      why:
        description: The reason, for the audit trail
        type: string
        default: ""

permissions: {{}}

# One after the other in an environment, and never cancelled in the middle.
concurrency:
  group: deploy-${{{{ inputs.environment }}}}
  cancel-in-progress: false

jobs:
{jobs}"""

_JOB = """\
  {name}:
    name: {title}
    if: ${{{{ inputs.action == '{name}' }}}}
    # The machine that has the environment has this label. No fork's code comes here:
    # the workflow is started by hand alone.
    runs-on: [self-hosted, "${{{{ inputs.environment }}}}"] # zizmor: ignore[self-hosted-runner]
    timeout-minutes: {minutes}{reason}
    environment: ${{{{ inputs.environment }}}} # asks for the approvals that it has
    permissions:
      contents: read # to check the sources out{more}
    steps:
      - uses: {checkout}
        with:
          ref: ${{{{ inputs.commit }}}}
          persist-credentials: false
      - uses: $/.github/actions/runtime
        with:
          venv: {venv}
      - run: {call}
        env:
          SAMETREE_TO: ${{{{ inputs.environment }}}}
{env}"""

# Names that no project's variable has: settings refuse them.
_WHY = "          SAMETREE_WHY: ${{ inputs.why }}\n"
_TOKEN = "          GITHUB_TOKEN: ${{ github.token }} # to fetch what CI has proven\n"


def environments(project: Project) -> Mapping[str, Environment]:
    """Return the environments that a job can deploy to, by name."""
    if not any(component.run for component in project.components):
        return {}
    return {
        name: each
        for name, each in sorted(project.settings.environments.items())
        if Path(each.folder).is_absolute()
    }


def text(project: Project, *, header: str, checkout: str) -> str:
    """Return the text of deploy.yml; empty when no environment is for a job."""
    named = environments(project)
    if not named:
        return ""
    given = _given(project, named)
    deploy = 'invoke deploy "$SAMETREE_TO"'
    long = max(map(_minutes, named.values()))
    jobs = {
        "deploy": (
            "Deploy",
            f'{deploy} --build --yes --why="$SAMETREE_WHY"',
            _WHY + _TOKEN + given,
        ),
        "rollback": (
            "Roll back",
            'invoke rollback "$SAMETREE_TO" --yes --why="$SAMETREE_WHY"',
            _WHY,
        ),
        "resume": ("Resume", f"{deploy} --resume", given),
        "abort": ("Abort", f"{deploy} --abort", given),
    }
    slow = " # longer than any deployment takes: cutting it off is no answer"
    return _WORKFLOW.format(
        header=header,
        names=json.dumps(list(named)),
        jobs="\n".join(
            _JOB.format(
                name=name,
                title=title,
                call=call,
                env=env,
                checkout=checkout,
                minutes=LIGHT_MINUTES if name == "rollback" else long,
                reason="" if name == "rollback" else slow,
                more=", and to fetch records" if name == "deploy" else "",
                venv=_by_environment(
                    {
                        n: f"{each.folder.rstrip('/')}/{RUNTIME_FOLDER}"
                        for n, each in named.items()
                    }
                ),
            )
            for name, (title, call, env) in jobs.items()
        ),
    )


def _minutes(environment: Environment) -> int:
    """Return how many minutes a deployment may take at most."""
    moves = {
        "blue-green": 1,
        "canary": len(environment.steps) + 1,
        "rolling": environment.replicas,
    }[environment.strategy]
    judged = moves * max(environment.bake, environment.gate.deadline)
    return BUILD_MINUTES + math.ceil((judged + environment.patience) / 60)


def _given(project: Project, named: Mapping[str, Environment]) -> str:
    """Return the lines that hand over what the environments need, each its own alone."""
    wanted: dict[str, dict[str, list[str]]] = {}
    for name, environment in named.items():
        for variable, source in dict(_needs(project, name, environment)).items():
            wanted.setdefault(variable, {}).setdefault(source, []).append(name)
    lines = []
    for variable, sources in sorted(wanted.items()):
        parts = []
        for source, names in sources.items():
            value = f"{source}.{variable}"
            asked = " || ".join(f"inputs.environment == '{name}'" for name in names)
            asked = f"({asked})" if len(names) > 1 else asked
            parts.append(value if names == list(named) else f"{asked} && {value}")
        if parts != [f"{source}.{variable}"]:
            parts.append("''")
        lines.append(f"          {variable}: ${{{{ {' || '.join(parts)} }}}}\n")
    return "".join(lines)


def _needs(
    project: Project, name: str, environment: Environment
) -> Iterator[tuple[str, str]]:
    """Yield the variables of who deploys, and where GitHub keeps them: ``secrets`` or
    ``vars``."""
    if environment.database and project.settings.database:
        yield environment.database, "secrets"
    for ours in environment.secrets.values():
        yield ours, "secrets"
    for variable, told in project.settings.variables.items():
        if variable in environment.secrets:
            continue
        if told.type == "secret":
            yield variable, "secrets"
        elif told.default is None and name not in told.defaults:
            yield variable, "vars"


def _by_environment(values: Mapping[str, str]) -> str:
    """Return an expression that is the value of the environment that was asked for, as
    YAML has it."""
    parts = []
    for name, value in values.items():
        quoted = value.replace("'", "''")
        parts.append(f"inputs.environment == '{name}' && '{quoted}'")
    return json.dumps(f"${{{{ {' || '.join(parts)} }}}}", ensure_ascii=False)
