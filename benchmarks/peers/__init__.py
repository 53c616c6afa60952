"""Which other tools are timed, and how are they installed?

Each has the configuration that its manual tells a user to write so that an unchanged
tree does no work (see ``configurations``), is offline and sends no telemetry.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from peers import configurations
from sametree.toolchains import environments

PYTHON = ("tox==4.67.15", "doit==0.37.0", "go-task-bin==3.54.0")
NODE = {"turbo": "turbo@2.11.11", "nx": "nx@24.0.6", "moon": "@moonrepo/cli@2.5.5"}
"""What is installed; turbo, nx and moon each into a folder of its own."""

QUIET = {
    "DO_NOT_TRACK": "1",
    "TURBO_TELEMETRY_DISABLED": "1",
    "TURBO_NO_UPDATE_NOTIFIER": "1",
    "NX_TUI": "false",
    "NX_DAEMON": "false",
}
"""No peer calls home, and none has a daemon but where it is named so."""


@dataclass(frozen=True)
class Daemon:
    """How a tool's daemon is started, asked for and stopped.

    ``alive`` is a command that prints ``text`` while the daemon lives.
    """

    begin: tuple[str, ...]
    alive: tuple[str, ...]
    text: str
    end: tuple[str, ...]


@dataclass(frozen=True)
class Peer:
    """A tool in one configuration; ``configure`` gives its files for units and a log.

    ``modules`` is the ``node_modules`` that the tool wants to find in the repository.
    ``skips`` is false for a tool that always runs.
    """

    name: str
    configure: Callable[[Sequence[str], Path], configurations.Files]
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    daemon: Daemon | None = None
    modules: Path | None = None
    skips: bool = True


NPM = Path("bin", "npm")
"""Our npm, by a name that turbo finds on PATH when it has to run a unit."""


def known(folder: Path) -> list[Peer]:
    """Return the peers that are installed in ``folder``, and make if the system has it."""
    return [peer for peer in _all(folder) if shutil.which(peer.argv[0])]


def _all(folder: Path) -> Iterator[Peer]:
    python = folder / "python" / "bin"
    tox, doit, task = (str(python / name) for name in ("tox", "doit", "task"))
    yield Peer("tox", configurations.tox, (tox,), skips=False)
    yield Peer("doit", configurations.doit, (doit,))
    yield Peer("go-task, checksum", configurations.task, (task,))
    yield Peer("go-task, timestamp", configurations.task_by_time, (task,))

    modules = folder / "turbo" / "node_modules"
    by_npm = str(modules / ".bin" / "turbo")
    itself = _native(modules, "@turbo/*/bin/turbo")
    ways = {"turbo, as npm installs it": by_npm, "turbo, the binary itself": itself}
    for name, program in ways.items():
        argv = (program, "run", "check")
        yield Peer(name, configurations.turbo, argv, modules=modules)

    modules = folder / "nx" / "node_modules"
    nx = str(modules / ".bin" / "nx")
    argv = (nx, "run-many", "-t", "check")
    yield Peer("nx, no daemon", configurations.nx, argv, modules=modules)
    yield Peer(
        "nx, warm daemon",
        configurations.nx,
        argv,
        env={"NX_DAEMON": "true"},
        daemon=Daemon(
            begin=(nx, "daemon", "--start"),
            alive=(nx, "daemon"),
            text="is currently running",
            end=(nx, "daemon", "--stop"),
        ),
        modules=modules,
    )

    moon = _native(folder / "moon" / "node_modules", "@moonrepo/core-*/moon")
    argv = (moon, "run", ":check")
    yield Peer("moon, no daemon", configurations.moon, argv)
    yield Peer(
        "moon, warm daemon",
        configurations.moon_with_daemon,
        argv,
        daemon=Daemon(
            begin=(moon, "daemon", "start"),
            alive=(moon, "daemon", "status"),
            text="PID",
            end=(moon, "daemon", "stop"),
        ),
    )
    yield Peer("make", configurations.make, ("make",))


def _native(modules: Path, pattern: str) -> str:
    """Return the path of a tool's own binary, which npm's launcher would start."""
    return next((str(path) for path in sorted(modules.glob(pattern))), "not installed")


def install(folder: Path, env: dict[str, str]) -> None:
    """Install the peers into ``folder``; what is there already stays as it is."""
    python = folder / "python"
    if not python.exists():
        uv = environments.uv()
        _call([uv, "venv", "--quiet", "--no-project", str(python)], env)
        into = ["--quiet", "--python", str(python)]
        _call([uv, "pip", "install", *into, *PYTHON], env)
    node = environments.with_path(env, environments.node())
    shim = folder / NPM
    shim.parent.mkdir(parents=True, exist_ok=True)
    shim.write_text(f'#!/bin/sh\nexec {shlex.join(environments.npm())} "$@"\n')
    shim.chmod(0o755)
    for name, package in NODE.items():
        place = folder / name
        if (place / "node_modules").exists():
            continue
        place.mkdir(parents=True, exist_ok=True)
        (place / "package.json").write_text('{"private": true}\n')
        # Their install scripts only download or check what the package holds already.
        options = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
        npm = [*environments.npm(), "install", *options, package]
        _call(npm, node, place)


def _call(argv: Sequence[str], env: dict[str, str], cwd: Path | None = None) -> None:
    env = {**env, "HOME": os.environ.get("HOME", "")}  # the package clients' settings
    subprocess.run(argv, cwd=cwd, env=env, check=True)
