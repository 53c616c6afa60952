"""What is special about package indexes; what all places do is in test_contract.py."""

from __future__ import annotations

import ipaddress
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import indexes
import pytest
from places import WAITS, an_index, release_of, sdist, wheel

from sametree import masking
from sametree.errors import SurroundingsError, UnitFailed, UsageError
from sametree.release import targets
from sametree.release.targets import calls, index, twine_upload
from sametree.settings import model

OIDC = {name: "https://token.example.org" for name in twine_upload.OIDC}
UPLOAD = "https://upload.example.org/legacy/"


def access(**environ: str) -> twine_upload.Access:
    """Return the access of an index of which the settings say the address alone."""
    return twine_upload.access(UPLOAD, "", None, environ)


def published(target: Any, tmp_path: Path) -> Any:
    """Publish a wheel; return its release."""
    release = release_of(wheel(tmp_path))
    target.publish(release.files[0], release)
    return release


def page(sha256: str, **told: object) -> tuple[str, bytes]:
    """Return a page that lists the wheel."""
    name = "maria_api-1.2.0-py3-none-any.whl"
    file = {"filename": name, "url": f"/packages/{name}", "hashes": {"sha256": sha256}}
    told = {"meta": {"api-version": "1.1"}, "files": [{**file, **told}]}
    return "application/vnd.pypi.simple.v1+json", json.dumps(told).encode()


def test_without_settings_twine_and_its_variables_say_where() -> None:
    from twine.utils import DEFAULT_REPOSITORY

    assert twine_upload.access("", "", None, {}).upload == DEFAULT_REPOSITORY
    told = twine_upload.access("", "", None, {"TWINE_REPOSITORY_URL": UPLOAD})
    assert (told.upload, told.simple) == (UPLOAD, "https://example.org/simple/")
    assert told.where() == "upload.example.org/legacy"


def test_the_settings_say_where_files_are_listed() -> None:
    told = twine_upload.access(UPLOAD, "https://mirror.example.org/pypi", None, {})
    assert told.simple == "https://mirror.example.org/pypi/"


def test_the_token_is_that_of_the_chosen_variable_alone() -> None:
    environ = {"TWINE_PASSWORD": "usual", "SHELF": " chosen\n"}
    told = twine_upload.access(UPLOAD, "", "SHELF", environ)
    assert (told.token, told.variable, told.user) == ("chosen", "SHELF", "__token__")
    told = twine_upload.access(UPLOAD, "", "OTHER", environ)
    assert (told.token, told.variable) == ("", "OTHER")
    assert access(TWINE_PASSWORD="usual", TWINE_USERNAME="me").user == "me"


def test_a_password_in_the_address_counts_and_is_shown_nowhere() -> None:
    told = model.Target(kind="index", address="https://me:pass%20word@example.org/up")
    made: Any = targets.make("shelf", told, {}, "")
    assert (made.access.user, made.access.token) == ("me", "pass word")
    assert made.access.upload == "https://example.org/up"
    assert "word" not in f"{made.where()} {made!r}"
    assert masking.hide("it is pass word") == "it is ***"


@pytest.mark.parametrize(
    "address", ["example.org", "ftp://e.org/", "https://", "http://[x"]
)
def test_an_address_that_is_none_is_told(address: str) -> None:
    with pytest.raises(UsageError, match="no address of an index"):
        twine_upload.access(address, "", None, {})


def test_an_address_that_is_none_is_told_without_its_password() -> None:
    with pytest.raises(UsageError) as caught:
        twine_upload.access("ftp://me:secret@example.org", "", None, {})
    assert "secret" not in str(caught.value)
    with pytest.raises(UsageError, match="'simple' is no address"):
        twine_upload.access(UPLOAD, "simple", None, {})


@pytest.mark.parametrize("package", ["twine", "requests"])
def test_what_is_not_installed_is_told_with_the_cure(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SurroundingsError) as caught:
        access() if package == "twine" else calls.session()
    assert package in caught.value.problem
    assert "sametree[release]" in caught.value.cure


