"""Are the workflows thin, safe, and what the settings say?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from sametree.settings import Project
from sametree.steps import Outcome
from sametree.workflows import calls, document, programs, rules, write
from sametree.workflows.document import Document, Kind, Unreadable
from sametree.workflows.findings import Finding, World

FOLDER = ".github/workflows"
ACTIONS = ".github/actions"


def check(
    project: Project,
    folder: Path | None = None,
    note: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Finding]:
    """Return all that is wrong with the workflows and local actions of ``project``.

    ``folder`` is where zizmor and check-jsonschema are, if not beside our own Python or
    on PATH; ``note`` is given how each of their runs ended. Findings are in order of
    file and line. Needs no network. Raises SurroundingsError when a program is missing.
    """
    documents: list[Document] = []
    found: list[Finding] = []
    for file, kind in files(project.root):
        try:
            raw = (project.root / file).read_bytes()
            documents.append(document.read(file, kind, raw))
        except Unreadable as error:
            found.append(rules.named("yaml").finding(file, error.line, error.text))
    if documents:
        found += programs.look(documents, project.root, folder, note)
        found += _by_rules(documents, project)
    unique = dict.fromkeys(found)
    return sorted(unique, key=lambda each: (each.file, each.line, each.rule))


def files(root: Path) -> Iterator[tuple[str, Kind]]:
    """Yield the workflows and the local actions of the project in ``root``."""
    yield from ((file, "workflow") for file in _yaml(root, FOLDER, "*"))
    yield from ((file, "action") for file in _yaml(root, ACTIONS, "**/action"))


def _yaml(root: Path, folder: str, pattern: str) -> list[str]:
    paths = [
        path
        for ending in (".yml", ".yaml")
        for path in (root / folder).glob(pattern + ending)
        if path.is_file()
    ]
    return sorted(path.relative_to(root).as_posix() for path in paths)


def _by_rules(documents: list[Document], project: Project) -> Iterator[Finding]:
    local = {each.file: each for each in documents if each.kind == "action"}
    world = World(
        root=project.root,
        listing=calls.listing(project.root),
        actions={file.rpartition("/")[0]: each for file, each in local.items()},
        texts=write.texts(project),
        service=bool(write.service(project)),
    )
    for each in documents:
        for rule in rules.RULES:
            yield from rule.findings(each, world)
