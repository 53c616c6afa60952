"""What speaks against a deployment is told, all of it, before anything is changed."""

import json
import shutil
import socket

import pytest
from msgspec import structs
from yard import Yard, ask, word

from sametree.artifacts import manifest as manifests
from sametree.stepwise import audit, journal, lease
from sametree.deploy import site as sites
from sametree.deploy.runners.process import Processes
from sametree.errors import SurroundingsError, UnitFailed, UsageError
from sametree.units.deploying import flow, preflight


def refused(yard, release, name, **more):
    """Return why a deployment is refused; nothing may have been changed."""
    with pytest.raises((UsageError, SurroundingsError)) as told:
        yard.deploy(release, name, **more)
    site = yard.site(name)
    assert not site.runner.inspect() and not audit.read(site.folder)
    assert site.colours.active is None and lease.read(site.folder) is None
    return str(told.value)


@pytest.fixture
def packed(stand, tmp_path):
    """Give a copy of release two, told to be another one."""

    def other(**more):
        place = shutil.copytree(stand.two, tmp_path / "other", symlinks=True)
        manifests.write(place, structs.replace(stand.manifest, **more))
        return place

    return other


def test_an_environment_that_settings_do_not_name(stand):
    with pytest.raises(UsageError, match="'stagign': did you mean 'staging'"):
        stand.yard.site("stagign")


def test_a_release_without_a_commit(stand, packed):
    said = refused(stand.yard, packed(commit=""), "staging")
    assert "is no commit's: something was not committed when it was built" in said


@pytest.mark.proof
def test_a_dirty_tree_goes_to_local_only(yard):
    yard.environment("staging")
    release = yard.release("one", commit=False)
    said = refused(yard, release, "staging")
    assert "is no commit's: something was not committed when it was built" in said
    assert word(yard.deploy(release)) == "one"


def test_a_tree_that_was_never_tested(stand, packed):
    said = refused(stand.yard, packed(proofs=()), "staging")
    assert "no record says that tests(sample) passed" in said
    assert "no record says that tests(page) passed" in said
    assert '`nox -s "tests(sample)"`' in said


def test_all_that_is_wrong_is_told_at_once(stand, packed):
    said = refused(stand.yard, packed(commit="", proofs=()), "staging")
    assert said.count("\n  - ") == 3


def test_a_release_that_runs_nothing(stand, packed):
    pages = tuple(e for e in stand.manifest.components if e.language == "node")
    said = refused(stand.yard, packed(components=pages), "staging")
    assert "a deployment runs one component; this release has none with `run`" in said


def test_an_environment_that_has_to_have_it_first(stand):
    said = refused(stand.yard, stand.two, "production")
    assert "it has not baked on staging yet, which goes before; nothing is on" in said
    local, staging = stand.yard.site(), stand.yard.site("staging")
    staging.folder.mkdir(parents=True)
    shutil.copy(local.folder / "colours.json", staging.folder)
    said = refused(stand.yard, stand.two, "production")
    assert f"goes before; staging runs tree {local.colours.blue.tree[:12]}" in said
    stand.yard.deploy(stand.one, "production", plan=True)
    shutil.rmtree(staging.folder)


@pytest.mark.proof
def test_an_environment_that_goes_before_and_was_skipped(yard):
    yard.environment("staging")
    yard.environment("production", after="staging")
    release = yard.release("one")
    said = refused(yard, release, "production")
    assert "it has not baked on staging yet, which goes before; nothing is on" in said
    yard.deploy(release, "staging")
    assert word(yard.deploy(release, "production")) == "one"
    other = yard.release("two")
    with pytest.raises(UsageError, match="staging runs tree"):
        yard.deploy(other, "production")


def test_variables_and_secrets_that_are_missing(stand):
    stand.yard.sample.settings("""
    [tool.sametree.variables]
    KEY = { type = "secret" }
    [tool.sametree.environments.production.secrets]
    KEY = "PRODUCTION_KEY"
    """)
    assert "variable KEY is missing; expected a secret" in refused(
        stand.yard, stand.two, "staging"
    )
    environ = {"KEY": "of another"}
    said = refused(stand.yard, stand.two, "production", environ=environ)
    assert "secrets of production are not set here: PRODUCTION_KEY" in said


@pytest.mark.proof
def test_a_secret_gets_to_the_processes_and_into_no_file(yard):
    yard.sample.settings("""
    [tool.sametree.variables]
    KEY = { type = "secret" }
    """)
    yard.environment("staging")
    yard.environment("production")
    yard.sample.settings("""
    [tool.sametree.environments.production.secrets]
    KEY = "PRODUCTION_KEY"
    """)
    release = yard.release("one")
    assert "variable KEY is missing; expected a secret" in refused(
        yard, release, "staging"
    )
    said = refused(yard, release, "production", environ={"KEY": "of another"})
    assert "secrets of production are not set here: PRODUCTION_KEY" in said
    site = yard.deploy(
        release, "production", environ={"PRODUCTION_KEY": "hunter22-of-production"}
    )
    assert json.loads(ask(site)[1])["key"] == "hunter22-of-production"
    for path in yard.project.state.rglob("*"):
        assert not path.is_file() or b"hunter22" not in path.read_bytes(), path


def test_a_port_that_another_program_has_taken(stand):
    where = stand.yard.site("staging").listen
    with socket.create_server((where.host, where.port)):
        said = refused(stand.yard, stand.two, "staging")
    assert f"{where} is taken by another program (Address already in use)" in said


