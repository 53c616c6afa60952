"""Are the built files what they should be: their contents, and do they work alone?"""

from __future__ import annotations

import email
import re
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from email.message import Message
from pathlib import Path, PurePosixPath

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from sametree import steps, surroundings
from sametree.errors import SurroundingsError, UnitFailed
from sametree.settings import Project
from sametree.steps import Step
from sametree.toolchains import environments

LEAKED = re.compile(
    r"(^|/)(\.env(\..+)?|\.git|\.sametree|\.nox|\.venv|\.pypirc|\.netrc|id_(rsa|ed25519)"
    r"|__pycache__|node_modules|\.coverage|\.DS_Store)(/|$)"
)
"""Paths that belong to a checkout or to a person, and to no release."""
OUTSIDE = frozenset({"tests", "test", "docs", "benchmarks", "examples"})
"""Folders at the top of a wheel that would be installed beside everybody's packages."""
NAMED = 5


def inspect(
    project: Project, component: str, version: str, paths: Sequence[Path]
) -> None:
    """Look into the files of ``component``, and try the wheel where nothing else is.

    Raises UnitFailed, which names each thing that is wrong, and SurroundingsError when
    what the wheel needs cannot be had.
    """
    wrong = [f"{p.name}: {text}" for p in paths for text in contents(p, version)]
    wrong += _of_twine(paths)
    if wrong:
        listed = "".join(f"\n  - {each}" for each in wrong)
        raise UnitFailed(f"the files of {component} may not be published:{listed}")
    wheels = [path for path in paths if path.suffix == ".whl"]
    for wheel in wheels:
        try_out(project, component, wheel)


def metadata(path: Path) -> Message | None:
    """Return the core metadata of a wheel or an sdist; None when it has none."""
    try:
        if path.suffix == ".whl":
            with zipfile.ZipFile(path) as wheel:
                names = [
                    n for n in wheel.namelist() if n.endswith(".dist-info/METADATA")
                ]
                raw = wheel.read(names[0]) if names else b""
        else:
            with tarfile.open(path) as sdist:
                own = path.name.removesuffix(".tar.gz")
                member = sdist.extractfile(f"{own}/PKG-INFO")
                raw = member.read() if member else b""
    except (KeyError, zipfile.BadZipFile, tarfile.TarError):
        return None
    return email.message_from_bytes(raw) if raw else None


def contents(path: Path, version: str) -> Iterator[str]:
    """Yield what is wrong inside a wheel or an sdist that should have ``version``."""
    told = metadata(path)
    if told is None:
        yield "it has no metadata, or cannot be read"
        return
    if not _same(str(told.get("Version", "")), version):
        yield f"its metadata say version {told.get('Version')}, and not {version}"
    names = _names(path)
    for name in names:
        if name.startswith("/") or ".." in PurePosixPath(name).parts:
            yield f"{name} leads out of it"
    leaked = [name for name in names if LEAKED.search(name)]
    if leaked:
        more = len(leaked) - NAMED
        yield f"it holds {', '.join(leaked[:NAMED])}" + (
            f" and {more} more" if more > 0 else ""
        )
    if path.suffix != ".whl":
        return
    packages = _tops(names)
    if not packages:
        yield "it has no package: nothing could be imported"
    for name in sorted(packages & OUTSIDE):
        yield f"{name}/ would be installed beside everybody's packages"


def try_out(project: Project, component: str, wheel: Path) -> None:
    """Install ``wheel`` into an empty environment, and run it there.

    Raises UnitFailed when it does not run, SurroundingsError when it, or what it needs,
    cannot be installed.
    """
    env = surroundings.clean()
    with tempfile.TemporaryDirectory(prefix="sametree-try-") as made:
        folder = Path(made).resolve()
        venv = folder / "venv"
        uv = environments.uv()
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        for call in (
            (uv, "venv", "--quiet", "--no-project", "--python", python, str(venv)),
            (uv, "pip", "install", "--quiet", "--python", str(venv), str(wheel)),
        ):
            done = steps.run(Step(name="install", argv=call, cwd=folder), env)
            if not done.passed:
                raise SurroundingsError(
                    f"{wheel.name} cannot be installed into an empty environment:\n"
                    f"{done.output.rstrip()}",
                    "its dependencies have to be on the index that this machine uses",
                )
        programs = venv / "bin"
        argv = project.settings.release.smoke.get(component) or (
            "python",
            "-c",
            "".join(f"import {each}\n" for each in sorted(_importable(wheel))),
        )
        if (programs / argv[0]).exists():
            argv = (str(programs / argv[0]), *argv[1:])
        path = f"{programs}:{env.get('PATH', '')}"
        step = Step(name="smoke", argv=tuple(argv), cwd=folder, env={"PATH": path})
        done = steps.run(step, env)
        if not done.passed:
            raise UnitFailed(
                f"{wheel.name} does not work alone: `{step}` ended with {done.code}:\n"
                f"{done.output.rstrip()}",
                "a dependency is missing in pyproject.toml, or a file in the wheel",
            )


def _of_twine(paths: Sequence[Path]) -> list[str]:
    """Return what twine finds wrong with the metadata."""
    argv = (sys.executable, "-m", "twine", "check", "--strict", *map(str, paths))
    step = Step(name="twine", argv=argv, cwd=paths[0].parent, env={"NO_COLOR": "1"})
    done = steps.run(step, surroundings.clean())
    if done.passed:
        return []
    if "No module named twine" in done.output:
        raise SurroundingsError(
            "twine is not installed in this environment",
            "pip install 'sametree[release]' (here: README's first command)",
        )
    return [line.strip() for line in done.output.splitlines() if line.strip()]


def _names(path: Path) -> list[str]:
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            return wheel.namelist()
    with tarfile.open(path) as sdist:
        return sdist.getnames()


def _tops(names: Sequence[str]) -> set[str]:
    """Return what a wheel installs at the top, but for its own metadata."""
    tops = {name.split("/")[0] for name in names}
    return {top for top in tops if not top.endswith((".dist-info", ".data"))}


def _importable(wheel: Path) -> set[str]:
    """Return the modules at the top of a wheel.

    A folder of a namespace that holds packages only is no module of its own.
    """
    names = _names(wheel)
    found = {top.removesuffix(".py") for top in _tops(names) if top.endswith(".py")}
    found |= {top for top in _tops(names) if f"{top}/__init__.py" in names}
    return found


def _same(one: str, other: str) -> bool:
    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return False


def project_of(file: str) -> str:
    """Return the project that a file is of, by its name (PEP 427, PEP 625).

    >>> project_of("maria_api-1.2.0-py3-none-any.whl"), project_of("maria-1.2.0.tar.gz")
    ('maria-api', 'maria')
    """
    stem = file.removesuffix(".tar.gz")
    name = stem.split("-")[0] if file.endswith(".whl") else stem.rpartition("-")[0]
    return canonicalize_name(name)
