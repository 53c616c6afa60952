"""The ``sametree`` command."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import sametree
from sametree import cli, settings


@pytest.fixture
def project(tmp_path):
    text = '[tool.sametree]\nmain-branch = "trunk"\n'
    (tmp_path / "pyproject.toml").write_text(text)
    return tmp_path


def test_schema_prints_the_schema_of_the_settings(capsys):
    assert cli.main(["schema"]) == 0
    schema = json.loads(json.dumps(settings.schema()))
    assert json.loads(capsys.readouterr().out) == schema


def test_settings_prints_what_is_set_and_what_was_found(project, capsys):
    (project / "web").mkdir()
    (project / "web" / "package.json").write_text("{}")
    assert cli.main(["settings", str(project)]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["main-branch"] == "trunk"
    assert shown["components"][0]["name"] == "web"


def test_settings_is_about_this_folder_when_no_other_is_named(
    project, capsys, monkeypatch
):
    monkeypatch.chdir(project)
    assert cli.main(["settings"]) == 0
    assert json.loads(capsys.readouterr().out)["main-branch"] == "trunk"


def test_wrong_settings_are_explained_and_end_with_exit_code_2(project, capsys):
    (project / "pyproject.toml").write_text("[tool.sametree]\nmain-brunch = 1\n")
    assert cli.main(["settings", str(project)]) == 2
    printed = capsys.readouterr()
    assert "main-branch" in printed.err
    assert printed.out == ""


def test_a_folder_that_is_not_there_is_a_mistake(tmp_path, capsys):
    assert cli.main(["settings", str(tmp_path / "nowhere")]) == 2


@pytest.mark.parametrize("argv", [[], ["settingz"], ["schema", "--loud"]])
def test_a_wrong_call_ends_with_the_usage_and_exit_code_2(argv, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(argv)
    assert ended.value.code == 2
    assert "usage: sametree" in capsys.readouterr().err


def test_version_prints_the_version(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"{sametree.__version__}\n"


def test_the_module_is_a_program_and_its_exit_code_is_the_answers(project):
    (project / "pyproject.toml").write_text("[tool.sametree]\nlocks = 3\n")
    done = subprocess.run(
        [sys.executable, "-m", "sametree.cli", "settings", project],
        env={**os.environ, "PYTHONPATH": str(Path(sametree.__file__).parent.parent)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "tool.sametree.locks" in done.stderr
