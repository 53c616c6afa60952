"""Thirty tables, each referring to the one before it; one revision makes one of them."""

import os
from pathlib import Path

TABLES = 30
REVISION = '''"""Table {number:02}."""

import sqlalchemy as sa
from alembic import op

revision = "{number:04}"
down_revision = {down!r}


def upgrade():
    op.create_table(
        "table_{number:02}",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("name", sa.Text, nullable=False, index=True),
        sa.Column("other", sa.BigInteger{reference}),
    )


def downgrade():
    op.drop_table("table_{number:02}")
'''
ENV = """import os
from alembic import context
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

url = context.config.attributes.get("url") or os.environ["DATABASE_URL"]
with create_engine(url, poolclass=NullPool).connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
"""


def tables():
    return [f"table_{number:02}" for number in range(1, TABLES + 1)]


def write(folder):
    """Write the migrations into ``folder``."""
    versions = Path(folder, "migrations", "versions")
    versions.mkdir(parents=True)
    Path(folder, "alembic.ini").write_text(
        f"[alembic]\nscript_location = %(here)s{os.sep}migrations\n"
    )
    Path(folder, "migrations", "env.py").write_text(ENV)
    for number in range(1, TABLES + 1):
        before = f"table_{number - 1:02}.id"
        reference = f', sa.ForeignKey("{before}")' if number > 1 else ""
        text = REVISION.format(
            number=number,
            down=f"{number - 1:04}" if number > 1 else None,
            reference=reference,
        )
        (versions / f"{number:04}.py").write_text(text)
