"""Does a watch see a stage through, whatever happens to router, colours and itself?"""

import json
import sys
import threading
import time

import pytest
import traffic

from sametree.deploy.gate.probes import Probes
from sametree.deploy.gate.watch import Stage, Watch
from sametree.deploy.router.desired import PREVIEW
from sametree.deploy.router.stats import PoolStats
from sametree.errors import SurroundingsError
from sametree.settings.model import Gate
from sametree.steps import Step

STAGE = Stage("canary", 1000, 2.0)
INF = float("inf")


class Script:
    """A clock that only sleeping moves, and a router whose counts grow with it: ``rates``
    are, for each colour, what it answers and what of that fails a second."""

    def __init__(self, **rates):
        self.now = 100.0
        self.rates = {name: list(rate) for name, rate in rates.items()}
        self.counts = {name: [0.0, 0.0] for name in rates}
        self.at = {}
        self.takes = {}
        self.millis = {}

    def sleep(self, seconds):
        for name, (good, bad) in self.rates.items():
            self.counts[name][0] += good * seconds
            self.counts[name][1] += bad * seconds
            millis = self.millis.setdefault(name, {})
            top = self.takes.get(name, 5.0)
            millis[top] = millis.get(top, 0) + int(good * seconds)
        self.now += seconds
        for moment in [each for each in self.at if each <= self.now]:
            self.at.pop(moment)()

    def read(self):
        found = {}
        for name, (requests, errors) in self.counts.items():
            buckets = (*sorted(self.millis.get(name, {}).items()), (INF, 0))
            found[name] = PoolStats(int(requests), int(errors), 1, buckets)
        return found

    def watch(self, old="blue", rules=Gate(), **options):
        return Watch(
            options.pop("read", self.read),
            "green",
            old,
            rules,
            clock=lambda: self.now,
            sleep=self.sleep,
            **options,
        )


def test_a_good_stage_passes_when_it_has_baked():
    script = Script(green=(100, 0), blue=(900, 0))
    views = []
    with script.watch(on_poll=views.append) as watch:
        told = watch.run(STAGE)
    assert (told.kind, told.reason) == ("pass", "200 requests, none failed")
    assert script.now == 102.0
    # Each poll is shown, from the first on.
    assert [view.verdict.kind for view in views] == ["wait"] * 8 + ["pass"]
    assert [view.left for view in views[:3]] == [2.0, 1.75, 1.5]
    green, blue = views[-1].colours
    assert (green.name, green.rate, green.active) == ("green", 100.0, 1)
    assert (blue.name, blue.rate) == ("blue", 900.0)
    assert blue.figures.p99 is not None
    assert green.figures.p99 is None


def test_a_bad_stage_fails_at_once():
    script = Script(green=(40, 20), blue=(900, 0))
    with script.watch() as watch:
        told = watch.run(STAGE)
    assert told.kind == "fail"
    assert script.now <= 100.5


def test_without_a_request_a_stage_fails_at_the_deadline():
    script = Script(green=(0, 0), blue=(900, 0))
    with script.watch() as watch:
        told = watch.run(STAGE)
    assert (told.kind, told.reason) == ("fail", "no request reached green in 120 s")
    assert script.now == 220.0


def test_each_stage_has_a_window_of_its_own():
    script = Script(green=(40, 0), blue=(900, 0))
    views = []
    with script.watch(on_poll=views.append) as watch:
        assert watch.run(STAGE).kind == "pass"
        script.rates["green"] = [40, 40]
        assert watch.run(Stage("next", 5000, 2.0)).kind == "fail"
    # The good requests of the stage before do not count.
    assert views[-1].colours[0].figures.percent == 100.0


def test_on_a_first_deployment_there_is_no_old_colour():
    script = Script(green=(40, 0))
    views = []
    with script.watch(old=None, on_poll=views.append) as watch:
        assert watch.run(STAGE).kind == "pass"
    assert [each.name for each in views[-1].colours] == ["green"]


