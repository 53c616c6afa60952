"""What are lint, format, tests and build of a Node component?

prettier, eslint, tsc, jest and Vite, each where the component's package.json has it.
They are started from ``node_modules/.bin``, which the caller puts on PATH.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from sametree.errors import UsageError
from sametree.steps import Step
from sametree.toolchains import Place

PACKAGES = {
    "prettier": "prettier",
    "eslint": "eslint",
    "typescript": "tsc",
    "jest": "jest",
    "vite": "build",
}
"""The package that brings a tool, and our name for the tool."""


def tools(folder: Path) -> frozenset[str]:
    """Look which tools the component in ``folder`` uses."""
    file = folder / "package.json"
    try:
        package = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    except ValueError as error:
        raise UsageError(f"{folder.name}/package.json is not valid: {error}") from None
    named = {*package.get("dependencies", {}), *package.get("devDependencies", {})}
    return frozenset(tool for name, tool in PACKAGES.items() if name in named)


def lint(place: Place) -> Sequence[Step]:
    """Return prettier --check, eslint and tsc."""
    mend = place.format_command
    eslint = ("eslint", "--max-warnings", "0", "--format", "json", *place.sources)
    known = {
        "prettier": ("prettier", "--check", "--log-level=warn", *place.sources),
        "eslint": eslint,
        "tsc": ("tsc", "--noEmit", "--pretty", "false"),
    }
    return [
        Step(
            name=tool,
            argv=argv,
            cwd=place.folder,
            mend="" if tool == "tsc" else mend,
            reader=tool,
        )
        for tool, argv in known.items()
        if tool in place.tools
    ]


def format(place: Place) -> Sequence[Step]:
    """Return eslint --fix, then prettier --write, which has the last word on style."""
    known = {
        "eslint": ("eslint", "--fix", *place.sources),
        "prettier": ("prettier", "--write", "--log-level=warn", *place.sources),
    }
    return [
        Step(
            name=tool,
            argv=argv,
            cwd=place.folder,
            # Findings that eslint cannot mend are lint's to report.
            neutral=(1,) if tool == "eslint" else (),
        )
        for tool, argv in known.items()
        if tool in place.tools
    ]


def tests(place: Place, workers: int, args: Sequence[str]) -> Sequence[Step]:
    """Return jest under coverage, on ``workers`` processes."""
    if "jest" not in place.tools:
        return []
    argv = (
        *("jest", "--ci", f"--maxWorkers={max(1, workers)}", "--coverage"),
        f"--coverageDirectory={place.reports}",
        *(f"--coverageReporters={kind}" for kind in ("lcov", "cobertura")),
        *("--reporters=default", "--testLocationInResults", "--json"),
        f"--outputFile={place.reports / 'jest.json'}",
        *(["--passWithNoTests"] if args else []),
        *args,
    )
    return [Step(name="jest", argv=argv, cwd=place.folder)]


def build(place: Place, out: Path) -> Sequence[Step]:
    """Return Vite's bundle for production."""
    if "build" not in place.tools:
        return []
    argv = ("vite", "build", "--outDir", str(out), "--emptyOutDir")
    env = {"NODE_ENV": "production"}
    return [Step(name="vite", argv=argv, cwd=place.folder, env=env)]
