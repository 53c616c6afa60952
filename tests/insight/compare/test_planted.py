"""Drifts planted between two clones, found in the records of real runs."""

import subprocess

import pytest
from conftest import Sample, pins

from sametree import compare_task, settings
from sametree.toolchains import locks

pytestmark = pytest.mark.proof

CI = {
    "CI": "true",
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://example.org",
    "GITHUB_REPOSITORY": "acme/maria",
    "GITHUB_RUN_ID": "18837",
}


def clone(sample):
    """Return the sample as CI checks it out."""
    there = sample.root.with_name("checkout")
    subprocess.run(["git", "clone", "--quiet", sample.root, there], check=True)
    return Sample(there, sample.environments)


def compared(sample, ci, capsys):
    """Return exit code and output of the comparison with what CI left in a folder."""
    capsys.readouterr()
    project = settings.load(sample.root)
    code = compare_task.run(project, folder=str(ci.root / ".sametree" / "runs"))
    return code, capsys.readouterr().out


def test_a_file_that_git_ignores_is_the_cause_and_cores_are_none(sample, capsys):
    sample.write(
        {
            ".gitignore": sample.text(".gitignore") + "local_settings.py\n",
            "test_sample.py": "def test_it():\n    import local_settings\n",
        }
    )
    sample.commit()
    ci = clone(sample)
    sample.write({"local_settings.py": ""})
    assert (
        sample.nox("-s", "tests", "--", "--no-cov", env={"SAMETREE_JOBS": "2"}).code
        == 0
    )
    assert ci.nox("-s", "tests", "--", "--no-cov", env=CI).code == 1
    code, shown = compared(sample, ci, capsys)
    assert code == 1
    assert "Likely cause in tests(sample): the file local_settings.py is there" in shown
    assert "1 thing that must match differs" in shown
    assert "workers of pytest -n 2 | one" in shown


def test_what_a_shell_has_set_makes_no_difference(sample, capsys):
    ci = clone(sample)
    shell = {
        "TZ": "Asia/Tokyo",
        "LANG": "de_DE.UTF-8",
        "EXTRA": "1",
        "COLORTERM": "yes",
    }
    assert sample.nox("-s", "lint", "tests", env=shell).code == 0
    assert ci.nox("-s", "lint", "tests", env=CI).code == 0
    code, shown = compared(sample, ci, capsys)
    assert code == 0, shown
    assert "2 units: the same results, and all that must match does" in shown
    assert "COLORTERM" in shown and "EXTRA" not in shown


def test_other_packages_in_a_lock_are_named(sample, capsys):
    ci = clone(sample)
    lint = next(
        lock
        for lock in locks.of_project(settings.load(ci.root))
        if lock.path.name == "lint.txt"
    )
    lint.path.write_text(locks.text_of(lint, pins("lint", "build")))
    ci.commit()
    assert sample.nox("-s", "lint").code == 0
    assert ci.nox("-s", "lint", env=CI).code == 0
    subprocess.run(["git", "fetch", "--quiet", ci.root], cwd=sample.root, check=True)
    code, shown = compared(sample, ci, capsys)
    assert code == 1
    told = " ".join(shown.split())
    assert (
        "No result suffers yet; in lint(sample): build is none in the local run" in told
    )
    assert "locks/lint.txt differs, 5 other packages too" in told
