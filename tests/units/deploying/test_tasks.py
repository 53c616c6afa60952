"""What `invoke deploy`, `promote`, `status` and the others do, without starting Invoke."""

import os
import shutil

import pytest
from yard import ask, word

from sametree import deploy_tasks
from sametree.artifacts import manifest
from sametree.stepwise import audit, lease
from sametree.deploy.runners import Service
from sametree.errors import UnitFailed, UsageError


def asked(**told):
    return deploy_tasks.asked({"yes": True, **told})


def test_what_cannot_be_wished_together():
    with pytest.raises(UsageError, match="one of them"):
        asked(resume=True, abort=True)


def test_what_is_asked_for_on_the_way(stand, capsys):
    """All tasks, on an environment that stands already."""
    yard, project = stand.yard, stand.yard.project
    digest = manifest.read(stand.one).digest
    with pytest.raises(UsageError, match="staging runs nothing that has baked"):
        deploy_tasks.promote(project, "staging", "production", asked())
    with pytest.raises(UsageError, match="is promoted to itself"):
        deploy_tasks.promote(project, "local", "local", asked())
    deploy_tasks.promote(project, "local", "staging", asked(plan=True))
    said = capsys.readouterr().out
    assert f"release      {digest[:12]}" in said and "nothing was changed" in said
    away = stand.one.with_name("away")
    stand.one.rename(away)
    with pytest.raises(UsageError, match=f"{digest[:12]} of local is gone from"):
        deploy_tasks.promote(project, "local", "staging", asked())
    away.rename(stand.one)
    with pytest.raises(UsageError, match="--build makes this tree's release"):
        deploy_tasks.deploy(project, "local", "abcd", asked(), build=True)

    deploy_tasks.deploy(project, "local", str(stand.two), asked(why="it is time"))
    assert word(yard.site()) == "two"
    capsys.readouterr()
    deploy_tasks.status(project, "")
    shown = capsys.readouterr().out
    assert shown.index("local") < shown.index("production") < shown.index("staging")
    deploy_tasks.history(project, "local", 5)
    assert "it is time" in capsys.readouterr().out
    deploy_tasks.logs(project, "local", "green", 5)
    assert "two serves" in capsys.readouterr().out
    deploy_tasks.drift(project, "")
    assert "all is as it was decided" in capsys.readouterr().out
    deploy_tasks.lock_status(project, "local")
    assert "local: free" in capsys.readouterr().out
    deploy_tasks.rollback(project, "local", "", asked())
    assert "local has 100 % on blue" in capsys.readouterr().out
    deploy_tasks.retire(project, "local")
    assert "  stopped" in capsys.readouterr().out
    deploy_tasks.retire(project, "local")
    assert "local has no warm colour" in capsys.readouterr().out
    deploy_tasks.rollback(project, "local", digest[:12], asked())
    assert "local runs this very release" in capsys.readouterr().out
    deploy_tasks.scale(project, "local", 1)
    assert "local: 1 of blue; 0 started, 0 stopped" in capsys.readouterr().out
    deploy_tasks.deploy(project, "local", "", asked(resume=True))
    assert "nothing of local was cut off" in capsys.readouterr().out


def test_a_file_of_the_router_that_was_changed_by_hand_is_told(stand):
    project, site = stand.yard.project, stand.yard.site()
    place = site.folder / "router" / "envoy" / "routes.json"
    text = place.read_text()
    place.write_text(text + " ")
    assert "drift: " in stand.yard.status()
    with pytest.raises(UnitFailed, match="1 thing drifted"):
        deploy_tasks.drift(project, "local")
    assert ask(site)[0] == 200
    place.write_text(text)


def test_an_environment_that_nobody_named_or_used_is_not_listed(stand, capsys):
    colours = stand.yard.site().folder / "colours.json"
    away = colours.rename(colours.with_name("away"))
    deploy_tasks.lock_status(stand.yard.project, "")
    away.rename(colours)
    assert capsys.readouterr().out == "  production: free\n  staging: free\n"


