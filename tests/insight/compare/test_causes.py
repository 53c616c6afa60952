"""Which difference is the likely cause: planted drifts are found, the best comes first."""

import msgspec
import pytest
from comparing import COMMIT, UNITS, failed, record, run, step

from sametree.changes import Changed, Pin
from sametree.insight.compare import causes
from sametree.insight.compare import compare_runs

BAD = "tests(backend)"
SETTINGS = "app/backend/local_settings.py"


def likely(left, right, explain=None):
    found = compare_runs(left, right, explain)
    return causes.likely(found)


def ran(place="local", bad=None, **more):
    """Return a run in which ``bad`` is what is told of BAD alone."""
    return [
        record(unit, place, **{**more, **(bad if bad and unit == BAD else {})})
        for unit in UNITS
    ]


def explained(files=(), pins=()):
    def explain(difference, left, right):
        if difference.kind == "input":
            return msgspec.structs.replace(difference, files=tuple(files))
        if difference.kind == "lock":
            return msgspec.structs.replace(difference, pins=tuple(pins))
        return difference

    return explain


@pytest.mark.parametrize(
    "drift, sentence",
    [
        (
            {"parts": {"tool:node": "22.1"}},
            "node is 22.1 in the local run, none in CI",
        ),
        (
            {"environment": {"LC_ALL": "de_DE.UTF-8"}},
            "the variable LC_ALL is de_DE.UTF-8 in the local run, C.UTF-8 in CI",
        ),
        (
            {"environment": {"TZ": "Europe/Berlin"}},
            "the variable TZ is Europe/Berlin in the local run, UTC in CI",
        ),
        (
            {"environment": {"FLASK_DEBUG": ""}},
            "the variable FLASK_DEBUG is set in the local run only",
        ),
        (
            {"outside": (SETTINGS,)},
            f"the file {SETTINGS} is there in the local run only, and git ignores it",
        ),
        (
            {"parts": {"database": "embedded 16"}},
            "database is embedded 16 in the local run, embedded 18 in CI",
        ),
        (
            {"steps": (step(workers=("-n", "8")),)},
            "nothing that must match differs there; of what may, look at workers of"
            " pytest (-n 8, one) and cores (8, 4)",
        ),
    ],
)
def test_a_planted_drift_is_the_likely_cause(drift, sentence):
    [cause] = likely(ran(bad=drift), ran("github", bad=failed()))
    assert cause.text == sentence
    assert cause.units == (BAD,)


def test_a_missing_file_that_git_ignores_is_found_on_the_other_side_too():
    [cause] = likely(ran(bad=failed()), ran("github", bad={"outside": (SETTINGS,)}))
    assert cause.text.endswith("is there in CI only, and git ignores it")
    assert cause.cure == "let a session make it, so that it is made everywhere"


def test_what_is_not_in_the_unit_cannot_be_its_cause():
    left = [record("lint(a)", outside=("a.py",)), record("tests(a)")]
    right = [record("lint(a)", "github"), record("tests(a)", "github", **failed())]
    [cause] = likely(left, right)
    assert cause.finding is None
    assert causes.ranked(compare_runs(left, right))[0].difference.kind == "outside"


def test_what_is_in_units_that_ended_alike_comes_later():
    left = ran(bad={"environment": {"FLASK_DEBUG": ""}}, parts={"tool:uv": "0.8"})
    [cause] = likely(left, ran("github", bad=failed()))
    assert "FLASK_DEBUG" in cause.text


def test_another_job_comes_before_another_machine():
    files = [Changed("app/backend/models.py", "M")]
    left = ran(bad={"environment": {"FLASK_DEBUG": ""}})
    right = ran("github", failed(), parts={"input:app/backend": "040000 2"})
    [cause] = likely(left, [*right], explained(files))
    assert cause.text == "the file app/backend/models.py is not the same"


def test_a_variable_that_the_reason_names_comes_first():
    files = [Changed("app/backend/models.py", "M")]
    bad = failed("SECRET_KEY is not set: declare it")
    bad["parts"] = {"input:app/backend": "040000 2"}
    left = ran(bad={"parts": {"variable:SECRET_KEY": "1" * 64}})
    [cause] = likely(left, ran("github", bad), explained(files))
    assert cause.text == "the variable SECRET_KEY is set in the local run only"
    assert cause.cure.endswith("one default in [tool.sametree.variables.SECRET_KEY]")


