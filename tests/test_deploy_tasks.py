"""What a maintainer types, from the first deployment to the end of it."""

import json
import os
import signal
import subprocess
import sys

import pytest
from conftest import REPOSITORY, environment, eventually
from yard import Yard, ask, word

from sametree.stepwise import audit

pytestmark = pytest.mark.proof

DEPLOY = """

@nox.session(allow_parallel=False)
@pipeline.whole("deploy")
def deploy(session):
    pipeline.run(session)
"""


@pytest.fixture
def typed(sample, tmp_path, monkeypatch):
    """A project with tasks and environments, and what types them."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "registry"))
    made = Yard(sample, tmp_path / "registry")
    made.environment("staging", replicas=2)
    made.environment("production", after="staging")
    text = (REPOSITORY / "tasks.py").read_text(encoding="utf-8")
    sample.write({"tasks.py": text, "noxfile.py": sample.text("noxfile.py") + DEPLOY})
    yield made
    for name in ("staging", "production", "local"):
        made.site(name)
    made.down()


def type_(yard, *args, code=0, typed=""):
    """Run `invoke ARGS`; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "invoke", *args],
        cwd=yard.sample.root,
        env=environment({"PIP_NO_INDEX": "1"}),
        input=typed,
        capture_output=True,
        text=True,
    )
    said = done.stdout + done.stderr
    assert done.returncode == code, f"$ invoke {' '.join(args)}\n{said}"
    assert "Traceback" not in said, said
    return said


def test_from_staging_to_production_and_back(typed):
    typed.release("one")
    assert "nothing was deployed to staging yet" in type_(
        typed, "status", "--environment", "staging"
    )
    planned = type_(typed, "deploy", "staging", "--plan")
    assert "--plan: nothing was changed" in planned
    said = type_(typed, "deploy", "staging", code=2)
    assert "add --yes to agree to the plan" in said
    said = type_(typed, "deploy", "staging", "--yes")
    assert "staging has 100 % on blue" in said
    type_(typed, "promote", "staging", "production", "--yes", "--why", "it is time")
    typed.release("two")
    said = type_(typed, "deploy", "production", "--yes", code=2)
    assert "it has not baked on staging yet" in said
    type_(typed, "deploy", "staging", "--yes")
    type_(typed, "promote", "staging", "production", "--yes")
    production = typed.site("production")
    assert word(production) == "two"
    said = type_(typed, "rollback", "production", "--yes", "--why", "it is slow")
    assert "production has 100 % on blue" in said
    assert word(production) == "one"
    shown = type_(typed, "status")
    assert shown.index("production") < shown.index("staging")
    told = type_(typed, "history", "production")
    assert "it is time" in told and "it is slow" in told
    assert [e["event"] for e in audit.read(production.folder)] == [
        "promote",
        "promote",
        "rollback",
    ]
    assert "one serves" in type_(typed, "logs", "production")
    assert "all is as it was decided" in type_(typed, "drift")
    type_(typed, "scale", "staging", "--count", "1")
    assert typed.site("staging").sizes()["green"] == 1
    type_(typed, "retire", "staging")
    assert typed.site("staging").sizes()["blue"] == 0
    assert "production: free" in type_(typed, "lock.status")
    assert "nobody has the lease" in type_(typed, "lock.break", "production")
    assert "nothing of staging was cut off" in type_(
        typed, "deploy", "staging", "--resume"
    )
    assert "there is no environment 'stagin'" in type_(
        typed, "deploy", "stagin", code=2
    )
    assert "one of them" in type_(
        typed, "deploy", "staging", "--resume", "--abort", code=2
    )
    listed = type_(typed, "artifacts.list")
    assert production.colours.blue.tree[:12] in listed
    type_(typed, "artifacts.verify")
    found = type_(typed, "rollback", "staging", "--to", "0000", "--yes", code=2)
    assert "no release begins with '0000'" in found


def test_the_last_session_deploys_to_local_and_is_proven_as_long_as_it_lives(typed):
    typed.release("one")
    first = typed.sample.nox("-s", "deploy", env={"PIP_NO_INDEX": "1"})
    assert first.code == 0, first
    assert "local has 100 % on blue" in first.output
    assert "/ready  answers 200" in first.output
    again = typed.sample.nox("-s", "deploy")
    assert again.code == 0 and "proven" in again.output, again
    quick = typed.sample.nox("-s", "deploy")
    assert "proven" in quick.output and "Running session" not in quick.output, quick
    site = typed.site()
    state = json.loads((site.folder / "services/blue-1/state.json").read_text())
    os.kill(state["keeper"], signal.SIGKILL)
    os.kill(state["pid"], signal.SIGKILL)
    assert eventually(lambda: not site.runner.inspect()["blue-1"].alive)
    mended = typed.sample.nox("-s", "deploy")
    assert mended.code == 0 and "Running session" in mended.output, mended
    assert ask(typed.site())[0] == 200
    said = type_(typed, "down")
    assert "stopped" in said
    assert typed.site().runner.inspect() == {}
    third = typed.sample.nox("-s", "deploy")
    assert third.code == 0 and "local has 100 % on" in third.output, third
    assert "nothing was running" not in type_(typed, "down")
    assert "nothing was running" in type_(typed, "down")
