"""ci.yml is a function of the settings, and the gate lets no failure through."""

import json
import subprocess
import textwrap

import pytest
import yaml
from conftest import REPOSITORY
from workflow_pipeline import TASKS

from sametree.errors import UsageError
from sametree.settings import load
from sametree.workflows import check, programs, write


@pytest.fixture
def project(tmp_path):
    """A folder with a lock for the runtime; call it with settings."""
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "dev.txt").touch()

    def made(table="", name="shop"):
        text = f'[project]\nname = "{name}"\nversion = "1"\n{textwrap.dedent(table)}'
        (tmp_path / "pyproject.toml").write_text(text)
        return load(tmp_path)

    return made


def jobs(project):
    return yaml.safe_load(write.workflow(project))["jobs"]


def runtime(project):
    return yaml.safe_load(write.runtime(project))["runs"]["steps"]


def test_settings_say_branch_machine_time_python_and_folders(project):
    made = project("""
        [tool.sametree]
        main-branch = "trunk"
        reports = "out/reports"
        dist = "out/dist"

        [tool.sametree.ci]
        runner = "ubuntu-24.04-arm"
        python = "3.12"
        timeout-minutes = 45
        """)
    document = yaml.safe_load(write.workflow(made))
    assert document[True]["push"]["branches"] == ["trunk"]  # YAML 1.1 calls `on` true
    unit = document["jobs"]["unit"]
    assert (unit["runs-on"], unit["timeout-minutes"]) == ("ubuntu-24.04-arm", 45)
    uploaded = unit["steps"][-1]["with"]["path"].split()
    assert uploaded == [".sametree/runs/", "out/reports/", "out/dist/"]
    assert runtime(made)[0]["with"]["python-version"] == "3.12"


@pytest.mark.parametrize("text", ["on", "3.10", "my runner", "a: b", "ü", "n", "true"])
def test_a_name_that_yaml_would_take_for_something_else_is_quoted(project, text):
    ci = f"[tool.sametree.ci]\nrunner = {json.dumps(text, ensure_ascii=False)}\n"
    assert jobs(project(ci))["unit"]["runs-on"] == text


def test_who_has_his_own_machines_runs_the_gate_on_them_too(project):
    own = project('[tool.sametree.ci]\nrunner = "our-linux"\n')
    assert jobs(own)["required"]["runs-on"] == "our-linux"
    assert jobs(project())["required"]["runs-on"] == "ubuntu-slim"


def test_the_runtime_is_what_the_lock_pins_with_hashes(project):
    made = project('[tool.sametree]\nlocks = "ci/my locks"\n')
    steps = runtime(made)
    assert steps[0]["with"]["version-file"] == "ci/my locks/dev.txt"
    assert steps[1]["run"] == "uv pip install --require-hashes -r 'ci/my locks/dev.txt'"
    assert len(steps) == 2


def test_only_the_suites_own_repository_installs_itself(project):
    assert runtime(project(name="sametree"))[-1]["run"].endswith("-e .")
    assert runtime(load(REPOSITORY))[-1]["run"].endswith("-e .")


def test_it_is_thin_there_is_no_shell_but_a_call_a_job(project):
    run = [
        step["run"]
        for job in jobs(project()).values()
        for step in job["steps"]
        if "run" in step
    ]
    assert run == [
        "nox -s plan",
        'nox -s "$UNIT"',
        'invoke records.push --folder "$RUNNER_TEMP/records"',
        "exit 1",
    ]


def test_every_permission_has_its_reason_beside_it(project):
    granted = [
        line
        for line in write.workflow(project()).splitlines()
        if line.strip().startswith("contents:")
    ]
    assert len(granted) == 3
    assert all("# to " in line for line in granted)