def test_a_router_that_was_started_anew_loses_nothing_that_was_counted():
    script = Script(green=(40, 0), blue=(360, 0))
    script.at[101.0] = lambda: script.counts.update(green=[0, 0], blue=[0, 0])
    with script.watch() as watch:
        told = watch.run(STAGE)
    assert told.kind == "pass"
    # 0.75 s were counted before it died, and 1 s after.
    assert told.new.requests == 70
    assert told.old.requests == 630


def test_a_router_that_tells_nothing_is_waited_for_but_nothing_passes():
    script = Script(green=(40, 0), blue=(360, 0))
    views = []

    def read():
        if 101.0 < script.now < 105.0:
            raise SurroundingsError("the router does not answer", "look at it")
        return script.read()

    with script.watch(read=read, on_poll=views.append) as watch:
        told = watch.run(STAGE)
    assert told.kind == "pass"
    assert script.now == 105.0
    said = "the router tells nothing: the router does not answer"
    assert said in {view.verdict.reason for view in views}


def test_a_router_that_tells_nothing_to_the_deadline_fails_the_stage():
    script = Script(green=(40, 0), blue=(360, 0))

    def read():
        if script.now > 102.0 - 0.2:
            raise OSError(111, "Connection refused")
        return script.read()

    with script.watch(read=read, rules=Gate(deadline=5.0)) as watch:
        told = watch.run(STAGE)
    assert told.kind == "fail"
    assert told.reason.startswith("the router tells nothing: [Errno 111]")
    assert told.reason.endswith(", and 5 s are over")


def test_an_outage_of_both_begins_the_bake_anew_when_it_is_over():
    script = Script(green=(100, 0), blue=(900, 0))
    down = {"green": [100, 60], "blue": [900, 540]}
    script.at[101.0] = lambda: script.rates.update(down)
    up = {"green": [100, 0], "blue": [900, 0]}
    script.at[106.0] = lambda: script.rates.update(up)
    views = []
    with script.watch(on_poll=views.append) as watch:
        told = watch.run(STAGE)
    assert told.kind == "pass"
    assert 107.5 <= script.now <= 110.5
    assert any(view.verdict.shared for view in views)


def test_an_outage_of_both_that_does_not_end_fails_the_stage():
    script = Script(green=(100, 60), blue=(900, 540))
    with script.watch(rules=Gate(deadline=20.0)) as watch:
        told = watch.run(STAGE)
    assert told.kind == "fail"
    assert told.reason.startswith("both colours fail: ")
    assert script.now == 120.0


def test_a_slow_release_is_out_when_it_is_warm():
    script = Script(green=(100, 0), blue=(900, 0))
    script.takes = {"green": 25.0, "blue": 5.0}
    with script.watch() as watch:
        told = watch.run(STAGE)
    assert told.kind == "fail"
    assert told.reason.startswith("green is slower than blue: p50 at least")
    assert script.now == 101.25


def test_a_slow_first_second_is_forgiven():
    script = Script(green=(100, 0), blue=(900, 0))
    script.takes = {"green": 500.0, "blue": 5.0}
    script.at[101.0] = lambda: script.takes.update(green=5.0)
    with script.watch() as watch:
        assert watch.run(STAGE).kind == "pass"


def test_who_took_over_all_is_compared_with_the_old_one_before_that():
    script = Script(green=(0, 0), blue=(1000, 0))
    with script.watch(rules=Gate(slower=3.0)) as watch:
        script.sleep(1.0)
        script.rates.update(green=[1000, 0], blue=[0, 0])
        script.takes["green"] = 10.0
        assert watch.run(Stage("all", 10_000, 2.0)).kind == "pass"
    script = Script(green=(0, 0), blue=(1000, 0))
    with script.watch(rules=Gate(slower=3.0)) as watch:
        script.sleep(1.0)
        script.rates.update(green=[1000, 0], blue=[0, 0])
        script.takes["green"] = 25.0
        assert watch.run(Stage("all", 10_000, 2.0)).kind == "fail"


def test_what_a_poll_raises_ends_the_watch():
    script = Script(green=(40, 0))

    def stop(view):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        with script.watch(on_poll=stop) as watch:
            watch.run(STAGE)


# The command and Prometheus are asked as well.


def smoke(tmp_path, program):
    return Step(name="smoke", argv=(sys.executable, "-c", program), cwd=tmp_path)


