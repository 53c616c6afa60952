"""When may a new colour have more of the traffic, and when not?"""

import doctest
import math
import random

import pytest

from sametree.deploy.gate import judge as module
from sametree.deploy.gate.judge import Pool, Window, figures, judge
from sametree.deploy.gate.probes import Asked, Failure
from sametree.deploy.router.stats import PoolStats
from sametree.settings.model import Gate

RULES = Gate()
BAKE = 10.0


def stats(requests=0, errors=0, millis=()):
    """What a pool counts; ``millis`` are (latency, how many) of its requests."""
    return PoolStats(requests, errors, 0, (*millis, (math.inf, 0)))


def pool(name="green", requests=0, errors=0, millis=(), probed=()):
    return Pool(name=name, stats=stats(requests, errors, millis), probed=tuple(probed))


def verdict(
    new, old=None, *, rules=RULES, seconds=BAKE, elapsed=None, before=None, bake=BAKE
):
    window = Window(new=new, old=old, seconds=seconds, before=before)
    elapsed = seconds if elapsed is None else elapsed
    return judge(window, rules, bake=bake, elapsed=elapsed)


def blue(requests=0, errors=0, millis=(), probed=()):
    return pool("blue", requests, errors, millis, probed)


def test_the_examples_in_the_module_hold():
    assert doctest.testmod(module).failed == 0


# No data is no success.


@pytest.mark.parametrize("seconds", [0.0, BAKE, 119.0])
def test_without_a_request_it_waits(seconds):
    told = verdict(pool(), blue(5000), seconds=seconds)
    assert (told.kind, told.reason) == ("wait", "no request reached green yet")


def test_without_a_request_it_fails_at_the_deadline():
    told = verdict(pool(), blue(5000), seconds=120.0)
    assert (told.kind, told.reason) == ("fail", "no request reached green in 120 s")


def test_with_too_few_requests_it_waits_and_fails_at_the_deadline():
    assert verdict(pool(requests=19), seconds=60.0).kind == "wait"
    told = verdict(pool(requests=19), seconds=120.0)
    assert told.kind == "fail"
    assert told.reason == "19 of the 20 requests that it takes in 120 s"


def test_a_long_bake_does_not_put_off_the_deadline_of_the_samples():
    assert verdict(pool(requests=3), seconds=120.0, bake=600.0).kind == "fail"
    assert verdict(pool(requests=99), seconds=120.0, bake=600.0).kind == "wait"
    assert verdict(pool(requests=99), seconds=600.0, bake=600.0).kind == "pass"


def test_enough_good_requests_pass_when_the_bake_is_over_and_not_before():
    assert verdict(pool(requests=400), blue(4000), seconds=9.9).kind == "wait"
    told = verdict(pool(requests=400), blue(4000))
    assert (told.kind, told.reason) == ("pass", "400 requests, none failed")


def test_probes_are_samples_where_nobody_else_asks():
    probed = Asked(path="/readyz", answered=20, millis=(4.0,) * 20)
    assert verdict(pool(requests=20, probed=[probed])).kind == "pass"
    # The router does not count pages in a pool, but they were asked.
    page = Asked(path="/", counted=False, answered=20, millis=(4.0,) * 20)
    assert verdict(pool(probed=[page])).kind == "pass"


# Errors.


def test_half_of_the_requests_failing_is_enough_after_very_few():
    told = verdict(pool(requests=6, errors=3), blue(600), seconds=0.5)
    assert told.kind == "fail"
    assert told.reason == (
        "green: 50 % (3 of 6) failed, blue: 0 % (0 of 600); at most 1 % is allowed"
    )


def test_five_of_the_first_ten_fail_at_once_also_on_a_first_deployment():
    told = verdict(pool(requests=10, errors=5), seconds=0.25)
    assert told.kind == "fail"
    assert told.reason == "green: 50 % (5 of 10) failed; at most 1 % is allowed"


def test_a_few_errors_are_a_doubt_that_more_requests_settle():
    # 1 of 40 is above 1 %, but at 1 % that happens in every third deployment.
    assert verdict(pool(requests=40, errors=1), blue(4000)).kind == "wait"
    assert verdict(pool(requests=400, errors=1), blue(4000)).kind == "pass"


def test_a_doubt_that_time_does_not_settle_is_no_reason_to_fail():
    told = verdict(pool(requests=40, errors=1), blue(4000), seconds=120.0)
    assert told.kind == "pass"


def test_a_rate_that_chance_hardly_explains_fails_when_time_is_over():
    new = pool(requests=60, errors=3)
    assert verdict(new, blue(6000), seconds=60.0).kind == "wait"
    told = verdict(new, blue(6000), seconds=120.0)
    assert told.kind == "fail"
    assert told.reason.endswith("are allowed, and 120 s are over")


