"""How long does a release take, and going on with it from each step? What do kills leave?

    .nox/tests-suite/bin/python benchmarks/releasing.py            times
    .nox/tests-suite/bin/python benchmarks/releasing.py --kills N  N kills at random

A small project with one component is released to a bare remote and a package index on
loopback, by `invoke release` as a maintainer calls it. A kill is SIGKILL of all that the
command has started; then comes `--resume`.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / "tests")]

import indexes  # noqa: E402
from shops import Shop  # noqa: E402

TARGET = '\n[tool.sametree.release.targets.index]\nkind = "index"\n'
ROUNDS = 5


class Bench:
    """Copies of one shop that is proven, each with an index that is empty at first."""

    def __init__(self, folder: Path, index: indexes.Index) -> None:
        self.folder = folder
        self.index = index
        self.first = Shop(folder / "first" / "shop", folder / "environments")
        self.first.root.parent.mkdir()
        self.first.environments.mkdir()
        self.first.begin(more=TARGET)
        self.env = {
            "TWINE_REPOSITORY_URL": index.address,
            "TWINE_PASSWORD": indexes.TOKEN,
            "NO_PROXY": "127.0.0.1",
        }
        self.count = 0

    def copy(self) -> Shop:
        """Return a shop that was never released; the index is empty again."""
        self.count += 1
        for path in self.index.folder.iterdir():
            path.unlink()
        copy = self.first.copy(self.folder / str(self.count))
        copy.share_environments()
        return copy

    def start(self, shop: Shop, *args: str) -> subprocess.Popen[str]:
        """Start `invoke release ARGS`."""
        return shop.invoke("release", "--yes", *args, env=self.env)

    def timed(self, shop: Shop, *args: str) -> float:
        """Return the seconds of `invoke release ARGS`."""
        began = time.monotonic()
        process = self.start(shop, *args)
        output, _ = process.communicate()
        if process.returncode:
            raise SystemExit(output)
        return time.monotonic() - began

    def killed_after(self, shop: Shop, step: str) -> bool:
        """Release, and kill it when ``step`` is done; return whether it came to that."""
        process = self.start(shop)
        assert process.stdout
        found = False
        for line in process.stdout:
            if line.split()[1:] and " ".join(line.split()[1:]).startswith(f"{step} "):
                if line.rstrip().endswith(" s"):
                    os.killpg(process.pid, signal.SIGKILL)
                    found = True
                    break
        process.stdout.close()
        process.wait()
        return found

    def whole(self, shop: Shop) -> str:
        """Return what is half done; empty when nothing is."""
        tagged = shop.at_remote("tag") == "v0.1.0"
        claimed = shop.at_remote("for-each-ref", "refs/sametree")
        files = sorted(self.index.names())
        if not tagged or claimed or len(files) != 2:
            return f"tag {tagged}, claim {claimed!r}, files {files}"
        return ""


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--smoke", action="store_true", help="one round")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sametree-bench-") as made:
        with indexes.index(Path(made, "index")) as index:
            bench = Bench(Path(made), index)
            if args.kills:
                _kills(bench, args.kills)
            else:
                _times(bench, 1 if args.smoke else ROUNDS)


def _times(bench: Bench, rounds: int) -> None:
    whole = statistics.median(bench.timed(bench.copy()) for _ in range(rounds))
    print(f"whole release         {whole:.2f} s")
    steps = ("claim", "commit", "build", "inspect", "tag", "push", "catch up")
    for step in (*steps, "publish to index", "verify index"):
        found = []
        for _ in range(rounds):
            shop = bench.copy()
            if not bench.killed_after(shop, step):
                raise SystemExit(f"there was no step {step}")
            found.append(bench.timed(shop, "--resume"))
            if wrong := bench.whole(shop):
                raise SystemExit(f"half a release after {step}: {wrong}")
        seconds = statistics.median(found)
        print(
            f"--resume after {step:<16} {seconds:.2f} s, {seconds / whole:.2f} of whole"
        )


def _kills(bench: Bench, count: int) -> None:
    took = bench.timed(bench.copy())
    rnd = random.Random(count)
    left, early = 0, 0
    for number in range(1, count + 1):
        shop = bench.copy()
        process = bench.start(shop)
        time.sleep(rnd.uniform(0.0, took))
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.communicate()
        bench.timed(shop, "--resume")
        if shop.at_remote("tag") != "v0.1.0":
            early += 1  # killed before the claim: nothing was begun
            bench.timed(shop)
        if wrong := bench.whole(shop):
            left += 1
            print(f"kill {number}: {wrong}", flush=True)
        if number % 20 == 0:
            print(f"{number} kills, {left} half releases left", flush=True)
    print(
        f"{count} kills ({early} before anything was begun): {left} half releases left"
    )


if __name__ == "__main__":
    main()
