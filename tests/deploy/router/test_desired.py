from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sametree.deploy.router.desired import WHOLE, Desired, Endpoint
from sametree.errors import UsageError

END = Endpoint("127.0.0.1", 8001)
DESIRED = Desired(
    listen=Endpoint("127.0.0.1", 8000),
    pools={"blue": (END,), "green": ()},
    weights={"blue": WHOLE},
)


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"weights": {"blue": 9_000}}, "the shares make 9000, not 10000"),
        ({"weights": {"blue": 10_001, "green": -1}}, "'green' is below zero: -1"),
        ({"weights": {"red": WHOLE}}, "no pool 'red'"),
        ({"weights": {"green": WHOLE}}, "'green' has a share, but no replica"),
        ({"listen": Endpoint("localhost", 80)}, "'localhost' is no IP address"),
        ({"pages": Endpoint("pages.example", 80)}, "'pages.example' is no IP address"),
        ({"listen": Endpoint("127.0.0.1", 70_000)}, "65535"),
        ({"timeout": 0.0}, "timeout"),
        ({"prefixes": ("api",)}, "prefixes"),
        ({"prefixes": ("/api?x",)}, "prefixes"),
        ({"preview_header": "X Preview"}, "preview_header"),
        ({"pools": {"Blue|.*": (END,)}, "weights": {}}, "pools"),
    ],
)
def test_what_could_lose_requests_is_refused(
    fields: dict[str, Any], message: str
) -> None:
    broken = msgspec.structs.replace(DESIRED, **fields)
    with pytest.raises(UsageError) as error:
        broken.checked()
    assert message in str(error.value)


def test_shares_are_the_weights_above_zero() -> None:
    assert DESIRED.shares == {"blue": WHOLE}
    assert DESIRED.shifted({"green": 0, "blue": WHOLE}).shares == {"blue": WHOLE}


def test_before_the_first_release_there_are_no_shares() -> None:
    empty = msgspec.structs.replace(DESIRED, pools={}, weights={})
    assert empty.checked().shares == {}