@pytest.mark.parametrize(
    "reason",
    ["a.py:4: assert 1 == 2", "tests failed:\n  tests/a.py: boo", "in ./a.py."],
)
def test_a_file_that_the_reason_names_comes_first(reason):
    left = ran(bad={"outside": ("tests/a.py",), "args": ("-x",)})
    left = [
        msgspec.structs.replace(r, parts={**r.parts, "arguments": "-x"}) for r in left
    ]
    [cause] = likely(left, ran("github", failed(reason)))
    assert cause.text.startswith("the file tests/a.py is there")


def test_a_name_that_every_folder_has_is_no_evidence():
    bad = failed("in lib/__init__.py", outside=("app/__init__.py",))
    left = ran(bad={"parts": {"arguments": "-x"}})
    [cause] = likely(left, ran("github", bad))
    assert cause.text.startswith("the arguments are")


def test_a_package_called_like_the_failing_step_comes_before_other_locks():
    pins = [Pin("black", "26.1.0", "26.3.1"), Pin("click", "1", "2")]
    bad = failed("black failed", steps=(step("black", 1),))
    bad["parts"] = {"lock:ci/locks/lint.txt": "8" * 64}
    left = ran(bad={"environment": {"FLASK_DEBUG": ""}})
    [cause] = likely(left, ran("github", bad), explained(pins=pins))
    assert cause.text == (
        "black is 26.1.0 in the local run, 26.3.1 in CI"
        " (ci/locks/lint.txt differs, 1 other package too)"
    )


def test_a_last_number_that_differs_comes_after_what_weighs_more():
    left = ran(
        bad={
            "parts": {"interpreter": "cpython 3.11.9", "tool:uv": "0.9.2"},
            "environment": {"TZ": "Europe/Berlin"},
        }
    )
    right = ran("github", failed())
    ranked = causes.ranked(compare_runs(left, right))
    names = [each.difference.name for each in ranked]
    assert names == ["TZ", "interpreter", "uv"]


def test_units_that_fail_for_different_reasons_have_causes_of_their_own():
    pins = [Pin("black", "26.1.0", "26.3.1")]
    left = run(environment={"TZ": "Europe/Berlin"})
    right = run("github", only="lint", parts={"lock:ci/locks/lint.txt": "8" * 64})
    for number, each in enumerate(right):
        if each.unit.startswith("lint"):
            told = failed("black failed", steps=(step("black", 1),))
            right[number] = msgspec.structs.replace(each, **told)
        if each.unit == BAD:
            right[number] = msgspec.structs.replace(each, **failed(), outside=("a.py",))
    first, second = likely(left, right, explained(pins=pins))
    assert first.text.startswith("black is 26.1.0")
    assert first.units == ("lint(backend)", "lint(frontend)")
    assert second.text.startswith("the file a.py is there in CI only")
    assert second.units == (BAD,)


def test_without_another_result_the_first_drift_is_told():
    left = run(parts={"tool:uv": "0.8"}, environment={"TZ": "Europe/Berlin"})
    [cause] = likely(left, run("github"))
    assert cause.text == "uv is 0.8 in the local run, 0.9.1 in CI"


@pytest.mark.parametrize(
    "result, text",
    [
        ("error", "in CI the machine was at fault, not the code: no space"),
        ("timeout", f"in CI {BAD} took too long: no space"),
        ("cancellation", f"in CI {BAD} was stopped before it had an answer"),
        ("skip", f"in CI {BAD} was skipped: no space"),
    ],
)
def test_what_a_record_says_itself_is_believed(result, text):
    [cause] = likely(
        ran(), ran("github", {"result": result, "reason": "no space:\n x"})
    )
    assert cause.text == text
    assert cause.cure == f"nox -s '{BAD}' -- --force"


def test_a_machine_at_fault_is_told_with_what_differs_there():
    bad = {"result": "error", "reason": "connection refused"}
    left = ran(bad={"parts": {"database": "given"}})
    [cause] = likely(left, ran("github", bad))
    assert cause.text == (
        "in CI the machine was at fault, not the code: connection refused. There,"
        " database is given in the local run, embedded 18 in CI"
    )
    assert cause.cure == "unset DATABASE_URL, so that the suite starts its own server"


def test_a_stopped_unit_has_no_other_cause():
    left = ran(bad={"parts": {"database": "given"}})
    [cause] = likely(left, ran("github", {"result": "cancellation"}))
    assert cause.text == f"in CI {BAD} was stopped before it had an answer"


def test_the_same_error_on_both_sides_with_other_exit_codes_is_no_machines_fault():
    sides = (
        ran(place, {"result": "error", "steps": (step(code=code),)})
        for place, code in (("local", 1), ("github", 2))
    )
    [cause] = likely(*sides)
    assert "nothing that must match differs" in cause.text


