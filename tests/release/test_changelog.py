"""An entry comes into a file that people edit; all else of it stays as it is."""

import doctest

import pytest

from sametree.errors import UsageError
from sametree.release import changelog

BODY = "### Added\n\n- **api:** messages (1234567)"
DATE = "2026-11-23"
FILE = """\
# What is new

Ours, by hand.\x20\x20
```
## 9.9.9 is no heading
```

## 1.1.0 (2026-01-02)

- old

## 1.0.0 (2025-01-01)

- older
"""


def entered(text, version="1.2.0", body=BODY):
    made = changelog.with_entry(text, version, DATE, body)
    # Whatever the file: done twice it is as done once.
    assert changelog.with_entry(made, version, DATE, body) == made
    return made


def test_the_examples_are_true():
    assert doctest.testmod(changelog).failed == 0


def test_a_new_file_has_a_title_and_says_what_it_is():
    assert entered("") == f"{changelog.START}\n## 1.2.0 ({DATE})\n\n{BODY}\n"


def test_the_entry_stands_above_the_newest_version():
    begin = FILE.index("## 1.1.0")
    new = f"## 1.2.0 ({DATE})\n\n{BODY}\n\n"
    assert entered(FILE) == FILE[:begin] + new + FILE[begin:]


def test_line_ends_stay_as_they_are_also_mixed_ones():
    text = FILE.replace("\n", "\r\n").replace("- older\r\n", "- older\n")
    begin = text.index("## 1.1.0")
    new = f"## 1.2.0 ({DATE})\n\n{BODY}\n\n".replace("\n", "\r\n")
    assert entered(text) == text[:begin] + new + text[begin:]


def test_white_space_at_the_end_does_not_make_code_of_the_heading():
    assert entered("# Ours\n\t") == f"# Ours\n\t\n## 1.2.0 ({DATE})\n\n{BODY}\n"


@pytest.mark.parametrize(
    "text", ["# Ours", "# Ours\n", "\ufeff# Ours\n\n", "\n\n", "a\x0bb"]
)
def test_a_file_without_any_version_gets_it_at_the_end(text):
    made = entered(text)
    assert made.startswith(text)
    assert made.endswith(f"\n## 1.2.0 ({DATE})\n\n{BODY}\n") or text == "\n\n"
    assert changelog.entry_of(made, "1.2.0") == BODY


def test_targets_of_links_stay_at_the_end():
    text = "# Ours\n\n## [1.1.0] - 2026-01-02\n\n- old\n\n[1.1.0]: https://x.example\n"
    made = entered(text)
    assert made.endswith("- old\n\n[1.1.0]: https://x.example\n")
    assert changelog.entry_of(made, "1.1.0") == "- old"
    only = "# Ours\n\n[x]: https://x.example\n"
    assert entered(only) == (
        f"# Ours\n\n## 1.2.0 ({DATE})\n\n{BODY}\n\n[x]: https://x.example\n"
    )


@pytest.mark.parametrize("name", ["## Unreleased", "## [Unreleased]", "## unreleased:"])
def test_what_waited_for_a_release_comes_first_and_its_heading_stays(name):
    text = FILE.replace("## 1.1.0", f"{name}\n\n- by hand\n\n## 1.1.0")
    begin = FILE.index("## 1.1.0")
    new = f"{name}\n\n## 1.2.0 ({DATE})\n\n- by hand\n\n{BODY}\n\n"
    assert entered(text) == FILE[:begin] + new + FILE[begin:]


def test_an_empty_heading_for_it_stays_as_it_is():
    text = FILE.replace("## 1.1.0", "## Unreleased\n\n## 1.1.0")
    begin = text.index("## 1.1.0")
    new = f"## 1.2.0 ({DATE})\n\n{BODY}\n\n"
    assert entered(text) == text[:begin] + new + text[begin:]


def test_the_first_version_of_a_file_that_waits_for_it():
    made = entered("# Ours\n\n## Unreleased\n\n- by hand")
    assert made == (
        f"# Ours\n\n## Unreleased\n\n## 1.2.0 ({DATE})\n\n- by hand\n\n{BODY}\n"
    )


