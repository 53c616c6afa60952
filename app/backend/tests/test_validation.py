"""What is wrong with a request, all of it, and where?"""

from __future__ import annotations

import pytest
from msgspec import Struct

from maria.contract import NewMessage
from maria.validation import Invalid, validated


class Switch(Struct):
    on: bool


def test_what_is_right_becomes_what_it_describes() -> None:
    message = validated({"author": 1, "body": "Hello"}, NewMessage)

    assert message == NewMessage(author=1, body="Hello")


def test_a_kind_without_words_of_its_own_is_refused_in_those_of_msgspec() -> None:
    with pytest.raises(Invalid) as raised:
        validated({"on": "yes"}, Switch)

    (finding,) = raised.value.findings
    assert finding.detail == "Expected `bool`, got `str` - at `$.on`"
