"""What can a client do with messages?"""

from __future__ import annotations

import pytest

from tests.api import Api


def test_a_new_message_can_be_read_where_location_says(api: Api) -> None:
    ada = api.participant()
    conversation = api.conversation(ada)
    path = f"/api/conversations/{conversation['id']}/messages"

    created = api.post(path, {"author": ada["id"], "body": "Grüße 👋"})

    message = created.get_json()
    assert created.status_code == 201
    assert message == {
        "id": message["id"],
        "conversation_id": conversation["id"],
        "author": ada,
        "body": "Grüße 👋",
        "created_at": message["created_at"],
    }
    assert message["created_at"].endswith("Z")
    assert api.get(created.headers["Location"]).get_json() == message


def test_the_conversation_counts_its_messages(api: Api) -> None:
    ada = api.participant()
    conversation = api.conversation(ada)

    api.message(conversation, ada)
    last = api.message(conversation, ada)

    found = api.get(f"/api/conversations/{conversation['id']}").get_json()
    assert found["message_count"] == 2
    assert found["last_message_at"] == last["created_at"]


def test_only_those_who_take_part_can_write(api: Api) -> None:
    ada, eve = api.participant("Ada"), api.participant("Eve")
    conversation = api.conversation(ada)
    path = f"/api/conversations/{conversation['id']}/messages"

    refused = api.post(path, {"author": eve["id"], "body": "Hello"})

    assert refused.status_code == 422
    assert refused.get_json()["errors"] == [
        {"pointer": "/author", "detail": "does not take part in this conversation"}
    ]
    assert api.get(path).get_json()["items"] == []


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ("", "must have 1 to 4000 characters"),
        ("x" * 4001, "must have 1 to 4000 characters"),
        ("\0", "must not hold the character NUL"),
        (None, "must be a string"),
    ],
)
def test_a_body_has_its_limits(api: Api, body: object, detail: str) -> None:
    ada = api.participant()
    path = f"/api/conversations/{api.conversation(ada)['id']}/messages"

    refused = api.post(path, {"author": ada["id"], "body": body})

    assert refused.status_code == 422
    assert refused.get_json()["errors"] == [{"pointer": "/body", "detail": detail}]


def test_the_longest_body_fits_into_a_request(api: Api) -> None:
    ada = api.participant()

    message = api.message(api.conversation(ada), ada, "🙂" * 4000)

    assert len(message["body"]) == 4000


def test_a_message_is_found_in_its_own_conversation_only(api: Api) -> None:
    ada = api.participant()
    here, there = api.conversation(ada), api.conversation(ada)
    message = api.message(here, ada)

    path = f"/api/conversations/{there['id']}/messages/{message['id']}"

    assert api.get(path).status_code == 404


class TestListing:
    def test_is_newest_first_and_of_one_conversation(self, api: Api) -> None:
        ada = api.participant()
        here, there = api.conversation(ada), api.conversation(ada)
        first, _, second = (api.message(c, ada) for c in (here, there, here))

        listed = api.get(f"/api/conversations/{here['id']}/messages").get_json()

        assert listed == {"items": [second, first], "next": None}

    def test_is_not_upset_by_what_comes_in_between_pages(self, api: Api) -> None:
        ada = api.participant()
        conversation = api.conversation(ada)
        made = [api.message(conversation, ada) for _ in range(3)]
        pages = api.pages(f"/api/conversations/{conversation['id']}/messages", limit=2)

        first = next(pages)
        api.message(conversation, ada)
        second = next(pages)

        assert first + second == made[::-1]

    @pytest.mark.parametrize("count", [1, 8])
    def test_costs_two_queries_for_any_number(
        self, api: Api, statements: list[str], count: int
    ) -> None:
        people = [api.participant(name) for name in ("Ada", "Bob")]
        conversation = api.conversation(*people)
        for number in range(count):
            api.message(conversation, people[number % 2])
        statements.clear()

        listed = api.get(f"/api/conversations/{conversation['id']}/messages").get_json()

        assert len(listed["items"]) == count
        assert len(statements) == 2