def test_more_errors_than_the_old_one_fail_though_the_absolute_bound_holds():
    rules = Gate(errors=10.0)
    told = verdict(pool(requests=2000, errors=60), blue(20_000, 40), rules=rules)
    assert told.kind == "fail"
    assert told.reason == (
        "green: 3 % (60 of 2,000) failed, blue: 0.2 % (40 of 20,000);"
        " at most 0.5 points more are allowed"
    )


def test_probes_do_not_thin_out_the_errors_of_users():
    # All of 4 users failed; among 400 good probes that is 1 %.
    probed = Asked(path="/healthz", answered=400, millis=(2.0,) * 400)
    told = verdict(pool(requests=404, errors=4, probed=[probed]), blue(4000))
    assert told.kind == "fail"
    assert "100 % (4 of 4)" in told.reason


def test_errors_of_the_probes_alone_are_no_errors_of_users():
    probed = Asked(path="/healthz", answered=30, errors=3, millis=(2.0,) * 30)
    assert verdict(pool(requests=60, errors=3, probed=[probed]), blue(600)).kind == (
        "pass"
    )


def test_where_both_fail_it_is_not_the_new_ones_fault_so_it_waits():
    told = verdict(pool(requests=100, errors=60), blue(900, 540))
    assert told.kind == "wait"
    assert told.shared
    assert told.reason.startswith("both colours fail: green: 60 % (60 of 100) failed,")
    late = verdict(pool(requests=100, errors=60), blue(900, 540), seconds=120.0)
    assert late.kind == "fail"
    assert late.reason.startswith("both colours fail: ")


def test_where_both_fail_the_worse_one_is_still_worse():
    told = verdict(pool(requests=100, errors=60), blue(900, 90))
    assert told.kind == "fail"
    assert "at most 0.5 points more" in told.reason


def test_an_idle_old_colour_tells_by_its_probes_that_both_fail():
    down = Asked(path="/readyz", answered=20, errors=18, millis=(2.0,) * 20)
    old = blue(requests=20, errors=18, probed=[down])
    assert verdict(pool(requests=500, errors=400), old).shared
    fine = Asked(path="/readyz", answered=20, millis=(2.0,) * 20)
    old = blue(requests=20, probed=[fine])
    assert verdict(pool(requests=500, errors=400), old).kind == "fail"


def test_trouble_that_both_had_needs_a_whole_bake_without_it():
    rules = Gate(deadline=60.0)
    new, old = pool(requests=300), blue(2700)
    assert verdict(new, old, rules=rules, seconds=5.0, elapsed=50.0).kind == "wait"
    assert verdict(new, old, rules=rules, seconds=10.0, elapsed=55.0).kind == "pass"
    told = verdict(new, old, rules=rules, seconds=5.0, elapsed=60.0)
    assert told.kind == "fail"
    assert told.reason == "it was not 10 s without trouble within 60 s"


# Probes.


def failing(path="/", row=2, status=500, since=10.0, answered=40):
    failure = Failure(status, "Internal Server Error")
    return Asked(
        path=path,
        answered=answered,
        errors=row,
        millis=(2.0,) * answered,
        in_a_row=row,
        failure=failure,
        failed_since=since,
    )


def answering(path="/", at=10.1):
    return Asked(path=path, answered=40, millis=(2.0,) * 40, succeeded=at)


def test_two_failed_probes_in_a_row_fail_at_once_and_are_told():
    told = verdict(pool(requests=40, probed=[answering("/a"), failing("/b")]))
    assert told.kind == "fail"
    assert told.reason == "green: /b answers 500: Internal Server Error"


def test_one_failed_probe_may_be_an_accident():
    assert verdict(pool(requests=40, probed=[failing(row=1)])).kind == "pass"


def test_the_old_one_is_asked_whether_it_answers_what_the_new_one_does_not():
    new = pool(requests=40, probed=[failing()])
    told = verdict(new, blue(40, probed=[answering(at=10.1)]))
    assert told.kind == "fail"
    assert told.reason.endswith("Internal Server Error; blue answers it")
    # Its last answer is older than the trouble: it is just being asked.
    assert verdict(new, blue(40, probed=[answering(at=9.9)])).kind == "wait"


def test_a_path_that_both_do_not_answer_is_not_the_new_ones_fault():
    new, old = pool(requests=40, probed=[failing()]), blue(40, probed=[failing()])
    told = verdict(new, old)
    assert (told.kind, told.shared) == ("wait", True)
    assert told.reason == "both colours fail: / answers 500: Internal Server Error"
    assert verdict(new, old, seconds=120.0).kind == "fail"


