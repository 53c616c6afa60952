"""deploy.yml is by hand, hands over what an environment needs, and is never cut off."""

import textwrap

import pytest
import yaml
from conftest import REPOSITORY
from workflow_pipeline import TASKS

from sametree.settings import load
from sametree.workflows import calls, check, deployment, document, rules, write
from sametree.workflows.calls import Listing
from sametree.workflows.findings import World

SHOP = """
[project]
name = "shop"
version = "1"

[[tool.sametree.components]]
name = "shop"
path = "."
run = ["shop", "{port}"]

[tool.sametree.database]
component = "shop"

[tool.sametree.variables.KEY]
type = "secret"

[tool.sametree.variables.PAY]
type = "secret"

[tool.sametree.variables.MAIL]

[tool.sametree.variables.REGION]
default = "eu"

[tool.sametree.environments.staging]
folder = "/srv/shop/staging"
address = "127.0.0.1:8301"
database = "STAGING_URL"
secrets = { PAY = "STAGING_PAY" }

[tool.sametree.environments.production]
folder = "/srv/it's/production"
address = "127.0.0.1:8302"
strategy = "canary"
after = "staging"

[tool.sametree.environments.desk]
address = "127.0.0.1:8303"
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "dev.txt").touch()

    def made(text=SHOP):
        (tmp_path / "pyproject.toml").write_text(textwrap.dedent(text))
        return load(tmp_path)

    return made


def workflow(project):
    return yaml.safe_load(write.texts(project)[deployment.FILE])


def call_of(job):
    (step,) = (step for step in job["steps"] if "run" in step)
    return step


def test_it_is_written_for_environments_that_a_checkout_does_not_empty(project):
    inputs = workflow(project())[True]["workflow_dispatch"]["inputs"]
    assert inputs["environment"]["options"] == ["production", "staging"]  # not desk


@pytest.mark.parametrize(
    "text",
    [
        SHOP.replace("folder =", "restore-point = ['x']\n#"),
        SHOP.replace('run = ["shop", "{port}"]', ""),
        SHOP.partition("[tool.sametree.environments")[0],
    ],
    ids=["no absolute folder", "nothing runs", "no environment"],
)
def test_it_is_not_written_where_a_job_cannot_deploy(project, text):
    made = project(text)
    assert set(write.texts(made)) == {write.WORKFLOW, write.RUNTIME}
    assert "inputs" not in yaml.safe_load(write.runtime(made))
    assert deployment.FILE not in write.texts(load(REPOSITORY))


def test_it_starts_by_hand_alone_and_is_never_cancelled(project):
    told = workflow(project())
    assert list(told[True]) == ["workflow_dispatch"]
    assert told["concurrency"] == {
        "group": "deploy-${{ inputs.environment }}",
        "cancel-in-progress": False,
    }
    assert told["permissions"] == {}
    for job in told["jobs"].values():
        assert job["environment"] == "${{ inputs.environment }}"
        assert job["runs-on"] == ["self-hosted", "${{ inputs.environment }}"]
        assert job["permissions"] == {"contents": "read"}
        checkout = job["steps"][0]["with"]
        assert checkout == {
            "ref": "${{ inputs.commit }}",
            "persist-credentials": False,
        }


def test_each_action_is_a_job_with_one_call(project):
    jobs = workflow(project())["jobs"]
    assert {name: call_of(job)["run"] for name, job in jobs.items()} == {
        "deploy": 'invoke deploy "$SAMETREE_TO" --build --yes --why="$SAMETREE_WHY"',
        "rollback": 'invoke rollback "$SAMETREE_TO" --yes --why="$SAMETREE_WHY"',
        "resume": 'invoke deploy "$SAMETREE_TO" --resume',
        "abort": 'invoke deploy "$SAMETREE_TO" --abort',
    }
    for name, job in jobs.items():
        assert job["if"] == "${{ inputs.action == '%s' }}" % name
        assert calls.parse(call_of(job)["run"]).names in (("deploy",), ("rollback",))


def test_an_environment_gets_what_it_needs_and_nothing_of_another(project):
    env = call_of(workflow(project())["jobs"]["deploy"])["env"]
    ours = "inputs.environment == '{}' && secrets.{} || ''"
    assert env == {
        "SAMETREE_TO": "${{ inputs.environment }}",
        "SAMETREE_WHY": "${{ inputs.why }}",
        "GITHUB_TOKEN": "${{ github.token }}",
        "KEY": "${{ secrets.KEY }}",
        "MAIL": "${{ vars.MAIL }}",
        "PAY": "${{ %s }}" % ours.format("production", "PAY"),
        "STAGING_PAY": "${{ %s }}" % ours.format("staging", "STAGING_PAY"),
        "STAGING_URL": "${{ %s }}" % ours.format("staging", "STAGING_URL"),
    }
    # A way back needs nothing but the router.
    back = call_of(workflow(project())["jobs"]["rollback"])["env"]
    assert set(back) == {"SAMETREE_TO", "SAMETREE_WHY"}


def test_a_variable_that_is_a_secret_in_one_place_stands_there_once(project):
    text = SHOP.replace('{ PAY = "STAGING_PAY" }', '{ MAIL = "MAIL", PAY = "PAY" }')
    env = call_of(workflow(project(text))["jobs"]["resume"])["env"]
    assert env["MAIL"] == (
        "${{ inputs.environment == 'production' && vars.MAIL"
        " || inputs.environment == 'staging' && secrets.MAIL || '' }}"
    )
    assert env["PAY"] == "${{ secrets.PAY }}"
    three = SHOP.replace('address = "127.0.0.1:8303"', 'folder = "/srv/desk"')
    env = call_of(workflow(project(three))["jobs"]["resume"])["env"]
    assert env["PAY"] == (
        "${{ (inputs.environment == 'desk' || inputs.environment == 'production')"
        " && secrets.PAY || '' }}"
    )


@pytest.mark.parametrize("name", ["on", "no", "null"])
def test_names_and_folders_are_what_they_are_in_yaml_too(project, name):
    text = SHOP.partition("[tool.sametree.environments")[0]
    text += f'[tool.sametree.environments.{name}]\nfolder = "/srv/a: b #c/"\n'
    told = workflow(project(text))
    inputs = told[True]["workflow_dispatch"]["inputs"]
    assert inputs["environment"]["options"] == [name]
    venv = told["jobs"]["abort"]["steps"][1]["with"]["venv"]
    assert "'/srv/a: b #c/runtime'" in venv


def test_what_keeps_the_services_running_outlives_the_job(project):
    made = project()
    for job in workflow(made)["jobs"].values():
        venv = job["steps"][1]["with"]["venv"]
        assert venv == (
            "${{ inputs.environment == 'production' && '/srv/it''s/production/runtime'"
            " || inputs.environment == 'staging' && '/srv/shop/staging/runtime' }}"
        )
    runtime = yaml.safe_load(write.runtime(made))
    assert runtime["inputs"]["venv"]["default"] == ""
    place = runtime["runs"]["steps"][0]["with"]["venv-path"]
    assert place == "${{ inputs.venv || runner.temp }}/venv"


@pytest.mark.parametrize(
    ("keys", "minutes"),
    [
        ("", 30 + 2 + 5),  # the deadline of one stage, and what migrations wait
        ('strategy = "canary"', 30 + 4 * 2 + 5),
        ('strategy = "rolling"\nreplicas = 4', 30 + 4 * 2 + 5),
        ("bake = 3600\npatience = 0", 30 + 60),
    ],
)
def test_it_is_given_more_time_than_any_deployment_takes(project, keys, minutes):
    text = SHOP.partition("[tool.sametree.environments")[0]
    text += f'[tool.sametree.environments.only]\nfolder = "/srv/only"\n{keys}\n'
    jobs = workflow(project(text))["jobs"]
    assert jobs["deploy"]["timeout-minutes"] == minutes
    assert jobs["abort"]["timeout-minutes"] == minutes
    assert jobs["rollback"]["timeout-minutes"] == deployment.LIGHT_MINUTES


@pytest.mark.proof
def test_rules_schema_and_zizmor_accept_it(project, tmp_path):
    made = project()
    assert [each.file for each in write.write(made)][-1] == deployment.FILE
    (tmp_path / "noxfile.py").write_text(
        "import nox\n\n\n@nox.session\ndef plan(session):\n    pass\n"
    )
    more = (
        '@task\ndef deploy(context, environment, build=False, yes=False, why=""):\n'
        "    pass\n\n\n@task\ndef rollback(context, environment):\n    pass\n\n\n"
        "namespace.add_task(deploy)\nnamespace.add_task(rollback)\n"
    )
    (tmp_path / "tasks.py").write_text(TASKS + "\n\n" + more)
    assert check.check(made) == []


def look(text, wanted=None, root=REPOSITORY):
    """Return what our rules find in ``text``, which is at deploy.yml."""
    found = document.read(deployment.FILE, "workflow", text.encode())
    world = World(
        root=root,
        listing=Listing(frozenset(), frozenset({"deploy", "rollback"})),
        actions={".github/actions/runtime": found},
        texts={deployment.FILE: wanted} if wanted else {},
    )
    each = [one for rule in rules.RULES for one in rule.findings(found, world)]
    return [(one.rule, one.line, one.text) for one in each]


def test_the_rules_find_a_deployment_that_may_be_cut_off(project):
    text = write.texts(project())[deployment.FILE]
    assert look(text) == []
    line = text[: text.index("cancel-in-progress")].count("\n") + 1
    for value in ("true", "${{ inputs.action == 'rollback' }}"):
        cut = text.replace("cancel-in-progress: false", f"cancel-in-progress: {value}")
        found = look(cut)
        assert len(found) == 4
        assert found[0] == (
            "uncut",
            line,
            "job 'deploy' calls `invoke deploy`, and may be cancelled in the middle",
        )
    plain = text.replace("  cancel-in-progress: false\n", "")
    assert look(plain) == []  # that is GitHub's default
    head, _, rest = text.partition("concurrency:\n")
    alone = head + rest.partition("\n\n")[2]
    said = look(alone)
    assert len(said) == 4 and "two such jobs may run at once" in said[0][2]
    own = alone.replace("    if:", "    concurrency: one\n    if:")
    assert look(own) == []
    own = alone.replace(
        "    if:", "    concurrency: {group: x, cancel-in-progress: true}\n    if:"
    )
    assert [each[0] for each in look(own)] == ["uncut"] * 4


def test_a_file_that_settings_do_not_ask_for_any_more_is_told(project, tmp_path):
    text = write.texts(project())[deployment.FILE]
    path = tmp_path / deployment.FILE
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert look(text, wanted=text, root=tmp_path) == []
    ((rule, line, said),) = look(text, root=tmp_path)
    assert (rule, line) == ("drift", 1)
    assert f"`git rm {deployment.FILE}`" in said
    path.write_text("name: theirs\n")
    assert look(text, root=tmp_path) == []
