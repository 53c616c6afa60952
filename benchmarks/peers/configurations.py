"""What would a user of each tool write for one unit a folder? Pure functions.

Each takes the names of the folders and the log that a unit adds its name to, and
returns the files by path.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

Files = dict[str, str]
IGNORED = """\
node_modules
__pycache__/
.doit.db*
.moon/cache/
.nx/
.stamps/
.task/
.tox/
.turbo/
"""
"""What a user of these tools has in ``.gitignore``."""


def make(units: Sequence[str], log: Path) -> Files:
    """Time stamps: a unit's stamp has to be newer than all files of its folder.

    Without the first two lines make would look for a built-in way to make each of the
    files, and take twenty times as long.
    """
    return {"Makefile": f"""\
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:

units := {' '.join(units)}
check: $(units:%=.stamps/%)
.PHONY: check

define unit
.stamps/$(1): $(shell find $(1) -type f)
\techo $(1) >> {log}
\t@mkdir -p $$(@D) && touch $$@
endef
$(foreach name,$(units),$(eval $(call unit,$(name))))
"""}


def doit(units: Sequence[str], log: Path) -> Files:
    """``file_dep``: a file with a new time stamp is compared by its MD5."""
    return {"dodo.py": f"""\
from pathlib import Path

UNITS = {list(units)!r}


def task_check():
    for name in UNITS:
        files = sorted(str(path) for path in Path(name).rglob("*") if path.is_file())
        yield {{
            "name": name,
            "file_dep": files,
            "actions": [f"echo {{name}} >> {log}"],
        }}
"""}


def tox(units: Sequence[str], log: Path) -> Files:
    """tox has no notion of unchanged: bare environments and a trivial command."""
    return {"tox.toml": f"""\
no_package = true
env_list = {json.dumps(list(units))}

[env_run_base]
allowlist_externals = ["sh"]
commands = [["sh", "-c", "echo {{env_name}} >> {log}"]]
"""}


def task(units: Sequence[str], log: Path) -> Files:
    """``sources`` with the default method, checksum; the units run side by side."""
    tasks = "".join(
        f"  {name}:\n    sources: ['{name}/**/*']\n    cmds: ['echo {name} >> {log}']\n"
        for name in units
    )
    start = f"  default:\n    deps: [{', '.join(units)}]\n"
    return {"Taskfile.yml": f"version: '3'\n\ntasks:\n{start}{tasks}"}


def task_by_time(units: Sequence[str], log: Path) -> Files:
    """``method: timestamp``: sources against what the unit generates, as make does."""
    tasks = "".join(
        f"  {name}:\n    method: timestamp\n    sources: ['{name}/**/*']\n"
        f"    generates: ['.stamps/{name}']\n    cmds:\n"
        f"      - echo {name} >> {log}\n      - mkdir -p .stamps\n"
        f"      - touch .stamps/{name}\n"
        for name in units
    )
    start = f"  default:\n    deps: [{', '.join(units)}]\n"
    return {"Taskfile.yml": f"version: '3'\n\ntasks:\n{start}{tasks}"}


def turbo(units: Sequence[str], log: Path) -> Files:
    """npm workspaces with a lock; a task that is cached and has no outputs."""
    packages: dict[str, object] = {"": {"name": "sample", "workspaces": list(units)}}
    for name in units:
        packages[name] = {"version": "1.0.0"}
        packages[f"node_modules/{name}"] = {"resolved": name, "link": True}
    top = {
        "name": "sample",
        "private": True,
        "packageManager": "npm@11.0.0",
        "workspaces": list(units),
    }
    lock = {"name": "sample", "lockfileVersion": 3, "requires": True}
    files = {
        "package.json": _json(top),
        "package-lock.json": _json({**lock, "packages": packages}),
        "turbo.json": _json({"tasks": {"check": {"outputs": []}}}),
    }
    for name in units:
        scripts = {"check": f"echo {name} >> {log}"}
        package = {"name": name, "version": "1.0.0", "scripts": scripts}
        files[f"{name}/package.json"] = _json(package)
    return files


def nx(units: Sequence[str], log: Path) -> Files:
    """Projects with a cached target whose inputs are all files of the project."""
    target = {"cache": True, "inputs": ["{projectRoot}/**/*"], "outputs": []}
    settings = {"targetDefaults": {"check": target}}
    offline = {"neverConnectToCloud": True, "analytics": False}
    files = {
        "package.json": _json({"name": "sample", "private": True}),
        "nx.json": _json({**offline, **settings}),
    }
    for name in units:
        targets = {"check": {"command": f"echo {name} >> {log}"}}
        files[f"{name}/project.json"] = _json({"name": name, "targets": targets})
    return files


def moon(units: Sequence[str], log: Path) -> Files:
    """Projects with a task; a task's inputs are all files of its project."""
    files = {
        ".moon/workspace.yml": f"projects: [{', '.join(units)}]\ntelemetry: false\n"
    }
    for name in units:
        files[f"{name}/moon.yml"] = (
            "tasks:\n  check:\n"
            f"    script: 'echo {name} >> {log}'\n    toolchains: system\n"
        )
    return files


def moon_with_daemon(units: Sequence[str], log: Path) -> Files:
    """As ``moon``, with its daemon allowed."""
    files = moon(units, log)
    files[".moon/workspace.yml"] += "daemon: true\n"
    return files


def _json(document: object) -> str:
    return json.dumps(document, indent=2) + "\n"
