"""How does a new migration look that is safe under traffic and beside the old code?"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

from sametree.errors import UsageError

IDENTIFIER = r"[A-Za-z_][A-Za-z0-9_]*"
TABLE = re.compile(rf"(?:{IDENTIFIER}\.)?{IDENTIFIER}")
COLUMNS = re.compile(rf"({IDENTIFIER}):({IDENTIFIER}(?:,{IDENTIFIER})*)")
WIDTH = 79
"""Characters of a line: what flake8 lets pass without settings."""

HEAD = '''\
"""{title}

{why}
"""

{imports}

revision = {revision}
down_revision = {down}
'''

EXPAND = '''\
def upgrade() -> None:
    """Safe beside the old code and under traffic. Keep what fits:"""
    # a column that may be null, or has a constant default (no rewrite):
    #     op.add_column("t", sa.Column("c", sa.Text()))
    # rows get their values in a revision of its own:
    #     invoke migrate.new "..." --backfill t
    # an index, without blocking who writes:
    #     invoke migrate.new "..." --index t:c
    # a check or foreign key holds for new rows at once, for the old ones in
    # the next revision, which only reads:
    #     op.create_check_constraint("n", "t", "c > 0",
    #                                postgresql_not_valid=True)
    #     op.execute("ALTER TABLE t VALIDATE CONSTRAINT n")
    # a column that becomes NOT NULL: such a check (c IS NOT NULL), validate
    # it, then SET NOT NULL, which believes the check.
    # Nothing is renamed or dropped here: the old code still uses it.


def downgrade() -> None:
    """Take back all that upgrade() makes, in reverse."""
'''

CONTRACT = '''\
def upgrade() -> None:
    """Take away what no running code uses any more. Keep what fits:"""
    # The lock is short, but nobody reads the table while it is waited for:
    # few statements, no reading of rows in the same revision.
    #     op.drop_column("t", "c")
    #     op.drop_table("t")
    #     op.drop_constraint("n", "t")
    # an index, without blocking anyone:
    #     with op.get_context().autocommit_block():
    #         op.drop_index("i", "t", postgresql_concurrently=True,
    #                       if_exists=True)


def downgrade() -> None:
    """Put the schema back; what was in it is in the restore point."""
'''

BACKFILL = '''\
TABLE, KEY, BATCH = "{table}", "id", 1_000
# What a row gets, and which rows lack it. Replace both. A row that has it is
# left alone, so this can be stopped at any point and run again.
SET = "id = id"
LACKING = "false"


def upgrade() -> None:
    """Fill rows in ranges of KEY, each in a transaction of its own.

    So few rows are locked, and none for long.
    """
    if context.is_offline_mode():
        op.execute(f"UPDATE {{TABLE}} SET {{SET}} WHERE {{LACKING}}")
        return
    with op.get_context().autocommit_block():
        for low, high in ranges():
            op.execute(
                f"UPDATE {{TABLE}} SET {{SET}} WHERE {{LACKING}}"
                f" AND {{KEY}} BETWEEN {{low}} AND {{high}}"
            )


def ranges() -> Iterator[tuple[int, int]]:
    """Yield ranges that hold a batch of rows each, skipping gaps."""
    bind = op.get_bind()
    low = bind.exec_driver_sql(f"SELECT min({{KEY}}) FROM {{TABLE}}").scalar()
    while low is not None:
        high = bind.exec_driver_sql(
            f"SELECT max({{KEY}}) FROM (SELECT {{KEY}} FROM {{TABLE}}"
            f" WHERE {{KEY}} >= {{low}} ORDER BY {{KEY}} LIMIT {{BATCH}}) AS batch"
        ).scalar()
        if high is None:
            return
        yield low, high
        low = high + 1


def downgrade() -> None:
    """Nothing to take back: the columns go where they were added."""
'''

INDEX = '''\
INDEX = "{index}"


def upgrade() -> None:
    """Build the index without blocking who writes.

    A try that was interrupted leaves an index that is not valid, and that
    IF NOT EXISTS would take for a good one: it goes first.
    """
    with op.get_context().autocommit_block():
        op.drop_index(
            INDEX,
            "{table}",
            postgresql_concurrently=True,
            if_exists=True,
        )
        op.create_index(
            INDEX,
            "{table}",
            [{columns}],
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def downgrade() -> None:
    """Drop the index without blocking anyone."""
    with op.get_context().autocommit_block():
        op.drop_index(
            INDEX,
            "{table}",
            postgresql_concurrently=True,
            if_exists=True,
        )
'''
UNUSED = "  # noqa: F401 (until it is used)"


def text(
    message: str,
    revision: str,
    down: str | None,
    *,
    contract: bool = False,
    backfill: str = "",
    index: str = "",
) -> str:
    """Return the text of a migration file.

    ``backfill`` is a table; ``index`` a table and its columns, ``people:name,born``
    (see :func:`check`).
    """
    imports = f"import sqlalchemy as sa{UNUSED}\nfrom alembic import op{UNUSED}"
    why = "Say in a sentence what this changes, and why."
    gap = "\n\n"
    if backfill:
        imports = (
            "from collections.abc import Iterator\n\nfrom alembic import context, op"
        )
        body, gap = BACKFILL.format(table=backfill), "\n"
    elif index:
        imports = "from alembic import op"
        body, gap = _index(index), "\n"
    elif contract:
        why = "Say which code used it last, and since when none does."
        body, gap = CONTRACT, 'phase = "contract"\n\n\n'
    else:
        body = EXPAND
    head = HEAD.format(
        title=_title(message),
        why=why,
        imports=imports,
        revision=_quoted(revision),
        down=_quoted(down) if down is not None else None,
    )
    return head + gap + body


def next_steps(*, contract: bool, backfill: str) -> Sequence[str]:
    """Return what is to be done with a new file."""
    lines = ["nox -s check        tries it: up, down, up, and its locks"]
    if backfill:
        lines.insert(0, "replace SET and LACKING: until then it changes nothing")
    if contract:
        lines.append(
            "invoke migrate ENVIRONMENT --contract        once no code needs it"
        )
    return lines


def _index(index: str) -> str:
    found = COLUMNS.fullmatch(index)
    assert found is not None  # it was checked
    table, columns = found[1], found[2].split(",")
    name = f"ix_{table}_{'_'.join(columns)}"[:63]
    listed = ", ".join(_quoted(each) for each in columns)
    if len(listed) + 14 > WIDTH:
        listed = "".join(f"\n                {_quoted(each)}," for each in columns)
        listed += "\n            "
    return INDEX.format(index=name, table=table, columns=listed)


def check(message: str, *, contract: bool, backfill: str, index: str) -> None:
    """Raise UsageError where these are no title, table or columns, or do not go
    together."""
    if not message.strip():
        raise UsageError(
            "a migration needs a title", 'invoke migrate.new "Add a column"'
        )
    if sum(map(bool, (contract, backfill, index))) > 1:
        raise UsageError(
            "--contract, --backfill and --index are migrations of their own",
            "write one after the other, so that each can be stopped and run again",
        )
    if backfill and not TABLE.fullmatch(backfill):
        raise UsageError(
            f"--backfill {backfill}: that is no table", "--backfill people"
        )
    if index and not COLUMNS.fullmatch(index):
        raise UsageError(
            f"--index {index}: that is no table with columns",
            "--index people:name,born",
        )


def _title(message: str) -> str:
    """Return a title as a docstring may have it, with a full stop."""
    words = " ".join(message.split()).replace("\\", "\\\\").replace('"""', "'''")
    words = words[0].upper() + words[1:]
    words = words if words.endswith((".", "!", "?")) else f"{words}."
    return "\n".join(textwrap.wrap(words, WIDTH - 3, break_long_words=False))


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
