"""Unique e-mail addresses in any spelling: Ada@ and ada@ are one person.

It fails if there are two such participants already, and leaves an index that is not
valid: join the two, then run it again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

INDEX = "uq_participants_lower_email"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(
            INDEX, "participants", postgresql_concurrently=True, if_exists=True
        )
        op.create_index(
            INDEX,
            "participants",
            [sa.text("lower(email)")],
            unique=True,
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(
            INDEX, "participants", postgresql_concurrently=True, if_exists=True
        )
