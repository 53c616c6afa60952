"""Which versions come next, and why these?"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath

from msgspec import Struct, structs
from packaging.version import Version

from sametree import fingerprint, git, terminal
from sametree.errors import UsageError
from sametree.release import changelog, cliff, repository, version_files, versions
from sametree.release.cliff import Unreleased
from sametree.settings import Component, Project
from sametree.units.releasing import notes
from sametree.units.releasing.plan import Item

FIRST = "0.1.0"
LEVELS = ("major", "minor", "patch")


class Wish(Struct, frozen=True, kw_only=True):
    """Which version the maintainer wants: this one, or one before a final one (``rc``).

    ``ask`` says that there is a terminal on which he can be asked.
    """

    version: str = ""
    pre: str = ""
    ask: bool = False


class Chosen(Struct, frozen=True, kw_only=True):
    """What is released: the versions, what changes in the files of the commit, and what
    is not released, with the reason."""

    items: tuple[Item, ...]
    changes: dict[str, str]
    left_out: tuple[str, ...]
    notes: tuple[str, ...]


def choose(
    project: Project, commit: str, tags: Sequence[str], wish: Wish, when: int
) -> Chosen:
    """Return what a release of ``commit`` is; without items when nothing is new.

    ``tags`` are all that are known, here and on the remote. Raises UsageError when the
    version cannot be told, and nobody can be asked.
    """
    settings = project.settings.release
    left_out, items, noted = list[str](), list[Item](), list[str]()
    groups: list[tuple[str, Sequence[str]]]
    if settings.versions == "own":
        groups = [(name, (name,)) for name in settings.components]
        if wish.version and len(groups) > 1:
            raise UsageError(
                "--version names one version, and each component has its own",
                "leave it out, or release one component: see docs/releasing.md",
            )
    else:
        groups = [("", settings.components)]
    for component, names in groups:
        item = _item(project, commit, tags, wish, component, names, left_out, noted)
        if item is not None:
            items.append(item)
    changes = dict[str, str]()
    for item in items:
        changes |= _changes(project, commit, item, changes, when)
    return Chosen(
        items=tuple(_whole(project, item, changes) for item in items),
        changes=changes,
        left_out=tuple(left_out),
        notes=tuple(noted),
    )


def _whole(project: Project, item: Item, changes: dict[str, str]) -> Item:
    """Return the item with its entry as the changelog has it: with what somebody wrote
    there before."""
    text = changes.get(changelog_of(project, item.component), "")
    found = changelog.entry_of(text, item.version)
    return structs.replace(item, entry=found) if found else item


def prefix_of(component: str) -> str:
    """Return how the tags of a component begin; "" is all components together.

    >>> prefix_of(""), prefix_of("api")
    ('v', 'api-v')
    """
    return f"{component}-v" if component else "v"


def changelog_of(project: Project, component: str) -> str:
    """Return the changelog's path in the repository."""
    name = project.settings.release.changelog
    folder = project.component(component).path if component else "."
    return path_of(project, str(PurePosixPath(folder, name)))


def _item(
    project: Project,
    commit: str,
    tags: Sequence[str],
    wish: Wish,
    component: str,
    names: Sequence[str],
    left_out: list[str],
    noted: list[str],
) -> Item | None:
    prefix = prefix_of(component)
    last = versions.newest(tags, prefix)
    newest = versions.newest(tags, prefix, final=False)
    # A final version has all since the last final one; another one before it does not
    # come without news.
    since = newest if wish.pre else last
    changed = [n for n in names if not since or _changed(project, since, n, commit)]
    for name in names:
        if name not in changed:
            left_out.append(f"{name} has not changed since {since}")
    if names and not changed:
        return None
    paths = _paths(project, project.component(component)) if component else ()
    told = cliff.look(project.root, last, prefix, paths)
    if not told.commits and last and not wish.version:
        left_out.append(f"no commit since {last}")
        return None
    taken = [v for tag in tags if (v := versions.of_tag(tag, prefix))]
    base, why = _next(project, commit, component, names, last, told, wish, taken)
    version = versions.with_pre(base, wish.pre, taken) if wish.pre else base
    plain = sum(not each.conventional for each in told.commits)
    if plain and not wish.version and told.version:
        noted.append(
            f"{plain} commit{'s are' if plain != 1 else ' is'} not conventional, and"
            " count for nothing in the version (conventionalcommits.org)"
        )
    tag = prefix + version
    kept = notes.kept(project, tag)
    entry = (
        kept.text if kept else cliff.entry(project.root, last, prefix, version, paths)
    )
    if kept:
        noted.append(f"the entry of {tag} was written by hand ({kept.age()})")
        if kept.commit != commit:
            noted.append(
                f"commits came since: `invoke release.notes --fresh` makes {tag}'s anew"
            )
    return Item(
        component=component,
        title=component or _title(project, commit),
        version=version,
        tag=tag,
        last=(versions.of_tag(newest, prefix) or "") if newest else "",
        why=why,
        entry=entry.strip(),
        components=tuple(changed),
        prerelease=bool(wish.pre) or versions.is_pre(version),
    )


