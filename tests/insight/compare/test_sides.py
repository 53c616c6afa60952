"""Which two runs are compared."""

import os

import msgspec
import pytest
from comparing import BEGAN, COMMIT, UNITS, record, run

from sametree import proofs, records
from sametree.errors import UsageError
from sametree.insight.compare import sides
from sametree.insight.compare.sides import Known

OTHER = "e" * 40


def known(root, here=(), shared=(), **more):
    for each in here:
        records.write(root / ".sametree", each)
    return Known(root, root / ".sametree", lambda: shared, **more)


def write(folder, *found):
    """Write records as downloaded artifacts have them: a folder for each."""
    for number, each in enumerate(found):
        place = folder / f"records-{number}" / each.run
        place.mkdir(parents=True)
        name = records.file_name(each.unit)
        (place / f"{name}.json").write_text(records.encode(each))
    return folder


def ids(pair):
    return tuple(each.newest.run for each in pair)


def refused(found, *asked):
    with pytest.raises(UsageError) as error:
        found.two(*asked)
    return str(error.value)


def test_by_default_my_last_run_stands_against_the_cis_of_its_commit(tmp_path):
    old = run(run="old", started=BEGAN - 99)
    other = run("github", run="other", revision=OTHER, tree=OTHER, started=BEGAN + 9999)
    found = known(tmp_path, [*old, *run()], [*other, *run("github")])
    assert ids(found.two("", "")) == ("20261122T211231-473095", "18837")


def test_the_ci_is_compared_with_what_the_other_side_ran(tmp_path):
    here = [*run(), *run(run="old", revision=OTHER, started=BEGAN - 99)]
    shared = [*run("github"), *run("github", run="77", revision=OTHER, url="")]
    assert ids(known(tmp_path, here, shared).two("old", "ci")) == ("old", "77")


def test_of_the_cis_runs_the_newest_of_the_commit_is_taken(tmp_path):
    shared = [
        *run("github", run="1", url="", started=BEGAN),
        *run("github", run="3", url="", started=BEGAN + 3),
        *run("github", run="2", url="", started=BEGAN + 2),
    ]
    assert ids(known(tmp_path, run(), shared).two("", ""))[1] == "3"


def test_after_a_squash_the_run_of_the_same_tree_is_taken(tmp_path):
    shared = run("github", revision=OTHER)
    assert ids(known(tmp_path, run(), shared).two("last", "ci"))[1] == "18837"


def test_a_merge_that_ci_tested_for_a_pull_request_is_that_of_its_commit(sample):
    sample.git("checkout", "--quiet", "-b", "change")
    sample.commit("Change")
    mine = sample.git("rev-parse", "HEAD").strip()
    sample.git("checkout", "--quiet", "main")
    sample.git("merge", "--quiet", "--no-ff", "-m", "Merge", "change")
    merge = sample.git("rev-parse", "HEAD").strip()
    shared = run("github", revision=merge, tree="")
    found = known(sample.root, run(revision=mine), shared)
    assert ids(found.two("", ""))[1] == "18837"
    # A plain child of the commit is another commit.
    sample.commit("Later")
    later = sample.git("rev-parse", "HEAD").strip()
    shared = run("github", revision=later, tree="")
    assert "no CI run of commit" in refused(
        known(sample.root, run(revision=merge), shared), "", ""
    )


def test_a_run_without_a_commit_is_compared_with_the_cis_of_head(sample):
    head = sample.git("rev-parse", "HEAD").strip()
    shared = run("github", revision=head)
    here = run(revision="", tree="")
    assert ids(known(sample.root, here, shared).two("", ""))[1] == "18837"


def test_a_commit_that_is_none_is_not_asked_for(tmp_path):
    shared = run("github", revision="--output=stolen", tree="")
    assert "no CI run" in refused(known(tmp_path, run(), shared), "", "")


def test_on_a_ci_machine_its_own_runs_count_as_the_cis(tmp_path):
    here = [*run(), *run("github")]
    found = known(tmp_path, here)
    assert ids(found.two("20261122", "ci")) == ("20261122T211231-473095", "18837")


def test_attempts_of_one_ci_run_are_one_run_with_the_newest_of_each_unit(tmp_path):
    shared = run("github", run="18837-1", result="failure")
    shared += [record("tests(backend)", "github", run="18837-2", started=BEGAN + 999)]
    _, right = known(tmp_path, run(), shared).two("", "")
    assert len(right.records) == len(UNITS)
    assert {r.run: r.result for r in right.records}["18837-2"] == "success"


@pytest.mark.parametrize("name", ["20261122T2112", "473095", "20261122T211231-473095"])
def test_a_run_may_be_named_by_its_id_or_the_beginning_or_end_of_it(tmp_path, name):
    found = known(tmp_path, run(), run("github"))
    assert ids(found.two(name, "18837")) == ("20261122T211231-473095", "18837")


