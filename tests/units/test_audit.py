"""A unit that is run on its declared inputs alone, without Nox: the copy and the verdict."""

import os
import time
from pathlib import Path

import pytest
from repositories import Copied, Repository, without_configuration

from sametree.database import cluster
from sametree.errors import SurroundingsError, UnitFailed, UsageError
from sametree.settings import load
from sametree.units import Work, audit
from sametree.units.identity import Identity, Unit, identify

PYPROJECT = """
[project]
name = "app"

[[tool.sametree.components]]
name = "app"
path = "."
inputs = { tests = [".", "!shared", "!docs", "shared/given.txt", "none.txt"] }
"""
FILES = {
    "pyproject.toml": PYPROJECT,
    "noxfile.py": "import nox\n",
    "app.py": "app = 1\n",
    "locks/tests.txt": "pytest==9.0\n",
    "shared/given.txt": "given\n",
    "shared/data.json": "{}\n",
    "shared/helper.py": "answer = 42\n",
    ".gitignore": ".sametree/\nreports/\n",
    **{f"docs/page{n}.md": "text\n" for n in range(10)},
}


@pytest.fixture(autouse=True)
def nobodys_configuration(monkeypatch, tmp_path, folder):
    without_configuration(monkeypatch, tmp_path)
    monkeypatch.setenv(cluster.SCRATCH, str(folder))  # copies are made in there
    assert cluster.throw_away_base().parent == folder
    for name in ("DATABASE_URL", "CI", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    made = Repository(tmp_path_factory.mktemp("original") / "project")
    for name, text in FILES.items():
        made.write(name, text)
    made.commit()
    return made


@pytest.fixture
def repository(original, tmp_path):
    return Copied(original, tmp_path / "project")


def audited(repository, do):
    """Audit the tests, which do what ``do`` does; return their work."""
    project = load(repository.root)
    (component,) = project.components
    made = Unit(name="tests(app)", kind="tests", component=component)
    work = Work(project, component, "tests", repository.root / "venv")
    (now,) = identify(project, [made])
    audit.audited(work, made, now, do)
    return work


def told(repository, do, kind=UnitFailed):
    with pytest.raises(kind) as caught:
        audited(repository, do)
    return str(caught.value)


def left():
    return list(cluster.throw_away_base().glob(f"{audit.PREFIX}*"))


def test_the_copy_holds_what_is_declared_as_it_stands_and_nothing_else(repository):
    repository.write("app.py", "app = 2\n")
    repository.write("run.sh", "#!/bin/sh\n").chmod(0o755)
    repository.link("link", "app.py")
    seen = {}

    def look(own):
        root = own.project.root
        seen["files"] = {
            str(path.relative_to(root))
            for path in root.rglob("*")
            if path.is_file() and ".git" not in path.relative_to(root).parts
        }
        seen["text"] = (root / "app.py").read_text()
        seen["run"] = os.access(root / "run.sh", os.X_OK)
        seen["link"] = os.readlink(root / "link")
        seen["empty"] = list((root / "docs").iterdir())
        seen["extra"] = own.extra
        own.covered = "what was measured"

    work = audited(repository, look)
    ours = {name for name in FILES if not name.startswith(("docs/", "shared/"))}
    assert seen["files"] == {*ours, "run.sh", "link", "shared/given.txt"}
    assert (seen["text"], seen["run"]) == ("app = 2\n", True)
    assert (seen["link"], seen["empty"]) == ("app.py", [])
    assert seen["extra"]["PYTHONPATH"] == str(audit.INSIDE)
    assert work.notes == ["with its declared inputs alone"]
    assert work.covered == "what was measured"
    assert left() == []


def asks(*paths):
    """Return what stands for tests that look for ``paths``, as our hook logs it."""

    def do(own):
        log = Path(own.extra["SAMETREE_AUDIT_LOG"])
        log.write_text("".join(f"{path}\n" for path in paths))

    return do


def test_who_looked_for_more_is_named_though_it_passed(repository):
    said = told(repository, asks("shared/data.json", "docs/", "app.py", "not there"))
    assert "tests(app) passed, and looked for what it does not declare" in said
    assert "  docs\n  shared/data.json" in said
    assert 'inputs.tests = [".", "/docs", "/shared/data.json"]' in said
    assert "app.py" not in said and "more" not in said
    assert left() == []


def test_of_many_files_the_first_are_named_and_the_rest_counted(repository):
    said = told(repository, asks(*(f"docs/page{n}.md" for n in range(10))))
    assert "docs/page7.md" in said and "docs/page8.md" not in said
    assert "  and 2 more" in said


def test_what_a_unit_that_fails_says_of_missing_files_is_read(repository):
    def fail(own):
        own.said.append("ModuleNotFoundError: No module named 'shared.helper'")
        own.reports.mkdir(parents=True)
        text = f"<x>open('{own.project.root}/shared/data.json')</x>"
        (own.reports / "junit.xml").write_text(text)
        raise UnitFailed("2 of 2 tests failed:\n  test_one")

    said = told(repository, fail)
    assert "tests(app) failed (2 of 2 tests failed), and looked for" in said
    assert "  shared/data.json\n  shared/helper.py" in said


@pytest.mark.parametrize("kind", [UnitFailed, SurroundingsError])
def test_a_failure_that_has_another_reason_stays_what_it_is(repository, kind):
    def fail(own):
        own.covered = "what was measured"
        raise kind("it is broken")

    assert told(repository, fail, kind) == "it is broken"
    assert left() == []


def test_what_cannot_be_proven_cannot_be_audited(repository):
    project = load(repository.root)
    (component,) = project.components
    made = Unit(name="tests(app)", kind="tests", component=component)
    work = Work(project, component, "tests", repository.root / "venv")
    with pytest.raises(UsageError, match=r"tests\(app\) cannot be audited: it is late"):
        audit.audited(work, made, Identity(unprovable="it is late"), None)


def test_outside_git_there_is_nothing_to_audit_by(repository):
    project = load(repository.root)
    (component,) = project.components
    made = Unit(name="tests(app)", kind="tests", component=component)
    work = Work(project, component, "tests", repository.root / "venv")
    (repository.root / ".git").rename(repository.root.parent / "gone")
    with pytest.raises(UsageError, match="an audit needs git"):
        audit.audited(work, made, Identity(), None)
    assert left() == []


def test_what_git_does_not_look_at_is_copied_as_it_is(repository, tmp_path):
    other = Repository(tmp_path / "other")
    other.write("deep/part.txt", "committed\n")
    other.commit()
    repository.submodule("module", other)
    repository.write("module/deep/part.txt", "changed\n")
    repository.git("update-index", "--assume-unchanged", "app.py", "noxfile.py")
    repository.write("app.py", "app = 3\n")
    (repository.root / "noxfile.py").unlink()
    seen = {}

    def look(own):
        root = own.project.root
        seen["module"] = (root / "module/deep/part.txt").read_text()
        seen["git"] = (root / "module/.git").exists()
        seen["app"] = (root / "app.py").read_text()
        seen["noxfile"] = (root / "noxfile.py").exists()

    audited(repository, look)
    told = {"module": "changed\n", "git": False, "app": "app = 3\n", "noxfile": False}
    assert seen == told


def test_a_lock_that_git_ignores_is_taken_all_the_same(repository):
    repository.write(".gitignore", ".sametree/\nreports/\nlocks/\n")
    repository.git("rm", "--quiet", "--cached", "locks/tests.txt")
    repository.commit()
    seen = []
    audited(
        repository,
        lambda own: seen.append((own.project.root / "locks/tests.txt").read_text()),
    )
    assert seen == ["pytest==9.0\n"]


def test_a_copy_that_a_kill_has_left_goes_after_a_day(repository):
    base = cluster.throw_away_base()
    old, new = base / f"{audit.PREFIX}old", base / f"{audit.PREFIX}new"
    for place in (old, new):
        (place / "project").mkdir(parents=True)
    yesterday = time.time() - audit.OLD - 60
    os.utime(old, (yesterday, yesterday))
    (base / f"{audit.PREFIX}lost").symlink_to(base / "nowhere")
    audited(repository, lambda own: None)
    assert not old.exists() and new.exists()


def test_a_git_that_refuses_is_told(tmp_path):
    with pytest.raises(
        SurroundingsError, match="the copy for the audit cannot be made"
    ):
        audit._git(tmp_path, "read-tree", "no such tree")


def test_a_short_name_leads_nowhere():
    assert audit._leads_to("data", "shared/data.json")
    assert not audit._leads_to("abc", "abc")
