"""What can a project say about itself in ``[tool.sametree]``?

These types are the one place where a setting is written: the strict decoder, the
JSON Schema and the defaults all come from them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Percent = Annotated[float, Meta(ge=0, le=100)]
Language = Literal["python", "node"]
# Names stand in session names, folders and database names: `nox -s 'tests(backend)'`.
Name = Annotated[str, Meta(pattern="^[a-z][a-z0-9_-]{0,30}$")]


class Table(Struct, frozen=True, kw_only=True, rename="kebab"):
    """A table of the settings; its keys are written in kebab-case."""


class Coverage(Table, frozen=True):
    """What share of the code the tests have to run, in percent."""

    lines: Percent = 80.0
    branches: Percent = 80.0


class Component(Table, frozen=True):
    """A folder with its own language and tools; ``path`` is relative to the project.

    ``sources`` are what lint and format look at, relative to ``path``. ``serve`` is
    the command that ``invoke up`` starts; ``{port}`` in it becomes a free port.
    """

    name: Name
    path: str
    language: Language | None = None
    sources: tuple[str, ...] = (".",)
    coverage: Coverage | None = None
    serve: tuple[str, ...] = ()


class Database(Table, frozen=True):
    """The PostgreSQL database that one component works on.

    ``version`` is the major version of the embedded server, ``driver`` the SQLAlchemy
    driver in the address (found in the component's dependencies when not named).
    """

    component: str
    version: Literal[16, 18] = 18
    driver: Literal["psycopg", "psycopg2", "pg8000"] | None = None


class Settings(Table, frozen=True):
    """The whole of ``[tool.sametree]``; every folder is relative to the project."""

    components: tuple[Component, ...] = ()
    database: Database | None = None
    coverage: Coverage = Coverage()
    main_branch: str = "main"
    locks: str = "locks"
    reports: str = "reports"
    dist: str = "dist"
