"""Drop the unique constraint on the exact e-mail address: 0010 says more than it."""

from alembic import op

revision = "0011"
down_revision = "0010"

UNIQUE = "uq_participants_email"


def upgrade() -> None:
    op.drop_constraint(op.f(UNIQUE), "participants", type_="unique")


def downgrade() -> None:
    """Build the index without blocking anyone, then make it the constraint it was."""
    with op.get_context().autocommit_block():
        op.drop_index(
            UNIQUE, "participants", postgresql_concurrently=True, if_exists=True
        )
        op.create_index(
            UNIQUE,
            "participants",
            ["email"],
            unique=True,
            postgresql_concurrently=True,
            if_not_exists=True,
        )
    op.execute(
        f"ALTER TABLE participants ADD CONSTRAINT {UNIQUE} UNIQUE USING INDEX {UNIQUE}"
    )
