"""The docs tell the truth: their commands run, their lists are whole."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY, environment, eventually, processes_with

from sametree import git, settings
from sametree.settings.model import (
    CI,
    Component,
    Coverage,
    Database,
    Environment,
    Gate,
    Release,
    Settings,
    Target,
    Variable,
)

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands():
    """Return every command that the docs show, once, in reading order."""
    shown = [
        line
        for page in PAGES
        for block in BLOCK.findall(page.read_text(encoding="utf-8"))
        for line in block.splitlines()
    ]
    return list(dict.fromkeys(shown))


def text(name):
    return (REPOSITORY / name).read_text(encoding="utf-8")


def test_the_first_two_commands_are_what_decides_a_landing():
    assert commands()[0].endswith("&& nox")
    assert commands()[1] == "nox -s tests"
    assert "head -n 2" in text(".ci/run")


@pytest.mark.proof(seconds=140)
def test_every_other_command_that_is_shown_runs(large_folder, folder):
    copy = large_folder / "copy"
    for name in git.files(REPOSITORY):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        if (REPOSITORY / name).exists():
            (copy / name).write_bytes((REPOSITORY / name).read_bytes())
    subprocess.run(["git", "init", "--quiet"], cwd=copy, check=True)
    # The migrations are tried on few rows here: `nox` has just done so on many.
    settings_file = copy / "pyproject.toml"
    told = settings_file.read_text(encoding="utf-8")
    few = told.replace(
        "[tool.sametree.database]\n", "[tool.sametree.database]\nrows = 10_000\n"
    )
    assert few != told
    settings_file.write_text(few, encoding="utf-8")
    programs = folder / "programs"
    programs.mkdir()
    own = programs / "sametree"
    own.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m sametree.cli "$@"\n')
    own.chmod(0o755)
    path = f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = environment({"PATH": path, "SAMETREE_SCRATCH": str(folder)})
    background = None
    for command in commands()[2:]:
        options = {"cwd": copy, "env": env, "stdin": subprocess.DEVNULL, "text": True}
        both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        if command == "invoke up":
            background = subprocess.Popen(
                ["sh", "-c", "exec invoke up"], **options, **both
            )
            said = iter(background.stdout.readline, "")
            assert any("Ctrl-C stops all" in line for line in said)
            continue
        done = subprocess.run(["sh", "-c", command], **options, **both)
        assert done.returncode == 0, f"$ {command}\n{done.stdout}"
    assert background is not None
    background.communicate(timeout=30)
    for place in (folder, large_folder):
        assert eventually(lambda: not processes_with(str(place))), place


def test_the_published_schema_is_the_settings_own():
    ours = json.loads(json.dumps(settings.schema()))
    assert json.loads(text("docs/settings.schema.json")) == ours


@pytest.mark.parametrize(
    "table",
    [
        Settings,
        Component,
        Database,
        Coverage,
        Variable,
        CI,
        Environment,
        Gate,
        Release,
        Target,
    ],
)
def test_every_key_of_the_settings_is_described(table):
    page = text("docs/settings.md")
    for key in table.__struct_encode_fields__:
        assert f"| `{key}` |" in page


@pytest.mark.parametrize("program", ["nox", "invoke"])
def test_every_session_and_task_is_described(program):
    done = subprocess.run(
        [sys.executable, "-m", program, "-l"],
        cwd=REPOSITORY,
        env=environment(),
        capture_output=True,
        text=True,
    )
    pattern = r"^[*-] (\w+)" if program == "nox" else r"^  ([\w.]+)  "
    listed = set(re.findall(pattern, done.stdout, re.MULTILINE))
    pages = text("docs/reference.md") + text("docs/contributing.md")
    assert listed
    told = set(re.findall(r"^\| `([\w.]+)[` ]", pages, re.MULTILINE))
    assert listed - told <= {"proofs"}


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"
