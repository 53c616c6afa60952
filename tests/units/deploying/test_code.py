"""What a release's code runs with, and what its database lacks of it."""

import os
import shutil
from dataclasses import replace

import pytest
from msgspec import structs

from sametree import deploy_tasks, masking
from sametree.artifacts.manifest import Revision
from sametree.database.connections import connection
from sametree.deploy.runners import Service
from sametree.errors import SurroundingsError
from sametree.units.deploying import code as codes
from sametree.units.deploying import flow, preflight, steps
from sametree.units.deploying.code import ReleaseCode
from sametree.units.deploying.flow import Asked

KNOWN = (
    Revision(revision="0001", phase="expand", below=()),
    Revision(revision="0002", phase="expand", below=("0001",)),
    Revision(revision="0003", phase="contract", below=("0002",)),
)
BEHIND = Revision(revision="0004", phase="expand", below=("0003",))


@pytest.fixture
def stored(stand):
    """The project with a database; ``staging`` has one elsewhere."""
    text = stand.yard.sample.text("pyproject.toml")
    named = "[tool.sametree.environments.staging]\n"
    text = text.replace(named, f'{named}database = "STAGING_DATABASE_URL"\n')
    table = '\n[tool.sametree.database]\ncomponent = "sample"\n'
    stand.yard.sample.write({"pyproject.toml": text + table})
    return stand


def code_of(stand, name, **environ):
    """Return the code of release two in an environment; its migrations are ``KNOWN``."""
    project = stand.yard.project
    work = deploy_tasks.work_of(project, "deploy", f"deploy({name})")
    made = structs.replace(stand.manifest, revisions=KNOWN)
    outer = {**os.environ, **environ}
    return ReleaseCode(project, stand.yard.site(name), made, outer, work, "run")


@pytest.fixture
def database(postgres, tmp_path):
    """An empty database, for a test alone."""
    name = tmp_path.name.replace("-", "_")
    with connection(postgres) as admin:
        admin.execute(f'CREATE DATABASE "{name}"'.encode())
    return postgres.named(name)


def at(database, head):
    """Have the database be at a revision."""
    with connection(database) as asked:
        asked.execute("CREATE TABLE IF NOT EXISTS alembic_version (version_num text)")
        asked.execute("DELETE FROM alembic_version")
        asked.execute("INSERT INTO alembic_version VALUES (%s)", [head])


def test_what_the_database_lacks(stored, database):
    code = code_of(stored, "staging", STAGING_DATABASE_URL=database.url())
    assert code.lacking() is None and not code.expanded()  # never migrated
    at(database, "0001")
    assert code.lacking().expand == ("0002",) and not code.expanded()
    at(database, "0002")
    assert code.expanded() and code.lacking().contract == ("0003",)
    assert list(preflight.of_schema(code, code.manifest)) == []
    behind = structs.replace(code.manifest, revisions=(*KNOWN, BEHIND))
    (told,) = preflight.of_schema(replace(code, manifest=behind), behind)
    assert "the migration 0004 comes after 0003, which takes away" in told
    assert "`invoke migrate staging --contract` first" in told
    code.await_database()  # it takes connections: there is nothing to wait for


def test_the_plan_tells_what_the_database_lacks_or_that_it_is_ahead(stored, database):
    code = code_of(stored, "staging", STAGING_DATABASE_URL=database.url())

    def planned():
        return flow.planned(code.site, code, stored.two, "deploy", Asked())

    assert not planned().looked
    at(database, "0001")
    plan = planned()
    assert (plan.looked, plan.expand, plan.waiting) == (True, ("0002",), ("0003",))
    assert not plan.own_database
    at(database, "0099")
    plan = planned()
    assert plan.expand == () == plan.waiting
    assert plan.notes == ("the database is ahead of this release, at 0099",)


def test_replicas_are_told_where_the_database_is_and_nothing_of_who_deploys(
    stored, database
):
    place = stored.yard.site("staging").folder
    place.mkdir(parents=True)
    (place / "releases").symlink_to(stored.two.parent)
    code = code_of(
        stored, "staging", STAGING_DATABASE_URL=database.url(), CI="true", UV_X="1"
    )
    service = code.service("green-1", 5000, stored.manifest.digest)
    assert service.argv == ("sample", "5000") and service.env["PORT"] == "5000"
    assert database.database in service.env["DATABASE_URL"]
    assert service.env["PATH"].startswith(f"{place}/releases/")
    assert service.env["SAMETREE_ENVIRONMENT"] == "staging"
    assert not {"CI", "UV_X", "PYTHONPATH", "STAGING_DATABASE_URL"} & set(service.env)
    assert service.labels["colour"] == "green" and service.labels["run"] == "run"
    shutil.rmtree(place)
    assert database.password not in masking.hide(f"is it {database.password}?")


def test_a_release_that_is_gone_does_not_run(stand):
    code = code_of(stand, "local")
    with pytest.raises(SurroundingsError, match="the release 000000000000 is not in"):
        code.service("green-1", 5000, "0" * 64)


def test_a_database_that_does_not_run_is_not_migrated(stored):
    code = code_of(stored, "local")
    assert code.own() is not None and code.address() is None and code.lacking() is None
    installed = replace(code, manifest=stored.manifest)
    with pytest.raises(SurroundingsError, match="cannot be migrated: it does not run"):
        installed.expand()
    with pytest.raises(SurroundingsError, match="the release is not installed"):
        code.expand()
    assert codes.own(stored.yard.project, stored.yard.site("staging")) is None


def test_a_database_that_does_not_come_up_says_its_last_words(stored):
    code = code_of(stored, "local")
    with pytest.raises(SurroundingsError, match="PostgreSQL of local does not come up"):
        code.await_database()
    own = code.database()
    assert own.argv[1:3] == ("-m", "sametree.deploy.own_database")
    argv = ("sh", "-c", "echo no room left; exit 1")
    code.site.runner.start(
        Service(name=own.name, argv=argv, cwd=own.cwd, env=own.env, patience=1.0)
    )
    try:
        with pytest.raises(SurroundingsError, match="no room left"):
            code.await_database()
    finally:
        code.site.runner.stop([own.name])


def test_an_environment_has_a_database_of_its_own_which_outlives_who_started_it(stored):
    with stored.changing() as change:
        step = steps.Database(change)
        assert not step.done()
        step.do()
        assert step.done()
        step.undo()  # its data are the environment's
        assert step.done()
        code = code_of(stored, "local")
        with connection(code.address()) as asked:
            assert asked.execute("SELECT current_database()").fetchone() == ("app",)
        assert steps.steps_of(change)[1] == step
    site = stored.yard.site()
    site.runner.stop(["database"])
    assert code.address() is None
    stored.yard.scale(0)  # brings back all that should run
    assert code.address() is not None
    site.runner.stop(["database"])
    shutil.rmtree(code.own().folder)
