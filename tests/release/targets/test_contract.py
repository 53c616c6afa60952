"""What every place where files go has to do: the same tests for all of them."""

from __future__ import annotations

from pathlib import Path

import github_api
import indexes
import pytest
from places import Place, release_of, sdist, wheel

from sametree.errors import SurroundingsError, UnitFailed, UsageError

SECRETS = (indexes.TOKEN, github_api.TOKEN)


def test_it_has_nothing_before_and_says_nothing_against_it(
    place: Place, tmp_path: Path
) -> None:
    release = release_of(wheel(tmp_path))
    assert list(place.target.problems(release)) == []
    assert place.target.found(release.files[0], release) == "absent"
    assert not place.target.finished(release)
    assert place.uploads() == 0


def test_a_release_is_begun_published_finished_and_fetched(
    place: Place, tmp_path: Path
) -> None:
    release = release_of(wheel(tmp_path), sdist(tmp_path))
    place.target.begin(release)
    assert place.target.begun(release)
    for file in release.files:
        place.target.publish(file, release)
        assert place.target.found(file, release) == "equal"
    place.target.finish(release)
    assert place.target.finished(release)
    assert place.server.names() == {file.name for file in release.files}
    for file in release.files:
        got = place.target.fetch(file, tmp_path / "got")
        assert got.read_bytes() == file.path.read_bytes()
    assert {each.name for each in (tmp_path / "got").iterdir()} == place.server.names()
    assert place.target.yanked(release) is False


def test_it_is_begun_and_finished_twice_without_harm(
    place: Place, tmp_path: Path
) -> None:
    release = release_of(wheel(tmp_path))
    for _ in range(2):
        place.target.begin(release)
        place.target.publish(release.files[0], release)
        place.target.finish(release)
    assert place.target.finished(release)
    assert place.uploads() == 1
    assert list(place.target.problems(release)) == []


def test_another_file_of_that_name_is_never_replaced(
    place: Place, tmp_path: Path
) -> None:
    first = release_of(wheel(tmp_path / "first"))
    place.target.begin(first)
    place.target.publish(first.files[0], first)
    other = release_of(wheel(tmp_path / "other", "changed = True\n"))
    assert place.target.found(other.files[0], other) == "different"
    with pytest.raises(UsageError) as caught:
        place.target.publish(other.files[0], other)
    assert first.files[0].sha256 in caught.value.problem
    assert other.files[0].sha256 in caught.value.problem
    assert "release a higher one" in caught.value.cure
    assert place.uploads() == 1
    (said,) = place.target.problems(other)
    assert first.files[0].sha256 in said
    with pytest.raises(UnitFailed, match="another"):
        place.target.fetch(other.files[0], tmp_path / "got")
    assert not [each for each in (tmp_path / "got").glob("*")]


def test_a_server_in_trouble_is_tried_again(place: Place, tmp_path: Path) -> None:
    release = release_of(wheel(tmp_path))
    place.target.begin(release)
    place.fail(times=1)
    place.target.publish(release.files[0], release)
    assert place.target.found(release.files[0], release) == "equal"


def test_a_server_that_stays_in_trouble_is_told_in_its_words(
    place: Place, tmp_path: Path
) -> None:
    release = release_of(wheel(tmp_path))
    place.target.begin(release)
    place.server.faults.words = "the disk is full"
    place.fail(times=9)
    with pytest.raises(SurroundingsError) as caught:
        place.target.publish(release.files[0], release)
    assert "503" in caught.value.problem
    assert "the disk is full" in caught.value.problem
    assert "what was done stays" in caught.value.cure


def test_an_answer_that_is_lost_is_no_failure(place: Place, tmp_path: Path) -> None:
    release = release_of(wheel(tmp_path))
    place.target.begin(release)
    place.cut("after")
    place.target.publish(release.files[0], release)
    assert place.target.found(release.files[0], release) == "equal"
    assert place.uploads() == 1


def test_a_file_that_is_lost_is_sent_again(place: Place, tmp_path: Path) -> None:
    release = release_of(wheel(tmp_path))
    place.target.begin(release)
    place.cut("before")
    place.target.publish(release.files[0], release)
    assert place.target.found(release.files[0], release) == "equal"
    assert place.uploads() == 2


def test_the_last_answer_may_be_lost_too(place: Place, tmp_path: Path) -> None:
    release = release_of(wheel(tmp_path))
    place.target.begin(release)
    place.cut("before", "after")
    place.target.publish(release.files[0], release)
    assert place.uploads() == 2


def test_a_refused_token_is_a_problem_before_anything_is_done(
    place: Place, tmp_path: Path
) -> None:
    release = release_of(wheel(tmp_path))
    place.refuse()
    (said,) = place.target.problems(release)
    assert "refuses the token" in said
    assert "TWINE_PASSWORD" in said or "GITHUB_TOKEN" in said
    assert place.uploads() == 0


def test_a_server_that_is_not_there_is_a_problem_and_no_traceback(
    place: Place, tmp_path: Path
) -> None:
    release = release_of(wheel(tmp_path))
    if place.kind == "index":
        place.server.faults.gets = [502] * 9
    else:
        place.server.faults.at["repos/get"] = [502] * 9
    (said,) = place.target.problems(release)
    assert "502" in said


def test_a_token_is_in_no_message_though_the_server_repeats_it(
    place: Place, tmp_path: Path
) -> None:
    release = release_of(wheel(tmp_path))
    place.target.begin(release)
    token = SECRETS[place.kind == "github"]
    place.server.faults.words = f"{'bad ' * 16}{token} is no good"
    place.fail(times=9)
    with pytest.raises(SurroundingsError) as caught:
        place.target.publish(release.files[0], release)
    shown = str(caught.value)
    assert "***" in shown
    assert not any(part in shown.replace(" ", "") for part in SECRETS)
    assert token not in repr(place.target)
    assert token not in place.target.where()


def test_what_is_yanked_is_told(place: Place, tmp_path: Path) -> None:
    release = release_of(wheel(tmp_path))
    place.target.begin(release)
    place.target.publish(release.files[0], release)
    place.target.finish(release)
    said = place.target.yank(release, "it eats\nmessages")
    if place.kind == "index":
        assert "a person has to yank it" in said
        assert "maria-api 1.2.0" in said
        assert "it eats messages" in said
        assert place.target.yanked(release) is False
    else:
        assert place.target.yanked(release) is True
        assert "already" in place.target.yank(release, "twice")


def test_what_is_not_there_cannot_be_yanked(place: Place, tmp_path: Path) -> None:
    release = release_of(wheel(tmp_path))
    assert place.target.yanked(release) is None


def test_a_file_that_is_not_listed_in_time_is_told(
    place: Place, tmp_path: Path
) -> None:
    with pytest.raises(SurroundingsError) as caught:
        place.target.fetch(wheel(tmp_path), tmp_path / "got")
    assert "maria_api-1.2.0-py3-none-any.whl" in caught.value.problem
    assert "--resume" in caught.value.cure
