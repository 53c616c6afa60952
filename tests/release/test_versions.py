"""Versions as PEP 440 has them, and the tags that name them."""

import doctest

import pytest

from sametree.errors import UsageError
from sametree.release import versions


def test_the_examples_are_true():
    assert doctest.testmod(versions).failed == 0


@pytest.mark.parametrize(
    ("tag", "version"),
    [
        ("v1.2.0", "1.2.0"),
        ("v1.2.0-rc.1", "1.2.0rc1"),
        ("v2026.01.05", "2026.1.5"),
        ("v2!1.0", "2!1.0"),
        ("v1.2.0.post1", "1.2.0.post1"),
        ("1.2.0", None),
        ("v", None),
        ("vv1.2.0", None),
        ("v 1.2.0", None),
        ("v1.2.x", None),
        ("v1.2.0+local", None),
        ("v2024-01", None),
        ("v2024-01-15", None),
        ("v1." + "9" * 5000, None),
        ("v1.2.0\n", "1.2.0"),
    ],
)
def test_a_tag_names_a_version_or_is_left_alone(tag, version):
    assert versions.of_tag(tag, "v") == version


def test_each_prefix_has_its_own_tags():
    tags = ["v3.0", "api-v1.0", "api-v1.1rc1", "web-v2.0"]
    assert versions.newest(tags, "api-v") == "api-v1.0"
    assert versions.newest(tags, "api-v", final=False) == "api-v1.1rc1"
    assert versions.newest(tags, "other-v") is None


def test_a_tag_that_moves_is_not_the_newest_one():
    assert versions.newest(["v2.0.0", "v2"], "v") == "v2.0.0"


def test_versions_before_a_final_one_are_counted_on_from_the_highest():
    assert versions.with_pre("1.2.0", "rc", []) == "1.2.0rc1"
    assert versions.with_pre("1.2.0", "rc", ["1.2.0rc1", "1.2.0rc3"]) == "1.2.0rc4"
    assert versions.with_pre("1.2", "rc", ["1.2.0rc1", "1.1.0rc9"]) == "1.2rc2"
    assert versions.with_pre("1.2.0", "b", ["1.2.0a3", "1.2.0.dev1"]) == "1.2.0b1"
    assert versions.with_pre("1.2.0", "alpha", []) == "1.2.0a1"


@pytest.mark.parametrize(
    ("pre", "taken", "why", "cure"),
    [
        ("beta2", [], "there are no versions 'beta2'", "takes rc, b or a"),
        ("a", ["1.2.0b1"], "1.2.0a1 would come after 1.2.0b1", "--pre=b"),
        ("rc", ["1.2.0"], "1.2.0rc1 would come after 1.2.0", "--version"),
    ],
)
def test_a_version_that_would_come_too_late_is_refused(pre, taken, why, cure):
    with pytest.raises(UsageError) as caught:
        versions.with_pre("1.2.0", pre, taken)
    assert why in caught.value.problem and cure in caught.value.cure


@pytest.mark.parametrize(
    ("typed", "version"),
    [
        ("1.3.0", "1.3.0"),
        ("v1.3.0", "1.3.0"),
        (" 1.3.0-RC.1 ", "1.3.0rc1"),
        ("1.2.1", "1.2.1"),
        ("2.0.0", "2.0.0"),
    ],
)
def test_what_a_person_types_gets_its_normal_form(typed, version):
    assert versions.check(typed, ["1.2.0", "1.1.0", "2.0.0rc1"]) == version


@pytest.mark.parametrize(
    ("typed", "why", "cure"),
    [
        ("next", "'next' is no version", "1.2.0 or 1.2.0rc1"),
        ("", "'' is no version", "PEP 440"),
        ("1.2.0-1", "is no version", "PEP 440"),
        ("1." + "9" * 5000, "is no version", "PEP 440"),
        ("1.3.0+ours", "has a local part", "--version=1.3.0"),
        ("1.2", "1.2 is taken", "1.2.1, 1.3.0, 2.0.0"),
        ("2.0.0rc1", "2.0.0rc1 is taken", "1.2.1, 1.3.0, 2.0.0"),
        ("1.1.5", "1.1.5 is lower than 1.2.0", "1.2.1, 1.3.0, 2.0.0"),
        ("1.2.0rc2", "1.2.0rc2 is lower than 1.2.0", "1.2.1"),
    ],
)
def test_a_version_that_cannot_be_is_refused_with_one_that_can(typed, why, cure):
    with pytest.raises(UsageError) as caught:
        versions.check(typed, ["1.2.0", "1.1.0", "2.0.0rc1"])
    assert why in caught.value.problem and cure in caught.value.cure
    assert len(str(caught.value)) < 300


def test_before_the_first_final_version_the_cure_offers_none():
    with pytest.raises(UsageError) as caught:
        versions.check("0.1.0rc1", ["0.1.0rc1"])
    assert caught.value.cure == "name another one"


def test_a_raised_version_is_higher_and_keeps_its_epoch():
    assert versions.raised("2!1.4.2", "major") == "2!2.0.0"
    assert versions.raised("1.2.0.post1", "patch") == "1.2.1"
    assert versions.raised("1.2.3.4", "minor") == "1.3.0"
