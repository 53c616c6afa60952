"""What does a command cost on a tree that is proven already? Beside other tools.

It makes git repositories of 1,000 and 20,000 files in four components, lets every tool
do its work once, sees that a second run does nothing, times that, and sees that a
changed file makes its own unit run and no other. Then the same for us alone with 10,
100 and 1,000 components.

    python benchmarks/unchanged.py --peers ~/.cache/peers   installs what is not there
    python benchmarks/unchanged.py --smoke [--peers DIR]    one round of 1,000 files with
                                                             the peers that are there
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import peers
import sample
from contender import Contender, measure
from peers import configurations
from sametree import proofs
from sametree.records import Record
from sametree.settings import load
from sametree.toolchains import environments
from sametree.units import identity
from sametree.units.identity import Unit
from sametree.units.work import cores

UNITS = 4
OF_A_COMPONENT = 5
"""Files of a component where growth is measured."""
ROUNDS_OF_GROWTH = 5
BARE, OURS, DIRECT = "nox, empty sessions", "nox, ours", "sametree run"
KEPT = re.compile(
    r"PATH|PYTHONPATH|TMPDIR|UV_.+|npm_config_.+|.*_PROXY|SSL_.+|NODE_EXTRA_CA_CERTS",
    re.I,
)
"""What is left of our environment: how to find programs, and the network's ways."""
Env = Mapping[str, str]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--smoke", action="store_true", help="see that it works")
    parser.add_argument("--peers", type=Path, metavar="DIR", help="where they are kept")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--files", type=int, nargs="*", default=[1_000, 20_000])
    parser.add_argument("--components", type=int, nargs="*", default=[10, 100, 1_000])
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    if options.smoke:
        options.rounds, options.files, options.components = 1, [1_000], []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # daemons end with us
    tables: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory(prefix="unchanged-") as made:
        scratch = Path(made).resolve()
        env = environment(scratch)
        place = (options.peers or scratch / "peers").resolve()
        if options.files and not options.smoke:
            peers.install(place, env)
        for files in options.files:
            title = f"{files:,} files, {UNITS} units"
            with tempfile.TemporaryDirectory(dir=scratch) as folder:
                contenders = [
                    *ours(Path(folder), UNITS, files, env),
                    *others(Path(folder), place, files, env),
                ]
                tables[title] = measured(title, contenders, options.rounds)
                keep(options.json, tables)
        for count in options.components:
            title = f"{count:,} components of {OF_A_COMPONENT} files, {count:,} units"
            with tempfile.TemporaryDirectory(dir=scratch) as folder:
                files = count * OF_A_COMPONENT
                contenders = list(ours(Path(folder), count, files, env))
                put_proofs(contenders)
                rounds = min(options.rounds, ROUNDS_OF_GROWTH)
                tables[title] = measured(title, contenders, rounds)
                keep(options.json, tables)
    return int(any(row["wrong"] for rows in tables.values() for row in rows))


def environment(scratch: Path) -> dict[str, str]:
    """Return the environment of all commands: no CI, no settings of this user's."""
    kept = {k: v for k, v in os.environ.items() if KEPT.fullmatch(k)}
    asked = [environments.uv(), "cache", "dir"]
    cache = subprocess.run(asked, env=kept, check=True, capture_output=True, text=True)
    home = scratch / "home"
    home.mkdir()
    own = {
        "HOME": str(home),
        "UV_CACHE_DIR": cache.stdout.strip(),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "LC_ALL": "C.UTF-8",
        "SAMETREE_JOBS": "1",
    }
    return environments.with_path({**kept, **own}, Path(sys.executable).parent)


def ours(folder: Path, count: int, files: int, env: Env) -> Iterator[Contender]:
    """Yield our commands and what lies below them: Nox itself, git, the interpreter."""
    units, log, root = sample.names(count), folder / "ours.log", folder / "ours"
    sample.write(root, sample.components(units, files, log) | sample.ours(units))
    sample.lock(root)
    sample.commit(root)
    nox = str(Path(sys.executable).with_name("nox"))
    sametree = str(Path(sys.executable).with_name("sametree"))
    python, git = version([sys.executable], env), version(["git"], env)
    made_by = version([nox], env)
    floors = {
        "python -c pass": (python, sys.executable, "-c", "pass"),
        "git status": (git, "git", "status", "--porcelain"),
        "nox, no session": (made_by, nox, "-f", "empty.py"),
        BARE: (made_by, nox, "-f", "bare.py"),
        "nox, empty, environments kept": (made_by, nox, "-f", "kept.py"),
    }
    for name, (its_version, *argv) in floors.items():
        yield Contender(name, root, argv, env, its_version)
    yield Contender(OURS, root, [nox], env, version([sametree], env), units, log)
    argv = [sametree, "run"]
    its_version = version([sametree], env)
    yield Contender(DIRECT, root, argv, env, its_version, units, log, proven=True)


