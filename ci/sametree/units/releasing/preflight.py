"""May this commit be released? All that speaks against it, before anything is changed."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from packaging.utils import canonicalize_name

from sametree import machine, steps, terminal
from sametree.errors import SurroundingsError, UsageError
from sametree.release import versions
from sametree.release.repository import Local, Seen
from sametree.release.targets.model import File, Target
from sametree.settings import Project
from sametree.steps import Step
from sametree.stepwise import journal
from sametree.units.deploying import code as codes
from sametree.units.deploying import preflight as deploying
from sametree.units.releasing.choosing import prefix_of
from sametree.units.releasing.plan import Stage
from sametree.units.releasing.world import World

SHOWN = 5
ROOM = 100_000_000
"""Bytes that have to be free: two copies of the sources, environments, files."""


def refuse(problems: list[str], what: str) -> None:
    """Raise UsageError with all ``problems``, if there are any."""
    deploying.refuse(problems, what)


def of_checkout(project: Project, local: Local) -> Iterator[str]:
    """Yield what speaks against the checkout, without a look at the remote."""
    if local.shallow:
        yield (
            "this clone is shallow, and does not tell what came since the last version:"
            " `git fetch --unshallow --tags`; in CI, fetch-depth: 0"
        )
    main = project.settings.main_branch
    if not local.branch:
        yield f"no branch is checked out (detached HEAD): `git switch {main}`"
    elif local.branch != main:
        yield (
            f"branch {local.branch} is checked out, and releases are made of {main}:"
            f" `git switch {main}`"
        )
    if local.changed:
        more = len(local.changed) - SHOWN
        names = ", ".join(local.changed[:SHOWN]) + (f" and {more} more" * (more > 0))
        yield f"something is not committed: {names}"


def of_remote(project: Project, local: Local, seen: Seen) -> Iterator[str]:
    """Yield how the branch differs from its remote's, and which tags are in the way."""
    remote, branch = project.settings.release.remote, project.settings.main_branch
    if not seen.head:
        yield f"{remote} has no branch {branch}: `git push {remote} {branch}`"
    elif local.branch == branch and seen.head != local.head:
        from sametree.release import repository

        yield repository.apart(project.root, remote, branch, local.head, seen.head)
    for name in sorted(set(local.tags) & set(seen.tags)):
        ours = versions.of_tag(name, name[: name.rfind("v") + 1])
        if ours and local.tags[name] != seen.tags[name]:
            yield (
                f"the tag {name} is another one here than on {remote}:"
                f" `git fetch {remote} --tags --force` takes theirs"
            )
    for name in sorted(set(local.tags) - set(seen.tags)):
        for component in ("", *project.settings.release.components):
            if versions.of_tag(name, prefix_of(component)):
                yield (
                    f"the tag {name} was made by hand, and is not on {remote}:"
                    f" `git push {remote} {name}`, or `git tag -d {name}`"
                )
                break


def of_proofs(project: Project) -> Iterator[str]:
    """Yield the units of CI that nothing proves for the tree as it stands.

    Raises UsageError when the project's sessions cannot be asked.
    """
    lacking = [each for each in planned(project) if each["needed"]]
    if lacking and machine.in_ci() and not project.settings.ci.signers:
        yield (
            "in CI only what CI has signed proves a tree, and no key signs its records:"
            " `invoke records.key` makes one, for `signers` in [tool.sametree.ci]"
        )
        return
    for each in lacking:
        yield (
            f"no record proves {each['unit']} for this tree ({each['reason']}):"
            f" `nox -s \"{each['unit']}\"`"
        )


def planned(project: Project) -> list[Mapping[str, object]]:
    """Return the units of CI for the tree as it stands, as ``nox -s plan`` has them.

    At home what was proven here counts; in CI only what CI has signed.
    """
    with tempfile.TemporaryDirectory(prefix="sametree-plan-") as made:
        out = Path(made, "plan.json")
        argv = (sys.executable, "-m", "nox", "-s", "plan", "--", "--here")
        step = Step(name="plan", argv=(*argv, f"--out={out}"), cwd=project.root)
        done = steps.run(step, {**os.environ, "FORCE_COLOR": "0", "GITHUB_OUTPUT": ""})
        if not done.passed or not out.exists():
            raise UsageError(
                f"what CI runs cannot be told: `{step}` ended with {done.code}:\n"
                + "\n".join(done.output.rstrip().split("\n")[-SHOWN:]),
                "the noxfile has to have the session `plan`: see docs/adopting.md",
            )
        found: list[Mapping[str, object]] = json.loads(out.read_bytes())
    return found


def of_targets(world: World, until: Stage | None = None) -> Iterator[str]:
    """Yield what the places say where the files go: credentials, names that are taken.

    Where the release stops before it publishes, whoever goes on has the token of an
    index: in CI that is another job.
    """
    kinds = world.project.settings.release.targets
    for name, target in world.targets.items():
        try:
            if kinds[name].kind == "index" and not world.plan.commit:
                yield from _taken(world, name, target)
            if kinds[name].kind == "index" and until in ("prepare", "push"):
                continue
            for item in world.goes(name):
                for problem in target.problems(world.announced(item, name)):
                    yield f"{name}: {problem}"
        except SurroundingsError as error:
            yield f"{name}: {error.problem}"


def _taken(world: World, name: str, target: Target) -> Iterator[str]:
    """Yield the versions that an index has already, of which there is no tag."""
    wanted = world.project.settings.release.targets[name].components
    for item in world.goes(name):
        told = world.announced(item, name)
        for component in item.components:
            if wanted and component not in wanted:
                continue
            title = project_name(world.project, component)
            file = File(
                path=world.place,
                name=f"{title.replace('-', '_')}-{item.version}.tar.gz",
                sha256="",
                size=0,
                component=component,
                project=title,
            )
            if target.found(file, told) != "absent":
                yield (
                    f"{name}: {target.where()} has {title} {item.version} already, and"
                    f" there is no tag {item.tag}: --version names another one"
                )


def project_name(project: Project, component: str) -> str:
    """Return the name that a component has on an index."""
    path = project.folder(project.component(component)) / "pyproject.toml"
    told = tomllib.loads(path.read_text(encoding="utf-8")).get("project", {})
    return canonicalize_name(str(told.get("name", component)))


def of_environments(project: Project) -> Iterator[str]:
    """Yield what speaks against the deployments that follow."""
    for name in project.settings.release.deploy:
        site = deploying.find(project, name)
        if (found := journal.open_one(site.folder)) is not None:
            yield (
                f"a deployment to {name} has not ended (run {found.run}):"
                f" `invoke deploy {name} --resume` or `--abort`"
            )
        outer = codes.outer(site, os.environ, needed=False)
        declared = codes.variables(project, site, outer)
        terminal.keep_secret(declared.hidden)
        for wrong in declared.wrong:
            yield f"variable {wrong.name} {wrong.text} (environment: {name})"


def of_disk(project: Project) -> Iterator[str]:
    """Yield that there is no room for what is built."""
    free = shutil.disk_usage(project.root).free
    if free < ROOM:
        yield f"{project.root} has {free / 1e6:.0f} MB free; {ROOM / 1e6:.0f} are needed"
