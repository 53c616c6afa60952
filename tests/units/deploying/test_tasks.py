"""What `invoke deploy`, `promote`, `status` and the others do, without starting Invoke."""

import pytest
from yard import ask, word

from sametree import deploy_tasks
from sametree.deploy import lease
from sametree.errors import UnitFailed, UsageError


def asked(**told):
    return deploy_tasks.asked({"yes": True, **told})


def test_what_cannot_be_wished_together():
    with pytest.raises(UsageError, match="one of them"):
        asked(resume=True, abort=True)


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


def test_the_lease_of_somebody_is_broken(yard, capsys):
    project, site = yard.project, yard.site()
    deploy_tasks.break_lock(project, "local")
    assert "nobody has the lease of local" in capsys.readouterr().out
    with lease.held(site.folder, "run", "deploy tree abc"):
        deploy_tasks.break_lock(project, "local")
    assert "is broken (it was to deploy tree abc)" in capsys.readouterr().out
