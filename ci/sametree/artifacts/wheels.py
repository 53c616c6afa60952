"""Which wheels does a lock mean on this machine, and are they at hand without a network?

pip chooses and fetches them, checked by the lock's hashes; uv cannot. They are kept by
lock, Python and platform, and checked by hash again whenever they are used.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from sametree import files, fingerprint, masking, records, steps, surroundings, terminal
from sametree.artifacts import manifest
from sametree.errors import SurroundingsError, UsageError
from sametree.steps import Step
from sametree.toolchains.environments import NETWORK_SIGNS

INDEX = "wheels.json"
"""What is in a folder of the cache; made last."""
KEPT = 6
_SIGNS = (
    *NETWORK_SIGNS,
    *("newconnectionerror", "name resolution", "connection refused", "retrying ("),
    *("timed out", "connection broken", "connectionerror"),
)
_TRANSLATED = {
    "PIP_INDEX_URL": ("UV_DEFAULT_INDEX", "UV_INDEX_URL"),
    "PIP_EXTRA_INDEX_URL": ("UV_INDEX", "UV_EXTRA_INDEX_URL"),
    "PIP_FIND_LINKS": ("UV_FIND_LINKS",),
}
"""How uv is told what pip has to know, too."""


def gather(
    lock: Path, cache: Path, tell: Callable[[str], None] = lambda line: None
) -> Path:
    """Return the folder below ``cache`` with the wheels that ``lock`` means here.

    Those that are kept already need no network. ``tell`` is called before some are
    fetched. Raises UsageError when a package has no wheel for this machine, and
    SurroundingsError when one cannot be had.
    """
    text = lock.read_text(encoding="utf-8")
    known = frozenset(re.findall(r"--hash=sha256:([0-9a-f]{64})", text))
    name = files.digest(text, manifest.python(), fingerprint.platform())[:24]
    place = cache / name
    with files.locked(cache / f"{name}.lock"):
        if not _whole(place, known):
            tell(f"fetching the wheels of {lock.name}")
            _fetch(lock, place)
            if not _whole(place, known):
                raise SurroundingsError(
                    f"pip fetched wheels of {lock.name} that are not those of the lock",
                    "do not use them: find out why the registry serves other bytes",
                )
        os.utime(place)
    _prune(cache, place)
    return place


def names(place: Path) -> list[str]:
    """Return the names of the wheels in a folder that :func:`gather` gave."""
    return sorted(path.name for path in place.glob("*.whl"))


def environment(outer: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment for pip: how this machine reaches its registry counts, as
    it is told to pip, or else to uv."""
    found = surroundings.clean(outer)
    found |= {name: outer[name] for name in outer if name.startswith("PIP_")}
    for name, uvs in _TRANSLATED.items():
        told = next((outer[each] for each in uvs if outer.get(each)), "")
        if told and not found.get(name):
            # uv may have a name before an address: `ours=https://…`
            plain = (re.sub(r"^[\w.-]+=(?=\w+:)", "", each) for each in told.split())
            found[name] = " ".join(plain)
    found |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    terminal.keep_secret(_secrets(found.values()))
    return found


def _secrets(values: Iterable[str]) -> set[str]:
    return {secret for value in values for secret in masking.passwords(value)} - {""}


def _fetch(lock: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}.new."))
    try:
        made.chmod(0o755)
        _download(lock, made)
        text = json.dumps({"lock": lock.name, "wheels": names(made)}, indent=2)
        files.write_atomically(made / INDEX, text + "\n")
        files.replace_folder(made, place)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _download(lock: Path, folder: Path) -> None:
    argv = (sys.executable, "-m", "pip", "download", "--quiet", "--retries", "2")
    chosen = ("--require-hashes", "--no-deps", "--only-binary", ":all:")
    done = steps.run(
        Step(
            name="wheels",
            argv=(*argv, *chosen, "--requirement", str(lock), "--dest", str(folder)),
            cwd=folder,
        ),
        environment(),
    )
    if not done.passed:
        raise _not_fetched(lock.name, done.output)


def _not_fetched(lock: str, output: str) -> UsageError | SurroundingsError:
    errors = [line for line in output.splitlines() if "WARNING: Location" not in line]
    said = "\n".join(f"  {line}" for line in errors[-10:])
    lowered = "\n".join(errors).lower()
    if "no module named pip" in lowered:
        return SurroundingsError(
            "the wheels of a release are fetched by pip, which is not installed here",
            "install sametree[deploy] (here: README's first command)",
        )
    if any(sign in lowered for sign in _SIGNS):
        return SurroundingsError(
            f"pip could not reach its registry for the wheels of {lock}:\n{said}",
            "check the network, or the proxy and registry settings of this machine;"
            " once the wheels are kept no network is needed",
        )
    if "do not match the hashes" in lowered:
        return SurroundingsError(
            f"pip got a file whose hash is not the one in {lock}:\n{said}",
            "do not use it: find out why the registry serves other bytes",
        )
    if found := re.search(r"no matching distribution found for (\S+)", lowered):
        where = f"{manifest.python()} on {fingerprint.platform()}"
        return UsageError(
            f"{found[1]} of {lock} has no wheel for {where}; a release is installed"
            " from wheels alone",
            "take a version that has one, or put a wheel of it into a registry of yours"
            " (`pip wheel` makes it) and lock again: `nox -s lock`",
        )
    if "no space left" in lowered:
        return SurroundingsError(
            "the disk is full: no room for the wheels of a release"
        )
    return SurroundingsError(f"pip could not fetch the wheels of {lock}:\n{said}")


def _whole(place: Path, known: frozenset[str]) -> bool:
    """Return whether all wheels of a folder are there, each with a hash of the lock."""
    try:
        listed = json.loads((place / INDEX).read_text(encoding="utf-8"))["wheels"]
        if sorted(listed) != sorted({p.name for p in place.iterdir()} - {INDEX}):
            return False
        return all(sha256(place / name) in known for name in listed)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def sha256(path: Path) -> str:
    """Return the SHA-256 (hex) of a file."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _prune(cache: Path, place: Path) -> None:
    others = [e for e in cache.iterdir() if e.is_dir() and e != place]
    for old in sorted(others, key=records.age)[: max(0, len(others) + 1 - KEPT)]:
        shutil.rmtree(old, ignore_errors=True)
