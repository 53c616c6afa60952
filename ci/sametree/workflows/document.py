"""What does a workflow or an action say, and on which line?

A file is read into YAML nodes, which know their lines, and from these into the few
things that rules look at. What is oddly shaped is left out here: that is the schema's
affair. Keys are taken as they are written, so ``on`` is not the ``true`` that YAML 1.1
makes of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec
import yaml

LARGEST = 128 * 1024
"""Bytes. A thin workflow has a few thousand, and far more takes seconds to read."""
MOST_NODES = 100_000
"""What all aliases, written out, may come to: a few lines can hold billions."""

Kind = Literal["workflow", "action"]


class Unreadable(Exception):
    """A file that is no YAML, or none that can be looked at; ``line`` counts from 1."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line
        self.text = text


class Said(msgspec.Struct, frozen=True):
    """A text in the file, and its line."""

    text: str
    line: int


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A step: ``uses`` an action or has a ``run``. ``pin`` is the comment beside it."""

    line: int
    uses: Said | None = None
    pin: str = ""
    run: Said | None = None
    shell: Said | None = None
    condition: str = ""
    env: Mapping[str, str] = {}
    inputs: tuple[Said, ...] = ()  # the names of what stands in `with`


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A job. ``keys`` are the keys that it has, with their lines; ``uses`` is there
    when the job is a call of a reusable workflow; ``matrix`` holds what each name of
    the matrix may be, or an expression."""

    id: str
    line: int
    keys: Mapping[str, int] = {}
    uses: Said | None = None
    pin: str = ""
    needs: tuple[str, ...] = ()
    condition: str = ""
    env: Mapping[str, str] = {}
    matrix: Mapping[str, tuple[str, ...]] = {}
    included: str = ""  # an expression that gives the matrix, or its `include`
    outputs: Mapping[str, str] = {}
    machines: tuple[str, ...] = ()  # the labels in `runs-on`
    services: tuple[str, ...] = ()  # their names
    steps: tuple[Step, ...] = ()


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow, with ``jobs``, or a composite action, with ``steps``."""

    file: str
    kind: Kind
    root: yaml.Node
    jobs: tuple[Job, ...] = ()
    steps: tuple[Step, ...] = ()
    env: Mapping[str, str] = {}
    keys: Mapping[str, int] = {}
    using: str = ""  # what runs an action


def read(file: str, kind: Kind, raw: bytes) -> Document:
    """Return the document in ``raw``, the content of ``file``.

    Raises Unreadable, with the line, when it is no YAML.
    """
    text = _decoded(raw)
    root = _composed(text)
    if not isinstance(root, yaml.MappingNode):
        raise Unreadable(_line(root), f"the {kind} is not a table of keys and values")
    lines = text.splitlines()
    return Document(
        file=file,
        kind=kind,
        root=root,
        jobs=tuple(_jobs(root, lines)),
        steps=tuple(_steps(child(root, "runs"), lines)),
        env=_texts(child(root, "env")),
        keys={said.text: said.line for said, _ in items(root)},
        using=_text(child(child(root, "runs"), "using")),
    )


def line_at(root: yaml.Node, path: Sequence[str | int]) -> int:
    """Return the line of what is at ``path``, or of the last part of it that is there."""
    line = _line(root)
    here: yaml.Node | None = root
    for part in path:
        if isinstance(part, int):
            found = _entries(here)
            here = found[part] if part < len(found) else None
        else:
            named = [(said, node) for said, node in items(here) if said.text == part]
            if named:
                line = named[-1][0].line
            here = named[-1][1] if named else None
            continue
        if here is None:
            break
        line = _line(here)
    return line


def items(node: yaml.Node | None) -> Iterator[tuple[Said, yaml.Node]]:
    """Yield the keys of a mapping, as they are written, and their values."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield Said(key.value, _line(key)), value


def child(node: yaml.Node | None, key: str) -> yaml.Node | None:
    """Return the value of ``key`` in a mapping; None when it has none."""
    return next((value for said, value in items(node) if said.text == key), None)


def _decoded(raw: bytes) -> str:
    if len(raw) > LARGEST:
        raise Unreadable(1, f"has {len(raw):,} bytes; no workflow is that large")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise Unreadable(line, "is not UTF-8: a byte here is no text") from None
    return text.replace("\r\n", "\n")


def _composed(text: str) -> yaml.Node:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = ", ".join(part for part in (error.context, error.problem) if part)
        line = mark.line + 1 if mark else 1
        raise Unreadable(line, f"is not YAML: {said}") from None
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise Unreadable(line, f"is not YAML: {error.reason}") from None
    except RecursionError:
        raise Unreadable(1, "is nested too deeply to be a workflow") from None
    if root is None:
        raise Unreadable(1, "is empty")
    _size(root, {})
    return root


