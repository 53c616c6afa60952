"""All workflows are checked with the real zizmor and the real schema, none is missed."""

import pytest
from conftest import REPOSITORY, environment
from workflow_texts import GOOD, RUNTIME

from sametree.errors import SurroundingsError
from sametree.settings import load
from sametree.workflows import check, programs, write

NOXFILE = """
import nox


@nox.session
def plan(session):
    pass


@nox.session
@nox.parametrize("x", [nox.param(1, id="a"), nox.param(2, id="b")])
def tests(session, x):
    pass
"""
TASKS = """
from invoke import Collection, task


@task
def push(context, folder=""):
    pass


namespace = Collection(records=Collection(push))
"""


def made(root):
    """Make a project in ``root`` that has what workflows call."""
    (root / "noxfile.py").write_text(NOXFILE)
    (root / "tasks.py").write_text(TASKS)
    (root / "locks").mkdir()
    (root / "locks" / "dev.txt").touch()
    return load(root)


@pytest.fixture
def project(tmp_path):
    return made(tmp_path)


def put(project, name, content):
    path = project.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(raw)


BY_HAND = """\
on: push
jobs:
  a:
    runs-on: x
    steps:
      - uses: actions/checkout@v4
      - run: echo ${{ github.event.issue.title }}
"""
SAFE = """\
name: NAME
on: {workflow_call: }
permissions: {}
concurrency: {group: more, cancel-in-progress: true}
jobs:
"""
ANCHORS = f"""\
{SAFE}  a: &job
    name: A
    runs-on: x
    timeout-minutes: 5
    permissions: {{}}
    steps:
      - run: nox -s plan
  b: *job
"""
CALLS = f"""\
{SAFE}  c:
    name: C
    permissions: {{}}
    uses: $/.github/workflows/anchors.yml
"""
FILES = {
    ".github/workflows/mine.yaml": BY_HAND,
    ".github/workflows/slips.yml": GOOD.replace(
        "timeout-minutes: 5", "timeout-minute: 5", 1
    ).replace("- run: nox", "- ruin: nox"),
    ".github/actions/slip/action.yml": RUNTIME.replace("using", "use"),
    ".github/actions/deep/er/action.yaml": RUNTIME.replace("--require-hashes ", ""),
    ".github/workflows/not-yaml.yml": "a: [\n",
    ".github/workflows/not-text.yml": b"\xff\xfe",
    ".github/workflows/empty.yml": "",
    ".github/workflows/anchors.yml": ANCHORS,
    ".github/workflows/anchors-bad.yml": ANCHORS.replace("nox -s plan", "make"),
    ".github/workflows/calls.yml": CALLS,
    ".github/workflows/calls-bad.yml": CALLS.replace("anchors", "nowhere"),
    ".github/workflows/excepted.yml": BY_HAND.replace(
        "@v4", "@v4 # zizmor: ignore[artipacked]"
    ),
    ".github/workflows/README.md": "text",
    ".github/workflows/deeper/x.yml": "a: [",
    ".github/workflows/folder.yml/x": "",
    ".github/dependabot.yml": "a: [",
}


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    """What is found in FILES, by file, and in a ci.yml that was changed by hand."""
    project = made(tmp_path_factory.mktemp("project"))
    write.write(project)
    ours = (project.root / write.WORKFLOW).read_text()
    put(project, write.WORKFLOW, ours.replace("minutes: 20", "minutes: 9"))
    for name, content in FILES.items():
        put(project, name, content)
    ran = []
    found = check.check(project, note=ran.append)
    by_file = {}
    for each in found:
        by_file.setdefault(each.file.removeprefix(".github/"), []).append(each)
    by_file["in order"] = found
    by_file["ran"] = [each.step.name for each in ran]
    return by_file


def lines(found):
    return [(each.line, each.rule) for each in found]


def test_a_project_without_workflows_has_no_findings(project):
    assert check.check(project) == []
    assert list(check.files(project.root)) == []


def test_a_workflow_by_hand_is_held_to_schema_security_and_rules(findings):
    mine = findings["workflows/mine.yaml"]
    ours = {(6, "pinned"), (7, "thin"), (7, "expression"), (3, "timeout")}
    zizmors = {(7, "security: template-injection"), (6, "security: artipacked")}
    assert ours | zizmors <= set(lines(mine))
    assert mine[0].reason and mine[0].cure.startswith("see https://")
    assert str(mine[0]).startswith(".github/workflows/mine.yaml:1  ")