def real_time(script, **options):
    """A watch whose clock is the script's, but which lets others work meanwhile."""
    watch = script.watch(**options)

    def sleep(seconds):
        script.sleep(seconds)
        time.sleep(0.02)

    watch._sleep = sleep
    return watch


def test_a_command_is_run_once_when_the_stage_has_baked(tmp_path):
    script = Script(green=(40, 0), blue=(360, 0))
    views = []
    step = smoke(tmp_path, "print('ran', file=open('runs', 'a'))")
    with real_time(script, command=step, on_poll=views.append) as watch:
        told = watch.run(STAGE)
    assert told.kind == "pass"
    assert (tmp_path / "runs").read_text() == "ran\n"
    assert any(view.verdict.reason.startswith("waiting for `") for view in views)


def test_a_command_that_says_no_fails_the_stage(tmp_path):
    script = Script(green=(40, 0), blue=(360, 0))
    step = smoke(tmp_path, "print('no cookies'); raise SystemExit(1)")
    with real_time(script, command=step) as watch:
        told = watch.run(STAGE)
    assert told.kind == "fail"
    assert told.reason.endswith("ended with 1\n  no cookies")


def test_a_colour_that_turns_bad_stops_the_command_and_fails(tmp_path):
    script = Script(green=(40, 0), blue=(360, 0))
    script.at[103.0] = lambda: script.rates.update(green=[40, 40])
    step = smoke(tmp_path, "import time; time.sleep(60)")
    began = time.monotonic()
    with real_time(script, command=step) as watch:
        told = watch.run(STAGE)
    assert told.kind == "fail"
    assert "green" in told.reason
    assert time.monotonic() - began < 5
    assert not _threads()


def test_a_command_that_does_not_end_fails_at_the_deadline(tmp_path):
    script = Script(green=(40, 0), blue=(360, 0))
    step = smoke(tmp_path, "import time; time.sleep(60)")
    with real_time(script, command=step, rules=Gate(deadline=4.0)) as watch:
        told = watch.run(STAGE)
    assert told.kind == "fail"
    assert told.reason.startswith("waiting for `")
    assert told.reason.endswith(", and 4 s are over")
    assert not _threads()


def prometheus(replica, *values):
    result = [{"metric": {"job": "api"}, "value": [0, each]} for each in values]
    data = {"resultType": "vector", "result": result}
    told = json.dumps({"status": "success", "data": data}).encode()
    replica.answer = lambda path: (200, told)
    address = f"http://127.0.0.1:{replica.port}"
    return Gate(prometheus=address, query="errors", most=0.5, deadline=6.0)


def test_prometheus_is_asked_when_the_stage_has_baked_and_has_to_say_yes(
    replica, monkeypatch
):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    script = Script(green=(40, 0), blue=(360, 0))
    with real_time(script, rules=prometheus(replica, "0.1", "0.5")) as watch:
        assert watch.run(STAGE).kind == "pass"
    # Once in the beginning, and once at the end of the bake.
    assert len(replica.asked) == 2


