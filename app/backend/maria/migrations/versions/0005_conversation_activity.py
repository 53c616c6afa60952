"""Conversation activity: two columns, so that listing need not count messages.

Neither rewrites the table: one may be NULL, the other has a constant default.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column(
        "conversations", sa.Column("last_message_at", sa.DateTime(timezone=True))
    )
    op.add_column(
        "conversations",
        sa.Column("message_count", sa.BigInteger, server_default="0", nullable=False),
    )


def downgrade() -> None:
    op.drop_column("conversations", "message_count")
    op.drop_column("conversations", "last_message_at")
