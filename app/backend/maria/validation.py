"""What is wrong with a request, all of it, and where?"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import TypeVar

import msgspec
from msgspec import Struct, inspect

S = TypeVar("S", bound=Struct)


class Finding(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is wrong: a JSON pointer into the body or a query parameter."""

    pointer: str | None = None
    parameter: str | None = None
    detail: str


class Invalid(Exception):
    """The request was understood, but what it says cannot be done."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__(*findings)
        self.findings = findings


def refuse(findings: list[Finding]) -> None:
    """Raise :class:`Invalid` if anything was found."""
    if findings:
        raise Invalid(findings)


def validated(value: object, kind: type[S]) -> S:
    """Return a decoded body as a ``kind``, or raise all that is wrong with it."""
    refuse(list(_findings(value, _described(kind), "")))
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        # Of a kind for which there are no words below: msgspec has its own.
        raise Invalid([Finding(pointer="", detail=str(error))]) from None


_described = functools.cache(inspect.type_info)


def _findings(value: object, kind: inspect.Type, pointer: str) -> Iterator[Finding]:
    """Yield what is wrong with ``value``, in the order in which ``kind`` names it."""
    if problem := _problem(value, kind):
        yield Finding(pointer=pointer, detail=problem)
    elif isinstance(kind, inspect.StructType) and isinstance(value, dict):
        yield from _findings_in_object(value, kind, pointer)
    elif isinstance(kind, inspect.VarTupleType) and isinstance(value, list):
        yield from _findings_in_list(value, kind, pointer)


def _findings_in_object(
    value: dict[str, object], kind: inspect.StructType, pointer: str
) -> Iterator[Finding]:
    fields = {field.encode_name: field.type for field in kind.fields}
    for name, field in fields.items():
        if name in value:
            yield from _findings(value[name], field, f"{pointer}/{name}")
        else:
            yield Finding(pointer=f"{pointer}/{name}", detail="is required")
    for name in value:
        if name not in fields:
            step = name.replace("~", "~0").replace("/", "~1")
            yield Finding(pointer=f"{pointer}/{step}", detail="is not known here")


def _findings_in_list(
    value: list[object], kind: inspect.VarTupleType, pointer: str
) -> Iterator[Finding]:
    seen: set[object] = set()
    for index, item in enumerate(value):
        found = list(_findings(item, kind.item_type, f"{pointer}/{index}"))
        if not found and item in seen:
            yield Finding(pointer=f"{pointer}/{index}", detail="is given twice")
        elif not found:
            seen.add(item)
        yield from found


def _problem(value: object, kind: inspect.Type) -> str | None:
    """Return what is wrong with ``value`` itself, whatever it holds inside."""
    match kind:
        case inspect.StructType():
            if not isinstance(value, dict):
                return "must be an object"
        case inspect.VarTupleType(min_length=least):
            if not isinstance(value, list) or len(value) < (least or 0):
                return f"must be a list of at least {least}"
        case inspect.IntType(ge=least, le=most):
            if type(value) is not int or not (least or 0) <= value <= (most or 0):
                return f"must be a whole number from {least} to {most}"
        case inspect.StrType(min_length=least, max_length=most, pattern=pattern):
            if not isinstance(value, str):
                return "must be a string"
            if not (least or 0) <= len(value) <= (most or 0):
                return f"must have {least} to {most} characters"
            if "\0" in value:
                return "must not hold the character NUL"
            if pattern and not re.search(pattern, value):
                return f"must match {pattern}"
        case inspect.Metadata(type=inner, extra={"must": sentence}):
            if _problem(value, inner):
                return f"must {sentence}"
    return None
