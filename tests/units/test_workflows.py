"""What a person sees of the check and of the rehearsal of workflows."""

import pytest
from conftest import LOCKS
from workflow_texts import SHA

from sametree.errors import UnitFailed
from sametree.settings import load
from sametree.units import Work, identity, workflows

TINY = f"""\
name: ci
on: push
jobs:
  unit:
    runs-on: ubuntu-24.04
    strategy:
      matrix:
        unit: ["tests(a)", "lint(a)"]
    steps:
      - uses: actions/checkout@{SHA} # v7
      - run: echo $UNIT && test -e "$UNIT"
        env:
          UNIT: ${{{{ matrix.unit }}}}
"""


@pytest.fixture(scope="module")
def venv(tmp_path_factory):
    """One environment for all; a unit makes it hold what its lock says."""
    return tmp_path_factory.mktemp("venvs") / "workflows"


@pytest.fixture
def work(sample, venv):
    lock = (LOCKS / "workflows.txt").read_text(encoding="utf-8")
    sample.write({"locks/workflows.txt": lock})

    def made():
        whole = identity.whole("workflows")
        return Work(load(sample.root), whole, "workflows", venv)

    made.sample = sample
    return made


@pytest.mark.proof
def test_findings_are_shown_with_reason_and_cure_and_annotated(
    work, capsys, monkeypatch
):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    work.sample.write({".github/workflows/ci.yml": TINY})
    unit = work()
    with pytest.raises(UnitFailed, match="findings in the workflows"):
        workflows.workflows(unit)
    said = capsys.readouterr().out
    assert 'ci.yml:11  `echo $UNIT && test -e "$UNIT"` is no plain call' in said
    assert "why:  what a workflow does by itself" in said
    assert "cure: move it into a session" in said
    assert "::error file=.github/workflows/ci.yml,line=" in said
    assert {step.name for step in unit.ran} == {"schema of workflows", "zizmor"}
    assert unit.mend == []


def test_workflows_that_are_well_are_counted(work):
    unit = work()
    workflows.workflows(unit)
    assert unit.notes == ["there are no workflows"]


def test_a_drift_is_mended_with_one_command(work):
    from sametree.workflows import write

    work.sample.write({write.WORKFLOW: f"{write.HEADER}\n{TINY}"})
    unit = work()
    with pytest.raises(UnitFailed):
        workflows.workflows(unit)
    assert unit.mend == ["invoke workflows.write"]


@pytest.mark.proof
def test_a_red_job_shows_its_lines_and_how_to_repeat_it(work, capsys):
    work.sample.write({".github/workflows/ci.yml": TINY, "lint(a)": "x"})
    work.sample.commit()
    work.sample.write({"new": "x"})
    unit = work()
    with pytest.raises(UnitFailed) as caught:
        workflows.rehearsal(unit)
    said = capsys.readouterr().out
    assert "not committed, and so not rehearsed: 1 file\n" in said
    assert "unit tests(a)" in said and "      tests(a)\n" in said
    assert "red in the rehearsal: unit tests(a) (failure)" in str(caught.value)
    assert "nox -s 'tests(a)'; whole logs are in .sametree/rehearsal/logs" in str(
        caught.value
    )
    assert unit.mend == ["nox -s 'tests(a)'"]


@pytest.mark.proof
def test_a_workflow_that_does_not_plan_cannot_be_rehearsed_in_part(work):
    files = {".github/workflows/ci.yml": TINY, "lint(a)": "x", "tests(a)": "x"}
    work.sample.write(files)
    work.sample.commit()
    unit = work()
    unit.args = ("lint(a)",)
    with pytest.raises(UnitFailed, match=r"no job has recorded it: 'lint\(a\)'"):
        workflows.rehearse_and_compare(unit)


def test_a_green_rehearsal_is_counted_and_its_records_can_be_found(work, capsys):
    files = {".github/workflows/ci.yml": TINY, "lint(a)": "x", "tests(a)": "x"}
    work.sample.write(files)
    work.sample.commit()
    unit = work()
    done = workflows.rehearsal(unit)
    assert done.passed and done.folder.is_dir()
    assert unit.notes == [f"2 jobs of commit {done.commit[:12]}"]
    assert "not committed" not in capsys.readouterr().out