def _size(node: yaml.Node, known: dict[int, int | None]) -> int:
    """Return how many nodes ``node`` has with its aliases written out.

    Raises Unreadable for an alias inside its own anchor, for too many nodes, and for
    what GitHub does not take: a key that is there twice, and merge keys.
    """
    if id(node) in known:
        size = known[id(node)]
        if size is None:
            raise Unreadable(_line(node), "an anchor holds an alias of itself")
        return size
    known[id(node)] = None
    if isinstance(node, yaml.MappingNode):
        _no_strange_keys(node)
    size = 1 + sum(_size(part, known) for part in _parts(node))
    if size > MOST_NODES:
        raise Unreadable(_line(node), "its aliases, written out, never end")
    known[id(node)] = size
    return size


def _no_strange_keys(node: yaml.MappingNode) -> None:
    seen: set[str] = set()
    for said, _ in items(node):
        if said.text == "<<":
            raise Unreadable(said.line, "has a merge key (<<), which GitHub refuses")
        if said.text in seen:
            raise Unreadable(said.line, f"has the key {said.text!r} twice")
        seen.add(said.text)


def _parts(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for pair in node.value:
            yield from pair
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def _jobs(root: yaml.Node, lines: Sequence[str]) -> Iterator[Job]:
    for said, node in items(child(root, "jobs")):
        uses = _said(child(node, "uses"))
        strategy = child(child(node, "strategy"), "matrix")
        yield Job(
            id=said.text,
            line=said.line,
            keys={key.text: key.line for key, _ in items(node)},
            uses=uses,
            pin=_comment(uses, lines),
            needs=tuple(_words(child(node, "needs"))),
            condition=_text(child(node, "if")),
            env=_texts(child(node, "env")),
            matrix=dict(_matrix(strategy)),
            included=_text(strategy) or _text(child(strategy, "include")),
            outputs=_texts(child(node, "outputs")),
            machines=tuple(_machines(child(node, "runs-on"))),
            services=tuple(name.text for name, _ in items(child(node, "services"))),
            steps=tuple(_steps(node, lines)),
        )


def _steps(node: yaml.Node | None, lines: Sequence[str]) -> Iterator[Step]:
    for entry in _entries(child(node, "steps")):
        uses = _said(child(entry, "uses"))
        yield Step(
            line=_line(entry),
            uses=uses,
            pin=_comment(uses, lines),
            run=_said(child(entry, "run")),
            shell=_said(child(entry, "shell")),
            condition=_text(child(entry, "if")),
            env=_texts(child(entry, "env")),
            inputs=tuple(said for said, _ in items(child(entry, "with"))),
        )


def _machines(node: yaml.Node | None) -> list[str]:
    return _words(child(node, "labels")) or _words(node)


def _matrix(node: yaml.Node | None) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield what a written-out matrix gives each name, with what it includes."""
    found: dict[str, list[str]] = {}
    for said, value in items(node):
        if said.text not in ("include", "exclude"):
            found.setdefault(said.text, []).extend(_words(value))
    for entry in _entries(child(node, "include")):
        for name, text in _texts(entry).items():
            found.setdefault(name, []).append(text)
    for name, values in found.items():
        yield name, tuple(values)


def _comment(uses: Said | None, lines: Sequence[str]) -> str:
    """Return the comment that stands on the line of ``uses``."""
    if uses is None:
        return ""
    _, _, rest = lines[uses.line - 1].partition(uses.text)
    found = re.match(r"""["']?\s*[,}]*\s+#\s*(.*)""", rest)
    return found[1].strip() if found else ""


def _entries(node: yaml.Node | None) -> list[yaml.Node]:
    return node.value if isinstance(node, yaml.SequenceNode) else []


def _words(node: yaml.Node | None) -> list[str]:
    """Return a text, or a list of texts, as a list."""
    nodes = _entries(node) or ([node] if node is not None else [])
    return [each.value for each in nodes if isinstance(each, yaml.ScalarNode)]


def _texts(node: yaml.Node | None) -> dict[str, str]:
    return {
        said.text: value.value
        for said, value in items(node)
        if isinstance(value, yaml.ScalarNode)
    }


def _said(node: yaml.Node | None) -> Said | None:
    return Said(node.value, _line(node)) if isinstance(node, yaml.ScalarNode) else None


def _text(node: yaml.Node | None) -> str:
    return node.value if isinstance(node, yaml.ScalarNode) else ""


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
