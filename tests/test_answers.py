"""What is proven is told at once; anything that is not as it was leads the long way."""

import json
import os
import subprocess
import sys
import time

import pytest
from conftest import environment

from sametree import answers, files, trees
from sametree.answers import Answer

UNIT = ("lint(app)", "local", time.time() - 7300.0, "run-1", "lines 90.0 %")


@pytest.fixture(autouse=True)
def nobodys_environment(monkeypatch):
    """Keep out what the run that tests us, and CI, have set."""
    for name in [*os.environ]:
        if name.startswith(("SAMETREE_", "NOX", "CI", "GITHUB_", "GIT_")):
            monkeypatch.delenv(name)


@pytest.fixture
def project(tmp_path):
    root = tmp_path / "project"
    root.mkdir()
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    (root / "app.py").write_text("app = 1\n")
    (root / ".gitignore").write_text(".sametree/\ndist/\nlocks/\n")
    (root / "dist").mkdir()
    (root / "dist" / "app.whl").write_text("wheel")
    return root


def keep(root, args=("-s", "lint"), files=("dist/app.whl",), variables=("TOKEN",)):
    answer = Answer(root, args)
    place = answer.place()
    if place is not None:
        answer.keep(place, [UNIT], answers.watched(root, files), variables)


def told(root, *args):
    return Answer(root, args or ("-s", "lint")).told()


def test_a_kept_answer_is_told_with_when_and_where_it_passed(project, capsys):
    keep(project)
    assert told(project)
    said = capsys.readouterr().out
    assert "lint(app)" in said
    assert "2 h ago here (run run-1); lines 90.0 %" in said
    assert "proven in 0." in said


def test_nothing_is_told_before_anything_is_kept(project):
    assert not told(project)
    assert not (project / ".sametree").exists()


def change_a_file(project, monkeypatch):
    (project / "app.py").write_text("app = 2\n")


def change_a_new_file(project, monkeypatch):
    (project / "new.py").touch()


def change_an_output(project, monkeypatch):
    (project / "dist" / "app.whl").write_text("whee!")


def change_an_output_away(project, monkeypatch):
    (project / "dist" / "app.whl").unlink()


def change_a_declared_variable(project, monkeypatch):
    monkeypatch.setenv("TOKEN", "another")


