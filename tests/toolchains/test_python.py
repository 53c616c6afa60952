"""What lint, format, tests and build of a Python component are."""

import re
from pathlib import Path

import pytest

from sametree.toolchains import python

OUT = Path("/project/dist/app")


def argv(steps, name):
    return next(step.argv for step in steps if step.name == name)


@pytest.mark.parametrize(
    ("text", "more"),
    [
        (None, set()),
        ("[project]\n", set()),
        ("[tool.mypy]\n", {"mypy"}),
        ("[build-system]\n", {"build"}),
        ("[build-system]\n[tool.mypy]\n", {"mypy", "build"}),
    ],
)
def test_the_tools_are_the_usual_ones_and_those_that_are_configured(
    tmp_path, text, more
):
    if text is not None:
        (tmp_path / "pyproject.toml").write_text(text)
    assert python.tools(tmp_path) == {"black", "flake8", "pytest"} | more


def test_lint_runs_black_and_flake8_on_the_sources(place):
    steps = python.lint(place(sources=("src", "tests")))
    assert [step.name for step in steps] == ["black", "flake8"]
    assert all(step.argv[-2:] == ("src", "tests") for step in steps)
    assert all(step.cwd == Path("/project/app") for step in steps)


def test_lint_changes_no_file(place):
    assert "--check" in argv(python.lint(place()), "black")


def test_mypy_runs_where_it_is_configured_and_keeps_its_cache_out_of_the_sources(place):
    mypy = argv(python.lint(place(tools=frozenset({"mypy"}))), "mypy")
    assert mypy[-2:] == ("--cache-dir", "/project/.sametree/cache/app/mypy")


@pytest.mark.parametrize("steps", [python.lint, python.format])
@pytest.mark.parametrize(
    ("path", "outside"),
    [
        ("/app/backend/maria.py", True),
        ("/web.v2/x.py", True),
        ("/app/backends/maria.py", False),
        ("/webxv2/x.py", False),
        ("/other/app/backend/maria.py", False),
    ],
)
def test_black_leaves_components_inside_this_one_alone(place, steps, path, outside):
    black = argv(steps(place(nested=("app/backend", "web.v2"))), "black")
    pattern = black[black.index("--extend-exclude") + 1]
    assert bool(re.search(pattern, path)) is outside


def test_flake8_leaves_components_inside_this_one_alone(place):
    flake8 = argv(python.lint(place(nested=("app/backend", "web"))), "flake8")
    assert "--extend-exclude=app/backend,web" in flake8


def test_where_the_sources_are_named_nothing_has_to_be_left_out(place):
    named = place(nested=("app",), sources=("src",))
    for steps in (python.lint(named), python.format(named)):
        assert not any("exclude" in word for step in steps for word in step.argv)


def test_format_runs_black(place):
    (step,) = python.format(place(sources=("src",)))
    assert step.argv == ("black", "src")


def test_tests_leave_every_report_in_the_reports_folder(place):
    (step,) = python.tests(place(), 1, [])
    for report in (
        "--cov-report=xml:/project/reports/app/coverage.xml",
        "--cov-report=lcov:/project/reports/app/lcov.info",
        "--cov-report=html:/project/reports/app/html",
        "/project/reports/app/junit.xml",
    ):
        assert report in step.argv


def test_tests_leave_nothing_else_in_the_sources(place):
    (step,) = python.tests(place(), 1, [])
    assert step.env["COVERAGE_FILE"].startswith("/project/.sametree/")
    assert "cache_dir=/project/.sametree/cache/app/pytest" in step.argv


@pytest.mark.parametrize(("workers", "parallel"), [(1, False), (4, True)])
def test_tests_run_on_as_many_processes_as_there_are_workers(place, workers, parallel):
    (step,) = python.tests(place(), workers, [])
    assert ("-n" in step.argv) is parallel
    assert ("4" in step.argv) is parallel


def test_what_a_person_adds_comes_last(place):
    (step,) = python.tests(place(), 1, ["-k", "name"])
    assert step.argv[-2:] == ("-k", "name")


@pytest.mark.parametrize(("args", "neutral"), [([], ()), (["-k", "x"], (5,))])
def test_no_test_at_all_is_a_failure_unless_a_person_chose(place, args, neutral):
    (step,) = python.tests(place(), 1, args)
    assert step.neutral == neutral


def test_a_build_has_the_same_date_each_time_and_goes_to_the_given_folder(place):
    (step,) = python.build(place(), OUT)
    assert step.argv[-2:] == ("--outdir", str(OUT))
    assert step.env == {"SOURCE_DATE_EPOCH": python.SOURCE_DATE}


def test_a_build_takes_its_backend_from_the_lock_not_from_the_network(place):
    (step,) = python.build(place(), OUT)
    assert "--no-isolation" in step.argv
