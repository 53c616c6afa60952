"""The value of a declared variable: what it may be, and what a step gets."""

import pytest

from sametree.surroundings import values
from sametree.surroundings.values import Malformed


@pytest.mark.parametrize(
    ("kind", "text", "given"),
    [
        ("str", " as it is ", " as it is "),
        ("str", "", ""),
        ("secret", "hunter22 ", "hunter22 "),
        ("int", "8080", "8080"),
        ("int", " -007 ", "-7"),
        ("int", "+5", "5"),
        *(("bool", text, "true") for text in ("true", "TRUE", "1", "yes", " On ")),
        *(("bool", text, "false") for text in ("false", "False", "0", "no", "OFF")),
        ("url", "https://example.org", "https://example.org"),
        ("url", "redis://:pw@cache:6379/0", "redis://:pw@cache:6379/0"),
        ("url", "http://[::1]:8000/a?b#c", "http://[::1]:8000/a?b#c"),
    ],
)
def test_whoever_writes_the_same_gives_steps_the_same(kind, text, given):
    assert values.normalised(kind, text) == given


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *(
            ("int", text)
            for text in ("", "1.5", "1_000", "٣", "0x10", "1 2", "9" * 5000)
        ),
        *(("bool", text) for text in ("", "2", "y", "truely", "none")),
        *(("url", text) for text in ("", "example.org", "localhost:80", "http://")),
        *(("url", text) for text in ("/path", "http://a b", "http://a\nb", "://host")),
        *(
            ("url", text)
            for text in ("http://[::1", "http://host:port", "http://h:99999")
        ),
        *((kind, "a\0b") for kind in values.EXPECTED),
    ],
)
def test_anything_else_is_malformed(kind, text):
    with pytest.raises(Malformed):
        values.normalised(kind, text)


def test_what_is_wrong_is_told_with_what_was_expected():
    with pytest.raises(
        Malformed, match=r"a whole number, such as 8080 \(it is 'abc'\)"
    ):
        values.normalised("int", "abc")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("url", "https//ada:hunter22@host"),
        ("int", "hunter22-hunter22-hunter22"),
        ("bool", "hunter22-hunter22-hunter22"),
        ("secret", "hunter22\0"),
    ],
)
def test_what_may_be_a_misplaced_secret_is_not_shown(kind, text):
    with pytest.raises(Malformed) as caught:
        values.normalised(kind, text)
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "value", "public", "hidden"),
    [
        ("str", "plain", "plain", set()),
        ("secret", "hunter22", "***", {"hunter22"}),
        ("url", "https://example.org", "https://example.org", set()),
        ("url", "redis://:pw@cache/0", "redis://:***@cache/0", {"pw"}),
        ("str", "redis://:pw@cache/0", "redis://:***@cache/0", {"pw"}),
        (
            "url",
            "postgresql://ada:p%40ss@db?password=other",
            "postgresql://ada:***@db?password=***",
            {"p%40ss", "p@ss", "other"},
        ),
    ],
)
def test_a_value_has_a_form_for_all_to_read(kind, value, public, hidden):
    assert values.public(kind, value) == public
    assert values.hidden(kind, value) == hidden


def test_a_value_of_the_settings_is_written_as_steps_read_it():
    assert [values.written(value) for value in (True, False, 8080, "text")] == [
        *("true", "false", "8080", "text")
    ]
