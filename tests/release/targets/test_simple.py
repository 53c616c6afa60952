"""What an index's pages say, in each of the two forms that there are."""

from __future__ import annotations

import json

import pytest

from sametree.errors import SurroundingsError
from sametree.release.targets import simple

URL = "https://example.org/simple/maria/"


def page(**told: object) -> bytes:
    """Return a page in JSON (PEP 691) with one file."""
    file = {"filename": "maria-1.0.tar.gz", "url": "../../files/maria-1.0.tar.gz"}
    file |= {"hashes": {"sha256": "AB" * 32}, **told}  # type: ignore[dict-item]
    return json.dumps({"meta": {"api-version": "1.4"}, "files": [file]}).encode()


def of_json(body: bytes) -> simple.Listed:
    """Return the file of a page in JSON."""
    kind = "application/vnd.pypi.simple.v1+json; charset=utf-8"
    return simple.read(body, kind, URL)["maria-1.0.tar.gz"]


def test_a_page_in_json_tells_files_with_whole_addresses_and_digests() -> None:
    found = of_json(page())
    assert found.url == "https://example.org/files/maria-1.0.tar.gz"
    assert found.sha256 == "ab" * 32
    assert not found.yanked


def test_a_page_in_json_tells_what_is_yanked_and_why() -> None:
    assert of_json(page(yanked=True)).yanked
    assert of_json(page(yanked="it eats")).reason == "it eats"
    assert not of_json(page(yanked=False)).yanked


def test_a_page_in_html_tells_the_same() -> None:
    body = (
        '<html><body><a href="../../files/maria%2B-1.0.tar.gz#sha256=ABAB">x</a>'
        '<a data-yanked="it eats" href="maria-1.1.tar.gz#md5=12">y</a>'
        '<a data-yanked href="maria-1.2.tar.gz">z</a><a name="top">t</a></body>'
    )
    found = simple.read(body.encode(), "text/html; charset=utf-8", URL)
    assert set(found) == {"maria+-1.0.tar.gz", "maria-1.1.tar.gz", "maria-1.2.tar.gz"}
    first = found["maria+-1.0.tar.gz"]
    assert first.url == "https://example.org/files/maria%2B-1.0.tar.gz"
    assert (first.sha256, first.yanked) == ("abab", False)
    second = found["maria-1.1.tar.gz"]
    assert (second.sha256, second.yanked, second.reason) == ("", True, "it eats")
    assert found["maria-1.2.tar.gz"].yanked


def test_a_page_may_say_where_its_addresses_begin() -> None:
    body = b'<base href="https://files.example.org/a/"><a href="m-1.tar.gz">m</a>'
    found = simple.read(body, "text/html", URL)
    assert found["m-1.tar.gz"].url == "https://files.example.org/a/m-1.tar.gz"


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"files": []}', b"\xff"])
def test_what_is_no_page_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(SurroundingsError, match="no list of files"):
        of_json(body)


def test_a_page_of_a_later_version_is_not_guessed_at() -> None:
    body = b'{"meta": {"api-version": "2.0"}, "files": []}'
    with pytest.raises(SurroundingsError, match="version 2.0"):
        of_json(body)


def test_another_media_type_is_no_page() -> None:
    with pytest.raises(SurroundingsError, match="image/png"):
        simple.read(b"", "image/png", URL)


@pytest.mark.parametrize(
    ("upload", "listed"),
    [
        ("https://upload.example.org/legacy/", "https://example.org/simple/"),
        ("https://test.example.org/legacy/", "https://test.example.org/simple/"),
        ("https://example.org/a/legacy", "https://example.org/a/simple/"),
        ("http://localhost:8080", "http://localhost:8080/simple/"),
        ("http://localhost:8080/root/dev/", "http://localhost:8080/root/dev/simple/"),
    ],
)
def test_the_list_is_found_beside_what_takes_the_files(
    upload: str, listed: str
) -> None:
    assert simple.address_of(upload) == listed
