"""What happens when many do the same at once? Real commits, undone afterwards."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from werkzeug.test import TestResponse

from maria import create_app
from maria.database import Database
from maria.settings import Settings
from tests.api import Api

pytestmark = pytest.mark.database("reset")

AT_ONCE = 5


@pytest.fixture
def api(settings: Settings, database: Database) -> Api:
    """A client of the application as it runs, each request on its own connection."""
    return Api(create_app(settings, database).test_client())


def at_once(request: Callable[[Api, int], TestResponse], api: Api) -> list[int]:
    """Make requests from threads that wait for one another; return their statuses."""
    barrier = Barrier(AT_ONCE)

    def one(number: int) -> int:
        own = Api(api.client.application.test_client())
        barrier.wait()
        return request(own, number).status_code

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, range(AT_ONCE)))


def test_no_message_is_missed_in_counting(api: Api) -> None:
    ada = api.participant("Ada", "ada@example.org")
    conversation = api.conversation(ada)
    path = f"/api/conversations/{conversation['id']}"

    body = {"author": ada["id"], "body": "Hello"}

    for _ in range(5):
        statuses = at_once(lambda own, _: own.post(f"{path}/messages", body), api)
        assert statuses == [201] * AT_ONCE

    found = api.get(path).get_json()
    messages = api.get(f"{path}/messages", limit=100).get_json()["items"]
    times = [message["created_at"] for message in messages]
    assert found["message_count"] == len(messages) == 5 * AT_ONCE
    assert found["last_message_at"] == times[0]
    assert times == sorted(times, reverse=True)


def test_one_of_many_gets_the_email_address(api: Api) -> None:
    body = {"name": "Ada", "email": "ada@example.org"}

    statuses = at_once(lambda own, _: own.post("/api/participants", body), api)

    assert sorted(statuses) == [201] + [409] * (AT_ONCE - 1)


def test_one_of_many_is_the_first_to_join(api: Api) -> None:
    ada, bob = (api.participant(n, f"{n}@example.org") for n in ("ada", "bob"))
    path = f"/api/conversations/{api.conversation(ada)['id']}/participants"

    statuses = at_once(lambda own, _: own.post(path, {"participant": bob["id"]}), api)

    assert sorted(statuses) == [200] * (AT_ONCE - 1) + [201]
