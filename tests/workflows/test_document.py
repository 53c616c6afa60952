"""A workflow's text becomes what rules look at; what is no workflow is said clearly."""

import pytest

from sametree.workflows import document
from sametree.workflows.document import Unreadable

GOOD = """\
name: ci
on: [push]
env:
  OUTER: "1"
jobs:
  plan:
    runs-on: [self-hosted, linux]
    outputs:
      units: ${{ steps.plan.outputs.units }}
    steps:
      - uses: actions/checkout@0123456789012345678901234567890123456789 # v7.0.1
        with:
          fetch-depth: 0
      - {uses: "a/b@v1"} # v1
      - id: plan
        run: |
          nox -s plan
        env:
          NAME: value
  unit:
    needs: plan
    if: always()
    runs-on:
      group: big
      labels: gpu
    strategy:
      matrix:
        os: [one, two]
        include:
          - os: three
            unit: tests
    uses: ./.github/workflows/other.yml
"""


def read(text, kind="workflow"):
    raw = text if isinstance(text, bytes) else text.encode()
    return document.read("ci.yml", kind, raw)


def refused(text):
    with pytest.raises(Unreadable) as caught:
        read(text)
    return caught.value.line, caught.value.text


def test_jobs_and_steps_know_their_lines():
    found = read(GOOD)
    plan, unit = found.jobs
    assert (plan.id, plan.line, unit.id, unit.line) == ("plan", 6, "unit", 20)
    assert [step.line for step in plan.steps] == [11, 14, 15]
    assert (plan.steps[2].run.text, plan.steps[2].run.line) == ("nox -s plan\n", 16)
    assert plan.steps[0].inputs[0].text == "fetch-depth"
    assert plan.steps[0].inputs[0].line == 13
    assert plan.steps[2].env == {"NAME": "value"}
    assert found.env == {"OUTER": "1"}
    assert found.keys["on"] == 2


def test_the_comment_beside_a_pin_is_read():
    plan = read(GOOD).jobs[0]
    assert [step.pin for step in plan.steps] == ["v7.0.1", "v1", ""]


def test_needs_machines_and_matrix_are_read_in_all_their_forms():
    plan, unit = read(GOOD).jobs
    assert (plan.machines, unit.machines) == (("self-hosted", "linux"), ("gpu",))
    assert unit.needs == ("plan",)
    assert unit.matrix == {"os": ("one", "two", "three"), "unit": ("tests",)}
    assert unit.uses.text == "./.github/workflows/other.yml"


def test_a_key_is_what_is_written_also_where_yaml_knows_better():
    assert "on" in read("on: push\nno: 1\n").keys


def test_anchors_and_aliases_are_followed():
    text = (
        "jobs:\n  a:\n    steps: &steps\n      - run: nox -s a\n"
        "  b:\n    steps: *steps\n"
    )
    a, b = read(text).jobs
    assert a.steps == b.steps
    assert b.steps[0].run.line == 4


def test_a_composite_action_has_steps():
    text = "runs:\n  using: composite\n  steps:\n    - run: x\n      shell: bash\n"
    action = read(text, "action")
    assert action.using == "composite"
    assert action.steps[0].shell.text == "bash"


def test_what_is_oddly_shaped_is_left_out():
    for text in ("jobs: 1", "jobs: [a]", "jobs: {a: }", "jobs: {a: {steps: {b: 1}}}"):
        assert all(job.steps == () for job in read(text).jobs)
    assert (
        read("jobs: {a: {steps: [3, null, {run: [1]}]}}").jobs[0].steps[2].run is None
    )
    assert read("? [1]\n: 2\njobs: {}\n").jobs == ()


def test_a_byte_order_mark_and_windows_line_ends_are_no_matter():
    raw = b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode()
    assert read(raw).jobs == read(GOOD).jobs


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 1, "is empty"),
        ("# nothing but a comment\n", 1, "is empty"),
        ("- a\n", 1, "is not a table"),
        ("just text", 1, "is not a table"),
        ("a: 1\nb: [\n", 3, "is not YAML"),
        ("a: 1\n\tb: 2\n", 2, "is not YAML"),
        ("a: b: c\n", 1, "mapping values are not allowed"),
        ("a: 1\n---\nb: 2\n", 2, "but found another document"),
        ("a: *nobody\n", 1, "undefined alias"),
        ("a: 1\nb: \x01\n", 2, "special characters"),
        (b"a: 1\nb: \xff\xfe\n", 2, "is not UTF-8"),
        ("a: 1\nb: 2\na: 3\n", 3, "the key 'a' twice"),
        ("a: &x {c: 1}\nb:\n  <<: *x\n", 3, "merge key"),
        ("a: &x [*x]\n", 1, "an alias of itself"),
        ("- " * 5000, 1, "nested too deeply"),
        ("#" * 600_000, 1, "600,000 bytes"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_no_workflow_is_said_with_its_line(text, line, said):
    found = refused(text)
    assert found[0] == line
    assert said in found[1]


def test_a_few_lines_that_stand_for_billions_are_refused_at_once():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for n in range(1, 12):
        lines.append(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]")
    assert "never end" in refused("\n".join(lines))[1]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ([], 1),
        (["jobs", "plan", "steps", 0, "uses"], 11),
        (["jobs", "plan", "runs-on"], 7),
        (["jobs", "plan", "absent", "more"], 6),
        (["jobs", "plan", "steps", 7], 10),
        (["jobs", "plan", "steps", 1], 14),
    ],
    ids=str,
)
def test_a_path_in_the_document_leads_to_its_line(path, line):
    assert document.line_at(read(GOOD).root, path) == line