def change_the_server(project, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost/other")


def change_noxs_own_variable(project, monkeypatch):
    monkeypatch.setenv("NOXSESSION", "tests")


def change_where_packages_come_from(project, monkeypatch):
    monkeypatch.setenv("UV_INDEX_STRATEGY", "unsafe-best-match")


def change_into_ci(project, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")


def change_into_a_child_of_a_run(project, monkeypatch):
    monkeypatch.setenv("SAMETREE_RUN_ID", "20260101T000000-abcdef")


def change_the_interpreter(project, monkeypatch):
    monkeypatch.setattr(sys, "version", "3.99.0")


def change_the_suite(project, monkeypatch):
    monkeypatch.setattr(answers, "_suite", lambda: ["other.py 1 1"])


def change_the_answer_to_garbage(project, monkeypatch):
    for path in (project / ".sametree" / "answers").iterdir():
        path.write_text("{")


def change_the_answer_to_another_shape(project, monkeypatch):
    for path in (project / ".sametree" / "answers").iterdir():
        path.write_text(json.dumps({"units": 3, "watched": {}, "variables": {}}))


def change_the_repository_away(project, monkeypatch):
    (project / ".git").rename(project / "dot-git")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(project.parent))


CHANGES = [
    pytest.param(function, id=name.removeprefix("change_").replace("_", " "))
    for name, function in list(globals().items())
    if name.startswith("change_")
]


@pytest.mark.parametrize("change", CHANGES)
def test_it_is_not_told_any_more_after(change, project, monkeypatch):
    keep(project)
    assert told(project)
    change(project, monkeypatch)
    assert not told(project)


def test_another_command_line_is_another_question(project):
    keep(project)
    assert not told(project, "-s", "lint", "tests")


def test_what_is_back_as_it_was_is_told_again(project):
    keep(project)
    (project / "app.py").write_text("app = 2\n")
    assert not told(project)
    (project / "app.py").write_text("app = 1\n")
    assert told(project)


@pytest.mark.parametrize("option", answers.OURS)
def test_who_asks_for_more_than_the_verdict_gets_it(project, option):
    args = ("-s", "lint", "--", option)
    keep(project, args)
    assert not told(project, *args)
    assert not (project / ".sametree" / "answers").exists()


def test_a_value_of_a_variable_is_never_kept(project, monkeypatch):
    monkeypatch.setenv("TOKEN", "hunter2-and-more")
    keep(project)
    (kept,) = (project / ".sametree" / "answers").iterdir()
    assert "TOKEN" in kept.read_text()
    assert "hunter2" not in kept.read_text()


def test_an_old_proof_is_not_told(project, monkeypatch):
    keep(project)
    monkeypatch.setattr(answers, "PROOF_DAYS", 0)
    assert not told(project)


def test_only_the_newest_answers_stay(project, monkeypatch):
    monkeypatch.setattr(answers, "KEPT", 2)
    for number in range(5):
        keep(project, ("-s", f"lint{number}"))
    assert len(list((project / ".sametree" / "answers").iterdir())) == 2
    assert told(project, "-s", "lint4")


def test_an_answer_that_cannot_be_kept_is_no_problem(project):
    (project / ".sametree").write_text("in the way")
    keep(project)
    assert not told(project)


def test_a_tree_that_git_cannot_write_has_no_answer(project):
    keep(project)
    inner = project / "inner"
    subprocess.run(["git", "init", "--quiet", str(inner)], check=True)
    (inner / "file").touch()
    with pytest.raises(trees.Unreadable):
        trees.read(project)
    assert not told(project)


@pytest.mark.proof
def test_the_second_call_is_answered_and_a_change_is_seen(sample):
    assert "1 of 1 passed" in sample.nox("-s", "lint").output
    again = sample.nox("-s", "lint")
    assert again.code == 0
    assert "Running session" not in again.output
    assert "=  lint(sample)" in again.output
    sample.write({"sample.py": sample.text("sample.py") + "\n\nmore = 1\n"})
    assert "Running session lint(sample)" in sample.nox("-s", "lint").output


def test_the_command_of_its_own_answers_without_nox(sample):
    def run(*options):
        argv = [sys.executable, *options, "-m", "sametree.cli", "run", "-s", "lint"]
        env = environment({"NOXPATH": "", "NOX_ENVDIR": str(sample.environments)})
        # Coverage measures the processes that we start, and imports much for that.
        env = {name: env[name] for name in env if not name.startswith("COV")}
        return subprocess.run(
            argv, cwd=sample.root, env=env, capture_output=True, text=True
        )

    first = run()
    assert first.returncode == 0, first.stdout + first.stderr
    assert "Running session lint(sample)" in first.stderr
    answered = run("-X", "importtime")
    assert "proven" in answered.stdout
    imported = {line.rpartition("|")[2].strip() for line in answered.stderr.split("\n")}
    assert "sametree.answers" in imported
    assert not imported & {"nox", "msgspec", "subprocess", "tempfile", "typing"}


@pytest.mark.proof
def test_a_session_that_does_more_than_its_unit_always_runs(sample):
    more = '    session.log("and more")\n'
    noxfile = sample.text("noxfile.py").replace(
        "def lint(session, component):\n", f"def lint(session, component):\n{more}"
    )
    sample.write({"noxfile.py": noxfile})
    sample.nox("-s", "lint")
    again = sample.nox("-s", "lint")
    assert "and more" in again.output
    assert "= lint(sample) passed" in again.output


@pytest.mark.proof
def test_a_session_of_ones_own_beside_the_units_always_runs(sample):
    own = '\n\n@nox.session(venv_backend="none")\ndef own(session):\n    session.log("me")\n'
    sample.write({"noxfile.py": sample.text("noxfile.py") + own})
    sample.nox("-s", "lint", "own")
    assert "me" in sample.nox("-s", "lint", "own").output


@pytest.mark.proof
def test_parallel_sessions_are_answered_too(sample):
    sample.nox("-j", "2", "-s", "lint", "build")
    again = sample.nox("-j", "2", "-s", "lint", "build")
    assert "all 2 proven" in again.output
    assert "Running session" not in again.output


def test_a_lock_is_held_as_long_as_its_holder_lives(tmp_path):
    lock = tmp_path / "keeper.lock"
    with pytest.raises(OSError):
        answers.is_held(tmp_path, "keeper.lock")
    with files.locked(lock):
        assert answers.is_held(tmp_path, "keeper.lock")
    assert not answers.is_held(tmp_path, "keeper.lock")
