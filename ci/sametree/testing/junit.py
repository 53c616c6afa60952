"""Which tests failed, and where? Read from JUnit XML."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import msgspec


class Failure(msgspec.Struct, frozen=True):
    """A test that failed, or that could not run (``kind`` is ``error``).

    ``detail`` is what the report shows of it at length, mostly a traceback. It may
    hold values of variables: not for a record.
    """

    name: str
    kind: str
    message: str
    file: str = ""
    line: int | None = None
    detail: str = ""

    def __str__(self) -> str:
        first = self.message.strip().partition("\n")[0]
        return f"{self.name}: {first}" if first else self.name


class Results(msgspec.Struct, frozen=True):
    """What a test run counted."""

    tests: int
    failures: tuple[Failure, ...]

    @property
    def summary(self) -> str:
        """What failed, in words: ``2 tests failed, 1 could not run``."""
        failed = sum(1 for each in self.failures if each.kind == "failure")
        broken = len(self.failures) - failed
        parts = [f"{failed} of {self.tests} tests failed"] if failed else []
        if broken:
            parts.append(f"{broken} could not run (error outside the test itself)")
        return ", ".join(parts)


def read(path: Path) -> Results:
    """Return the results in ``path``; empty ones when there is no readable file."""
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError):
        return Results(0, ())
    cases = list(root.iter("testcase"))
    failures = []
    for case in cases:
        for kind in ("failure", "error"):
            if (found := case.find(kind)) is None:
                continue
            line = case.get("line")
            failures.append(
                Failure(
                    name="::".join(
                        filter(None, (case.get("classname"), case.get("name")))
                    ),
                    kind=kind,
                    message=found.get("message") or found.text or "",
                    file=case.get("file") or case.get("classname") or "",
                    # pytest counts lines from 0 here.
                    line=int(line) + 1 if line and line.isdigit() else None,
                    detail=found.text or "",
                )
            )
    return Results(len(cases), tuple(failures))
