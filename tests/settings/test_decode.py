"""A table is decoded so that all that is wrong with it is said at once."""

import math
from typing import Annotated, Literal

import pytest
from msgspec import Meta, Struct

from sametree.settings import decode


class Inner(Struct, kw_only=True, rename="kebab"):
    size: Annotated[int, Meta(ge=1)]
    share: Annotated[float, Meta(ge=0, le=100)] = 0.0


class Outer(Struct, kw_only=True, rename="kebab"):
    full_name: Annotated[str, Meta(pattern="^[a-z]+$")] = "x"
    colour: Literal["red", "blue"] | None = None
    inner: Inner | None = None
    listed: tuple[Inner, ...] = ()
    words: tuple[str, ...] = ()


def found(table):
    return {problem.key: problem.text for problem in decode.problems(table, Outer)}


def test_a_right_table_has_no_problems():
    table = {
        "full-name": "ada",
        "colour": "red",
        "inner": {"size": 1, "share": 50},
        "listed": [{"size": 1}, {"size": 2}],
        "words": ["a", "b"],
    }
    assert found(table) == {}
    assert decode.convert(table, Outer).listed[1].size == 2


def test_an_empty_table_is_right_where_all_has_a_default():
    assert found({}) == {}


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("full_name", "full-name"), ("color", "colour"), ("word", "words")],
)
def test_an_unknown_key_is_named_with_the_nearest_valid_one(wrong, meant):
    assert found({wrong: "x"}) == {(wrong,): f"unknown key; did you mean '{meant}'?"}


def test_an_unknown_key_like_no_other_is_named_with_all_valid_ones():
    assert found({"zzz": 1}) == {
        ("zzz",): "unknown key; known keys: colour, full-name, inner, listed, words"
    }


def test_unknown_keys_are_found_in_inner_tables_and_lists():
    table = {"inner": {"size": 1, "sizes": 2}, "listed": [{"size": 1}, {"shares": 1}]}
    assert found(table) == {
        ("inner", "sizes"): "unknown key; did you mean 'size'?",
        ("listed", 1, "shares"): "unknown key; did you mean 'share'?",
        ("listed", 1, "size"): "is missing",
    }


@pytest.mark.parametrize(
    ("table", "key", "expected", "value"),
    [
        ({"full-name": 3}, ("full-name",), "expected a string", "3"),
        ({"full-name": "Ada"}, ("full-name",), "matching", "'Ada'"),
        ({"colour": "green"}, ("colour",), "invalid", "'green'"),
        ({"inner": 3}, ("inner",), "expected a table", "3"),
        ({"inner": {"size": 0}}, ("inner", "size"), ">= 1", "0"),
        ({"inner": {"size": 1.5}}, ("inner", "size"), "expected int", "1.5"),
        ({"inner": {"size": True}}, ("inner", "size"), "expected int", "True"),
        (
            {"inner": {"size": 1, "share": math.nan}},
            ("inner", "share"),
            ">= 0",
            "nan",
        ),
        ({"listed": {}}, ("listed",), "expected a list", "{}"),
        ({"listed": ["x"]}, ("listed", 0), "expected a table", "'x'"),
        ({"words": "one"}, ("words",), "expected a list", "'one'"),
        ({"words": ["a", 2]}, ("words", 1), "expected a string", "2"),
    ],
)
def test_a_wrong_value_is_shown_with_what_was_expected(table, key, expected, value):
    problems = found(table)
    assert list(problems) == [key]
    assert expected in problems[key]
    assert problems[key].endswith(f"(it is {value})")


def test_a_value_in_the_place_of_the_whole_table_is_a_problem_of_the_table():
    assert list(found([])) == [()]


def test_all_problems_are_found_at_once():
    table = {"full-name": 1, "colour": 2, "inner": {}, "listed": 3, "words": 4, "x": 5}
    assert len(found(table)) == 6


def test_problems_come_in_the_order_of_the_table():
    table = {f"unknown-{letter}": 1 for letter in "zyxwvutsrqponmlk"}
    assert [key for (key,) in found(table)] == list(table)


def test_a_value_is_shown_as_it_is():
    assert "'object'" in found({"colour": "object"})[("colour",)].partition("(it")[0]


@pytest.mark.parametrize(
    ("key", "written"),
    [
        ((), "tool.x"),
        (("a",), "tool.x.a"),
        (("a", 2, "b-c"), "tool.x.a[2].b-c"),
    ],
)
def test_a_key_is_shown_as_people_write_it(key, written):
    assert decode.dotted("tool.x", key) == written


TEXT = """\
[project]
name = "elsewhere"

[tool.x]  # ours
name = "here"
inline = { a = 1 }
dotted.deep = 1
"quoted" = 1
many = [
  { a = 1 },
]

[tool.x.sub]
a = 1

[[tool.x.items]]
a = 1

[[ tool.x.items ]]
a = 2
b = 3

[tool."x"."other"]
c = 4
"""


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ((), 4),
        (("name",), 5),
        (("inline",), 6),
        (("inline", "a"), 6),
        (("dotted", "deep"), 7),
        (("quoted",), 8),
        (("many", 0, "a"), 9),
        (("sub",), 13),
        (("sub", "a"), 14),
        (("items", 0), 16),
        (("items", 0, "a"), 17),
        (("items", 1), 19),
        (("items", 1, "a"), 20),
        (("items", 1, "missing"), 19),
        (("missing",), 4),
        (("other", "c"), 24),
    ],
)
def test_the_line_of_a_key_is_its_own_or_that_of_the_table_around_it(key, line):
    assert decode.line_of(TEXT, "tool.x", key) == line


def test_a_key_of_a_table_that_is_not_there_has_no_line():
    assert decode.line_of(TEXT, "tool.absent", ("name",)) is None


def test_a_table_inside_an_item_of_a_list_has_a_line_of_its_own():
    text = "[[tool.x.items]]\na = 1\n[tool.x.items.sub]\nb = 1\n"
    assert decode.line_of(text, "tool.x", ("items", 0, "sub", "b")) == 4
