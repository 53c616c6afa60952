"""What commits say can be read, and do nothing else."""

import doctest

import pytest
from markdown_it import MarkdownIt

from sametree.release import harmless

MARKDOWN = MarkdownIt("commonmark").enable("table")
NASTY = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<!-- hide what follows",
    "</details><b>",
    "<?php ?>",
    "<https://example.org>",
    "[look](https://example.org)",
    "![pixel](https://example.org/x.png)",
    "[x]: https://example.org",
    "[a [b] c](https://example.org)",
    "[look][x]",
    "# a heading",
    "> a quotation",
    "- a list",
    "1. a list",
    "--- ",
    "***",
    "===",
    "```sh",
    "~~~",
    "a ` b `<b>` c <i>",
    "\\`<b>` and `<i>`",
    "-",
    "> # a heading",
    "`` ` <b> `` <b>",
    "```<b>``` <b>",
    "\\<b>",
    "&lt;b&gt; <b>",
    "\u202egnp.exe",
    "a\x1b]0;title\x07b",
]
HARMFUL = {
    "html_inline",
    "html_block",
    "link_open",
    "image",
    "fence",
    "code_block",
    "heading_open",
    "blockquote_open",
    "ordered_list_open",
    "hr",
    "table_open",
}


def kinds(text):
    """Return what a page would make of it."""
    found = set()
    for token in MARKDOWN.parse(text):
        found |= {token.type, *(each.type for each in token.children or ())}
    return found


def test_the_examples_are_true():
    assert doctest.testmod(harmless).failed == 0


@pytest.mark.parametrize("nasty", NASTY)
def test_a_line_of_an_entry_is_only_read(nasty):
    made = f"- {harmless.line(nasty)} (1234567)\n- {harmless.line(nasty)}\n"
    assert not kinds(made) & HARMFUL
    assert made.count("\n") == 2


@pytest.mark.parametrize("nasty", NASTY)
@pytest.mark.parametrize("other", ["", "a ` b", "a"])
def test_lines_after_it_are_only_read_too(nasty, other):
    made = harmless.text(f"{other}\n{nasty}\n\n{nasty}\n{other}")
    assert not kinds(made) & (HARMFUL - {"ordered_list_open", "blockquote_open"})


@pytest.mark.parametrize("nasty", NASTY)
def test_a_name_is_only_read(nasty):
    made = f"- **{harmless.name(nasty)}:** said `<b>` once"
    assert not kinds(made) & HARMFUL
    assert "code_inline" in kinds(made)


def test_code_is_left_as_it_is():
    plain = "take `list[int](x)` and ``a`<b>`` of list[int]"
    assert harmless.line(plain) == plain


def test_what_cannot_be_seen_is_gone():
    assert harmless.seen("a\x00b\x9bc\u202ed\u200be") == "a b c d e"
    assert harmless.seen("\x1b[1;31mred\x1b[0m") == "red"
    assert harmless.seen("👩\u200d💻 ü\t\n") == "👩\u200d💻 ü\t\n"


@pytest.mark.parametrize("scope", ["", "(api)", "(a`b)"])
def test_a_conventional_message_is_conventional_still(scope):
    said = harmless.message(f"fix{scope}!: > [x](y)\r\n\r\nBREAKING CHANGE: <b>\n# all")
    first, empty, footer, last = said.split("\n")
    assert first == f"fix{scope.replace('`', chr(92) + '`')}!: \\> [x]\\(y)"
    assert (empty, footer, last) == ("", "BREAKING CHANGE: &lt;b>", "\\# all")


def test_of_other_messages_the_first_line_is_a_line():
    assert harmless.message("# all\n\n<b>") == "\\# all\n\n&lt;b>"
    assert harmless.message("") == ""
