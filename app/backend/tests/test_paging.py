"""Where does the next page begin?"""

from __future__ import annotations

import doctest

import msgspec
import pytest
from flask.testing import FlaskClient

from maria import paging


def test_the_examples_are_true() -> None:
    assert doctest.testmod(paging).failed == 0


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-14:00"]
)
def test_a_cursor_may_lie_beyond_all_rows(client: FlaskClient, moment: str) -> None:
    key = msgspec.json.decode(f'["{moment}", 1]', type=paging.ByActivity)

    response = client.get(f"/api/conversations?cursor={paging.encode(key)}")

    assert response.status_code == 200
