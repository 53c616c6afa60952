"""What is told of an environment fits on the screen, and says what to do."""

import json
import os
import signal

from conftest import eventually

from sametree.deploy import audit
from sametree.deploy.site import site
from sametree.settings import load
from sametree.settings.model import Environment
from sametree.units.deploying import looking


def test_the_history_has_the_first_line_of_a_problem_alone(sample):
    found = site(load(sample.root), "staging", Environment())
    found.folder.mkdir(parents=True)
    told = "it does not come up:\n  Traceback\n  more"
    audit.append(found.folder, "deploy", result="undone", problem=told)
    audit.append(found.folder, "deploy", result="undone", problem="x" * 300)
    first, second = looking.history(found, 10)
    assert first.endswith("  it does not come up:")
    assert second.endswith("x" * looking.SHOWN + "...") and len(second) < 200


def test_a_warm_colour_that_died_is_no_affair_of_scale(yard):
    yard.deploy(yard.release("one"))
    found = yard.deploy(yard.release("two"))
    warm = found.runner.inspect()["blue-1"]
    state = json.loads((found.folder / "services/blue-1/state.json").read_text())
    os.kill(state["keeper"], signal.SIGKILL)
    os.kill(warm.pid, signal.SIGKILL)
    assert eventually(lambda: not found.runner.inspect()["blue-1"].alive)
    (line,) = looking.drift(found)
    assert "there is no way back at once; `invoke retire local` ends it" in line
