"""Sample projects on which the real Nox, git, PostgreSQL and npm run."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from sametree import files
from sametree.database import cluster
from sametree.database.address import Address
from sametree.settings import load
from sametree.toolchains import locks

REPOSITORY = Path(__file__).parent.parent
LOCKS = REPOSITORY / "ci" / "locks"

NOXFILE = """
import nox

from sametree import sessions

nox.options.sessions = ["lint", "tests", "migrate", "build"]
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
nox.options.allow_parallel = True
pipeline = sessions.load(__file__)
"""
SESSION = """

@nox.session
@pipeline.each("{name}")
def {name}(session, component):
    pipeline.run(session, component)
"""
LOCK_SESSION = """

@nox.session(venv_backend="none")
def lock(session):
    pipeline.lock(session)
"""
PYPROJECT = """
[build-system]
requires = ["hatchling>=1"]
build-backend = "hatchling.build"

[project]
name = "sample"
version = "1.0"
requires-python = ">=3.11"
dependencies = []

[dependency-groups]
lint = ["black", "flake8"]
tests = ["pytest", "pytest-cov", "pytest-xdist"]
build = ["build", "hatchling"]

[tool.coverage.run]
source = ["sample"]
relative_files = true
"""
SAMPLE = """
def double(number):
    if number < 0:
        raise ValueError(number)
    return 2 * number
"""
SAMPLE_TEST = """
import pytest
from sample import double


def test_double():
    assert double(2) == 4


def test_a_negative_number_is_refused():
    with pytest.raises(ValueError):
        double(-1)
"""
PINS = {
    "lint": "black click flake8 mccabe mypy-extensions packaging pathspec platformdirs"
    " pycodestyle pyflakes pytokens",
    "tests": "coverage execnet iniconfig packaging pluggy pygments pytest pytest-cov"
    " pytest-xdist",
    "build": "build hatchling packaging pathspec pluggy pyproject-hooks tomlkit"
    " trove-classifiers",
    "run": "alembic mako markupsafe psycopg psycopg-binary sqlalchemy greenlet"
    " typing-extensions",
}
"""What the samples install, out of our own locks: what is in the cache already."""


def pins(*purposes: str) -> str:
    """Return the entries of our locks for the packages of ``purposes``."""
    wanted = {name for purpose in purposes for name in PINS[purpose].split()}
    found: dict[str, str] = {}
    for name in ("tests.txt", "lint.txt", "build.txt", "backend.txt"):
        text = locks.body_of((LOCKS / name).read_text(encoding="utf-8"))
        for entry in re.split(r"\n(?=[a-z])", text):
            package = re.split(r"[=\s]", entry, maxsplit=1)[0]
            if package in wanted:
                found.setdefault(package, entry.rstrip("\n") + "\n")
    return "".join(found[name] for name in sorted(found))


class Sample:
    """A project in a folder of its own; ``nox`` runs it for real.

    ``environments`` is where Nox keeps virtual environments; samples share it, since a
    session makes its environment hold what its lock says anyway.
    """

    def __init__(self, root: Path, environments: Path) -> None:
        self.root = root
        self.environments = environments

    def write(self, files: Mapping[str, str]) -> None:
        """Write files, named relative to the project."""
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")

    def settings(self, table: str) -> None:
        """Append to pyproject.toml."""
        path = self.root / "pyproject.toml"
        path.write_text(path.read_text() + textwrap.dedent(table))

    def lock(self) -> None:
        """Write the locks that the project should have, out of our own."""
        for lock in locks.of_project(load(self.root)):
            purposes = [lock.group] if lock.group else ["run"]
            if lock.group == "tests" and "alembic" in self.text("pyproject.toml"):
                purposes.append("run")
            lock.path.parent.mkdir(exist_ok=True)
            lock.path.write_text(locks.text_of(lock, pins(*purposes)))

    def share_environments(self) -> None:
        """Let tasks find the environment that they made for another sample of this kind.

        It is for what a task does with an environment; it is made to hold what the lock
        says each time, as ever.
        """
        shared = self.environments.with_name(f"{self.environments.name}-tasks")
        shared.mkdir(exist_ok=True)
        own = files.add_exclude_file(self.root / ".sametree") / "venvs"
        if not own.exists():
            own.symlink_to(shared)

    def text(self, name: str) -> str:
        """Return the text of a file."""
        return (self.root / name).read_text(encoding="utf-8")

    def commit(self, message: str = "Change") -> None:
        """Commit all."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)

    def git(self, *args: str) -> str:
        """Run git and return what it prints."""
        author = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
        argv = ["git", *author, "-c", "commit.gpgsign=false", *args]
        done = subprocess.run(
            argv, cwd=self.root, check=True, capture_output=True, text=True
        )
        return done.stdout

    def start(self, *args: str, env: Mapping[str, str] = {}) -> subprocess.Popen[str]:
        """Start ``nox ARGS`` in a process group of its own, as a terminal does."""
        return subprocess.Popen(
            [sys.executable, "-m", "nox", "--envdir", str(self.environments), *args],
            cwd=self.root,
            env=environment(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        )

    def nox(self, *args: str, env: Mapping[str, str] = {}) -> "Ran":
        """Run ``nox ARGS`` to its end."""
        process = self.start(*args, env=env)
        output, _ = process.communicate(timeout=150)
        return Ran(process.returncode, output)


class Ran:
    """How a command ended."""

    def __init__(self, code: int, output: str) -> None:
        self.code = code
        self.output = output

    def __repr__(self) -> str:
        return f"exit code {self.code}\n{self.output}"


def environment(more: Mapping[str, str] = {}) -> dict[str, str]:
    """Return our own environment as a user's at home: with the suite, without this run.

    A machine of CI is a home, too: what a test says of it, it says in ``more``.
    """
    left_out = ("SAMETREE_", "NOX_", "PYTEST_", "GITHUB_", "COV_CORE")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(left_out) and name not in ("DATABASE_URL", "CI")
    }
    ours = {"PYTHONPATH": str(REPOSITORY / "ci"), "SAMETREE_JOBS": "1"}
    return {**kept, **ours, **more}