def _next(
    project: Project,
    commit: str,
    component: str,
    names: Sequence[str],
    last: str | None,
    told: Unreleased,
    wish: Wish,
    taken: Sequence[str],
) -> tuple[str, str]:
    """Return the version, and why it is this one."""
    if wish.version:
        after = f", after {last}" if last else ""
        return versions.check(wish.version, taken), f"as --version says{after}"
    if last is None:
        current = _declared(project, commit, names)
        why = "the first version" + (", as pyproject.toml says" if current else "")
        # One before the final version may have been released already.
        return Version(current or FIRST).base_version, why
    if told.version:
        return told.version, told.why
    before = versions.of_tag(last, prefix_of(component)) or FIRST
    level = _asked(told, before) if wish.ask else ""
    if level not in LEVELS:
        raise UsageError(
            (
                f"none of the {len(told.commits)} commits since {last} is conventional, so"
                " they do not tell the next version"
                if not any(each.conventional for each in told.commits)
                else f"by cliff.toml, no commit since {last} tells the next version"
            ),
            "name it: invoke release --version="
            + " or ".join(versions.raised(before, each) for each in LEVELS),
        )
    return versions.raised(before, level), f"{level}, as you said"


def _asked(told: Unreleased, before: str) -> str:
    """Ask on the terminal which part of the version is raised."""
    terminal.say(f"  no commit since {before} says what kind of change it is:")
    for each in told.commits[:10]:
        terminal.say(f"    {each.id[:12]}  {each.subject}")
    offered = ", ".join(f"{each} ({versions.raised(before, each)})" for each in LEVELS)
    try:
        answer = input(f"  the next version: {offered}? ").strip().lower()
    except EOFError:
        return ""
    return next((each for each in LEVELS if answer and each.startswith(answer)), "")


def can_ask() -> bool:
    """Return whether there is a terminal on which a person can be asked."""
    return bool(sys.stdin and sys.stdin.isatty() and sys.stdout.isatty())


def _changes(
    project: Project, commit: str, item: Item, before: dict[str, str], when: int
) -> Iterator[tuple[str, str]]:
    """Yield the files that the commit has otherwise: changelog and version files."""
    read = reader(project, commit, before)
    log = changelog_of(project, item.component)
    date = time.strftime("%Y-%m-%d", time.gmtime(when))
    old = repository.read_file(project.root, commit, log) or ""
    new = changelog.with_entry(before.get(log, old), item.version, date, item.entry)
    if new != old:
        yield log, new
    for name in item.components:
        folder = path_of(project, project.component(name).path)
        for path, text in version_files.changed(read, folder, item.version).items():
            if text != read(path):
                yield path, text


def reader(
    project: Project, commit: str, before: dict[str, str] = {}
) -> Callable[[str], str]:
    """Return what gives the text of a file of the commit; raises FileNotFoundError."""

    def read(path: str) -> str:
        if path in before:
            return before[path]
        found = repository.read_file(project.root, commit, path)
        if found is None:
            raise FileNotFoundError(path)
        return found

    return read


def _declared(project: Project, commit: str, names: Sequence[str]) -> str:
    """Return the version that the released components say they have."""
    read = reader(project, commit)
    found = {
        version_files.current(read, path_of(project, project.component(name).path))
        for name in names
    }
    if len(found) > 1:
        raise UsageError(
            f"the components have several versions, {', '.join(sorted(found))}, and the"
            " first release is one for all",
            'invoke release --version=…, or versions = "own" in [tool.sametree.release]',
        )
    return next(iter(found), "")


def _title(project: Project, commit: str) -> str:
    """Return what the project is called."""
    import tomllib

    text = repository.read_file(
        project.root, commit, path_of(project, "pyproject.toml")
    )
    told = tomllib.loads(text or "").get("project", {}).get("name")
    return str(told or project.base.name)


def _changed(project: Project, tag: str, name: str, commit: str) -> bool:
    """Return whether what ``name`` is built of has changed since ``tag``."""
    component = project.component(name)
    told = git.run(project.root, "diff", "--name-only", "-z", tag, commit, "--", ".")
    rules = fingerprint.rules(project, component, "build")
    prefix = (git.run(project.root, "rev-parse", "--show-prefix") or "").strip()
    listed = [path for path in (told or "").split("\0") if path]
    return told is None or any(
        fingerprint.decided(rules, path.removeprefix(prefix)) for path in listed
    )


def _paths(project: Project, component: Component) -> list[str]:
    """Return the paths in the repository that a component's commits touch."""
    rules = fingerprint.rules(project, component, "build")
    return [
        f"{path}/**" if "." not in PurePosixPath(path).name else path
        for path in (path_of(project, path) for path, taken in rules.items() if taken)
    ] or ["**"]


def path_of(project: Project, path: str) -> str:
    """Return a path of the project as one of the repository that it is in."""
    prefix = (git.run(project.root, "rev-parse", "--show-prefix") or "").strip()
    return str(PurePosixPath(prefix, path)).removeprefix("./")
