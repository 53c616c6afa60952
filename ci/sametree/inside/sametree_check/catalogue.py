"""Are two states of a database's schema the same, as PostgreSQL's catalogue tells them?

Names, types and definitions are compared as the server itself gives them back, so it
does not matter in which words they were written. What an extension brought along, and
Alembic's own table, are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .asking import run

Key = tuple[str, str, str]
"""Kind, name, and the table that it belongs to (empty when it is none's)."""
Snapshot = dict[Key, dict[str, str]]
"""What there is, and its attributes."""

OURS = "n.nspname <> 'information_schema' AND NOT starts_with(n.nspname, 'pg_')"


def _own(catalogue: str, oid: str) -> str:
    """Return the condition that an object is not a part of an extension."""
    return f"""NOT EXISTS (SELECT FROM pg_depend e WHERE e.deptype = 'e'
        AND e.classid = '{catalogue}'::regclass AND e.objid = {oid})"""


def _sorted(expression: str) -> str:
    """Return the items of an access list in an order of their own."""
    return f"(SELECT string_agg(a::text, ', ' ORDER BY a::text) FROM unnest({expression}) a)"


def _name(schema: str, name: str) -> str:
    return f"CASE WHEN {schema} = 'public' THEN '' ELSE {schema} || '.' END || {name}"


TABLE = _name("n.nspname", "c.relname")
HERE = f"""{OURS} AND NOT starts_with(c.relname, 'alembic_version')
        AND {_own('pg_class', 'c.oid')}"""
KIND = """CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
  WHEN 'f' THEN 'foreign table' WHEN 'c' THEN 'type' ELSE 'table' END"""
ATTRIBUTES = "('r', 'p', 'v', 'm', 'f', 'c')"
"""Kinds of relations that have columns."""

QUERIES = (
    # schemas
    f"""SELECT 'schema', n.nspname, '', ARRAY[
         'owner', pg_get_userbyid(n.nspowner),
         'privileges', {_sorted("coalesce(n.nspacl, acldefault('n', n.nspowner))")},
         'comment', obj_description(n.oid, 'pg_namespace')]
       FROM pg_namespace n WHERE {OURS} AND {_own('pg_namespace', 'n.oid')}""",
    """SELECT 'extension', x.extname, '', ARRAY['version', x.extversion]
       FROM pg_extension x""",
    # tables, views, composite types
    f"""SELECT {KIND}, {TABLE}, '', ARRAY[
         'owner', pg_get_userbyid(c.relowner),
         'persistence', c.relpersistence::text, 'options', c.reloptions::text,
         'tablespace', nullif(c.reltablespace, 0)::text,
         'access method', (SELECT amname FROM pg_am WHERE oid = c.relam),
         'row security', c.relrowsecurity::text,
         'forced row security', c.relforcerowsecurity::text,
         'replica identity', c.relreplident::text,
         'partition key', pg_get_partkeydef(c.oid),
         'partition bound', pg_get_expr(c.relpartbound, c.oid),
         'parents', (SELECT string_agg(inhparent::regclass::text, ', ' ORDER BY inhseqno)
                       FROM pg_inherits WHERE inhrelid = c.oid),
         'privileges', {_sorted("coalesce(c.relacl, acldefault('r', c.relowner))")},
         'comment', obj_description(c.oid, 'pg_class'),
         'definition', CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END]
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN {ATTRIBUTES} AND {HERE}""",
    f"""SELECT 'column', {TABLE} || '.' || a.attname, {TABLE}, ARRAY[
         'type', format_type(a.atttypid, a.atttypmod),
         'nullability', CASE WHEN a.attnotnull THEN 'NOT NULL' ELSE 'nullable' END,
         'default', CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END,
         'generated', CASE a.attgenerated WHEN '' THEN NULL ELSE
            CASE a.attgenerated WHEN 's' THEN 'stored ' ELSE 'virtual ' END
            || pg_get_expr(d.adbin, d.adrelid) END,
         'identity', CASE a.attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'by default'
            END,
         'collation', (SELECT l.collname FROM pg_collation l WHERE l.oid = a.attcollation),
         'storage', a.attstorage::text, 'compression', nullif(a.attcompression::text, ''),
         'statistics', nullif(a.attstattarget, -1)::text, 'options', a.attoptions::text,
         'privileges', {_sorted("a.attacl")},
         'comment', col_description(a.attrelid, a.attnum),
         'position', row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum)::text]
       FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
       JOIN pg_namespace n ON n.oid = c.relnamespace
       LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
      WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN {ATTRIBUTES}
        AND {HERE}""",
    # A NOT NULL has a name of its own since PostgreSQL 18; what counts is the column's.
    f"""SELECT 'constraint', {TABLE} || '.' || k.conname, {TABLE}, ARRAY[
         'definition', regexp_replace(pg_get_constraintdef(k.oid), ' NOT VALID$', ''),
         'state', CASE WHEN k.convalidated THEN 'validated' ELSE 'not validated' END,
         'comment', obj_description(k.oid, 'pg_constraint')]
       FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
       JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE (k.contype NOT IN ('t', 'n') OR k.contype = 'n' AND NOT k.convalidated)
        AND {HERE}""",
    f"""SELECT 'index', {_name('n.nspname', 'x.relname')}, {TABLE}, ARRAY[
         'definition', pg_get_indexdef(i.indexrelid),
         'state', CASE WHEN i.indisvalid THEN 'valid' ELSE 'not valid' END,
         'clustered', nullif(i.indisclustered, false)::text,
         'replica identity', nullif(i.indisreplident, false)::text,
         'comment', obj_description(i.indexrelid, 'pg_class')]
       FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
       JOIN pg_class x ON x.oid = i.indexrelid
       JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE {HERE}""",
    f"""SELECT 'sequence', {TABLE}, coalesce((
           SELECT refobjid::regclass::text FROM pg_depend
            WHERE objid = c.oid AND classid = 'pg_class'::regclass
              AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i')), ''), ARRAY[
         'type', format_type(s.seqtypid, NULL),
         'options', concat_ws(' ', s.seqstart, s.seqincrement, s.seqmin, s.seqmax,
                              s.seqcache, s.seqcycle),
         'owner', pg_get_userbyid(c.relowner),
         'privileges', {_sorted("coalesce(c.relacl, acldefault('s', c.relowner))")},
         'comment', obj_description(c.oid, 'pg_class'),
         'owned by', (SELECT refobjid::regclass || '.' || attname FROM pg_depend
            JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
            WHERE objid = c.oid AND classid = 'pg_class'::regclass
              AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i'))]
       FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid
       JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE {OURS} AND {_own('pg_class', 'c.oid')}""",
    f"""SELECT 'function', {_name('n.nspname', 'p.proname')}
           || '(' || pg_get_function_identity_arguments(p.oid) || ')', '', ARRAY[
         'definition', CASE WHEN p.prokind = 'a' THEN 'aggregate'
                            ELSE pg_get_functiondef(p.oid) END,
         'owner', pg_get_userbyid(p.proowner),
         'privileges', {_sorted("coalesce(p.proacl, acldefault('f', p.proowner))")},
         'comment', obj_description(p.oid, 'pg_proc')]
       FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
      WHERE {OURS} AND {_own('pg_proc', 'p.oid')}
        AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass
                        AND objid = p.oid AND deptype = 'i')""",
    f"""SELECT 'trigger', {TABLE} || '.' || t.tgname, {TABLE}, ARRAY[
         'definition', pg_get_triggerdef(t.oid), 'enabled', t.tgenabled::text,
         'comment', obj_description(t.oid, 'pg_trigger')]
       FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
       JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE NOT t.tgisinternal AND {OURS}""",
    f"""SELECT 'rule', {TABLE} || '.' || r.rulename, {TABLE}, ARRAY[
         'definition', pg_get_ruledef(r.oid), 'enabled', r.ev_enabled::text]
       FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
       JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE r.rulename <> '_RETURN' AND {OURS}""",
    f"""SELECT 'policy', {TABLE} || '.' || p.polname, {TABLE}, ARRAY[
         'command', p.polcmd::text, 'permissive', p.polpermissive::text,
         'roles', (SELECT string_agg(coalesce(nullif(r::regrole::text, '-'), 'public'),
                     ', ' ORDER BY r::regrole::text) FROM unnest(p.polroles) r),
         'using', pg_get_expr(p.polqual, p.polrelid),
         'check', pg_get_expr(p.polwithcheck, p.polrelid)]
       FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
       JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {OURS}""",
    f"""SELECT 'statistics', {_name('n.nspname', 's.stxname')}, '', ARRAY[
         'definition', pg_get_statisticsobjdef(s.oid)]
       FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace
      WHERE {OURS}""",
    # enums, domains, ranges; composite types are among the tables
    f"""SELECT 'type', {_name('n.nspname', 't.typname')}, '', ARRAY[
         'labels', (SELECT string_agg(enumlabel, ', ' ORDER BY enumsortorder)
                      FROM pg_enum WHERE enumtypid = t.oid),
         'base', CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) END,
         'nullability', CASE WHEN t.typtype <> 'd' THEN NULL
             WHEN t.typnotnull THEN 'NOT NULL' ELSE 'nullable' END,
         'default', t.typdefault,
         'constraints', (SELECT string_agg(conname || ' ' || pg_get_constraintdef(oid),
                           ', ' ORDER BY conname)
                           FROM pg_constraint WHERE contypid = t.oid AND contype = 'c'),
         'range of', (SELECT format_type(rngsubtype, NULL)
                        FROM pg_range WHERE rngtypid = t.oid),
         'owner', pg_get_userbyid(t.typowner),
         'comment', obj_description(t.oid, 'pg_type')]
       FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
      WHERE t.typtype IN ('e', 'd', 'r') AND {OURS} AND {_own('pg_type', 't.oid')}""",
)


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it was: what it is, and what became of it."""

    kind: str
    name: str
    change: str  # "added", "removed", or the name of the attribute that changed
    before: str = ""
    after: str = ""


def snapshot(connection: Any) -> Snapshot:
    """Return what the catalogue tells of the schema, over an SQLAlchemy connection."""
    found: Snapshot = {}
    for query in QUERIES:
        for kind, name, parent, told in run(connection, query):
            pairs = zip(told[::2], told[1::2], strict=True)
            attributes = {label: value for label, value in pairs if value is not None}
            found[(kind, name, parent)] = attributes
    return found


def differences(before: Snapshot, after: Snapshot) -> list[Difference]:
    """Return what is different ``after``; what belongs to a table that is not there any
    more, or is new, is told by that table alone. An order of columns does not count.
    """
    gone, new = before.keys() - after.keys(), after.keys() - before.keys()
    found = [
        Difference(kind, name, change)
        for keys, change in ((gone, "removed"), (new, "added"))
        for kind, name, parent in sorted(_alone(keys))
    ]
    for key in sorted(before.keys() & after.keys()):
        was, now = before[key], after[key]
        found += [
            Difference(key[0], key[1], name, was.get(name, ""), now.get(name, ""))
            for name in sorted(was.keys() | now.keys())
            if was.get(name) != now.get(name) and name != "position"
        ]
    return found


def reordered(before: Snapshot, after: Snapshot) -> list[str]:
    """Return the tables that have the same columns in another order."""
    found = set()
    for key in before.keys() & after.keys():
        if before[key].get("position") != after[key].get("position"):
            found.add(key[2])
    columns = [_columns(each) for each in (before, after)]
    return sorted(t for t in found if columns[0].get(t) == columns[1].get(t))


def _columns(state: Snapshot) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for kind, name, parent in state:
        if kind == "column":
            found.setdefault(parent, set()).add(name)
    return found


def _alone(keys: set[Key]) -> set[Key]:
    """Return ``keys`` without what goes with something else among them."""
    whole = {name for kind, name, parent in keys if not parent}
    constraints = {
        name.rpartition(".")[2] for kind, name, _ in keys if kind == "constraint"
    }
    return {
        (kind, name, parent)
        for kind, name, parent in keys
        if parent not in whole
        # The index of a constraint has its name.
        and not (kind == "index" and name.rpartition(".")[2] in constraints)
    }