def test_a_path_that_the_old_one_does_not_know_is_the_new_ones_alone():
    new = pool(requests=40, probed=[failing("/new")])
    told = verdict(new, blue(40, probed=[failing("/new", status=404)]))
    assert told.kind == "fail"


def test_a_router_that_cannot_be_reached_is_nobodys_fault_and_no_success():
    lost = Asked(path="/", answered=30, millis=(2.0,) * 30, unreachable="refused")
    told = verdict(pool(requests=30, probed=[lost]))
    assert told.kind == "wait"
    assert told.reason == "the router cannot be reached: refused"
    assert verdict(pool(requests=30, probed=[lost]), seconds=120.0).kind == "fail"


# Latency.

FAST, SLOW = [(11.0, 900), (20.0, 100)], [(55.0, 90), (99.0, 10)]


def test_a_slower_colour_fails_and_the_quantile_is_told():
    told = verdict(pool(requests=100, millis=SLOW), blue(1000, millis=FAST))
    assert told.kind == "fail"
    # At least where the bucket begins, at most where it ends.
    assert told.reason == (
        "green is slower than blue: p50 at least 50 ms, blue's at most 11 ms;"
        " at most 2 times as slow is allowed"
    )


def test_few_slow_requests_are_no_alarm_since_caches_are_cold():
    few = [(55.0, 15), (99.0, 4)]
    assert verdict(pool(requests=20, millis=few), blue(1000, millis=FAST)).kind == (
        "pass"
    )