def test_a_value_that_is_too_much_fails_at_once(replica, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    script = Script(green=(40, 0), blue=(360, 0))
    with real_time(script, rules=prometheus(replica, "0.1", "0.75")) as watch:
        told = watch.run(STAGE)
    assert told.kind == "fail"
    assert told.reason == 'Prometheus: 0.75 of {job="api"}, at most 0.5 is allowed'
    assert not _threads()


def test_prometheus_without_data_is_no_success(replica, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    script = Script(green=(40, 0), blue=(360, 0))
    with real_time(script, rules=prometheus(replica)) as watch:
        told = watch.run(STAGE)
    assert told.kind == "fail"
    assert told.reason == (
        "no data from Prometheus: no series matches the query, and 6 s are over"
    )


# The real router, real replicas, and users.

RULES = Gate(samples=5, deadline=8.0)


def watching(routed, paths=("/",), old="blue", rules=RULES, **options):
    colours = [each for each in ("green", old) if each]
    probes = Probes(routed.address, PREVIEW, colours, paths) if paths else None
    return Watch(routed.router.stats, "green", old, rules, probes=probes, **options)


def test_a_good_canary_passes_by_users_and_probes(routed):
    with traffic.running(routed.url, clients=2, rate=300) as load:
        with watching(routed) as watch:
            load.wait(10)
            routed.share(5000)
            told = watch.run(Stage("half", 5000, 0.5))
    assert told.kind == "pass", told
    users = len(routed.green.asked) + len(routed.blue.asked)
    assert users > told.new.requests + told.old.requests > 20
    assert told.new.p50 is not None
    assert load.result().failures == ()
    assert not _threads()


def test_probes_alone_are_data_when_nobody_asks(routed):
    with watching(routed) as watch:
        told = watch.run(Stage("preview", 0, 0.3))
    assert told.kind == "pass", told
    assert len(routed.green.asked) >= 5
    assert {each["path"] for each in routed.green.asked} == {"/"}


@pytest.mark.proof
def test_nobody_and_no_probe_never_pass(routed):
    rules = Gate(samples=1, deadline=0.6)
    with watching(routed, paths=(), rules=rules) as watch:
        told = watch.run(Stage("preview", 0, 0.2))
    assert (told.kind, told.reason) == ("fail", "no request reached green in 0.6 s")


def test_healthy_but_500_on_a_page_is_out_in_a_second_by_the_probes(routed):
    routed.green.answer = lambda path: (500, b"oops") if path == "/" else (200, b"ok")
    began = time.monotonic()
    with watching(routed, paths=("/healthz", "/")) as watch:
        told = watch.run(Stage("preview", 0, 5.0))
    assert told.kind == "fail"
    assert told.reason == "green: / answers 500: oops; blue answers it"
    assert time.monotonic() - began < 2


def test_what_probes_saw_before_a_stage_is_not_held_against_it(routed):
    routed.green.answer = lambda path: (503, b"not yet")
    with watching(routed) as watch:
        until = time.monotonic() + 5
        while len(routed.green.asked) < 4 and time.monotonic() < until:
            time.sleep(0.01)
        routed.green.answer = lambda path: (200, b"ok")
        told = watch.run(Stage("preview", 0, 0.3))
    assert told.kind == "pass", told


def test_500_on_pages_that_are_not_probed_is_out_after_a_few_users(routed):
    routed.green.answer = lambda path: (500 if path == "/" else 200, b"oops")
    with traffic.running(routed.url, clients=4, rate=400) as load:
        with watching(routed, paths=("/healthz",)) as watch:
            routed.share(500)
            told = watch.run(Stage("5 %", 500, 5.0))
            routed.share(0)
    assert told.kind == "fail"
    assert "% is allowed" in told.reason or "points more" in told.reason
    failed = load.result().failures
    assert {each.status for each in failed} == {500}
    assert 2 <= len(failed) <= 40


@pytest.mark.proof
def test_an_application_that_is_down_for_both_is_not_the_new_ones_fault(routed):
    def down(path):
        return 503, b"no database"

    with watching(routed, rules=Gate(samples=5, deadline=0.8)) as watch:
        routed.green.answer = routed.blue.answer = down
        told = watch.run(Stage("preview", 0, 0.5))
    assert told.kind == "fail"
    assert told.reason.startswith("both colours fail: ")
    with watching(routed) as watch:
        views = []
        watch._on_poll = views.append
        back = threading.Timer(0.6, lambda: _up(routed))
        back.start()
        told = watch.run(Stage("preview", 0, 0.5))
        back.join()
    assert told.kind == "pass", told
    assert views[2].verdict.reason.startswith("both colours fail: ")


@pytest.mark.proof
def test_a_killed_router_is_waited_for(routed):
    with watching(routed) as watch:
        views = []

        def poll(view):
            views.append(view)
            if len(views) == 2:
                routed.kill()
            if len(views) == 5:
                routed.start()

        watch._on_poll = poll
        told = watch.run(Stage("preview", 0, 0.5))
    assert told.kind == "pass", told
    assert any("router" in view.verdict.reason for view in views)


def _up(routed):
    routed.green.answer = routed.blue.answer = lambda path: (200, b"ok")


def _threads():
    """Return the threads of a watch that are left."""
    return [each.name for each in threading.enumerate() if "sametree" in each.name]