def test_local_is_given_the_next_port_that_is_free(stand, monkeypatch, tmp_path):
    site = stand.yard.site()
    preflight.find_port(site)
    assert site.port == 0  # its router runs: nothing is looked for
    here = sites.Site("local", sites.MADE_UP, tmp_path, Processes(tmp_path), None)
    preflight.find_port(here)
    assert here.listen.port > site.listen.port
    monkeypatch.setattr(preflight, "PORTS", 1)
    here.port = 0
    preflight.find_port(here)
    assert here.port == 0


@pytest.mark.proof
def test_local_takes_the_next_port_that_is_free(yard):
    first = yard.site().listen
    try:
        taken = socket.create_server((first.host, first.port))
    except OSError:
        taken = socket.socket()  # somebody else has it
    with taken:
        site = yard.deploy(yard.release("one"))
        assert site.listen.port > first.port
        assert yard.site().listen == site.listen


def test_a_release_with_a_changed_byte(stand, packed):
    release = packed(python=stand.manifest.python)
    (release / "page" / "page" / "index.html").write_text("another page")
    with pytest.raises(UnitFailed) as told:
        stand.yard.deploy(release, "staging")
    assert "page/page/index.html" in str(told.value)
    site = stand.yard.site("staging")
    assert not site.runner.inspect()
    shutil.rmtree(site.folder)


def test_a_manifest_with_a_wrong_digest(stand, packed):
    yard, release = stand.yard, packed()
    told = json.loads((release / "release.json").read_text())
    (release / "release.json").write_text(json.dumps({**told, "digest": "0" * 64}))
    assert "its digest is 000" in refused(yard, release, "staging")


def test_a_disk_without_room(stand, monkeypatch):
    monkeypatch.setattr(preflight, "ROOM", 1 << 60)
    assert "MB free, and" in refused(stand.yard, stand.two, "staging")


@pytest.mark.proof
def test_a_second_deployment_while_one_is_at_work(yard):
    release = yard.release("one")
    site = yard.site()
    with lease.held(site.folder, "run", "deploy tree abc"):
        said = refused_by_lease(yard, release)
    assert "local is being changed: deploy tree abc, by" in said
    assert word(yard.deploy(release)) == "one"


def refused_by_lease(yard: Yard, release):
    with pytest.raises(UsageError) as told:
        yard.deploy(release)
    return str(told.value)


def test_a_deployment_after_one_that_was_cut_off(stand):
    site = stand.yard.site("staging")
    site.folder.mkdir(parents=True)
    plan = {
        **dict.fromkeys(("address", "release", "digest", "tree", "commit"), "abc"),
        **dict.fromkeys(("strategy", "old_tree", "old_digest"), ""),
        **{"run": "r", "kind": "deploy", "environment": "staging", "replicas": 1},
        **{"old": None, "old_replicas": 0, "new": "blue", "moves": []},
        **{"own_database": False, "before": {}},
    }
    journal.new(site.folder, "r").begin("deploy", plan)
    said = refused(stand.yard, stand.two, "staging")
    assert "a change of staging has not ended: deploy abc to staging (run r)" in said
    assert "`invoke deploy staging --resume` goes on with it" in said
    status = stand.yard.status("staging")
    assert "nothing was deployed to staging yet" in status
    shutil.rmtree(site.folder)


@pytest.mark.proof
def test_a_plan_changes_nothing_and_is_what_runs(yard, capsys):
    release = yard.release("one")
    yard.deploy(release, plan=True)
    planned = capsys.readouterr().out
    assert "--plan: nothing was changed" in planned
    site = yard.site()
    assert not site.runner.inspect() and not (site.folder / "journals").exists()
    yard.deploy(release)
    done = capsys.readouterr().out
    steps = [line for line in planned.splitlines() if line[:7].strip().endswith(".")]
    assert len(steps) == 5 and all(line in done.splitlines() for line in steps)


def test_nobody_who_agrees(stand):
    assert "add --yes to agree to the plan" in refused(
        stand.yard, stand.two, "staging", yes=False
    )


@pytest.mark.proof
def test_what_runs_there_already(yard, capsys):
    release = yard.release("one")
    first = yard.deploy(release)
    yard.deploy(release)
    assert "local runs this very release already" in capsys.readouterr().out
    assert yard.site().colours == first.colours
    again = yard.deploy(release, again=True)
    assert again.colours.active == "green"


@pytest.mark.proof
def test_a_branch_name_with_shell_characters(yard):
    yard.sample.git("checkout", "--quiet", "-b", "a;touch${IFS}owned&b")
    assert word(yard.deploy(yard.release("one"))) == "one"
    assert not list(yard.sample.root.rglob("owned"))


def test_going_on_where_nothing_was_cut_off(stand, capsys):
    stand.yard.go_on(undo=False)
    assert "nothing of local was cut off" in capsys.readouterr().out


def test_a_plan_that_is_old_by_now(stand, monkeypatch):
    yard = stand.yard
    shown = flow.show

    def meanwhile(plan, listed):
        shown(plan, listed)
        site = yard.site("staging")
        site.folder.mkdir(parents=True, exist_ok=True)
        (site.folder / "colours.json").write_text('{"contracts": ["0009"]}')

    monkeypatch.setattr(flow, "show", meanwhile)
    with pytest.raises(UsageError, match="was changed while you looked at the plan"):
        yard.deploy(stand.two, "staging")
    assert not yard.site("staging").runner.inspect()
    shutil.rmtree(yard.site("staging").folder)
