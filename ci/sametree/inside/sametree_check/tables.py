"""What must a row of a table be like, as the catalogue tells it?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from .asking import run
from .values import Type

Condition = tuple[str, list[str]]
"""An expression that holds for each row, and the columns that it names."""
Key = tuple[int, list[str], list[str]]
"""A foreign key: the table that it refers to, its own columns, and those of that."""

COLUMNS = """
SELECT a.attrelid::bigint, a.attname, a.atttypid::bigint, a.atttypmod,
       format_type(a.atttypid, a.atttypmod),
       a.attnotnull OR t.typtype = 'd' AND t.typnotnull, a.attidentity::text,
       a.attgenerated::text, pg_get_expr(d.adbin, d.adrelid)
  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d
       ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attrelid = {oid} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
TYPES = """
SELECT t.oid::bigint, t.typname, CASE WHEN t.typelem <> 0 AND t.typlen = -1
         AND t.typcategory = 'A' THEN 'A' ELSE t.typtype::text END,
       CASE WHEN t.typtype = 'd' THEN t.typbasetype
            WHEN t.typtype = 'r' THEN (SELECT rngsubtype FROM pg_range WHERE rngtypid = t.oid)
            WHEN t.typtype = 'm' THEN (SELECT rngtypid FROM pg_range
                                        WHERE rngmultitypid = t.oid)
            ELSE t.typelem END::bigint,
       CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE -1 END, t.typrelid::bigint
  FROM pg_type t WHERE t.oid = {oid}
"""
CHECKS = """
SELECT pg_get_expr(conbin, conrelid), (SELECT array_agg(attname::text) FROM pg_attribute
         WHERE attrelid = conrelid AND attnum = ANY (conkey))
  FROM pg_constraint WHERE conrelid = {oid} AND contype = 'c' ORDER BY conname
"""
DOMAIN_CHECKS = """
WITH RECURSIVE layers AS (
  SELECT a.attname, a.atttypid AS type FROM pg_attribute a
   WHERE a.attrelid = {oid} AND a.attnum > 0 AND NOT a.attisdropped
   UNION ALL
  SELECT l.attname, t.typbasetype FROM layers l JOIN pg_type t ON t.oid = l.type
   WHERE t.typtype = 'd'
)
SELECT pg_get_expr(k.conbin, 0), l.attname::text
  FROM layers l JOIN pg_constraint k ON k.contypid = l.type AND k.contype = 'c'
 ORDER BY l.attname, k.conname
"""
KEYS = """
SELECT k.confrelid::bigint,
       (SELECT array_agg(a.attname::text ORDER BY u.n) FROM unnest(k.conkey)
          WITH ORDINALITY u(num, n) JOIN pg_attribute a
          ON a.attrelid = k.conrelid AND a.attnum = u.num),
       (SELECT array_agg(a.attname::text ORDER BY u.n) FROM unnest(k.confkey)
          WITH ORDINALITY u(num, n) JOIN pg_attribute a
          ON a.attrelid = k.confrelid AND a.attnum = u.num)
  FROM pg_constraint k WHERE k.conrelid = {oid} AND k.contype = 'f' ORDER BY k.conname
"""
UNIQUE = """
SELECT DISTINCT a.attname::text FROM pg_index i JOIN pg_attribute a
    ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
 WHERE i.indrelid = {oid} AND i.indisunique AND i.indnkeyatts = 1
"""
TABLE = """
SELECT c.oid::regclass::text, c.relkind::text, pg_get_partition_constraintdef(c.oid),
       (SELECT array_agg(inhrelid::bigint ORDER BY inhrelid) FROM pg_inherits
         WHERE inhparent = c.oid)
  FROM pg_class c WHERE c.oid = {oid}
"""


@dataclass(frozen=True)
class Column:
    """A column to be given values."""

    name: str
    type: Type
    required: bool
    identity: str
    generated: str
    default: str | None


class Tables:
    """Reads tables, by their ids, over one connection."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._types: dict[int, tuple[Any, ...]] = {}

    def about(self, oid: int) -> tuple[str, str, str | None, list[int] | None]:
        """Return name, kind, the condition of a partition, and the partitions."""
        name, kind, bound, inner = self._many(TABLE, oid)[0]
        return name, kind, bound, inner

    def columns(self, oid: int) -> list[Column]:
        """Return the columns of a table, in their order."""
        found = []
        for row in self._many(COLUMNS, oid):
            _, name, type_, modifier, written, *rest = row
            required, identity, generated, default = rest
            kind = self._type(type_, modifier, written)
            found.append(Column(name, kind, required, identity, generated, default))
        return found

    def keys(self, oid: int) -> list[Key]:
        """Return the foreign keys of a table."""
        return [(parent, own, its) for parent, own, its in self._many(KEYS, oid)]

    def unique(self, oid: int) -> set[str]:
        """Return the columns that are unique, each by itself."""
        return {row[0] for row in self._many(UNIQUE, oid)}

    def checks(self, oid: int, bound: str | None) -> list[Condition]:
        """Return the conditions of a table: its own, its domains', its partition's."""
        found = [(text, list(names or ())) for text, names in self._many(CHECKS, oid)]
        for text, name in self._many(DOMAIN_CHECKS, oid):
            found.append((re.sub(r"\bVALUE\b", quoted(name), text), [name]))
        if bound:
            names = [row[1] for row in self._many(COLUMNS, oid)]
            found.append((bound, [n for n in names if named(n, bound)]))
        return found

    def _type(self, oid: int, modifier: int, written: str) -> Type:
        if oid not in self._types:
            self._types[oid] = tuple(self._many(TYPES, oid)[0])
        _, short, sort, base, base_modifier, relation = self._types[oid]
        parts: tuple[Type, ...] = ()
        if sort == "c":
            rows = self._many(COLUMNS, relation)
            parts = tuple(self._type(row[2], row[3], row[4]) for row in rows)
        inner = None
        if base and sort in "dArm":
            of_base = modifier if sort == "A" else base_modifier
            query = f"SELECT format_type({base}::oid, {of_base}::int4)"
            text = run(self._connection, query).scalar()
            inner = self._type(base, of_base, text)
        return Type(written, short, sort, modifier, inner, parts)

    def _many(self, query: str, oid: int) -> list[Any]:
        return list(run(self._connection, query.replace("{oid}", str(oid))))


def named(column: str, expression: str) -> bool:
    """Return whether an expression names a column, as far as its text tells."""
    return bool(re.search(rf"\b{re.escape(column)}\b", expression))


def quoted(name: str) -> str:
    """Return a name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'
