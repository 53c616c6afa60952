"""Which statements of a migration would hurt while traffic runs, and what is safe?

What was observed decides, where the tables had rows; squawk's rules where they had not.
Never a time: the same tree has the same findings on every machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from sametree.database import measured, squawk
from sametree.database.measured import Revision, Statement, Table
from sametree.database.squawk import Remark

RULES = {
    "blocks-reads": "nobody can read a table while work goes on that grows with it",
    "blocks-writes": "nobody can write to a table while work goes on that grows with it",
    "unbatched-backfill": "one transaction changes most rows of a table, and keeps them"
    " locked until its end",
    "breaks-old-code": "code of the previous release, which still runs, cannot go on",
    "irreversible": "the downgrade does not restore what was there",
    "fails-on-rows": "it runs on empty tables and fails on ones with rows",
    "imports-application": "the application changes later, and the migration with it",
}
"""Every rule, by the name that a waiver has, and why it is one."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a revision: where, what, and what to write instead."""

    rule: str
    revision: str
    file: str
    line: int
    text: str
    cure: str = ""


def of_statements(told: Revision, remarks: Sequence[Remark]) -> Iterator[Finding]:
    """Yield the findings about a revision's statements, each with its cause once."""
    for number, statement in enumerate(told.statements):
        own = [each.rule for each in remarks if each.statement == number]
        found = [
            _observed(statement, told.statements)
            or _by_rule(statement, own, told.size),
            _unbatched(statement),
            _old_code(statement, own, told.size) if told.phase == "expand" else None,
        ]
        for each in found:
            if each is not None:
                rule, text, cure = each
                yield Finding(
                    rule=rule,
                    revision=told.revision,
                    file=told.file,
                    line=statement.line,
                    text=text,
                    cure=cure,
                )


def _observed(
    statement: Statement, others: Sequence[Statement]
) -> tuple[str, str, str] | None:
    """Return rule, text and cure where a lock was held while work grew."""
    busy = [each for each in statement.tables if each.work]
    held = [each for each in statement.tables if each.blocks]
    if not busy or not held:
        return None
    worst = max(
        held, key=lambda each: (measured.LOCKS.index(each.held), bool(each.work))
    )
    rule = "blocks-reads" if worst.blocks == "reads" else "blocks-writes"
    blocked = "reads and writes" if worst.blocks == "reads" else "writes"
    names = ", ".join(each.name for each in held if each.blocks == worst.blocks)
    done = "; ".join(_done(each) for each in busy)
    text = (
        f"{short(statement.sql)} holds {_lock(worst.held)} on {names}, which blocks"
        f" {blocked}, while it {done}"
        f" ({statement.seconds:.2f} s for {worst.rows or busy[0].rows:,} rows here)"
    )
    if not any(each.lock for each in held):
        taker = _taker(statement, others, worst.name)
        line = f" of line {taker.line}" if taker and taker.line else ""
        text += (
            f"; {short(taker.sql) if taker else 'an earlier statement'} took the lock"
        )
        return rule, text, SPLIT.format(line=line)
    return rule, text, cure_of(statement, busy[0].name)


def _taker(
    statement: Statement, others: Sequence[Statement], table: str
) -> Statement | None:
    """Return the statement of the same transaction that took the lock on ``table``."""
    for each in others:
        if each.transaction == statement.transaction and not each.autocommit:
            if any(t.name == table and t.lock and t.blocks for t in each.tables):
                return each
    return None


def _by_rule(
    statement: Statement, rules: Sequence[str], size: int
) -> tuple[str, str, str] | None:
    """Return rule, text and cure where only the statement's form tells of a lock.

    Of a table that had rows we know what was done: there the form says nothing more.
    """
    known = [rule for rule in rules if rule in squawk.LOCKS]
    if not known or not statement.tables or not _unseen(statement, size):
        return None
    rule = min(squawk.LOCKS[each] for each in known)
    names = ", ".join(each.name for each in statement.tables)
    text = (
        f"{short(statement.sql)} holds a lock on {names} while it reads or writes all of"
        f" it, as its form tells (squawk: {known[0]}); it could not be tried on rows"
    )
    return rule, text, cure_of(statement, statement.tables[0].name)


