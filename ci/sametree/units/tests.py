"""tests: do the component's tests pass, and do they run enough of its code?"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from msgspec import structs

from sametree import git, masking, steps, terminal
from sametree.errors import SurroundingsError, UnitFailed
from sametree.steps import Outcome, Step
from sametree.testing import coverage, jest, junit, triage
from sametree.units import test_database
from sametree.units.test_database import variables_for as variables_for  # noqa: F401
from sametree.units.work import Work, cores


def tests(work: Work) -> None:
    """Run the tests; raise UnitFailed when one fails or the coverage is too low."""
    env = work.install("tests")
    shutil.rmtree(work.reports, ignore_errors=True)
    work.reports.mkdir(parents=True)
    for step in work.toolchain.tests(work.place, cores(), work.args):
        with test_database.variables(work, env) as variables:
            given = {**env, **variables}
            outcome = work.run(step, given, live=True)
            said = _said_before_tests(work, outcome, given)
        if work.component.language == "node":
            jest.collect(work.reports, work.folder)
        masking.hide_in_file(work.reports / "junit.xml")
        judge(work, outcome, given, said)
        _judge_coverage(work)


def _said_before_tests(work: Work, outcome: Outcome, env: Mapping[str, str]) -> str:
    """Return what pytest says when it cannot even begin; what it wrote passed us by."""
    begun = (work.reports / "junit.xml").exists()
    ended = outcome.passed or outcome.code < 0  # killed: it will not tell why
    if begun or ended or work.component.language == "node":
        return ""
    step = outcome.step
    alone = ("-n0",) if "-n" in step.argv else ()
    argv = (*step.argv, *alone, "--collect-only", "--quiet", "--no-cov")
    return steps.run(structs.replace(step, argv=argv), env).output


def judge(work: Work, outcome: Outcome, env: Mapping[str, str], said: str) -> None:
    """Tell which tests failed, and why. Raise UnitFailed when one did by a fault of the
    code, SurroundingsError when all did by one of what surrounds it."""
    step: Step = outcome.step
    if outcome.passed and outcome.code:
        work.notes.append("no test was selected")
        return
    results = junit.read(work.reports / "junit.xml")
    if results.failures and terminal.on_github():
        for failure in results.failures[: terminal.ANNOTATIONS]:
            file = (Path(work.component.path) / failure.file).as_posix()
            terminal.annotate(file, failure.line, failure.name, failure.message)
    if outcome.passed:
        return
    if not results.failures:
        hint = (
            f"{step.name} ended with exit code {outcome.code} before it ran the tests"
        )
        if cause := triage.of_step(outcome.code, said, work.around(env)):
            raise SurroundingsError(f"{hint}: {cause.text}", cause.cure)
        raise UnitFailed(hint, "see its output above")
    verdict = triage.blame(results.failures, work.around(env))
    raise verdict.problem(results.summary, _repeat(work, results))


def _repeat(work: Work, results: junit.Results) -> str:
    if work.component.language == "node":
        chosen = results.failures[0].file
    else:
        chosen = "--lf"
    return f"repeat what failed with: nox -s '{work.name}' -- {chosen}"


def _judge_coverage(work: Work) -> None:
    """Hold the coverage against the gate; raise UnitFailed when it is too low."""
    lcov = work.reports / "lcov.info"
    if not lcov.exists():
        if work.args:
            return  # coverage was switched off, or nothing ran
        raise SurroundingsError(f"the tests left no coverage in {lcov}")
    measured = coverage.read(lcov)
    covered = work.covered = coverage.totals(measured.values())
    gate = work.project.gate(work.component)
    relative = (work.reports / "html" / "index.html").relative_to(work.project.base)
    terminal.say(f"\n  coverage  {covered}   {relative}")
    if work.args:
        work.notes.append("coverage not judged: arguments chose the tests")
        return
    short = coverage.shortfall(covered, gate)
    if not short:
        return
    changed = git.changed_since(work.folder, work.project.settings.main_branch)
    missed = coverage.missed_lines(measured, changed)
    rows = [
        f"  {Path(work.component.path, name).as_posix()}"
        f"{' (changed)' if new else ''}: {lines}"
        for name, lines, new in missed
    ]
    raise UnitFailed(
        f"coverage is below the gate: {'; '.join(short)}\n"
        + "\n".join(["  not run:", *rows]),
        f"test these lines; the whole picture is in {relative}",
    )
