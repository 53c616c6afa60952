"""The schema goes before the code where it grows, and after it where it shrinks."""

import json
import os
import signal

import psycopg
import pytest
from conftest import eventually, migration
from yard import Yard, ask, word

from sametree import database_tasks
from sametree.deploy import own_database
from sametree.errors import UsageError
from sametree.units import migrate_environment
from sametree.units.deploying import sizing
from sametree.units.migrate_environment import Wishes

pytestmark = pytest.mark.proof(seconds=20)


@pytest.fixture
def stored(with_database, tmp_path, monkeypatch):
    """A yard whose releases have migrations; the wheels come from the usual registry."""
    for name in ("DATABASE_URL", "CI", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    made = Yard(with_database, tmp_path / "registry")
    made.environment("staging")
    yield made
    made.down()


def revisions(yard, name="staging"):
    """Return where the database is."""
    address = own_database.of(yard.project, yard.site(name).folder).address()
    with psycopg.connect(address.url()) as asked:
        return [row[0] for row in asked.execute("SELECT * FROM alembic_version")]


def migrated(yard, **wish):
    """Migrate the environment, as `invoke migrate staging` does."""
    work = database_tasks.work_of(yard.project, "migrate", "migrate(staging)")
    wish = Wishes(yes=True, **wish)
    migrate_environment.run(work, "staging", wish, os.environ)


def grown(yard):
    """Add a migration that grows the schema, and one that shrinks it."""
    yard.sample.write(
        {
            "migrations/versions/0003_born.py": migration(
                "0003",
                "0002",
                'op.add_column("people", sa.Column("born", sa.Date))',
                'op.drop_column("people", "born")',
            ),
            "migrations/versions/0004_no_name.py": 'phase = "contract"\n'
            + migration(
                "0004",
                "0003",
                'op.drop_column("people", "name")',
                'op.add_column("people", sa.Column("name", sa.Text))',
            ),
        }
    )


def test_expand_goes_before_the_code_and_contract_when_nobody_needs_the_old(
    stored, capsys
):
    first = stored.release("one")
    site = stored.deploy(first, "staging")
    assert revisions(stored) == ["0002"] and word(site) == "one"
    grown(stored)
    second = stored.release("two")
    capsys.readouterr()
    site = stored.deploy(second, "staging")
    shown = capsys.readouterr().out
    assert "migrations   0003" in shown
    assert "later        0004  (contract; `invoke migrate staging`)" in shown
    assert revisions(stored) == ["0003"] and word(site) == "two"

    with pytest.raises(UsageError, match="blue of staging runs tree .* does not know"):
        migrated(stored, contract=True, backed_up="a copy, tried")
    assert sizing.retire(stored.site("staging"))
    migrated(stored, contract=True, backed_up="a copy, tried")
    assert revisions(stored) == ["0004"]
    assert stored.site("staging").colours.contracts == ("0004",)
    with pytest.raises(UsageError, match="it has had the contract migration 0004"):
        stored.roll_back("staging", to=site.colours.kept[1][:12])
    with pytest.raises(UsageError, match="contract migration 0004, which this"):
        stored.deploy(first, "staging")
    assert word(stored.site("staging")) == "two"


def test_an_expand_that_waits_for_a_contract_is_told(stored):
    stored.deploy(stored.release("one"), "staging")
    grown(stored)
    stored.sample.write(
        {
            "migrations/versions/0005_more.py": migration(
                "0005",
                "0004",
                'op.add_column("people", sa.Column("more", sa.Text))',
                "",
            ).replace("    \n", "    pass\n")
        }
    )
    with pytest.raises(UsageError, match="the migration 0005 comes after 0004, which"):
        stored.deploy(stored.release("two"), "staging")


def test_an_older_release_works_on_a_newer_schema(stored):
    first = stored.release("one")
    stored.deploy(first, "staging")
    grown(stored)
    stored.deploy(stored.release("two"), "staging")
    assert word(stored.deploy(first, "staging", why="two is bad")) == "one"
    assert revisions(stored) == ["0003"]


def test_one_returns_at_once_while_the_database_is_down(stored):
    stored.deploy(stored.release("one"), "staging")
    site = stored.deploy(stored.release("two"), "staging")
    state = json.loads((site.folder / "services/database/state.json").read_text())
    os.kill(state["keeper"], signal.SIGKILL)
    os.kill(state["pid"], signal.SIGKILL)
    address = own_database.of(stored.project, site.folder)
    assert eventually(lambda: address.address() is None)
    stored.roll_back("staging")
    assert word(stored.site("staging")) == "one"
    stored.scale(0, "staging")
    assert revisions(stored) == ["0002"]


def test_a_database_that_is_killed_comes_back_where_it_was(stored):
    site = stored.deploy(stored.release("one"), "staging")
    own = own_database.of(stored.project, site.folder)
    before = own.address()
    pid = int((own.folder / "data" / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: own.address() == before and revisions_or_none(stored))
    assert ask(site, "/ready")[0] == 200


def revisions_or_none(yard):
    try:
        return revisions(yard)
    except (psycopg.Error, AttributeError):
        return None
