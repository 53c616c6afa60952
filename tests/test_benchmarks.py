"""A benchmark is only worth reading when a command that cheats does not look fast."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from types import ModuleType

import pytest
from conftest import REPOSITORY

UNIT = "for unit in part0001 part0002; do file=$unit/data/000/00000.txt; {}; done"
RUN = "echo $unit >> ../log"
BY_CONTENT = "cksum $file | cmp -s - .$unit || {{ {}; cksum $file > .$unit; }}"
ONCE = "[ -e .$unit ] || {{ {}; touch .$unit; }}"


@pytest.fixture
def contender(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, imported as ``python benchmarks/unchanged.py`` imports it."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    return importlib.import_module("contender")


@pytest.mark.proof
def test_a_command_is_timed_only_if_it_skips_what_is_unchanged_and_runs_what_changed(
    contender: ModuleType, folder: Path
) -> None:
    scripts = {
        "honest": BY_CONTENT.format(RUN),
        "busy": RUN,
        "blind": ONCE.format(RUN),
        "idle": ":",
        "broken": "echo it broke; exit 3",
        "open about it": RUN,
    }
    made = {}
    for name, script in scripts.items():
        units = contender.sample.names(2)
        root, log = folder / name / "repository", folder / name / "log"
        contender.sample.write(root, contender.sample.components(units, 10, log))
        contender.sample.commit(root)
        made[name] = contender.Contender(
            name=name,
            folder=root,
            argv=["sh", "-c", UNIT.format(script)],
            env=os.environ,
            units=units,
            log=log,
            skips=name != "open about it",
        )
    contender.measure(list(made.values()), 2)

    wrong = {name: each.wrong for name, each in made.items()}
    assert wrong == {
        "honest": "",
        "busy": "second run: ran part0001, part0002 instead of nothing",
        "blind": "after a change in part0002: ran nothing instead of part0002",
        "idle": "first run: ran nothing instead of part0001, part0002",
        "broken": "sh: exit code 3\nit broke\n",
        "open about it": "",
    }
    assert len(made["honest"].seconds) == len(made["open about it"].seconds) == 2
