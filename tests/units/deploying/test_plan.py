"""A plan says all that the operator has to know, and each step what it does."""

import pytest
from msgspec import structs

from sametree.artifacts.manifest import Manifest, Part, Revision
from sametree.deploy import site as sites
from sametree.deploy.colours import Colours
from sametree.deploy.strategies import Shift, Start, Stop
from sametree.settings.model import Environment
from sametree.units.deploying import plan as plans
from sametree.units.deploying import steps
from sametree.units.deploying.change import Change
from sametree.units.deploying.plan import Plan

PLAN = Plan(
    run="run",
    kind="deploy",
    environment="staging",
    address="127.0.0.1:8081",
    release="dist/releases/abc",
    digest="d" * 64,
    tree="e" * 40,
    commit="c" * 40,
    strategy="canary",
    replicas=2,
    old="blue",
    old_tree="a" * 40,
    old_digest="b" * 64,
    old_replicas=2,
    new="green",
    moves=(Start(2), Shift(100, 60), Shift(10_000, 0.0)),
    own_database=False,
    before=Colours(),
)


def lines(**more):
    return list(structs.replace(PLAN, **more).lines())


def test_what_is_there_and_what_comes():
    assert lines() == [
        "release      dddddddddddd  tree eeeeeeeeeeee, commit cccccccccccc",
        "environment  staging  http://127.0.0.1:8081",
        "now there    tree aaaaaaaaaaaa on blue",
    ]
    release, _, there = lines(old=None, commit="")
    assert release.endswith("no commit: dirty") and there == "now there    nothing"


def test_migrations_now_and_later_and_what_else_is_known():
    told = lines(expand=("0003", "0004"), waiting=("0005",), notes=("it drifted",))
    assert told[3:] == [
        "migrations   0003",
        "             0004",
        "later        0005  (contract; `invoke migrate staging`)",
        "note         it drifted",
    ]
    assert lines(looked=False)[3:] == ["migrations   told when the database runs"]


@pytest.mark.parametrize(
    ("move", "said"),
    [
        (Start(1), "start 1 replica of green"),
        (Start(2), "start 2 replicas of green"),
        (Stop(0), "stop blue"),
        (Stop(2), "leave 2 replicas of blue"),
        (Shift(1_250, 60), "give green 12.5 %, and judge it for 60 s"),
        (Shift(10_000, 0), "give green 100 %"),
    ],
)
def test_moves_in_words(move, said):
    assert plans.words(move, "green", "blue") == said


def listed(tmp_path, *, revisions=(), **more):
    """Return the steps of a plan."""
    part = Part(name="app", language="python", tree="t", run=("serve",), health="/up")
    made = Manifest(
        schema=1,
        tree="e" * 40,
        python="",
        platform="",
        files={},
        locks={},
        components=(part,),
        revisions=revisions,
    )
    place = sites.Site("staging", Environment(), tmp_path, None, None)
    return steps.steps_of(Change(place, structs.replace(PLAN, **more), made, None))


def names(found):
    return [each.name for each in found]


def test_the_order_of_the_steps(tmp_path):
    known = (Revision(revision="0003", phase="expand", below=()),)
    found = listed(
        tmp_path,
        revisions=known,
        own_database=True,
        retires="tree fff",
        expand=("0003",),
    )
    assert names(found) == [
        "install",
        "database",
        "migrate",
        "retire",
        "start 2 of green",
        "preview",
        "shift 1 %",
        "shift 100 %",
        "settle",
    ]
    assert [each.describe() for each in found] == [
        "install release dddddddddddd, checked byte by byte",
        "have the environment's own PostgreSQL run",
        "run 1 expand migration",
        "stop green, which has tree fff",
        "start 2 replicas of green",
        "let the router know green, for requests that ask for it; look at it",
        "give green 1 %, and judge it for 60 s",
        "give green 100 %",
        "green is it; blue stays warm for a rollback",
    ]
    # What a rollback goes to has been migrated long ago.
    assert "migrate" not in names(listed(tmp_path, revisions=known, back=True))


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"looked": False}, "run the migrations that the database lacks"),
        ({}, "run no migration: the database has all"),
        ({"expand": ("1", "2")}, "run 2 expand migrations"),
    ],
)
def test_what_is_migrated_in_words(tmp_path, told, said):
    known = (Revision(revision="0003", phase="expand", below=()),)
    assert listed(tmp_path, revisions=known, **told)[1].describe() == said


def test_the_first_release_and_replica_after_replica(tmp_path):
    found = listed(tmp_path, old=None, moves=(Start(2), Shift(10_000, 0.0)))
    assert found[2].describe() == "start the router, and let it know green"
    assert found[-1].describe() == "green is it"
    rolling = (Start(1), Shift(5_000, 1), Stop(1), Start(2), Shift(10_000, 1), Stop(0))
    found = listed(tmp_path, strategy="rolling", moves=rolling)
    assert names(found) == [
        "install",
        "start 1 of green",
        "preview",
        "shift 50 %",
        "leave 1 of blue",
        "start 2 of green",
        "shift 100 %",
        "stop blue",
        "settle",
    ]
    assert found[-1].describe() == "green is it"