def test_a_missing_token_is_a_problem_that_names_the_variable(
    served: indexes.Index, tmp_path: Path
) -> None:
    target = an_index(served, TWINE_PASSWORD="")
    (said,) = target.problems(release_of(wheel(tmp_path)))
    assert "set TWINE_PASSWORD" in said
    assert not served.posts


def test_in_ci_the_public_index_needs_no_token() -> None:
    told = twine_upload.access("", "", None, OIDC)
    assert told.trusted
    assert not twine_upload.access("", "", None, {}).trusted
    assert not twine_upload.access("", "", None, OIDC | {"TWINE_PASSWORD": "x"}).trusted
    assert not access(**OIDC).trusted  # twine does it for no other index


def test_a_trusted_index_says_nothing_against_it(served: indexes.Index) -> None:
    told = twine_upload.access(served.address, "", None, OIDC)
    trusted = twine_upload.Access(
        upload=told.upload,
        simple=told.simple,
        user=told.user,
        token="",
        variable=told.variable,
        usual=(served.address,),
        environ=OIDC,
    )
    assert list(index.Index("shelf", trusted).problems(release_of())) == []
    assert not served.posts


def test_credentials_are_tried_without_a_file(served: indexes.Index) -> None:
    target = an_index(served)
    assert list(target.problems(release_of())) == []
    assert len(served.posts) == 1
    assert served.uploads() == 0
    (said,) = an_index(served, TWINE_PASSWORD="expired-token").problems(release_of())
    assert "refuses the token in TWINE_PASSWORD" in said
    assert served.names() == set()


@pytest.mark.parametrize("status", [301, 404, 405])
def test_an_address_that_takes_no_uploads_is_a_problem(
    served: indexes.Index, status: int
) -> None:
    served.faults.answers = [status]
    served.faults.headers = {"Location": "/elsewhere"}
    (said,) = an_index(served).problems(release_of())
    assert f"takes no uploads ({status})" in said


def test_a_server_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    told = model.Target(kind="index", address="http://127.0.0.1:9/")
    made: Any = targets.make("shelf", told, {"TWINE_PASSWORD": "token"}, "")
    made.waits = WAITS
    (said,) = made.problems(release_of(wheel(tmp_path)))
    assert "127.0.0.1:9 did not answer" in said
    with pytest.raises(SurroundingsError, match="did not answer"):
        made.publish(wheel(tmp_path), release_of())


def test_a_refused_upload_is_told_in_the_words_of_the_index(
    served: indexes.Index, tmp_path: Path
) -> None:
    served.faults.answers, served.faults.words = [403], "maria-api is not yours"
    with pytest.raises(UsageError) as caught:
        published(an_index(served), tmp_path)
    assert "403 Forbidden maria-api is not yours" in caught.value.problem
    assert "allowed to upload maria-api" in caught.value.cure
    assert served.uploads() == 1


def test_metadata_that_an_older_index_does_not_know_is_told_with_the_cure(
    served: indexes.Index, tmp_path: Path
) -> None:
    served.faults.answers = [400]
    served.faults.words = "'2.4' is not a valid Metadata-Version"
    with pytest.raises(UsageError) as caught:
        published(an_index(served), tmp_path)
    assert "does not know the metadata" in caught.value.problem
    assert "core-metadata-version" in caught.value.cure


def test_any_other_refusal_is_told(served: indexes.Index, tmp_path: Path) -> None:
    served.faults.answers, served.faults.words = [413], "too large"
    with pytest.raises(UsageError, match="too large"):
        published(an_index(served), tmp_path)


def test_a_file_that_is_no_package_is_told_before_it_goes_anywhere(
    served: indexes.Index, tmp_path: Path
) -> None:
    file = wheel(tmp_path)
    file.path.write_bytes(b"no wheel")
    with pytest.raises(UsageError, match="twine does not upload"):
        an_index(served).publish(file, release_of(file))
    assert not served.posts


def test_a_name_that_is_used_up_is_told(served: indexes.Index, tmp_path: Path) -> None:
    served.faults.answers = [400]
    served.faults.words = "This filename has already been used"
    with pytest.raises(UsageError) as caught:
        published(an_index(served), tmp_path)
    assert "does not list it" in caught.value.problem
    assert "release a higher version" in caught.value.cure


