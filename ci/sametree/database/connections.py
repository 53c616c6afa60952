"""How is a database connected to, and how is it told what the server refuses?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sametree.database.address import VARIABLE, Address
from sametree.errors import SurroundingsError

if TYPE_CHECKING:
    import psycopg

CONNECT_TIMEOUT = 5  # seconds


@contextmanager
def connection(where: Address) -> Iterator[psycopg.Connection]:
    """Connect to ``where`` in autocommit mode.

    Raises SurroundingsError, with what the server said, when it refuses.
    """
    import psycopg

    try:
        opened = psycopg.connect(
            where.url(), autocommit=True, connect_timeout=CONNECT_TIMEOUT
        )
    except psycopg.Error as error:
        said = str(error).strip().splitlines()
        raise SurroundingsError(
            f"cannot connect to {where}: {said[-1] if said else error}",
            f"is the server of {VARIABLE} running, and are name and password right?"
            f" Without {VARIABLE} an embedded server is used",
        ) from None
    with opened:
        try:
            yield opened
        except psycopg.Error as error:
            first = str(error).strip().partition("\n")[0]
            raise SurroundingsError(f"{where} refused: {first}") from None
