"""Index conversations by activity: a page of the listing is read, not sorted."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

INDEX = "ix_conversations_active_at"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(
            INDEX, "conversations", postgresql_concurrently=True, if_exists=True
        )
        op.create_index(
            INDEX,
            "conversations",
            [sa.text("coalesce(last_message_at, created_at) DESC"), sa.text("id DESC")],
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(
            INDEX, "conversations", postgresql_concurrently=True, if_exists=True
        )
