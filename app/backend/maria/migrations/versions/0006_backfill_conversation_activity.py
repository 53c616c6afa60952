"""Backfill conversation activity: count the messages that were there before 0005.

It works in ranges of ids, each in a transaction of its own, so that few rows are
locked and none for long. Rows that are right already are left alone: it can be
stopped at any point and run again.
"""

from collections.abc import Iterator

from alembic import context, op

revision = "0006"
down_revision = "0005"

BATCH = 1_000
MAX_ID = 2**63 - 1

# One statement, hence one transaction. Adding a message locks its conversation, if only
# by its foreign key: once the rows are locked here, no message is on its way, and the
# UPDATE, which looks anew, sees all of them.
RECOUNT = """
DO $$ BEGIN
  PERFORM id FROM conversations
    WHERE id BETWEEN {low} AND {high} ORDER BY id FOR UPDATE;
  UPDATE conversations AS c
     SET message_count = told.message_count, last_message_at = told.last_message_at
    FROM (
      SELECT c.id, count(m.id) AS message_count, max(m.created_at) AS last_message_at
        FROM conversations AS c LEFT JOIN messages AS m ON m.conversation_id = c.id
       WHERE c.id BETWEEN {low} AND {high}
       GROUP BY c.id
    ) AS told
   WHERE c.id = told.id
     AND (c.message_count, c.last_message_at)
         IS DISTINCT FROM (told.message_count, told.last_message_at);
END $$
"""


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for low, high in ranges():
            op.execute(RECOUNT.format(low=low, high=high))


def ranges() -> Iterator[tuple[int, int]]:
    """Yield ranges that hold a batch of rows each, skipping gaps between ids."""
    if context.is_offline_mode():
        # A script cannot look at the ids: it gets one statement for all of them.
        yield 1, MAX_ID
        return
    low = 0
    while high := op.get_bind().exec_driver_sql(next_range(low)).scalar():
        yield low + 1, high
        low = high


def next_range(low: int) -> str:
    """Return a query of the last id in the batch after ``low``."""
    return (
        f"SELECT max(id) FROM (SELECT id FROM conversations WHERE id > {low} "
        f"ORDER BY id LIMIT {BATCH}) AS batch"
    )


def downgrade() -> None:
    """Nothing to take back: 0005 takes the columns away, with what is in them."""