ROOM = 4 << 30
"""Bytes that have to be free in memory for the tests' folders to be there."""


MEMORY = Path("/dev/shm")


def _memory() -> Path | None:
    """Return where folders in memory can be, if there is room, and programs may run."""
    if not os.access(MEMORY, os.W_OK) or os.statvfs(MEMORY).f_flag & os.ST_NOEXEC:
        return None
    return MEMORY if shutil.disk_usage(MEMORY).free >= ROOM else None


def pytest_configure(config: pytest.Config) -> None:
    """Keep what tests write in memory while they run; ``--basetemp`` keeps it for good.

    Thousands of small repositories on a disk take longer to remove than to make.
    """
    of_another = hasattr(config, "workerinput")  # xdist tells its workers where
    if of_another or config.option.basetemp or (memory := _memory()) is None:
        return
    made = tempfile.mkdtemp(prefix="sametree-tests-", dir=memory)
    config.option.basetemp = Path(made) / "run"
    config.add_cleanup(lambda: shutil.rmtree(made, ignore_errors=True))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Begin with what takes longest, each process with its share: none is left alone
    with it at the end."""
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    long = sorted(
        (each for each in items if _seconds(each)), key=_seconds, reverse=True
    )
    short = [each for each in items if not _seconds(each)]
    ends = [len(short) * number // workers for number in range(workers + 1)]
    items.clear()
    for number in range(workers):
        items += long[number::workers] + short[ends[number] : ends[number + 1]]


def _seconds(item: pytest.Item) -> float:
    """Return how long a proof says that it takes."""
    mark = item.get_closest_marker("proof")
    return float(mark.kwargs.get("seconds", 0)) if mark else 0.0


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that any user may enter (pytest's own tmp_path is closed to others)."""
    with _open_folder(_memory()) as made:
        yield made


@pytest.fixture
def large_folder() -> Iterator[Path]:
    """A folder for gigabytes, which are not kept in memory; any user may enter it."""
    with _open_folder(None) as made:
        yield made


@contextmanager
def _open_folder(base: Path | None) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sametree-test-", dir=base) as made:
        Path(made).chmod(0o755)
        yield Path(made).resolve()


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Give a disk of ``size`` (as mount(8) has it) in ``folder``; only root can."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    place = folder / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", place]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a disk")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


@pytest.fixture(scope="session")
def environments() -> Iterator[Path]:
    """Where the samples of this process keep their virtual environments: on the disk,
    as uv's cache is, so that it can link what it installs."""
    with _open_folder(None) as made:
        yield made


@pytest.fixture(scope="session")
def postgres() -> Iterator[Address]:
    """A server of ours for all tests of this process; each makes its own databases."""
    with cluster.throw_away(18) as address:
        yield address


