"""How each job ended is read from what act prints, also where act itself is wrong."""

import json

import pytest

from sametree.workflows import act, document

WORKFLOW = document.read(
    "ci.yml",
    "workflow",
    b"jobs:\n  plan: {}\n  unit: {}\n  records: {}\n  required: {}\n",
)
A, B = {"unit": "tests(a)"}, {"unit": "tests(b)"}


@pytest.fixture
def log():
    told = []
    made = act.Log(lambda ran, ended: told.append((ran.name, ended, ran.verdict)))
    made.told = told
    return made


def say(log, job, text="", matrix=None, **more):
    line = {"level": "info", "msg": text, "jobID": job, "matrix": matrix or {}} | more
    log.take(json.dumps(line))


def verdicts(log):
    return {ran.name: ran.verdict for ran in log.jobs(WORKFLOW)}


def test_a_job_passed_when_it_ended_and_no_step_failed(log):
    say(log, "plan", "hello\n", raw_output=True, step="nox -s plan")
    say(log, "plan", "Success", step="nox -s plan", stepResult="success")
    say(log, "plan", "Job succeeded", jobResult="success")
    assert verdicts(log)["plan"] == "success"
    assert log.told == [("plan", False, "cancelled"), ("plan", True, "success")]
    assert log.jobs(WORKFLOW)[0].lines() == ["hello"]


def test_a_matrix_job_that_passed_is_not_red_because_another_failed(log):
    say(log, "unit", "Failure", A, step="nox", stepResult="failure")
    say(log, "unit", "exit status 1", A, level="error")
    say(log, "unit", "Job failed", A, jobResult="failure")
    say(log, "unit", "Success", B, step="nox", stepResult="success")
    say(log, "unit", "Job failed", B, jobResult="failure")  # as act has it
    assert verdicts(log)["unit tests(a)"] == "failure"
    assert verdicts(log)["unit tests(b)"] == "success"


def test_the_step_that_failed_and_its_lines_are_kept(log):
    say(log, "unit", "installed\n", raw_output=True, step="runtime")
    say(log, "unit", "\x1b[31mred\x1b[0m\r\n", raw_output=True, step="nox")
    say(log, "unit", "1/2\r2/2\n", raw_output=True, step="nox")
    say(log, "unit", "!", command="error", arg="a test failed\nin full", step="nox")
    say(log, "unit", "x=1", command="set-output", step="nox")
    say(log, "unit", "Failure", step="nox", stepResult="failure")
    say(log, "unit", "uploaded\n", raw_output=True, step="upload")
    say(log, "unit", "Failure", step="upload", stepResult="failure")
    say(log, "unit", jobResult="failure")
    ran = log.jobs(WORKFLOW)[1]
    assert ran.step == "nox"
    assert ran.lines() == ["red", "2/2", "error: a test failed"]
    assert len(ran.log) == 5


def test_an_annotation_of_a_step_that_passed_is_no_failure(log):
    say(log, "plan", "::error::x", command="error", level="error")
    say(log, "plan", jobResult="success")
    assert verdicts(log)["plan"] == "success"


def test_what_act_says_of_a_job_without_a_step_makes_it_red(log):
    say(log, "plan", "Expected format {org}/{repo}", level="error", step="x")
    say(log, "plan", jobResult="failure")
    ran = log.jobs(WORKFLOW)[0]
    assert ran.verdict == "failure"
    assert ran.lines() == ["Expected format {org}/{repo}"]


def test_a_job_that_act_passes_over_is_red(log):
    told = f"🚧  {act.UNSUPPORTED} -- Try running with `-P x=...`"
    say(log, "plan", told)
    assert verdicts(log)["plan"] == "failure"


def test_what_act_is_silent_about_was_skipped(log):
    say(log, "plan", jobResult="success")
    assert verdicts(log) == {
        "plan": "success",
        "unit": "skipped",
        "records": "skipped",
        "required": "skipped",
    }
    assert all(ran.passed for ran in log.jobs(WORKFLOW))


def test_a_job_begins_when_its_first_step_does_or_its_set_up_fails(log):
    say(log, "plan", "Run Set up job", step=act.SET_UP)
    say(log, "plan", "Success", step=act.SET_UP, stepResult="success")
    say(log, "plan", "Matrix: map[unit:tests(a)]")
    assert log.told == []
    say(log, "plan", "Run Main nox -s plan", step="nox -s plan")
    say(log, "unit", "no such machine", step=act.SET_UP, level="error")
    assert log.told == [("plan", False, "cancelled"), ("unit", False, "cancelled")]
    assert verdicts(log)["unit"] == "failure"


def test_when_act_dies_what_it_did_not_come_to_was_not_reached(log):
    say(log, "plan", "Failure", step="nox", stepResult="failure")
    say(log, "plan", jobResult="failure")
    say(log, "unit", "begun", A, step="nox")
    log.take('{"level":"fatal","msg":"Failed to decode node"}')
    log.take("Error: Job 'plan' failed")
    assert verdicts(log) == {
        "plan": "failure",
        "unit tests(a)": "cancelled",
        "records": "unreached",
        "required": "unreached",
    }
    assert log.problems == ["Failed to decode node", "Error: Job 'plan' failed"]


def test_jobs_of_a_called_workflow_are_told_as_well(log):
    say(log, "inner", jobResult="success")
    assert verdicts(log)["inner"] == "success"


def test_what_is_no_json_or_no_object_is_kept_as_a_problem(log):
    for line in ("panic: runtime error", "[1, 2]", "", '{"level": "warning"}'):
        log.take(line)
    assert log.problems == ["panic: runtime error", "[1, 2]"]


def test_a_matrix_without_units_names_its_values(log):
    say(log, "unit", "x", step="nox", matrix={"os": "linux", "python": 3.11})
    assert log.jobs(WORKFLOW)[1].name == "unit linux, 3.11"