def test_the_schema_names_the_line_of_each_slip(findings):
    slips = [each for each in findings["workflows/slips.yml"] if each.rule == "schema"]
    assert {6, 23} <= {each.line for each in slips}
    assert (3, "schema") in lines(findings["actions/slip/action.yml"])


@pytest.mark.parametrize(
    ("name", "line"), [("not-yaml", 2), ("not-text", 1), ("empty", 1)]
)
def test_what_is_no_yaml_is_said_and_does_not_hide_the_rest(findings, name, line):
    assert lines(findings[f"workflows/{name}.yml"]) == [(line, "yaml")]


def test_only_yaml_on_its_place_is_a_workflow(findings):
    read = {each.file for each in findings["in order"]}
    assert not {name for name in read if "deeper" in name or "folder" in name}
    assert not {name for name in read if name.endswith(("README.md", "dependabot.yml"))}


def test_local_actions_are_read_and_their_steps_checked(findings):
    assert lines(findings["actions/deep/er/action.yaml"]) == [(7, "thin")]


def test_anchors_are_followed(findings):
    assert "workflows/anchors.yml" not in findings
    assert lines(findings["workflows/anchors-bad.yml"]) == [(12, "thin")]


def test_reusable_workflows_are_followed(findings):
    assert "workflows/calls.yml" not in findings
    assert lines(findings["workflows/calls-bad.yml"]) == [(9, "callable")]


def test_an_exception_is_a_comment_in_the_workflow(findings):
    excepted = lines(findings["workflows/excepted.yml"])
    assert (6, "security: artipacked") not in excepted
    assert (6, "security: unpinned-uses") in excepted


def test_a_change_by_hand_is_found_with_the_cure(findings):
    (each,) = findings["workflows/ci.yml"]
    assert (each.rule, each.cure) == ("drift", "invoke workflows.write")
    assert "+    timeout-minutes: 20" in each.text


def test_findings_are_in_order_and_each_is_told_once(findings):
    found = findings["in order"]
    assert found == sorted(found, key=lambda e: (e.file, e.line, e.rule))
    assert len(found) == len(set(found))


def test_what_the_programs_ran_is_told(findings):
    names = ["schema of actions", "schema of workflows", "zizmor"]
    assert sorted(findings["ran"]) == names


def test_a_program_that_is_missing_is_named_with_its_cure(
    project, monkeypatch, tmp_path
):
    write.write(project)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SurroundingsError, match="check-jsonschema is not installed"):
        check.check(project)


@pytest.mark.parametrize(
    ("checker", "zizmor", "silent"),
    [
        ("echo no answer", "echo '[]'", "schema of workflows"),
        ("echo '{'", "echo '[]'", "schema of workflows"),
        ("echo '{}'; exit 2", "echo '[]'", "schema of workflows"),
        ("echo '{}'", "echo '[]'; exit 3", "zizmor"),
        ("echo '{}'", "exit 0", "zizmor"),
    ],
)
def test_a_program_that_fails_is_no_pass(project, tmp_path, checker, zizmor, silent):
    put(project, ".github/workflows/a.yml", GOOD)
    broken = tmp_path / "broken"
    broken.mkdir()
    for name, script in (("check-jsonschema", checker), ("zizmor", zizmor)):
        (broken / name).write_text(f"#!/bin/sh\n{script}\n")
        (broken / name).chmod(0o755)
    with pytest.raises(SurroundingsError, match=f"{silent} did not answer"):
        check.check(project, broken)


def test_what_zizmor_cannot_read_is_a_finding(project, tmp_path):
    put(project, ".github/workflows/a.yml", GOOD)
    broken = tmp_path / "broken"
    broken.mkdir()
    warning = "WARN failed to validate file://.github/workflows/a.yml as workflow: no"
    scripts = {"check-jsonschema": "echo '{}'", "zizmor": f"echo '{warning}\n[]'"}
    for name, script in scripts.items():
        (broken / name).write_text(f"#!/bin/sh\n{script}\n")
        (broken / name).chmod(0o755)
    each, *_ = check.check(project, broken)
    assert (each.line, each.rule) == (1, "security")
    assert each.text == "zizmor cannot read it: as workflow: no"


@pytest.mark.parametrize(
    ("json_path", "parts"),
    [
        ("$", []),
        ("$.jobs.a.steps[12].run", ["jobs", "a", "steps", 12, "run"]),
        ("$.jobs['a-b']['it\\'s']", ["jobs", "a-b", "it's"]),
    ],
)
def test_the_path_of_a_slip_is_understood(json_path, parts):
    assert programs._path(json_path) == parts


def test_the_workflows_of_this_repository_have_no_findings(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert check.check(load(REPOSITORY)) == []