def test_a_slow_tail_is_judged_from_a_thousand_requests_on():
    def told(many):
        slow = [(11.0, many * 95 // 100), (20.0, 0), (400.0, many * 5 // 100)]
        new = pool(requests=many, millis=[*slow, (500.0, 0)])
        fast = [(11.0, many * 995 // 1000), (20.0, many - many * 995 // 1000)]
        return verdict(new, blue(many, millis=fast))

    assert told(900).kind == "pass"
    assert told(2000).kind == "fail"
    assert "p99" in told(2000).reason


def test_nobody_feels_five_milliseconds():
    fast, slow = [(1.0, 1000)], [(1.0, 0), (4.0, 0), (4.1, 1000)]
    assert verdict(pool(requests=1000, millis=slow), blue(1000, millis=fast)).kind == (
        "pass"
    )


def test_a_faster_colour_passes():
    assert verdict(pool(requests=1000, millis=FAST), blue(1000, millis=SLOW)).kind == (
        "pass"
    )


def test_who_has_all_of_the_traffic_is_not_compared_with_an_idle_one():
    # The old one answers but our probes now, and fast.
    probed = [Asked(path="/", answered=100, millis=(2.0,) * 100)]
    old = blue(100, millis=[(2.1, 100)], probed=probed)
    busy = [(40.0, 4000), (60.0, 100)]
    new = pool(requests=4100, millis=busy, probed=probed)
    assert verdict(new, old).kind == "pass"
    # But with what it did when it had the traffic.
    same = blue(4000, millis=[(40.0, 3900), (60.0, 100)])
    assert verdict(new, old, before=same).kind == "pass"
    faster = blue(4000, millis=[(9.0, 3900), (10.0, 100)])
    new = pool(requests=4100, millis=[(39.0, 0), *busy])
    told = verdict(pool(requests=4100, millis=[(39.0, 50), *busy]), old, before=faster)
    assert told.kind == "fail"


def test_probes_are_compared_with_probes_and_users_with_users():
    # Probes ask for a page that takes 50 ms, users for ones that take 5.
    slow = Asked(path="/report", answered=100, millis=(50.0,) * 100)
    new = pool(requests=110, millis=[(5.1, 10), (50.0, 100)], probed=[slow])
    old = blue(2000, millis=[(5.1, 1900), (50.0, 100)], probed=[slow])
    assert verdict(new, old).kind == "pass"
    slower = Asked(path="/report", answered=100, millis=(250.0,) * 100)
    new = pool(requests=110, millis=[(5.1, 10), (250.0, 100)], probed=[slower])
    told = verdict(new, old)
    assert told.kind == "fail"
    assert (
        "of the probes of /report at least 250 ms, blue's at most 50 ms" in told.reason
    )


# Figures.


def test_a_p99_is_told_from_a_thousand_requests_on():
    assert figures(stats(999, 0, [(5.0, 999)])).p99 is None
    assert figures(stats(1000, 0, [(5.0, 1000)])).p99 == pytest.approx(5.0, abs=0.1)
    nothing = figures(stats())
    assert (nothing.p50, nothing.percent) == (None, 0.0)
    assert figures(stats(200, 1)).percent == 0.5


# Many deployments, each judged at 600 polls.

POLLS = 600


def deployment(seed, new_rate, old_rate, new_per_poll, old_per_poll):
    """Return the verdict on a deployment, and the requests that it took."""
    chance = random.Random(seed)
    rules = Gate(deadline=POLLS / 4)
    counts = [0, 0, 0, 0]
    for poll in range(1, POLLS + 1):
        for at, (rate, most) in enumerate(
            ((new_rate, new_per_poll), (old_rate, old_per_poll))
        ):
            many = chance.randint(0, 2 * most)
            counts[2 * at] += many
            counts[2 * at + 1] += sum(chance.random() < rate for _ in range(many))
        told = verdict(
            pool("green", *counts[:2]),
            blue(*counts[2:]),
            rules=rules,
            seconds=poll / 4,
            bake=POLLS / 4,
        )
        if told.kind != "wait":
            return told.kind, counts[0]
    return "wait", counts[0]


# New and old requests a poll: a canary with a tenth of the traffic, and with half of it.
SHARES = [(2, 18), (6, 6)]
MANY = pytest.param(400, marks=pytest.mark.proof)


@pytest.mark.parametrize(("new", "old"), SHARES)
@pytest.mark.parametrize("deployments", [6, MANY])
def test_a_good_release_fails_in_less_than_one_of_a_hundred_deployments(
    new, old, deployments
):
    told = [deployment(seed, 0.002, 0.002, new, old)[0] for seed in range(deployments)]
    assert told.count("pass") > 0.99 * deployments


@pytest.mark.parametrize(("new", "old"), SHARES)
@pytest.mark.parametrize("deployments", [15, MANY])
def test_a_bad_release_fails_in_nearly_all_after_some_250_requests(
    new, old, deployments
):
    told = [deployment(seed, 0.05, 0.002, new, old) for seed in range(deployments)]
    assert [kind for kind, _ in told].count("fail") > 0.99 * deployments
    needed = sorted(requests for _, requests in told)
    assert needed[len(needed) // 2] < 350
    assert needed[-1] < 1500


def test_a_release_that_fails_every_second_time_is_out_after_some_eight_requests():
    told = [deployment(seed, 0.5, 0.002, 2, 18) for seed in range(100)]
    assert [kind for kind, _ in told].count("fail") == 100
    needed = sorted(requests for _, requests in told)
    assert needed[50] <= 12
    assert needed[-1] <= 40


def test_an_outage_of_both_never_counts_against_the_new_one():
    for seed in range(15):
        chance = random.Random(seed)
        counts = [0, 0, 0, 0]
        for poll in range(1, 60):
            rate = 0.6 if poll > 20 else 0.001
            for at, most in ((0, 2), (2, 18)):
                many = chance.randint(0, most)
                counts[at] += many
                counts[at + 1] += sum(chance.random() < rate for _ in range(many))
            told = verdict(pool("green", *counts[:2]), blue(*counts[2:]), seconds=0.0)
            assert told.kind == "wait"
        assert told.shared


def test_a_release_as_fast_as_the_old_one_is_not_called_slow():
    for seed in range(6):
        chance = random.Random(seed)
        seen = ({}, {})
        for poll in range(1, 61):
            for counts, many in zip(seen, (8, 24), strict=True):
                for _ in range(many):
                    top = float(math.ceil(chance.lognormvariate(2.5, 0.8)))
                    counts[top] = counts.get(top, 0) + 1
            new, old = (
                pool(name, sum(each.values()), 0, sorted(each.items()))
                for name, each in zip(("green", "blue"), seen, strict=True)
            )
            rules = Gate(slower=1.2)
            assert verdict(new, old, rules=rules, seconds=poll / 4).kind != "fail"


def test_a_release_five_times_as_slow_is_out_after_thirty_requests():
    needed = []
    for seed in range(25):
        chance = random.Random(seed)
        seen = ({}, {})
        for many in range(1, 400):
            for counts, times, factor in zip(seen, (1, 9), (5, 1), strict=True):
                for _ in range(times):
                    top = float(math.ceil(factor * chance.lognormvariate(2.5, 0.5)))
                    counts[top] = counts.get(top, 0) + 1
            new, old = (
                pool(name, sum(each.values()), 0, sorted(each.items()))
                for name, each in zip(("green", "blue"), seen, strict=True)
            )
            if verdict(new, old, seconds=1.0).kind == "fail":
                needed.append(many)
                break
    assert len(needed) == 25
    assert sorted(needed)[12] <= 30