def test_what_both_say_below_one_heading_comes_together():
    hand = "### Removed\n\n### Added\n\n- by hand\n\n### Security\n\nNone.\n"
    text = FILE.replace("## 1.1.0", f"## Unreleased\n\n{hand}\n## 1.1.0")
    body = f"{BODY}\n\n### Security\n\n- a hole (7654321)\n\n### Fixed\n\n- c"
    assert changelog.entry_of(entered(text, body=body), "1.2.0") == (
        "### Added\n\n- by hand\n- **api:** messages (1234567)\n\n### Security\n\n"
        "None.\n\n- a hole (7654321)\n\n### Fixed\n\n- c"
    )


def test_what_waited_is_below_the_heading_of_its_version():
    text = "## Unreleased\n\n### Added\n\n- by hand\n\n### 1.1.0\n\n- old\n"
    made = entered(text, body="### Fixed\n\n- b")
    assert changelog.entry_of(made, "1.2.0") == (
        "#### Added\n\n- by hand\n\n#### Fixed\n\n- b"
    )


def test_the_newest_version_may_be_all_above_it():
    assert entered("## 1.1.0\n") == f"## 1.2.0 ({DATE})\n\n{BODY}\n\n## 1.1.0\n"


def test_nothing_that_waited_is_lost():
    hand = "### Fixed\n\n[x]: https://x.example"
    text = FILE.replace("## 1.1.0", f"## Unreleased\n\n{hand}\n\n## 1.1.0")
    assert f"\n\n{hand}\n\n{BODY}\n" in entered(text)


def test_an_entry_written_by_hand_is_kept_and_gets_a_date():
    text = FILE.replace("## 1.1.0", "## 1.2.0 (unreleased)\n\n- by hand\n\n## 1.1.0")
    made = entered(text)
    assert changelog.entry_of(made, "1.2.0") == f"- by hand\n\n{BODY}"
    assert f"\n## 1.2.0 ({DATE})\n\n- by hand\n" in made and "unreleased" not in made
    dated = FILE.replace("## 1.1.0", "## v1.2.0, 2026-11-20\n\n- by hand\n\n## 1.1.0")
    made = entered(dated)
    assert "\n## v1.2.0, 2026-11-20\n\n- by hand\n\n### Added\n" in made
    assert made.count("1.2.0") == 1


@pytest.mark.parametrize(
    ("heading", "new"),
    [
        ("## [1.1.0] - 2026-01-02", f"## [1.2.0] - {DATE}"),
        ("## v1.1.0 - 2026-01-02 [YANKED]", f"## v1.2.0 - {DATE}"),
        ("## [1.1.0](https://x.example) (2026-01-02)", f"## 1.2.0 ({DATE})"),
        ("## 1.1.0", f"## 1.2.0 ({DATE})"),
        ("# 1.1.0 – 2026-01-02", f"# 1.2.0 – {DATE}"),
        ("### 1.1.0 2026-01-02", f"### 1.2.0 {DATE}"),
        ("## Version 1.1.0: 2026-01-02 ##", f"## 1.2.0: {DATE}"),
        ("1.1.0 (2026-01-02)\n------------------", f"## 1.2.0 ({DATE})"),
    ],
)
def test_the_heading_is_like_that_of_the_newest_version(heading, new):
    text = f"# Ours\n\n{heading}\n\n- old\n"
    assert f"# Ours\n\n{new}\n\n" in entered(text)
    assert changelog.entry_of(text, "1.1.0") == "- old"


@pytest.mark.parametrize(
    "line",
    [
        "## How to read this 1.0",
        "### Python 3.15",
        "## 2026-01-02",
        "    ## 1.0.0",
        "##1.0.0",
        "<!-- \n## 1.0.0\n-->",
        "<!-- ## 1.0.0 -->\n",
        "~~~\n```\n## 1.0.0\n~~~",
        "- item\n---",
        "```sh``` is code in a line",
        "two\nlines",
    ],
)
def test_what_only_looks_like_a_version_is_none(line):
    text = f"# Ours\n\n{line}\n"
    assert changelog.entry_of(text, "1.0.0") is None
    made = entered(text)
    assert made == f"{text}\n## 1.2.0 ({DATE})\n\n{BODY}\n".replace("\n\n\n", "\n\n")


def test_headings_in_an_entry_do_not_end_it():
    body = "# 1.2.0\n\n### 1.1.0\n\n## Big\n\n- a\n\nOdd\n===\n\n```\n## code\n```"
    made = entered(FILE, body=body)
    assert changelog.entry_of(made, "1.2.0") == (
        "**1.1.0**\n\n### Big\n\n- a\n\n### Odd\n\n```\n## code\n```"
    )


