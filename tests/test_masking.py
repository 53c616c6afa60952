"""What nobody may read is not shown: alone, inside other text, in pieces, in disguise."""

import base64
import html
import json
import random
import shlex
import urllib.parse

import pytest

from sametree import masking
from sametree.masking import Mask

TOKEN = "s3cr3t/v@lue+'\"&<>"
KEY = "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA\nq0Zt=\n}\n-----END KEY-----\n"


@pytest.fixture(autouse=True)
def nothing_hidden(monkeypatch):
    monkeypatch.setattr(masking, "_mask", Mask())


def pieces(mask, text, *cuts):
    """Return what a stream shows of ``text`` cut at ``cuts``."""
    stream, borders = mask.stream(), [0, *cuts, len(text)]
    shown = [stream.feed(text[a:b]) for a, b in zip(borders, borders[1:], strict=False)]
    return b"".join([*shown, stream.end()])


# In a text


def test_a_secret_is_hidden_wherever_it_stands():
    assert Mask(["hunter22"]).hide("hunter22 and xhunter22x") == "*** and x***x"


def test_other_text_stays_as_it_is():
    text = "nothing here\n\ttabs, ümlauts and \udcff"
    assert Mask(["hunter22"]).hide(text) == text
    assert Mask().hide(text) == text


def test_of_two_secrets_one_of_which_begins_the_other_nothing_is_left():
    mask = Mask(["secret", "secret-longer"])
    assert mask.hide("secret-longer secret") == "*** ***"


def test_of_secrets_that_overlap_nothing_is_left():
    assert Mask(["abcdef", "defghi"]).hide("xabcdefghix") == "x***x"
    assert Mask(["aaaa"]).hide("aaaaaa") == "***"


def test_a_secret_of_several_lines_is_hidden_line_by_line():
    mask = Mask([KEY])
    for line in KEY.split("\n"):
        if len(line) >= masking.SHORTEST:
            assert mask.hide(f"| {line} |") == "| *** |"
    assert mask.hide("a } b") == "a } b"


@pytest.mark.parametrize("secret", ["", "abc", "true", "FALSE", "null", "a\nb\nc\n"])
def test_what_is_in_every_other_text_is_not_hidden(secret):
    assert not masking.lines(secret)
    text = f"one abc true false null {secret}"
    assert Mask([secret]).hide(text) == text


@pytest.mark.parametrize(
    "written",
    [
        json.dumps({"token": TOKEN}),
        json.dumps({"token": f"ü{TOKEN}ü"}, ensure_ascii=False),
        repr(TOKEN),
        repr({"a": [TOKEN]}),
        shlex.quote(TOKEN),
        urllib.parse.quote(TOKEN),
        urllib.parse.quote(TOKEN, safe=""),
        urllib.parse.urlencode({"token": f"x {TOKEN}"}),
        html.escape(TOKEN),
        TOKEN.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),
    ],
)
def test_a_secret_is_recognised_as_programs_write_it(written):
    shown = Mask([TOKEN]).hide(written)
    assert "***" in shown
    assert "s3cr3t" not in shown and "lue" not in shown


@pytest.mark.parametrize("escaped", [json.dumps, repr])
def test_so_is_a_secret_of_several_lines_written_in_one(escaped):
    assert Mask([KEY.strip()]).hide(escaped(KEY.strip())).strip("'\"") == "***"


