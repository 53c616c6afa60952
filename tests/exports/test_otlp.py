"""Is a run's trace what OpenTelemetry's protocol and conventions say?"""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest
from comparing import BEGAN, COMMIT, TREE, failed, record, step
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from sametree.exports import otlp
from sametree.records import Covered, StepRun


def parsed(*run, chosen=()):
    """Return the request that a collector reads: unknown or mistyped fields fail."""
    told = json.loads(otlp.text(run, chosen))
    return json_format.ParseDict(with_base64(told), ExportTraceServiceRequest())


def with_base64(told: Any) -> Any:
    """Return OTLP/JSON as protobuf's own JSON, which has bytes in base64, not hex."""
    if isinstance(told, list):
        return [with_base64(each) for each in told]
    if not isinstance(told, dict):
        return told
    return {
        key: (
            base64.b64encode(bytes.fromhex(value)).decode()
            if key in ("traceId", "spanId", "parentSpanId")
            else with_base64(value)
        )
        for key, value in told.items()
    }


def spans_of(request):
    return [s for r in request.resource_spans for o in r.scope_spans for s in o.spans]


def told_by(span_or_resource):
    """Return the attributes as Python has them."""
    found = {}
    for each in span_or_resource.attributes:
        kind = each.value.WhichOneof("value")
        value = getattr(each.value, kind)
        values = value.values if kind == "array_value" else None
        found[each.key] = [v.string_value for v in values] if values else value
    assert len(found) == len(span_or_resource.attributes)
    return found


def timed(name, started, seconds=1.0, code=0):
    return StepRun(
        name=name, argv=(name, "."), code=code, seconds=seconds, started=started
    )


def test_the_run_is_the_root_units_are_below_it_and_steps_below_them():
    steps = (timed("black", BEGAN + 1), timed("mypy", BEGAN + 1))
    spans = spans_of(parsed(record("lint(backend)", steps=steps), record("a")))
    root, unit, black, mypy, other = spans
    assert [span.name for span in spans] == [
        "RUN sametree",
        "lint(backend)",
        "black",
        "mypy",
        "a",
    ]
    assert root.parent_span_id == b"" and root.kind == Span.SPAN_KIND_SERVER
    assert unit.parent_span_id == other.parent_span_id == root.span_id
    assert black.parent_span_id == mypy.parent_span_id == unit.span_id
    assert {span.kind for span in spans[1:]} == {Span.SPAN_KIND_INTERNAL}
    assert len({span.trace_id for span in spans}) == 1 and len(root.trace_id) == 16
    assert len({span.span_id for span in spans}) == 5
    assert {len(span.span_id) for span in spans} == {8}


def test_ids_are_the_same_each_time_and_other_in_another_run():
    one = record("lint(backend)", steps=(step("a"), step("a"), step("a")))
    assert otlp.text([one]) == otlp.text([one])
    ids = [span.span_id for span in spans_of(parsed(one))]
    assert len(set(ids)) == 5  # steps of the same name are told apart
    other = msgspec.structs.replace(one, run="another")
    assert not set(ids) & {span.span_id for span in spans_of(parsed(other))}
    assert otlp.trace_id(one.run) != otlp.trace_id("another")
    assert otlp.span_id("a", "bc") != otlp.span_id("ab", "c")


def test_numbers_of_64_bits_are_text_ids_are_hex_and_the_text_is_one_line():
    text = otlp.text([record("lint(backend)")])
    assert text.count("\n") == 1 and text.endswith("\n")
    root = json.loads(text)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    assert root["startTimeUnixNano"] == f"{int(BEGAN)}000000000"
    assert set(root["traceId"]) <= set("0123456789abcdef")
    assert (len(root["traceId"]), len(root["spanId"])) == (32, 16)


def test_the_run_lasts_from_its_first_moment_to_its_last():
    first = record("lint(backend)", started=BEGAN + 5, seconds=1.0)
    last = record("tests(backend)", started=BEGAN, seconds=30.5)
    root, *_ = spans_of(parsed(first, last))
    assert root.start_time_unix_nano == int(BEGAN) * 10**9
    assert root.end_time_unix_nano == int(BEGAN) * 10**9 + 30_500_000_000


def test_a_step_has_its_own_time_and_command():
    steps = (timed("mypy", BEGAN + 2, 1.5), timed("old", 0.0, 1.0))
    *_, mypy, old = spans_of(parsed(record("lint(backend)", steps=steps)))
    assert mypy.start_time_unix_nano == int(BEGAN + 2) * 10**9
    assert mypy.end_time_unix_nano - mypy.start_time_unix_nano == 1_500_000_000
    assert told_by(mypy) == {
        "process.command_args": ["mypy", "."],
        "process.exit.code": 0,
    }
    # A record of an older version did not say when a step began.
    assert old.start_time_unix_nano == int(BEGAN) * 10**9


