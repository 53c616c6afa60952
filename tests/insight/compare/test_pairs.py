"""What differs between two records of a unit, and which of it must not."""

import msgspec
import pytest
from comparing import record, step

from sametree import records
from sametree.insight.compare import pairs

UNIT = "tests(backend)"


def must(left=None, right=None, unit=UNIT):
    found = pairs.must_match(
        record(unit, **(left or {})), record(unit, "github", **(right or {}))
    )
    return [(each.kind, each.name, each.old, each.new) for each in found]


def may(left=None, right=None, unit=UNIT):
    found = pairs.may_differ(
        record(unit, **(left or {})), record(unit, "github", **(right or {}))
    )
    return {each.name: (each.kind, each.old, each.new) for each in found}


def test_a_laptop_and_a_runner_with_the_same_tree_match():
    assert must() == []


def test_the_machine_and_what_it_sets_for_itself_may_differ():
    assert may() == {
        "host.cpu.count": ("surroundings", "8", "4"),
        "host.name": ("surroundings", "ada", "runner"),
        "memory": ("surroundings", "32768000 kB", "16384000 kB"),
        "os.release": ("surroundings", "6.1.0-18", "6.11.0-azure"),
        "COLORTERM": ("ambient", "set", ""),
        "CI": ("ambient", "", "set"),
        "GITHUB_ACTIONS": ("ambient", "", "set"),
    }


@pytest.mark.parametrize(
    "part, other, told",
    [
        ("interpreter", "cpython 3.12.1", ("interpreter", "interpreter")),
        ("platform", "linux aarch64 glibc", ("platform", "platform")),
        ("tool:uv", "0.8.0", ("tool", "uv")),
        ("arguments", "-k people", ("arguments", "arguments")),
        ("settings", "e" * 64, ("settings", "settings")),
        ("suite", "e" * 64, ("suite", "suite")),
        ("session", "lint", ("session", "session")),
        ("lock:ci/locks/lint.txt", "missing", ("lock", "ci/locks/lint.txt")),
        ("input:app/backend", "missing", ("input", "app/backend")),
        ("database", "embedded 16", ("database", "database")),
        ("database", "given", ("database", "database")),
    ],
)
def test_every_part_of_the_fingerprint_must_match(part, other, told):
    [found] = must(right={"parts": {part: other}})
    assert found[:2] == told
    assert found[3] == other


def test_a_part_that_only_one_side_has_must_match_too():
    assert must(right={"parts": {"tool:uv": None}}) == [("tool", "uv", "0.9.1", "")]


def test_a_development_database_has_a_state_of_its_own_on_every_machine():
    left, right = (
        {"parts": {"database": f"embedded 18, written {number}"}} for number in (1, 2)
    )
    assert must(left, right) == []
    assert may(left, right)["development database"] == (
        "state",
        "written 1",
        "written 2",
    )


@pytest.mark.parametrize("side", [0, 1])
def test_without_parts_nothing_shows_that_two_runs_match(side):
    sides = [{}, {}]
    sides[side] = {"parts": None}
    [found] = must(*sides)
    assert found[:2] == ("fingerprint", "fingerprint")
    assert found[2:] == (("", "recorded") if side == 0 else ("recorded", ""))


@pytest.mark.parametrize(
    "name, value",
    [("TZ", "Europe/Berlin"), ("LC_ALL", "de_DE"), ("PYTHONHASHSEED", "1")],
)
def test_what_the_suite_fixes_must_match(name, value):
    usual = record(UNIT).environment[name]
    assert must({"environment": {name: value}}) == [("environment", name, value, usual)]


def test_an_extra_variable_must_not_be_there_on_one_side_only():
    assert must(right={"environment": {"FLASK_DEBUG": ""}}) == [
        ("environment", "FLASK_DEBUG", "", "set")
    ]


@pytest.mark.parametrize("name", ["UV_CACHE_DIR", "HTTPS_PROXY", "SAMETREE_JOBS"])
def test_how_a_machine_reaches_its_registries_is_its_own_affair(name):
    left = {"environment": {name: ""}}
    assert must(left) == []
    assert may(left)[name] == ("ambient", "set", "")


def test_a_variable_of_the_machine_whose_values_are_known_must_match():
    sides = ({"environment": {"UV_PYTHON": value}} for value in ("a", "b"))
    assert must(*sides) == [("environment", "UV_PYTHON", "a", "b")]


def test_a_declared_variable_is_told_once_and_with_its_values():
    left, right = (
        {"parts": {"variable:LEVEL": digest * 64}, "environment": {"LEVEL": value}}
        for digest, value in (("1", "debug"), ("2", "info"))
    )
    assert must(left, right) == [("variable", "LEVEL", "debug", "info")]


def test_of_a_secret_only_what_the_parts_say_is_told():
    left, right = (
        {"parts": {"variable:KEY": told}, "environment": {"KEY": "***"}}
        for told in ("set", "not set")
    )
    assert must(left, right) == [("variable", "KEY", "set", "not set")]


def test_a_variable_that_one_side_does_not_declare_is_told():
    left = {"parts": {"variable:KEY": "1" * 64}}
    assert must(left) == [("variable", "KEY", "set", "")]


def test_a_unit_that_never_came_to_its_steps_tells_nothing_of_them():
    bare = msgspec.structs.replace(record(UNIT), environment={}, steps=())
    assert list(pairs.must_match(bare, record(UNIT, "github"))) == []
    assert list(pairs.must_match(record(UNIT, "github"), bare)) == []


