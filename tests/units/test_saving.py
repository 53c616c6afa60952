"""A point to return to: of a real database, or made by the settings' own command."""

import secrets

import pytest
from telling import Told

from sametree.database import connections, plan, restore_points, trail
from sametree.errors import SurroundingsError
from sametree.settings import Component, Database, Project, Settings
from sametree.settings.model import Environment
from sametree.units import saving
from sametree.units.migrate_environment import Site

SAYS = ("sh", "-c", 'echo "point $SAMETREE_RESTORE_POINT"; test -n "$DATABASE_URL"')


@pytest.fixture
def site(tmp_path, postgres):
    """Return a way to make a site whose database is there."""
    name = f"saved_{secrets.token_hex(4)}"
    with connections.connection(postgres) as admin:
        admin.execute(f'CREATE DATABASE "{name}"'.encode())

    def make(command=()):
        environment = Environment(database="STAGING_URL", restore_point=command)
        component = Component(name="shop", path=".", language="python")
        settings = Settings(
            components=(component,),
            database=Database(component="shop"),
            environments={"staging": environment},
        )
        project = Project(tmp_path, settings)
        work = Told(project, component, "migrate", tmp_path / "venv")
        return Site(
            "staging", environment, postgres.named(name), work, {"PATH": "/bin"}
        )

    return make


PLAN = plan.Plan(
    environment="staging", where="", server="", server_version=18, at=(), steps=()
)


def test_a_dump_is_made_looked_into_and_told_with_the_way_back(site, capsys):
    made = site()
    saving.save(made, PLAN, "run")
    (dump,) = (made.work.project.state / "restore-points").glob("staging-*.dump")
    said = capsys.readouterr().out
    shown = str(dump.relative_to(made.work.project.root))
    assert f"restore point: {shown} in" in said
    assert "pg_restore" in said and "STAGING_URL" in said
    assert made.address.password not in said
    assert made.work.notes == [f"restore point {shown}"]
    (line,) = trail.read(made.folder)
    assert (line["event"], line["made"]) == ("restore point", shown)
    assert [each.code for each in made.work.ran] == [0, 0]


def test_a_dump_that_is_refused_leaves_nothing(site):
    made = site()
    made.address = made.address.named("no such database")
    with pytest.raises(SurroundingsError):
        saving.save(made, PLAN, "run")
    points = made.work.project.state / "restore-points"
    assert not [path for path in points.iterdir() if ".dump" in path.name]
    assert trail.read(made.folder) == []


def test_the_command_of_the_settings_names_its_point(site, capsys):
    saving.save(made := site(SAYS), PLAN, "run")
    assert made.work.notes[0].startswith("restore point point staging-")
    assert "pg_restore" not in capsys.readouterr().out
    saving.save(silent := site(("true",)), PLAN, "run")
    assert silent.work.notes[0].startswith("restore point staging-")


def test_a_command_that_fails_is_told_with_its_last_words(site):
    with pytest.raises(SurroundingsError) as caught:
        saving.save(site(("sh", "-c", "echo no such disk; exit 3")), PLAN, "run")
    said = str(caught.value)
    assert "the restore point of staging was not made (exit code 3)" in said
    assert "  no such disk" in said and "environments.staging.restore-point" in said


def test_who_has_no_client_is_told(site, monkeypatch):
    monkeypatch.setattr(restore_points, "clients", lambda: [])
    with pytest.raises(SurroundingsError):
        saving.save(site(), PLAN, "run")
