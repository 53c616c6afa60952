"""How do jest's results become the reports that every component has?"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from xml.etree import ElementTree


def collect(reports: Path, folder: Path) -> None:
    """Give what jest wrote into ``reports`` the names and forms that pytest's have.

    ``jest.json`` becomes ``junit.xml``; coverage becomes ``coverage.xml`` and ``html``.
    """
    results = reports / "jest.json"
    if results.exists():
        tree = junit(json.loads(results.read_text(encoding="utf-8")), folder)
        tree.write(reports / "junit.xml", encoding="utf-8", xml_declaration=True)
    cobertura, html = reports / "cobertura-coverage.xml", reports / "lcov-report"
    if cobertura.exists():
        cobertura.replace(reports / "coverage.xml")
    if html.exists():
        shutil.rmtree(reports / "html", ignore_errors=True)
        html.replace(reports / "html")


def junit(results: dict[str, object], folder: Path) -> ElementTree.ElementTree:
    """Return jest's ``--json`` results as JUnit XML, with files relative to ``folder``."""
    root = ElementTree.Element("testsuites", name="jest")
    suites = results["testResults"]
    assert isinstance(suites, list)
    for suite in suites:
        name = Path(suite["name"])
        file = name.relative_to(folder) if name.is_relative_to(folder) else name
        cases = suite["assertionResults"]
        element = ElementTree.SubElement(root, "testsuite", name=file.as_posix())
        counts = {"failures": 0, "errors": 0, "skipped": 0}
        for case in cases:
            outcome = _case(element, file.as_posix(), case)
            if outcome:
                counts[outcome] += 1
        if suite["status"] == "failed" and not cases:  # the file could not be loaded
            broken = ElementTree.SubElement(
                element, "testcase", classname=file.as_posix(), name="(loading)"
            )
            ElementTree.SubElement(broken, "error").text = _plain(suite["message"])
            counts["errors"] += 1
        element.set("tests", str(len(element)))
        for kind, count in counts.items():
            element.set(kind, str(count))
        seconds = (suite["endTime"] - suite["startTime"]) / 1000
        element.set("time", f"{seconds:.3f}")
    return ElementTree.ElementTree(root)


def _case(suite: ElementTree.Element, file: str, case: dict[str, object]) -> str:
    """Add one test to ``suite``; return under what it counts, '' when it passed."""
    element = ElementTree.SubElement(
        suite,
        "testcase",
        classname=file,
        name=_plain(str(case["fullName"])),
        time=f"{float(str(case.get('duration') or 0)) / 1000:.3f}",
    )
    location = case.get("location")
    if isinstance(location, dict):  # pytest counts lines from 0 here, so we do
        element.set("file", file)
        element.set("line", str(location["line"] - 1))
    if case["status"] == "failed":
        messages = case["failureMessages"]
        assert isinstance(messages, list)
        ElementTree.SubElement(element, "failure").text = _plain("\n".join(messages))
        return "failures"
    if case["status"] in ("pending", "todo", "disabled", "skipped"):
        ElementTree.SubElement(element, "skipped")
        return "skipped"
    return ""


def _plain(text: str) -> str:
    """Return ``text`` without colours and what else XML 1.0 has no place for."""
    text = re.sub(r"\033\[[0-9;]*m", "", text)
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "", text)
