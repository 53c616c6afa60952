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
VariableName = Annotated[str, Meta(pattern="^[A-Z][A-Z0-9_]*$")]
UrlPath = Annotated[str, Meta(pattern=r"^/[^\s?#]*$")]


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
    ``run`` is the command that a deployed release is started with, of the paths that
    begin with one of ``routes``; a replica can work when it answers ``health`` with 200.
    ``inputs`` says, by session, on which paths a result depends (see ``fingerprint``);
    ``depends`` names components whose folders count as inputs too.
    """

    name: Name
    path: str
    language: Language | None = None
    sources: tuple[str, ...] = (".",)
    coverage: Coverage | None = None
    serve: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    routes: tuple[UrlPath, ...] = ("/",)
    health: UrlPath = "/"
    inputs: dict[str, tuple[str, ...]] = {}
    depends: tuple[str, ...] = ()


class Database(Table, frozen=True):
    """The PostgreSQL database that one component works on.

    ``version`` is the major version of the embedded server, ``driver`` the SQLAlchemy
    driver in the address (found in the component's dependencies when not named).
    ``extensions`` names those that something else than the sources creates. ``tests``
    says what the tests work on; ``service`` is the image of the server that CI's jobs
    get, where that should not be the embedded one. ``seed`` is the command that fills
    the development database.

    ``rows`` is how many rows a table has when migrations are measured. Revisions up to
    ``baseline`` have run everywhere: they are not judged any more. ``previous`` is the
    git revision of the release whose tests have to pass on the new schema, with
    ``previous_args`` for pytest.
    """

    component: str
    version: Literal[16, 18] = 18
    driver: Literal["psycopg", "psycopg2", "pg8000"] | None = None
    extensions: tuple[str, ...] = ()
    tests: Literal["postgres", "sqlite"] = "postgres"
    service: str = ""
    seed: tuple[str, ...] = ()
    rows: Annotated[int, Meta(ge=1, le=10_000_000)] = 100_000
    baseline: str = ""
    previous: str = ""
    previous_args: tuple[str, ...] = ()


class Gate(Table, frozen=True):
    """What a new colour has to show before it gets more of the traffic.

    Both colours are judged in the same window. A stage needs ``samples`` requests of
    the new one within ``deadline`` seconds: no data is never success. Of these at most
    ``errors`` percent may be 5xx, and at most ``worse`` points more than of the old
    one; and it may be at most ``slower`` times as slow. ``probes`` are paths that have
    to answer below 400 through the router, asked several times a second: where users are
    few, they are what a colour is judged by. ``command`` has to end with 0; it gets
    SAMETREE_URL, and in SAMETREE_PREVIEW the colour. ``prometheus`` is a server's address, and ``query`` what it is asked:
    each value that comes back has to be at most ``most``.
    """

    samples: Annotated[int, Meta(ge=1)] = 20
    errors: Percent = 1.0
    worse: Percent = 0.5
    slower: Annotated[float, Meta(gt=1)] = 2.0
    deadline: Annotated[float, Meta(gt=0)] = 120.0
    probes: tuple[UrlPath, ...] | None = None
    command: tuple[str, ...] = ()
    prometheus: str = ""
    query: str = ""
    most: float = 0.0


class Environment(Table, frozen=True):
    """A place where a release lives, such as ``staging`` or ``production``.

    ``database`` is the name of the variable that holds the address of its database;
    without it, the environment has a PostgreSQL of its own. A migration waits at most
    ``lock_timeout`` seconds for a lock, then lets traffic pass and tries again, for
    ``patience`` seconds in all. ``restore_point`` is the command that makes a point to
    return to; without it that is a dump.

    A release runs with ``replicas`` of a colour, reached at ``address``, and it has to
    have baked in the environment ``after`` before. ``strategy`` says how traffic moves
    to it: a canary by ``steps`` in percent, each judged for ``bake`` seconds by
    ``gate``. ``keep`` releases stay for a rollback. ``secrets`` says for variables which
    variable of the deployer holds their value here. ``folder`` is where all of it is.
    """

    database: VariableName | None = None
    lock_timeout: Annotated[float, Meta(gt=0)] = 2.0
    patience: Annotated[float, Meta(ge=0)] = 300.0
    restore_point: tuple[str, ...] = ()
    runner: Literal["process"] = "process"
    strategy: Literal["blue-green", "canary", "rolling"] = "blue-green"
    replicas: Annotated[int, Meta(ge=1, le=64)] = 2
    address: Annotated[str, Meta(pattern=r"^[^\s:/]+:\d{1,5}$")] = "127.0.0.1:8080"
    after: str = ""
    steps: tuple[Annotated[float, Meta(gt=0, lt=100)], ...] = (1.0, 10.0, 50.0)
    bake: Annotated[float, Meta(ge=0)] = 10.0
    keep: Annotated[int, Meta(ge=1, le=100)] = 5
    secrets: dict[VariableName, VariableName] = {}
    gate: Gate = Gate()
    folder: str = ""


class Variable(Table, frozen=True):
    """A variable of the environment that steps get, and nobody else sets for them.

    ``default`` holds in every environment, ``defaults`` in the one it names (``local``,
    ``ci``, or that of SAMETREE_ENVIRONMENT); without either, the variable has to be
    set. A ``secret`` has no default, and its value is never shown. ``components``
    says who gets it; empty means all.
    """

    type: Literal["str", "int", "bool", "url", "secret"] = "str"
    default: str | int | bool | None = None
    defaults: dict[Name, str | int | bool] = {}
    components: tuple[str, ...] = ()
    help: str = ""


class CI(Table, frozen=True):
    """What runs in CI, on which machines, and whose records CI believes.

    ``sessions`` are the sessions of the noxfile whose units are CI's jobs. ``audited``
    names components whose units run with their declared inputs alone. ``signers`` are
    the public keys (ed25519, base64) of those whose records prove work to CI.
    """

    sessions: tuple[str, ...] = ("lint", "tests", "check", "build")
    runner: str = "ubuntu-24.04"
    python: Annotated[str, Meta(pattern=r"^3\.\d+(\.\d+)?$")] = "3.11"
    timeout_minutes: Annotated[int, Meta(ge=1, le=360)] = 20
    audited: tuple[str, ...] = ()
    signers: tuple[str, ...] = ()
    proof_days: Annotated[int, Meta(ge=1)] = 30


class Target(Table, frozen=True):
    """A place where released files go: a package index, or the releases of GitHub.

    ``address`` is that of the API which takes them, ``simple`` where an index lists its
    files; without them, it is the place that the tools of the field take by default.
    ``token`` is the name of the variable that holds the token. Only files of
    ``components`` go there; empty means of all that are released.
    """

    kind: Literal["index", "github"]
    address: str = ""
    simple: str = ""
    token: VariableName | None = None
    components: tuple[str, ...] = ()


class Release(Table, frozen=True):
    """What ``invoke release`` publishes, where, and what follows.

    ``versions`` says whether all components have one version, or each its own.
    ``components`` are those whose files are built and published; with none, only a tag
    is made. The tag goes to ``remote``, the entries to the file ``changelog``, the files
    to ``targets``. Then the release is deployed to the environments ``deploy``, in their
    order. ``smoke`` has, by component, the command that has to end with 0 where nothing
    but its wheel is installed.
    """

    versions: Literal["one", "own"] = "one"
    components: tuple[str, ...] = ()
    targets: dict[Name, Target] = {}
    remote: str = "origin"
    changelog: str = "CHANGELOG.md"
    deploy: tuple[str, ...] = ()
    smoke: dict[str, tuple[str, ...]] = {}


class Settings(Table, frozen=True):
    """The whole of ``[tool.sametree]``; every folder is relative to the project."""

    components: tuple[Component, ...] = ()
    database: Database | None = None
    coverage: Coverage = Coverage()
    variables: dict[VariableName, Variable] = {}
    ci: CI = CI()
    environments: dict[Name, Environment] = {}
    release: Release = Release()
    main_branch: str = "main"
    locks: str = "locks"
    reports: str = "reports"
    dist: str = "dist"
