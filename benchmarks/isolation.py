"""What does a test pay for a database of its own? Each way, in one run.

Thirty tables made by thirty Alembic revisions on an embedded PostgreSQL whose data are
in memory; every test does two inserts, two commits and a query. Beside it: the same with
pytest-postgresql on the same server. Then the tests of maria, on PostgreSQL and on SQLite
in memory, as far as they pass on both.

    python benchmarks/isolation.py            each way, with one and with two processes
    python benchmarks/isolation.py --smoke    a few tests of our own ways
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from sametree import settings, surroundings
from sametree.database import migrations, server
from sametree.toolchains import environments, locks
from sametree.units import Work, test_database

REPOSITORY = Path(__file__).parent.parent
SAMPLE = Path(__file__).parent / "isolation_sample"
PACKAGES = (
    "alembic==1.20.1",
    "psycopg[binary]==3.3.9",
    "pytest==9.2.0",
    "pytest-postgresql==10.0.0",
    "pytest-xdist==3.8.0",
    "sqlalchemy==2.1.9",
)
OURS = ("transaction", "reset", "own clone")
WAYS = (
    "nothing",
    *OURS,
    "clone, FILE_COPY",
    "clone, FILE_COPY by reflink",
    "clone, WAL_LOG",
    "TRUNCATE",
    "create and migrate",
    "pytest-postgresql",
)
SETTINGS = """[project]
name = "sample"
version = "1"

[[tool.sametree.components]]
name = "sample"
path = "."
language = "python"

[tool.sametree.database]
component = "sample"
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--smoke", action="store_true", help="a few tests of our ways")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    ways = OURS if options.smoke else WAYS
    with tempfile.TemporaryDirectory(prefix="sametree-benchmark-") as scratch:
        folder = Path(scratch, "sample")
        shutil.copytree(SAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__"))
        sys.path.insert(0, str(folder))
        import schema

        schema.write(folder)
        (folder / "pyproject.toml").write_text(SETTINGS)
        env = environments.with_path(surroundings.clean(), Path(scratch, "venv", "bin"))
        make_environment(Path(scratch, "venv"), env)
        project = settings.load(folder)
        rounds = 1 if options.smoke else options.rounds
        took: dict[tuple[str, int], list[float]] = {}
        with server.fresh(project, "benchmark") as template:
            at = {**env, server.VARIABLE: template.url("psycopg")}
            step = migrations.program("apply", folder)
            run([str(part) for part in step.argv], folder, {**at, **step.env})
            variables = {**env, **test_database.variables_for(template, "psycopg")}
            for _ in range(rounds):
                for workers in (0,) if options.smoke else (0, 2):
                    for way in ways:
                        told = one(way, workers, folder, variables, options.smoke)
                        took.setdefault((way, workers), []).append(told)
        if not options.smoke:
            report(took, ways)
            example(Path(scratch), options.rounds)


def example(scratch: Path, rounds: int) -> None:
    """Time maria's tests on PostgreSQL and on SQLite, server and start included."""
    project = settings.load(REPOSITORY)
    component = project.component("backend")
    folder, venv = scratch / "backend", scratch / "maria"
    shutil.copytree(project.folder(component), folder)
    env = environments.with_path(surroundings.clean(), venv / "bin")
    environments.make_python(
        venv, [locks.for_purpose(project, component, "tests")], env
    )
    file = scratch / "maria.sqlite"
    path = os.pathsep.join(map(str, (SAMPLE, test_database.INSIDE, folder)))
    on_sqlite = {
        **env,
        "PYTHONPATH": path,
        "PYTEST_PLUGINS": f"{test_database.PLUGIN},maria_on_sqlite",
        "SAMETREE_SQLITE_TEMPLATE": str(file),
    }
    run(["python", str(SAMPLE / "maria_on_sqlite.py"), str(file)], folder, on_sqlite)
    argv = ["pytest", "-q", "--no-cov", "-n0", "-p", "no:cacheprovider"]
    told = subprocess.run(
        [*argv, "-rA"], cwd=folder, env=on_sqlite, capture_output=True, text=True
    ).stdout
    passed = [x.split(" ", 1)[1] for x in told.splitlines() if x.startswith("PASSED ")]
    chosen = folder / "chosen.txt"
    chosen.write_text("\n".join(passed))
    argv.append(f"@{chosen}")
    work = Work(project, component, "tests", venv)
    seconds: dict[str, list[float]] = {"SQLite": [], "PostgreSQL": []}
    for _ in range(max(rounds, 3) + 1):
        began = time.monotonic()
        run(argv, folder, on_sqlite)
        seconds["SQLite"].append(time.monotonic() - began)
        began = time.monotonic()
        with test_database.variables(work, {**env, "PYTHONPATH": str(folder)}) as more:
            run(argv, folder, {**env, **more})
        seconds["PostgreSQL"].append(time.monotonic() - began)
    least = {name: min(each[1:]) for name, each in seconds.items()}
    ratio = least["PostgreSQL"] / least["SQLite"]
    print(
        f"\nmaria: {len(passed)} tests on SQLite {least['SQLite']:.2f} s,"
        f" on PostgreSQL {least['PostgreSQL']:.2f} s ({ratio:.2f} times)"
    )


def make_environment(venv: Path, env: Mapping[str, str]) -> None:
    """Install what the sample and the peer need."""
    uv = environments.uv()
    run(
        [uv, "venv", "--quiet", "--python", sys.executable, str(venv)], venv.parent, env
    )
    python = str(venv / "bin" / "python")
    run(
        [uv, "pip", "install", "--quiet", "--python", python, *PACKAGES],
        venv.parent,
        env,
    )


def one(
    way: str, workers: int, folder: Path, env: Mapping[str, str], smoke: bool
) -> float:
    """Run the sample's tests one ``way``; return the median of a test in ms."""
    figures = folder / "figures.json"
    figures.unlink(missing_ok=True)
    more = {"WAY": way, "FIGURES": str(figures), "SCALE": "0.05" if smoke else "1"}
    began = time.monotonic()
    run(["pytest", "-q", "-n", str(workers), "test_cost.py"], folder, {**env, **more})
    whole = time.monotonic() - began
    told = json.loads(figures.read_text())
    print(
        f"  {way:<28} -n {workers}  {told['median'] * 1000:7.2f} ms a test,"
        f"  {told['tests']} tests in {whole:.1f} s",
        flush=True,
    )
    return float(told["median"]) * 1000


def run(argv: list[str], cwd: Path, env: Mapping[str, str]) -> None:
    """Run a command; show what it printed when it fails."""
    done = subprocess.run(
        argv, cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL, capture_output=True
    )
    if done.returncode:
        sys.stdout.write(done.stdout.decode() + done.stderr.decode())
        sys.exit(f"{' '.join(argv)} failed")


def report(took: Mapping[tuple[str, int], list[float]], ways: tuple[str, ...]) -> None:
    """Print the medians of the rounds, and what each way costs above no isolation."""
    print(f"\n{os.cpu_count()} cores; milliseconds a test, the least of the rounds")
    for way in ways:
        alone, two = (min(took[way, workers]) for workers in (0, 2))
        print(f"  {way:<28} {alone:7.2f}   with two processes {two:7.2f}")


if __name__ == "__main__":
    main()
