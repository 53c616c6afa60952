"""Where does the next page begin?

A page is found by the key of the last row before it, not by counting rows, so rows
that come in between pages neither repeat nor hide others, and page 1,000 costs as
much as page 1. The client gets the key as a cursor, which it need not understand.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from maria.contract import Id, Moment


class ById(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The key of rows that are ordered by their ids."""

    id: Id


class ByActivity(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True
):
    """The key of conversations that are ordered by their latest activity."""

    at: Moment
    id: Id


T = TypeVar("T")
K = TypeVar("K", ById, ByActivity)


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some rows and, when more follow, the cursor of the next page."""

    items: list[T]
    next: str | None


def cut(
    rows: Iterable[T], limit: int, key: Callable[[T], ById | ByActivity]
) -> Page[T]:
    """Return the page of ``limit`` rows; one row more says that another follows."""
    items = list(rows)
    more = len(items) > limit
    return Page(items[:limit], encode(key(items[limit - 1])) if more else None)


def encode(key: ById | ByActivity) -> str:
    """Return ``key`` as a cursor.

    >>> encode(ById(7))
    'Wzdd'
    """
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def decode(cursor: str, kind: type[K]) -> K:
    """Return the key in ``cursor``, or raise ValueError if there is none.

    >>> decode("Wzdd", ById)
    ById(id=7)
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True)
        return msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, ValueError):
        raise ValueError("is not a cursor of this list") from None
