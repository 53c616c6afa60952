"""How does a run look in a tracing system? OpenTelemetry traces, as OTLP/JSON.

The encoding is that of opentelemetry.io/docs/specs/otlp (JSON Protobuf encoding): ids
in hex, 64-bit numbers as text, enumerations as numbers. Spans and attributes have the
names of the conventions for CI/CD (docs/specs/semconv/cicd/cicd-spans); what these do
not know begins with ``sametree.``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sametree import __version__
from sametree.records import Record, StepRun

PIPELINE = "sametree"
SCHEMA_URL = "https://opentelemetry.io/schemas/1.37.0"
INTERNAL, SERVER = 1, 2
"""Kinds of spans."""
ERROR = 2
"""The status of what went wrong; that of the rest is left unset, as the conventions
want it ("Recording errors")."""
GRAVEST = ("failure", "error", "timeout", "cancellation", "success", "skip")
"""The result of a run is the first of these that a unit has."""
GOOD = ("success", "skip")
TYPES = {"tests": "test", "build": "build"}
"""Which of our sessions are of a type that the conventions know."""
MACHINES = {
    "os.type": "os.type",
    "os.release": "os.version",
    "host.arch": "host.arch",
    "host.name": "host.name",
    "host.cpu.model": "host.cpu.model.name",
}
"""What of a record's surroundings has a name in the conventions, and which."""
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
LATEST = 18_446_744_073.0
"""Seconds since 1970 whose nanoseconds fit in 64 bits."""

Span = dict[str, Any]


def text(run: Sequence[Record], chosen: Sequence[Record] = ()) -> str:
    """Return the trace of a run, given the records of all its units, as one line.

    Of the units it shows those of ``chosen``, or all; the span of the run itself tells
    of all. One line, so that the traces of several runs can stand in one file.
    """
    groups: dict[str, tuple[Mapping[str, str], list[Span]]] = {}
    for record in chosen or run:
        told = _resource(record)
        # The units of a run may have been on several machines.
        groups.setdefault(json.dumps(told), (told, []))[1].extend(_of_unit(record))
    next(iter(groups.values()))[1].insert(0, _root(run))
    listed = [_spans(told, spans) for told, spans in groups.values()]
    return json.dumps({"resourceSpans": listed}) + "\n"


def _spans(told: Mapping[str, str], spans: Sequence[Span]) -> dict[str, Any]:
    """Return the spans that one machine made."""
    scope = {"name": PIPELINE, "version": __version__}
    return {
        "resource": {"attributes": _attributes(told)},
        "scopeSpans": [{"scope": scope, "spans": spans, "schemaUrl": SCHEMA_URL}],
        "schemaUrl": SCHEMA_URL,
    }


def _resource(record: Record) -> dict[str, str]:
    """Return what is the same for all that ran on one machine in one run."""
    machine = {name: record.surroundings.get(key, "") for key, name in MACHINES.items()}
    machine["host.arch"] = ARCHITECTURES.get(machine["host.arch"], machine["host.arch"])
    return {
        "service.name": PIPELINE,
        "cicd.pipeline.name": PIPELINE,
        "cicd.pipeline.run.id": record.run,
        "cicd.pipeline.run.url.full": record.url,
        "cicd.worker.name": record.worker,
        "vcs.ref.head.revision": record.revision,
        "vcs.ref.head.name": record.branch,
        "vcs.ref.type": "branch" if record.branch else "",
        **machine,
    }


def _root(run: Sequence[Record]) -> Span:
    """Return the span of the whole run: from its first moment to its last."""
    first = min(run, key=lambda record: record.started)
    results = {record.result for record in run}
    result = next(each for each in GRAVEST if each in results)
    bad = [record.unit for record in run if record.result not in GOOD]
    return {
        "traceId": trace_id(first.run),
        "spanId": span_id(first.run),
        "name": f"RUN {PIPELINE}",
        "kind": SERVER,
        "startTimeUnixNano": _nanoseconds(first.started),
        "endTimeUnixNano": _nanoseconds(max(map(_ended, run))),
        "attributes": _attributes(
            {
                "cicd.pipeline.result": result,
                "cicd.pipeline.action.name": "RUN",
                "cicd.pipeline.run.id": first.run,
                "error.type": "" if result in GOOD else result,
            }
        ),
        "status": _status(not bad, f"{', '.join(bad)}: {result}"),
    }


