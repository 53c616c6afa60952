"""A fault is red in the rehearsal and at home, at the same unit and nowhere else."""

import pytest
from conftest import migration
from workflow_pipeline import with_ci

from sametree import records
from sametree.settings import load
from sametree.toolchains import environments
from sametree.workflows import rehearse

pytestmark = pytest.mark.proof

BROKEN_SQL = migration(
    "0003", "0002", "op.execute('SELECT nothing FROM nowhere')", "pass"
)


def rehearsed(sample, **variables):
    return rehearse.rehearse(
        load(sample.root), uv=environments.uv(), variables=variables
    )


def at_home(sample, *sessions):
    """Run ``sessions`` and return the units that are red."""
    before = set(records.runs(load(sample.root).state))
    sample.nox("-s", *sessions)
    state = load(sample.root).state
    (run,) = set(records.runs(state)) - before
    return red(records.read(state, run))


def red(found):
    return {each.unit for each in found if each.result not in ("success", "skip")}


def in_rehearsal(done):
    """Return the units that are red by the verdicts, and by the uploaded records."""
    found = [
        record
        for run in (done.folder / "runs").iterdir()
        for record in records.read(done.folder, run.name)
    ]
    by_verdict = {job.unit for job in done.jobs if job.unit and not job.passed}
    return by_verdict, red(found)


def shown(done):
    return "\n".join(
        f"{job.name} {job.verdict} {job.step}\n" + "\n".join(job.lines()[-30:])
        for job in done.jobs
        if not job.passed
    )


def gate(done):
    return next(job.verdict for job in done.jobs if job.job == "required")


def test_a_fault_is_red_at_its_unit(sample):
    # That nothing is red without a fault, the rehearsal of this repository shows.
    with_ci(sample)
    sample.write({"test_more.py": "def test_more():\n    assert 1 == 2\n"})
    sample.commit("Seed a fault")
    done = rehearsed(sample)
    expected = {"tests(sample)"}
    assert in_rehearsal(done) == (expected, expected), shown(done)
    assert gate(done) == "failure" and not done.passed
    assert at_home(sample, "lint", "tests") == expected
    # A part of it is rehearsed: another fault is red, and this one is not asked for.
    sample.write({"more.py": "import os\n"})
    sample.commit("Seed another fault")
    done = rehearsed(sample, SAMETREE_UNITS="lint")
    assert [job.unit for job in done.jobs if job.unit] == ["lint(sample)"], shown(done)
    assert in_rehearsal(done) == ({"lint(sample)"}, {"lint(sample)"}), shown(done)
    assert gate(done) == "failure" and not done.passed


def test_a_broken_migration_is_red_at_each_unit_that_migrates(with_database):
    sample = with_ci(with_database, units=("tests", "migrate", "build"))
    sample.write({"migrations/versions/0003_broken.py": BROKEN_SQL})
    sample.commit("Seed a fault")
    done = rehearsed(sample)
    expected = {"tests(sample)", "migrate(sample)"}
    assert in_rehearsal(done) == (expected, expected), shown(done)
    for job in done.jobs:
        if job.unit in expected:
            assert any("nowhere" in line for line in job.lines()), job
    assert at_home(sample, "tests", "migrate", "build") == expected


def test_a_plan_that_fails_lets_nothing_through(sample):
    with_ci(sample)
    broken = sample.text("noxfile.py").replace(
        "pipeline.plan(session)", "session.error('no')"
    )
    sample.write({"noxfile.py": broken})
    sample.commit("Seed a fault")
    done = rehearsed(sample)
    verdicts = {job.job: job.verdict for job in done.jobs}
    assert verdicts["plan"] == "failure"
    assert not done.passed and verdicts["required"] != "success"
