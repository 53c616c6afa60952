"""The stand-ins do what GitHub's own actions do: same inputs, same files, same refusals.

They run as in a rehearsal: with real git, in a workspace and an environment of their
own. Only the interpreter is ours, since one that measures coverage begins slowly; that
they are programs, each rehearsal shows.
"""

import os
import subprocess
import sys
from contextlib import chdir, contextmanager, redirect_stdout

import pytest

from sametree.toolchains import environments
from sametree.workflows import standins


@contextmanager
def environment(variables):
    """Have ``variables`` and no others, for us and for what we start."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def written_to(path):
    """Have all that we and what we start print in a file."""
    kept = [os.dup(1), os.dup(2)]
    with path.open("w", buffering=1) as file, redirect_stdout(file):
        for number in (1, 2):
            os.dup2(file.fileno(), number)
        try:
            yield
        finally:
            for number, before in enumerate(kept, start=1):
                os.dup2(before, number)
                os.close(before)


class Runner:
    """What a job has: a workspace, the files that tell GitHub something, a store."""

    def __init__(self, root):
        self.store = root / "store"
        self.workspace = root / "workspace"
        self.workspace.mkdir()
        (self.store / "artifacts").mkdir(parents=True)
        (self.store / "programs").mkdir()
        (self.store / "programs" / "uv").symlink_to(environments.uv())
        self.told = root / "told"
        self.env = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(root),
            "GITHUB_PATH": str(root / "path"),
            "GITHUB_ENV": str(root / "env"),
            "GITHUB_REF": "refs/heads/main",
        }
        self.root = root

    def __call__(self, action, **inputs):
        given = {key.replace("_", "-"): str(value) for key, value in inputs.items()}
        env = {
            f"INPUT_{k.upper()}": v
            for k, v in (standins.INPUTS[action] | given).items()
        }
        told = self.root / "said"
        with chdir(self.workspace), environment(self.env | env), written_to(told):
            code = standins.main(action, str(self.store))
        self.said = told.read_text()
        return code == 0

    def text(self, name):
        return (self.root / name).read_text()

    def make(self, *names):
        for name in names:
            path = self.workspace / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)

    def artifact(self, name):
        place = self.store / "artifacts" / name
        return sorted(
            path.relative_to(place).as_posix()
            for path in place.rglob("*")
            if path.is_file()
        )


@pytest.fixture
def runner(tmp_path):
    return Runner(tmp_path)


@pytest.fixture
def pushed(runner):
    """A repository of three commits and a tag; the last commit is what was pushed."""
    remote = runner.store / "remote.git"

    def git(*args):
        author = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
        argv = ["git", *author, "-c", "commit.gpgsign=false", *args]
        done = subprocess.run(
            argv, cwd=runner.root / "origin", check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    (runner.root / "origin").mkdir()
    git("init", "--quiet", "--initial-branch=main")
    for number in "123":
        (runner.root / "origin" / "file").write_text(number)
        git("add", ".")
        git("commit", "--quiet", "-m", number)
    git("tag", "v1")
    git("branch", "other", "HEAD~1")
    git("clone", "--quiet", "--bare", ".", str(remote))
    subprocess.run(
        ["git", "-C", remote, "config", "uploadpack.allowAnySHA1InWant", "true"],
        check=True,
    )
    runner.env["GITHUB_SHA"] = git("rev-parse", "HEAD")
    runner.git = git
    return runner


def in_workspace(runner, *args):
    argv = ["git", "-C", runner.workspace, *args]
    return subprocess.run(
        argv, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_a_checkout_is_one_commit_deep_unless_told_otherwise(pushed):
    assert pushed("actions/checkout")
    assert in_workspace(pushed, "rev-list", "--count", "HEAD") == "1"
    assert in_workspace(pushed, "branch", "--show-current") == "main"
    assert in_workspace(pushed, "tag") == ""
    assert in_workspace(pushed, "status", "--porcelain") == ""


def test_a_checkout_of_depth_0_has_all_branches_and_tags(pushed):
    assert pushed("actions/checkout", fetch_depth=0)
    assert in_workspace(pushed, "rev-list", "--count", "HEAD") == "3"
    assert in_workspace(pushed, "tag") == "v1"
    assert "origin/other" in in_workspace(pushed, "branch", "-r")
    assert in_workspace(pushed, "rev-parse", "HEAD") == pushed.env["GITHUB_SHA"]


def test_a_checkout_of_another_ref_is_detached(pushed):
    assert pushed("actions/checkout", ref="other")
    assert (pushed.workspace / "file").read_text() == "2"
    assert in_workspace(pushed, "branch", "--show-current") == ""


def test_a_ref_that_is_not_there_fails_the_step(pushed):
    assert not pushed("actions/checkout", ref="nowhere")
    assert "nowhere" in pushed.said


def test_uv_is_put_on_path_and_makes_the_environment_that_is_asked_for(runner):
    runner.make("locks/dev.txt")
    version = ".".join(map(str, sys.version_info[:2]))
    place = runner.root / "venv"
    assert runner(
        "astral-sh/setup-uv",
        version_file="locks/dev.txt",
        python_version=version,
        activate_environment="true",
        venv_path=place,
    ), runner.said
    assert runner.text("path").splitlines() == [
        str(runner.store / "programs"),
        str(place / "bin"),
    ]
    assert runner.text("env").splitlines() == [
        f"UV_PYTHON={version}",
        f"VIRTUAL_ENV={place}",
    ]
    argv = [place / "bin" / "python", "-c", "import sys; print(sys.version_info[:2])"]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert said.strip() == str(sys.version_info[:2])
    assert list(runner.workspace.iterdir()) == [runner.workspace / "locks"]


def test_without_activate_environment_there_is_only_uv(runner):
    assert runner("astral-sh/setup-uv")
    assert runner.text("path") == f"{runner.store / 'programs'}\n"


def test_a_version_file_that_is_not_there_fails_the_step(runner):
    assert not runner("astral-sh/setup-uv", version_file="nowhere.txt")
    assert "::error::" in runner.said and "nowhere.txt" in runner.said


def test_a_python_that_cannot_be_had_fails_the_step(runner):
    runner.env["UV_PYTHON_DOWNLOADS"] = "never"
    given = {"activate_environment": "true", "python_version": "3.99"}
    assert not runner("astral-sh/setup-uv", **given)
    assert "3.99" in runner.said


def test_of_several_paths_an_artifact_keeps_what_they_share(runner):
    runner.make(".sametree/runs/R/tests.json", "reports/junit.xml", "secret/x")
    paths = ".sametree/runs/\nreports/\ndist/\n"
    given = {"name": "unit-a", "path": paths, "include_hidden_files": "true"}
    assert runner("actions/upload-artifact", **given)
    files = [".sametree/runs/R/tests.json", "reports/junit.xml"]
    assert runner.artifact("unit-a") == files


def test_of_one_path_an_artifact_keeps_what_is_below_it(runner):
    runner.make("dist/a/b.whl", "one.txt")
    assert runner("actions/upload-artifact", name="folder", path="dist")
    assert runner.artifact("folder") == ["a/b.whl"]
    assert runner("actions/upload-artifact", name="file", path="one.txt")
    assert runner.artifact("file") == ["one.txt"]
    assert runner("actions/upload-artifact", name="glob", path="dist/**/*.whl")
    assert runner.artifact("glob") == ["a/b.whl"]


def test_hidden_files_stay_out_unless_asked_for(runner):
    runner.make("dist/.hidden/a", "dist/b", "dist/.c")
    assert runner("actions/upload-artifact", name="x", path="dist")
    assert runner.artifact("x") == ["b"]


def test_files_outside_the_workspace_can_be_uploaded(runner):
    (runner.root / "outside").mkdir()
    (runner.root / "outside" / "a").write_text("a")
    assert runner("actions/upload-artifact", name="x", path=runner.root / "outside")
    assert runner.artifact("x") == ["a"]


def test_nothing_to_upload_is_a_warning_or_an_error(runner):
    assert runner("actions/upload-artifact", name="x", path="dist")
    assert "::warning::No files were found" in runner.said
    given = {"name": "x", "path": "dist", "if_no_files_found": "error"}
    assert not runner("actions/upload-artifact", **given)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": "tests(a):1", "path": "dist"}, "may not hold :"),
        ({"name": "a/b", "path": "dist"}, "may not hold /"),
        ({"name": "x", "path": "dist\n!dist/b"}, "leaves files out"),
        ({"name": "x", "path": "odd"}, "no artifact may hold a file called"),
    ],
)
def test_what_github_refuses_is_refused(runner, given, said):
    runner.make("dist/b", "odd/a:b")
    assert not runner("actions/upload-artifact", **given)
    assert said in runner.said


def test_the_name_of_an_artifact_is_used_once_in_a_run(runner):
    runner.make("dist/b")
    assert runner("actions/upload-artifact", name="x", path="dist")
    assert not runner("actions/upload-artifact", name="x", path="dist")
    assert "exists already" in runner.said


@pytest.fixture
def uploaded(runner):
    runner.make("dist/b")
    for name in ("unit-a", "unit-b", "other"):
        assert runner("actions/upload-artifact", name=name, path="dist")
    return runner


def test_artifacts_that_match_come_each_in_a_folder_of_its_name(uploaded):
    assert uploaded("actions/download-artifact", pattern="unit-*", path="got")
    got = uploaded.workspace / "got"
    names = sorted(p.relative_to(got).as_posix() for p in got.rglob("b"))
    assert names == ["unit-a/b", "unit-b/b"]


def test_one_artifact_or_merged_ones_come_without_a_folder(uploaded):
    assert uploaded("actions/download-artifact", name="other", path="one")
    assert (uploaded.workspace / "one" / "b").is_file()
    given = {"pattern": "unit-*", "merge_multiple": "true", "path": "all"}
    assert uploaded("actions/download-artifact", **given)
    assert (uploaded.workspace / "all" / "b").is_file()


def test_an_artifact_that_is_not_there_fails_the_step_and_a_pattern_does_not(runner):
    assert not runner("actions/download-artifact", name="x")
    assert "there is no artifact 'x'" in runner.said
    assert runner("actions/download-artifact", pattern="x*", path="got")
