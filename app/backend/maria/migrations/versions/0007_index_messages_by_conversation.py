"""Index messages by conversation, newest first: the order in which they are read.

CONCURRENTLY does not block writing. An attempt that was interrupted leaves an index
that is not valid and that IF NOT EXISTS would take for a good one: it goes first.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

INDEX = "ix_messages_conversation_id"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(INDEX, "messages", postgresql_concurrently=True, if_exists=True)
        op.create_index(
            INDEX,
            "messages",
            ["conversation_id", sa.text("id DESC")],
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(INDEX, "messages", postgresql_concurrently=True, if_exists=True)
