"""What lint, format, tests and build of a Node component are."""

import json
from pathlib import Path

import pytest

from sametree.toolchains import node

ALL = frozenset({"prettier", "eslint", "tsc", "jest", "build"})
OUT = Path("/project/dist/web")


def names(steps):
    return [step.name for step in steps]


@pytest.mark.parametrize(
    ("package", "tools"),
    [
        (None, set()),
        ({}, set()),
        ({"dependencies": {"react": "19.0.0"}}, set()),
        ({"devDependencies": {"typescript": "6.0.0"}}, {"tsc"}),
        (
            {
                "dependencies": {"vite": "8.0.0"},
                "devDependencies": {"jest": "30.0.0", "prettier": "3", "eslint": "10"},
            },
            {"build", "jest", "prettier", "eslint"},
        ),
    ],
)
def test_the_tools_are_those_that_package_json_names(tmp_path, package, tools):
    if package is not None:
        (tmp_path / "package.json").write_text(json.dumps(package))
    assert node.tools(tmp_path) == tools


def test_lint_runs_the_tools_that_there_are(place):
    assert names(node.lint(place(tools=ALL))) == ["prettier", "eslint", "tsc"]
    assert names(node.lint(place(tools=frozenset({"eslint"})))) == ["eslint"]
    assert names(node.lint(place())) == []


def test_lint_changes_no_file(place):
    words = {word for step in node.lint(place(tools=ALL)) for word in step.argv}
    assert {"--check", "--noEmit"} <= words
    assert not words & {"--fix", "--write"}


def test_lint_takes_warnings_of_eslint_seriously(place):
    (eslint,) = node.lint(place(tools=frozenset({"eslint"})))
    at = eslint.argv.index("--max-warnings")
    assert eslint.argv[at + 1] == "0"


def test_prettier_has_the_last_word_on_style(place):
    assert names(node.format(place(tools=ALL))) == ["eslint", "prettier"]
    assert names(node.format(place())) == []


def test_what_eslint_cannot_mend_does_not_stop_format(place):
    neutral = {step.name: step.neutral for step in node.format(place(tools=ALL))}
    assert neutral == {"eslint": (1,), "prettier": ()}


@pytest.mark.parametrize("steps", [node.lint, node.format])
def test_the_sources_are_what_is_looked_at(place, steps):
    for step in steps(place(tools=ALL - {"tsc"}, sources=("src", "test"))):
        assert step.argv[-2:] == ("src", "test")


def test_tests_run_jest_with_coverage_into_the_reports_folder(place):
    (step,) = node.tests(place(tools=ALL), 3, [])
    assert {
        "--maxWorkers=3",
        "--coverage",
        "--coverageDirectory=/project/reports/app",
        "--coverageReporters=lcov",
        "--coverageReporters=cobertura",
        "--outputFile=/project/reports/app/jest.json",
    } <= set(step.argv)


def test_jest_has_at_least_one_worker(place):
    (step,) = node.tests(place(tools=ALL), 0, [])
    assert "--maxWorkers=1" in step.argv


@pytest.mark.parametrize("args", [[], ["-t", "name"]])
def test_no_test_at_all_is_a_failure_unless_a_person_chose(place, args):
    (step,) = node.tests(place(tools=ALL), 1, args)
    assert ("--passWithNoTests" in step.argv) is bool(args)
    assert list(step.argv[len(step.argv) - len(args) :]) == args


def test_without_jest_there_are_no_tests(place):
    assert node.tests(place(), 1, []) == []


def test_build_bundles_for_production_into_the_given_folder(place):
    (step,) = node.build(place(tools=ALL), OUT)
    assert step.argv == ("vite", "build", "--outDir", str(OUT), "--emptyOutDir")
    assert step.env == {"NODE_ENV": "production"}


def test_without_vite_there_is_no_build(place):
    assert node.build(place(), OUT) == []