def put_proofs(contenders: Iterable[Contender]) -> None:
    """Prove our units without running them: a thousand real runs take half an hour.

    That these are the true proofs shows when a change makes one unit run, and only one.
    """
    for ours in [each for each in contenders if each.name == OURS]:
        project = load(ours.folder)
        units = [
            Unit(name=f"tests({each.name})", kind="tests", component=each)
            for each in project.components
        ]
        known = identity.identify(project, units)
        for unit, found in zip(units, known, strict=True):
            record = Record(
                run="benchmark",
                unit=unit.name,
                result="success",
                started=time.time(),
                seconds=1.0,
                proves=True,
                tree=found.tree,
                parts=dict(found.parts),
                fingerprint=found.fingerprint,
            )
            proofs.keep(project.state, record)
        ours.proven = True


def others(folder: Path, place: Path, files: int, env: Env) -> Iterator[Contender]:
    """Yield the peers that are there, each in a repository with its own configuration."""
    units = sample.names(UNITS)
    programs = (place / peers.NPM).parent
    node = environments.with_path(env, programs, environments.node())
    for peer in peers.known(place):
        slug = re.sub("[^a-z]+", "-", peer.name)
        root, log = folder / slug, folder / f"{slug}.log"
        sample.write(root, sample.components(units, files, log))
        sample.write(root, peer.configure(units, log))
        sample.write(root, {".gitignore": configurations.IGNORED})
        sample.commit(root)
        if peer.modules:
            (root / "node_modules").symlink_to(peer.modules)
        own = {**node, **peers.QUIET, **peer.env}
        yield Contender(
            name=peer.name,
            folder=root,
            argv=peer.argv,
            env=own,
            version=version(peer.argv[:1], own),
            units=units,
            log=log,
            skips=peer.skips,
            daemon=peer.daemon,
        )


def version(program: list[str] | tuple[str, ...], env: Env) -> str:
    """Return the version that ``program --version`` prints."""
    argv = [*program, "--version"]
    done = subprocess.run(argv, env=env, check=True, capture_output=True, text=True)
    found = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    return found[0] if found else ""


def measured(
    title: str, contenders: list[Contender], rounds: int
) -> list[dict[str, Any]]:
    """Measure and print a table; return its rows.

    ``CPU`` is the time that processors worked; other work on the machine hardly changes
    it. ``above`` is what a command takes above bare Nox, ``2nd run`` the time of the
    first run with nothing to do: what a tool then writes down may spare later ones more.
    """
    measure(contenders, rounds)
    times = {each.name: each.seconds for each in contenders if not each.wrong}
    base = OURS if OURS in times else BARE
    rows = []
    for each in contenders:
        row: dict[str, Any] = {"name": each.name, "version": each.version}
        row |= {"wrong": each.wrong, "skips": each.skips, "seconds": each.seconds}
        row |= {"second_run": each.second_run, "processor": each.processor}
        if not each.wrong:
            row["median"] = statistics.median(each.seconds)
            row["above_bare"] = paired(each.seconds, times[BARE], float.__sub__)
            row["of_base"] = paired(each.seconds, times[base], float.__truediv__)
        rows.append(row)
    print(f"\n{title}; medians of {rounds} interleaved rounds, {cores()} cores\n")
    head = "".join(f"{each:>10}" for each in ("ms", "min", "CPU", "2nd run", "above"))
    print(f"{'':<44}{head}  times {base}", flush=True)
    for row in rows:
        print(line(row), flush=True)
    for row in rows:
        if row["wrong"].count("\n"):
            print(f"\n{row['name']}: {row['wrong']}", file=sys.stderr)
    return rows


def line(row: Mapping[str, Any]) -> str:
    """Return a row of the table as text."""
    name = f"{row['name']} ({row['version']})"
    if row["wrong"]:
        first, _, _ = row["wrong"].partition("\n")
        return f"{name:<44}  WRONG: {first}"
    seconds = row["seconds"]
    busy = statistics.median(row["processor"])
    figures = (row["median"], min(seconds), busy, row["second_run"])
    shown = "".join(f"{1000 * each:10.1f}" for each in figures)
    note = "" if row["skips"] else "   always runs"
    above, ratio = 1000 * row["above_bare"], row["of_base"]
    return f"{name:<44}{shown}{above:>+10.1f}  {ratio:.2f}{note}"


def paired(left: list[float], right: list[float], combine: Any) -> float:
    """Return the median of ``combine`` over the two commands' times round by round."""
    pairs = zip(left, right, strict=True)
    return statistics.median(combine(one, two) for one, two in pairs)


def keep(file: Path | None, tables: Mapping[str, Any]) -> None:
    """Write the tables that there are so far, and on what they were measured."""
    if file:
        machine = {"system": platform.platform(), "cores": cores()}
        document = {"machine": machine, "tables": tables}
        file.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
