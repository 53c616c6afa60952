"""What does a deployment cost those who wait for it, and what do users notice?

maria, this repository's application, is deployed to a made-up environment again and again
while clients ask: two releases in turn, by each strategy. Then it is rolled back, by the
command that a maintainer types.

In the environment of the tests, whose clients these are:

    .nox/tests-suite/bin/python benchmarks/deploying.py            each strategy
    .nox/tests-suite/bin/python benchmarks/deploying.py --smoke    one of each
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import redirect_stdout
from datetime import datetime
from io import StringIO
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
sys.path[:0] = [str(REPOSITORY / "ci"), str(REPOSITORY / "tests")]

import traffic  # noqa: E402
from conftest import environment  # noqa: E402
from deployed_maria import STRATEGIES, Maria  # noqa: E402

from sametree.stepwise import journal  # noqa: E402
from sametree.deploy.site import Site  # noqa: E402

PATHS = ["/api/conversations", "/", "/version"]
RATE = 60.0
"""Requests a second: those that come in every moment of a switch, no more."""
AROUND = 0.5
"""Seconds before and after a move of traffic that count as the switch."""


def main() -> None:
    """Deploy, roll back, and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true")
    smoke = parser.parse_args().smoke
    with tempfile.TemporaryDirectory(prefix="sametree-bench-") as made:
        maria = Maria(Path(made).resolve() / "maria")
        try:
            for strategy in STRATEGIES[: 1 if smoke else None]:
                _strategy(maria, strategy, 1 if smoke else 10)
            _rollbacks(maria, 1 if smoke else 10)
        finally:
            maria.down()


def _strategy(maria: Maria, strategy: str, times: int) -> None:
    site = maria.deploy(maria.releases[1], strategy)
    seconds = []
    with traffic.running(
        site.url, paths=PATHS, posts=[traffic.PARTICIPANT], rate=RATE
    ) as load:
        load.wait(int(4 * RATE))
        began = time.monotonic()
        for number in range(times):
            start = time.monotonic()
            with redirect_stdout(StringIO()):
                site = maria.deploy(maria.releases[number % 2], strategy)
            seconds.append(time.monotonic() - start)
        load.wait(int(RATE))
    told = load.result()
    before = told.quantile(0.99, 0.0, began)
    moves = [each for each in _moves(site) if each > began]
    switched = [
        1000 * request.seconds
        for request in told.requests
        if any(abs(request.at - each) < AROUND for each in moves)
    ]
    switched.sort()
    p99 = switched[int(0.99 * len(switched))] if switched else 0.0
    print(
        f"{strategy:<11} {statistics.median(seconds):5.1f} s each;"
        f" {told.total:,} requests, {len(told.failures)} failed; p99"
        f" {before:.1f} ms before, {p99:.1f} ms within {AROUND:g} s of a switch:"
        f" {p99 / before:.2f} times",
        flush=True,
    )


def _moves(site: Site) -> list[float]:
    """Return when traffic moved, on this machine's monotonic clock."""
    shift = time.time() - time.monotonic()
    found = []
    for path in (site.folder / journal.FOLDER).glob("*.jsonl"):
        for line in journal.Journal(path).lines:
            if str(line.get("name", "")).startswith("shift"):
                when = datetime.fromisoformat(line["time"])
                found.append(when.timestamp() - shift)
    return found


def _rollbacks(maria: Maria, times: int) -> None:
    """Time the command, and the part of it in which the router is told."""
    name = STRATEGIES[0]
    maria.deploy(maria.releases[0], name, again=True)
    site = maria.deploy(maria.releases[1], name)
    whole, told = [], []
    for _ in range(times):
        whole.append(_timed(maria, name))
        line = (site.folder / "audit.jsonl").read_text().splitlines()[-1]
        told.append(float(json.loads(line)["seconds"]))
    cold = []
    for _ in range(max(1, times // 3)):
        seen = maria.site(name).colours
        side = seen.side("green" if seen.active == "blue" else "blue")
        assert side is not None
        cold.append(_timed(maria, name, "--to", side.digest))
    start = time.monotonic()
    argv = [sys.executable, "-m", "invoke", "--version"]
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    bare = time.monotonic() - start
    print(
        f"rollback    {statistics.median(whole):5.2f} s as a command"
        f" ({statistics.median(whole) / bare:.1f} times `invoke --version`), of it"
        f" {1000 * statistics.median(told):.0f} ms until all users are there;"
        f" {statistics.median(cold):.1f} s to one that has to be started"
    )


def _timed(maria: Maria, name: str, *args: str) -> float:
    """Return how many seconds `invoke rollback` takes."""
    start = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "invoke", "rollback", name, "--yes", *args],
        cwd=maria.sample.root,
        env=environment(),
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.monotonic() - start


if __name__ == "__main__":
    main()
