"""Is a version half released: tagged for all to see, but not everywhere it should be?

The tags of the remote tell it, whose messages name every file: so any clone can see it,
and finish it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence

from msgspec import Struct

from sametree import git
from sametree.release import changelog, claim, message, repository, versions
from sametree.release.message import Published, Told
from sametree.release.repository import Seen
from sametree.settings import Project
from sametree.units.releasing import choosing, steps, world
from sametree.units.releasing.plan import Item, Plan
from sametree.units.releasing.world import World


class Half(Struct, frozen=True, kw_only=True):
    """A release that is not whole: its tags in words, what is missing, and the plan
    that finishes it."""

    tag: str
    what: str
    plan: Plan


def find(project: Project, seen: Seen) -> Half | None:
    """Return the newest release when it is half done; None when it is whole or given up
    (yanked), or when no tag is one of ours."""
    for plan in newest(project, seen):
        if all(_yanked(project, item) for item in plan.items):
            continue
        lacking = missing(world.of(project, plan))
        held = claim.read(project.root, plan.remote) if seen.claim else None
        if held is not None and held.run == plan.run:
            lacking.append("its claim was not given back")
        if lacking:
            return Half(tag=", ".join(plan.tags), what="; ".join(lacking), plan=plan)
    return None


def _yanked(project: Project, item: Item) -> bool:
    """Return whether the changelog says by now that nobody should use a version."""
    log = choosing.changelog_of(project, item.component)
    text = repository.read_file(project.root, "HEAD", log) or ""
    known = changelog.entry_of(text, item.version) is not None
    return known and changelog.marked_yanked(text, item.version, "…") == text


def newest(project: Project, seen: Seen) -> Iterator[Plan]:
    """Yield what the newest tags of the remote tell, one plan for each run."""
    own = project.settings.release.components
    known: dict[str, list[tuple[str, Told]]] = {}
    for component in ("", *own):
        tag = versions.newest(seen.tags, choosing.prefix_of(component), final=False)
        told = told_by(project, tag) if tag else None
        if tag and told:
            known.setdefault(told.run, []).append((tag, told))
    for found in known.values():
        yield plan_of(project, found)


def told_by(project: Project, tag: str) -> Told | None:
    """Return what the message of a tag tells; None when it is not one of ours."""
    text = repository.tagged(project.root, project.settings.release.remote, tag)
    return message.decode(text) if text else None


def plan_of(project: Project, found: Sequence[tuple[str, Told]]) -> Plan:
    """Return the plan of the release that tags tell."""
    settings = project.settings.release
    tag, first = found[0]
    asked = git.run(
        project.root, "show", "-s", "--format=%H %ct", f"{tag}^{{commit}}", "--"
    )
    commit, _, when = (asked or "").strip().partition(" ")
    tree = (git.run(project.root, "rev-parse", f"{commit}:./") or "").strip()
    items, built = list[Item](), list[Published]()
    for name, told in found:
        components = dict.fromkeys(each.component for each in told.files)
        items.append(
            Item(
                component=told.component,
                title=told.title,
                version=told.version,
                tag=name,
                last="",
                why="tagged already",
                entry=told.entry,
                components=tuple(components),
                prerelease=versions.is_pre(told.version),
            )
        )
        built += told.files
    return Plan(
        run=first.run,
        branch=project.settings.main_branch,
        remote=settings.remote,
        parent=commit,
        tree=tree,
        when=int(when or 0),
        subject="",
        items=tuple(items),
        changes={},
        targets=_targets(project, commit),
        deploy=settings.deploy,
        commit=commit,
        built=tuple(built),
    )


def missing(told: World) -> list[str]:
    """Return what of a tagged release is not where it should be."""
    lacking = []
    for step in steps.steps_of(told):
        if step.stage in ("publish", "announce") and not step.done():
            lacking.append(f"not done is: {step.describe()}")
    return lacking


def _targets(project: Project, commit: str) -> tuple[str, ...]:
    """Return where the release goes, by the settings that it was made with: a place that
    is new since then is none of it."""
    path = choosing.path_of(project, "pyproject.toml")
    text = repository.read_file(project.root, commit, path) or ""
    try:
        told = tomllib.loads(text)["tool"]["sametree"]["release"]["targets"]
    except (tomllib.TOMLDecodeError, KeyError, TypeError):
        return ()
    return tuple(n for n in project.settings.release.targets if n in told)
