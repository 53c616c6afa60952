"""A folder to fill with a project."""

import os
import subprocess
import textwrap

import pytest


@pytest.fixture(autouse=True)
def nobodys_configuration(monkeypatch, tmp_path):
    """Keep the reader's own git configuration, and a repository around us, out."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))


@pytest.fixture
def write(tmp_path):
    """Return a function that writes files of the project; returns the project."""

    def write_files(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        return tmp_path

    return write_files


@pytest.fixture
def settings_text(write):
    """Return a function that makes a project whose pyproject.toml is the text."""
    return lambda text: write({"pyproject.toml": text})


@pytest.fixture
def in_git(tmp_path):
    """Make the project a git repository."""
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    return tmp_path
