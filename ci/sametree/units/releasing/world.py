"""What do the steps of one release share, and what do they ask of the world?"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sametree import files, git, terminal
from sametree.errors import UsageError
from sametree.release import message, repository
from sametree.release.message import Published, Told
from sametree.release.repository import Prepared
from sametree.release.targets.model import Announced, File, Target
from sametree.settings import Project
from sametree.units.releasing import building, inspecting
from sametree.units.releasing.plan import Item, Plan

FOLDER = "releasing"


def folder_of(project: Project) -> Path:
    """Return the folder of what releases keep: journals, trail, built files."""
    return project.state / FOLDER


@dataclass
class World:
    """What the steps of one release share. ``say`` prints a line."""

    project: Project
    plan: Plan
    targets: Mapping[str, Target]
    say: Callable[[str], None]
    at_wait: Callable[[], None] = field(default=lambda: None)

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self.project.root

    @property
    def place(self) -> Path:
        """Where the built files are."""
        return files.add_exclude_file(self.project.state) / FOLDER / self.plan.run

    def built(self) -> tuple[Published, ...] | None:
        """Return the built files, when all are here as they were built."""
        return building.kept(self.place)

    def known(self) -> tuple[Published, ...]:
        """Return the files of the release: those that are here, else as the tag says."""
        return self.built() or self.plan.built

    def prepared(self) -> Prepared | None:
        """Return the commit and tags that were made for it; None when none were."""
        if self.plan.commit:
            tags = repository.tag_ids(self.root, self.plan.tags)
            return Prepared(commit=self.plan.commit, tags=tags)
        if (made := repository.prepared(self.root, self.plan.run)) is not None:
            return made
        return self._pushed()

    def _pushed(self) -> Prepared | None:
        """Return commit and tags of this very run, as a clone has them that did not make
        them: another job's, for example."""
        tags = repository.tag_ids(self.root, self.plan.tags)
        if set(tags) != set(self.plan.tags):
            return None
        for tag in tags:
            text = repository.tagged(self.root, self.plan.remote, tag)
            told = message.decode(text) if text else None
            if told is None or told.run != self.plan.run:
                return None
        commit = git.run(self.root, "rev-parse", f"{self.plan.tags[0]}^{{commit}}")
        return Prepared(commit=(commit or "").strip(), tags=tags)

    def commit(self) -> str:
        """Return the commit of the release; empty when it is not made yet."""
        made = self.prepared()
        return made.commit if made else ""

    def files_for(self, item: Item, target: str) -> tuple[File, ...]:
        """Return the files of ``item`` that go to ``target``."""
        wanted = self.project.settings.release.targets[target].components
        return tuple(
            self.file(each)
            for each in self.known()
            if each.component in item.components
            and (not wanted or each.component in wanted)
        )

    def file(self, built: Published) -> File:
        """Return a built file as targets know it."""
        return File(
            path=building.file_of(self.place, built),
            name=built.name,
            sha256=built.sha256,
            size=built.size,
            component=built.component,
            project=inspecting.project_of(built.name),
        )

    def announced(self, item: Item, target: str) -> Announced:
        """Return what ``target`` is told of ``item``."""
        return Announced(
            tag=item.tag,
            version=item.version,
            title=f"{item.title} {item.version}",
            notes=item.entry,
            prerelease=item.prerelease,
            commit=self.commit() or self.plan.parent,
            files=self.files_for(item, target),
        )

    def told(self, item: Item) -> str:
        """Return the message of the tag of ``item``."""
        return message.encode(
            Told(
                version=item.version,
                run=self.plan.run,
                component=item.component,
                title=item.title,
                entry=item.entry,
                files=tuple(
                    each for each in self.known() if each.component in item.components
                ),
            )
        )

    def goes(self, target: str) -> Sequence[Item]:
        """Return the versions of which files go to ``target``."""
        wanted = self.project.settings.release.targets[target].components
        return [
            item
            for item in self.plan.items
            if not wanted or set(wanted) & set(item.components)
        ]


def of(project: Project, plan: Plan) -> World:
    """Return what the steps of ``plan`` share.

    Raises UsageError when settings have a place no more where it goes.
    """
    from sametree.release import targets

    told = project.settings.release
    url = (git.run(project.root, "remote", "get-url", told.remote) or "").strip()
    lacking = [name for name in plan.targets if name not in told.targets]
    if lacking:
        raise UsageError(
            f"settings have no target {', '.join(lacking)}, where the release goes",
            "[tool.sametree.release.targets] in pyproject.toml",
        )
    found = {
        name: targets.make(name, told.targets[name], os.environ, url)
        for name in plan.targets
    }
    return World(project, plan, found, terminal.say)
