"""What do CI servers show of a unit? JUnit XML, with a test case for each step.

The form is the one that Jenkins publishes (its plug-in xunit, ``junit-10.xsd``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from sametree.records import Record

COUNTED = ("failure", "error", "skipped")
"""What a test case can hold that is no pass."""
LATEST = 253_402_300_799
"""The last second of the year 9999, behind which no date can be written."""
_TERMINAL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))")
"""Colours, links and the like (ECMA-48: control sequences, operating system commands).
"""
_NOT_XML = re.compile(
    "[^\t\n\r -~\xa0-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd\U00010000-\U0010ffff]"
)
"""What XML 1.0 forbids (section 2.2), and the control characters that it advises
against."""


def text(records: Sequence[Record]) -> str:
    """Return ``records`` as XML: one as a ``testsuite``, several as ``testsuites``."""
    suites = [_suite(record) for record in records]
    root = suites[0]
    if len(suites) > 1:
        root = _element("testsuites", {"name": records[0].run})
        root.extend(suites)
        for count in ("tests", "failures", "errors"):
            root.set(count, str(sum(int(suite.get(count, "0")) for suite in suites)))
        root.set("time", _seconds(sum(record.seconds for record in records)))
    indent(root)
    # In ASCII alone, it reads the same whatever encoding it is printed with.
    body: bytes = tostring(root, encoding="us-ascii")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body.decode("ascii")}\n'


def _suite(record: Record) -> Element:
    """Return one record as a test suite."""
    began = datetime.fromtimestamp(min(max(record.started, 0), LATEST), UTC)
    suite = _element(
        "testsuite",
        {
            "name": record.unit,
            "timestamp": began.strftime("%Y-%m-%dT%H:%M:%S"),
            "time": _seconds(record.seconds),
        },
    )
    if host := _clean(record.surroundings.get("host.name", "")):
        suite.set("hostname", host)
    listed = SubElement(suite, "properties")
    for name, value in _properties(record):
        listed.append(_element("property", {"name": name, "value": value}))
    suite.extend(cases := list(_cases(record)))
    suite.set("tests", str(len(cases)))
    for kind, count in zip(COUNTED, ("failures", "errors", "skipped"), strict=True):
        suite.set(count, str(sum(case.find(kind) is not None for case in cases)))
    if record.notes:
        SubElement(suite, "system-out").text = _clean("\n".join(record.notes))
    return suite


def _cases(record: Record) -> Iterator[Element]:
    """Yield a case for each step, and one for the unit where no step tells its result.

    A step may end with another code than 0 in a unit that passed: some codes are no
    failure, and the unit knows which.
    """
    passed = record.result in ("success", "skip")
    told = False
    for step in record.steps:
        case = _case(record, step.name, step.seconds)
        if step.code and not passed:
            told = True
            case.append(_fault(record, f"{step.name} ended with exit code {step.code}"))
        yield case
    if record.result == "skip":
        case = _case(record, record.unit, 0.0)
        why = f"proven by run {record.proof}" if record.proof else record.reason
        case.append(_element("skipped", {"message": why or "skipped"}))
        yield case
    elif not passed and not told:
        case = _case(record, record.unit, record.seconds)
        first = record.reason.strip().partition("\n")[0]
        case.append(_fault(record, first or f"{record.unit}: {record.result}"))
        yield case
    elif not record.steps:
        yield _case(record, record.unit, record.seconds)


def _case(record: Record, name: str, seconds: float) -> Element:
    return _element(
        "testcase",
        {"classname": record.unit, "name": name, "time": _seconds(seconds)},
    )


def _fault(record: Record, message: str) -> Element:
    """Return what went wrong: a failure is the code's fault, all else an error."""
    kind = "failure" if record.result == "failure" else "error"
    fault = _element(kind, {"message": message, "type": record.result})
    mend = [f"to mend it: {command}" for command in record.mend]
    fault.text = _clean("\n".join([record.reason or message, *mend]))
    return fault


def _properties(record: Record) -> Iterator[tuple[str, str]]:
    """Yield what else is known of a unit, by the names that its record has."""
    named = {
        "cicd.pipeline.run.id": record.run,
        "cicd.pipeline.task.run.result": record.result,
        "cicd.pipeline.run.url.full": record.url,
        "vcs.ref.head.revision": record.revision,
        "vcs.ref.head.name": record.branch,
        "tree": record.tree,
        "fingerprint": record.fingerprint,
        "place": record.place,
        "covered": str(record.covered or ""),
    }
    yield from ((name, value) for name, value in named.items() if value)


def _element(tag: str, attributes: Mapping[str, str]) -> Element:
    return Element(tag, {name: _clean(value) for name, value in attributes.items()})


def _seconds(seconds: float) -> str:
    return f"{max(0.0, seconds):.3f}"


def _clean(text: str) -> str:
    """Return ``text`` without colours, and without what XML cannot hold.

    >>> _clean("\\x1b[31mred\\x1b[0m\\x00 & \\ud800<blue>")
    'red & <blue>'
    """
    return _NOT_XML.sub("", _TERMINAL.sub("", text))
