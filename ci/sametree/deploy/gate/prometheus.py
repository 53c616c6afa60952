"""What does a Prometheus server say of the new colour?

Prometheus' HTTP API, "Instant queries": ``GET /api/v1/query?query=…`` answers with a
vector or a scalar. No series, NaN or no answer at all is no data, never a success.
"""

from __future__ import annotations

import json
import math
import threading
import urllib.error
import urllib.parse
import urllib.request
from types import TracebackType
from typing import Any, Self

from msgspec import Struct, structs

from sametree import masking

EVERY = 5.0
"""Seconds between two questions."""
TIMEOUT = 5.0
MOST = 1 << 20
"""Bytes of an answer that are read."""
TOLD = 200
"""Characters of a server's refusal that are told."""


class Answer(Struct, frozen=True):
    """``values`` by their labels, or why there are none (``problem``)."""

    values: tuple[tuple[str, float], ...] = ()
    problem: str = ""
    number: int = 0  # of the question


def ask(server: str, query: str, timeout: float = TIMEOUT) -> Answer:
    """Ask ``server`` (its address, such as ``http://prometheus:9090``) once."""
    told = urllib.parse.urlencode({"query": query})
    address = f"{server.rstrip('/')}/api/v1/query?{told}"
    try:
        with urllib.request.urlopen(address, timeout=timeout) as response:
            body = response.read(MOST)
    except urllib.error.HTTPError as error:
        with error:  # its body says what is wrong with the query
            said = _refusal(error.read(MOST)) or f"HTTP {error.code} {error.reason}"
        return Answer(problem=said)
    except (OSError, ValueError, urllib.error.URLError) as error:
        reason = getattr(error, "reason", error)
        return Answer(problem=masking.hide(f"no answer: {reason}"))
    try:
        values = _values(json.loads(body))
    except (
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        RecursionError,
    ):
        return Answer(problem="it does not answer as Prometheus does")
    if not values:
        return Answer(problem="no series matches the query")
    empty = [labels for labels, value in values if math.isnan(value)]
    if empty:
        return Answer(problem=f"NaN is no data{empty[0]}")
    return Answer(values)


class Questions:
    """Asks ``query`` every ``every`` seconds while it is entered, and when it is told
    to."""

    def __init__(
        self, server: str, query: str, every: float = EVERY, timeout: float = TIMEOUT
    ) -> None:
        self._server, self._query = server, query
        self._every = every
        self._timeout = timeout
        self._last: Answer | None = None
        self._asked = 0
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(
            target=self._run, name="sametree prometheus", daemon=True
        )

    @property
    def last(self) -> Answer | None:
        """The last answer, None before the first."""
        return self._last

    def ask_now(self) -> int:
        """Ask at once, but do not wait for the answer; return the question's number."""
        number = self._asked + 1
        self._wake.set()
        return number

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping = True
        self._wake.set()
        self._thread.join(self._timeout)

    def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            self._asked += 1
            answer = ask(self._server, self._query, self._timeout)
            self._last = structs.replace(answer, number=self._asked)
            if not self._stopping:
                self._wake.wait(self._every)


def _values(told: Any) -> tuple[tuple[str, float], ...]:
    if told["status"] != "success":
        raise ValueError
    data = told["data"]
    if data["resultType"] == "scalar":
        return (("", float(data["result"][1])),)
    if data["resultType"] != "vector":
        raise ValueError
    return tuple(
        (_labels(each["metric"]), float(each["value"][1])) for each in data["result"]
    )


def _labels(metric: dict[str, str]) -> str:
    """
    >>> _labels({"__name__": "up", "job": "api"})
    ' of {__name__="up", job="api"}'
    """
    told = ", ".join(f'{name}="{value}"' for name, value in sorted(metric.items()))
    return f" of {{{told}}}" if told else ""


def _refusal(body: bytes) -> str:
    try:
        told = json.loads(body)["error"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""
    plain = "".join(c if c.isprintable() else " " for c in masking.hide(str(told)))
    return plain[:TOLD]
