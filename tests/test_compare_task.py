"""``invoke compare``, from the records on disk to what is printed."""

import hashlib

import pytest
from comparing import UNITS, failed, record, run

from sametree import compare_task, files, records, settings, trees
from sametree.errors import UsageError


@pytest.fixture
def project(sample):
    loaded = settings.load(sample.root)
    files.add_exclude_file(loaded.state)
    return loaded


def compared(project, left, right, capsys, *asked, **more):
    for each in left:
        records.write(project.state, each)
    code = compare_task.run(project, *asked, shared=lambda: right, **more)
    return code, capsys.readouterr().out


def test_runs_that_are_the_same_end_with_0(project, capsys):
    code, shown = compared(project, run(), run("github"), capsys)
    assert code == 0
    assert "6 units: the same results, and all that must match does" in shown


@pytest.mark.parametrize(
    "more", [{"parts": {"tool:uv": "0.1"}}, {"outside": ("a.py",)}, failed()]
)
def test_what_must_match_or_another_result_ends_with_1(project, capsys, more):
    code, shown = compared(project, run(), run("github", **more), capsys)
    assert code == 1
    assert "FAILED" in shown or "✗" in shown or "!" in shown


def test_files_are_named_that_were_never_committed(sample, project, capsys):
    sides = []
    for text in ("a = 1\n", "a = 2\n"):
        sample.write({"sample.py": text, "new/deep.py": text})
        tree = trees.read(sample.root, project.state).id
        sides.append({"parts": {"input:": f"040000 {tree}"}, "tree": tree})
    left, right = sides
    code, shown = compared(
        project,
        run(**left),
        [record(u, "github", **failed(), **right) for u in UNITS],
        capsys,
    )
    assert code == 1
    assert "2 files are not the same: new/deep.py and sample.py" in " ".join(
        shown.split()
    )


def test_packages_are_named_from_the_trees_of_the_records(sample, project, capsys):
    sides = []
    for version in ("26.1.0", "26.3.1"):
        text = f"black=={version}\n"
        sample.write({"locks/lint.txt": text})
        tree = trees.read(sample.root, project.state).id
        digest = hashlib.sha256(text.encode()).hexdigest()
        sides.append({"parts": {"lock:locks/lint.txt": digest}, "tree": tree})
    sample.write({"locks/lint.txt": "black==0.1\n"})
    left, right = sides
    _, shown = compared(project, run(**left), run("github", **right), capsys)
    assert "black is 26.1.0 in the local run, 26.3.1 in CI" in " ".join(shown.split())


def test_runs_without_a_unit_in_common_are_refused(project, capsys):
    with pytest.raises(UsageError) as error:
        compared(project, run(units=["a"]), run("github", ["b", "c"]), capsys)
    assert str(error.value).startswith(
        "no unit ran on both sides: one had a, the other b"
    )


def test_a_folder_that_is_not_there_is_refused(project, capsys):
    with pytest.raises(UsageError, match="there is no folder gone"):
        compared(project, run(), [], capsys, folder="gone")


def test_one_unit_and_all_of_it_may_be_asked_for(project, capsys):
    right = run("github", parts={"tool:uv": "0.1"})
    code, shown = compared(
        project, run(), right, capsys, "last", "ci", unit="lint(backend)", full=True
    )
    assert code == 1
    assert "lint(backend)" in shown and "tests(" not in shown
    assert "variable GITHUB_ACTIONS" in shown


def test_a_run_with_changes_is_told(sample, project, capsys):
    head = sample.git("rev-parse", "HEAD").strip()
    tree = sample.git("rev-parse", "HEAD^{tree}").strip()
    left, right = run(revision=head), run("github", revision=head, tree=tree)
    _, shown = compared(project, left, right, capsys)
    assert f"{head[:8]} and changes" in shown.splitlines()[0]
    assert "changes" not in shown.splitlines()[1]


def test_a_proven_unit_is_followed_to_where_it_passed(project, capsys):
    passed = run(run="before", outside=("app/.env",), started=1.0)
    skipped = run(result="skip", proof="before", steps=())
    _, shown = compared(project, [*passed, *skipped], run("github"), capsys)
    assert "the file app/.env is there in the local run only" in " ".join(shown.split())
