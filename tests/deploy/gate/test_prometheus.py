"""What does a Prometheus server say, and when does it say nothing?"""

import doctest
import json
import time
from urllib.parse import parse_qs, urlsplit

import pytest

from sametree.deploy.gate import prometheus
from sametree.deploy.gate.prometheus import Questions, ask

QUERY = 'sum(rate(errors_total{colour="green"}[1m]))'


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def vector(*values):
    result = [
        {"metric": {"job": f"api{n}"}, "value": [1700000000.1, value]}
        for n, value in enumerate(values)
    ]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


def says(replica, told, status=200):
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    replica.answer = lambda path: (status, body)


def address(replica):
    return f"http://127.0.0.1:{replica.port}/"


def test_the_examples_in_the_module_hold():
    assert doctest.testmod(prometheus).failed == 0


def test_the_query_reaches_the_api_as_it_is(replica):
    says(replica, vector("0.25"))
    found = ask(address(replica), QUERY)
    assert found.values == ((' of {job="api0"}', 0.25),)
    asked = urlsplit(replica.asked[0]["path"])
    assert asked.path == "/api/v1/query"
    assert parse_qs(asked.query) == {"query": [QUERY]}


def test_each_series_of_a_vector_is_a_value_and_a_scalar_is_one(replica):
    says(replica, vector("1", "+Inf"))
    assert [value for _, value in ask(address(replica), QUERY).values] == [
        1.0,
        float("inf"),
    ]
    scalar = {"resultType": "scalar", "result": [1700000000, "7"]}
    says(replica, {"status": "success", "data": scalar})
    assert ask(address(replica), QUERY).values == (("", 7.0),)


@pytest.mark.parametrize(
    ("told", "status", "problem"),
    [
        (vector(), 200, "no series matches the query"),
        (vector("0", "NaN"), 200, 'NaN is no data of {job="api1"}'),
        ({"status": "error", "error": "parse \x1b[2Jerror"}, 400, "parse  [2Jerror"),
        (b"<h1>Bad Gateway</h1>", 502, "HTTP 502 Bad Gateway"),
        (b"<h1>Welcome to nginx</h1>", 200, "it does not answer as Prometheus does"),
        (b"[]", 200, "it does not answer as Prometheus does"),
        (b"\xff\xfe", 200, "it does not answer as Prometheus does"),
        (
            {"status": "success", "data": {"resultType": "matrix", "result": []}},
            200,
            "it does not answer as Prometheus does",
        ),
        (
            {"status": "success", "data": {"resultType": "vector", "result": [{}]}},
            200,
            "it does not answer as Prometheus does",
        ),
    ],
)
def test_no_data_is_told_as_a_problem(replica, told, status, problem):
    says(replica, told, status)
    found = ask(address(replica), QUERY)
    assert (found.problem, found.values) == (problem, ())


def test_a_server_that_is_not_there_is_no_data(replica):
    assert "refused" in ask("http://127.0.0.1:1", QUERY).problem
    assert "unknown url type" in ask("prometheus:9090", QUERY).problem
    replica.answer = lambda path: (time.sleep(0.3), (200, b""))[1]
    assert "timed out" in ask(address(replica), QUERY, timeout=0.05).problem


def test_it_is_asked_again_and_again_and_at_once_when_told_to(replica):
    says(replica, vector("1"))
    with Questions(address(replica), QUERY, every=0.05) as questions:
        _until(lambda: questions.last and questions.last.number >= 3)
    with Questions(address(replica), QUERY, every=60.0) as questions:
        _until(lambda: questions.last)
        says(replica, vector("2"))
        number = questions.ask_now()
        _until(lambda: questions.last.number >= number)
        assert questions.last.values[0][1] == 2.0


def _until(condition):
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)