def _of_unit(record: Record) -> Iterator[Span]:
    """Yield the span of a unit, and those of its steps."""
    good = record.result in GOOD
    own = span_id(record.run, record.unit)
    covered = record.covered
    span = {
        "traceId": trace_id(record.run),
        "spanId": own,
        "parentSpanId": span_id(record.run),
        "name": record.unit,
        "kind": INTERNAL,
        "startTimeUnixNano": _nanoseconds(record.started),
        "endTimeUnixNano": _nanoseconds(_ended(record)),
        "attributes": _attributes(
            {
                "cicd.pipeline.task.name": record.unit,
                "cicd.pipeline.task.run.id": f"{record.run}/{record.unit}",
                "cicd.pipeline.task.run.result": record.result,
                "cicd.pipeline.task.type": TYPES.get(record.parts.get("session", "")),
                "error.type": "" if good else record.result,
                "sametree.place": record.place,
                "sametree.tree": record.tree,
                "sametree.fingerprint": record.fingerprint,
                "sametree.proof": record.proof,
                "sametree.coverage.lines": covered.lines if covered else None,
                "sametree.coverage.branches": covered.branches if covered else None,
                "sametree.notes": record.notes,
            }
        ),
        "status": _status(good, record.reason or record.result),
    }
    if record.proof:  # where it ran, if that trace was exported as well
        proved = {
            "traceId": trace_id(record.proof),
            "spanId": span_id(record.proof, record.unit),
        }
        span["links"] = [proved]
    yield span
    for number, step in enumerate(record.steps):
        yield _of_step(record, own, number, step)


def _of_step(record: Record, parent: str, number: int, step: StepRun) -> Span:
    """Return the span of a step; one of an old record that lacks its time began with
    its unit."""
    began = step.started or record.started
    # In a unit that passed, another code than 0 is one that is no failure.
    good = not step.code or record.result in GOOD
    return {
        "traceId": trace_id(record.run),
        "spanId": span_id(record.run, record.unit, str(number), step.name),
        "parentSpanId": parent,
        "name": step.name,
        "kind": INTERNAL,
        "startTimeUnixNano": _nanoseconds(began),
        "endTimeUnixNano": _nanoseconds(began + max(0.0, step.seconds)),
        "attributes": _attributes(
            {
                "process.command_args": step.argv,
                "process.exit.code": step.code,
                "error.type": "" if good else str(step.code),
            }
        ),
        "status": _status(good, f"exit code {step.code}"),
    }


def trace_id(run: str) -> str:
    """Return the id of a run's trace: 16 bytes in hex, the same whoever exports it."""
    return _hashed("trace", run)[:32]


def span_id(*names: str) -> str:
    """Return the id of a span by the ``names`` of run, unit, step: 8 bytes in hex."""
    return _hashed("span", *names)[:16]


def _hashed(*names: str) -> str:
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()


def _ended(record: Record) -> float:
    return record.started + max(0.0, record.seconds)


def _nanoseconds(seconds: float) -> str:
    return str(round(min(max(seconds, 0.0), LATEST) * 1_000_000_000))


def _status(good: bool, message: str) -> dict[str, Any]:
    return {} if good else {"code": ERROR, "message": message}


def _attributes(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return attributes as the protocol has them; those without a value are left out."""
    return [
        {"key": key, "value": _value(value)}
        for key, value in told.items()
        if value not in ("", None, ())
    ]


def _value(value: str | float | Iterable[str]) -> dict[str, Any]:
    """Return a value with its type.

    >>> _value("a"), _value(1), _value(0.5)
    ({'stringValue': 'a'}, {'intValue': '1'}, {'doubleValue': 0.5})
    """
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"arrayValue": {"values": [_value(each) for each in value]}}
