"""Can a database be brought up, back and up again, with what it holds?

Everything happens in a schema of its own, next to the tables the other tests use.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from alembic import command
from sqlalchemy import Engine, Row, create_engine, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import NullPool

from maria.migrate import config, expected_heads
from maria.settings import Settings

# Every name of a table, column, constraint and index, with what it says.
SCHEMA = """
SELECT 'column', table_name || '.' || column_name,
       concat_ws(' ', data_type, character_maximum_length, is_nullable, column_default,
                 identity_generation)
  FROM information_schema.columns WHERE table_schema = current_schema
 UNION ALL
SELECT 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(oid)
  FROM pg_constraint WHERE connamespace = current_schema::regnamespace
 UNION ALL
SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema
 ORDER BY 1, 2, 3
"""
TALKS = """
INSERT INTO participants (name, email) VALUES ('Ada', 'ada@example.org');
INSERT INTO conversations (title) SELECT 'T' || n FROM generate_series(1, 2500) AS n;
DELETE FROM conversations WHERE id BETWEEN 500 AND 600;
INSERT INTO messages (conversation_id, author_id, body, created_at)
SELECT c.id, p.id, 'Hello', make_timestamptz(2026, 1, n, 0, 0, 0)
  FROM conversations AS c, participants AS p, generate_series(1, 3) AS n
 WHERE n <= mod(c.id, 4)
"""
# Stops the backfill in its second batch, when the first is committed.
OBSTACLE = """
ALTER TABLE conversations
  ADD CONSTRAINT obstacle CHECK (id <> 1901 OR message_count = 0)
"""
# xmin changes whenever a row is written.
FIRST_BATCH = """
SELECT id, message_count, xmin::text FROM conversations WHERE id < 1000 ORDER BY id
"""
WRONG = """
SELECT c.id FROM conversations AS c LEFT JOIN messages AS m ON m.conversation_id = c.id
 GROUP BY c.id
HAVING c.message_count <> count(m.id)
    OR c.last_message_at IS DISTINCT FROM max(m.created_at)
"""


@pytest.fixture
def scratch(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine on an empty schema, to which DATABASE_URL leads, too."""
    name = f"scratch_{uuid.uuid4().hex}"
    url = settings.database_url
    inside = url.update_query_dict({"options": f"-csearch_path={name}"})
    monkeypatch.setenv("DATABASE_URL", inside.render_as_string(hide_password=False))
    outer = create_engine(url, poolclass=NullPool)
    with outer.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {name}"))
    yield create_engine(inside, poolclass=NullPool)
    with outer.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {name} CASCADE"))


def rows(engine: Engine, query: str) -> list[Row[tuple[object, ...]]]:
    with engine.connect() as connection:
        return list(connection.execute(text(query)))


def change(engine: Engine, statements: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(statements)


def test_each_downgrade_restores_what_was_before(scratch: Engine) -> None:
    before = {}
    (head,) = expected_heads()
    revisions = [f"{number:04}" for number in range(1, int(head) + 1)]
    for revision in revisions:
        command.upgrade(config(), revision)
        before[revision] = rows(scratch, SCHEMA)

    for revision in reversed(revisions):
        assert rows(scratch, SCHEMA) == before[revision]
        command.downgrade(config(), "-1")

    command.upgrade(config(), "head")
    assert rows(scratch, SCHEMA) == before[head]
    command.check(config())


def test_the_backfill_counts_and_can_be_stopped_and_run_again(scratch: Engine) -> None:
    command.upgrade(config(), "0005")
    change(scratch, TALKS)
    change(scratch, OBSTACLE)
    with pytest.raises(IntegrityError, match="obstacle"):
        command.upgrade(config(), "0006")

    done = rows(scratch, FIRST_BATCH)
    change(scratch, "ALTER TABLE conversations DROP CONSTRAINT obstacle")
    command.upgrade(config(), "0006")

    assert {row.message_count for row in done} == {0, 1, 2, 3}
    assert rows(scratch, FIRST_BATCH) == done
    assert rows(scratch, WRONG) == []
    command.upgrade(config(), "head")


def test_a_script_can_be_written_without_a_database(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nowhere")

    command.upgrade(config(), "head", sql=True)

    script = capfd.readouterr().out
    assert "CREATE INDEX CONCURRENTLY IF NOT EXISTS" in script
    assert "BETWEEN 1 AND 9223372036854775807" in script
