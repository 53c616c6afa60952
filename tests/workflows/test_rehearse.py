"""A committed workflow is run by the real act, from a clone, in an empty environment."""

import json
import os
import subprocess
import sys
import tempfile
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import environment, eventually, interrupt, processes_with

from sametree import files
from sametree.errors import SurroundingsError, UsageError
from sametree.settings import load
from sametree.toolchains import environments
from sametree.workflows import family, rehearse, stage, write
from sametree.workflows.write import WORKFLOW

SHA = "0123456789012345678901234567890123456789"
HEAD = "name: ci\non: push\njobs:\n"
JOB = """\
  NAME:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@SHA # v7
      - run: LINE
"""


class Repository:
    """A git repository with workflows of a few shell lines; it can be rehearsed."""

    def __init__(self, root):
        self.root = root
        root.mkdir()
        self.git("init", "--quiet", "--initial-branch=work")

    def git(self, *args):
        author = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
        argv = ["git", *author, "-c", "commit.gpgsign=false", *args]
        done = subprocess.run(
            argv, cwd=self.root, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def commit(self, text, name=WORKFLOW):
        self.write(name, text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", "Change")

    def rehearse(self, **more):
        return rehearse.rehearse(load(self.root), uv=environments.uv(), **more)


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path / "shop")


def job(name, *lines):
    steps = "".join(f"      - run: {line}\n" for line in lines[1:])
    return (
        JOB.replace("NAME", name).replace("SHA", SHA).replace("LINE", lines[0]) + steps
    )


def log(done, name="a"):
    return next(ran for ran in done.jobs if ran.name == name).lines()


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """A temporary folder of our own, in which nothing may be left."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    yield place
    assert list(place.iterdir()) == []


def test_jobs_have_the_commit_and_nothing_of_this_machine(repository, monkeypatch):
    for name in ("SECRET", "SAMETREE_SCRATCH", "VIRTUAL_ENV", "PYTHONPATH"):
        monkeypatch.setenv(name, "ours")
    monkeypatch.setenv("UV_INDEX_STRATEGY", "lent")
    commands = (
        "git rev-parse HEAD",
        "git status --porcelain",
        "git log --format=%s origin/main -1",
        "ls -A ~",
        "env",
    )
    repository.commit(HEAD + job("a", *commands))
    repository.write("not-committed", "x")
    done = repository.rehearse(variables={"SAMETREE_UNITS": "tests(b) lint"})
    said = log(done)
    assert done.passed
    assert done.commit == repository.git("rev-parse", "HEAD") in said
    assert "Change" in said
    assert not [line for line in said if "ours" in line or "not-committed" in line]
    assert {"GITHUB_REF=refs/heads/main", "UV_INDEX_STRATEGY=lent"} <= set(said)
    assert {"SAMETREE_UNITS=tests(b) lint", "ACT=true"} <= set(said)
    assert {"GITHUB_REPOSITORY=rehearsal/shop", "LANG=C.UTF-8"} <= set(said)


def test_needs_conditions_matrix_and_outputs_are_those_of_the_workflow(repository):
    matrix = """\
  b:
    needs: a
    runs-on: ubuntu-24.04
    strategy:
      fail-fast: false
      matrix:
        include: ${{ fromJSON(needs.a.outputs.units) }}
    steps:
      - run: test "$UNIT" != bad
        env: {UNIT: "${{ matrix.unit }}"}
  c:
    needs: b
    if: ${{ needs.b.result == 'success' }}
    runs-on: ubuntu-slim
    steps: [run: exit 0]
  d:
    needs: [a, b, c]
    if: ${{ always() }}
    runs-on: ubuntu-slim
    steps: [run: exit 0]
"""
    outputs = "    outputs: {units: '${{ steps.p.outputs.units }}'}\n    steps:"
    first = job("a", "x").replace("    steps:", outputs)
    told = """units=[{"unit":"good"},{"unit":"bad"}]"""
    first = first.replace(
        "- run: x", f"- id: p\n        run: echo '{told}' >> $GITHUB_OUTPUT"
    )
    repository.commit(HEAD + first + matrix)
    told = []
    done = repository.rehearse(tell=lambda ran, ended: told.append((ran.name, ended)))
    assert {ran.name: ran.verdict for ran in done.jobs} == {
        "a": "success",
        "b good": "success",
        "b bad": "failure",
        "c": "skipped",
        "d": "success",
    }
    assert not done.passed
    assert ("b bad", True) in told and ("c", True) not in told


def test_without_containers_jobs_do_without_services_and_that_is_told(
    repository, tmp_path
):
    image = "postgres:16@sha256:" + "a1" * 32
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "pyproject.toml").write_text(
        '[project]\nname = "x"\n[tool.sametree.database]\ncomponent = "x"\n'
        f'service = "{image}"\n'
    )
    written = write.workflow(load(tmp_path / "other"))
    begin, end = written.index("    services:"), written.index("    steps:\n", 2000)
    asked = written[written.index("          DATABASE_URL:") :]
    asked = asked[: asked.index("      - uses")]
    text = HEAD + job("a", '"echo {$UNIT, $DATABASE_URL}"')
    text = text.replace("    steps:\n", written[begin:end] + "    steps:\n", 1)
    text += "        env:\n          UNIT: one\n" + asked
    repository.commit(text)
    done = repository.rehearse()
    assert done.passed and done.services
    assert log(done)[-1] == "{one, }"
    repository.commit(HEAD + job("a", "echo done"))
    assert not repository.rehearse().services


def test_records_that_were_uploaded_and_logs_are_kept(repository):
    upload = f"""\
      - uses: actions/upload-artifact@{SHA} # v7
        with:
          name: unit-a
          include-hidden-files: true
          path: |
            .sametree/runs/
            reports/
"""
    text = (
        "mkdir -p .sametree/runs/R reports && echo {} > .sametree/runs/R/tests.a.json"
    )
    repository.commit(HEAD + job("a", text) + upload)
    done = repository.rehearse()
    assert done.folder == repository.root / ".sametree" / "rehearsal"
    kept = [path for path in done.folder.rglob("*") if path.is_file()]
    names = sorted(path.relative_to(done.folder).as_posix() for path in kept)
    assert names == ["logs/a.log", "runs/R/tests.a.json"]
    assert repository.git("status", "--porcelain") == ""
    repository.commit(HEAD + job("other", "echo hello"))
    done = repository.rehearse()
    kept = [path.name for path in done.folder.rglob("*") if path.is_file()]
    assert kept == ["other.log"]
    assert "echo hello: hello\n" in (done.folder / "logs" / "other.log").read_text()


def test_two_rehearsals_at_once_do_not_meet(repository):
    repository.commit(HEAD + job("a", "touch here", "sleep 0.5", "ls"))
    with ThreadPoolExecutor() as threads:
        both = list(threads.map(lambda _: repository.rehearse(), range(2)))
    assert [log(done)[1:] for done in both] == [["here"], ["here"]]
    assert (both[0].folder / "logs" / "a.log").is_file()


def test_what_jobs_push_goes_nowhere(repository):
    push = (
        "git push --quiet origin HEAD:refs/notes/x && git ls-remote origin refs/notes/x"
    )
    repository.commit(HEAD + job("a", push))
    before = repository.git("for-each-ref")
    done = repository.rehearse()
    assert done.passed
    assert log(done)[-1].endswith("refs/notes/x")
    assert repository.git("for-each-ref") == before


def test_notes_and_their_proofs_are_not_there(repository):
    repository.commit(
        HEAD + job("a", "git ls-remote origin", "git tag", "git branch -a")
    )
    repository.git("notes", "--ref=sametree", "add", "-m", "proven")
    repository.git("tag", "v1")
    said = "\n".join(log(repository.rehearse()))
    assert "refs/heads/main" in said and "refs/heads/work" in said
    assert "refs/tags/v1" in said and "notes" not in said


@pytest.mark.parametrize(
    ("action", "uses"),
    [
        (".github/actions/runtime/action.yml", "$/.github/actions/runtime"),
        (".github/actions/runtime/action.yaml", "./.github/actions/runtime/"),
    ],
)
def test_local_actions_are_found_in_both_their_forms(repository, action, uses):
    text = (
        "name: x\ndescription: x\nruns:\n  using: composite\n"
        "  steps:\n    - run: echo from the action\n      shell: bash\n"
    )
    repository.write(action, text)
    step = f"      - uses: {uses}\n"
    environment = "    environment:\n      name: e\n      deployment: false\n    steps:"
    workflow = job("a", "git diff HEAD").replace("    steps:", environment)
    repository.commit(HEAD + workflow + step)
    done = repository.rehearse()
    assert done.passed, done
    assert log(done)[-1] == "from the action"
    assert "deployment" not in "\n".join(log(done))


def test_a_called_workflow_is_rehearsed_too(repository):
    inner = "on: workflow_call\njobs:\n" + job("inner", "exit 7")
    repository.write(".github/workflows/inner.yml", inner)
    repository.commit(HEAD + "  a:\n    uses: ./.github/workflows/inner.yml\n")
    done = repository.rehearse()
    assert not done.passed
    assert [ran.job for ran in done.jobs if not ran.passed] == ["inner"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            job("a", "x") + f"      - uses: o/r@{SHA}\n",
            "ci.yml:9  o/r cannot be rehearsed",
        ),
        (
            job("a", "x").replace("v7\n", "v7\n        with: {lfs: true}\n"),
            "ci.yml:8  actions/checkout cannot be rehearsed with 'lfs'",
        ),
        (
            f"  a:\n    uses: o/r/.github/workflows/x.yml@{SHA}\n",
            "ci.yml:5  o/r/.github/workflows/x.yml cannot be rehearsed",
        ),
        ("  a: [\n", "ci.yml:5  is not YAML"),
        (
            job("a", "x") + "      - uses: ./actions/none\n",
            "no actions/none/action.yaml",
        ),
    ],
)
def test_what_cannot_be_rehearsed_is_named_before_anything_runs(repository, text, said):
    repository.commit(HEAD + text)
    with pytest.raises(UsageError) as caught:
        repository.rehearse()
    assert said in str(caught.value)


def test_a_job_whose_machine_only_github_can_tell_is_red_not_skipped(repository):
    text = job("a", "exit 0").replace("ubuntu-24.04", "${{ github.event.machine }}")
    repository.commit(HEAD + text)
    done = repository.rehearse()
    assert [ran.verdict for ran in done.jobs] == ["failure"]
    assert "Skipping unsupported platform" in log(done)[-1]


def test_a_workflow_that_act_refuses_is_told_in_acts_words(repository):
    repository.commit("name: ci\non: push\njobs:\n  a:\n    bogus: 1\n")
    with pytest.raises(SurroundingsError, match="Unknown Property bogus"):
        repository.rehearse()


def test_without_a_commit_or_a_workflow_there_is_nothing_to_rehearse(repository):
    with pytest.raises(UsageError, match="there is no commit here"):
        repository.rehearse()
    repository.commit("", "README.md")
    with pytest.raises(
        UsageError, match="no .github/workflows/ci.yml in the last commit"
    ):
        repository.rehearse()


def test_a_project_below_the_top_of_its_repository_is_told_so(repository):
    repository.commit("", "inner/pyproject.toml")
    with pytest.raises(UsageError, match="GitHub reads workflows at the top only"):
        project = load(repository.root / "inner")
        rehearse.rehearse(project, uv=environments.uv())


def test_a_repository_that_cannot_be_cloned_is_told_in_gits_words(repository):
    repository.commit(HEAD + job("a", "exit 0"))
    objects = repository.root / ".git" / "objects"
    objects.rename(repository.root / "elsewhere")
    objects.mkdir()
    with pytest.raises((SurroundingsError, UsageError)):
        repository.rehearse()


def test_a_shallow_clone_and_a_worktree_can_be_rehearsed(repository, tmp_path):
    repository.commit(HEAD + job("a", "git log --format=%s"))
    repository.commit(HEAD + job("a", "git log --format=%s", "exit 0"))
    shallow = Repository(tmp_path / "shallow")
    url = repository.root.as_uri()
    shallow.git("fetch", "--quiet", "--depth=1", url, "HEAD")
    shallow.git("checkout", "--quiet", "--detach", "FETCH_HEAD")
    assert shallow.rehearse().passed
    repository.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "tree"))
    project = load(tmp_path / "tree")
    assert rehearse.rehearse(project, uv=environments.uv()).passed


def test_what_a_killed_rehearsal_left_is_ended_and_removed():
    place = Path(tempfile.mkdtemp(prefix=rehearse.PREFIX))
    (place / rehearse.ALIVE).touch()
    (place / "home").mkdir()
    alive = Path(tempfile.mkdtemp(prefix=rehearse.PREFIX))
    descriptor = files.lock(alive / rehearse.ALIVE)
    begun = subprocess.Popen(
        ["sleep", "60"], env={"HOME": str(place / "home")}, process_group=0
    )
    try:
        with rehearse._scratch() as own:
            assert not place.exists()
            assert begun.wait(timeout=5) < 0
            assert alive.exists() and own.exists()
    finally:
        os.close(descriptor)
        (alive / rehearse.ALIVE).unlink()
        alive.rmdir()


PROGRAM = """
import sys
import tempfile
from pathlib import Path

from sametree.settings import load
from sametree.toolchains import environments
from sametree.workflows import rehearse

tempfile.tempdir = sys.argv[2]
rehearse.rehearse(load(Path(sys.argv[1])), uv=environments.uv())
"""


def test_ctrl_c_reaches_what_jobs_have_started(repository, temporary):
    marks = repository.root.parent
    line = (
        f"trap 'touch {marks}/told; exit 1' INT; touch {marks}/begun; sleep 60 & wait"
    )
    repository.commit(HEAD + job("a", json.dumps(line)))
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(repository.root), str(temporary)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )
    assert eventually((marks / "begun").exists, 30)
    said = interrupt(process)
    assert process.returncode != 0 and "KeyboardInterrupt" in said
    assert (marks / "told").exists()
    assert not processes_with(f"{temporary}/")


def test_where_there_is_no_proc_the_processes_are_asked_of_ps(tmp_path, monkeypatch):
    script = """#!/bin/sh
    echo '  11     1    11 sleep 60 HOME=/own/home LANG=C'
    echo '  12    11    11 act push HOME=/own/home2 LANG=C'
    echo '  13    11    11 bash HOME=/own/home'
    echo '  14'
    """
    (tmp_path / "ps").write_text(textwrap.dedent(script))
    (tmp_path / "ps").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    found = list(family._from_ps("HOME=/own/home"))
    assert found == [family.Process(11, 1, 11), family.Process(13, 11, 11)]


def test_only_the_rehearsals_own_processes_are_ended(tmp_path):
    own, other = tmp_path / "own", tmp_path / "own2"
    started = [
        subprocess.Popen(["sleep", "60"], env={"HOME": str(home)}, process_group=0)
        for home in (own, other)
    ]
    try:
        family.end_all(own)
        assert started[0].wait(timeout=5) < 0
        assert started[1].poll() is None
    finally:
        started[1].kill()
        started[1].wait()


def test_home_has_links_to_what_package_clients_need_and_no_more(tmp_path):
    ours = tmp_path / "ours"
    for name in (".npmrc", ".ssh/key", ".cache/uv/x", ".cache/other/x", ".bashrc"):
        (ours / name).parent.mkdir(parents=True, exist_ok=True)
        (ours / name).write_text(name)
    stage.make_home(tmp_path / "home", ours)
    found = sorted(
        path.relative_to(tmp_path / "home").as_posix()
        for path in (tmp_path / "home").rglob("*")
        if path.is_symlink()
    )
    assert found == [".cache/uv", ".npmrc"]
    assert (tmp_path / "home" / ".cache" / "uv" / "x").read_text() == ".cache/uv/x"


def test_the_environment_is_what_a_runner_has_and_what_the_machine_lends(tmp_path):
    outer = {
        "PATH": "/strange:/usr/bin",
        "AWS_SECRET": "x",
        "SSL_CERT_FILE": "/c",
        "UV_FIND_LINKS": "/l",
        "PIP_CERT": "/c",
        "npm_config_registry": "r",
        "https_proxy": "p",
        "SAMETREE_JOBS": "1",
        "CI": "true",
    }
    found = stage.environment(tmp_path, outer)
    assert set(found) - {"USER", "LOGNAME"} == {
        *("SSL_CERT_FILE", "UV_FIND_LINKS", "PIP_CERT", "npm_config_registry"),
        *("https_proxy", "HOME", "PATH", "LANG", "PAGER", "GIT_PAGER"),
    }
    assert "/strange" not in found["PATH"].split(":")
    assert found["HOME"] == str(tmp_path)