@pytest.fixture
def sample(folder: Path, environments: Path) -> Sample:
    """A committed project with one Python component, whose tests pass."""
    project = Sample(folder / "sample", environments / "plain")
    project.root.mkdir()
    sessions = "".join(
        SESSION.format(name=name)
        for name in ("lint", "format", "tests", "migrate", "build")
    )
    project.write(
        {
            "pyproject.toml": PYPROJECT,
            "noxfile.py": NOXFILE + sessions + LOCK_SESSION,
            "sample.py": SAMPLE,
            "test_sample.py": SAMPLE_TEST,
            ".flake8": "[flake8]\nmax-line-length = 88\nexclude = .nox,noxfile.py\n",
            ".gitignore": "/.nox/\n/.sametree/\n/dist/\n/reports/\n__pycache__/\n",
        }
    )
    project.lock()
    project.git("init", "--quiet", "--initial-branch=main")
    project.commit("Begin")
    return project


@pytest.fixture
def with_database(sample: Sample) -> Sample:
    """The sample with a PostgreSQL database and two Alembic migrations."""
    pyproject = sample.text("pyproject.toml").replace(
        "dependencies = []", 'dependencies = ["alembic", "psycopg[binary]"]'
    )
    database = '\n[tool.sametree.database]\ncomponent = "sample"\n'
    sample.environments = sample.environments.with_name("database")
    sample.write(
        {
            "pyproject.toml": pyproject + database,
            "alembic.ini": "[alembic]\nscript_location = %(here)s/migrations\n",
            "migrations/env.py": ENV,
            "migrations/versions/0001_people.py": migration(
                "0001",
                None,
                'op.create_table(\n        "people",\n'
                '        sa.Column("id", sa.Integer, primary_key=True),\n'
                '        sa.Column("name", sa.Text),\n    )',
                'op.drop_table("people")',
            ),
            "migrations/versions/0002_index.py": migration(
                "0002",
                "0001",
                "with op.get_context().autocommit_block():\n"
                '        op.create_index("people_name", "people", ["name"],'
                " postgresql_concurrently=True)",
                'op.drop_index("people_name")',
            ),
        }
    )
    sample.lock()
    sample.commit("Add a database")
    return sample


PACKAGE = """
{
  "name": "page",
  "version": "1.0.0",
  "private": true,
  "devDependencies": {
    "prettier": "3.8.0"
  }
}
"""


@pytest.fixture
def page(sample: Sample) -> Sample:
    """The sample with a Node component of one package, and its lock."""
    table = """
    [[tool.sametree.components]]
    name = "sample"
    path = "."

    [[tool.sametree.components]]
    name = "page"
    path = "page"
    """
    sample.settings(table)
    sample.write(
        {
            "page/package.json": PACKAGE,
            "page/index.html": "<!doctype html>\n<title>Page</title>\n",
            ".gitignore": sample.text(".gitignore") + "node_modules/\n",
            ".prettierignore": "node_modules/\n",
        }
    )
    return sample


ENV = """
import os
import sqlalchemy as sa
from alembic import context

metadata = sa.MetaData()
sa.Table(
    "people",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, index=False),
    sa.Index("people_name", "name"),
)
engine = sa.create_engine(os.environ["DATABASE_URL"])
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()
"""


def migration(revision: str, down: str | None, up: str, back: str) -> str:
    """Return the text of a migration file; its title is its revision."""
    below = f'"{down}"' if down else None
    return (
        f'"""Revision {revision}."""\n\n'
        "import sqlalchemy as sa\nfrom alembic import op\n\n"
        f'revision = "{revision}"\ndown_revision = {below}\n\n\n'
        f"def upgrade():\n    {up}\n\n\ndef downgrade():\n    {back}\n\n\n"
        "sa  # not every revision needs it\n"
    )


def processes_with(text: str) -> list[str]:
    """Return the command lines of living processes that have ``text`` in their command
    line or environment, without our own."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        if int(entry.name) in (os.getpid(), os.getppid()):
            continue
        try:
            command = (entry / "cmdline").read_bytes()
            environ = (entry / "environ").read_bytes()
            dead = ") Z " in (entry / "stat").read_text()
        except OSError:
            continue
        if not dead and text.encode() in command + b"\0" + environ:
            found.append(command.replace(b"\0", b" ").decode(errors="replace"))
    return found


def interrupt(process: subprocess.Popen[str]) -> str:
    """Press Ctrl-C: the signal goes to the whole foreground group. Return the output."""
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    return output


def eventually(question: object, seconds: float = 10.0) -> bool:
    """Ask until the answer is yes, or the time is over."""
    assert callable(question)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if question():
            return True
        time.sleep(0.05)
    return bool(question())
