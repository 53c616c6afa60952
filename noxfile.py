"""The pipeline. `nox` runs what is marked *, in this order, for every component.

`nox -s tests` runs one session for all components, `nox -s "tests(backend)"` for one.
"""

import nox

from sametree import sessions

nox.needs_version = ">=2026.10.20"
nox.options.sessions = ["lint", "tests", "check", "migrate", "build", "deploy"]
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"  # uv makes it hold what the lock says at each run
nox.options.error_on_missing_interpreters = True  # at home as in CI
nox.options.allow_parallel = True

pipeline = sessions.load(__file__)


@nox.session
@pipeline.each("lint")
def lint(session, component):
    """Check style, types and locks; all checks run, each failure says what mends it."""
    pipeline.run(session, component)


@nox.session
@pipeline.each("format")
def format(session, component):
    """Rewrite the sources as lint wants them, as far as a program can."""
    pipeline.run(session, component)


@nox.session
@pipeline.each("tests")
def tests(session, component):
    """Run the tests and hold the coverage to its gate; pytest or jest gets what follows --."""
    pipeline.run(session, component)


@nox.session
@pipeline.each("migrate")
def migrate(session, component):
    """Bring the development database to the newest migration."""
    pipeline.run(session, component)


@nox.session
@pipeline.each("migrate", "--check")
def check(session, component):
    """Try the migrations on an empty database: up, down, up, no drift from the models."""
    pipeline.run(session, component)


@nox.session
@pipeline.each("previous")
def previous(session, component):
    """Run the previous release's tests on this tree's schema: old code has to pass."""
    pipeline.run(session, component)


@nox.session
@pipeline.each("build")
def build(session, component):
    """Build the artifacts into dist/, byte for byte the same for the same tree."""
    pipeline.run(session, component)


@nox.session(allow_parallel=False, requires=["build"])
@pipeline.whole("deploy")
def deploy(session):
    """Deploy what was built to `local`, and try it there; `invoke down` stops it."""
    pipeline.run(session)


@nox.session
@pipeline.each("tests", "-m", "proof", "--no-cov", only="suite")
def proofs(session, component):
    """Prove what takes long: faults, Ctrl-C and kill -9 on whole sample projects."""
    pipeline.run(session, component)


@nox.session
@pipeline.whole("workflows")
def workflows(session):
    """Hold the workflow files to their rules: thin, safe, and as settings write them."""
    pipeline.run(session)


@nox.session(allow_parallel=False)
@pipeline.whole("rehearse")
def rehearse(session):
    """Run the committed workflow here, and compare its records with this machine's."""
    pipeline.run(session)


@nox.session(venv_backend="none")
def plan(session):
    """Print which units CI has to run for this tree, and why."""
    pipeline.plan(session)


@nox.session(venv_backend="none", allow_parallel=False)
def lock(session):
    """Pin what sessions install; -- --upgrade [NAME ...] takes newer versions."""
    pipeline.lock(session)
