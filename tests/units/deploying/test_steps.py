"""Each step of a deployment can be done, found done, and taken back, by itself."""

import json
import os
import shutil
import signal

import pytest
from conftest import eventually
from msgspec import structs
from yard import ask, word

from sametree import deploy_tasks
from sametree.stepwise import lease
from sametree.deploy.router import envoy
from sametree.deploy.router.desired import Desired
from sametree.deploy.strategies import Shift, Start, Stop
from sametree.errors import SurroundingsError, UnitFailed
from sametree.settings.model import Gate
from sametree.units.deploying import looking, parts, steps, traffic
from sametree.units.deploying.code import ReleaseCode


def killed(site, name):
    """Kill a process of ``name`` alone; its keeper starts another one."""
    before = site.runner.inspect()[name]
    os.kill(before.pid, signal.SIGKILL)
    assert eventually(
        lambda: (now := site.runner.inspect()[name]).alive and now.pid != before.pid
    )


def test_a_colour_is_started_shown_given_traffic_and_taken_back(stand):
    with stand.changing(bake=0.1) as change:
        site = change.site
        install, start, preview, shift, settle = steps.steps_of(change)
        assert install.done()
        install.do()
        install.undo()
        for step in (start, preview, shift):
            assert not step.done()
            step.do()
            assert step.done(), step
        pids = {name: each.pid for name, each in site.runner.inspect().items()}
        start.do()  # all is there: nothing is started again
        assert pids == {name: e.pid for name, e in site.runner.inspect().items()}
        assert word(site) == "two" and word(site, x_sametree_preview="blue") == "one"
        settle.do()
        assert settle.done() and site.colours.active == "green"
        settle.undo()
        assert not settle.done() and site.colours.active == "blue"
        shift.undo()
        assert word(site) == "one" and not shift.done()
        shift.undo()  # nothing has to be taken back twice
        preview.undo()
        assert not preview.done()
        assert word(site, x_sametree_preview="green") == "one"
        start.undo()
        assert site.sizes() == {"blue": 1, "green": 0}


def test_replica_after_replica_takes_over_and_goes_back(stand):
    with stand.changing(strategy="rolling", replicas=2, bake=0.1) as change:
        site = change.site
        found = steps.steps_of(change)
        moves = [step for step in found if hasattr(step, "move")]
        half = (Start(1), Shift(5_000, 0.05), Start(2), Shift(10_000, 0.05), Stop(0))
        assert tuple(step.move for step in moves) == half
        done = found[1:-1]
        assert [step.name for step in done] == [
            "start 1 of green",
            "preview",
            "shift 50 %",
            "start 2 of green",
            "shift 100 %",
            "stop blue",
        ]
        for step in done:
            step.do()
            assert step.done(), step
        assert site.sizes() == {"blue": 0, "green": 2}
        assert word(site) == "two"
        found[-1].do()
        assert site.colours.active == "green" and site.colours.blue is None
        found[-1].undo()
        for step in reversed(done):
            step.undo()
        assert site.sizes() == {"blue": 1, "green": 0}
        assert word(site) == "one"


def test_a_side_is_looked_at_before_users_get_there(stand, monkeypatch):
    with stand.changing(gate=Gate(probes=("/api",))) as change:
        _, start, preview, *_ = steps.steps_of(change)
        start.do()
        before = change.site.router.stats().get("green")
        preview.do()
        seen = change.site.router.stats()["green"].requests
        seen -= before.requests if before else 0
        assert seen == traffic.CONNECTIONS * traffic.WARMS
        state = change.site.folder / "services" / "green-1" / "state.json"
        told = json.loads(state.read_text())
        os.kill(told["keeper"], signal.SIGKILL)
        os.kill(told["pid"], signal.SIGKILL)
        monkeypatch.setattr(traffic, "CONNECTIONS", 1)
        with pytest.raises(UnitFailed, match="/api of green answers 503.* blue has it"):
            preview.do()
        assert word(change.site) == "one"

        change.site.environment = structs.replace(
            change.site.environment, gate=Gate(probes=())
        )
        preview.do()  # nothing is asked for


def test_what_fails_on_both_sides_is_no_fault_of_the_new_one(stand):
    with stand.changing(gate=Gate(probes=("/nowhere",))) as change:
        _, start, preview, *_ = steps.steps_of(change)
        start.do()
        preview.do()
        assert ask(change.site, "/nowhere")[0] == 404


