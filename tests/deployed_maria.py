"""This repository's application, built once and deployed again and again."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psycopg
from conftest import REPOSITORY, Sample, environment
from yard import Yard

from sametree import files, git
from sametree.deploy import own_database
from sametree.units import pack

STRATEGIES = ("blue-green", "canary", "rolling")
READY = ".ready"


class Maria(Yard):
    """The application in a repository of its own, with an environment of each strategy.

    The first one who makes it in ``root`` builds it; others find it there.
    """

    def __init__(self, root: Path) -> None:
        self.sample = Sample(root, root / ".nox")
        self.used: set[str] = set()
        with files.locked(root.with_name(f"{root.name}.lock")):
            if not (root / READY).exists():
                shutil.rmtree(root, ignore_errors=True)
                self._make()
                (root / READY).touch()
        trees = [line.split()[0] for line in (root / READY).read_text().splitlines()]
        self.releases: Sequence[Path] = [root / "dist" / "releases" / t for t in trees]

    def _make(self) -> None:
        root = self.sample.root
        for name in git.files(REPOSITORY) or ():
            if (REPOSITORY / name).is_file():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_bytes((REPOSITORY / name).read_bytes())
        # Where we are root, its PostgreSQL runs as another user, who has to get there.
        for folder in (root, *root.parents[:2]):
            folder.chmod(folder.stat().st_mode | 0o055)
        for strategy in STRATEGIES:
            self.environment(
                strategy,
                strategy=strategy,
                replicas=2 if strategy == "rolling" else 1,
                bake=0.2,
                steps=[10.0, 50.0],
            )
            self.sample.settings(f"""
            [tool.sametree.environments.{strategy}.gate]
            samples = 5
            probes = ["/readyz", "/", "/api/conversations"]
            """)
        (root / ".gitignore").write_text(
            self.sample.text(".gitignore") + f"/{READY}\n/.sametree/\n"
        )
        self.sample.git("init", "--quiet", "--initial-branch=main")
        trees = [self._released(word) for word in ("one", "two")]
        files.write_atomically(root / READY, "".join(f"{tree}\n" for tree in trees))

    def _released(self, word: str) -> str:
        """Pack the release of another tree, which is built for the first only; return
        its tree."""
        self.sample.write({"WORD": word})
        self.sample.commit(word)
        argv = [sys.executable, "-m", "nox", "-s", "build(backend)", "build(frontend)"]
        done = subprocess.run(
            argv,
            cwd=self.sample.root,
            env=environment(),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        self.prove()
        return pack.pack(self.project).name

    def rows(self, name: str) -> int:
        """Return how many participants there are."""
        found = own_database.of(self.project, self.site(name).folder).address()
        assert found is not None
        with psycopg.connect(found.url()) as connection:
            told = connection.execute("SELECT count(*) FROM participants").fetchone()
        assert told is not None
        return int(told[0])
