"""What kind of statement is it, as its text tells?"""

from __future__ import annotations

import re

ALONE = re.compile(
    r"\s*(?:(?P<concurrently>(?:CREATE\s+(?:UNIQUE\s+)?INDEX|DROP\s+INDEX|REINDEX\b.*?|"
    r"ALTER\s+TABLE\b.*?\bDETACH\b.*?)\s+CONCURRENTLY\b)"
    r"|(?P<rewrite>VACUUM\b.*?\bFULL\b|CLUSTER\b)|(?P<vacuum>VACUUM\b)"
    r"|(?P<opaque>(?:DO|CALL)\b.*?\b(?:COMMIT|ROLLBACK)\b|CALL\b)"
    r"|(?P<other>REINDEX\s+(?:\(.*?\)\s*)?(?:SCHEMA|DATABASE|SYSTEM)\b"
    r"|(?:CREATE|DROP)\s+(?:DATABASE|TABLESPACE|SUBSCRIPTION)\b|ALTER\s+SYSTEM\b"
    r"|BEGIN\b|START\b|COMMIT\b|END\b|ROLLBACK\b|ABORT\b))",
    re.IGNORECASE | re.DOTALL,
)
"""Statements that have to be transactions of their own, or are none at all.
(The locks of the first kinds are those that PostgreSQL's manual names.)"""
NAME = r'((?:"[^"]+"|[\w$]+)(?:\.(?:"[^"]+"|[\w$]+))?)'
TARGETS = (
    re.compile(rf"\bINDEX\b.*?\bON\s+(?:ONLY\s+)?{NAME}", re.IGNORECASE | re.DOTALL),
    re.compile(rf"\bTABLE\s+(?:CONCURRENTLY\s+)?(?:IF\s+EXISTS\s+)?{NAME}", re.I),
    re.compile(rf"\bINDEX\s+(?:CONCURRENTLY\s+)?(?:IF\s+EXISTS\s+)?{NAME}", re.I),
    re.compile(rf"^\s*(?:VACUUM|CLUSTER)\s+(?:\(.*?\)\s*)?(?:FULL\s+)?{NAME}", re.I),
)
OUTSIDE = re.compile(r"\s*(SAVEPOINT|RELEASE|ROLLBACK TO)\b", re.IGNORECASE)


def targets(sql: str, tables: set[str]) -> set[str]:
    """Return the table that a statement names, where it is one of ``tables``."""
    for pattern in TARGETS:
        if found := pattern.search(sql):
            name = found[1].replace('"', "").removeprefix("public.")
            if name in tables:
                return {name}
    return set()


def shape(sql: str) -> str:
    """Return a statement without its constants.

    >>> shape("DELETE FROM t1 WHERE id < 10 AND name = 'x'")
    'DELETE FROM t1 WHERE id < ? AND name = ?'
    """
    return re.sub(r"'[^']*'|\b\d+\b", "?", sql)