def refused(text, body=BODY):
    with pytest.raises(UsageError) as caught:
        changelog.with_entry(text, "1.2.0", DATE, body)
    assert caught.value.cure
    return caught.value.problem


@pytest.mark.parametrize("block", ["```sh", "~~~", "<!-- how to"])
def test_no_entry_goes_into_a_block_that_never_ends(block):
    why = refused(f"# Ours\n\n```\ncode\n```\n\n{block}\n\n## 1.1.0\n")
    assert why.startswith("the changelog's line 7 begins a block") and block in why
    # What waited there would have all that is below.
    why = refused(FILE.replace("## 1.1.0", f"## Unreleased\n\n{block}\n\n## 1.1.0"))
    assert why.startswith("the changelog's line 10 begins a block") and block in why


@pytest.mark.parametrize("block", ["```sh", "~~~", "<!-- how to"])
def test_no_entry_has_a_block_that_never_ends(block):
    why = refused(FILE, f"- a\n\n```\ncode\n```\n\n{block}\nmore")
    assert why.startswith("the entry of 1.2.0 begins a block") and block in why


def test_a_block_that_never_ends_far_below_is_left_alone():
    text = FILE + "\n```sh\nold\n"
    assert entered(text).endswith("\n```sh\nold\n")


def test_an_entry_that_says_nothing_is_a_heading():
    assert f"\n\n## 1.2.0 ({DATE})\n\n## 1.1.0 (" in entered(FILE, body=" \n")


def test_an_entry_is_found_by_its_version():
    assert changelog.entry_of(FILE, "1.1.0") == "- old"
    assert changelog.entry_of(FILE.replace("\n", "\r\n"), "1.0.0") == "- older"
    assert changelog.entry_of(FILE, "1.1") is None
    assert changelog.entry_of(FILE, "9.9.9") is None
    text = "## 1.2.0-rc.1\n\n- first try\n"
    assert changelog.entry_of(text, "1.2.0rc1") == "- first try"
    # Patches a level below, as some programs write them.
    text = "### 1.1.1\n\n- b\n\n## 1.1.0\n\n- a\n\n### 1.0.1\n\n- c\n"
    assert changelog.entry_of(text, "1.1.0") == "- a"


def test_a_yanked_version_says_why_and_all_else_stays():
    made = changelog.marked_yanked(FILE, "1.1.0", " loses\ndata ")
    assert made == FILE.replace(
        "## 1.1.0 (2026-01-02)\n",
        "## 1.1.0 (2026-01-02) [YANKED]\n\n**Do not use it: loses data**\n",
    )
    assert changelog.marked_yanked(made, "1.1.0", "again") == made
    assert changelog.marked_yanked(FILE, "3.0", "why") == FILE
    assert "[YANKED] - " not in entered(made)
    # Of two with the same heading it is the first, however often it is said.
    twice = f"{FILE}\n## 1.1.0\n\n- again\n"
    made = changelog.marked_yanked(twice, "1.1.0", "old")
    assert made.count("[YANKED]") == 1
    assert changelog.marked_yanked(made, "1.1.0", "old") == made


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("## 1.0.0", "## 1.0.0 [YANKED]\n\n**Do not use it: old**\n"),
        (
            "## 1.0.0\r\n- a\r\n",
            "## 1.0.0 [YANKED]\r\n\r\n**Do not use it: old**\r\n\r\n- a\r\n",
        ),
        ("1.0.0\n-----", "1.0.0 [YANKED]\n-----\n\n**Do not use it: old**\n"),
    ],
)
def test_a_yanked_version_is_marked_however_it_is_written(text, made):
    assert changelog.marked_yanked(text, "1.0.0", "old") == made


def test_code_in_a_list_is_no_block_that_hides_what_comes_after():
    text = (
        "# Changelog\n\n## Unreleased\n\n- ```sh\n  nox\n  ```\n\n"
        "## 1.1.0\n\n- one\n  more\n\n---\n\n## 1.0.0\n\n- first\n"
    )
    assert changelog.entry_of(text, "1.0.0") == "- first"
    made = changelog.with_entry(text, "1.2.0", "2026-11-23", "- new")
    entry = changelog.entry_of(made, "1.2.0")
    assert "nox" in entry and "- new" in entry
    assert changelog.entry_of(made, "1.0.0") == "- first"
