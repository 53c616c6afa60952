"""What are lint, format, tests and build of a Python component?

black, flake8, mypy (where the component configures it), pytest with pytest-cov and
pytest-xdist, and PyPA build.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path

from sametree.errors import UsageError
from sametree.steps import Step
from sametree.toolchains import Place

SOURCE_DATE = "1580601600"
"""SOURCE_DATE_EPOCH of every build (2020-02-02, as hatchling has it): a git tree has
no time of its own, and a commit's would make two builds of one tree differ.
(reproducible-builds.org/specs/source-date-epoch)"""

NO_TESTS = 5
"""pytest's exit code when nothing was collected."""


def tools(folder: Path) -> frozenset[str]:
    """Look which tools the component in ``folder`` uses."""
    file = folder / "pyproject.toml"
    try:
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        document = tomllib.loads(text)
    except ValueError as error:
        raise UsageError(
            f"{folder.name}/pyproject.toml is not valid: {error}"
        ) from None
    found = {"black", "flake8", "pytest"}
    if "mypy" in document.get("tool", {}):
        found.add("mypy")
    if "build-system" in document:
        found.add("build")
    return frozenset(found)


def lint(place: Place) -> Sequence[Step]:
    """Return black --check, flake8 and, where configured, mypy."""
    black = ("black", "--check", "--quiet", "--diff", *_outside(place), *place.sources)
    flake8 = ("flake8", *_outside_flake8(place), *place.sources)
    steps = [
        Step(
            name="black",
            argv=black,
            cwd=place.folder,
            mend=place.format_command,
            reader="black",
        ),
        Step(name="flake8", argv=flake8, cwd=place.folder, reader="flake8"),
    ]
    if "mypy" in place.tools:
        argv = ("mypy", "--no-color-output", "--no-error-summary")
        cache = ("--cache-dir", str(place.cache / "mypy"))
        steps.append(
            Step(name="mypy", argv=(*argv, *cache), cwd=place.folder, reader="mypy")
        )
    return steps


def format(place: Place) -> Sequence[Step]:
    """Return black."""
    argv = ("black", *_outside(place), *place.sources)
    return [Step(name="black", argv=argv, cwd=place.folder)]


def tests(place: Place, workers: int, args: Sequence[str]) -> Sequence[Step]:
    """Return pytest under coverage, on ``workers`` processes."""
    parallel = ("-n", str(workers), "--dist=worksteal") if workers > 1 else ()
    reports = place.reports
    argv = (
        *("python", "-m", "pytest", *parallel),
        *("-o", f"cache_dir={place.cache / 'pytest'}", "-o", "junit_family=xunit1"),
        *("--junitxml", str(reports / "junit.xml")),
        *("--cov", "--cov-branch"),
        *(f"--cov-report={kind}" for kind in _coverage_reports(reports)),
        *args,
    )
    # Chosen tests may lie in another component; then there is nothing to do here.
    neutral = (NO_TESTS,) if args else ()
    env = {"COVERAGE_FILE": str(place.cache / "coverage")}
    return [
        Step(name="pytest", argv=argv, cwd=place.folder, env=env, neutral=neutral),
    ]


def build(place: Place, out: Path) -> Sequence[Step]:
    """Return PyPA build: an sdist, and the wheel made from it."""
    argv = ("python", "-m", "build", "--no-isolation", "--outdir", str(out))
    env = {"SOURCE_DATE_EPOCH": SOURCE_DATE}
    return [Step(name="build", argv=argv, cwd=place.folder, env=env)]


def _coverage_reports(reports: Path) -> Sequence[str]:
    html, xml, lcov = reports / "html", reports / "coverage.xml", reports / "lcov.info"
    return ("", f"xml:{xml}", f"lcov:{lcov}", f"html:{html}")


def _outside(place: Place) -> Sequence[str]:
    """Return what keeps black out of the components inside this one."""
    if not place.nested or place.sources != (".",):
        return ()
    nested = "|".join(re.escape(path) for path in place.nested)
    return ("--extend-exclude", rf"^/({nested})/")


def _outside_flake8(place: Place) -> Sequence[str]:
    if not place.nested or place.sources != (".",):
        return ()
    return (f"--extend-exclude={','.join(place.nested)}",)
