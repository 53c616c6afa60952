"""What does the pipeline cost over the bare tools? Ratios within one run.

In a fresh clone it times ``nox`` cold and warm, ``nox -j auto``, and the very commands
that the sessions run, called by hand one after the other with a server that runs already.

    python benchmarks/pipeline.py            all but the suite's own tests, three rounds
    python benchmarks/pipeline.py --smoke    one round of builds, to see that it works
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

from sametree import surroundings
from sametree.database import server
from sametree.settings import Project, load
from sametree.steps import Step
from sametree.toolchains import environments
from sametree.units import Work
from sametree.units.tests import variables_for
from sametree.units.work import cores

REPOSITORY = Path(__file__).parent.parent
SESSIONS = ("lint", "tests", "migrate", "build")
AGAIN = ("--", "--force")
"""What is proven would not run again."""
LEFT_OUT = {("tests", "suite")}
"""The suite's own tests run Nox many times over; they would hide all else."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--smoke", action="store_true", help="one round of builds")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    sessions = ("build",) if options.smoke else SESSIONS
    rounds = 1 if options.smoke else options.rounds
    with tempfile.TemporaryDirectory(prefix="sametree-benchmark-") as scratch:
        Path(scratch).chmod(0o755)
        clone = Path(scratch, "clone")
        run(["git", "clone", "--quiet", str(REPOSITORY), str(clone)], REPOSITORY)
        if options.smoke:  # the environments are the repository's, as they are
            nox = [sys.executable, "-m", "nox"]
            setup = None
        else:
            nox, setup = set_up(clone)
        units = [name for name, _, _ in chosen(load(clone), sessions)]
        cold = timed(lambda: run([*nox, "-s", *units], clone))
        warm, parallel, by_hand = [], [], []
        for _ in range(rounds):
            warm.append(timed(lambda: run([*nox, "-s", *units, *AGAIN], clone)))
            with ExitStack() as stack:
                commands = list(bare(load(clone), sessions, stack))
                by_hand.append(timed(lambda: [call(*each) for each in commands]))
            parallel.append(
                timed(lambda: run([*nox, "-j", "auto", "-s", *units, *AGAIN], clone))
            )
        report(setup, cold, warm, parallel, by_hand, len(units))


def set_up(clone: Path) -> tuple[list[str], float]:
    """Do what README's first command does before it runs nox; return nox, seconds."""
    python = clone / ".venv" / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet"]
    began = time.monotonic()
    run([sys.executable, "-m", "venv", ".venv"], clone)
    run([*pip, "-r", "ci/locks/dev.txt"], clone)
    run([*pip, "--no-deps", "--no-build-isolation", "-e", "."], clone)
    return [str(python), "-m", "nox"], time.monotonic() - began


def chosen(
    project: Project, sessions: tuple[str, ...]
) -> Iterator[tuple[str, str, Work]]:
    """Yield the units that are timed: name, session, and what they work with."""
    from sametree.pipeline import Pipeline

    for session in sessions:
        for component in Pipeline.components_of(project, session):
            if (session, component.name) not in LEFT_OUT:
                venv = project.root / ".nox" / f"{session}-{component.name}"
                work = Work(project, component, session, venv)
                yield work.name, session, work


def bare(
    project: Project, sessions: tuple[str, ...], stack: ExitStack
) -> Iterator[tuple[Step, Mapping[str, str]]]:
    """Yield the commands of the units as somebody would type them, and where."""
    for _, session, work in chosen(project, sessions):
        place, env = work.place, environment(work)
        out = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        alembic = Step(
            name="alembic", argv=("alembic", "upgrade", "head"), cwd=work.folder
        )
        if session == "lint":
            yield from ((step, env) for step in work.toolchain.lint(place))
        elif session == "build":
            yield from ((step, env) for step in work.toolchain.build(place, out))
        elif session == "migrate":
            address = stack.enter_context(server.development(project))
            yield alembic, {**env, server.VARIABLE: address.url("psycopg")}
        else:
            if project.has_database(work.component):
                address = stack.enter_context(server.fresh(project, "benchmark"))
                env = {**env, **variables_for(address, "psycopg")}
                yield alembic, {**env, "PYTEST_PLUGINS": ""}
            work.reports.mkdir(parents=True, exist_ok=True)
            yield from ((s, env) for s in work.toolchain.tests(place, cores(), ()))


def environment(work: Work) -> dict[str, str]:
    """Return the environment that the unit's session would have, installed already."""
    env = surroundings.clean()
    if work.component.language == "node":
        programs = work.folder / "node_modules" / ".bin"
        return environments.with_path(env, programs, environments.node())
    return environments.with_path(env, work.venv / "bin")


def call(step: Step, env: Mapping[str, str]) -> None:
    run(list(step.argv), step.cwd, {**env, **step.env})


def run(argv: list[str], cwd: Path, env: Mapping[str, str] | None = None) -> None:
    """Run a command; show what it printed when it fails."""
    own = {k: v for k, v in os.environ.items() if not k.startswith("SAMETREE_")}
    done = subprocess.run(
        argv, cwd=cwd, env=env or own, stdin=subprocess.DEVNULL, capture_output=True
    )
    if done.returncode:
        sys.stdout.write(done.stdout.decode() + done.stderr.decode())
        sys.exit(f"{' '.join(argv)} failed")


def timed(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def report(
    setup: float | None,
    cold: float,
    warm: list[float],
    parallel: list[float],
    by_hand: list[float],
    units: int,
) -> None:
    """Print the figures: seconds, and ratios to the tools called by hand."""
    base = statistics.median(by_hand)
    print(f"{units} units, {len(warm)} round(s), {cores()} cores")
    rows = {"by hand": by_hand, "nox, warm": warm, "nox -j auto": parallel}
    for name, seconds in rows.items():
        pairs = [a / b for a, b in zip(seconds, by_hand, strict=True)]
        print(
            f"  {name:<12} {statistics.median(seconds):6.1f} s"
            f"   {statistics.median(pairs):.2f} of by hand"
            f"   (min {min(pairs):.2f}, max {max(pairs):.2f})"
        )
    print(f"  {'nox, cold':<12} {cold:6.1f} s   {cold / base:.2f} of by hand")
    if setup is not None:
        print(f"  {'set-up':<12} {setup:6.1f} s   with cold nox {setup + cold:.1f} s")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"  peak memory of the largest process {peak:.0f} MiB")


if __name__ == "__main__":
    if shutil.which("git") is None:
        sys.exit("git is needed to make a fresh clone")
    main()
