"""Was a component built for the tree as it stands, and is what was made still there?

``build`` leaves a mark in ``.sametree/built/COMPONENT.json``: of which sources it built,
and the digest of each file that it made. The mark is there before the unit's record is,
so that of two builds side by side the later one sees both. Where ``dist`` has what an
earlier tree's build made, too, the proof of that build tells the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from sametree import files, fingerprint, proofs, records, toolchains
from sametree.settings import Component, Project
from sametree.units import identity
from sametree.units.identity import Unit

FOLDER = "built"


class Built(msgspec.Struct, frozen=True):
    """What was built: of which ``sources`` (see ``identity.Identity``), from what in all
    (a digest), and the files, by path in the component's folder in ``dist``."""

    sources: str
    parts: str
    outputs: dict[str, str]


def keep(project: Project, component: Component, sources: str, made: Path) -> bool:
    """Write down what was just built of ``sources`` into folder ``made``.

    Nothing is kept, and what was is forgotten, when the sources have changed since.
    Returns whether it is kept.
    """
    now = _now(project, [component])[component.name]
    mark = _mark(project, component)
    if not sources or now.sources != sources:
        mark.unlink(missing_ok=True)
        return False
    told = msgspec.structs.replace(now, outputs=digests(made))
    files.write_atomically(mark, msgspec.json.encode(told).decode() + "\n")
    return True


def of_tree(
    project: Project, components: Sequence[Component]
) -> Mapping[str, Built | str]:
    """Return what was built of each component, or why it does not count.

    A component without a build has nothing to be built: its sources are all.
    """
    now = _now(project, components)
    found: dict[str, Built | str] = {}
    for component in components:
        wanted = now[component.name]
        if not is_built(project, component):
            found[component.name] = wanted
            continue
        kept = _kept(_mark(project, component))
        reason = _doubt(project, component, kept, wanted)
        proven = _proven(project, component, wanted) if reason else kept
        found[component.name] = proven or reason
    return found


def is_built(project: Project, component: Component) -> bool:
    """Return whether a component has something that builds it."""
    toolchain = toolchains.of(component.language or "python")
    return "build" in toolchain.tools(project.folder(component))


@contextmanager
def turn(project: Project) -> Iterator[None]:
    """Keep others from changing ``dist``, or packing it, for the length of the block."""
    with files.locked(project.state / "locks" / "releases"):
        yield


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file in a folder, by its path there."""
    return {
        path.relative_to(folder)
        .as_posix(): hashlib.sha256(path.read_bytes())
        .hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _doubt(
    project: Project, component: Component, kept: Built | None, wanted: Built
) -> str:
    """Return why what was built does not count; empty when it does."""
    if kept is None:
        return "it was not built yet"
    if kept.sources != wanted.sources:
        return f"it was built of other sources ({kept.sources[:12]})"
    if kept.parts != wanted.parts:
        return "it was built with other locks, settings or tools"
    there = digests(project.dist / component.name)
    for path in sorted(there.keys() | kept.outputs.keys()):
        if there.get(path) != kept.outputs.get(path):
            what = "changed" if path in there else "gone"
            what = what if path in kept.outputs else "new"
            place = project.dist.relative_to(project.base)
            return f"{place}/{component.name}/{path} is {what} since it was built"
    return ""


def _proven(project: Project, component: Component, wanted: Built) -> Built | None:
    """Return the build that a proof tells of, when ``dist`` has what it made."""
    unit = records.file_name(f"build({component.name})")
    place = (project.dist / component.name).relative_to(project.base).as_posix()
    for file in (project.state / proofs.FOLDER / unit).glob("*.json"):
        record = records.load(file)
        if record is None or not record.proves or _digest(record.parts) != wanted.parts:
            continue
        made = {p.removeprefix(f"{place}/"): d for p, d in record.outputs.items()}
        if made == digests(project.dist / component.name):
            return Built(wanted.sources, wanted.parts, made)
    return None


def _digest(parts: Mapping[str, str]) -> str:
    """Return the digest of what decides what is built, whichever session of the noxfile
    builds it, and with which Python."""
    left_out = {"arguments", "interpreter"}
    return fingerprint.digest({n: p for n, p in parts.items() if n not in left_out})


def _now(project: Project, components: Sequence[Component]) -> dict[str, Built]:
    """Return for each component what a build of it would depend on now."""
    units = [
        Unit(name=f"build({each.name})", kind="build", component=each)
        for each in components
    ]
    found = {}
    for unit, told in zip(units, identity.identify(project, units), strict=True):
        found[unit.component.name] = Built(told.sources, _digest(told.parts), {})
    return found


def _mark(project: Project, component: Component) -> Path:
    return project.state / FOLDER / f"{component.name}.json"


def _kept(mark: Path) -> Built | None:
    try:
        return msgspec.json.decode(mark.read_bytes(), type=Built)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