def test_a_whole_id_is_not_taken_for_the_beginning_of_another(tmp_path):
    here = [*run(run="1"), *run(run="12", started=BEGAN + 1)]
    assert ids(known(tmp_path, here).two("1", "12")) == ("1", "12")


def test_an_id_that_fits_many_runs_is_refused_with_their_names(tmp_path):
    here = [*run(), *run(run="20261122T999999-000000")]
    said = refused(known(tmp_path, here), "20261122", "ci")
    assert said.startswith("2 runs are named like 20261122:\n  20261122T")


def test_what_was_shared_and_is_here_as_well_is_one_run(tmp_path):
    found = known(tmp_path, run(), [*run()[:2], *run("github")])
    left, _ = found.two("473095", "18837")
    assert len(left.records) == len(UNITS)


def test_nobody_steers_the_terminal_with_the_name_of_a_run(tmp_path):
    bad = "\x1b[31m\r"
    shared = run("github", run=bad, revision=bad, tree="")
    said = refused(known(tmp_path, run(), shared), "", "")
    assert said.replace("\n", "").isprintable()


def test_an_unknown_id_is_refused_with_what_is_known(tmp_path):
    said = refused(known(tmp_path, run()), "last", "777")
    assert said.startswith(
        "no run 777 is known; the newest are\n  20261122T211231-473095"
    )
    assert "(here, " in said and f"commit {COMMIT[:8]}" in said


def test_without_any_run_one_is_told_to_make_one(tmp_path):
    assert refused(known(tmp_path), "", "") == (
        "no run is recorded in this checkout\n  -> run `nox` first"
    )
    said = refused(known(tmp_path, run(), unit="lint(x)"), "", "")
    assert said == (
        "no run of lint(x) is recorded in this checkout\n  -> run `nox -s 'lint(x)'` first"
    )


def test_without_a_ci_run_one_is_told_how_to_get_it(tmp_path):
    said = refused(known(tmp_path, run()), "", "")
    assert said.startswith(
        f"no CI run of commit {COMMIT[:10]} is known\n  -> get it with"
    )
    assert "`invoke records.pull`" in said and "--folder DIR" in said


def test_ci_runs_of_other_commits_are_offered(tmp_path):
    shared = run("github", revision=OTHER, tree="")
    said = refused(known(tmp_path, run(), shared), "", "")
    assert "; known are\n  18837 (on github, " in said
    assert "invoke compare --right RUN" in said


def test_a_run_is_not_compared_with_itself(tmp_path):
    found = known(tmp_path, run(), run("github"))
    said = refused(found, "18837", "ci")
    assert said.startswith("both sides are 18837 (on github, ")
    assert "nothing to compare" in refused(found, "last", "last")


def test_one_record_is_a_side(tmp_path):
    write(tmp_path / "down", record("lint(backend)", "github"))
    [path] = (tmp_path / "down").rglob("*.json")
    _, right = known(tmp_path, run()).two("", str(path))
    assert [each.unit for each in right.records] == ["lint(backend)"]


def test_downloaded_artifacts_are_a_side_at_any_depth(tmp_path):
    folder = write(tmp_path / "down" / "deep", *run("github"))
    (folder / "report.json").write_text('{"tests": []}')
    (folder / "broken.json").write_text("{")
    left, right = known(tmp_path, run(), folder=str(tmp_path / "down")).two("", "")
    assert [each.unit for each in right.records] == list(UNITS)
    assert right.notes == ()


def test_a_folder_of_another_commit_is_compared_all_the_same(tmp_path):
    folder = write(tmp_path / "down", *run("github", revision=OTHER, tree=""))
    found = known(tmp_path, run(), folder=str(folder))
    assert ids(found.two("", ""))[1] == "18837"


def test_the_runs_of_a_folder_can_be_named(tmp_path):
    folder = write(tmp_path / "down", *run("github"), *run("github", run="9", url=""))
    found = known(tmp_path, folder=str(folder))
    assert ids(found.two("18837", "9")) == ("18837", "9")


def test_of_many_runs_in_a_folder_the_newest_is_taken_and_it_is_said(tmp_path):
    newer = run("github", run="9", url="", started=BEGAN + 9999)
    folder = write(tmp_path / "down", *run("github"), *newer)
    side = known(tmp_path).run(str(folder))
    assert side.newest.run == "9"
    assert side.notes == (f"{folder} holds 2 runs; this is the newest",)


def test_folders_of_packages_and_links_are_not_searched(tmp_path):
    folder = write(tmp_path / "down" / "node_modules", *run("github"))
    target = write(tmp_path / "else", record("a"))
    [real] = target.rglob("*.json")
    (tmp_path / "down" / "link.json").symlink_to(real)
    (tmp_path / "down" / "gone.json").symlink_to(tmp_path / "nowhere")
    assert sides.read_folder(folder.parent) == ([], [])


