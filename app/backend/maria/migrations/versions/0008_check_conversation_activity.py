"""Check conversation activity: a time of the last message only where there is one.

NOT VALID holds for new rows at once and does not read the old ones under a lock:
those are looked at by 0009.
"""

from alembic import op

revision = "0008"
down_revision = "0007"

CHECK = "ck_conversations_activity_agrees"


def upgrade() -> None:
    op.create_check_constraint(
        op.f(CHECK),
        "conversations",
        "message_count >= 0 AND (message_count = 0) = (last_message_at IS NULL)",
        postgresql_not_valid=True,
    )


def downgrade() -> None:
    op.drop_constraint(op.f(CHECK), "conversations", type_="check")
