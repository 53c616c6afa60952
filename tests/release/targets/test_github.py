"""What is special about GitHub; what all places do is in test_contract.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import github_api
import pytest
from places import a_github, release_of, sdist, wheel

from sametree.errors import SurroundingsError, UsageError
from sametree.release import targets
from sametree.release.targets import calls, github, github_api as rest
from sametree.settings import model

REMOTE = "git@github.com:acme/maria.git"


@pytest.mark.parametrize(
    "url",
    [
        "git@github.com:acme/maria.git",
        "git@GitHub.com:/acme/maria",
        "https://github.com/acme/maria",
        "https://me:secret@github.com/acme/maria.git/",
        "ssh://git@github.com/acme/maria.git",
        "ssh://git@github.com:22/acme/maria.git\n",
        "git://github.com/acme/maria",
    ],
)
def test_every_form_of_a_remote_is_understood(url: str) -> None:
    assert rest.of_remote(url) == ("github.com", "acme/maria")


@pytest.mark.parametrize(
    "url", ["", "/srv/maria.git", "file:///srv/maria.git", "../maria", "https://x/y"]
)
def test_a_remote_that_is_no_repository_of_a_server_is_none(url: str) -> None:
    assert rest.of_remote(url) is None


def test_the_api_is_derived_from_the_remote_and_a_variable_or_the_settings_win() -> (
    None
):
    assert rest.access("", None, {}, REMOTE).address == "https://api.github.com"
    own = rest.access("", None, {}, "https://git.example.org/acme/maria")
    assert own.address == "https://git.example.org/api/v3"
    assert own.where() == "git.example.org/acme/maria"
    environ = {"GITHUB_API_URL": "https://ghe.example.org/api/v3/"}
    assert (
        rest.access("", None, environ, REMOTE).address
        == "https://ghe.example.org/api/v3"
    )
    assert rest.access("http://here", None, environ, REMOTE).address == "http://here"
    assert rest.access("", None, {}, REMOTE).where() == "github.com/acme/maria"


def test_a_remote_on_this_machine_needs_to_be_told_of_which_repository_it_is() -> None:
    with pytest.raises(UsageError) as caught:
        rest.access("http://here", None, {}, "/srv/maria.git")
    assert "which repository" in caught.value.problem
    assert "GITHUB_REPOSITORY" in caught.value.cure
    environ = {"GITHUB_REPOSITORY": "acme/maria"}
    assert rest.access("http://h", None, environ, "/srv/m").repository == "acme/maria"
    with pytest.raises(UsageError):
        rest.access("here", None, environ, "/srv/maria.git")


def test_the_token_is_the_chosen_one_or_that_of_the_tools_of_the_field() -> None:
    environ = {"GITHUB_TOKEN": "one", "GH_TOKEN": "two", "MINE": "three"}
    assert rest.access("", None, environ, REMOTE).token == "one"
    assert rest.access("", None, {"GH_TOKEN": "two"}, REMOTE).token == "two"
    assert rest.access("", "MINE", environ, REMOTE).token == "three"
    assert rest.access("", "NONE", environ, REMOTE).token == ""


def test_a_missing_token_is_a_problem_that_names_the_variable() -> None:
    told = model.Target(kind="github", token="MINE")
    (said,) = targets.make("hub", told, {}, REMOTE).problems(release_of())
    assert said == "no token for github.com/acme/maria: set MINE"


def test_a_token_that_may_only_read_is_a_problem(hub: github_api.GitHub) -> None:
    hub.rights = {"admin": False, "pull": True, "push": False}
    (said,) = a_github(hub).problems(release_of())
    assert "may read" in said
    assert "Contents: write" in said


def test_the_token_of_a_ci_job_is_shown_without_rights_and_is_none(
    hub: github_api.GitHub,
) -> None:
    hub.rights = {"admin": False, "pull": False, "push": False}
    assert list(a_github(hub).problems(release_of())) == []
    hub.rights = {"admin": False, "pull": True, "push": True}
    assert list(a_github(hub).problems(release_of())) == []


def test_an_archived_repository_is_a_problem(hub: github_api.GitHub) -> None:
    hub.archived = True
    (said,) = a_github(hub).problems(release_of())
    assert "archived" in said


def test_a_repository_that_the_token_does_not_see_is_a_problem(
    hub: github_api.GitHub,
) -> None:
    target = a_github(hub)
    hub.repository = "acme/other"
    (said,) = target.problems(release_of())
    assert "says 404" in said


def test_without_a_token_what_is_public_can_be_looked_at(
    hub: github_api.GitHub, tmp_path: Path
) -> None:
    release = release_of(wheel(tmp_path))
    a_github(hub).begin(release)
    nobody = a_github(hub, GITHUB_TOKEN="")
    assert not nobody.begun(release)
    with pytest.raises(UsageError, match="Requires authentication"):
        nobody.begin(release)
    a_github(hub).publish(release.files[0], release)
    a_github(hub).finish(release)
    assert nobody.finished(release)
    assert nobody.found(release.files[0], release) == "equal"


def test_a_draft_by_somebody_else_is_a_problem(hub: github_api.GitHub) -> None:
    target, release = a_github(hub), release_of()
    made = hub.add("v1.2.0", draft=True, target_commitish="main", body="by a bot")
    (said,) = target.problems(release)
    assert made["html_url"] in said
    made["body"] = release.notes.replace("\n", "\r\n")
    assert list(target.problems(release)) == []
    made["body"], made["target_commitish"] = "edited", "c" * 40
    assert list(target.problems(release)) == []


def test_a_remote_is_told_without_its_password() -> None:
    with pytest.raises(UsageError) as caught:
        rest.access("", None, {}, "https://me:secret@example.org/maria.git")
    assert "'https://example.org/maria.git'" in caught.value.problem
    assert "secret" not in str(caught.value)


def test_a_list_that_is_none_is_told(hub: github_api.GitHub, tmp_path: Path) -> None:
    hub.faults.raw = b'[{"id": 1}]'
    target = a_github(hub)
    with pytest.raises(SurroundingsError, match="is no GitHub"):
        list(target.api.each("/releases", rest.Release))
    (said,) = target.problems(release_of())
    assert "is no GitHub" in said


def test_nobody_sees_the_release_before_its_files_are_there(
    hub: github_api.GitHub, tmp_path: Path
) -> None:
    target, release = a_github(hub), release_of(wheel(tmp_path), sdist(tmp_path))
    target.begin(release)
    target.publish(release.files[0], release)
    (made,) = hub.releases.values()
    assert made["draft"]
    with pytest.raises(UsageError, match="tar.gz is not there"):
        target.finish(release)
    assert made["draft"]
    target.publish(release.files[1], release)
    target.finish(release)
    assert not made["draft"]
    assert made["name"] == "maria 1.2.0"
    assert made["body"] == release.notes
    assert made["target_commitish"] == release.commit


def test_a_release_before_its_time_is_marked_so(hub: github_api.GitHub) -> None:
    target, release = a_github(hub), release_of(prerelease=True)
    target.begin(release)
    target.finish(release)
    assert [each["prerelease"] for each in hub.releases.values()] == [True]


def test_another_process_finds_the_draft(
    hub: github_api.GitHub, tmp_path: Path
) -> None:
    release = release_of(wheel(tmp_path))
    a_github(hub).begin(release)
    hub.page = 1
    for number in range(3):
        hub.add(f"v0.{number}", draft=True)
    target = a_github(hub)
    assert target.begun(release)
    target.begin(release)
    assert len(hub.of_tag("v1.2.0")) == 1
    target.publish(release.files[0], release)
    assert a_github(hub).found(release.files[0], release) == "equal"


def test_of_two_drafts_the_older_is_the_one(hub: github_api.GitHub) -> None:
    first = hub.add("v1.2.0", draft=True)
    second = hub.add("v1.2.0", draft=True)
    target = a_github(hub)
    target.finish(release_of())
    assert (first["draft"], second["draft"]) == (False, True)


def test_an_answer_that_is_lost_makes_no_second_draft(hub: github_api.GitHub) -> None:
    hub.faults.at["repos/create-release"] = ["after", 0]
    target = a_github(hub)
    target.begin(release_of())
    assert len(hub.releases) == 1
    hub.releases.clear()
    hub.faults.at["repos/create-release"] = ["before", 0]
    a_github(hub).begin(release_of())
    assert len(hub.releases) == 1


def test_a_draft_that_cannot_be_begun_is_told(hub: github_api.GitHub) -> None:
    hub.faults.at["repos/create-release"] = [500, 500]
    with pytest.raises(SurroundingsError, match="says 500: Server Error"):
        a_github(hub).begin(release_of())
    assert hub.releases == {}


def test_a_draft_that_somebody_deletes_meanwhile_is_told(
    hub: github_api.GitHub, tmp_path: Path
) -> None:
    target, release = a_github(hub), release_of(wheel(tmp_path))
    target.begin(release)
    hub.releases.clear()
    with pytest.raises(UsageError, match="is gone"):
        target.publish(release.files[0], release)
    with pytest.raises(UsageError, match="it is not there"):
        target.finish(release_of())
    assert not target.finished(release)
    target.begin(release)
    target.publish(release.files[0], release)


def test_what_an_upload_left_half_is_replaced(
    hub: github_api.GitHub, tmp_path: Path
) -> None:
    target, release = a_github(hub), release_of(wheel(tmp_path))
    target.begin(release)
    hub.faults.at["repos/upload-release-asset"] = ["starter", 0]
    target.publish(release.files[0], release)
    assert target.found(release.files[0], release) == "equal"
    (made,) = hub.releases.values()
    assert len(made["assets"]) == 1
    assert "repos/delete-release-asset" in hub.asked


def test_what_arrived_changed_is_sent_again(
    hub: github_api.GitHub, tmp_path: Path
) -> None:
    target, release = a_github(hub), release_of(wheel(tmp_path))
    target.begin(release)
    hub.faults.at["repos/upload-release-asset"] = ["changed", 0]
    target.publish(release.files[0], release)
    assert target.found(release.files[0], release) == "equal"
    (made,) = hub.releases.values()
    made["assets"].clear()
    hub.faults.at["repos/upload-release-asset"] = ["changed", "changed", 0]
    with pytest.raises(SurroundingsError, match="did not arrive"):
        target.publish(release.files[0], release)
    assert made["assets"] == []


def test_a_server_that_tells_no_digest_is_compared_by_the_bytes(tmp_path: Path) -> None:
    with github_api.github(digests=False) as hub:
        target, release = a_github(hub), release_of(wheel(tmp_path))
        target.begin(release)
        target.publish(release.files[0], release)
        assert target.found(release.files[0], release) == "equal"
        other = wheel(tmp_path / "other", "other = 1\n")
        assert target.found(other, release) == "different"


def test_the_token_does_not_go_to_where_files_are_stored(
    hub: github_api.GitHub, tmp_path: Path
) -> None:
    target, release = a_github(hub), release_of(wheel(tmp_path))
    target.begin(release)
    target.publish(release.files[0], release)
    target.fetch(release.files[0], tmp_path / "got")
    assert hub.stored_for == [""]


def test_a_published_release_that_is_immutable_and_lacks_a_file_is_a_problem(
    tmp_path: Path,
) -> None:
    with github_api.github(immutable=True) as hub:
        target, release = a_github(hub), release_of(wheel(tmp_path))
        target.begin(release_of())
        target.finish(release_of())
        (said,) = target.problems(release)
        assert "immutable" in said
        with pytest.raises(UsageError, match="release is immutable"):
            target.publish(release.files[0], release)


def test_a_file_that_came_by_another_way_is_looked_at(
    hub: github_api.GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, release = a_github(hub), release_of(wheel(tmp_path))
    target.begin(release)
    real = target._upload

    def beaten(file: Any, told: Any) -> None:
        (made,) = hub.releases.values()
        hub.attach(made, file.name, file.path.read_bytes())
        real(file, told)

    monkeypatch.setattr(target, "_upload", beaten)
    target.publish(release.files[0], release)
    assert hub.asked.count("repos/upload-release-asset") == 1


def test_a_spent_rate_limit_is_no_refused_token(hub: github_api.GitHub) -> None:
    target = a_github(hub)
    hub.faults.at["repos/get"] = [403]
    hub.faults.headers = {"X-RateLimit-Remaining": "0"}
    hub.faults.words = "API rate limit exceeded"
    with pytest.raises(SurroundingsError, match="rate limit"):
        target.api.call("GET", "")
    hub.faults.at["repos/get"] = [403]
    hub.faults.headers, hub.faults.words = {}, "Resource not accessible"
    with pytest.raises(UsageError) as caught:
        target.api.call("GET", "")
    assert "Contents: write" in caught.value.cure


def test_what_is_no_github_is_told(hub: github_api.GitHub) -> None:
    hub.faults.raw = b"<html>a proxy's page</html>"
    (said,) = a_github(hub).problems(release_of())
    assert "is no GitHub" in said


def test_uploads_are_never_sent_without_tls_when_the_api_has_it(
    hub: github_api.GitHub, tmp_path: Path
) -> None:
    target, release = a_github(hub), release_of(wheel(tmp_path))
    target.begin(release)
    (made,) = hub.releases.values()
    made["upload_url"] = "ftp://elsewhere/{?name}"
    with pytest.raises(SurroundingsError, match="sends uploads to ftp:"):
        target.publish(release.files[0], release)


def test_notes_that_are_too_long_are_cut(hub: github_api.GitHub) -> None:
    a_github(hub).begin(release_of(notes="word " * 40_000))
    (made,) = hub.releases.values()
    assert len(made["body"]) == github.BODY
    assert made["body"].endswith("the changelog has the rest)\n")


def test_a_yanked_release_says_so_first_and_is_not_the_latest(
    hub: github_api.GitHub,
) -> None:
    target, release = a_github(hub), release_of()
    target.begin(release)
    target.finish(release)
    said = target.yank(release, "it eats\nmessages")
    (made,) = hub.releases.values()
    assert made["html_url"] in said
    shown = made["body"].splitlines()[1]
    assert shown == "> **Yanked, do not use it:** it eats messages"
    assert made["body"].endswith(release.notes)
    assert made["name"] == "maria 1.2.0 (yanked)"
    assert made["prerelease"]
    assert "nothing to yank" in target.yank(release_of(tag="v9"), "x")


def test_a_file_is_found_in_whichever_release_it_is(
    hub: github_api.GitHub, tmp_path: Path
) -> None:
    hub.page = 2
    file = wheel(tmp_path)
    hub.attach(hub.add("v1.2.0"), file.name, file.path.read_bytes())
    for number in range(5):
        hub.attach(hub.add(f"v1.3.{number}"), f"other-{number}", b"x")
    assert a_github(hub).fetch(file, tmp_path / "got").name == file.name


def test_the_stand_in_refuses_what_the_description_does_not_have() -> None:
    def call(hub: github_api.GitHub, **options: Any) -> None:
        told = {"waits": (), **options}
        with pytest.raises(SurroundingsError, match="says 500"):
            a_github(hub).api.call(told.pop("method"), told.pop("path"), **told)

    with pytest.raises(AssertionError) as caught, github_api.github() as hub:
        call(hub, method="POST", path="/releases", json={"draft": True})
        call(hub, method="POST", path="/releases", json={"tag_name": "v1", "x": 1})
        call(hub, method="GET", path="/releases", params={"pages": "1"})
        call(hub, method="GET", path="/releases", params={"page": "one"})
        call(hub, method="GET", path="/nothing")
        call(hub, method="GET", path="", headers={"Accept": "text/plain"})
        call(hub, method="GET", path="", data=b"x")
        call(hub, method="POST", path="/releases", data=b"{}")
        call(hub, method="POST", path="/releases/1/assets", params={"name": "x"})
    assert len(str(caught.value).splitlines()) == 9


def test_a_call_without_any_words_is_told_by_its_reason(
    hub: github_api.GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.faults.at["repos/get"] = [418]
    hub.faults.words = ""
    with pytest.raises(UsageError, match="says 418: "):
        a_github(hub).api.call("GET", "")
    assert calls.said("text/plain", " a\x1b[0m\n b ") == "a [0m b"
