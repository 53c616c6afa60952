"""Does it live, can it work, and what is it?"""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Connection, text

import maria
from maria import migrate, version


def test_it_lives_without_asking_the_database(
    client: FlaskClient, statements: list[str]
) -> None:
    response = client.get("/healthz")

    assert (response.status_code, response.get_json()) == (200, {"status": "ok"})
    assert statements == []


def test_it_is_ready_at_the_migration_it_expects(client: FlaskClient) -> None:
    response = client.get("/readyz")

    (head,) = migrate.expected_heads()
    assert response.status_code == 200
    assert response.get_json() == {"status": "ready", "migration": head}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("UPDATE alembic_version SET version_num = '0003'", "0003"),
        ("DELETE FROM alembic_version", "no migration"),
        ("DROP TABLE alembic_version", "no migration"),
    ],
)
def test_it_is_not_ready_at_an_older_migration(
    client: FlaskClient, database_connection: Connection, change: str, found: str
) -> None:
    database_connection.execute(text(change))

    response = client.get("/readyz")

    (head,) = migrate.expected_heads()
    assert response.status_code == 503
    assert response.get_json()["type"] == "urn:maria:problem:migration-mismatch"
    assert response.get_json()["detail"] == (
        f"The database is at {found}, this code expects {head}."
    )


def test_it_is_ready_on_the_schema_of_a_newer_release(
    client: FlaskClient, database_connection: Connection
) -> None:
    database_connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    response = client.get("/readyz")

    assert response.status_code == 200
    assert response.get_json() == {"status": "ready", "migration": "9999"}


class TestVersion:
    def test_names_the_release(self, client: FlaskClient) -> None:
        answer = client.get("/version").get_json()

        assert answer == {"version": maria.__version__, "tree": version.tree()}

    def test_names_the_tree_of_the_environment_first(self, tmp_path: Path) -> None:
        stamp = tmp_path / "_tree.txt"
        stamp.write_text("built")

        assert version.tree({"SAMETREE_TREE": "told"}, stamp) == "told"

    def test_names_the_tree_it_was_built_from(self, tmp_path: Path) -> None:
        stamp = tmp_path / "_tree.txt"
        stamp.write_text("built\n")

        assert version.tree({}, stamp) == "built"

    def test_knows_no_tree_in_a_checkout(self, tmp_path: Path) -> None:
        assert version.tree({}, tmp_path / "_tree.txt") == "unknown"


def test_migrations_are_numbered_without_gaps() -> None:
    """Fixed, readable ids: 0001 to the head, one after the other."""
    folder = Path(maria.__file__).parent / "migrations" / "versions"
    numbers = sorted(path.name[:4] for path in folder.glob("*.py"))

    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]
    assert numbers[-1:] == migrate.expected_heads()


def test_the_wheel_holds_the_migrations() -> None:
    """They are inside the package, so there is nothing to list and to forget."""
    project = Path(maria.__file__).parents[1] / "pyproject.toml"
    table = tomllib.loads(project.read_text())

    assert table["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == ["maria"]
