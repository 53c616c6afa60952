from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sametree.deploy.router import envoy, launch, refusal, takeover
from sametree.deploy.router.desired import WHOLE, Desired, Endpoint

BLUE, GREEN = Endpoint("127.0.0.1", 8001), Endpoint("127.0.0.1", 8002)
OLD = Desired(
    listen=Endpoint("127.0.0.1", 8000), pools={"blue": (BLUE,)}, weights={"blue": WHOLE}
)
NEW = msgspec.structs.replace(OLD, pools={"green": (GREEN,)}, weights={"green": WHOLE})


def _clusters(text: str) -> set[str]:
    return {each["name"] for each in json.loads(text)["resources"]}


def _routed(told: Any) -> set[str]:
    """Return all clusters that routes name."""
    if isinstance(told, list):
        return {name for each in told for name in _routed(each)}
    if not isinstance(told, dict):
        return set()
    shared = told.get("weighted_clusters", {}).get("clusters", [])
    names = {each["name"] for each in shared} | {told.get("cluster", "")}
    return (names | _routed(list(told.values()))) - {""}


@pytest.mark.parametrize(
    "before, after",
    [
        (OLD, NEW),
        (NEW, OLD),
        (OLD, OLD),
        (OLD, msgspec.structs.replace(NEW, pages=BLUE, prefixes=("/api",))),
        (msgspec.structs.replace(NEW, pages=BLUE, prefixes=("/api",)), OLD),
        (OLD, msgspec.structs.replace(OLD, pools={}, weights={})),
    ],
)
def test_at_no_time_does_a_route_name_a_cluster_that_is_not_there(
    before: Desired, after: Desired
) -> None:
    there = envoy.files(before, 1)
    wanted = envoy.files(after, 1)
    for name, text in takeover.plan(wanted, there[envoy.CLUSTERS]):
        there[name] = text
        assert _routed(json.loads(there[envoy.ROUTES])) <= _clusters(
            there[envoy.CLUSTERS]
        )
    assert there == wanted


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"resources": 3}'])
def test_a_broken_file_of_clusters_is_simply_replaced(broken: str) -> None:
    wanted = envoy.files(NEW, 1)
    assert takeover.plan(wanted, broken) == list(wanted.items())


@pytest.mark.parametrize("broken", ["", "{", "[]", "3"])
def test_a_broken_file_has_no_version(broken: str) -> None:
    assert envoy.version(broken) == ""


def test_a_version_is_that_of_the_content() -> None:
    one, same, other = (envoy.files(each, 1) for each in (OLD, OLD, NEW))
    assert one == same
    for name in (envoy.CLUSTERS, envoy.ROUTES):
        assert envoy.version(one[name]) != envoy.version(other[name])
    assert one[envoy.LISTENERS] == other[envoy.LISTENERS]


def test_why_envoy_refuses_a_file_is_told_in_its_words() -> None:
    wanted = envoy.files(OLD, 1)
    broken = wanted[envoy.CLUSTERS].replace('"127.0.0.1"', '"localhost"')
    said = refusal.words(envoy.program(), {**wanted, envoy.CLUSTERS: broken})
    assert said.startswith("malformed IP address: localhost")
    broken = wanted[envoy.ROUTES].replace('"*"', "")
    said = refusal.words(envoy.program(), {**wanted, envoy.ROUTES: broken})
    assert said.startswith("Proto constraint validation failed")
    assert "value must contain at least 1 item" in said


def test_where_envoy_finds_nothing_wrong_it_says_so() -> None:
    assert refusal.words(envoy.program(), envoy.files(OLD, 1)) == refusal.NO_WORDS
    gone = refusal.words(Path("/no/envoy"), envoy.files(OLD, 1))
    assert gone.startswith(refusal.NO_WORDS) and "/no/envoy" in gone


def test_envoy_begins_in_its_folder_with_all_files_that_it_may_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(os, "execv", lambda *call: began.append(call))
    monkeypatch.chdir(".")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        launch.main(str(tmp_path), "envoy", "-c", "file")
        raised, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert raised == min(launch.MOST, hard) if hard > 0 else launch.MOST
        launch.main(str(tmp_path), sys.executable)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert Path.cwd() == tmp_path
    assert began[0] == ("envoy", ["envoy", "-c", "file"])


def test_envoy_begins_where_more_files_are_not_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began: list[object] = []

    def refuse(*call: object) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(os, "execv", lambda *call: began.append(call))
    monkeypatch.chdir(".")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 4096))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    launch.main(str(tmp_path), "envoy")
    assert began == [("envoy", ["envoy"])]