def _unseen(statement: Statement, size: int) -> bool:
    """Return whether no table of the statement had rows to tell anything by."""
    return all(each.rows < max(1, size // 10) or not size for each in statement.tables)


def _unbatched(statement: Statement) -> tuple[str, str, str] | None:
    changed = [each for each in statement.tables if "write" in each.work]
    if not changed or any(each.blocks for each in statement.tables):
        return None
    table = max(changed, key=lambda each: each.written)
    several = f", {statement.times} times" if statement.times > 1 else ""
    text = (
        f"{short(statement.sql)}{several} changes {table.written:,} of {table.rows:,} rows"
        f" of {table.name} in one transaction, and keeps them locked until it ends"
        f" ({statement.seconds:.2f} s here)"
    )
    return "unbatched-backfill", text, BATCHES.replace("{table}", table.name)


def _old_code(
    statement: Statement, rules: Sequence[str], size: int
) -> tuple[str, str, str] | None:
    """Return rule, text and cure where code of the previous release breaks.

    What touches no table that was there before breaks nobody.
    """
    found = [rule for rule in rules if rule in squawk.OLD_CODE]
    if "changing-column-type" in found and not statement.rewrite:
        # A type that holds all that the old one did leaves the table as it is.
        if not _unseen(statement, size):
            found.remove("changing-column-type")
    if not found or not statement.tables:
        return None
    text = f"{short(statement.sql)}: {squawk.OLD_CODE[found[0]]}"
    return "breaks-old-code", text, _cure_of_old_code(found)


def _cure_of_old_code(rules: Sequence[str]) -> str:
    mark = 'mark it `phase = "contract"`, so that it runs once no old code is left'
    for rule in rules:
        if rule in OLD_CODE_CURES:
            return f"{OLD_CODE_CURES[rule]}; or, where old code can go on, {mark}"
    return mark


OLD_CODE_CURES = {
    "renaming-column": "add the new column, write to both, fill the new one in batches,"
    " and drop the old one in a contract revision",
    "renaming-table": "make the new table, or a view of the new name, and drop the old"
    " one in a contract revision",
    "changing-column-type": "add a column of the new type, write to both, fill it in"
    " batches, and drop the old one in a contract revision",
    "adding-required-field": "let the column be NULL, or give it a server default",
    "adding-not-nullable-field": "have the new code fill it everywhere first",
}
BATCHES = (
    "change {table} in ranges of ids, each a transaction of its own:"
    " `with op.get_context().autocommit_block():` and a loop over"
    " `WHERE id BETWEEN low AND high`"
)
SPLIT = (
    "put the statement{line} that takes the lock into a revision of its own, so that it"
    " is held for a moment only"
)
CURES = (
    (
        r"CREATE\s+(?:UNIQUE\s+)?INDEX",
        "with op.get_context().autocommit_block(): op.create_index(…,"
        " postgresql_concurrently=True)",
    ),
    (
        r"ALTER\s+TABLE.*\bFOREIGN\s+KEY\b",
        "op.create_foreign_key(…, postgresql_not_valid=True), and in the next revision"
        " op.execute('ALTER TABLE {table} VALIDATE CONSTRAINT …')",
    ),
    (
        r"ALTER\s+TABLE.*\bADD\s+(?:CONSTRAINT\s+\S+\s+)?CHECK\b",
        "op.create_check_constraint(…, postgresql_not_valid=True), and in the next"
        " revision op.execute('ALTER TABLE {table} VALIDATE CONSTRAINT …')",
    ),
    (
        r"ALTER\s+TABLE.*\bADD\s+(?:CONSTRAINT\s+\S+\s+)?(?:UNIQUE|PRIMARY\s+KEY)\b",
        "build a unique index with postgresql_concurrently=True, then op.execute('ALTER"
        " TABLE {table} ADD CONSTRAINT … UNIQUE USING INDEX …')",
    ),
    (
        r"ALTER\s+TABLE.*\bSET\s+NOT\s+NULL\b",
        "prove it first: ADD CONSTRAINT … CHECK (… IS NOT NULL) NOT VALID; VALIDATE"
        " CONSTRAINT in the next revision; then SET NOT NULL reads nothing, and the check"
        " can go",
    ),
    (
        r"ALTER\s+TABLE.*\bTYPE\b",
        "add a column of the new type to {table}, fill it in batches, use it, and drop"
        " the old one in a contract revision",
    ),
    (
        r"ALTER\s+TABLE.*\bATTACH\s+PARTITION\b",
        "give the table a CHECK with the bounds of the partition first, NOT VALID and"
        " then validated: attaching reads nothing then",
    ),
    (
        r"ALTER\s+TABLE.*\bADD\b",
        "add the column to {table} without a default, set the default for new rows, and"
        " fill the old rows in batches",
    ),
    (r"REINDEX", "REINDEX … CONCURRENTLY, in an autocommit_block"),
    (
        r"REFRESH\s+MATERIALIZED\s+VIEW",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY, with a unique index on the view",
    ),
    (
        r"VACUUM|CLUSTER",
        "leave it out of migrations: VACUUM without FULL blocks nobody, and pg_repack"
        " writes a table anew beside traffic",
    ),
    (r"UPDATE|DELETE|WITH|INSERT", BATCHES),
)
"""What a statement looks like, and what is safe instead; the first that fits counts."""


def cure_of(statement: Statement, table: str) -> str:
    """Return what to write instead of a statement that holds a lock for long."""
    for pattern, cure in CURES:
        if re.match(rf"\s*{pattern}", statement.sql, re.IGNORECASE | re.DOTALL):
            return cure.replace("{table}", table)
    return "do the work first, in a revision of its own, and take the lock afterwards"


def _done(table: Table) -> str:
    told = {
        "rewrite": f"writes all of {table.name} anew",
        "write": f"changes {table.written:,} rows of {table.name}",
        "insert": f"writes {table.written:,} rows to {table.name}",
        "scan": f"reads all of {table.name}",
    }
    kinds = [kind for kind in told if kind in table.work]
    return told[kinds[0]]


def _lock(mode: str) -> str:
    return mode.removesuffix("Lock")


def short(sql: str) -> str:
    """Return a statement as it can stand in a sentence."""
    flat = " ".join(sql.split())
    return f"`{flat if len(flat) <= 100 else flat[:99] + '…'}`"