@pytest.mark.parametrize("unit", ["", "lint(x)"])
def test_a_folder_without_records_is_refused(tmp_path, unit):
    (tmp_path / "empty").mkdir()
    said = refused(known(tmp_path, run()), "", str(tmp_path / "empty"))
    assert "empty holds no run record\n  -> records are files" in said


def test_a_folder_of_zip_files_is_to_be_unpacked(tmp_path):
    (tmp_path / "down").mkdir()
    (tmp_path / "down" / "records.zip").write_bytes(b"PK")
    said = refused(known(tmp_path, run()), "", str(tmp_path / "down"))
    assert said.endswith("-> unpack records.zip first")


NEWER = msgspec.json.encode(
    {**msgspec.to_builtins(record("a")), "schema": records.SCHEMA + 1}
)


@pytest.mark.parametrize(
    "text, why",
    [
        (records.encode(record("a")).encode()[:90], "it is damaged, or was cut short"),
        (NEWER, f"it was written by a newer sametree (schema {records.SCHEMA + 1})"),
        (b'{"cicd.pipeline.run.id": "1"}', "it lacks what a record has"),
        (b'{"cicd.pipeline.run.id": "\xff"}', "it lacks what a record has"),
        (
            b'{"cicd.pipeline.run.id":' + b"[" * 99_999,
            "it is damaged, or was cut short",
        ),
    ],
)
def test_what_cannot_be_read_is_said_and_why(tmp_path, text, why):
    folder = write(tmp_path / "down", record("b", "github"))
    (folder / "a.json").write_bytes(text)
    side = known(tmp_path).run(str(folder))
    assert side.notes == (f"a.json is left out: {why}",)
    with pytest.raises(UsageError) as error:
        known(tmp_path).run(str(folder / "a.json"))
    assert str(error.value) == f"{folder / 'a.json'} is no run record: {why}"


def test_pipes_and_far_too_big_files_are_passed_over(tmp_path):
    folder = write(tmp_path / "down", record("b", "github"))
    os.mkfifo(folder / "pipe.json")
    (folder / "big.json").write_bytes(b"")
    os.truncate(folder / "big.json", sides.BIGGEST + 1)
    found, notes = sides.read_folder(folder)
    assert [each.unit for each in found] == ["b"]
    assert notes == []


def test_any_other_file_is_no_record(tmp_path):
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(UsageError, match="is no run record: something else"):
        known(tmp_path).run(str(tmp_path / "a.json"))


@pytest.mark.parametrize("path", ["down/here", "a.json"])
def test_a_path_that_is_not_there_is_refused_as_a_path(tmp_path, path):
    assert refused(known(tmp_path, run()), "", path) == (
        f"there is no file or folder {path}"
    )


def test_only_one_unit_may_be_asked_for(tmp_path):
    here = [*run(), *run(run="newer", units=["lint(backend)"], started=BEGAN + 99)]
    shared = [
        *run("github"),
        *run("github", ["plan"], run="2", url="", started=BEGAN * 2),
    ]
    found = known(tmp_path, here, shared, unit="tests(backend)")
    left, right = found.two("", "")
    assert ids((left, right)) == ("20261122T211231-473095", "18837")
    assert [each.unit for each in (*left.records, *right.records)] == (
        ["tests(backend)"] * 2
    )


def test_the_record_that_proved_a_unit_is_found_here_or_elsewhere(tmp_path):
    skip = record("lint(backend)", result="skip", proof="18837")
    found = known(tmp_path, run(), run("github"))
    assert found.proof(skip).run == "18837"
    assert found.proof(msgspec.structs.replace(skip, proof="gone")) is None


def test_a_proof_outlives_its_run(tmp_path):
    passed = record("lint(backend)", run="gone", proves=True)
    proofs.keep(tmp_path / ".sametree", passed)
    skip = record("lint(backend)", result="skip", proof="gone")
    assert known(tmp_path).proof(skip) == passed
    assert known(tmp_path).proof(msgspec.structs.replace(skip, proof="other")) is None


def test_a_run_with_changes_is_told_from_one_of_the_commit(sample):
    head = sample.git("rev-parse", "HEAD").strip()
    tree = sample.git("rev-parse", "HEAD^{tree}").strip()

    def changed(**told):
        return sides.changed(sample.root, [record("a", **told)])

    assert changed(revision=head, tree=tree) is False
    assert changed(revision=head, tree=OTHER) is True
    assert changed(revision=OTHER, tree=tree) is None
    assert changed(revision="", tree=tree) is None
    assert changed(revision="--help", tree=tree) is None
