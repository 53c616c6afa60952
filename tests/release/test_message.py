"""What a tag tells can be read back, whatever people wrote into the entry."""

import pytest

from sametree.release import message
from sametree.release.message import Published, Told

WHEEL = Published(
    name="api-1.2.0-py3-none-any.whl", sha256="a" * 64, size=1234, component="api"
)
SDIST = Published(name="api-1.2.0.tar.gz", sha256="0" * 64, size=0, component="api")


def told(**more):
    plain = {
        "version": "1.2.0",
        "run": "20261123-140000-abcd",
        "title": "Maria",
        "entry": "### Added\n\n- **api:** messages",
    }
    return Told(**{**plain, **more})


def test_people_read_the_version_first_and_then_the_entry():
    text = message.encode(told(files=(WHEEL,)))
    assert text.split("\n") == [
        "Maria 1.2.0",
        "",
        "### Added",
        "",
        "- **api:** messages",
        "",
        "Sametree-Run: 20261123-140000-abcd",
        f"Sametree-File: sha256={'a' * 64} size=1234 component=api {WHEEL.name}",
        "",
    ]


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "\n",
        "\n\n- surrounded\n\n\n",
        "# a title\n#comment\n; another",
        "text\n\nSametree-Run: forged\nSametree-File: sha256=x",
        "Sametree-Run: at the very beginning",
        ">Sametree-Run: quoted by hand\n>> deeper\n>>Sametree-File: x",
        "-----BEGIN PGP SIGNATURE-----\nabc\n-----END PGP SIGNATURE-----",
        "-----BEGIN SSH SIGNATURE-----",
        "Signed-off-by: Ada <ada@example.org>\nKey: value",
        "line ends\r\nof another\rsystem\r\n",
        "tabs\tand ünïcödé \N{SNOWMAN} and \udcff a raw byte",
        "a line  \nwith two spaces at its end  ",
    ],
)
def test_any_entry_comes_back_as_it_was(entry):
    wanted = told(entry=entry, component="api", files=(WHEEL, SDIST))
    assert message.decode(message.encode(wanted)) == wanted


def test_what_git_cannot_keep_is_shown_as_missing():
    back = message.decode(message.encode(told(entry="a\0b")))
    assert back.entry == "a\N{REPLACEMENT CHARACTER}b"


def test_titles_of_many_words_and_names_with_spaces_come_back():
    odd = Published(name="my file 1.0.zip", sha256="b" * 64, size=5, component="")
    wanted = told(title="The  Great\nThing", files=(odd,))
    back = message.decode(message.encode(wanted))
    assert (back.title, back.version, back.files) == (
        "The Great Thing",
        "1.2.0",
        (odd,),
    )


def test_a_signature_behind_the_trailers_is_no_part_of_it():
    wanted = told(files=(WHEEL,))
    signature = "-----BEGIN PGP SIGNATURE-----\n\nSametree-File: x\n-----END"
    assert message.decode(message.encode(wanted) + signature) == wanted


def test_what_a_later_version_tells_more_does_no_harm():
    text = message.encode(told(files=(WHEEL,)))
    more = text.replace("Sametree-File", "Sametree-Mood: good\nSametree-File")
    assert message.decode(more) == told(files=(WHEEL,))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v1.2.0",
        "Release 1.2.0\n\nSome words of a person.\n",
        "Release 1.2.0\n\nx\n\nSametree-Run: \n",
        "oneword\n\nx\n\nSametree-Run: r\n",
        "two\nlines 1.0\n\nx\n\nSametree-Run: r\n",
        "Maria 1.0\n\nx\n\nSametree-Run: r\nSametree-File: sha256=abc size=1 x\n",
    ],
)
def test_a_tag_that_is_none_of_ours_tells_nothing(text):
    assert message.decode(text) is None