def test_a_run_with_declared_inputs_alone_is_repeated_as_such():
    [cause] = likely(ran(), ran("github", failed(audited=True)))
    assert cause.text == (
        "in CI it had its declared inputs alone (--audit): it may need a file that is"
        " none"
    )
    assert cause.cure == f"nox -s '{BAD}' -- --audit"


def test_what_the_ci_sets_can_be_set_at_home():
    alike = {"host.cpu.count": "4", "memory": "16384000 kB"}
    left = ran(surroundings=alike, environment={"COLORTERM": None})
    [cause] = likely(left, ran("github", failed()))
    assert "the variable CI is set in CI only" in cause.text
    assert cause.cure == f"CI=true nox -s '{BAD}' -- --force"


def test_the_number_of_cores_can_be_tried_on_the_other_machine():
    [cause] = likely(ran(), ran("github", failed()))
    assert cause.cure == f"SAMETREE_JOBS=4 nox -s '{BAD}' -- --force"
    [cause] = likely(ran("github"), ran(bad=failed()))
    assert cause.cure == f"SAMETREE_JOBS=4 nox -s '{BAD}' -- --force"


def test_the_contents_of_ignored_files_are_not_known():
    sides = [
        ran(bad={"outside": ("app/.env",)}),
        ran(bad=failed(outside=("app/.env",))),
    ]
    [cause] = likely(*sides)
    assert cause.text == (
        "nothing that is recorded differs there; git ignores app/.env, which both sides"
        " have: its content may not be the same"
    )


def test_when_nothing_differs_the_unit_itself_is_suspected():
    [cause] = likely(ran(), ran(bad=failed()))
    assert cause.text.startswith(
        "nothing that is recorded differs there, so the unit is"
    )
    assert cause.cure == f"nox -s '{BAD}' -- --force, a few times"


OTHER = "e" * 40


@pytest.mark.parametrize(
    "parts, more, cure",
    [
        (
            {"input:app/backend": "040000 2"},
            {"revision": OTHER},
            f"git diff {COMMIT[:10]} {OTHER[:10]} -- 'app/a b.py'",
        ),
        (
            {"input:app/backend": "040000 2"},
            {"tree": OTHER},
            "the commit is the same, so one had changes: git diff HEAD -- 'app/a b.py'",
        ),
        ({"input:app/backend": "040000 2"}, {}, ""),
        (
            {"settings": "2"},
            {"revision": OTHER},
            f"git diff {COMMIT[:10]} {OTHER[:10]} -- pyproject.toml",
        ),
        ({"suite": "2"}, {"revision": OTHER}, f"git diff {COMMIT[:10]} {OTHER[:10]}"),
        (
            {"interpreter": "cpython 3.13.0"},
            {},
            "make .venv with the other Python, or set python in [tool.sametree.ci]",
        ),
        (
            {"tool:uv": "1.0"},
            {},
            "install what the lock dev.txt pins where nox itself is installed",
        ),
        (
            {"database": "embedded 16"},
            {},
            "set version in [tool.sametree.database], and commit it",
        ),
        ({"arguments": "-k a"}, {}, f"nox -s '{BAD}' -- --force"),
        ({"platform": "darwin arm64"}, {}, ""),
    ],
)
def test_every_cause_comes_with_what_to_do(parts, more, cure):
    bad = failed(parts=parts, **more)
    explain = explained([Changed("app/a b.py", "M")])
    [cause] = likely(ran(), ran("github", bad), explain)
    assert cause.cure == cure


@pytest.mark.parametrize(
    "name, cure",
    [
        ("TZ", "sametree sets it for every step: do both sides run the same sametree?"),
        ("DEBUG", "unset DEBUG, or declare it: [tool.sametree.variables.DEBUG]"),
    ],
)
def test_a_variable_is_either_the_suites_or_to_be_declared(name, cure):
    [cause] = likely(ran(bad={"environment": {name: "x"}}), ran("github", failed()))
    assert cause.cure == cure


@pytest.mark.parametrize("side", [0, 1])
def test_objects_that_are_not_here_can_be_fetched(side):
    left, right = ({"input:app/backend": f"040000 {n * 40}"} for n in "12")
    revision = {"revision": OTHER}

    def explain(difference, left, right):
        absent = "12"[side] * 40
        return msgspec.structs.replace(difference, absent=(absent,))

    sides = [ran(bad={"parts": left}), ran("github", failed(parts=right))]
    sides[side] = [msgspec.structs.replace(each, **revision) for each in sides[side]]
    [cause] = likely(*sides, explain)
    lacking = "12"[side] * 10
    assert cause.text == (
        f"the sources in app/backend are not the same; git has no {lacking} here"
    )
    assert cause.cure.startswith(f"git fetch origin {OTHER[:10]} (what was not")
