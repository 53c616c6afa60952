"""Participants: the people who talk, each with an e-mail address of their own."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "participants",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.func.clock_timestamp(),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_participants")),
        sa.UniqueConstraint("email", name=op.f("uq_participants_email")),
        sa.CheckConstraint("name <> ''", name=op.f("ck_participants_name_given")),
        sa.CheckConstraint(
            "email LIKE '_%@_%'", name=op.f("ck_participants_email_formed")
        ),
    )


def downgrade() -> None:
    op.drop_table("participants")
