"""What can a release not be as the settings say?"""

from __future__ import annotations

from collections.abc import Iterator

from sametree.settings.decode import Path, Problem, nearest
from sametree.settings.model import Release, Settings


def problems(settings: Settings) -> Iterator[Problem]:
    """Yield what is well-formed but cannot be true of a release."""
    told = settings.release
    languages = {each.name: each.language for each in settings.components}
    for place, name in _named(told):
        if name not in languages:
            near = nearest(name, list(languages), "components")
            yield Problem(place, f"there is no component {name!r}: {near}")
        elif languages[name] == "node":
            yield Problem(
                place, f"{name} is a Node component: what is released is Python"
            )
        elif name not in told.components:
            text = f"{name} is not released: it is none of `components`"
            yield Problem(place, text)
    for index, name in enumerate(told.deploy):
        if name not in settings.environments:
            near = nearest(name, list(settings.environments), "environments")
            text = f"there is no environment {name!r}: {near}"
            yield Problem(("release", "deploy", index), text)
    for name, target in told.targets.items():
        place = ("release", "targets", name)
        if target.simple and target.kind != "index":
            yield Problem((*place, "simple"), "only an index has it")
        if not told.components:
            text = "nothing would go there: `components` says whose files are published"
            yield Problem(place, text)


def _named(told: Release) -> Iterator[tuple[Path, str]]:
    for index, name in enumerate(told.components):
        yield ("release", "components", index), name
    for name in told.smoke:
        yield ("release", "smoke", name), name
    for key, target in told.targets.items():
        for index, name in enumerate(target.components):
            yield ("release", "targets", key, "components", index), name
