"""Conversation participants: who may write in which conversation."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "conversation_participants",
        sa.Column("conversation_id", sa.BigInteger, nullable=False),
        sa.Column("participant_id", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint(
            "conversation_id",
            "participant_id",
            name=op.f("pk_conversation_participants"),
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_conversation_participants_conversation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["participant_id"],
            ["participants.id"],
            name=op.f("fk_conversation_participants_participant_id"),
        ),
    )


def downgrade() -> None:
    op.drop_table("conversation_participants")
