"""What is a valid value number *i* of a column, written in SQL?"""

from __future__ import annotations

import re
from dataclasses import dataclass

SIMPLE = {
    "int2": "(({i}) % 32767)::int2",
    "int4": "({i})::int4",
    "int8": "({i})::int8",
    "oid": "({i})::int8::oid",
    "float4": "({i})::float4",
    "float8": "({i})::float8",
    "money": "({i})::int8::money",
    "bool": "(({i}) % 2 = 1)",
    "date": "(DATE '2000-01-01' + (({i}) % 20000)::int4)",
    "timestamp": "(TIMESTAMP '2020-01-01' + ({i}) * INTERVAL '1 second')",
    "timestamptz": "(TIMESTAMPTZ '2020-01-01Z' + ({i}) * INTERVAL '1 second')",
    "time": "(TIME '00:00' + ({i}) * INTERVAL '1 second')",
    "timetz": "(TIMETZ '00:00Z' + ({i}) * INTERVAL '1 second')",
    "interval": "(({i}) * INTERVAL '1 second')",
    "uuid": "md5(({i})::text)::uuid",
    "json": "json_build_object('n', {i})",
    "jsonb": "jsonb_build_object('n', {i})",
    "bytea": "int8send({i})",
    "inet": "(inet '10.0.0.0' + ({i})::int8)",
    "cidr": "set_masklen(inet '10.0.0.0' + ({i})::int8, 32)::cidr",
    "macaddr": "left(md5(({i})::text), 12)::macaddr",
    "macaddr8": "left(md5(({i})::text), 16)::macaddr8",
    "point": "point({i}, {i})",
    "box": "box(point({i}, {i}), point({i} + 1, {i} + 1))",
    "circle": "circle(point({i}, {i}), 1)",
    "lseg": "lseg(point({i}, {i}), point({i} + 1, {i}))",
    "path": "('((' || {i} || ',0),(1,1))')::path",
    "polygon": "('((' || {i} || ',0),(1,1),(0,1))')::polygon",
    "line": "line(point({i}, 0), point({i} + 1, 1))",
    "tsvector": "('w' || ({i}))::tsvector",
    "tsquery": "('w' || ({i}))::tsquery",
    "xml": "xmlelement(name n, {i})",
    "pg_lsn": "('0/' || to_hex({i}))::pg_lsn",
    "hstore": "('n=>' || ({i}))::hstore",
    "ltree": "('n' || ({i}))::ltree",
}
TEXTS = ("text", "varchar", "bpchar", "citext", "name")


@dataclass(frozen=True)
class Type:
    """A type as the catalogue has it.

    ``base`` is what it is made of: a domain's base, an array's element, a range's
    subtype, a multirange's range; ``parts`` are the fields of a composite type.
    """

    name: str  # as it is written in SQL, with its modifier
    short: str  # pg_type.typname
    sort: str  # pg_type.typtype; 'A' for an array
    modifier: int = -1
    base: Type | None = None
    parts: tuple[Type, ...] = ()


def value(of: Type, i: str = "i") -> str | None:
    """Return the expression of value number ``i``, or None for an unknown type.

    Different numbers give different values where the type has as many.
    """
    made = _value(of, i)
    return made and f"({made})::{of.name}"


def _value(of: Type, i: str) -> str | None:
    base = value(of.base, i) if of.base else None
    if of.sort == "e":
        labels = f"enum_range(NULL::{of.name})"
        return f"({labels})[1 + ({i}) % cardinality({labels})]"
    if of.sort == "d":
        return base
    if of.sort == "A":
        return base and f"ARRAY[{base}]"
    if of.sort == "r":
        after = value(of.base, f"({i}) + 1") if of.base else None
        return base and after and f"{of.name}({base}, {after})"
    if of.sort == "m":
        return base and f"{of.name}({base})"
    if of.sort == "c":
        parts = [value(part, i) for part in of.parts]
        return f"ROW({', '.join(filter(None, parts))})" if all(parts) else None
    if of.short in TEXTS:
        return _text(of, i)
    if of.short == "numeric":
        return _numeric(of, i)
    if of.short in ("bit", "varbit"):
        return f"({i})::int8::bit({of.modifier if of.modifier > 0 else 64})"
    if of.short == "vector":
        rest = "1," * (max(1, of.modifier) - 1)
        return f"'[{rest}' || ({i}) || ']'"
    known = SIMPLE.get(of.short)
    return known and known.replace("{i}", i)


def _text(of: Type, i: str) -> str:
    """Return text; a short one keeps the end, where the numbers differ."""
    longest = of.modifier - 4 if of.modifier > 4 else 63 if of.short == "name" else 0
    if not longest:
        return f"'value ' || ({i})"
    if longest < 5:
        # As many different ones as a few characters give.
        return f"right(upper(to_hex({i} + {16 ** (longest - 1)})), {longest})"
    return f"right('value ' || ({i}), {longest})"


def _numeric(of: Type, i: str) -> str:
    if of.modifier < 4:
        return i
    digits = (of.modifier - 4) >> 16 & 0xFFFF
    scale = (of.modifier - 4) & 0x7FF
    if scale >= 1024:  # a negative one, since PostgreSQL 15
        scale -= 2048
    whole = max(0, digits - max(0, scale))
    if whole:
        return f"(({i}) % {10 ** min(whole, 18)})"
    return f"(({i}) % {10 ** min(digits, 18)}) / {10 ** scale}.0"


LITERAL = re.compile(
    r"(?P<like>~~\*?\s*)?'(?P<text>(?:[^']|'')*)'|(?<![\w.'])(?P<number>-?\d+(?:\.\d+)?)\b"
)


def candidates(condition: str) -> list[str]:
    """Return literals, as SQL, that a condition on one column names: values that it may
    hold for, and their neighbours.

    >>> candidates("(state = ANY (ARRAY['new'::text, 'old'::text]))")
    ["'new'", "'old'"]
    >>> candidates("(mail ~~ '_%@_%'::text)")
    ["'x' || i || '@x' || i || ''"]
    >>> candidates("(n > 5)")
    ['5', '6', '4']
    """
    found = []
    for literal in LITERAL.finditer(condition):
        if literal["like"]:
            text = literal["text"].replace("_%", "%").replace("_", "x")
            found.append("'" + text.replace("%", "x' || i || '") + "'")
        elif literal["number"] is not None:
            number = literal["number"]
            found.append(number)
            if "." not in number:
                found += [str(int(number) + 1), str(int(number) - 1)]
        else:
            found.append(f"'{literal['text']}'")
    return list(dict.fromkeys(found))
