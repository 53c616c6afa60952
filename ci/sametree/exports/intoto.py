"""What can be attested of a run? An in-toto statement of the kind ``test-result``.

The form: github.com/in-toto/attestation, ``spec/v1/statement.md`` and
``spec/predicates/test-result.md``. It is not signed: that is for who vouches for it.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sametree.errors import UsageError
from sametree.records import Record

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://in-toto.io/attestation/test-result/v0.1"
_GIT_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FILE = re.compile(r"100(?:644|755) ([0-9a-f]{40}|[0-9a-f]{64})")


def text(records: Sequence[Record], commit: str = "") -> str:
    """Return the statement on the units of ``records``, which are of one run.

    ``commit`` is one whose tree is the one that was tested, if there is any. Raises
    UsageError when the units are not of one known tree: then there is nothing that
    the statement could be about.
    """
    passed, warned, failed = (
        [name_of(record) for record in records if verdict(record) == each]
        for each in ("PASSED", "WARNED", "FAILED")
    )
    predicate: dict[str, Any] = {
        "result": "FAILED" if failed else "WARNED" if warned else "PASSED",
        "configuration": _configuration(records),
        "passedTests": passed,
        "warnedTests": warned,
        "failedTests": failed,
    }
    urls = {record.url for record in records}
    if len(urls) == 1 and any(urls):
        predicate["url"] = urls.pop()
    statement = {
        "_type": STATEMENT,
        "subject": _subject(_tree(records), commit),
        "predicateType": PREDICATE,
        "predicate": predicate,
    }
    return json.dumps(statement, indent=2) + "\n"


def verdict(record: Record) -> str:
    """Return what can be said of a unit: PASSED, WARNED or FAILED.

    One that passed without proving it (its sources changed meanwhile, say) passed with
    a warning: nobody knows what would come of this very tree.
    """
    if record.result == "success":
        return "PASSED" if record.proves else "WARNED"
    if record.result == "skip":
        return "PASSED" if record.proof else "WARNED"
    return "FAILED"


def name_of(record: Record) -> str:
    """Return a unit's name with its arguments: with those, it is another test."""
    given = f" -- {shlex.join(record.args)}" if record.args else ""
    return record.unit + given


def _tree(records: Sequence[Record]) -> str:
    """Return the git tree that all units had."""
    unknown = [r.unit for r in records if not _GIT_ID.fullmatch(r.tree)]
    if unknown:
        raise UsageError(
            f"the record of {unknown[0]} names no git tree, so there is nothing that"
            " a statement could be about",
            "run it again in a git repository, or choose another with --unit",
        )
    trees = {record.tree: record.unit for record in records}
    if len(trees) > 1:
        each = ", ".join(f"{unit} of {tree[:12]}" for tree, unit in trees.items())
        raise UsageError(
            f"the sources changed during run {records[0].run}: {each}",
            "export one unit alone with --unit, or run all again",
        )
    return records[0].tree


def _subject(tree: str, commit: str) -> list[dict[str, Any]]:
    found = [{"name": "tree", "digest": {"gitTree": tree}}]
    if _GIT_ID.fullmatch(commit):
        found.append({"name": "commit", "digest": {"gitCommit": commit}})
    return found


def _configuration(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Return what the units were run with: locks, and the files of the project's root
    (``pyproject.toml``, ``noxfile.py``) that they depend on, in the order of names."""
    found = {each for record in records for each in _files(record.parts)}
    return [
        {"name": name, "digest": {algorithm: value}}
        for name, algorithm, value in sorted(found)
    ]


def _files(parts: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield name, algorithm and digest; what was missing has no digest to name."""
    for part, value in parts.items():
        kind, _, name = part.partition(":")
        if kind == "lock" and _SHA256.fullmatch(value):
            yield name, "sha256", value
        if kind == "input" and "/" not in name and (file := _FILE.fullmatch(value)):
            yield name, "gitBlob", file[1]
