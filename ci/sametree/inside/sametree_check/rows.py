"""How does a table get rows that its schema allows, many and fast?

They are made in SQL out of ``generate_series``, the same on every machine. Rules that
only the application knows are unknown here: a table that cannot be filled is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from . import values
from .asking import run
from .catalogue import Snapshot
from .tables import Column, Condition, Key, Tables, named, quoted

NUMBERS = ("int2", "int4", "int8", "numeric", "float4", "float8")
ROUNDS = 4
"""How often a table is tried to be filled, each time with other values."""
REFERRED = 1_000
"""How many rows a table gets that is only referred to."""
MOST_TRIED = 20
"""So many rows are made for one that is wanted, where a condition refuses some."""


@dataclass
class Wanted:
    """What holds besides what the catalogue says now, by table: conditions, and columns
    that are not NULL. A later revision has them."""

    checks: dict[int, list[Condition]] = field(default_factory=dict)
    required: dict[int, set[str]] = field(default_factory=dict)


def wanted(after: Snapshot, tables: dict[str, int]) -> Wanted:
    """Return what a later state asks of rows: its conditions and its NOT NULLs."""
    found = Wanted()
    for (kind, name, parent), told in after.items():
        if parent not in tables:
            continue
        oid, short = tables[parent], name[len(parent) + 1 :]
        definition = told.get("definition", "")
        if kind == "column" and told.get("nullability") == "NOT NULL":
            found.required.setdefault(oid, set()).add(short)
        elif kind == "constraint" and definition.startswith("CHECK "):
            text = definition.removeprefix("CHECK ").removesuffix(" NOT VALID")
            text = text.removesuffix(" NO INHERIT")
            columns = [
                n[len(p) + 1 :] for k, n, p in after if (k, p) == ("column", parent)
            ]
            used = [n for n in columns if named(n, text)]
            found.checks.setdefault(oid, []).append((text, used))
    return found


class Filler:
    """Fills tables of one database up to ``size`` rows, over an autocommit connection.

    ``rows`` is how many each table has then, ``notes`` which could not be filled.
    """

    def __init__(
        self, connection: Any, size: int, wanted: Wanted | None = None
    ) -> None:
        self.connection = connection
        self.size = size
        self.wanted = wanted or Wanted()
        self.rows: dict[int, int] = {}
        self.notes: list[str] = []
        self._asked: set[int] = set()
        self._under_way: set[int] = set()
        self._tables = Tables(connection)

    def fill(self, tables: Iterable[int]) -> None:
        """Fill ``tables``; those that they refer to get a few rows, to be referred to."""
        self._asked = set(tables)
        for oid in sorted(self._asked):
            self._fill(oid)
        if self.rows:
            names = [self._tables.about(oid)[0] for oid in sorted(self.rows)]
            self._run(f"ANALYZE {', '.join(names)}")

    def _fill(self, oid: int, share: int = 1) -> int:
        """Fill one table to its share of the rows; return how many it has."""
        if oid in self.rows or oid in self._under_way:
            return self.rows.get(oid, 0)
        name, kind, bound, inner = self._tables.about(oid)
        if kind not in "rp":
            return 0
        self._under_way.add(oid)
        size = self.size if oid in self._asked else min(self.size, REFERRED)
        if kind == "p":
            parts = inner or []
            if oid in self._asked:
                self._asked |= set(parts)
            self.rows[oid] = sum(self._fill(each, len(parts)) for each in parts)
        else:
            self.rows[oid] = self._one_table(oid, name, bound, max(1, size // share))
        self._under_way.discard(oid)
        return self.rows[oid]

    def _one_table(self, oid: int, name: str, bound: str | None, size: int) -> int:
        columns = self._tables.columns(oid)
        keys = self._tables.keys(oid)
        unique = self._tables.unique(oid)
        for parent, own, _ in keys:
            if unique & set(own):
                self._asked.add(parent)  # each row wants one of its own
            self._fill(parent)
        count = int(self._scalar(f"SELECT count(*) FROM {name}"))
        checks = self._tables.checks(oid, bound) + self.wanted.checks.get(oid, [])
        literals = {c.name: self._allowed(c, checks) for c in columns}
        refused = ""
        for turn in range(ROUNDS):
            if count >= size:
                break
            made = Rows(name, columns, keys, checks, unique, literals)
            made.required = self.wanted.required.get(oid, set())
            sources = {
                key: self._scalar(f"SELECT {key}::oid::regclass::text")
                for key, _, _ in keys
            }
            counts = {key: self.rows.get(key, 0) for key in sources}
            counts[oid] = count  # a table that refers to itself
            sql = made.insert(turn, size - count, size * turn, sources, counts)
            if sql is None:
                refused = refused or made.problem
                continue
            try:
                self._run(sql)
            except Exception as error:  # whatever the server refuses is told
                self._run("ROLLBACK")
                cause = getattr(error, "orig", None) or error
                refused = str(cause).strip().partition("\n")[0]
                continue
            count = int(self._scalar(f"SELECT count(*) FROM {name}"))
        if count < size:
            why = f": {refused}" if refused else ", for its conditions"
            self.notes.append(f"{name} could only be given {count:,} rows{why}")
        return count

    def _allowed(self, column: Column, checks: list[Condition]) -> list[str]:
        """Return values that satisfy the conditions on this column alone, if any."""
        alone = [text for text, used in checks if used == [column.name]]
        if not alone:
            return []
        tried = [each for text in alone for each in values.candidates(text)]
        plain = values.value(column.type)
        holds = " AND ".join(f"(({text}) IS NOT FALSE)" for text in alone)
        found = []
        for each in [*tried, plain] if plain else tried:
            made = f"(SELECT ({each})::{column.type.name} FROM (SELECT 7::int8 AS i) s)"
            try:
                told = f"SELECT {holds} FROM (SELECT {made} AS {quoted(column.name)}) t"
                if self._scalar(told):
                    found.append(each)
            except Exception:  # it is none of the column's type
                self._run("ROLLBACK")
        return found

    def _scalar(self, sql: str) -> Any:
        return run(self.connection, sql).scalar()

    def _run(self, sql: str) -> None:
        run(self.connection, sql)


@dataclass
class Rows:
    """How the rows of one table are written."""

    table: str
    columns: list[Column]
    keys: list[Key]
    checks: list[Condition]
    unique: set[str]
    literals: dict[str, list[str]]
    required: set[str] = field(default_factory=set)
    problem: str = ""

    def insert(
        self,
        turn: int,
        count: int,
        offset: int,
        sources: dict[int, str],
        counts: dict[int, int],
    ) -> str | None:
        """Return the statement that inserts up to ``count`` rows, or None where a column
        cannot be given a value.

        The first ``turn`` mixes: half of what may be NULL is, and what has a default
        has that. The second is as sparse as an application's first row, the third is
        full; the fourth takes what conditions name literally, whatever it is.
        """
        chosen = [each for each in self.columns if not each.generated]
        chosen = [each for each in chosen if each.identity != "a"]
        named = [c for c in chosen if not _is_serial(c)]
        told: dict[str, str] = {}
        joins = list(self._joins(turn, sources, counts, told))
        for column in named:
            if column.name in told:
                continue
            made = self._value(column, turn)
            if made is None:
                self.problem = f"no value is known for {column.name} {column.type.name}"
                return None
            told[column.name] = made
        if not told:
            return self._bare(chosen, count)
        names = ", ".join(quoted(name) for name in told)
        listed = ", ".join(f"{told[name]} AS {quoted(name)}" for name in told)
        holds = [
            text for text, used in self.checks if used and set(used) <= told.keys()
        ]
        where = " AND ".join(f"(({text}) IS NOT FALSE)" for text in holds) or "true"
        many = count * (MOST_TRIED if holds else 1)
        series = f"generate_series({offset + 1}::int8, {offset + many}) AS g(i)"
        made_rows = f"SELECT {listed} FROM {series}{''.join(joins)}"
        return (
            f"INSERT INTO {self.table} ({names}) SELECT {names} FROM ({made_rows}) made"
            f" WHERE {where} LIMIT {count} ON CONFLICT DO NOTHING"
        )

    def _bare(self, chosen: list[Column], count: int) -> str:
        """Return the statement for a table that numbers its rows, and holds no more."""
        series = f"generate_series(1, {count}) AS g(i)"
        always = [each for each in self.columns if each.identity == "a"]
        if not (both := chosen + always):
            return f"INSERT INTO {self.table} SELECT FROM {series}"
        name, told = quoted(both[0].name), both[0].default or "i"
        return (
            f"INSERT INTO {self.table} ({name}) OVERRIDING SYSTEM VALUE"
            f" SELECT {told} FROM {series} ON CONFLICT DO NOTHING"
        )

    def _joins(
        self,
        turn: int,
        sources: dict[int, str],
        counts: dict[int, int],
        told: dict[str, str],
    ) -> Iterator[str]:
        """Yield a join for each foreign key, and put its columns into ``told``.

        Row i refers to row i of the one table, to row i + i / rows of the next: so
        pairs of them are different as long as there are any.
        """
        types = {each.name: each.type.name for each in self.columns}
        for number, (parent, own, its) in enumerate(self.keys):
            if set(own) & told.keys():
                continue  # two keys share a column: the first one has it
            rows, alias = counts[parent], f"p{number}"
            if not rows:
                # In a circle of tables; row i refers to row i where it has to.
                free = [name for name in own if self._may_be_null(name)]
                told |= {name: f"NULL::{types[name]}" for name in free}
                continue
            place = f"((i - 1) + (i - 1) / {rows} * {number}) % {rows}"
            if any(self._may_be_null(name) for name in own) and turn < 2:
                place = f"CASE WHEN i % 2 = 0 THEN {place} END" if turn == 0 else "NULL"
            keys = ", ".join(quoted(name) for name in its)
            yield (
                f" LEFT JOIN (SELECT {keys}, row_number() OVER (ORDER BY {keys}) - 1"
                f" AS sametree_n FROM {sources[parent]}) {alias}"
                f" ON {alias}.sametree_n = {place}"
            )
            for name, other in zip(own, its, strict=True):
                told[name] = f"{alias}.{quoted(other)}"

    def _value(self, column: Column, turn: int) -> str | None:
        distinct = column.name in self.unique
        free = column.default is None and self._may_be_null(column.name)
        plain = values.value(column.type)
        literals = self.literals.get(column.name, [])
        if distinct and literals:
            literals = [each for each in self.literals[column.name] if "|| i" in each]
        if turn == 3:
            literals = self._named(column) or literals
        if column.default is not None and turn < 2 and not distinct:
            return f"({column.default})::{column.type.name}"
        if free and (turn == 1 or plain is None and not literals):
            return f"NULL::{column.type.name}"
        if literals:
            cases = " ".join(f"WHEN {n} THEN {each}" for n, each in enumerate(literals))
            plain = f"(CASE i % {len(literals)} {cases} END)::{column.type.name}"
        if plain is None:
            return column.default and f"({column.default})"
        return f"CASE WHEN i % 2 = 0 THEN {plain} END" if free and turn == 0 else plain

    def _named(self, column: Column) -> list[str]:
        """Return what conditions on this column and others name, where it may fit."""
        found = []
        for text, used in self.checks:
            if column.name in used and len(used) > 1:
                found += values.candidates(text)
        words = column.type.short in values.TEXTS or column.type.sort == "e"
        numbers = column.type.short in NUMBERS
        return [e for e in found if (words or numbers) and e.startswith("'") == words]

    def _may_be_null(self, name: str) -> bool:
        column = next(each for each in self.columns if each.name == name)
        return not column.required and name not in self.required


def _is_serial(column: Column) -> bool:
    return (column.default or "").startswith("nextval(") or bool(column.identity)
