"""Validate conversation activity: the check of 0008 holds for the old rows, too.

Validating reads the whole table, but lets others read and write meanwhile.
"""

from alembic import op

revision = "0009"
down_revision = "0008"

CHECK = "ck_conversations_activity_agrees"


def upgrade() -> None:
    op.execute(f"ALTER TABLE conversations VALIDATE CONSTRAINT {CHECK}")


def downgrade() -> None:
    """Put the check back as 0008 left it; PostgreSQL cannot un-validate one."""
    op.drop_constraint(op.f(CHECK), "conversations", type_="check")
    op.create_check_constraint(
        op.f(CHECK),
        "conversations",
        "message_count >= 0 AND (message_count = 0) = (last_message_at IS NULL)",
        postgresql_not_valid=True,
    )
