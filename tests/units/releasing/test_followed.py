"""What follows a version: it is deployed, and every component may have its own."""

import json
import shutil

import pytest
from conftest import SESSION
from shops import Shop
from yard import SERVER, free_port

from sametree import deploy_tasks
from sametree.release import message
from sametree.units.deploying import preflight
from sametree.units.releasing import flow
from sametree.units.releasing.flow import Asked

YES = Asked(yes=True)


@pytest.mark.proof(seconds=20)
def test_the_version_is_deployed_to_the_environments_that_settings_name(
    folder, environments, at_home, capfd
):
    place = folder / "first"
    place.mkdir()
    shop = Shop(place / "shop", environments / "shops-deployed")
    port = free_port()
    shop.begin(
        more=f"""
        deploy = ["staging"]

        [[tool.sametree.components]]
        name = "web"
        path = "web"
        run = ["shop-web", "{{port}}"]
        routes = ["/api", "/ready"]
        health = "/ready"
        coverage = {{ lines = 0, branches = 0 }}

        [tool.sametree.environments.staging]
        address = "127.0.0.1:{port}"
        replicas = 1
        bake = 0.1
        gate = {{ samples = 1, deadline = 20 }}
        """,
        components=("api", "web"),
    )
    program = '\n[project.scripts]\nshop-web = "shop_web:main"\n'
    told = shop.text("web/pyproject.toml").replace(
        "\n[dependency-groups]", program + "\n[dependency-groups]"
    )
    tested = told.replace(
        'build = ["build", "hatchling"]',
        'build = ["build", "hatchling"]\ntests = ["pytest", "pytest-cov", "pytest-xdist"]',
    )
    nox = shop.text("noxfile.py") + SESSION.format(name="tests")
    shop.write(
        {
            "web/pyproject.toml": tested
            + '\n[tool.coverage.run]\nsource = ["shop_web"]\nrelative_files = true\n',
            "web/shop_web/__init__.py": SERVER.format(word="one", more="pass"),
            "web/test_web.py": "import shop_web\n\n\ndef test_word():\n"
            '    assert shop_web.WORD == "one"\n',
            "noxfile.py": nox,
            "tasks.py": with_deploy(shop),
        }
    )
    shop.lock()
    shop.commit("feat: serve it")
    shop.git("push", "--quiet", "origin", "main")
    ran = shop.nox("-s", "build", "tests(web)")
    assert ran.code == 0, ran
    flow.release(shop.project, YES)
    site = preflight.find(shop.project, "staging")
    try:
        side = site.colours.side(site.colours.active)
        assert side.commit == shop.at_remote("rev-parse", "v0.1.0^{commit}")
        assert "release shop 0.1.0" in json.dumps(site_history(shop))
    finally:
        deploy_tasks.down(shop.project, "staging", yes=True)


def site_history(shop):
    folder = preflight.find(shop.project, "staging").folder
    return (folder / "audit.jsonl").read_text()


def with_deploy(shop):
    """Return the shop's tasks.py, with the task that deploys."""
    task = '''
@task
def deploy(context, environment, build=False, yes=False, why="", resume=False):
    """Deploy."""
    asked = {"yes": yes, "why": why, "resume": resume}
    tasks.environment(project, "deploy", environment, "", asked, build)


'''
    text = shop.text("tasks.py").replace("namespace = ", task + "namespace = ")
    return text + "namespace.add_task(deploy)\n"


@pytest.mark.proof
def test_each_component_may_have_its_own_version(folder, environments, at_home, capsys):
    place = folder / "first"
    place.mkdir()
    shop = Shop(place / "shop", environments / "shops-own")
    shop.begin(more='versions = "own"\n')
    shop.component("cli")
    text = shop.text("pyproject.toml").replace(
        'components = ["api"]', 'components = ["api", "cli"]'
    )
    more = '\n[[tool.sametree.components]]\nname = "cli"\npath = "cli"\n'
    shop.write({"pyproject.toml": text + more})
    shop.lock()
    shop.commit("feat: a command")
    shop.git("push", "--quiet", "origin", "main")
    shop.prove()
    flow.release(shop.project, YES)
    assert shop.at_remote("tag").split() == ["api-v0.1.0", "cli-v0.1.0"]
    assert shop.text("cli/CHANGELOG.md") and shop.text("api/CHANGELOG.md")
    runs = {
        message.decode(shop.at_remote("cat-file", "tag", tag).split("\n\n", 1)[1]).run
        for tag in ("api-v0.1.0", "cli-v0.1.0")
    }
    assert len(runs) == 1
    # Only what changed gets another one.
    shop.change("feat(cli): more", {"cli/shop_cli/more.py": "MORE = 1\n"})
    shop.prove()
    capsys.readouterr()
    flow.release(shop.project, YES)
    assert "api has not changed since api-v0.1.0" in capsys.readouterr().out
    assert shop.at_remote("tag").split() == ["api-v0.1.0", "cli-v0.1.0", "cli-v0.2.0"]
    assert "more" in shop.text("cli/CHANGELOG.md")


@pytest.mark.proof
def test_of_two_maintainers_at_once_one_wins_and_the_other_is_told_who(
    proven, folder, at_home
):
    shop = proven("").copy(folder / "one")
    other = shop.clone("two")
    shutil.copytree(shop.root / ".sametree", other.root / ".sametree")
    shutil.copytree(shop.root / "dist", other.root / "dist")
    both = [each.invoke("release", "--yes") for each in (shop, other)]
    said = [process.communicate(timeout=120)[0] for process in both]
    codes = [process.returncode for process in both]
    assert sorted(codes)[0] == 0, said
    assert shop.at_remote("tag") == "v0.1.0"
    assert shop.at_remote("for-each-ref", "refs/sametree") == ""
    if max(codes):  # else the second one came when the first had ended
        lost = said[codes.index(max(codes))]
        assert "releases already" in lost or "has v0.1.0 already" in lost, lost
