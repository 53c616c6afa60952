"""A test as they are written: two rows, two commits, one question."""

import os

from sqlalchemy import text


def test_two_inserts_and_two_commits(number, engine):
    for name in ("Ada", "Grace"):
        with engine.begin() as connection:
            connection.execute(
                text("INSERT INTO table_07 (name) VALUES (:name)"), {"name": name}
            )
    with engine.connect() as connection:
        found = connection.execute(text("SELECT count(*) FROM table_07")).scalar()
    assert found == 2 or os.environ["WAY"] == "nothing"