def test_a_file_that_git_ignores_must_be_on_both_sides_or_on_none():
    path = "app/backend/local_settings.py"
    assert must({"outside": (path,)}) == [("outside", path, "there", "")]
    assert must(right={"outside": (path,)}) == [("outside", path, "", "there")]
    assert must({"outside": (path,)}, {"outside": (path,)}) == []


@pytest.mark.parametrize(
    "path",
    [
        "app/.DS_Store",
        "app/.idea/",
        "app/.vscode/settings.json",
        "a.swp",
        "debug.log",
        ".coverage.x.1",
    ],
)
def test_what_editors_and_desktops_leave_behind_may_differ(path):
    assert must({"outside": (path,)}) == []
    assert may({"outside": (path,)})[path] == ("litter", "there", "")


@pytest.mark.parametrize("path", [".coveragerc", "app/catalog", "vs/a.py", "logs/"])
def test_what_only_looks_like_litter_must_match(path):
    assert must({"outside": (path,)}) == [("outside", path, "there", "")]


def test_beyond_the_end_of_a_list_that_was_cut_nothing_is_known():
    many = tuple(f"a/{number:03}" for number in range(records.OUTSIDE_MOST))
    assert must({"outside": many}, {"outside": (*many, "b")}) == []
    assert must({"outside": many}, {"outside": ("0", *many[:-1])}) == [
        ("outside", "0", "", "there")
    ]


def test_files_that_were_not_looked_for_are_not_missing():
    [found] = must({"parts": None, "outside": ("a.py",)})
    assert found[0] == "fingerprint"


@pytest.mark.parametrize(
    "name, left, right",
    [
        ("pytest", ("-n", "8"), ("-n", "4")),
        ("pytest", ("-n", "8", "--dist=worksteal"), ()),
        ("pytest", ("--numprocesses=8",), ("--numprocesses=auto",)),
        ("jest", ("--maxWorkers=8",), ("--maxWorkers=50%",)),
        ("jest", ("-w", "8"), ("-w", "2")),
        ("make", ("-j8",), ("-j4",)),
        ("flake8", ("-j", "8"), ("--jobs=2",)),
    ],
)
def test_the_number_of_workers_may_differ(name, left, right):
    sides = [{"steps": (step(name, workers=each),)} for each in (left, right)]
    assert must(*sides) == []
    assert may(*sides)[name][0] == "workers"


def test_no_workers_are_told_as_one_process():
    sides = [{"steps": (step(workers=each),)} for each in (("-n", "2"), ())]
    assert may(*sides)["pytest"] == ("workers", "-n 2", "one")


def test_how_work_is_spread_over_workers_must_match():
    left, right = (
        {"steps": (step(workers=("-n", "4", f"--dist={way}")),)}
        for way in ("load", "worksteal")
    )
    assert must(left, right) == [("step", "pytest", "--dist=load", "--dist=worksteal")]


@pytest.mark.parametrize(
    "name, left, right",
    [
        ("alembic", ("-n", "4"), ("-n", "8")),  # not a number of workers there
        ("pytest", ("-n", "plugin"), ("-n", "other")),
        ("pytest", ("-no-header",), ()),
        ("pytest", ("-q",), ("-v",)),
        ("pytest", ("-n",), ()),
    ],
)
def test_any_other_argument_of_a_step_must_match(name, left, right):
    sides = [{"steps": (step(name, 0, *each),)} for each in (left, right)]
    [(kind, where, _, _)] = must(*sides)
    assert (kind, where) == ("step", name)


def test_of_two_command_lines_only_the_words_that_differ_are_told():
    left = {"steps": (step("pytest", 0, "-q", "--strict", "-x"),)}
    right = {"steps": (step("pytest", 0, "-q", "-p", "no:randomly", "-x"),)}
    assert must(left, right) == [("step", "pytest", "--strict", "-p no:randomly")]


def test_other_arguments_of_a_unit_are_not_told_again_for_its_step():
    left = {"steps": (step("pytest", 0, "-k", "people"),), "args": ("-k", "people")}
    left["parts"] = {"arguments": "-k people"}
    assert [found[0] for found in must(left, {"steps": (step(),)})] == ["arguments"]


def test_a_step_that_only_one_side_has_is_told_when_both_came_to_their_end():
    left = {"steps": (step("black"), step("mypy"))}
    right = {"steps": (step("black"),)}
    assert must(left, right) == [("step", "mypy", "there", "")]
    assert must(left, {**right, "result": "failure"}) == []


def test_a_step_that_an_earlier_run_has_spared_one_side_is_no_difference():
    kept = msgspec.structs.replace(step("migrations apply"), kept=True)
    left = {"steps": (kept, step("pytest"))}
    right = {"steps": (step("pytest"),)}
    assert must(left, right) == must(right, left) == []


def test_steps_of_one_name_are_compared_in_turn():
    left = {"steps": (step("jest", 0, "a"), step("jest", 0, "b"))}
    right = {"steps": (step("jest", 0, "a"), step("jest", 0, "c"))}
    assert must(left, right) == [("step", "jest", "b", "c")]


def test_a_run_with_the_declared_inputs_alone_is_told_apart():
    found = may({"audited": False}, {"audited": True})
    assert found["audit"] == ("audit", "whole tree", "declared inputs alone")
    assert "audit" not in may({"audited": True}, {"audited": True})


def test_of_ignored_files_the_ones_that_programs_read_come_first():
    paths = ["a/data.bin", "a/b.json", "a/c.py", "a/.env", "z/conftest.py", "local.yml"]
    assert sorted(paths, key=pairs.suspicion) == [
        "a/.env",
        "local.yml",
        "z/conftest.py",
        "a/c.py",
        "a/b.json",
        "a/data.bin",
    ]