def test_all_of_one_is_stopped_once_somebody_agrees(stand):
    """``staging`` has one service, and nothing else of an environment."""
    project, site = stand.yard.project, stand.yard.site("staging")
    asleep = ("sleep", "60")
    site.runner.start(
        Service(name="blue-1", argv=asleep, cwd=stand.root, env={"PATH": os.defpath})
    )
    with pytest.raises(UsageError, match="add --yes to agree"):
        deploy_tasks.down(project, "staging")
    assert deploy_tasks.down(project, "staging", yes=True)
    assert site.runner.inspect() == {}
    assert not deploy_tasks.down(project, "staging")
    assert audit.read(site.folder)[-1]["stopped"] == ["blue-1"]
    shutil.rmtree(site.folder)


def test_nothing_is_deployed_of_a_build_that_fails(stand, capsys):
    """CI's records cannot be had here, and the noxfile has no session that builds."""
    yard = stand.yard
    noxfile = yard.sample.text("noxfile.py")
    built = 'import nox\n\n@nox.session(venv_backend="none")\ndef build(session):\n'
    yard.sample.write({"noxfile.py": f"{built}    session.error('no compiler')\n"})
    before = yard.site().colours
    with pytest.raises(UnitFailed, match="the build failed; nothing was deployed"):
        deploy_tasks.deploy(yard.project, "local", "", asked(), build=True)
    assert "no records were fetched: " in capsys.readouterr().out
    assert yard.site().colours == before
    yard.sample.write({"noxfile.py": f"{built}    pass\n"})
    with pytest.raises(UsageError, match="this tree is not built"):
        deploy_tasks.deploy(yard.project, "local", "", asked(), build=True)
    yard.sample.write({"noxfile.py": noxfile})


@pytest.mark.proof
def test_a_release_is_brought_to_staging_and_promoted(yard, capsys):
    yard.environment("staging")
    yard.environment("production", after="staging")
    yard.release("one")
    project = yard.project
    with pytest.raises(UsageError, match="staging runs nothing that has baked"):
        deploy_tasks.promote(project, "staging", "production", asked())
    yard.site("staging")
    deploy_tasks.deploy(project, "staging", "", asked())
    with pytest.raises(UsageError, match="is promoted to itself"):
        deploy_tasks.promote(project, "staging", "staging", asked())
    yard.site("production")
    deploy_tasks.promote(project, "staging", "production", asked(why="it is time"))
    assert word(yard.site("production")) == "one"
    capsys.readouterr()

    deploy_tasks.status(project, "")
    shown = capsys.readouterr().out
    assert shown.index("production") < shown.index("staging")
    deploy_tasks.history(project, "production", 5)
    assert "it is time" in capsys.readouterr().out
    deploy_tasks.logs(project, "staging", "", 5)
    assert "one serves" in capsys.readouterr().out
    deploy_tasks.drift(project, "")
    assert "all is as it was decided" in capsys.readouterr().out
    deploy_tasks.lock_status(project, "staging")
    assert "staging: free" in capsys.readouterr().out
    deploy_tasks.scale(project, "staging", 2)
    assert yard.site("staging").sizes()["blue"] == 2
    deploy_tasks.retire(project, "staging")
    assert "staging has no warm colour" in capsys.readouterr().out
    deploy_tasks.deploy(project, "staging", "", asked(resume=True))
    assert "nothing of staging was cut off" in capsys.readouterr().out

    site = yard.site("staging")
    text = (site.folder / "router" / "envoy" / "routes.json").read_text()
    (site.folder / "router" / "envoy" / "routes.json").write_text(text + " ")
    with pytest.raises(UnitFailed, match="drifted"):
        deploy_tasks.drift(project, "staging")
    assert ask(site)[0] == 200
    with pytest.raises(UsageError, match="add --yes to agree"):
        deploy_tasks.down(project, "staging")
    assert deploy_tasks.down(project, "staging", yes=True)
    assert not deploy_tasks.down(project, "staging")
    deploy_tasks.status(project, "staging")
    assert (
        "all of staging is stopped: `invoke deploy staging`" in capsys.readouterr().out
    )


def test_the_lease_of_somebody_is_broken(stand, capsys):
    project, site = stand.yard.project, stand.yard.site()
    deploy_tasks.break_lock(project, "local")
    assert "nobody has the lease of local" in capsys.readouterr().out
    with lease.held(site.folder, "run", "deploy tree abc"):
        deploy_tasks.break_lock(project, "local")
    assert "is broken (it was to deploy tree abc)" in capsys.readouterr().out
