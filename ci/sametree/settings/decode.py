"""How is a table decoded so that all that is wrong with it is said at once?"""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec

T = TypeVar("T", bound=msgspec.Struct)
Path = tuple[str | int, ...]


class Problem(NamedTuple):
    """One thing that is wrong, and the key where it is: ``("components", 0, "path")``."""

    key: Path
    text: str


def problems(value: object, kind: Any, key: Path = ()) -> Iterator[Problem]:
    """Yield every way in which ``value`` is not a ``kind``, in the order of the table.

    An unknown key is named with the nearest valid one:

    >>> from sametree.settings.model import Settings
    >>> [p.text for p in problems({"report": "out"}, Settings)]
    ["unknown key; did you mean 'reports'?"]
    """
    struct = _struct_in(kind)
    if struct and isinstance(value, Mapping):
        fields = {f.encode_name: f for f in msgspec.structs.fields(struct)}
        for name in value:
            if name not in fields:
                near = nearest(name, list(fields), "keys")
                yield Problem((*key, name), f"unknown key; {near}")
        for name, field in fields.items():
            if name in value:
                yield from problems(value[name], field.type, (*key, name))
            elif field.required:
                yield Problem((*key, name), "is missing")
    elif typing.get_origin(kind) is tuple and isinstance(value, list):
        for index, item in enumerate(value):
            yield from problems(item, typing.get_args(kind)[0], (*key, index))
    elif typing.get_origin(kind) is dict and isinstance(value, Mapping):
        name_kind, item_kind = typing.get_args(kind)
        for name, item in value.items():
            yield from problems(name, name_kind, (*key, name))
            yield from problems(item, item_kind, (*key, name))
    else:
        try:
            msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            yield Problem(key, _readable(error, value))


def convert(value: object, kind: type[T]) -> T:
    """Return ``value`` as a ``kind``; call it once :func:`problems` found nothing."""
    return msgspec.convert(value, kind)


def dotted(table: str, key: Path) -> str:
    """Return a key as people write it.

    >>> dotted("tool.sametree", ("components", 0, "path"))
    'tool.sametree.components[0].path'
    """
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in key)
    return table + "".join(steps)


def line_of(text: str, table: str, key: Path) -> int | None:
    """Return the line (from 1) of TOML ``text`` on which ``key`` of ``table`` stands.

    The nearest enclosing table that has a line of its own answers for a key without
    one (an inline table, a missing key).
    """
    places: dict[str, int] = {}
    counts: dict[str, int] = {}
    header = ""
    for number, line in enumerate(text.splitlines(), 1):
        if found := re.match(r"\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(#.*)?$", line):
            header = _indexed(found[2].replace('"', ""), counts, found[1] == "[[")
            places.setdefault(header, number)
        elif found := re.match(r"\s*([\w.\"-]+)\s*=", line):
            places.setdefault(f"{header}.{found[1]}".replace('"', ""), number)
    for length in range(len(key), -1, -1):
        if line_number := places.get(dotted(table, key[:length])):
            return line_number
    return None


def nearest(name: str, known: Sequence[str], what: str) -> str:
    """Return which of the ``known`` names may be meant, in words that follow "; ".

    >>> nearest("bakend", ["backend", "page"], "components")
    "did you mean 'backend'?"
    """
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"known {what}: {', '.join(sorted(known)) or 'none'}"


def _indexed(header: str, counts: dict[str, int], item: bool) -> str:
    """Return a table's header with the indexes of the lists that it lies in.

    ``counts`` has, for each list, the index of its last item; an ``item`` adds one.
    """
    done = ""
    parts = header.split(".")
    for number, part in enumerate(parts):
        done = f"{done}.{part}" if done else part
        if item and number == len(parts) - 1:
            counts[done] = counts.get(done, -1) + 1
        if done in counts:
            done = f"{done}[{counts[done]}]"
    return done


def _struct_in(kind: Any) -> type[msgspec.Struct] | None:
    """Return the struct that ``kind`` is, also when it may be None instead."""
    union = typing.get_origin(kind) in (typing.Union, types.UnionType)
    for option in typing.get_args(kind) if union else (kind,):
        if isinstance(option, type) and issubclass(option, msgspec.Struct):
            return option
    return None


def _readable(error: msgspec.ValidationError, value: object) -> str:
    """Turn msgspec's words into ours, with the value that was met."""
    text = re.sub(r" - at `.*`$", "", str(error))
    # What stands in quotes is the value; only the words around it are msgspec's.
    parts = re.split(r"('.*')", text.replace("`", ""))
    words = {"object": "a table", "array": "a list", "str": "a string"}
    for theirs, ours in words.items():
        parts[::2] = [re.sub(rf"\b{theirs}\b", ours, part) for part in parts[::2]]
    text = "".join(parts)
    return f"{text[0].lower()}{text[1:]} (it is {value!r})"
