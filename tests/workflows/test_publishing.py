"""release.yml: by hand, each job with the rights of its part alone, never cut off."""

import textwrap
from pathlib import Path

import pytest
import yaml


from sametree.settings import load
from sametree.workflows import document, publishing, rules, write
from sametree.workflows.calls import Listing
from sametree.workflows.findings import World

SHOP = """
[project]
name = "shop"
version = "1"

[[tool.sametree.components]]
name = "shop"
path = "."
language = "python"

[tool.sametree.release]
components = ["shop"]
"""
INDEX = '\n[tool.sametree.release.targets.index]\nkind = "index"\n'
GITHUB = '\n[tool.sametree.release.targets.github]\nkind = "github"\n'
TASKS = frozenset({"release"})


@pytest.fixture
def text(tmp_path):
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "dev.txt").touch()

    def made(more):
        (tmp_path / "pyproject.toml").write_text(textwrap.dedent(SHOP) + more)
        return write.texts(load(tmp_path)).get(publishing.FILE, "")

    return made


def jobs(text):
    return yaml.safe_load(text)["jobs"]


def calls_of(job):
    return [step["run"] for step in job["steps"] if "run" in step]


def look(text, wanted=None, root=Path("nowhere")):
    """Return what our rules find in ``text``, which is at release.yml."""
    found = document.read(publishing.FILE, "workflow", text.encode())
    world = World(
        root=root,
        listing=Listing(frozenset(), TASKS),
        actions={".github/actions/runtime": found},
        texts={publishing.FILE: wanted} if wanted else {},
    )
    each = [one for rule in rules.RULES for one in rule.findings(found, world)]
    return [(one.rule, one.text) for one in each]


def test_where_nothing_is_published_there_is_no_workflow(text):
    assert text("") == ""


@pytest.mark.parametrize(
    "more", [INDEX, GITHUB, INDEX + GITHUB], ids=["index", "github", "both"]
)
def test_the_rules_find_nothing_in_it(text, more):
    assert look(text(more)) == []


def test_who_publishes_holds_nothing_else(text):
    found = jobs(text(INDEX + GITHUB))
    assert list(found) == ["tag", "publish", "attest", "finish"]
    rights = {name: job["permissions"] for name, job in found.items()}
    assert rights == {
        "tag": {"contents": "write"},
        "publish": {"contents": "read", "id-token": "write"},
        "attest": {"id-token": "write", "attestations": "write"},
        "finish": {"contents": "write"},
    }
    assert [calls_of(job) for job in found.values()] == [
        ['invoke release --yes --until push --version="$VERSION" --pre="$PRE"'],
        ["invoke release --resume --yes --until publish"],
        [],
        ["invoke release --resume --yes"],
    ]
    # Each goes on with what the one before it made.
    assert [job.get("needs") for job in found.values()] == [
        None,
        ["tag"],
        ["publish"],
        ["tag", "publish"],
    ]


def test_a_token_of_an_index_takes_the_place_of_trust(text):
    found = jobs(text(INDEX + 'token = "SHOP_TOKEN"\n'))
    assert "id-token" not in found["publish"]["permissions"]
    given = {
        name: [step.get("env", {}) for step in job["steps"] if "run" in step]
        for name, job in found.items()
    }
    secret = "${{ secrets.SHOP_TOKEN }}"
    assert given["publish"] == [{"SHOP_TOKEN": secret}]
    assert "SHOP_TOKEN" not in given["finish"][0]


def test_without_an_index_two_jobs_do_it(text):
    found = jobs(text(GITHUB))
    assert list(found) == ["tag", "finish"]
    assert found["finish"]["needs"] == ["tag"]


def test_what_is_deployed_runs_where_its_environment_is(text):
    more = textwrap.dedent("""
        [tool.sametree.variables.KEY]
        type = "secret"

        [tool.sametree.environments.staging]
        folder = "/srv/shop"
        secrets = { KEY = "STAGING_KEY" }
        """)
    deployed = INDEX.replace("\n[", 'deploy = ["staging"]\n\n[', 1) + more
    found = jobs(text(deployed))["finish"]
    assert found["runs-on"] == ["self-hosted", "staging"]
    assert found["environment"] == "staging"
    assert found["timeout-minutes"] == publishing.DEPLOY_MINUTES
    (step,) = [each for each in found["steps"] if "run" in each]
    assert step["env"]["STAGING_KEY"] == "${{ secrets.STAGING_KEY }}"


def test_it_is_by_hand_and_never_cut_off(text):
    made = text(INDEX)
    told = yaml.safe_load(made)
    assert list(told[True]) == ["workflow_dispatch"]  # YAML 1.1 reads `on` as true
    assert told["permissions"] == {}
    assert told["concurrency"]["cancel-in-progress"] is False
    cut = made.replace("cancel-in-progress: false", "cancel-in-progress: true")
    found = look(cut)
    assert {rule for rule, _ in found} == {"uncut"} and len(found) == 3
    assert "may be cancelled in the middle" in found[0][1]


def test_only_the_action_that_attests_may_stand_alone(text):
    made = text(INDEX)
    other = made.replace(
        publishing.ATTEST, publishing.ATTEST.replace("attest", "other")
    )
    said = [what for rule, what in look(other) if rule == "thin"]
    assert any("actions/other is neither checkout" in each for each in said)
    assert any("calls neither nox nor invoke" in each for each in said)


def test_a_file_that_settings_do_not_ask_for_any_more_is_told(text, tmp_path):
    made = text(INDEX)
    path = tmp_path / publishing.FILE
    path.parent.mkdir(parents=True)
    path.write_text(made)
    assert look(made, wanted=made, root=tmp_path) == []
    ((rule, said),) = look(made, root=tmp_path)
    assert rule == "drift" and "git rm .github/workflows/release.yml" in said