@pytest.mark.parametrize("before", [b"", b"u", b"us", b"use", b"user:"])
@pytest.mark.parametrize("after", [b"", b"\n", b"\xff\xff"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_secret_is_recognised_in_base64_with_other_bytes_around(
    before, after, encode
):
    secret = "pa?ss>w~~rd-1234"
    written = encode(before + secret.encode() + after).decode()
    hidden = Mask([secret]).hide(written)
    assert "***" in hidden
    rest = hidden.replace("***", "").rstrip("=")
    assert len(rest) <= len(before) * 4 / 3 + len(after) * 4 / 3 + 4


def test_bytes_that_are_no_text_are_hidden_too():
    mask = Mask(["pass\udcff\udcfeword"])
    assert mask.hide("x pass\udcff\udcfeword") == "x ***"
    assert pieces(mask, b"x pass\xff\xfeword") == b"x ***"


# In pieces


@pytest.mark.parametrize(
    "text",
    [
        b"before hunter22 after",
        b"hunter22",
        b"hunter2hunter22",
        b"hunter2",
        b"hunter22hunter22",
        b"xabcdefghix abcdef defghi",
        b"aaaaaaaaaaa",
        b"aaaa aaa a",
    ],
)
def test_a_secret_is_hidden_wherever_the_pieces_are_cut(text):
    mask = Mask(["hunter22", "abcdef", "defghi", "aaaa"])
    whole = mask.hide(text.decode()).encode()
    for first in range(len(text) + 1):
        for second in range(first, len(text) + 1):
            assert pieces(mask, text, first, second) == whole
    assert pieces(mask, text, *range(len(text))) == whole


def test_pieces_are_shown_as_the_whole_would_be_whatever_the_secrets_are():
    dice = random.Random(3)
    for _ in range(400):
        secrets = ["".join(dice.choices("ab", k=dice.randint(4, 7))) for _ in range(3)]
        text = "".join(dice.choices("abc", weights=(5, 5, 1), k=40))
        cuts = sorted(dice.choices(range(40), k=6))
        mask = Mask(secrets)
        assert pieces(mask, text.encode(), *cuts).decode() == mask.hide(text)


def test_only_what_may_begin_a_secret_is_held_back():
    stream = Mask(["hunter22"]).stream()
    assert stream.feed(b"a prompt> ") == b"a prompt> "
    assert stream.feed(b"the hunt") == b"the "
    assert stream.feed(b"ing season") == b"hunting season"
    assert stream.feed(b"hunter2") == b""
    assert stream.end() == b"hunter2"


def test_a_stream_that_never_ends_needs_no_more_and_more_memory():
    stream = Mask(["aaaaaaaa"]).stream()
    for _ in range(1000):
        stream.feed(b"a" * 100)
    assert len(stream._held) < 8


# In this process


def test_what_is_registered_is_hidden_from_then_on():
    assert not masking.active()
    assert masking.hide("hunter22") == "hunter22"
    assert masking.register(["hunter22", "two words\nand more"]) == [
        "and more",
        "hunter22",
        "two words",
    ]
    assert masking.active()
    assert masking.hide("hunter22 and more") == "*** ***"
    assert masking.register(["hunter22", "later"]) == ["later"]
    assert masking.hide("hunter22 later") == "*** ***"


def test_nothing_is_active_when_no_text_can_be_hidden():
    assert masking.register(["abc", ""]) == []
    assert not masking.active()


def test_all_texts_of_a_structure_are_hidden_but_what_is_to_be_kept():
    masking.register(["hunter22"])
    told = {"a": ["hunter22", ("x hunter22",)], "id": "hunter22", "n": 3, "hunter22": 1}
    assert masking.hide_in(told, frozenset({"id"})) == {
        "a": ["***", ["x ***"]],
        "id": "hunter22",
        "n": 3,
        "***": 1,
    }


def test_a_mask_does_not_show_what_it_hides():
    assert "hunter22" not in repr(Mask(["hunter22"]))


# In addresses


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("postgresql://ada:hunter22@db:5432/app", {"hunter22"}),
        ("postgresql://ada:p%40ss%2Fword@db/app", {"p%40ss%2Fword", "p@ss/word"}),
        ("postgresql://ada@db/app?password=hunter22&x=1", {"hunter22"}),
        ("postgresql://db/app?sslpassword=hunter22", {"hunter22"}),
        ("redis://:hunter22@cache", {"hunter22"}),
        ("https://example.org/a?mail=ada@example.org", set()),
        ("https://ada@example.org", set()),
        ("postgresql://postgres:postgres@localhost/app", set()),
        ("postgresql://ada:slash/and#and@at@db/app", {"slash/and#and@at"}),
        ("postgresql://ada:open[bracket@db/app", {"open[bracket"}),
        ("ada:hunter22@db", set()),
        ("", set()),
    ],
)
def test_the_password_in_an_address_is_found(address, found):
    assert masking.passwords(address) == found


# In files


def test_a_report_that_a_step_wrote_is_rid_of_secrets(tmp_path):
    report = tmp_path / "junit.xml"
    report.write_text('<failure message="s3&lt;ret &amp; more">s3&lt;ret</failure>')
    masking.hide_in_file(report)
    assert "s3&lt;ret" in report.read_text()
    masking.register(["s3<ret"])
    masking.hide_in_file(report)
    assert report.read_text() == '<failure message="*** &amp; more">***</failure>'


def test_a_report_without_secrets_is_not_touched(tmp_path):
    masking.register(["hunter22"])
    report = tmp_path / "junit.xml"
    masking.hide_in_file(report)
    report.write_bytes(b"\xff nothing")
    before = report.stat()
    masking.hide_in_file(report)
    assert report.read_bytes() == b"\xff nothing"
    assert report.stat().st_ino == before.st_ino