def test_the_resource_has_the_names_of_the_conventions():
    machine = {"os.type": "linux", "host.arch": "x86_64", "host.cpu.model": "EPYC"}
    made = record("a", "github", surroundings=machine, worker="w1", branch="main")
    resource = told_by(parsed(made).resource_spans[0].resource)
    assert resource == {
        "service.name": "sametree",
        "cicd.pipeline.name": "sametree",
        "cicd.pipeline.run.id": "18837",
        "cicd.pipeline.run.url.full": "https://github.com/acme/maria/actions/runs/18837",
        "cicd.worker.name": "w1",
        "vcs.ref.head.revision": COMMIT,
        "vcs.ref.head.name": "main",
        "vcs.ref.type": "branch",
        "os.type": "linux",
        "os.version": "6.11.0-azure",
        "host.arch": "amd64",
        "host.name": "runner",
        "host.cpu.model.name": "EPYC",
    }


def test_a_unit_has_the_names_of_the_conventions_and_ours():
    covered = Covered(lines=90.0, branches=80.5)
    made = record("tests(backend)", covered=covered, notes=("one", "two"))
    unit = spans_of(parsed(made))[1]
    assert told_by(unit) == {
        "cicd.pipeline.task.name": "tests(backend)",
        "cicd.pipeline.task.run.id": f"{made.run}/tests(backend)",
        "cicd.pipeline.task.run.result": "success",
        "cicd.pipeline.task.type": "test",
        "sametree.place": "local",
        "sametree.tree": TREE,
        "sametree.fingerprint": made.fingerprint,
        "sametree.coverage.lines": 90.0,
        "sametree.coverage.branches": 80.5,
        "sametree.notes": ["one", "two"],
    }


def test_what_ran_on_two_machines_are_two_resources_of_one_trace():
    here = record("lint(backend)", run="R")
    there = record("tests(backend)", "github", run="R")
    again = record("build(backend)", run="R")
    request = parsed(here, there, again)
    first, second = request.resource_spans
    names = [[s.name for s in r.scope_spans[0].spans] for r in (first, second)]
    assert names == [
        ["RUN sametree", "lint(backend)", "black", "build(backend)", "build"],
        ["tests(backend)", "pytest"],
    ]
    assert told_by(second.resource)["host.name"] == "runner"
    assert len({span.trace_id for span in spans_of(request)}) == 1


def test_success_leaves_the_status_unset_and_names_no_error():
    for span in spans_of(parsed(record("lint(backend)"))):
        assert span.status.code == Status.STATUS_CODE_UNSET
        assert "error.type" not in told_by(span)


def test_a_failure_is_an_error_of_step_unit_and_run():
    done = (step("black"), step("mypy", 2))
    made = record("lint(backend)", steps=done, **failed("mypy failed"))
    root, unit, black, mypy = spans_of(parsed(made))
    for span in (root, unit, mypy):
        assert span.status.code == Status.STATUS_CODE_ERROR
    assert black.status.code == Status.STATUS_CODE_UNSET
    assert unit.status.message == "mypy failed"
    assert mypy.status.message == "exit code 2"
    assert root.status.message == "lint(backend): failure"
    assert told_by(unit)["error.type"] == "failure"
    assert told_by(mypy)["error.type"] == "2"
    assert told_by(root)["cicd.pipeline.result"] == "failure"


def test_an_exit_code_that_is_no_failure_is_no_error():
    *_, pytest_span = spans_of(parsed(record("tests(a)", steps=(step("pytest", 5),))))
    assert pytest_span.status.code == Status.STATUS_CODE_UNSET
    assert told_by(pytest_span)["process.exit.code"] == 5


@pytest.mark.parametrize(
    ("results", "whole"),
    [
        (("success", "skip"), "success"),
        (("skip", "skip"), "skip"),
        (("success", "cancellation"), "cancellation"),
        (("error", "failure", "success"), "failure"),
        (("timeout", "error"), "error"),
        (("cancellation", "timeout"), "timeout"),
    ],
)
def test_the_result_of_a_run_is_its_gravest(results, whole):
    run = [record(f"unit{n}", result=result) for n, result in enumerate(results)]
    root, *_ = spans_of(parsed(*run))
    assert told_by(root)["cicd.pipeline.result"] == whole
    assert bool(root.status.code) == (whole not in ("success", "skip"))


def test_of_chosen_units_the_root_still_tells_of_the_whole_run():
    bad = record("tests(backend)", started=BEGAN + 60, **failed())
    good = record("lint(backend)")
    spans = spans_of(parsed(good, bad, chosen=[good]))
    assert [span.name for span in spans] == ["RUN sametree", "lint(backend)", "black"]
    assert spans[0] == spans_of(parsed(good, bad))[0]
    assert spans[0].status.code == Status.STATUS_CODE_ERROR


def test_a_proven_unit_is_linked_to_the_run_that_proved_it():
    proof = record("tests(backend)", run="R1")
    skipped = record("tests(backend)", run="R2", result="skip", proof="R1", steps=())
    (link,) = spans_of(parsed(skipped))[1].links
    proving = spans_of(parsed(proof))[1]
    assert (link.trace_id, link.span_id) == (proving.trace_id, proving.span_id)


@pytest.mark.parametrize("started", [-1e18, 0.0, 1e300])
def test_a_clock_that_was_wrong_gives_a_time_that_the_protocol_can_hold(started):
    made = record("a", started=started, seconds=-3.0, steps=(timed("s", started, -1),))
    for span in spans_of(parsed(made)):
        assert 0 <= span.start_time_unix_nano <= span.end_time_unix_nano < 2**64