def test_an_old_colour_is_left_with_some_and_gets_back_what_died(stand):
    stand.yard.scale(2)
    with stand.changing(strategy="rolling", replicas=2, bake=0.1) as change:
        site, runner = change.site, change.site.runner
        leave = traffic.StopReplicas(change, Stop(1))
        assert (leave.name, leave.describe()) == (
            "leave 1 of blue",
            "leave 1 replica of blue",
        )
        assert not leave.done()
        leave.do()
        assert leave.done() and site.sizes()["blue"] == 1
        first = runner.inspect()["blue-1"].pid
        leave.undo()
        assert site.sizes()["blue"] == 2
        assert runner.inspect()["blue-1"].pid == first
        told = site.router.desired()
        assert [e.port for e in told.pools["blue"]] == [
            runner.inspect()[name].port for name in ("blue-1", "blue-2")
        ]
    stand.yard.scale(1)


def test_a_first_release_that_is_taken_back_takes_the_router_along(stand):
    with stand.changing() as change:
        site = change.site
    change.plan = structs.replace(change.plan, old=None)
    with lease.held(site.folder, "run", "take it back") as site.held:
        traffic.Preview(change).undo()
    assert not {"router", "pages"} & set(site.runner.inspect())
    assert site.router.desired() is None
    stand.yard.scale(0)


def test_what_is_left_on_the_new_side_is_stopped_first(stand):
    with stand.changing() as change:
        _, start, preview, *_, settle = steps.steps_of(change)
        start.do()
        preview.do()
        settle.do()
        change.site.decide(structs.replace(change.site.colours, active="blue"))
        plan = structs.replace(change.plan, run="the-next", retires="tree abc")
        change.plan = plan
        retire = steps.steps_of(change)[1]
        assert retire.describe() == "stop green, which has tree abc"
        assert not retire.done()
        retire.do()
        assert retire.done()
        assert change.site.sizes()["green"] == 0
        assert change.site.colours.green is None
        assert change.in_pools()["green"] == 0
        retire.do()  # nothing is there to stop
        retire.undo()
        assert retire.done()


class TestJudging:
    def test_a_command_of_the_project_has_a_say(self, stand):
        code = 'echo "no orders at $SAMETREE_URL on $SAMETREE_PREVIEW"; exit 3'
        gate = Gate(samples=1, command=("sh", "-c", code))
        with stand.changing(bake=0.1, gate=gate) as change:
            _, start, preview, shift, _ = steps.steps_of(change)
            start.do()
            preview.do()
            with pytest.raises(UnitFailed) as told:
                shift.do()
        assert "green at 100 %: " in str(told.value)
        assert f"no orders at {change.site.url} on green" in str(told.value)
        assert "invoke logs local --colour green" in told.value.cure

    def test_one_that_ends_again_and_again_is_no_good_however_it_answers(self, stand):
        with stand.changing(bake=20.0) as change:
            _, start, preview, shift, _ = steps.steps_of(change)
            start.do()
            preview.do()
            killed(change.site, "green-1")
            said = "\n".join(looking.status(change.site))
            assert "green-1 was started again 1 times, last ended with -9" in said
            killed(change.site, "green-1")
            with pytest.raises(UnitFailed) as told:
                shift.do()
        assert "green-1 has ended 2 times while it was judged" in str(told.value)
        assert "the last time by signal 9" in str(told.value)
        assert "two serves" in str(told.value)

    def test_it_looks_once_for_the_whole_deployment(self, stand):
        keys = {"strategy": "canary", "steps": (50.0,), "bake": 0.1}
        gate = Gate(samples=1, probes=("/api",))
        with stand.changing(**keys, gate=gate) as change:
            assert change.probes() == ("/api",)
            _, start, preview, half, whole, _ = steps.steps_of(change)
            start.do()
            preview.do()
            half.do()
            (told,) = looking.drift(change.site)
            assert told == "blue is active, and has 50 %"
            assert change.site.share("green") == 5_000
            first = change.judge._watch
            whole.do()
            assert change.judge._watch is first
            assert change.site.share("green") == 10_000


def test_a_router_that_does_not_come_up_says_its_last_words(stand):
    site = stand.yard.site("staging")
    work = deploy_tasks.work_of(stand.yard.project, "deploy", "deploy")
    code = ReleaseCode(work.project, site, stand.manifest, os.environ, work, "run")
    site.folder.mkdir(parents=True)
    site.router.prepare(Desired(listen=site.listen, pools={}, weights={}))
    (site.router.envoy / envoy.BOOTSTRAP).write_text("{no bootstrap")
    with lease.held(site.folder, "run", "try") as site.held:
        with pytest.raises(SurroundingsError) as told:
            parts.start_router(site, code, lambda: None)
    site.runner.stop(["router"])
    shutil.rmtree(site.folder)
    assert f"router does not come up at 127.0.0.1:{site.listen.port}:" in str(
        told.value
    )
    assert "bootstrap" in told.value.problem.splitlines()[-1]