def test_zizmor_finds_nothing_at_its_strictest(project, tmp_path):
    write.write(project(name="sametree"))
    options = ("--offline", "--persona=auditor", "--no-config", "--no-ignores")
    done = subprocess.run(
        [programs.find("zizmor", None), *options, "--strict-collection", ".github"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert done.stderr.count("completed") == 2


IMAGE = "postgres:16.3-alpine@sha256:" + "a1" * 32
SERVICE = f"""
[[tool.sametree.components]]
name = "app"
path = "."

[tool.sametree.database]
component = "app"
service = "{IMAGE}"
"""


def test_a_service_is_written_only_when_settings_ask_for_it(project):
    assert "services" not in write.workflow(project())
    made = jobs(project(SERVICE))
    assert [name for name, job in made.items() if "services" in job] == ["unit"]
    server = made["unit"]["services"]["postgres"]
    assert server["image"] == "${{ matrix.database && '%s' || '' }}" % IMAGE
    assert server["env"] == {"POSTGRES_PASSWORD": "throw-away"}
    assert server["ports"] == [5432]
    assert "pg_isready --host 127.0.0.1" in server["options"]
    (call,) = (step for step in made["unit"]["steps"] if "run" in step)
    assert call["env"]["DATABASE_URL"] == (
        "${{ matrix.database && format("
        " 'postgresql://postgres:throw-away@127.0.0.1:{0}/postgres',"
        " job.services.postgres.ports['5432']) || '' }}"
    )


@pytest.mark.parametrize(
    "image", ["postgres", "postgres:18", "postgres:18@sha256:abc", "' || evil || '"]
)
def test_an_image_that_may_be_another_tomorrow_is_refused(project, image):
    with pytest.raises(UsageError, match="by its digest") as caught:
        write.write(project(SERVICE.replace(IMAGE, image)))
    assert "service" in caught.value.problem
    assert "docker buildx imagetools inspect" in caught.value.cure


@pytest.mark.proof
def test_rules_schema_and_zizmor_accept_the_service(project, tmp_path):
    made = project(SERVICE)
    write.write(made)
    (tmp_path / "noxfile.py").write_text(
        "import nox\n\n\n@nox.session\ndef plan(session):\n    pass\n"
    )
    (tmp_path / "tasks.py").write_text(TASKS)
    assert check.check(made) == []


def test_writing_tells_what_it_did_to_each_file(project, tmp_path):
    made = project()
    assert [each.what for each in write.write(made)] == ["made", "made"]
    assert [each.what for each in write.write(made)] == ["unchanged", "unchanged"]
    other = project('[tool.sametree.ci]\npython = "3.13"\n')
    assert [(each.file, each.what) for each in write.write(other)] == [
        (write.WORKFLOW, "unchanged"),
        (write.RUNTIME, "changed"),
    ]
    assert '"3.13"' in (tmp_path / write.RUNTIME).read_text()


def test_a_workflow_that_somebody_else_wrote_is_not_replaced(project, tmp_path):
    theirs = tmp_path / write.WORKFLOW
    theirs.parent.mkdir(parents=True)
    theirs.write_text("name: theirs\n")
    with pytest.raises(UsageError, match="not made by `invoke workflows.write`"):
        write.write(project())
    assert theirs.read_text() == "name: theirs\n"
    assert not (tmp_path / write.RUNTIME).exists()


def test_without_a_lock_for_the_runtime_nothing_is_written(project, tmp_path):
    (tmp_path / "locks" / "dev.txt").unlink()
    with pytest.raises(UsageError, match="there is no locks/dev.txt"):
        write.write(project())
    assert not (tmp_path / ".github").exists()


def test_line_ends_of_a_windows_checkout_are_no_change(project, tmp_path):
    made = project()
    write.write(made)
    path = tmp_path / write.WORKFLOW
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert write.write(made)[0].what == "unchanged"


def test_a_difference_names_its_first_line():
    line, shown = write.difference("f", "a\nb\nc\n", "a\nx\nc\n")
    assert line == 2
    assert "-b" in shown and "+x" in shown
    assert write.difference("f", "a\nb\n", "a\n")[0] == 2
    assert write.difference("f", "a\n", "a\nb\n")[0] == 1
    assert write.difference("f", "", "a\n")[0] == 1


BEFORE = """\
name: gate
on: push
jobs:
  plan:
    runs-on: here
    outputs: {{any: "{any}"}}
    steps: [run: exit {plan}]
  unit:
    needs: plan
    if: ${{{{ {wanted} }}}}
    runs-on: here
    steps: [run: exit {unit}]
  records:
    needs: unit
    runs-on: here
    steps: [run: exit {records}]
"""


@pytest.mark.parametrize(
    ("passes", "happened"),
    [
        (True, {}),
        (True, {"any": "false", "wanted": "false"}),
        (True, {"records": 1}),
        (False, {"unit": 1}),
        (False, {"plan": 1}),
        (False, {"wanted": "false"}),
        (False, {"any": "", "wanted": "false"}),
    ],
    ids=str,
)
def test_the_gate_passes_only_when_units_passed_or_none_was_planned(
    project, tmp_path, passes, happened
):
    said = {"any": "true", "wanted": "true", "plan": 0, "unit": 0, "records": 0}
    gate = write.workflow(project()).partition("  required:")[2]
    gate = gate.replace("ubuntu-slim", "here")
    text = BEFORE.format(**said | happened) + "  required:" + gate
    place = tmp_path / "w.yml"
    place.write_text(text)
    act = str(programs.find("act", None))
    options = ("--platform=here=-self-hosted", "--json", "--no-cache-server")
    cache = f"--action-cache-path={tmp_path / 'cache'}"
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(
        [act, "push", *options, cache, f"--workflows={place}"],
        cwd=tmp_path,
        env=env,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    results = {
        line["jobID"]: line["jobResult"] for line in lines if "jobResult" in line
    }
    assert results["required"] == ("success" if passes else "failure"), done.stdout
