"""How does plain ``pytest`` get the database that settings name? A face: a plug-in.

In an environment that has the suite it is on by itself (entry point ``pytest11``), in
the folder of the component that ``[tool.sametree.database]`` names, unless a session of
the suite has made the database already. ``-p no:sametree`` switches it off.

Nothing of the suite is imported before it is known to be needed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from sametree.database.address import Address
    from sametree.settings import Component, Project

FILE = "pyproject.toml"
INSIDE = "sametree.inside.sametree_pytest"
MADE = ("SAMETREE_TEMPLATE_URL", "SAMETREE_SQLITE_TEMPLATE", "PYTEST_XDIST_WORKER")
"""Variables of which one is set where somebody else has seen to the database."""
DRIVERS = ("psycopg", "psycopg2", "pg8000")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Make a migrated database, before any conftest is loaded."""
    options = early_config.known_args_namespace
    if options.help or options.version or any(name in os.environ for name in MADE):
        return
    root = project_above(early_config.rootpath)
    if root is None:
        return
    from sametree.errors import SametreeError

    stack = ExitStack()
    early_config.add_cleanup(stack.close)
    try:
        if begin(root, early_config.rootpath, stack, processes(options)):
            early_config.pluginmanager.import_plugin(INSIDE)
            from sametree.inside import sametree_pytest

            sametree_pytest.start(early_config)
    except SametreeError as error:
        raise pytest.UsageError(f"sametree: {error}") from None


def project_above(folder: Path) -> Path | None:
    """Return the project that ``folder`` is in, if its settings speak of a database."""
    for place in (folder, *folder.parents):
        try:
            text = (place / FILE).read_bytes()
        except OSError:
            continue
        if b"tool.sametree" in text:
            return place if b"database" in text else None
    return None


def processes(options: object) -> int:
    """Return how many processes will run tests."""
    asked = getattr(options, "numprocesses", None)
    return asked if isinstance(asked, int) and asked else os.cpu_count() or 1


def begin(root: Path, folder: Path, stack: ExitStack, clones: int = 1) -> bool:
    """Make the database for the tests in ``folder``, as long as ``stack`` is open.

    ``clones`` is how many will be made of it. Return whether the tests there are those of the component with the database. Raises
    SametreeError when the settings, the server or the migrations are at fault.
    """
    from sametree import settings

    project = settings.load(root)
    named = project.settings.database
    if named is None or settings_say_nothing(root):
        return False
    component = project.component(named.component)
    if not is_of(project, component, folder):
        return False
    variables = stack.enter_context(made(project, component, clones))
    stack.enter_context(variables_set(variables))
    return True


def settings_say_nothing(root: Path) -> bool:
    """Return whether the database was found by looking: then nobody has asked for us."""
    import tomllib

    tools = tomllib.loads((root / FILE).read_text(encoding="utf-8"))["tool"]
    return "database" not in tools["sametree"]


def is_of(project: Project, component: Component, folder: Path) -> bool:
    """Return whether ``folder`` belongs to ``component``, and to none inside it."""
    own = project.folder(component)
    nested = (own / path for path in project.nested(component))
    return folder.is_relative_to(own) and not any(map(folder.is_relative_to, nested))


@contextmanager
def made(
    project: Project, component: Component, clones: int
) -> Iterator[Mapping[str, str]]:
    """Give the variables of a migrated template, for the length of the block."""
    from sametree.database import application, server, sqlite

    database = project.settings.database
    app = application.named(project.settings, component)
    folder = project.folder(component)
    driver = driver_of(project)
    # For the workers of pytest-xdist; this process loads it by itself.
    plugins = filter(None, [os.environ.get("PYTEST_PLUGINS"), INSIDE])
    always = {"PYTEST_PLUGINS": ",".join(plugins)}

    def upgrade(template: Address) -> None:
        migrate(
            folder,
            {**app, server.VARIABLE: server.url(template, driver)},
            template.hide,
        )

    if database and database.tests == "sqlite":
        with sqlite.migrated(
            history_of(project, component, None),
            lambda url: migrate(folder, {**app, server.VARIABLE: url}),
        ) as (file, _):
            yield {**always, "SAMETREE_SQLITE_TEMPLATE": str(file)}
        return
    history = history_of(project, component, driver)
    with server.migrated(project, history, upgrade, clones) as template:
        url = server.url(template.address, driver)
        yield {
            **always,
            server.VARIABLE: url,
            "SAMETREE_TEMPLATE_URL": url,
            "SAMETREE_MAINTENANCE_URL": template.maintenance.url(driver),
            "SAMETREE_SERVER": "own" if template.own else "given",
        }


def history_of(project: Project, component: Component, driver: str | None) -> str:
    """Return the name of the migrations, and of what they run with here."""
    from importlib.metadata import PackageNotFoundError, version

    from sametree.database import history
    from sametree.toolchains import locks

    around = {name: os.environ.get(name, "") for name in project.settings.variables}
    for package in ("alembic", "sqlalchemy", driver or ""):
        try:
            around[f"installed {package}"] = version(package) if package else ""
        except PackageNotFoundError:
            around[f"installed {package}"] = "unknown"
    lock = locks.for_purpose(project, component, "run")
    return history.digest(project, component, lock, around)


def driver_of(project: Project) -> str | None:
    """Return the driver of the settings, else the one that is installed here."""
    from importlib.util import find_spec

    database = project.settings.database
    if database and database.driver:
        return database.driver
    return next((name for name in DRIVERS if find_spec(name)), None)


def migrate(
    folder: Path, variables: Mapping[str, str], hide: Callable[[str], str] = str
) -> None:
    """Bring a database to the newest migration of the component in ``folder``.

    ``variables`` has its address, and what else env.py may ask for.

    Raises UnitFailed with what the migrations say; ``hide`` takes secrets out of it.
    """
    from sametree import steps
    from sametree.database import applying, migrations, server
    from sametree.errors import UnitFailed
    from sametree.steps import Step

    progress = applying.Applying()

    def listen(line: str) -> None:
        progress.take(line)

    env = {**variables, **os.environ, server.VARIABLE: variables[server.VARIABLE]}
    found = migrations.program("apply", folder, path=env.get("PYTHONPATH", ""))
    argv = (sys.executable, *found.argv[1:])
    step = Step(name=found.name, argv=argv, cwd=folder, env=found.env)
    done = steps.run(step, env, on_line=listen)
    if not done.passed:
        said = progress.problem or "\n".join(progress.other[-15:])
        raise UnitFailed(hide(said), progress.cure)


@contextmanager
def variables_set(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables of this process, and those that it starts, for the block's length."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