def test_a_file_that_is_there_and_not_listed_yet_is_waited_for(
    served: indexes.Index, tmp_path: Path
) -> None:
    target = an_index(served)
    release = published(target, tmp_path)
    served.faults.hidden = 2  # a page that was cached
    target.publish(release.files[0], release)
    assert served.uploads() == 2  # the second was refused as there already


def test_an_upload_is_done_when_it_is_listed(
    served: indexes.Index, tmp_path: Path
) -> None:
    target = an_index(served)
    served.faults.hidden = 2
    release = published(target, tmp_path)
    assert target.finished(release)
    served.empty()
    served.faults.hidden = 99
    with pytest.raises(SurroundingsError, match="does not list"):
        published(target, tmp_path)


def test_an_upload_that_never_ends_is_ended(
    served: indexes.Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(twine_upload, "LEAST", 1)
    file = wheel(tmp_path)
    served.faults.delay = 1.5
    refusal = twine_upload.upload(an_index(served).access, file)
    assert refusal is not None
    assert refusal.later
    assert refusal.words == "no end after 1 s"


def test_an_index_that_tells_no_sha256_is_compared_by_the_bytes(tmp_path: Path) -> None:
    with indexes.index(tmp_path / "md5", algorithm="md5") as served:
        target = an_index(served)
        release = published(target, tmp_path)
        assert target.found(release.files[0], release) == "equal"
        other = wheel(tmp_path / "other", "other = 1\n" * 9)
        assert target.found(other, release) == "different"
        got = target.fetch(release.files[0], tmp_path / "got")
        assert got.read_bytes() == release.files[0].path.read_bytes()
        with pytest.raises(UnitFailed, match="another"):
            target.fetch(other, tmp_path / "got")


def test_a_private_index_is_told_the_token_where_it_asks_and_nowhere_else(
    tmp_path: Path, served: indexes.Index
) -> None:
    actions = "update,list,download"
    with indexes.index(tmp_path / "private", actions=actions) as private:
        target = an_index(private)
        release = published(target, tmp_path)
        target.fetch(release.files[0], tmp_path / "got")
        assert {bool(token) for _, token in private.asked} == {True, False}
        name = release.files[0].name
        private.faults.pages["/simple/maria-api/"] = page(
            release.files[0].sha256, url=f"{served.address}packages/{name}"
        )
        served.faults.gets = [401]
        with pytest.raises(SurroundingsError, match="401"):
            target.fetch(release.files[0], tmp_path / "elsewhere")
        assert [token for _, token in served.asked] == [""]


def test_what_another_index_has_is_not_what_this_one_has(
    tmp_path: Path, served: indexes.Index
) -> None:
    release = published(an_index(served), tmp_path)
    with indexes.index(tmp_path / "own", fallback=served.simple) as own:
        assert an_index(own).found(release.files[0], release) == "absent"


def certificate(folder: Path) -> Path:
    """Make a certificate of this machine that nobody else has signed, with its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "index")])
    address = x509.IPAddress(ipaddress.ip_address(indexes.HOST))
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    place = folder / "index.pem"
    place.write_bytes(made.public_bytes(pem) + private)
    return place


def test_an_index_of_a_company_is_known_by_the_certificates_that_twine_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    own = certificate(tmp_path)
    monkeypatch.chdir(tmp_path)  # twine runs in another folder
    with indexes.index(tmp_path / "own", certificate=own) as served:
        (said,) = an_index(served).problems(release_of())
        assert "has a certificate that is not trusted here" in said
        with pytest.raises(SurroundingsError) as caught:
            published(an_index(served), tmp_path)
        assert "TWINE_CERT" in caught.value.cure
        target = an_index(served, TWINE_CERT=own.name)
        assert list(target.problems(release_of())) == []
        release = published(target, tmp_path)
        target.fetch(release.files[0], tmp_path / "got")
        assert target.finished(release)


def test_certificates_that_are_not_there_are_told() -> None:
    with pytest.raises(UsageError, match="TWINE_CERT names no file: .*nowhere.pem"):
        access(TWINE_CERT="nowhere.pem")
    with pytest.raises(UsageError, match="TWINE_CLIENT_CERT names no file"):
        access(TWINE_CLIENT_CERT="nowhere.pem")


def test_pages_that_lead_in_a_circle_are_told(served: indexes.Index) -> None:
    target = an_index(served)
    served.faults.gets = [301] * 9
    served.faults.headers = {"Location": "/simple/maria-api/"}
    with pytest.raises(SurroundingsError, match="circles"):
        target.found(wheel(served.folder.parent / "circle"), release_of())


def test_a_page_that_cannot_be_read_is_told(served: indexes.Index) -> None:
    served.faults.gets = [418]
    (said,) = an_index(served).problems(release_of())
    assert "says 418" in said


def test_a_download_that_is_not_what_is_listed_is_never_kept(
    served: indexes.Index, tmp_path: Path
) -> None:
    target = an_index(served)
    release = published(target, tmp_path)
    file = release.files[0]
    body = b"x" * file.size
    for wrong in (body, body * 100_000, b""):
        served.faults.pages[f"/packages/{file.name}"] = ("application/zip", wrong)
        with pytest.raises(UnitFailed, match="gives another"):
            target.fetch(file, tmp_path / "got")
    assert list((tmp_path / "got").iterdir()) == []


def test_a_download_that_is_cut_off_is_told(
    served: indexes.Index, tmp_path: Path
) -> None:
    target = an_index(served)
    file = published(target, tmp_path).files[0]
    listed = target._listed(file.project)[file.name]
    served.faults.short = True
    with pytest.raises(SurroundingsError, match="did not answer"):
        calls.keep(target._download(listed), file, tmp_path / "got")
    assert list((tmp_path / "got").iterdir()) == []


def test_a_file_is_not_unpacked_though_the_server_says_that_it_is_packed(
    served: indexes.Index, tmp_path: Path
) -> None:
    target, file = an_index(served), sdist(tmp_path)
    target.publish(file, release_of(file))
    served.faults.headers = {"Content-Encoding": "gzip"}
    body = file.path.read_bytes()
    served.faults.pages[f"/packages/{file.name}"] = ("application/x-tar", body)
    assert target.fetch(file, tmp_path / "got").read_bytes() == body


def test_a_yanked_version_is_known_by_its_page(
    served: indexes.Index, tmp_path: Path
) -> None:
    target, file = an_index(served), wheel(tmp_path)
    release = release_of(file)
    served.faults.pages["/simple/maria-api/"] = page(file.sha256, yanked="it eats")
    assert target.yanked(release) is True
    assert target.yank(release, "again") == "1.2.0 is yanked there already"


def test_where_to_yank_by_hand_is_told_with_the_page(served: indexes.Index) -> None:
    told = twine_upload.access(served.address, "", None, {})
    usual = twine_upload.Access(
        upload=told.upload,
        simple=told.simple,
        user="",
        token="",
        variable="",
        usual=(served.address,),
        environ={},
    )
    said = index.Index("shelf", usual).yank(
        release_of(wheel(served.folder.parent / "yank")), "it eats"
    )
    assert f"{served.address}manage/project/maria-api/release/1.2.0/" in said


def test_a_token_is_hidden_where_twine_breaks_it() -> None:
    text = "the token pypi-AgEI\n         abcdef is no good"
    assert "abcdef" not in twine_upload.without(text, "pypi-AgEIabcdef")
    assert twine_upload.without("a b", "") == "a b"


def test_a_server_may_ask_for_more_time(
    served: indexes.Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(calls.time, "sleep", waited.append)
    target = an_index(served)
    served.faults.headers = {"Retry-After": "7"}
    served.faults.gets = [429]
    assert list(target.problems(release_of())) == []
    assert [each for each in waited if each] == [7.0]
    served.faults.headers = {"Retry-After": "3600"}
    served.faults.gets = [429]
    (said,) = target.problems(release_of())
    assert "429" in said
    served.faults.headers = {"Retry-After": "Fri, 31 Dec 2027 23:59:59 GMT"}
    served.faults.gets = [503]
    assert list(target.problems(release_of())) == []
    assert [each for each in waited if each] == [7.0, WAITS[0]]
